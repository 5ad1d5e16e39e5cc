"""Units of work: enqueue, begin, record.

Invariant: who sends has a lease (`claiming`), and has proven it again in the transaction that records the attempt
(`begin`), which is committed before DATA. So what is dropped, held or taken by somebody else meanwhile is not sent.

`begin` and what plainly arrived are on the way of every message: prepared statements, one for a whole group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, Update, bindparam, insert, null, select, text, update

from maild.archive.prepared import Prepared, PreparedIn, Values
from maild.archive.schema_outgoing import attempts, deliveries
from maild.delivery.deliveries import SMTP, WAITING, Delivery, NewDelivery
from maild.delivery.outcome import Outcome, Result, shown
from maild.delivery.queue.claiming import NEVER_AGAIN, WAITS
from maild.delivery.schedule import is_late, is_over, pause_ms

_LEASES = PreparedIn(
    lambda keys: (
        select(deliveries.c.id, deliveries.c.lease_ms, deliveries.c.attempts)
        .where(deliveries.c.id.in_(keys), WAITS)
        .with_for_update()
    )
)
_TRY = Prepared(
    insert(attempts).values(
        {name: bindparam(name) for name in ("delivery_id", "number", "started_ms", "host", "tls", "outcome", "reply")}
    )
)
_COUNT = Prepared(
    update(deliveries).where(deliveries.c.id == bindparam("b_id")).values(attempts=bindparam("b_attempts"))
)
_BEFORE = PreparedIn(
    lambda keys: (
        select(*(deliveries.c[name] for name in ("id", "state", "lease_ms", "attempts", "doubtful")))
        .where(deliveries.c.id.in_(keys))
        .with_for_update()
    )
)
_END = Prepared(
    update(attempts)
    .where(attempts.c.delivery_id == bindparam("b_id"), attempts.c.number == bindparam("b_number"))
    .values(ended_ms=bindparam("b_ended"), outcome=bindparam("b_outcome"), reply=bindparam("b_reply"))
)
_DELIVERED = Prepared(
    update(deliveries)
    .where(deliveries.c.id == bindparam("b_id"))
    .values(state=text("'delivered'"), outcome=bindparam("b_outcome"), lease_ms=null(), ended_ms=bindparam("b_ended"))
)


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


def begin(connection: Connection, arguments: list[Start]) -> list[bool]:
    """Record attempts; False, and nothing recorded, where one of the deliveries is no longer the worker's.

    An attempt may begin again, on another connection, as long as nothing of it was sent: it stays one.
    """
    ids = [delivery.id for start in arguments for delivery in start.deliveries]
    found = {row[0]: (row[1], row[2]) for row in _LEASES.rows(connection, ids)}
    begun, tries = [], []
    for start in arguments:
        ours = all(found.get(each.id, (None, 0))[0] == each.lease_ms for each in start.deliveries)
        begun.append(ours)
        for each in start.deliveries if ours else ():
            if found[each.id][1] == each.attempts:
                tries.append(_try(start, each.id, each.attempts + 1))
            else:
                _begin_again(connection, start, each)
    _TRY.run(connection, tries)
    _COUNT.run(connection, [{"b_id": each["delivery_id"], "b_attempts": each["number"]} for each in tries])
    return begun


def _begin_again(connection: Connection, start: Start, each: Delivery) -> None:
    connection.execute(
        update(attempts)
        .where(attempts.c.delivery_id == each.id, attempts.c.number == each.attempts + 1)
        .values(started_ms=start.at_ms, host=start.host, tls=start.tls)
    )


def _try(start: Start, delivery_id: int, number: int) -> Values:
    return {
        "delivery_id": delivery_id,
        "number": number,
        "started_ms": start.at_ms,
        "host": start.host,
        "tls": start.tls,
        "outcome": Result.UNKNOWN.value,
        "reply": "",
    }


def record_outcomes(connection: Connection, arguments: list[End]) -> list[Recorded]:
    """Write down what became of tries, and what follows from it."""
    ids = [end.delivery.id for end in arguments]
    found = {row[0]: _Before(*row) for row in _BEFORE.rows(connection, ids)}
    plain = [end for end in arguments if _is_plain(end, found[end.delivery.id])]
    if len(ids) != len(set(ids)):
        plain = []
    _END.run(connection, [_ending(end) for end in plain])
    _DELIVERED.run(connection, [_delivered(end) for end in plain])
    done = {end.delivery.id: _plainly(end, found[end.delivery.id]) for end in plain}
    return [done.get(end.delivery.id) or _record(connection, end) for end in arguments]


class _Before(NamedTuple):
    id: int
    state: str
    lease_ms: int | None
    attempts: int
    doubtful: int


def _is_plain(end: End, before: _Before) -> bool:
    """Tell whether nothing happened but what nearly always happens: our try, and it was taken."""
    ours = before.lease_ms == end.delivery.lease_ms and before.attempts == end.delivery.attempts + 1
    return ours and end.outcome.result is Result.DELIVERED


def _ending(end: End) -> Values:
    return {
        "b_id": end.delivery.id,
        "b_number": end.delivery.attempts + 1,
        "b_ended": end.at_ms,
        "b_outcome": end.outcome.result.value,
        "b_reply": shown(end.outcome.reply),
    }


def _delivered(end: End) -> Values:
    return {"b_id": end.delivery.id, "b_ended": end.at_ms, "b_outcome": shown(end.outcome.reply)}


def _plainly(end: End, before: _Before) -> Recorded:
    return Recorded(state="delivered", attempts=end.delivery.attempts + 1, doubtful=bool(before.doubtful))


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
