"""What rules, addresses and teams ask to be delivered besides the inbox: duties become deliveries, and end with them.

A duty is done when all its deliveries are delivered. Dropping the last that is not drops it. As long as one has failed
or expired it goes on waiting, in sight, until somebody tries again or gives up: it was asked for, and not done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, exists, func, select, text, update

from maild.archive.duties import OURSELVES, Ending, RecordedDuty, duty, end, waiting_duties
from maild.archive.entries import open_undelivered
from maild.archive.prepared import PreparedIn
from maild.archive.schema import duties, messages, recipients
from maild.archive.schema_outgoing import deliveries
from maild.delivery.deliveries import ENDED_BADLY, SMTP, NewDelivery
from maild.delivery.queue.acts import Change, change
from maild.delivery.queue.authors import note_for_authors
from maild.delivery.queue.places import LEAVING, Place, asked_by, places_of
from maild.delivery.queue.working import End, Recorded, enqueue, record_outcomes
from maild.policy.visible import OPERATOR

# (reverse-path of the letter, domain of ours by which it came, id of the letter) → the one it is sent on with.
ReversePath = Callable[[str | None, str, int], str | None]
_ASKED_FOR = PreparedIn(
    lambda keys: (
        select(duties.c.message_id).distinct().where(duties.c.message_id.in_(keys), duties.c.state == text("'waiting'"))
    )
)
UNREADABLE = "the address it is to go to cannot be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeUp:
    """Make deliveries of duties that wait and are not held, beyond the id `after`, at most `limit` at once."""

    now_ms: int
    lifetime_ms: int
    reverse_path: ReversePath
    hostname: str
    after: int = 0
    limit: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenUp:
    """How many deliveries were made, and the duty up to which was looked; None: there are no more."""

    made: int
    after: int | None


def own_postmaster(reverse_path: str | None, domain: str, _message_id: int) -> str | None:
    """Return the reverse-path of a letter that is sent on.

    It is ours, so that the sender's SPF does not fail because of us, and what comes back comes to a person. A null one
    stays null: nobody ever answers a report.
    """
    return None if reverse_path is None else f"postmaster@{domain}"


def take_up(connection: Connection, arguments: list[TakeUp]) -> list[TakenUp]:
    """Make deliveries of duties; each duty once."""
    return [_take_up(connection, asked) for asked in arguments]


def _take_up(connection: Connection, asked: TakeUp) -> TakenUp:
    found = waiting_duties(connection, visible=OPERATOR, limit=asked.limit, after=asked.after, kinds=LEAVING)
    if not found:
        return TakenUp(made=0, after=None)
    ids = [each.id for each in found]
    # Two hosts take up the same duty one after the other, so that the second sees what the first has made.
    connection.execute(select(duties.c.id).where(duties.c.id.in_(ids)).order_by(duties.c.id).with_for_update())
    carried = _carried(connection, ids)
    made = sum(_carry(connection, each, asked) for each in found if not each.held and each.id not in carried)
    return TakenUp(made=made, after=found[-1].id if len(found) == asked.limit else None)


def _carried(connection: Connection, duty_ids: list[int]) -> frozenset[int]:
    """Return the duties that have deliveries."""
    has_one = exists().where(deliveries.c.message_id == duties.c.message_id, asked_by(deliveries))
    return frozenset(connection.scalars(select(duties.c.id).where(duties.c.id.in_(duty_ids), has_one)))


def _carry(connection: Connection, each: RecordedDuty, asked: TakeUp) -> int:
    path = connection.scalar(select(messages.c.reverse_path).where(messages.c.id == each.message_id))
    domain = _domain(connection, each.message_id) or asked.hostname
    there = _existing(connection, each.message_id)
    places = places_of(each.kind, each.target, each.team, domain)
    if not places:
        ending = Ending(duty_id=each.id, state="dropped", by=UNREADABLE, at_ms=asked.now_ms)
        end(connection, [ending])
        return 0
    new = [
        NewDelivery(
            message_id=each.message_id,
            kind=place.kind,
            recipient=place.recipient,
            reverse_path=asked.reverse_path(path, domain, each.message_id) if place.kind == SMTP else path,
            next_hop=place.next_hop,
            made_ms=asked.now_ms,
            due_ms=asked.now_ms,
            expires_ms=asked.now_ms + asked.lifetime_ms,
        )
        for place in dict.fromkeys(places)
        if place not in there
    ]
    enqueue(connection, new)
    if not new:
        _settle(connection, each.message_id, OURSELVES, asked.now_ms)  # another duty's have done it already
    return len(new)


def _domain(connection: Connection, message_id: int) -> str:
    """Return the domain by which the letter came: of its first recipient that has one."""
    addresses = connection.scalars(
        select(recipients.c.address).where(recipients.c.message_id == message_id).order_by(recipients.c.position)
    )
    return next((domain for address in addresses if (domain := address.rpartition("@")[2]) and "@" in address), "")


def _existing(connection: Connection, message_id: int) -> frozenset[Place]:
    table = deliveries.c
    rows = connection.execute(
        select(table.kind, table.recipient, table.next_hop).where(table.message_id == message_id)
    ).all()
    return frozenset(Place(*row) for row in rows)


# --- ending --------------------------------------------------------------------------------------------------


def finish(connection: Connection, arguments: list[End]) -> list[Recorded]:
    """Record outcomes, end the duties that are done by them, and bring back to people's eyes what will not arrive.

    Authors who wrote in a mail program are to hear of it there, too.
    """
    recorded = record_outcomes(connection, arguments)
    pairs = list(zip(arguments, recorded, strict=True))
    for each, after in pairs:
        if after.state in ENDED_BADLY:
            open_undelivered(connection, {each.delivery.message_id}, each.at_ms)
    note_for_authors(connection, pairs)
    delivered = {each.delivery.message_id: each.at_ms for each, after in pairs if after.state == "delivered"}
    for (message_id,) in _ASKED_FOR.rows(connection, list(delivered)):
        _settle(connection, message_id, OURSELVES, delivered[message_id])
    return recorded


def change_and_settle(connection: Connection, arguments: list[Change]) -> list[str]:
    """Change deliveries, and end the duties of which nothing is left to be done."""
    states = change(connection, arguments)
    for asked, state in zip(arguments, states, strict=True):
        if state == "dropped":
            found = select(deliveries.c.message_id).where(deliveries.c.id == asked.delivery_id)
            _settle(connection, connection.scalar(found) or 0, asked.by, asked.at_ms)
    return states


def _settle(connection: Connection, message_id: int, by: str, at_ms: int) -> None:
    states = connection.execute(
        select(duties.c.id, deliveries.c.state, func.count())
        .join_from(duties, deliveries, asked_by(deliveries))
        .where(duties.c.message_id == message_id, duties.c.state == text("'waiting'"))
        .group_by(duties.c.id, deliveries.c.state)
    ).all()
    found: dict[int, set[str]] = {}
    for duty_id, state, _ in states:
        found.setdefault(duty_id, set()).add(state)
    for duty_id, seen in found.items():
        if seen <= {"delivered", "dropped"}:
            state = "done" if seen == {"delivered"} else "dropped"
            connection.execute(
                update(duties).where(duties.c.id == duty_id).values(state=state, ended_ms=at_ms, ended_by=by)
            )


def end_with_deliveries(connection: Connection, arguments: list[Ending]) -> list[bool]:
    """End duties as `archive.duties.end` does; of one that is dropped, nothing more is sent."""
    ended = end(connection, arguments)
    for ending, done in zip(arguments, ended, strict=True):
        if done and ending.state == "dropped":
            _drop_deliveries(connection, ending)
    return ended


def _drop_deliveries(connection: Connection, ending: Ending) -> None:
    given_up = duty(connection, visible=OPERATOR, duty_id=ending.duty_id)
    others = exists().where(asked_by(deliveries), duties.c.id != given_up.id, duties.c.state == text("'waiting'"))
    ours = exists().where(asked_by(deliveries), duties.c.id == given_up.id)
    ended = ("delivered", "dropped")
    connection.execute(
        update(deliveries)
        .where(deliveries.c.message_id == given_up.message_id, ours, ~others, deliveries.c.state.not_in(ended))
        .values(state="dropped", ended_ms=ending.at_ms, ended_by=ending.by, lease_ms=None)
    )
