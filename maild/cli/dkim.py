"""`maild dkim …`: the keys that mail of ours is signed with."""

from __future__ import annotations

from typing import Any

import click

from maild.cli.verb import json_option, verb

_KINDS = ("rsa", "ed25519")


class _Domain(click.ParamType):  # type: ignore[type-arg]  # older ones are not generic
    """A domain, in the one form in which domains are compared."""

    name = "DOMAIN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from maild.errors import AddressError
        from maild.mail.address import parse_domain

        try:
            return parse_domain(str(value))
        except AddressError:
            self.fail(f"'{value}' is not a domain such as musterstadt.example", param, ctx)


_DOMAIN = click.argument("domain", type=_Domain())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def dkim() -> None:
    """Make, list and retire the keys that mail of ours is signed with (DKIM).

    A letter that leaves is signed with every key of the domain in its From. A daemon that runs notices at once.
    """


@verb("maild dkim new musterstadt.example", "maild dkim new musterstadt.example --kind ed25519 --selector e2026",
      group=dkim, name="new")  # fmt: skip
@_DOMAIN
@click.option("--kind", type=click.Choice(_KINDS), default="rsa", show_default=True,
              help="RSA with 2,048 bits, which everybody verifies; or Ed25519, best beside it.")  # fmt: skip
@click.option("--selector", metavar="S", help="A name for the key; without, one by kind and month: s202611.")
def new(domain: str, kind: str, selector: str | None) -> None:
    """Make a key, sign with it from now on, and print the record to publish.

    As long as the record is not in the DNS, a signature with the key proves nothing, and does no harm: others count.
    """
    from maild.cli.signing_keys import make

    make(domain, kind, selector)


@verb("maild dkim list", "maild dkim list --json", group=dkim, name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List all keys, those that sign and those that did."""
    from maild.cli.signing_keys import put_keys

    put_keys(as_json=as_json)


@verb("maild dkim record musterstadt.example", group=dkim, name="record")
@_DOMAIN
def record(domain: str) -> None:
    """Print what to publish for the keys that a domain signs with. Exits with 1 when there are none."""
    from maild.cli.signing_keys import put_records

    if not put_records(domain):
        raise click.exceptions.Exit(1)


@verb("maild dkim retire musterstadt.example s202511", group=dkim, name="retire")
@_DOMAIN
@click.argument("selector")
def retire(domain: str, selector: str) -> None:
    """Sign no more with a key. Leave its record in the DNS for a week: mail signed with it is still on its way."""
    from maild.cli.signing_keys import put_away

    put_away(domain, selector)
