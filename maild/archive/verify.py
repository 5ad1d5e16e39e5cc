"""Completeness and integrity of the archive: walks the chain and names what is missing or was changed.

Quick: every row of `messages` against the chain, and every digest has content. Full: every content is read and
hashed. Both name the message and go on, so that one bad row does not hide another. The audit log is walked, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Row, exists, func, select

from maild.archive import content as store
from maild.archive.audit import broken_records
from maild.archive.chain import GENESIS, Link, extend
from maild.archive.compression import DamagedError
from maild.archive.schema import chain_head, content, messages, recipients, summaries
from maild.errors import NotFoundError

_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it was committed. `message_id` None concerns the archive as a whole."""

    message_id: int | None
    sequence: int | None
    text: str


def message_count(connection: Connection) -> int:
    """Count what `verify` will walk."""
    return connection.scalar(select(func.count()).select_from(messages)) or 0


def verify(connection: Connection, *, full: bool, progress: Callable[[int], None]) -> Iterator[Finding]:
    """Yield every finding; `progress` hears of each page of messages walked."""
    # Mail goes on arriving meanwhile: the walk ends where the archive ended at its beginning.
    head = connection.execute(select(chain_head)).one()
    chain, sequence = GENESIS, 0
    while page := _page(connection, sequence, head.sequence):
        addresses = _addresses(connection, [row.id for row in page])
        for row in page:
            if row.sequence != sequence + 1:
                missing = f"{sequence + 1}" if row.sequence == sequence + 2 else f"{sequence + 1} to {row.sequence - 1}"
                yield Finding(message_id=None, sequence=sequence + 1, text=f"message(s) number {missing} missing")
            expected = extend(chain, _link(row, addresses.get(row.id, ())))
            # After a gap the chain cannot be recomputed; it is taken up again from what stands there.
            if row.sequence == sequence + 1 and expected != bytes(row.chain):
                yield Finding(message_id=row.id, sequence=row.sequence, text="envelope or order was changed")
            chain, sequence = bytes(row.chain), row.sequence
            yield from _check_content(connection, row, full=full)
        progress(len(page))
    if head.sequence != sequence or bytes(head.chain) != chain:
        text = f"the newest message should be number {head.sequence}, but it is {sequence}"
        yield Finding(message_id=None, sequence=head.sequence, text=text)
    yield from _unfiled(connection)
    for number, text in broken_records(connection):
        yield Finding(message_id=None, sequence=None, text=f"audit log, record {number}: {text}")


def _page(connection: Connection, after: int, last: int) -> list[Row[tuple[object, ...]]]:
    within = messages.c.sequence.between(after + 1, last)
    statement = select(messages).where(within).order_by(messages.c.sequence).limit(_PAGE)
    return list(connection.execute(statement))


def _addresses(connection: Connection, ids: list[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    statement = (
        select(recipients.c.message_id, recipients.c.address)
        .where(recipients.c.message_id.in_(ids))
        .order_by(recipients.c.message_id, recipients.c.position)
    )
    for message_id, address in connection.execute(statement):
        found[message_id] = (*found.get(message_id, ()), address)
    return found


def _link(row: Row[tuple[object, ...]], addresses: tuple[str, ...]) -> Link:
    return Link(
        sequence=row.sequence,
        message_id=row.id,
        received_ms=row.received_ms,
        size=row.size,
        digest=bytes(row.digest),
        direction=row.direction,
        origin=row.origin,
        reverse_path=row.reverse_path,
        envelope=row.envelope,
        recipients=addresses,
    )


def _check_content(connection: Connection, row: Row[tuple[object, ...]], *, full: bool) -> Iterator[Finding]:
    if not full:
        if not connection.scalar(select(exists().where(content.c.digest == row.digest))):
            yield Finding(message_id=row.id, sequence=row.sequence, text="content is missing")
        return
    state, size = hashlib.sha256(), 0
    try:
        for octets in store.chunks(connection, row.digest):
            state.update(octets)
            size += len(octets)
    except NotFoundError:
        yield Finding(message_id=row.id, sequence=row.sequence, text="content is missing")
        return
    except DamagedError:
        yield Finding(message_id=row.id, sequence=row.sequence, text="content cannot be decompressed")
        return
    if state.digest() != bytes(row.digest) or size != row.size:
        yield Finding(message_id=row.id, sequence=row.sequence, text="content was changed")


def _unfiled(connection: Connection) -> Iterator[Finding]:
    """Every work item that is done has led to a summary: none vanished."""
    statement = (
        select(recipients.c.message_id)
        .where(
            recipients.c.state.in_(("filed", "problem")),
            ~exists().where(summaries.c.message_id == recipients.c.message_id),
        )
        .distinct()
    )
    for message_id in connection.scalars(statement):
        yield Finding(message_id=message_id, sequence=None, text="filed, but in no inbox")
