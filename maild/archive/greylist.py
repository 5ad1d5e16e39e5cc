"""Who was asked to come again, and who has. Units of work for the writer.

A key is a digest of network, sender and recipient's domain (`maild.screening.greylist`). The table is bounded: what is
of no use any more goes first, then strangers, the oldest first; whoever is forgotten is asked once more, no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, true

from maild.archive.schema import messages, recipients
from maild.archive.schema_senders import greylist
from maild.archive.upserting import inserting

PASS_MS = 35 * 24 * 3600 * 1000  # a month and a bit: senders of monthly letters stay known
MOST_ROWS = 1_000_000
_LOOKED_AT = 20
_FRESH_MS = 24 * 3600 * 1000  # how seldom it is written down that somebody who has passed was here again


class Meeting(NamedTuple):
    """A mail at the door. It may come in when one of its keys may."""

    keys: tuple[bytes, ...]
    now_ms: int
    delay_ms: int
    window_ms: int


class Pruning(NamedTuple):
    """What is to be forgotten."""

    now_ms: int
    window_ms: int
    most_rows: int = MOST_ROWS


def is_written_to(connection: Connection, address_key: str) -> bool:
    """Tell whether somebody here has written to an address."""
    # Security: mail that came has recipients, too: ours, whose addresses strangers like to use as their own.
    newest = (
        select(messages.c.direction)
        .join_from(recipients, messages, messages.c.id == recipients.c.message_id)
        .where(recipients.c.address_key == address_key)
        .order_by(recipients.c.message_id.desc())
        .limit(_LOOKED_AT)
    )
    return "out" in connection.scalars(newest).all()


def has_passed(connection: Connection, meeting: Meeting) -> bool:
    """Tell whether a mail may come in and nothing need be written: it was seen to pass not long ago."""
    rows = _rows(connection, meeting.keys)
    since = meeting.now_ms - min(_FRESH_MS, PASS_MS)
    return any(row.passed and row.last_ms > since for row in rows.values())


def meet(connection: Connection, items: list[Meeting]) -> Sequence[int]:
    """Note meetings and return how many milliseconds each has to wait still; 0: it may come in. A unit of work."""
    return [_meet(connection, item) for item in items]


def _meet(connection: Connection, item: Meeting) -> int:
    known = {
        key: row
        for key, row in _rows(connection, item.keys).items()
        if item.now_ms - row.last_ms < (PASS_MS if row.passed else item.window_ms)
        and (row.passed or item.now_ms - row.first_ms < item.window_ms)
    }
    waited = [item.now_ms - row.first_ms for row in known.values()]
    passed = any(row.passed for row in known.values()) or max(waited, default=-1) >= item.delay_ms
    values = [
        {
            "key": key,
            "first_ms": known[key].first_ms if key in known else item.now_ms,
            "last_ms": item.now_ms,
            "passed": int(passed),
        }
        for key in item.keys
    ]
    put = inserting(greylist, connection.dialect.name)
    fresh = {name: put.excluded[name] for name in ("first_ms", "last_ms", "passed")}
    connection.execute(put.on_conflict_do_update(index_elements=["key"], set_=fresh), values)
    return 0 if passed else max(1, item.delay_ms - max(waited, default=0))


def prune(connection: Connection, items: list[Pruning]) -> Sequence[int]:
    """Forget what is of no use, and what is too much; returns how many. A unit of work."""
    return [_prune(connection, item) for item in items]


def _prune(connection: Connection, item: Pruning) -> int:
    g = greylist.c
    useless = or_(and_(g.passed == 0, g.first_ms <= item.now_ms - item.window_ms), g.last_ms <= item.now_ms - PASS_MS)
    gone: Any = connection.execute(delete(greylist).where(useless))
    count = int(gone.rowcount)
    too_many = (connection.scalar(select(func.count()).select_from(greylist).where(true())) or 0) - item.most_rows
    if too_many > 0:
        oldest = select(g.key).order_by(g.passed, g.last_ms).limit(too_many)
        gone = connection.execute(delete(greylist).where(g.key.in_(oldest)))
        count += int(gone.rowcount)
    return count


def _rows(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, Row[Any]]:
    found = connection.execute(select(greylist).where(greylist.c.key.in_(keys)))
    return {bytes(row.key): row for row in found}
