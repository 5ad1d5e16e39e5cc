"""What `maild absent` does."""

from __future__ import annotations

import click

from maild.archive.absences import By, Ending, Marking, end, mark, noted
from maild.archive.accounts import find_user
from maild.archive.audit import OPERATOR
from maild.cli import times
from maild.cli.rules import load_rules
from maild.cli.store import carry_out, reading
from maild.cli.verb import note
from maild.config import Settings


def _operator(settings: Settings) -> By:
    parents = {team.id: team.parent for team in load_rules(settings).teams.values()}
    return By(login=OPERATOR, user_id=None, parents=parents, at_ms=times.now_ms())


def mark_absent(settings: Settings, login: str, *, from_ms: int | None, until_ms: int | None, deputy: str) -> None:
    """Note an absence; `from_ms` None is now, `until_ms` None until somebody says that the person is back."""
    operator = _operator(settings)
    begins = operator.at_ms if from_ms is None else from_ms
    carry_out(settings, mark, Marking(by=operator, login=login, from_ms=begins, until_ms=until_ms, deputy=deputy))
    end_text = "until further notice" if until_ms is None else f"through {times.local(until_ms - 1)[:10]}"
    note(f"{login} is absent from {times.local(begins)[:10]} {end_text}; deputy: {deputy or 'the team'}")


def end_absence(settings: Settings, login: str) -> None:
    """End what holds and call off what is planned."""
    operator = _operator(settings)
    with reading(settings) as connection:
        person = find_user(connection, login)
        found = noted(connection, {person.id}, operator.at_ms)
    ended = sum(bool(carry_out(settings, end, Ending(by=operator, id=each.id))) for each in found)
    if not ended:
        note(f"{login} is not absent")
        raise click.exceptions.Exit(1)
    note(f"{login} is back")
