"""What `maild show` prints."""

from __future__ import annotations

import sys

import click
from sqlalchemy import Connection

from maild.archive import content
from maild.archive.examinations import evidence_of
from maild.archive.fates import Wanted
from maild.archive.queries import Message, message
from maild.authentication.standing import NOT_LOOKED, Standing, standing_of
from maild.cli import senders, tracing
from maild.cli.facts import read_author, read_facts
from maild.cli.store import by_operator, reading, remember_acts
from maild.cli.times import local, rfc3339
from maild.cli.verb import plain, put_bytes, put_json, settings
from maild.config import Settings
from maild.errors import NotFoundError
from maild.mail.acts import Act
from maild.mail.evidence import Evidence
from maild.mail.facts import Facts, Mailbox
from maild.mail.ids import format_id, parse_id
from maild.policy.visible import OPERATOR


def run(text: str, form: str, *, as_json: bool) -> None:
    """Print one message in one form."""
    number = parse_id(text)
    if number is None:
        raise click.UsageError(f"'{text}' is not the id of a message; ids look like {format_id(1 << 62)}")
    if form == "trace":
        tracing.run(Wanted(message_id=number), as_json=as_json)
        return
    here = settings()
    _note(here, number)
    if form == "raw":
        _put_raw(here, number)
        return
    with reading(here) as connection:
        found = _find(connection, number)
        octets = content.read(connection, found.digest)
        evidence = evidence_of(connection, [number]).get(number)
    if form == "source":
        click.echo(plain(octets.decode("utf-8", "backslashreplace").replace("\r\n", "\n")), nl=False)
    else:
        facts = read_facts(octets)
        standing = _standing(here, octets, evidence)
        if as_json:
            put_json(_to_json(found, facts) | {"sender": senders.to_json(standing, evidence)})
        else:
            _put_text(found, facts, "" if evidence is None else senders.line(standing))


def _note(here: Settings, number: int) -> None:
    with reading(here) as connection:
        found = _find(connection, number)
    team = found.teams[0] if found.teams else ""
    conversation_id = found.conversation_id or None
    remember_acts(here, by_operator(Act.READ, format_id(number), team=team, conversation_id=conversation_id))


def _standing(here: Settings, octets: bytes, evidence: Evidence | None) -> Standing:
    if evidence is None:
        return NOT_LOOKED
    author = read_author(octets)
    return standing_of(evidence, author.domain if author.verifiable else "", senders.our_domains(here))


def _find(connection: Connection, number: int) -> Message:
    try:
        return message(connection, visible=OPERATOR, message_id=number)
    except NotFoundError:
        raise NotFoundError(f"there is no message {format_id(number)}") from None


def _put_raw(here: Settings, number: int) -> None:
    with reading(here) as connection:
        found = _find(connection, number)
        if sys.stdout.isatty():
            click.echo("octets follow; `maild show --source` is safe for a terminal", err=True)
        put_bytes(content.chunks(connection, found.digest))


def _mailboxes(mailboxes: tuple[Mailbox, ...]) -> str:
    return ", ".join(f"{m.name} <{m.mail}>" if m.name else m.mail for m in mailboxes)


def _to_json(found: Message, facts: Facts) -> dict[str, object]:
    return {
        "id": format_id(found.id),
        "conversation": format_id(found.conversation_id) if found.conversation_id else None,
        "reference": found.reference or None,
        "direction": found.direction,
        "date": rfc3339(facts.date_ms if facts.date_ms is not None else found.received_ms),
        "received": rfc3339(found.received_ms),
        "from": _mailboxes(facts.senders),
        "to": _mailboxes(facts.to),
        "cc": _mailboxes(facts.cc),
        "subject": facts.subject,
        "teams": list(found.teams),
        "attachments": [{"part": a.part, "name": a.name, "type": a.media_type} for a in facts.attachments],
        "size": found.size,
        "digest": found.digest.hex(),
        "source_only": facts.source_only,
        "text": facts.text,
    }


def _put_text(found: Message, facts: Facts, sender: str) -> None:
    lines = {
        "From": _mailboxes(facts.senders),
        "Sender": sender,
        "To": _mailboxes(facts.to),
        "Cc": _mailboxes(facts.cc),
        "Subject": facts.subject,
        "Date": "" if facts.date_ms is None else local(facts.date_ms),
        "Received": local(found.received_ms),
        "Inboxes": ", ".join(found.teams) or "not routed yet",
        "Reference": found.reference,
        "Attachments": ", ".join(a.name for a in facts.attachments),
        "Source only": facts.source_only or "",
    }
    for name, value in lines.items():
        if value:
            click.echo(plain(f"{name}: {value}"))
    click.echo()
    click.echo(plain(facts.text.replace("\r\n", "\n")))
