"""How well an address is known: how many letters bore it before another one came.

Security: only letters that the asker may see are counted; a number must not tell of others' mail.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from maild.archive.allowed import allowed_filing
from maild.archive.queries import Related
from maild.archive.questions import Question, Sight
from maild.archive.schema import conversations, filings, messages, summaries
from maild.policy.visible import Visible

MOST = 100


def letters_before(connection: Connection, *, visible: Visible, from_mail: str, message_id: int) -> int:
    """Return how many letters from outside bore an address (folded) before a message: MOST + 1 says "more"."""
    return _BEFORE.scalar(connection, visible, mail=from_mail, message=message_id) or 0


def _before(sight: Sight) -> Select[Any]:
    seen = select(filings.c.message_id).where(filings.c.message_id == summaries.c.message_id, allowed_filing(sight))
    earlier = (
        select(summaries.c.message_id)
        .join_from(summaries, messages, messages.c.id == summaries.c.message_id)
        .where(
            summaries.c.from_mail == bindparam("mail"),
            summaries.c.message_id < bindparam("message"),
            messages.c.direction == "in",
            seen.exists(),
        )
        .order_by(summaries.c.message_id.desc())
        .limit(MOST + 1)
    )
    return select(func.count()).select_from(earlier.subquery())


_BEFORE = Question(_before)


def others_from(
    connection: Connection, *, visible: Visible, team: str, from_mails: Iterable[str], besides: int, limit: int = 8
) -> tuple[Related, ...]:
    """Return the newest other conversations in a team's inbox with letters that bear one of these addresses.

    Whether an address is really its bearer's is not asked here: somebody looks before they merge anything.
    """
    newest = (
        select(filings.c.conversation_id, func.max(filings.c.message_id).label("message_id"))
        .join_from(filings, summaries, summaries.c.message_id == filings.c.message_id)
        .join(messages, messages.c.id == filings.c.message_id)
        .where(
            filings.c.team == team,
            allowed_filing(visible),
            filings.c.conversation_id != besides,
            summaries.c.from_mail.in_(sorted({mail for mail in from_mails if mail})),
            messages.c.direction == "in",
        )
        .group_by(filings.c.conversation_id)
        .order_by(func.max(filings.c.message_id).desc())
        .limit(limit)
        .subquery()
    )
    rows = connection.execute(
        select(conversations.c.reference, summaries.c.subject)
        .join_from(newest, conversations, conversations.c.id == newest.c.conversation_id)
        .join(summaries, summaries.c.message_id == newest.c.message_id)
        .order_by(newest.c.message_id.desc())
    )
    return tuple(Related(reference=row.reference, subject=row.subject) for row in rows)
