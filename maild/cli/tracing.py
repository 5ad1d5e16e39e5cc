"""What `maild trace` and `maild show --trace` print."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import click

from maild.archive.fates import LIMIT, Fate, Wanted, fates
from maild.archive.outgoing import Written, answers_to
from maild.authentication.noted import standing_noted
from maild.authentication.standing import Standing
from maild.cli import outgoing, senders
from maild.cli.store import by_operator, reading, remember_acts
from maild.cli.times import local, rfc3339
from maild.cli.verb import note, plain, put_json, read_address, settings
from maild.delivery.queue.listing import RecordedDelivery, deliveries_of
from maild.mail.acts import Act
from maild.mail.ids import format_id, parse_id
from maild.mail.screening import Screening, told
from maild.policy.visible import OPERATOR
from maild.rules.explain import render_route
from maild.rules.recorded import read_recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """What went out because of a message: its own deliveries, and what was written about it."""

    deliveries: tuple[RecordedDelivery, ...]
    answers: tuple[Written, ...]


def wanted(message_id: str | None, sender: str | None, recipient: str | None, since: int | None) -> Wanted:
    """Return the question that the options ask."""
    key = None if message_id is None else message_id.strip().removeprefix("<").removesuffix(">")
    number = None if key is None or "@" in key else parse_id(key)
    return Wanted(
        message_id=number,
        message_key=key if number is None else None,
        sender=sender,
        recipient_key=None if recipient is None else read_address(recipient).key,
        since_ms=since,
    )


def run(question: Wanted, *, as_json: bool) -> None:
    """Print the fates; exit with 1 when there is none."""
    here = settings()
    asked = {
        "message": question.message_key or question.message_id,
        "from": question.sender,
        "to": question.recipient_key,
    }
    words = " ".join(f"{name}:{value}" for name, value in asked.items() if value)
    remember_acts(here, by_operator(Act.SEARCHED, words, what="trace"))
    with reading(here) as connection:
        found = fates(connection, visible=OPERATOR, wanted=question)
        numbers = [fate.id for fate in found]
        sent = deliveries_of(connection, visible=OPERATOR, message_ids=numbers)
        answers = answers_to(connection, visible=OPERATOR, message_ids=numbers)
    examined = any(fate.evidence is not None for fate in found)
    ours = senders.our_domains(here) if examined else frozenset()
    for fate in found:
        standing = standing_noted(fate.evidence, fate.from_mail, ours)
        onward = Onward(deliveries=sent.get(fate.id, ()), answers=tuple(answers.get(fate.id, ())))
        if as_json:
            put_json(to_json(fate, standing, onward))
        else:
            put_text(fate, standing, onward)
    if len(found) == LIMIT:
        note(f"the newest {LIMIT} only; narrow it with --since, --from or --to")
    if not found:
        note("no such mail was accepted; a refusal is in the log: `recipient.refused`, `message.refused`")
        raise click.exceptions.Exit(1)


def to_json(fate: Fate, standing: Standing, onward: Onward) -> dict[str, Any]:
    """Return the form for programs."""
    return {
        "id": format_id(fate.id),
        "date": rfc3339(fate.received_ms),
        "origin": fate.origin,
        "direction": fate.direction,
        "reply": _reply(fate),
        "peer": fate.peer,
        "from": fate.reverse_path,
        "sender": senders.to_json(standing, fate.evidence),
        "size": fate.size,
        "digest": fate.digest.hex(),
        "subject": fate.subject,
        "reference": fate.reference,
        "recipients": [
            {
                "address": r.address,
                "team": r.team,
                "state": r.state,
                "duplicate_of": None if r.duplicate_of is None else format_id(r.duplicate_of),
            }
            for r in fate.recipients
        ],
        "inboxes": [{"team": i.team, "state": i.state} for i in fate.inboxes],
        "rules": {"version": fate.rules_number, "digest": fate.rules_digest},
        "problem": fate.problem,
        "source_only": fate.source_only,
        "screening": None if fate.screening is None else _screening(fate.screening),
        "routes": list(fate.routes),
        "deliveries": [outgoing.form(each) for each in onward.deliveries],
        "answers": [{"id": format_id(each.message_id), "kind": each.kind} for each in onward.answers],
    }


def _screening(screening: Screening) -> dict[str, Any]:
    findings = [finding._asdict() | {"names": list(finding.names)} for finding in screening.findings]
    return {"filed": screening.filed or None, "findings": findings}


def _reply(fate: Fate) -> str | None:
    return f"250 2.0.0 Ok: stored as {format_id(fate.id)}" if fate.origin == "smtp" else None


def put_text(fate: Fate, standing: Standing, onward: Onward) -> None:
    """Print the form for people."""
    sender = "<>" if fate.reverse_path is None else fate.reverse_path
    click.echo(plain(f"{format_id(fate.id)}  {local(fate.received_ms)}  {sender}  {fate.subject}"))
    origin = {"smtp": f"received from {fate.peer}", "import": f"imported from {fate.peer}"}.get(fate.origin)
    click.echo(plain(f"  {origin or fate.origin}, {fate.size:,} octets" + _answered(fate)))
    if fate.evidence is not None:
        click.echo(plain(f"  sender: {senders.line(standing)}"))
    if fate.screening is not None:
        _put_screening(fate.screening)
    for recipient in fate.recipients:
        name = recipient.address or f"team {recipient.team}"
        state = recipient.state
        if recipient.duplicate_of is not None:
            state = f"the same mail as {format_id(recipient.duplicate_of)}, not routed again"
        click.echo(plain(f"  to {name}: {state}"))
    if fate.rules_digest is not None:
        click.echo(f"  rules version {fate.rules_number or '?'} ({fate.rules_digest[:12]})")
    for route in fate.routes:
        put_route(route, "  ")
    for inbox in fate.inboxes:
        click.echo(plain(f"  in the inbox of {inbox.team}: {inbox.state}, conversation {fate.reference}"))
    for each in onward.deliveries:
        said = f" ({each.outcome})" if each.outcome else ""
        click.echo(plain(f"  delivery D{each.id} to {each.recipient}: {each.state}{said}"))
    for answer in onward.answers:
        click.echo(f"  {answer.kind}: {format_id(answer.message_id)}")
    for label, value in (("problem", fate.problem), ("source only", fate.source_only)):
        if value:
            click.echo(plain(f"  {label}: {value}"))


def _put_screening(screening: Screening) -> None:
    for finding in screening.findings:
        click.echo(plain(f"  {finding.verdict}, says {told(finding)}"))
    if screening.filed:
        click.echo(plain(f"  filed in spam ({screening.filed}), whatever the rules say"))


def _answered(fate: Fate) -> str:
    return f", answered {reply}" if (reply := _reply(fate)) else ""


def put_route(form: dict[str, Any], indent: str = "") -> None:
    """Print the route of one recipient: each rule, each condition, the value it saw."""
    route = read_recorded(form)
    if route is not None:
        click.echo(plain(textwrap.indent(render_route(route), indent)))
