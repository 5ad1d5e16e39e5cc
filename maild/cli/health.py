"""`maild status`, `verify`, `doctor` and `reindex`: how maild is, and what to do about it."""

from __future__ import annotations

import click

from maild.cli.verb import json_option, note, settings, verb, yes_option


@verb("maild status", "maild status --json")
@json_option
def status(*, as_json: bool) -> None:
    """Say how maild is: the daemon, the mail, the rules, the index, the disk. Exits with 1 when something is wrong."""
    from maild.cli.state import run

    if not run(settings(), as_json=as_json):
        raise click.exceptions.Exit(1)


@verb("maild verify", "maild verify --full --json")
@click.option("--full", is_flag=True, help="Read and hash every message, too.")
@json_option
def verify(*, full: bool, as_json: bool) -> None:
    """Check that the archive is complete and unchanged; name what is missing or changed.

    Walks the hash chain over everything that was ever accepted. With --full every message is read and compared with
    its digest, which takes as long as reading the whole archive does. Exits with 1 when something is found.
    """
    from maild.cli.verifying import run

    if not run(settings(), full=full, as_json=as_json):
        raise click.exceptions.Exit(1)


@verb("maild doctor", "maild doctor --json")
@json_option
def doctor(*, as_json: bool) -> None:
    """Examine the machine, the storage's durability, the files' modes and the certificates.

    Exits with 1 when there is something that must not stay so.
    """
    from maild.cli.examination import run

    if not run(settings(), as_json=as_json):
        raise click.exceptions.Exit(1)


@verb("maild reindex --yes")
@yes_option
def reindex(*, yes: bool) -> None:
    """Build the full-text index anew, from the archive. The daemon must not run meanwhile.

    The index is derived: whatever becomes of it, no mail is touched. The daemon itself completes an index that is
    behind; this is for one that is damaged.
    """
    from maild.cli.reindexing import run

    here = settings()
    if not yes:
        note(f"would empty the full-text index in {here.server.data_dir} and fill it again; --yes does it")
        raise click.exceptions.Exit(1)
    run(here)
