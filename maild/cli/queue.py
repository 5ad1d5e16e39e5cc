"""`maild queue …`: what is still to be done with mail, what is on its way out, and what keeps it waiting."""

from __future__ import annotations

from typing import Any

import click

from maild.cli.verb import json_option, verb, yes_option


class _Number(click.ParamType):  # type: ignore[type-arg]  # older ones are not generic
    """A number as `list` prints it: `12` is something to be done, `D12` a delivery."""

    name = "ID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[bool, int]:
        if isinstance(value, tuple):
            return value
        text = str(value)
        digits = text[1:] if text[:1] in "dD" else text
        if not (digits.isascii() and digits.isdigit()) or not 0 < int(digits) < 1 << 63:
            self.fail(f"'{text}' is no number of this list: 12 is something to be done, D12 a delivery", param, ctx)
        return digits != text, int(digits)


_NUMBER = click.argument("number", metavar="ID", type=_Number())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def queue() -> None:
    """List what is still to be done with mail, and what is on its way out; hold, release, try again, give up.

    What rules ask for has a plain number, such as 12; a delivery, one recipient's way out, has one such as D12.
    """


@verb("maild queue list", "maild queue list --failed --json", group=queue, name="list")
@click.option("--failed", is_flag=True, help="Instead, the deliveries that failed or were tried for too long.")
@json_option
def list_(*, failed: bool, as_json: bool) -> None:
    """List what waits, oldest first: sending on, answers, other mailboxes, mail that is held, deliveries under way."""
    from maild.cli.outgoing import put_failed
    from maild.cli.queueing import put_waiting

    if failed:
        put_failed(as_json=as_json)
    else:
        put_waiting(as_json=as_json)


@verb("maild queue show 12", "maild queue show D12", group=queue, name="show")
@_NUMBER
@json_option
def show(number: tuple[bool, int], *, as_json: bool) -> None:
    """Show one, in any state: of which message, by which rule, who ended it; of a delivery each try, and its answer."""
    from maild.cli.outgoing import put_delivery
    from maild.cli.queueing import put_one

    is_delivery, found = number
    (put_delivery if is_delivery else put_one)(found, as_json=as_json)


@verb("maild queue release 12", "maild queue release D12", group=queue, name="release")
@_NUMBER
def release(number: tuple[bool, int]) -> None:
    """Let go a message that a team has held back, or a delivery that is held; what waits for it may then be done."""
    from maild.cli.outgoing import act
    from maild.cli.queueing import let_go

    is_delivery, found = number
    if is_delivery:
        act("release", found)
    else:
        let_go(found)


@verb("maild queue drop 12 --yes", "maild queue drop D12 --yes", group=queue, name="drop")
@_NUMBER
@yes_option
def drop(number: tuple[bool, int], *, yes: bool) -> None:
    """Give up: it is never done, and the message says so. The message itself stays."""
    from maild.cli.outgoing import drop as drop_delivery
    from maild.cli.queueing import give_up

    is_delivery, found = number
    (drop_delivery if is_delivery else give_up)(found, yes=yes)


@verb("maild queue retry D12", group=queue, name="retry")
@_NUMBER
def retry(number: tuple[bool, int]) -> None:
    """Try a delivery now; one that had failed, or was tried for too long, gets as much time again."""
    from maild.cli.outgoing import act, only_deliveries

    act("retry", only_deliveries(number))


@verb("maild queue hold D12", group=queue, name="hold")
@_NUMBER
def hold(number: tuple[bool, int]) -> None:
    """Keep a delivery from being tried until it is released."""
    from maild.cli.outgoing import act, only_deliveries

    act("hold", only_deliveries(number))
