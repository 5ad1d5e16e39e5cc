"""The first page of a new member: their teams' addresses, what is open, the handbook, good answers, colleagues.

It names people, and counts only letters: no figure here is of a person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.responses import Response

from maild.archive import handbook as book
from maild.archive.accounts import people_granted
from maild.archive.counts import TeamCount, team_counts
from maild.archive.figures import oldest_open
from maild.archive.handbook import Model, Version, Welcome
from maild.mail.inbox import is_confidential
from maild.policy.grants import Grant
from maild.policy.roles import PERMISSIONS, Permission, Role
from maild.rules.directory import Span, in_full, spans
from maild.rules.model import OpenHours, Ruleset, Team
from maild.web.handbook import url_of
from maild.web.shell import shell_of
from maild.web.standing_in import cover_in
from maild.web.times import DAY_MS
from maild.web.visit import Visit

NEW_MS = 14 * DAY_MS
_READING = {role for role in Role if Permission.READ in PERMISSIONS[role]}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One of the person's teams, as it is shown to somebody who does not know it."""

    team: Team
    addresses: tuple[tuple[str, str], ...]  # address and what it is for
    hours: tuple[Span, ...]
    count: TeamCount
    oldest_ms: int | None
    pages: tuple[Version, ...]
    models: tuple[Model, ...]
    colleagues: tuple[str, ...]


async def page(visit: Visit) -> Response:
    """Show the person's teams to them."""
    return visit.page(
        "welcome.html",
        shell=await shell_of(visit),
        places=await visit.read(_places, visit),
        titles={each.name: each.title for each in visit.services.rulebook.current.addresses},
        is_due=await is_due(visit),
        url_of=url_of,
    )


async def dismiss(visit: Visit) -> Response:
    """Lead to the inbox from now on."""
    await visit.write(book.end_welcomes, Welcome(user_id=visit.person.user_id, at_ms=visit.now_ms))
    return visit.go("/")


async def is_due(visit: Visit) -> bool:
    """Tell whether `/` leads here: the person is new to all their teams, and has not put the page away."""
    person = visit.person
    return is_new(person.grants, visit.now_ms) and not await visit.read(book.is_welcomed, person.user_id)


def is_new(grants: Iterable[Grant], now_ms: int) -> bool:
    """Tell whether somebody's oldest grant of a team, of those that have begun, is younger than two weeks."""
    begun = [grant.from_ms for grant in grants if grant.team is not None and grant.from_ms <= now_ms]
    return bool(begun) and now_ms - min(begun) < NEW_MS


def _places(connection: Connection, visit: Visit) -> list[_Place]:
    rules, visible = visit.services.rulebook.current, visit.visible
    cover = cover_in(connection, visit.services, visible.teams, visit.now_ms)
    counts = team_counts(connection, visible=visible, cover=cover)
    pages = book.pages(connection, visible=visible)
    return [
        _Place(
            team=team,
            addresses=tuple(
                (written, each.title)
                for each in rules.addresses if each.team == team.id and each.retired is None
                for written in in_full(rules, each)
            ),
            hours=spans(_hours(rules, team)),
            count=counts.get(team.id, TeamCount()),
            oldest_ms=oldest_open(connection, visible=visible, team=team.id) if team.id in visible.teams else None,
            pages=tuple(each for each in pages if each.team == team.id),
            models=book.model_answers(connection, visible=visible, team=team.id) if team.id in visible.teams else (),
            colleagues=_colleagues(connection, visit, team),
        )
        for team in rules.teams.values()
        if team.id in visible.inboxes and not is_confidential(team.id)
    ]  # fmt: skip


def _hours(rules: Ruleset, team: Team) -> tuple[OpenHours, ...]:
    """Return a team's hours, or those of the nearest team above it that has any."""
    chain = (team, *(rules.teams[above] for above in rules.ancestors(team.id)))
    return next((each.hours for each in chain if each.hours), ())


def _colleagues(connection: Connection, visit: Visit, team: Team) -> tuple[str, ...]:
    held_in = {team.id, *visit.services.rulebook.current.ancestors(team.id)}
    people = people_granted(connection, held_in, _READING, visit.now_ms)
    return tuple(each.name or each.login for each in people if each.id != visit.person.user_id)
