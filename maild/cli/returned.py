"""`maild returned`: the register of returned mail."""

from __future__ import annotations

from dataclasses import asdict

import click

from maild.cli.verb import json_option, verb


@verb("maild returned", "maild returned --team kita --csv")
@click.option("--team", metavar="T", help="Only of this inbox.")
@click.option("--csv", "as_table", is_flag=True, help="As a table for spreadsheets (RFC 4180), times in UTC.")
@json_option
def returned(team: str | None, *, as_table: bool, as_json: bool) -> None:
    """Say who did not get what was sent in our name, as other mail servers report it, the newest first.

    `hard` will not get better by itself: the address has to be corrected. Exits with 1 when nothing came back.
    """
    from maild.archive.register import as_csv, register
    from maild.cli.store import by_operator, reading, remember_acts
    from maild.cli.times import local
    from maild.cli.verb import note, put_bytes, put_json, put_table, settings
    from maild.mail.acts import Act
    from maild.policy.visible import OPERATOR, Visible

    if as_table and as_json:
        raise click.UsageError("one of --csv and --json")
    visible = OPERATOR if team is None else Visible(teams=frozenset({team}))
    here = settings()
    remember_acts(here, by_operator(Act.EXPORTED, "returned.csv" if as_table else "returned", team=team or ""))
    with reading(here) as connection:
        lines = register(connection, visible=visible)
    if as_table:
        put_bytes([as_csv(lines).encode()])
    elif as_json:
        for line in lines:
            put_json(asdict(line))
    elif lines:
        heads = ("RECIPIENT", "CODE", "REASON", "HARD", "INBOX", "MAILING", "TIMES", "LAST")
        rows = [
            (each.recipient, each.code, each.reason, "hard" if each.hard else "soft", each.team, each.mailing[:60],
             str(each.count), local(each.last_ms))
            for each in lines
        ]  # fmt: skip
        put_table(heads, rows)
    if not lines:
        note("nothing came back")
        raise click.exceptions.Exit(1)
