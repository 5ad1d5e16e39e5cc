"""`maild import`: mail of other programs, into the archive."""

from __future__ import annotations

from pathlib import Path

import click

from maild.cli.verb import settings, verb


@verb(
    "maild import old.mbox --to kita.platzvergabe@musterstadt.example",
    "maild import ~/Maildir archive.zip --team kita --sent-by kita.platzvergabe@musterstadt.example",
    name="import",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(exists=True, path_type=Path))
@click.option("--to", "address", metavar="ADDR", help="Route it as mail to this address of ours.")
@click.option("--team", metavar="TEAM", help="File it for this team, without asking the rules.")
@click.option("--sent-by", metavar="ADDR", help="Mail that is From this address was sent by us.")
def import_(paths: tuple[Path, ...], address: str | None, team: str | None, sent_by: str | None) -> None:
    """Take in mbox, Maildir, .eml, and .zip of these.

    The octets stay as they are. What is in the archive already, for the same address or team, is left out: an import
    can be repeated, or taken up again. Imported conversations are filed as closed.
    """
    from maild.cli.importing import run, target_of

    here = settings()
    if (address is None) is (team is None):
        raise click.UsageError("say where it goes: --to ADDR or --team TEAM")
    if not run(here, paths, target_of(here, address, team, sent_by)):
        raise click.exceptions.Exit(1)
