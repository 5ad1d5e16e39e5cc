"""Units of work: enqueue, claim, begin, record; and what a person does to a delivery.

Invariant: who sends has a lease, and has proven it again in the transaction that records the attempt (`begin`), which
is committed before DATA. So what is dropped, held or taken by somebody else meanwhile is not sent.
Invariant: a lease that ran out with an attempt open means that its worker ended while the content may have been
accepted: the delivery is doubtful from then on. Mail that a person wrote is tried again, at the risk of a second copy;
automatic mail (`once`) never is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    Update,
    and_,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from maild.archive.schema_outgoing import attempts, deliveries
from maild.delivery.deliveries import COPY, SMTP, WAITING, Delivery, Dsn, NewDelivery
from maild.delivery.outcome import Outcome, Result, shown
from maild.delivery.schedule import HORIZON_MS, is_late, is_over, pause_ms

_CANDIDATES = 200
_PER_LOAD = 20  # looked at for each load: recipients of one message, and what has no room at the moment
_MOST_RECIPIENTS = 100  # in one transaction (RFC 5321 §4.5.3.1.8)
# Written out, not bound: otherwise no database sees that the index of what is due has them all.
_WAITS = deliveries.c.state.in_([literal_column("'queued'"), literal_column("'deferred'")])
MAY_HAVE_ARRIVED = "cut off while it was sent: it may have arrived"
NEVER_AGAIN = "it may have arrived, and automatic mail is not sent twice"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Deliveries of one load are about to be sent to a host."""

    deliveries: tuple[Delivery, ...]
    at_ms: int
    host: str
    tls: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What became of one try. `jitter`: from 0 up to 1."""

    delivery: Delivery
    outcome: Outcome
    started_ms: int
    at_ms: int
    jitter: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """How the delivery stands now. `late`: its author is to be told that it takes long, now and once."""

    state: str
    attempts: int
    due_ms: int | None = None
    doubtful: bool = False
    late: bool = False


# --- in ------------------------------------------------------------------------------------------------------


def enqueue(connection: Connection, new: Sequence[NewDelivery]) -> None:
    """Make deliveries within another unit of work: that of the message they belong to."""
    rows = [
        {
            "message_id": each.message_id,
            "kind": each.kind,
            "recipient": each.recipient,
            "reverse_path": each.reverse_path,
            "next_hop": each.next_hop,
            "state": "queued" if each.held is None else "held",
            "dsn": each.dsn.to_json(),
            "once": int(each.once),
            "attempts": 0,
            "made_ms": each.made_ms,
            "due_ms": each.due_ms,
            "expires_ms": each.expires_ms,
            "outcome": each.held or "",
            "doubtful": 0,
        }
        for each in new
    ]
    if rows:
        connection.execute(insert(deliveries), rows)


# --- claiming ------------------------------------------------------------------------------------------------


def claim(connection: Connection, arguments: list[Claim]) -> list[Claimed]:
    """Take what is due, oldest first, as far as each hop has room."""
    return [_claim(connection, asked) for asked in arguments]


def _claim(connection: Connection, asked: Claim) -> Claimed:
    chosen: dict[tuple[Any, ...], list[RowMapping]] = {}
    active = dict(asked.active)
    doubtful: list[int] = []
    ended: list[tuple[int, int]] = []
    candidates = connection.execute(_due(asked)).mappings().all()
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
                continue
            chosen[key] = []
            active[hop] = active.get(hop, 0) + 1
        if len(chosen[key]) < _MOST_RECIPIENTS:
            chosen[key].append(row)
    ids = [row["id"] for rows in chosen.values() for row in rows]
    if ids:
        connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(lease_ms=asked.lease_ms))
    loads = tuple(tuple(_delivery(row, asked.lease_ms) for row in rows) for rows in chosen.values())
    return Claimed(loads=loads, doubtful=tuple(doubtful), ended=tuple(ended))


def hop_of(kind: str, next_hop: str, single: frozenset[str]) -> Hop:
    """Return what counts as one destination."""
    return (kind, "" if kind in single else next_hop)


def _due(asked: Claim) -> Select[Any]:
    table, now = deliveries.c, asked.now_ms
    longest = max(asked.lease_ms - now, 0) * 2
    full = [hop for hop, count in asked.active.items() if count >= asked.per_hop]
    conditions = [
        _WAITS,
        or_(table.due_ms <= now, table.due_ms > now + HORIZON_MS),
        # A lease further ahead than any is given was written while a clock was wrong.
        or_(table.lease_ms.is_(None), table.lease_ms <= now, table.lease_ms > now + longest),
    ]
    for kind, next_hop in full:
        same = table.kind == kind if kind in asked.single else and_(table.kind == kind, table.next_hop == next_hop)
        conditions.append(not_(same))
    if asked.mine:
        conditions.append(table.id.not_in(asked.mine))
    return (
        select(deliveries)
        .where(*conditions)
        .order_by(table.due_ms, table.id)
        .limit(min(_CANDIDATES, asked.loads * _PER_LOAD))
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
        update(deliveries).where(deliveries.c.lease_ms.is_not(None), _WAITS).values(lease_ms=0)
    )
    return [int(ended.rowcount) for _ in arguments]


def next_due_ms(connection: Connection) -> int | None:
    """Return when the first delivery is due that nobody has in hand."""
    found = select(func.min(deliveries.c.due_ms)).where(_WAITS, deliveries.c.lease_ms.is_(None))
    due_ms: int | None = connection.scalar(found)
    return due_ms


# --- trying --------------------------------------------------------------------------------------------------


def begin(connection: Connection, arguments: list[Start]) -> list[bool]:
    """Record attempts; False, and nothing recorded, where one of the deliveries is no longer the worker's."""
    return [_begin(connection, start) for start in arguments]


def _begin(connection: Connection, start: Start) -> bool:
    ids = [delivery.id for delivery in start.deliveries]
    found = connection.execute(
        select(deliveries.c.id, deliveries.c.lease_ms, deliveries.c.attempts)
        .where(deliveries.c.id.in_(ids), deliveries.c.state.in_(WAITING))
        .with_for_update()
    ).all()
    ours = {delivery.id: delivery.lease_ms for delivery in start.deliveries}
    if {row.id: row.lease_ms for row in found} != ours:
        return False
    connection.execute(
        insert(attempts),
        [
            {
                "delivery_id": row.id,
                "number": row.attempts + 1,
                "started_ms": start.at_ms,
                "host": start.host,
                "tls": start.tls,
                "outcome": Result.UNKNOWN.value,
                "reply": "",
            }
            for row in found
        ],
    )
    connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(attempts=deliveries.c.attempts + 1))
    return True


def record_outcomes(connection: Connection, arguments: list[End]) -> list[Recorded]:
    """Write down what became of tries, and what follows from it."""
    return [_record(connection, end) for end in arguments]


def _record(connection: Connection, end: End) -> Recorded:
    before = connection.execute(
        select(deliveries).where(deliveries.c.id == end.delivery.id).with_for_update()
    ).mappings().one()  # fmt: skip
    ours = before["lease_ms"] == end.delivery.lease_ms
    delivered = end.outcome.result is Result.DELIVERED
    if not ours and not delivered:
        return _record_late(connection, end, before)
    number = _end_attempt(connection, end, before["attempts"])
    values: dict[str, Any] = {"outcome": shown(end.outcome.reply), "lease_ms": None, "attempts": number}
    late = False
    if delivered:
        values |= {"state": "delivered", "ended_ms": end.at_ms, "doubtful": int(bool(before["doubtful"]) or not ours)}
    elif before["state"] in WAITING:
        values |= _what_follows(connection, end, number)
        late = values["state"] == "deferred" and before["notified_ms"] is None and _is_late(connection, end)
        values |= {"notified_ms": end.at_ms} if late else {}
    connection.execute(update(deliveries).where(deliveries.c.id == end.delivery.id).values(**values))
    after = {**before, **values}
    return Recorded(
        state=after["state"],
        attempts=number,
        due_ms=after["due_ms"] if after["state"] in WAITING else None,
        doubtful=bool(after["doubtful"]),
        late=late,
    )


def _record_late(connection: Connection, end: End, before: RowMapping) -> Recorded:
    """End an attempt whose delivery somebody has changed or taken meanwhile; what they did counts."""
    doubtful = bool(before["doubtful"])
    if before["attempts"] > end.delivery.attempts:
        number = end.delivery.attempts + 1
        connection.execute(_attempt_ends(end, number).where(attempts.c.ended_ms.is_(None)))
        if end.outcome.result is Result.UNKNOWN:
            doubtful = True
            connection.execute(update(deliveries).where(deliveries.c.id == end.delivery.id).values(doubtful=1))
    return Recorded(state=before["state"], attempts=before["attempts"], doubtful=doubtful)


def _end_attempt(connection: Connection, end: End, attempts_so_far: int) -> int:
    """End the attempt that `begin` recorded, or record one that never came so far; return its number."""
    outcome = end.outcome
    if attempts_so_far > end.delivery.attempts:
        connection.execute(_attempt_ends(end, end.delivery.attempts + 1))
        return attempts_so_far
    number = attempts_so_far + 1
    connection.execute(
        insert(attempts).values(
            delivery_id=end.delivery.id,
            number=number,
            started_ms=end.started_ms,
            ended_ms=end.at_ms,
            host=outcome.host,
            tls=outcome.tls,
            outcome=outcome.result.value,
            reply=shown(outcome.reply),
        )
    )
    return number


def _attempt_ends(end: End, number: int) -> Update:
    return (
        update(attempts)
        .where(attempts.c.delivery_id == end.delivery.id, attempts.c.number == number)
        .values(ended_ms=end.at_ms, outcome=end.outcome.result.value, reply=shown(end.outcome.reply))
    )


def _what_follows(connection: Connection, end: End, number: int) -> dict[str, Any]:
    match end.outcome.result:
        case Result.FAILED:
            return {"state": "failed", "ended_ms": end.at_ms}
        case Result.HELD:
            return {"state": "held"}
        case Result.UNKNOWN if end.delivery.once:
            return {"state": "failed", "ended_ms": end.at_ms, "doubtful": 1, "outcome": NEVER_AGAIN}
        case _:
            doubtful = {"doubtful": 1} if end.outcome.result is Result.UNKNOWN else {}
            lifetime_ms = end.delivery.expires_ms - end.delivery.made_ms
            if is_over(_tried_at_ms(connection, end.delivery.id), lifetime_ms):
                return doubtful | {"state": "expired", "ended_ms": end.at_ms}
            return doubtful | {"state": "deferred", "due_ms": end.at_ms + pause_ms(number, end.jitter)}


def _is_late(connection: Connection, end: End) -> bool:
    return end.delivery.kind == SMTP and is_late(_tried_at_ms(connection, end.delivery.id))


def _tried_at_ms(connection: Connection, delivery_id: int) -> list[int]:
    return list(
        connection.scalars(
            select(attempts.c.started_ms).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.number)
        )
    )
