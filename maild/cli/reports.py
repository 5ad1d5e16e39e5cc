"""`maild reports`: what other mail servers report about our domains."""

from __future__ import annotations

import click

from maild.cli.times import since_ms
from maild.cli.verb import json_option, verb


@verb(
    "maild reports", "maild reports --domain musterstadt.example --since 90d --json", "maild reports --read --since 90d"
)
@click.option("--domain", metavar="D", help="Only this domain.")
@click.option("--since", "since", default="30d", show_default=True, metavar="D", callback=since_ms,
              help="A date, or a span such as 30d, 4w.")  # fmt: skip
@click.option("--read", "again", is_flag=True, help="First read the letters filed since then for reports, once more.")
@json_option
def reports(domain: str | None, since: int, *, again: bool, as_json: bool) -> None:
    """Say who sends in our domains' name, how much of it passes DMARC, and which TLS sessions failed.

    The daemon reads reports as they come; --read is for those that came before it could, and may run beside it. Exits
    with 1 when nothing was reported.
    """
    from maild.cli.reporting import run

    if not run(domain, since, again=again, as_json=as_json):
        raise click.exceptions.Exit(1)
