"""`maild absent`: somebody is away, with a deputy, or is back."""

from __future__ import annotations

import click

from maild.cli.times import day_end_ms, day_start_ms
from maild.cli.verb import verb


@verb(
    "maild absent petra.m --from 2026-07-01 --until 2026-07-14 --deputy jonas.w",
    "maild absent petra.m",
    "maild absent petra.m --end",
)
@click.argument("login")
@click.option("--from", "from_ms", metavar="D", callback=day_start_ms, help="The first day. Default: from now on.")
@click.option("--until", "until_ms", metavar="D", callback=day_end_ms, help="The last day. Default: until --end.")
@click.option("--deputy", default="", metavar="LOGIN", help="Who stands in. Default: the team.")
@click.option("--end", "is_back", is_flag=True, help="The person is back; what is planned is called off.")
def absent(login: str, *, from_ms: int | None, until_ms: int | None, deputy: str, is_back: bool) -> None:
    """Note that a person is away, or back.

    Meanwhile their conversations, and what comes for them, are with the deputy, the deputy's deputy, or the team.
    """
    from maild.cli.being_away import end_absence, mark_absent
    from maild.cli.verb import settings

    if is_back and (from_ms, until_ms, deputy) != (None, None, ""):
        raise click.UsageError("--end goes with no other option")
    if is_back:
        end_absence(settings(), login)
    else:
        mark_absent(settings(), login, from_ms=from_ms, until_ms=until_ms, deputy=deputy)
