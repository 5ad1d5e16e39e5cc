"""What `maild search` prints."""

from __future__ import annotations

from typing import Any

import click

from maild.archive.search import Hit, search
from maild.archive.search_language import QueryError, parse
from maild.cli.store import by_operator, reading, remember_acts
from maild.cli.times import local, now_ms, rfc3339, zone
from maild.cli.verb import note, plain, put_json, settings
from maild.mail.acts import Act
from maild.mail.ids import format_id
from maild.policy.visible import OPERATOR


def run(text: str, limit: int, *, as_json: bool) -> None:
    """Print what is found, newest first; exit with 1 when there is nothing."""
    try:
        query = parse(text)
    except QueryError as error:
        note(f"  {text}\n  {' ' * error.position}^")
        raise click.UsageError(f"the query cannot be read: {error}") from None
    here = settings()
    remember_acts(here, by_operator(Act.SEARCHED, text))
    with reading(here) as connection:
        hits = search(connection, OPERATOR, query, limit=limit, now_ms=now_ms(), zone=zone())
    for hit in hits:
        if as_json:
            put_json(to_json(hit))
        else:
            click.echo(plain(_line(hit)))
    if not hits:
        note("nothing found")
        raise click.exceptions.Exit(1)
    if len(hits) == limit:
        note(f"the newest {limit}; --limit shows more")


def to_json(hit: Hit) -> dict[str, Any]:
    """Return the form for programs."""
    return {
        "id": format_id(hit.message_id),
        "conversation": None if hit.conversation_id is None else format_id(hit.conversation_id),
        "reference": hit.reference,
        "direction": hit.direction,
        "date": rfc3339(hit.date_ms),
        "from": f"{hit.from_name} <{hit.from_mail}>" if hit.from_name else hit.from_mail,
        "to": list(hit.to),
        "subject": hit.subject,
        "teams": list(hit.teams),
        "tags": list(hit.tags),
        "attachments": hit.attachments,
        "size": hit.size,
        "digest": hit.digest.hex(),
    }


def _line(hit: Hit) -> str:
    sender = hit.from_name or hit.from_mail or "-"
    marks = "".join(f" #{tag}" for tag in hit.tags) + (" +" if hit.attachments else "")
    teams = ",".join(hit.teams) or "not routed"
    return f"{format_id(hit.message_id)}  {local(hit.date_ms)}  {teams:14}  {sender[:28]:28}  {hit.subject}{marks}"
