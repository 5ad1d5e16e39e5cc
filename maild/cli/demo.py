"""`maild demo`: a maild to look around in."""

from __future__ import annotations

from pathlib import Path

import click

from maild.cli.verb import verb


@verb("maild demo", "maild demo --dir /tmp/look")
@click.option(
    "--dir", "folder", metavar="DIR", default="demo", show_default=True, type=click.Path(path_type=Path),
    help="Where it lives; used again when it is one already.",
)  # fmt: skip
def demo(folder: Path) -> None:
    """Run a maild with the example rules, sample people and sample mail, on loopback, until Ctrl-C.

    Prints where to look and how to send the first mail. Removing DIR removes everything.
    """
    from maild.cli.demo_run import run

    run(folder)
