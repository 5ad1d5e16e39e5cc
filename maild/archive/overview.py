"""The archive in figures, for `maild status` and for who runs maild; nothing here tells what mail says."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from maild.archive.schema import chain_head, messages, recipients, rules_versions, users
from maild.archive.search_late import watermark
from maild.archive.work import waiting_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Counts and positions.

    `unindexed` counts filings that the full-text index does not have yet; `has_index`: there is one that can be asked.
    """

    messages: int
    newest_received_ms: int | None
    waiting: int
    problems: int
    unindexed: int
    has_index: bool
    rules_number: int | None
    rules_digest: str | None
    people: int


def overview(connection: Connection) -> Overview:
    """Return the figures of now."""
    head = connection.execute(select(chain_head)).one()
    rules = connection.execute(
        select(rules_versions.c.number, rules_versions.c.digest).order_by(rules_versions.c.number.desc()).limit(1)
    ).first()
    problems = select(func.count(recipients.c.message_id.distinct())).where(recipients.c.state == "problem")
    enabled = select(func.count()).select_from(users).where(users.c.disabled_ms.is_(None))
    indexed = watermark(connection)
    newest = select(messages.c.received_ms).where(messages.c.sequence == head.sequence)
    return Overview(
        messages=head.sequence,
        newest_received_ms=connection.scalar(newest),
        waiting=waiting_count(connection),
        problems=connection.scalar(problems) or 0,
        unindexed=max(0, head.revision - (indexed or 0)),
        has_index=indexed is not None,
        rules_number=None if rules is None else rules.number,
        rules_digest=None if rules is None else rules.digest,
        people=connection.scalar(enabled) or 0,
    )
