"""The audit log: who did what, appended in the transaction of the act itself, each row chained to the one before.

Taking out, adding, changing or reordering a row breaks every chain value after it; the head says where the log ends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from maild.archive.chain import GENESIS
from maild.archive.commit import lock_head
from maild.archive.schema_people import audit, audit_head
from maild.archive.writer import Unit
from maild.mail.acts import Act

OPERATOR = "operator"  # who sits at the command line
_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One act. `actor` is a login, OPERATOR, or "" for maild itself.

    `about` says what it was done to, where that is not the conversation: a login, an id, a query. `details` holds plain
    values, as they were and as they became; never a word of a letter.
    """

    at_ms: int
    actor: str
    act: Act
    team: str = ""
    conversation_id: int | None = None
    about: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def record(connection: Connection, records: Iterable[Record]) -> None:
    """Append acts to the log, within the unit of work that carries them out."""
    waiting = list(records)
    if not waiting:
        return
    lock_head(connection)  # one row orders all writers: two locks could be taken in two orders
    head = connection.execute(select(audit_head)).one()
    sequence, chain, rows = head.sequence, bytes(head.chain), []
    for each in waiting:
        sequence += 1
        row = {
            "sequence": sequence,
            "at_ms": each.at_ms,
            "actor": each.actor,
            "act": str(each.act),
            "team": each.team,
            "conversation_id": each.conversation_id,
            "about": each.about,
            "details": json.dumps(dict(each.details), ensure_ascii=False, sort_keys=True, separators=(",", ":")),
        }
        chain = extended(chain, row)
        rows.append(row | {"chain": chain})
    connection.execute(insert(audit), rows)
    connection.execute(update(audit_head).values(sequence=sequence, chain=chain))


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A unit of work with its one argument, and the acts that it is."""

    unit: Unit[Any, Any]
    argument: Any
    records: tuple[Record, ...]


def carry_out(connection: Connection, arguments: list[Audited]) -> Sequence[Any]:
    """Do what was asked and append it to the log, or neither. A unit of work.

    A unit that returns False or 0 did nothing.
    """
    lock_head(connection)
    results = []
    for each in arguments:
        (result,) = each.unit(connection, [each.argument])
        did_nothing = isinstance(result, int) and not result
        record(connection, () if did_nothing else each.records)
        results.append(result)
    return results


def note_acts(connection: Connection, arguments: list[Record]) -> list[None]:
    """Append acts that change nothing else, such as a reading. A unit of work."""
    record(connection, arguments)
    return [None] * len(arguments)


def broken_records(connection: Connection) -> Iterator[tuple[int, str]]:
    """Walk the log; yield number and finding where it is not as it was written."""
    head = connection.execute(select(audit_head)).one()
    chain, sequence = GENESIS, 0
    while page := _page(connection, sequence, head.sequence):
        for row in page:
            if row["sequence"] != sequence + 1:
                yield sequence + 1, f"record(s) {sequence + 1} to {row['sequence'] - 1} missing"
            elif extended(chain, row) != bytes(row["chain"]):
                yield row["sequence"], "record or order was changed"
            chain, sequence = bytes(row["chain"]), row["sequence"]
    newest = connection.scalar(select(func.max(audit.c.sequence))) or 0
    if newest > (
        last := connection.scalar(select(audit_head.c.sequence)) or 0
    ):  # read after it: the log goes on growing
        yield newest, f"record(s) behind number {last}, where the log ends"
    if sequence != head.sequence or chain != bytes(head.chain):
        yield head.sequence, f"the newest record should be number {head.sequence}, but it is {sequence}"


def exported(connection: Connection, since_ms: int | None) -> Iterator[Mapping[str, Any]]:
    """Yield the log for others to check: where it begins, each record with its chain value, and the head."""
    head = connection.execute(select(audit_head)).one()
    later = None
    if since_ms is not None:
        later = connection.scalar(select(func.min(audit.c.sequence)).where(audit.c.at_ms >= since_ms))
        later = head.sequence + 1 if later is None else later
    after = 0 if later is None else later - 1
    before = connection.scalar(select(audit.c.chain).where(audit.c.sequence == after))
    yield {"begins_after": after, "chain": (GENESIS if before is None else bytes(before)).hex()}
    while page := _page(connection, after, head.sequence):
        for row in page:
            yield {**row, "chain": bytes(row["chain"]).hex()}
        after = page[-1]["sequence"]
    yield {"head": {"sequence": head.sequence, "chain": bytes(head.chain).hex()}}


def _page(connection: Connection, after: int, last: int) -> list[Mapping[str, Any]]:
    within = audit.c.sequence.between(after + 1, last)
    found = connection.execute(select(audit).where(within).order_by(audit.c.sequence).limit(_PAGE))
    return [dict(row) for row in found.mappings()]


_COVERED = ("sequence", "at_ms", "actor", "act", "team", "conversation_id", "about", "details")


def extended(chain: bytes, row: Mapping[str, Any]) -> bytes:
    """Return the chain value of a record that follows another: SHA-256 over that one's and this record as JSON."""
    covered = json.dumps([row[name] for name in _COVERED], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(chain + covered.encode()).digest()
