"""`maild handover`: what somebody holds who leaves, to whom it goes, and the act that hands it over."""

from __future__ import annotations

from datetime import date

import click

from maild.cli.times import day
from maild.cli.verb import settings, verb, yes_option


@verb(
    "maild handover petra.m",
    "maild handover petra.m --until 2026-06-30 --yes",
    "maild handover petra.m --to jonas.w --yes",
    "maild handover petra.m --stays",
)
@click.argument("login")
@click.option("--to", "successor", metavar="LOGIN", help="Who goes on, wherever they may. Default: as is proposed.")
@click.option("--until", "last", metavar="D", callback=day, help="The last day. Default: it ends at once.")
@click.option("--stays", is_flag=True, help="Call a leaving off; roles that were to end are given anew.")
@yes_option
def handover(login: str, *, successor: str | None, last: date | None, stays: bool, yes: bool) -> None:
    """Show what a person holds and to whom it would go; with --yes hand it over in one act.

    Roles end after the last day, and the account closes, with its sessions and the passwords of mail programs.
    """
    from maild.cli.leaving import hand_over, stays_after_all

    if stays:
        stays_after_all(settings(), login)
    else:
        hand_over(settings(), login, successor, last=last, yes=yes)
