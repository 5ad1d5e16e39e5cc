"""What `maild absent` does."""

from __future__ import annotations

from datetime import date

import click

from maild.archive.absences import By, Ending, Marking, end, mark, noted
from maild.archive.accounts import find_user
from maild.archive.audit import OPERATOR
from maild.cli import times
from maild.cli.rules import load_rules
from maild.cli.store import carry_out, reading
from maild.cli.verb import note
from maild.config import Settings
from maild.mail.local_time import day_end_ms, day_start_ms, local_time
from maild.rules.model import Ruleset


def _operator(rules: Ruleset) -> By:
    return By(login=OPERATOR, user_id=None, parents=rules.parents, at_ms=times.now_ms())


def mark_absent(settings: Settings, login: str, *, first: date | None, last: date | None, deputy: str) -> None:
    """Note an absence; `first` None is now, `last` None until somebody says that the person is back."""
    rules = load_rules(settings)
    operator, zone = _operator(rules), rules.organisation.timezone
    from_ms = operator.at_ms if first is None else day_start_ms(first, zone)
    until_ms = None if last is None else day_end_ms(last, zone)
    carry_out(settings, mark, Marking(by=operator, login=login, from_ms=from_ms, until_ms=until_ms, deputy=deputy))
    end_text = "until further notice" if last is None else f"through {last}"
    begins = first or local_time(from_ms, zone).date()
    note(f"{login} is absent from {begins} {end_text}; deputy: {deputy or 'the team'}")


def end_absence(settings: Settings, login: str) -> None:
    """End what holds and call off what is planned."""
    operator = _operator(load_rules(settings))
    with reading(settings) as connection:
        person = find_user(connection, login)
        found = noted(connection, {person.id}, operator.at_ms)
    ended = sum(bool(carry_out(settings, end, Ending(by=operator, id=each.id))) for each in found)
    if not ended:
        note(f"{login} is not absent")
        raise click.exceptions.Exit(1)
    note(f"{login} is back")
