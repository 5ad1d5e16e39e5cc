"""What the inboxes of a team are called: by the team's own id, and the confidential one by that id with a mark.

Letters that only a team's manager and people named for it may read lie in an inbox of their own. So whoever asks for
the letters of a team's inbox is never given those, and nothing has to remember to leave them out.

Among the names of inboxes that nobody reads a third kind stands: `unled`. No letter lies in an inbox of that name.
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
    """Return the name that says: nobody is there, at this moment, who reads the team's confidential inbox.

    It decides alone over mail that is confidential on a guess (`maild.rules.leads`), which an attacker may have made
    look so; what is confidential by a rule may have to wait for who is away.
    """
    return team + _UNLED
