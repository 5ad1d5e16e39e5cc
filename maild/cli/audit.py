"""`maild audit …`: the audit log as a signed file, and the check of one."""

from __future__ import annotations

from pathlib import Path

import click

from maild.cli.times import since_ms
from maild.cli.verb import settings, verb


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def audit() -> None:
    """Hand out the audit log, signed, so that an outside party can check it."""


@verb("maild audit export > audit.jsonl", "maild audit export --since 30d > audit.jsonl", group=audit, name="export")
@click.option("--since", "since", metavar="D", callback=since_ms, help="A date, or a span: 30d. Default: all of it.")
def export(since: int | None) -> None:
    """Print the log as JSON lines: where it begins, each record, and at the end its head with a signature.

    The export itself is the newest record in it.
    """
    from maild.cli.auditing import put_export

    put_export(settings(), since)


@verb("maild audit key", group=audit, name="key")
def key() -> None:
    """Print the public key of the signatures; give it to whoever checks, by another way than the file."""
    from maild.cli.auditing import put_key

    put_key(settings())


@verb("maild audit check audit.jsonl --key MCowBQYDK2VwAyEA…", group=audit, name="check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", "expected", metavar="KEY", help="The public key that must have signed it.")
def check(file: Path, expected: str | None) -> None:
    """Check an exported file: every record, their order, the head and its signature. Needs no archive."""
    from maild.cli.auditing import check_file

    if not check_file(file, expected):
        raise click.exceptions.Exit(1)
