"""How well an address is known: how many letters bore it before another one came.

Security: only letters that the asker may see are counted; a number must not tell of others' mail.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from maild.archive.queries import allowed_filing
from maild.archive.schema import filings, messages, summaries
from maild.policy.visible import Visible

MOST = 100


def letters_before(connection: Connection, *, visible: Visible, from_mail: str, message_id: int) -> int:
    """Return how many letters from outside bore an address (folded) before a message: MOST + 1 says "more"."""
    seen = select(filings.c.message_id).where(filings.c.message_id == summaries.c.message_id, allowed_filing(visible))
    earlier = (
        select(summaries.c.message_id)
        .join_from(summaries, messages, messages.c.id == summaries.c.message_id)
        .where(
            summaries.c.from_mail == from_mail,
            summaries.c.message_id < message_id,
            messages.c.direction == "in",
            seen.exists(),
        )
        .order_by(summaries.c.message_id.desc())
        .limit(MOST + 1)
    )
    return connection.scalar(select(func.count()).select_from(earlier.subquery())) or 0
