"""What `maild queue` does with deliveries."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Iterator
from typing import Any

import click
from sqlalchemy import Connection

from maild.cli.store import by_operator, carry_out, reading
from maild.cli.times import local, now_ms, rfc3339
from maild.cli.verb import note, plain, put_json, put_table, settings
from maild.cli.waking import wake_daemon
from maild.delivery.queue.acts import Act, Change
from maild.delivery.queue.carrying import change_and_settle
from maild.delivery.queue.listing import RecordedAttempt, RecordedDelivery, attempts_of, deliveries_in, delivery
from maild.errors import MaildError
from maild.mail import acts
from maild.mail.ids import format_id
from maild.policy.visible import OPERATOR

_PAGE = 1_000
_DONE = {"hold": "held", "release": "let go", "retry": "tried again as soon as there is room", "drop": "given up"}
HEADS = ("ID", "SINCE", "MESSAGE", "STATE", "TO", "BY", "TRIES", "SAID")


def deliveries_listed(connection: Connection, states: Iterable[str]) -> Iterator[RecordedDelivery]:
    """Yield all deliveries in some states."""
    chosen, after = tuple(states), 0
    while page := deliveries_in(connection, visible=OPERATOR, limit=_PAGE, after=after, states=chosen):
        yield from page
        after = page[-1].id


def row(found: RecordedDelivery) -> tuple[str, ...]:
    """Return the line of a delivery, in the columns of HEADS."""
    since, message = local(found.made_ms), format_id(found.message_id)
    by = found.kind if found.kind == "smtp" else f"{found.kind} {found.next_hop}"
    return (f"D{found.id}", since, message, found.state, found.recipient, by, str(found.attempts), found.outcome[:60])


def form(found: RecordedDelivery) -> dict[str, Any]:
    """Return a delivery as JSON has it."""
    return {
        "id": f"D{found.id}",
        "message": format_id(found.message_id),
        "kind": found.kind,
        "recipient": found.recipient,
        "reverse_path": found.reverse_path,
        "next_hop": found.next_hop,
        "state": found.state,
        "attempts": found.attempts,
        "recorded": rfc3339(found.made_ms),
        "due": rfc3339(found.due_ms) if found.state in ("queued", "deferred") else None,
        "outcome": found.outcome or None,
        "perhaps_twice": found.doubtful,
        "ended": None if found.ended_ms is None else rfc3339(found.ended_ms),
        "ended_by": found.ended_by,
    }


def put_failed(*, as_json: bool) -> None:
    """Print the deliveries that failed."""
    rows = []
    with reading(settings()) as connection:
        for found in deliveries_listed(connection, ("failed", "expired")):
            if as_json:
                put_json(form(found))
            rows.append(row(found))
    if not rows:
        note("no delivery failed")
    elif not as_json:
        put_table(HEADS, rows)


def put_delivery(number: int, *, as_json: bool) -> None:
    """Print one delivery and its tries."""
    with reading(settings()) as connection:
        found = delivery(connection, visible=OPERATOR, delivery_id=number)
        tries = attempts_of(connection, visible=OPERATOR, delivery_id=number)
    if as_json:
        put_json(form(found) | {"tries": [_try_form(each) for each in tries]})
        return
    lines = {
        "message": format_id(found.message_id),
        "to": f"{found.recipient}, by {found.kind} to {found.next_hop}",
        "from": found.reverse_path or "<> (the null reverse-path)",
        "recorded": local(found.made_ms),
        "state": _state(found),
        "said": found.outcome or "nothing yet",
    }
    for name, value in lines.items():
        click.echo(plain(f"{name:10}{value}"))
    for each in tries:
        tls = f", {each.tls}" if each.tls else ""
        ended = "" if each.ended_ms is not None else " (not ended)"
        text = f"{local(each.started_ms)}  {each.outcome}{ended}  {each.host}{tls}  {each.reply}"
        click.echo(plain(f"try {each.number:<6}{text}"))


def _state(found: RecordedDelivery) -> str:
    text = found.state
    if found.state in ("queued", "deferred"):
        text += ", in hand" if found.in_hand else f", due {local(found.due_ms)}"
    if found.ended_ms is not None:
        text += f" {local(found.ended_ms)}" + (f" by {found.ended_by}" if found.ended_by else "")
    return text + ("; it may have been delivered twice" if found.doubtful else "")


def _try_form(each: RecordedAttempt) -> dict[str, Any]:
    return {
        "number": each.number,
        "started": rfc3339(each.started_ms),
        "ended": None if each.ended_ms is None else rfc3339(each.ended_ms),
        "host": each.host,
        "tls": each.tls or None,
        "outcome": each.outcome,
        "reply": each.reply,
    }


def only_deliveries(number: tuple[bool, int]) -> int:
    """Return the number of a delivery; what else is in the list cannot be had so."""
    is_delivery, found = number
    if not is_delivery:
        raise MaildError(f"{found} is no delivery: those have numbers such as D{found}")
    return found


def act(what: str, number: int) -> None:
    """Hold, release or try again."""
    asked = Change(delivery_id=number, act=Act(what), by=_operator(), at_ms=now_ms())
    here = settings()
    carry_out(here, change_and_settle, asked, by_operator(acts.Act.DELIVERY, f"D{number}", what=what))
    wake_daemon(here)
    note(f"D{number} is {_DONE[what]}")


def drop(number: int, *, yes: bool) -> None:
    """Give a delivery up, or say what would be given up."""
    with reading(settings()) as connection:
        found = delivery(connection, visible=OPERATOR, delivery_id=number)
    what = f"the delivery of message {format_id(found.message_id)} to {found.recipient}"
    if not yes:
        note(plain(f"would give up for ever: {what}; --yes does it"))
        raise click.exceptions.Exit(1)
    act("drop", number)


def _operator() -> str:
    return f"{getpass.getuser()} on the command line"
