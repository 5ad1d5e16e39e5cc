"""What a principal may see: the argument without which no query exists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """The teams whose inboxes may be read.

    `everything` is for the operator on the machine itself (the command line as owner of the data directory):
    it also covers messages that no team holds yet. No sign-in in the browser ever yields it.
    """

    teams: frozenset[str]
    everything: bool = False


NOTHING = Visible(teams=frozenset())
OPERATOR = Visible(teams=frozenset(), everything=True)
