"""`maild search`, `maild show`, `maild trace`: the archive on the command line, for who runs maild."""

from __future__ import annotations

import click

from maild.cli.times import since_ms
from maild.cli.verb import json_option, verb


@verb(
    "maild search 'kitaplatz has:attachment after:30d'",
    "maild search 'from:petra@b.example' --json --limit 500",
)
@click.argument("query", nargs=-1, required=True)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@json_option
def search(query: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    r"""Find messages, newest first, in any state.

    Words are ANDed; OR, -not, "a phrase", prefi*, parentheses; from: to: cc: subject: body: filename: team: tag:
    assignee: is: has:attachment before: after: on: larger: smaller: id: ref: msgid:.
    """
    from maild.cli.searching import run

    run(" ".join(query), limit, as_json=as_json)


@verb("maild show 01K8Z6Q3V2M7D", "maild show 01K8Z6Q3V2M7D --raw > mail.eml")
@click.argument("message_id", metavar="ID")
@click.option("--raw", "form", flag_value="raw", help="Exactly the octets that were received.")
@click.option("--source", "form", flag_value="source", help="The source, safe for a terminal.")
@click.option("--trace", "form", flag_value="trace", help="What became of it, and why.")
@json_option
def show(message_id: str, form: str | None, *, as_json: bool) -> None:
    """Show one message, in any state: readable, as source, as octets, or its trace."""
    from maild.cli.showing import run

    run(message_id, form or "text", as_json=as_json)


@verb(
    "maild trace --message-id '<20260531.1@b.example>'",
    "maild trace --from a@b.example --since 7d --json",
)
@click.option("--message-id", metavar="ID", help="Its Message-ID field, or the id that maild gave it.")
@click.option("--from", "sender", metavar="ADDR", help="Its sender, in the envelope or in From.")
@click.option("--to", "recipient", metavar="ADDR", help="A recipient of the envelope.")
@click.option("--since", "since", metavar="D", callback=since_ms, help="A date, or a span such as 36h, 30d, 4w.")
@json_option
def trace(
    message_id: str | None, sender: str | None, recipient: str | None, *, since: int | None, as_json: bool
) -> None:
    """Tell every fate of a mail: the reply its sender got, the rules, the inboxes, the failures."""
    from maild.cli.tracing import run, wanted

    if message_id is None and sender is None and recipient is None:
        raise click.UsageError("say which mail: --message-id, --from or --to")
    run(wanted(message_id, sender, recipient, since), as_json=as_json)
