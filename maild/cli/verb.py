"""How every verb is declared: its example, its --config, its --json; and how it prints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from maild.config import Settings, load_settings
from maild.errors import AddressError
from maild.mail.address import Address, parse_address

F = TypeVar("F", bound=Callable[..., Any])


def _set_config(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    del ctx, param
    if value is not None:
        os.environ["MAILD_CONFIG"] = value


config_option = click.option(
    "--config",
    metavar="FILE",
    expose_value=False,
    is_eager=True,  # before dates: what a day is, the rules say, and where they are, the settings
    callback=_set_config,
    help="The settings; else $MAILD_CONFIG, ./maild.toml, /etc/maild/maild.toml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
yes_option = click.option("--yes", is_flag=True, help="Do it; without, only say what would be done.")


def verb(*examples: str, group: click.Group | None = None, name: str | None = None) -> Callable[[F], click.Command]:
    """Declare a verb. The examples close its --help."""
    epilog = "\b\nFor example:\n" + "\n".join(f"  {example}" for example in examples)
    make = group.command if group is not None else click.command

    def declare(function: F) -> click.Command:
        return make(name=name, epilog=epilog, context_settings={"help_option_names": ["-h", "--help"]})(
            config_option(function)
        )

    return declare


def settings() -> Settings:
    """Return the settings in force, or raise ConfigurationError."""
    return load_settings(None, os.environ)


def put_json(value: Mapping[str, Any]) -> None:
    """Print one object on one line."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def put_bytes(pieces: Iterable[bytes]) -> None:
    """Write octets to stdout, exactly."""
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def note(text: str) -> None:
    """Say something that is not the result: to stderr."""
    click.echo(text, err=True)


def counted(number: int, noun: str) -> str:
    """Return "1 error", "2 errors"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plain(text: str) -> str:
    """Make control characters and directions visible.

    Security: a subject could otherwise send escape sequences to the terminal of who reads it.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def put_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns as wide as their widest cell."""
    table = [heads, *(tuple(plain(cell) for cell in row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(heads))]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def read_address(text: str) -> Address:
    """Return the address that an option names, with or without its brackets; raises UsageError."""
    try:
        return parse_address(text.removeprefix("<").removesuffix(">"))
    except AddressError as error:
        raise click.UsageError(f"'{text}' is not an address: {error}") from None


def is_terminal() -> bool:
    """Say whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def read_password(file: Path | None, login: str) -> str:
    """Return a password from a file, or ask twice on a terminal; anywhere else that is wrong usage."""
    if file is not None:
        password = file.read_text(encoding="utf-8").split("\n", 1)[0]
        if not password:
            raise click.UsageError(f"{file} is empty: its first line is the password")
        return password
    if not is_terminal():
        raise click.UsageError("no password: name a file with --password-file (nothing is asked without a terminal)")
    return str(click.prompt(f"Password for {login}", hide_input=True, confirmation_prompt=True, err=True))
