"""What a principal may see: the argument without which no query exists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """The teams whose inboxes may be read.

    Of the inboxes in `assigned`, only the entries that are `user_id`'s at that moment are seen, and their conversations
    as far as these entries show them; a query that does not know of this shows nothing of them.
    `everything` is for the operator on the machine itself (the command line as owner of the data directory):
    it also covers messages that no team holds yet. No sign-in in the browser ever yields it.
    """

    teams: frozenset[str]
    everything: bool = False
    assigned: frozenset[str] = frozenset()  # none of `teams`
    user_id: int | None = None

    @property
    def has_assigned(self) -> bool:
        """Tell whether there are such inboxes."""
        return bool(self.assigned)

    @property
    def inboxes(self) -> frozenset[str]:
        """The inboxes of which anything may be seen."""
        return self.teams | self.assigned


NOTHING = Visible(teams=frozenset())
OPERATOR = Visible(teams=frozenset(), everything=True)
