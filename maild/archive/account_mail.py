"""Conversations that only a team's leads see because maild took a letter for one that hands over an account.

That is a guess, and a lead may open the conversation to the team. What a rule has made confidential, or what only
belongs to such an exchange, stays where it is: so the routes decide that were kept beside every letter.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from maild.archive.allowed import allowed_filing
from maild.archive.questions import Question, Sight
from maild.archive.replayable import kept_routes
from maild.archive.schema import filings, messages, summaries
from maild.mail.inbox import confidential, is_confidential, team_of
from maild.policy.visible import OPERATOR, Visible

_MOST = 50  # letters of a conversation: one with more is an exchange, and no account's


def led_only(connection: Connection, *, visible: Visible, conversation_id: int) -> frozenset[str]:
    """Return the confidential inboxes that a conversation came into only because it looked as if it handed one over."""
    rows = _LETTERS.rows(connection, visible, conversation=conversation_id, most=_MOST + 1)
    inboxes = {row.team for row in rows if is_confidential(row.team)}
    if not inboxes or len(rows) > _MOST:
        return frozenset()
    others = {row.team for row in rows if not _is_led(bytes(row.trace), row.team)}
    return frozenset(inboxes - others)


def may_be_opened(connection: Connection, conversation_id: int, inbox: str) -> bool:
    """Tell whether a confidential inbox has a conversation for no other reason; within a unit of work."""
    return inbox in led_only(connection, visible=OPERATOR, conversation_id=conversation_id)


def _is_led(trace: bytes, inbox: str) -> bool:
    """Tell whether every way that led a letter into the inbox did so because of what it looked like."""
    team = team_of(inbox)
    ways = [route for route in kept_routes(trace) or () if team in route.teams]
    inner = [route for route in ways if route.inbox_of(team) == confidential(team)]
    return bool(inner) and not any(route.confidential for route in inner)


def _letters(sight: Sight) -> Select[Any]:
    return (
        select(filings.c.team, summaries.c.trace)
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
