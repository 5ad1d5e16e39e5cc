"""What the inboxes of a team are called: by the team's own id, and the confidential one by that id with a mark.

Letters that only a team's manager and people named for it may read lie in an inbox of their own. So whoever asks for
the letters of a team's inbox is never given those, and nothing has to remember to leave them out.
"""

from __future__ import annotations

_MARK = ":confidential"  # the ids of teams have no colon
_UNLED = ":unled"


def confidential(team: str) -> str:
    """Return the confidential inbox of a team."""
    return team + _MARK


def team_of(inbox: str) -> str:
    """Return the team that an inbox belongs to."""
    return inbox.removesuffix(_MARK)


def is_confidential(inbox: str) -> bool:
    """Tell whether an inbox is a confidential one."""
    return inbox.endswith(_MARK)


def unled(team: str) -> str:
    """Return what says, among inboxes that nobody reads, that of a team nobody is there who reads the confidential one.

    Of mail that an attacker may have made look so it decides alone: what is confidential by a rule may have to wait.
    """
    return team + _UNLED
