"""Claiming what is due, in SQL: who has which delivery in hand, until when, and what a crash left behind.

A claim gives a delivery a lease: nobody else takes it before that has run out. A worker that dies leaves leases that
run out, and, if it had come that far, an attempt without an end: whether that one arrived nobody knows, so the
delivery is marked `doubtful` from then on. Mail that a person wrote is tried again, at the risk of a second copy;
automatic mail (`once`) never is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    update,
)

from maild.archive.prepared import Prepared
from maild.archive.schema_outgoing import attempts, deliveries
from maild.delivery.deliveries import COPY, Delivery, Dsn
from maild.delivery.schedule import HORIZON_MS

# Looked at beside what is asked for: further recipients of the same messages, and what has no room at the moment.
_BESIDES = 100
_MOST_RECIPIENTS = 100  # in one transaction (RFC 5321 §4.5.3.1.8)
# Written out, not bound: otherwise no database sees that the index of what is due has them all.
WAITS = deliveries.c.state.in_([literal_column("'queued'"), literal_column("'deferred'")])
MAY_HAVE_ARRIVED = "cut off while it was sent: it may have arrived"
NEVER_AGAIN = "it may have arrived, and automatic mail is not sent twice"

_GIVE_BACK = Prepared(
    update(deliveries)
    .where(deliveries.c.id == bindparam("b_id"), deliveries.c.lease_ms == bindparam("b_lease"))
    .values(lease_ms=null())
)

Hop = tuple[str, str]  # kind and next hop


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker asks for work. `active` counts what it has in hand for each hop; `mine` are those deliveries.

    `single` are the kinds that all go to one next hop, whatever their recipients.
    """

    now_ms: int
    lease_ms: int  # until then what is claimed is the worker's
    loads: int
    per_hop: int
    active: Mapping[Hop, int] = field(default_factory=dict)
    mine: frozenset[int] = frozenset()
    single: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Loads to be sent, and what an earlier worker left in doubt and is never tried again."""

    loads: tuple[tuple[Delivery, ...], ...]
    doubtful: tuple[int, ...] = ()
    ended: tuple[tuple[int, int], ...] = ()  # (delivery, message)
    more: bool = False  # there is, or may be, more that is due, and had no room


def claim(connection: Connection, arguments: list[Claim]) -> list[Claimed]:
    """Take what is due, oldest first, as far as each hop has room."""
    return [_claim(connection, asked) for asked in arguments]


def _claim(connection: Connection, asked: Claim) -> Claimed:
    chosen: dict[tuple[Any, ...], list[RowMapping]] = {}
    active = dict(asked.active)
    doubtful: list[int] = []
    ended: list[tuple[int, int]] = []
    most = asked.loads + _BESIDES + len(asked.mine)
    found = connection.execute(_due(asked, most)).mappings().all()
    more = len(found) == most or any(count >= asked.per_hop for count in active.values())
    # Invariant: not asked of the database, where a lease says the same unless the clock jumped.
    candidates = [row for row in found if row["id"] not in asked.mine]
    cut_off = _cut_off(connection, [row["id"] for row in candidates if row["attempts"]])
    for row in candidates:
        if row["id"] in cut_off:
            _doubt(connection, row["id"], asked.now_ms)
            doubtful.append(row["id"])
            if row["once"]:
                _give_up(connection, row["id"], asked.now_ms)
                ended.append((row["id"], row["message_id"]))
                continue
        hop = hop_of(row["kind"], row["next_hop"], asked.single)
        key = (row["message_id"], *hop, row["reverse_path"], row["id"] if row["kind"] == COPY else None)
        if key not in chosen:
            if len(chosen) >= asked.loads or active.get(hop, 0) >= asked.per_hop:
                more = True
                continue
            chosen[key] = []
            active[hop] = active.get(hop, 0) + 1
        if len(chosen[key]) < _MOST_RECIPIENTS:
            chosen[key].append(row)
    ids = [row["id"] for rows in chosen.values() for row in rows]
    if ids:
        connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(lease_ms=asked.lease_ms))
    loads = tuple(tuple(_delivery(row, asked.lease_ms) for row in rows) for rows in chosen.values())
    return Claimed(loads=loads, doubtful=tuple(doubtful), ended=tuple(ended), more=more)


def hop_of(kind: str, next_hop: str, single: frozenset[str]) -> Hop:
    """Return what counts as one destination."""
    return (kind, "" if kind in single else next_hop)


def _due(asked: Claim, most: int) -> Select[Any]:
    table, now = deliveries.c, asked.now_ms
    longest = max(asked.lease_ms - now, 0) * 2
    full = [hop for hop, count in asked.active.items() if count >= asked.per_hop]
    conditions = [
        WAITS,
        or_(table.due_ms <= now, table.due_ms > now + HORIZON_MS),
        # A lease further ahead than any is given was written while a clock was wrong.
        or_(table.lease_ms.is_(None), table.lease_ms <= now, table.lease_ms > now + longest),
    ]
    for kind, next_hop in full:
        same = table.kind == kind if kind in asked.single else and_(table.kind == kind, table.next_hop == next_hop)
        conditions.append(not_(same))
    return (
        select(deliveries)
        .where(*conditions)
        .order_by(table.due_ms, table.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )


def _cut_off(connection: Connection, ids: list[int]) -> frozenset[int]:
    """Return those of which an attempt was never ended."""
    if not ids:
        return frozenset()
    return frozenset(
        connection.scalars(
            select(attempts.c.delivery_id).where(attempts.c.delivery_id.in_(ids), attempts.c.ended_ms.is_(None))
        )
    )


def _doubt(connection: Connection, delivery_id: int, now_ms: int) -> None:
    connection.execute(
        update(attempts)
        .where(attempts.c.delivery_id == delivery_id, attempts.c.ended_ms.is_(None))
        .values(ended_ms=now_ms, reply=MAY_HAVE_ARRIVED)
    )
    connection.execute(
        update(deliveries).where(deliveries.c.id == delivery_id).values(doubtful=1, outcome=MAY_HAVE_ARRIVED)
    )


def _give_up(connection: Connection, delivery_id: int, now_ms: int) -> None:
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(state="failed", outcome=NEVER_AGAIN, ended_ms=now_ms, lease_ms=None)
    )


def _delivery(row: RowMapping, lease_ms: int) -> Delivery:
    return Delivery(
        id=row["id"],
        message_id=row["message_id"],
        kind=row["kind"],
        recipient=row["recipient"],
        reverse_path=row["reverse_path"],
        next_hop=row["next_hop"],
        dsn=Dsn.from_json(row["dsn"]),
        once=bool(row["once"]),
        attempts=row["attempts"],
        made_ms=row["made_ms"],
        expires_ms=row["expires_ms"],
        lease_ms=lease_ms,
    )


def end_leases(connection: Connection, arguments: list[None]) -> list[int]:
    """Let all leases run out: for the start of a daemon that is the only one to have any. Returns how many."""
    ended: Any = connection.execute(
        update(deliveries).where(deliveries.c.lease_ms.is_not(None), WAITS).values(lease_ms=0)
    )
    return [int(ended.rowcount) for _ in arguments]


def give_back(connection: Connection, arguments: list[tuple[Delivery, ...]]) -> list[None]:
    """Let go of what was claimed and not begun, so that others need not wait for the lease to run out."""
    values = [{"b_id": each.id, "b_lease": each.lease_ms} for load in arguments for each in load]
    _GIVE_BACK.run(connection, values)
    return [None for _ in arguments]


def next_due_ms(connection: Connection) -> int | None:
    """Return when the first delivery is due that nobody has in hand."""
    found = select(func.min(deliveries.c.due_ms)).where(WAITS, deliveries.c.lease_ms.is_(None))
    due_ms: int | None = connection.scalar(found)
    return due_ms
