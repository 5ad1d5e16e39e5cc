"""From when on a letter has waited too long: so many days on which its team works."""

from __future__ import annotations

from datetime import datetime, timedelta

from maild.mail.inbox import team_of
from maild.rules.model import Ruleset
from maild.web.times import moment

WORKING_DAYS = 3  # of a team whose rules say nothing else
_LOOK_BACK = 300  # days; who is closed for longer has no overdue letters before


def overdue_ms(rules: Ruleset, inbox: str | None, now_ms: int) -> int:
    """Return the time before which a letter must have come to be overdue now.

    The days are those of the team's office hours, else Monday to Friday, without the holidays of the rules.
    """
    team = rules.teams.get(team_of(inbox)) if inbox is not None else None
    week = {hours.weekday for hours in team.hours} if team is not None and team.hours else set(range(5))
    at, left = moment(now_ms, rules.organisation.timezone), working_days(rules, inbox)
    for _ in range(_LOOK_BACK):
        at = _day_before(at)
        left -= at.weekday() in week and rules.organisation.holidays.name(at.date()) is None
        if not left:
            break
    return int(at.timestamp() * 1000)


def working_days(rules: Ruleset, inbox: str | None) -> int:
    """Return within how many of its working days a team answers: its own word, else that of the nearest team above."""
    team = rules.teams.get(team_of(inbox)) if inbox is not None else None
    chain = () if team is None else (team, *(rules.teams[above] for above in rules.ancestors(team.id)))
    return next((each.answer_within for each in chain if each.answer_within is not None), WORKING_DAYS)


def _day_before(at: datetime) -> datetime:
    return at - timedelta(days=1)
