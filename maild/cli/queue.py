"""`maild queue …`: what is still to be done with mail, and what keeps it waiting."""

from __future__ import annotations

import click

from maild.cli.verb import json_option, verb, yes_option


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def queue() -> None:
    """List what is still to be done with mail; release what is held; give up what shall never be done."""


@verb("maild queue list", "maild queue list --json", group=queue, name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List what waits, oldest first: sending on, answers, other mailboxes, and mail that is held."""
    from maild.cli.queueing import put_waiting

    put_waiting(as_json=as_json)


@verb("maild queue show 12", group=queue, name="show")
@click.argument("number", metavar="ID", type=click.IntRange(1))
@json_option
def show(number: int, *, as_json: bool) -> None:
    """Show one duty, in any state: of which message, by which rule, and who ended it."""
    from maild.cli.queueing import put_one

    put_one(number, as_json=as_json)


@verb("maild queue release 12", group=queue, name="release")
@click.argument("number", metavar="ID", type=click.IntRange(1))
def release(number: int) -> None:
    """Let go a message that a team has held back; what else is to be done with it may then be done."""
    from maild.cli.queueing import let_go

    let_go(number)


@verb("maild queue drop 12 --yes", group=queue, name="drop")
@click.argument("number", metavar="ID", type=click.IntRange(1))
@yes_option
def drop(number: int, *, yes: bool) -> None:
    """Give up a duty: it is never done, and the message says so. The message itself stays."""
    from maild.cli.queueing import give_up

    give_up(number, yes=yes)
