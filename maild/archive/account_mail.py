"""Conversations that only a team's leads see because maild took a letter for one that hands over an account.

That is a guess, and a lead may open the conversation to the team: also when people went on writing in it, whose letters
are for the leads because they belong to it. What a rule has made confidential, or what belongs to such an exchange,
stays where it is: so the routes decide that were kept beside every letter.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from maild.archive.allowed import allowed_filing
from maild.archive.questions import Question, Sight
from maild.archive.replayable import kept_routes
from maild.archive.schema import filings, messages, summaries
from maild.mail.inbox import is_confidential, team_of
from maild.policy.visible import OPERATOR, Visible

_MOST = 50  # letters of a conversation: one with more is an exchange, and no account's
_MOST_LOOKED_AT = 500


def led_only(connection: Connection, *, visible: Visible, conversation_id: int) -> frozenset[str]:
    """Return the confidential inboxes that a conversation came into only because it looked as if it handed one over."""
    rows = _LETTERS.rows(connection, visible, conversation=conversation_id, most=_MOST + 1)
    if len(rows) > _MOST:
        return frozenset()
    found = [(row.team, row.message_id, _why(bytes(row.trace), row.team)) for row in rows if is_confidential(row.team)]
    first: dict[str, int] = {}
    for inbox, number, why in found:
        if why is _Why.LOOKS_SO:
            first[inbox] = min(number, first.get(inbox, number))
    # Security: a letter of before belongs to something else that is confidential.
    others = {
        inbox
        for inbox, number, why in found
        if why is _Why.SECRET or (why is _Why.BELONGS and number < first.get(inbox, number + 1))
    }
    return frozenset(first.keys() - others)


def may_be_opened(connection: Connection, conversation_id: int, inbox: str) -> bool:
    """Tell whether a confidential inbox has a conversation for no other reason; within a unit of work."""
    return inbox in led_only(connection, visible=OPERATOR, conversation_id=conversation_id)


def has_secret(connection: Connection, conversation_id: int, inbox: str, trace: bytes) -> bool:
    """Tell whether a letter that comes, with this trace, or one that is there is in an inbox for any other reason.

    Within a unit of work; asked where mail of a confidential inbox goes into an open one.
    """
    if _why(trace, inbox) is _Why.SECRET:
        return True
    rows = _LETTERS.rows(connection, OPERATOR, conversation=conversation_id, most=_MOST_LOOKED_AT)
    return any(row.team == inbox and _why(bytes(row.trace), inbox) is _Why.SECRET for row in rows)


class _Why(Enum):
    """Why a letter lies in a confidential inbox."""

    LOOKS_SO = auto()
    BELONGS = auto()  # by itself it would lie in the team's own
    SECRET = auto()


def _why(trace: bytes, inbox: str) -> _Why:
    team = team_of(inbox)
    ways = [route for route in kept_routes(trace) or () if team in route.teams]
    if not ways or any(route.confidential for route in ways):
        return _Why.SECRET
    return _Why.LOOKS_SO if any(route.inbox_of(team) == inbox for route in ways) else _Why.BELONGS


def _letters(sight: Sight) -> Select[Any]:
    return (
        select(filings.c.team, filings.c.message_id, summaries.c.trace)
        .join_from(filings, summaries, summaries.c.message_id == filings.c.message_id)
        .join(messages, messages.c.id == filings.c.message_id)
        .where(
            filings.c.conversation_id == bindparam("conversation"),
            messages.c.direction == "in",
            allowed_filing(sight),
        )
        .limit(bindparam("most"))
    )


_LETTERS = Question(_letters)
