"""What `maild user copies` does: check the words against the rules, then write the choice."""

from __future__ import annotations

import click

from maild.archive.accounts import find_user
from maild.archive.audit import OPERATOR
from maild.archive.copies import Choice, choose, chosen_teams
from maild.cli.rules import load_rules
from maild.cli.store import carry_out, reading
from maild.cli.times import now_ms
from maild.cli.verb import note
from maild.config import Settings
from maild.rules.findings import nearest


def list_copies(settings: Settings, login: str) -> None:
    """Print the teams whose letters a person gets copies of."""
    with reading(settings) as connection:
        teams = chosen_teams(connection, find_user(connection, login).id)
    for team in sorted(teams):
        click.echo(team)
    if not teams:
        note(f"{login} gets no copies")


def set_copies(settings: Settings, login: str, team: str, *, on: bool) -> None:
    """Turn copies on or off."""
    rules = load_rules(settings)
    if on and team not in rules.teams:
        raise click.UsageError(f"team '{team}' is not in the rules{nearest(team, rules.teams)}")
    asked = Choice(
        login=login, team=team, on=on, by=OPERATOR, at_ms=now_ms(), domains=rules.domains,
        allowed=frozenset(each.id for each in rules.teams.values() if each.copies),
        parents=rules.parents,
    )  # fmt: skip
    changed = carry_out(settings, choose, asked)
    note(f"copies of {team} for {login} {'are' if changed else 'were already'} {'on' if on else 'off'}")
