"""What `maild verify` does."""

from __future__ import annotations

import click

from maild.archive.verify import message_count, verify
from maild.cli.progress import Progress
from maild.cli.store import reading
from maild.cli.verb import counted, note, put_json
from maild.config import Settings
from maild.mail.ids import format_id


def run(settings: Settings, *, full: bool, as_json: bool) -> bool:
    """Print every finding; return whether there was none."""
    found = 0
    with reading(settings) as connection:
        total = message_count(connection)
        with Progress("verifying", total) as progress:
            for finding in verify(connection, full=full, progress=progress.advance):
                found += 1
                name = None if finding.message_id is None else format_id(finding.message_id)
                if as_json:
                    put_json({"id": name, "sequence": finding.sequence, "text": finding.text})
                else:
                    click.echo(f"{name or 'archive'}: {finding.text}")
    depth = "chain and content" if full else "chain"
    result = counted(found, "finding") if found else "complete and unchanged"
    note(f"{counted(total, 'message')}, {depth}: {result}")
    return not found
