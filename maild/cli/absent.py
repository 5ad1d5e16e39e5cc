"""`maild absent`: somebody is away, with a deputy, or is back."""

from __future__ import annotations

from datetime import date

import click

from maild.cli.times import day
from maild.cli.verb import settings, verb


@verb(
    "maild absent petra.m --from 2026-07-01 --until 2026-07-14 --deputy jonas.w",
    "maild absent petra.m",
    "maild absent petra.m --end",
)
@click.argument("login")
@click.option("--from", "first", metavar="D", callback=day, help="The first day. Default: from now on.")
@click.option("--until", "last", metavar="D", callback=day, help="The last day. Default: until --end.")
@click.option("--deputy", default="", metavar="LOGIN", help="Who stands in. Default: the team.")
@click.option("--end", "is_back", is_flag=True, help="The person is back; what is planned is called off.")
def absent(login: str, *, first: date | None, last: date | None, deputy: str, is_back: bool) -> None:
    """Note that a person is away, or back.

    Meanwhile their conversations, and what comes for them, are with the deputy, the deputy's deputy, or the team.
    """
    from maild.cli.being_away import end_absence, mark_absent

    if is_back and (first, last, deputy) != (None, None, ""):
        raise click.UsageError("--end goes with no other option")
    if is_back:
        end_absence(settings(), login)
    else:
        mark_absent(settings(), login, first=first, last=last, deputy=deputy)
