"""`maild route`: what the rules would do with a mail, and why."""

from __future__ import annotations

from pathlib import Path

import click

from maild.cli.verb import json_option, plain, put_json, settings, verb


@verb(
    "maild route letter.eml --to kita.platzvergabe@musterstadt.example",
    "maild route letter.eml --to info@musterstadt.example --from a@b.example --json",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "recipients", metavar="ADDR", multiple=True, required=True, help="A recipient; can be repeated.")
@click.option("--from", "sender", metavar="ADDR", help="The envelope's sender; default: the first of From.")
@click.option("--peer", metavar="IP", help="Who hands it over: what a trusted relay says of the sender is believed.")
@click.option("--reply/--no-reply", default=None, help="Whether it belongs to a conversation; default: cannot tell.")
@json_option
def route(
    file: Path, recipients: tuple[str, ...], sender: str | None, peer: str | None, *, reply: bool | None, as_json: bool
) -> None:
    """Say what the rules would do with a mail, and why: each rule, each condition, the value it saw.

    Nothing is stored. Exits with 1 when a recipient would be refused.
    """
    from maild.cli.routing import Assumed, route_on_paper
    from maild.cli.tracing import put_route

    about = Assumed(peer=peer, reply=reply)
    refused = False
    for number, result in enumerate(route_on_paper(settings(), file, recipients, sender, about)):
        refused = refused or not result["accepted"]
        if as_json:
            put_json(result)
            continue
        if number:
            click.echo()
        if result["accepted"]:
            put_route(result)
            for action in result["actions"]:
                click.echo(plain(f"  action: {action}"))
        else:
            click.echo(plain(f"{result['recipient']}: refused, {result['reply']}"))
    if refused:
        raise click.exceptions.Exit(1)
