"""What `maild queue` does."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from typing import Any

import click
from sqlalchemy import Connection

from maild.archive.duties import Ending, RecordedDuty, Release, duty, release, waiting_duties
from maild.cli.outgoing import HEADS, deliveries_listed, form, row
from maild.cli.store import by_operator, carry_out, reading
from maild.cli.times import local, now_ms, rfc3339
from maild.cli.verb import note, plain, put_json, put_table, settings
from maild.cli.waking import wake_daemon
from maild.delivery.deliveries import OPEN
from maild.delivery.queue.carrying import end_with_deliveries
from maild.errors import MaildError
from maild.mail.acts import Act
from maild.mail.ids import format_id
from maild.policy.visible import OPERATOR
from maild.rules.duties import HOLD

_PAGE = 1_000


def put_waiting(*, as_json: bool) -> None:
    """Print what waits."""
    rows: list[tuple[str, ...]] = []
    with reading(settings()) as connection:
        for found in _waiting(connection):
            if as_json:
                put_json(_form(found))
            rows.append(_row(found))
        leaving = list(deliveries_listed(connection, OPEN))
    if not rows and not leaving:
        note("nothing waits")
    if as_json:
        for each in leaving:
            put_json(form(each))
        return
    if rows:
        put_table(("ID", "SINCE", "MESSAGE", "TEAM", "WHAT", "TO", "BY", ""), rows)
    if leaving:
        click.echo("\nOn its way out:" if rows else "On its way out:")
        put_table(HEADS, [row(each) for each in leaving])


def put_one(number: int, *, as_json: bool) -> None:
    """Print one duty."""
    with reading(settings()) as connection:
        found = duty(connection, visible=OPERATOR, duty_id=number)
    if as_json:
        put_json(_form(found))
        return
    ended = "" if found.ended_ms is None else f" by {found.ended_by}, {local(found.ended_ms)}"
    lines = {
        "message": f"{format_id(found.message_id)}, in the inbox of {found.team}",
        "what": f"{found.kind} {found.target}".rstrip(),
        "by": _by(found),
        "recorded": local(found.made_ms),
        "state": f"{found.state}{ended}" + (", held" if found.held and found.state == "waiting" else ""),
    }
    for name, value in lines.items():
        click.echo(plain(f"{name:10}{value}"))


def let_go(number: int) -> None:
    """Release what a hold keeps back."""
    here = settings()
    with reading(here) as connection:
        found = duty(connection, visible=OPERATOR, duty_id=number)
    if found.kind != HOLD:
        raise MaildError(f"{number} is no hold: nothing waits for its release")
    change = Release(message_id=found.message_id, team=found.team, by=_operator(), at_ms=now_ms())
    done = by_operator(Act.RELEASED, format_id(found.message_id), team=found.team, what="held mail")
    if not carry_out(here, release, change, done):
        raise MaildError(f"{number} was released before")
    wake_daemon(here)
    note(f"message {format_id(found.message_id)} is released in the inbox of {found.team}")


def give_up(number: int, *, yes: bool) -> None:
    """Drop a duty, or say what would be dropped."""
    here = settings()
    with reading(here) as connection:
        found = duty(connection, visible=OPERATOR, duty_id=number)
    what = f"{found.kind} {found.target}".rstrip() + f" of message {format_id(found.message_id)}"
    if not yes:
        note(plain(f"would give up for ever: {what}; --yes does it"))
        raise click.exceptions.Exit(1)
    ending = Ending(duty_id=number, state="dropped", by=_operator(), at_ms=now_ms())
    done = by_operator(Act.DELIVERY, format_id(found.message_id), team=found.team, what="drop", kind=found.kind)
    if not carry_out(here, end_with_deliveries, ending, done):
        raise MaildError(f"{number} had ended before: {found.state}")
    note(plain(f"given up: {what}"))


def _waiting(connection: Connection) -> Iterator[RecordedDuty]:
    after = 0
    while page := waiting_duties(connection, visible=OPERATOR, limit=_PAGE, after=after):
        yield from page
        after = page[-1].id


def _row(found: RecordedDuty) -> tuple[str, ...]:
    held = "held" if found.held else ""
    message = format_id(found.message_id)
    return (str(found.id), local(found.made_ms), message, found.team, found.kind, found.target, _by(found), held)


def _by(found: RecordedDuty) -> str:
    if found.rule:
        return f"rule {found.rule}"
    if found.kind == HOLD:
        return "maild: filed as spam" if found.target else "maild: not read or routed in full"
    return "the team" if found.kind == "also-deliver" else "the address"


def _operator() -> str:
    return f"{getpass.getuser()} on the command line"


def _form(found: RecordedDuty) -> dict[str, Any]:
    return {
        "id": found.id,
        "message": format_id(found.message_id),
        "team": found.team,
        "kind": found.kind,
        "target": found.target,
        "rule": found.rule or None,
        "state": found.state,
        "held": found.held,
        "recorded": rfc3339(found.made_ms),
        "ended": None if found.ended_ms is None else rfc3339(found.ended_ms),
        "ended_by": found.ended_by,
    }
