"""Absences: one's own with a deputy, and those of colleagues; who is away is told to the team."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection
from starlette.responses import Response

from maild.archive.absences import AbsenceError, By, Ending, Marking, Noted, end, mark, noted
from maild.archive.accounts import User, grants_of
from maild.archive.return_home import waiting_return
from maild.archive.standing import by_whom_then
from maild.archive.team_cover import covered_now
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.inbox import is_confidential, team_of
from maild.mail.local_time import day_end_ms, day_start_ms
from maild.policy.deputies import may_plan_absence
from maild.policy.roles import Permission
from maild.web.colleagues import colleagues, helpers
from maild.web.forms import own_path
from maild.web.people import last_day
from maild.web.people_words import ABSENCE_FAULTS
from maild.web.shell import shell_of, team_name
from maild.web.standing_in import cover_in
from maild.web.visit import Visit

_MOST_TEAMS = 3  # named beside a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An absence as the page lists it."""

    id: int
    name: str
    deputy: str  # "": the team
    from_ms: int
    is_now: bool
    last_day: str  # "": until they are back
    marked_by: str  # "": by themselves
    own: bool
    may_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What stands in the form."""

    login: str = ""
    first: str = ""
    last: str = ""
    deputy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentHere:
    """What a team's page says of it: who is away, and who covers the whole team."""

    lines: tuple[tuple[Line, str], ...] = ()  # with who acts; "": the team
    covered_by: str = ""  # the name of the team that covers this one
    own: bool = True  # the visitor is of this team, and not of the one that covers it

    def __bool__(self) -> bool:
        """Tell whether there is anything to say."""
        return bool(self.lines or self.covered_by)


def by(visit: Visit) -> By:
    """Return who the visitor is to the units of work."""
    return By(
        login=visit.person.login, user_id=visit.person.user_id, parents=visit.parents, at_ms=visit.services.now_ms()
    )  # fmt: skip


async def overview(visit: Visit) -> Response:
    """Show who is or will be away, of oneself and of colleagues."""
    asked = visit.request.query_params
    return await _show(visit, Typed(login=asked.get("login", "")[:100] or visit.person.login))


async def mark_absent(visit: Visit) -> Response:
    """Note an absence."""
    typed = Typed(**{name: visit.form.get(name, "").strip()[:100] for name in Typed.__dataclass_fields__})
    try:
        first = day_start_ms(date.fromisoformat(typed.first), visit.zone) if typed.first else visit.now_ms
        last = day_end_ms(date.fromisoformat(typed.last), visit.zone) if typed.last else None
    except (ValueError, OverflowError):
        return await _show(visit, typed, "date")
    begins_ms = visit.now_ms if day_end_ms(visit.today, visit.zone) > first else first
    marking = Marking(
        by=by(visit), login=typed.login or visit.person.login, from_ms=begins_ms, until_ms=last, deputy=typed.deputy
    )
    try:
        await visit.write(mark, marking, narrowed=by_whom_then)
    except AbsenceError as error:
        return await _show(visit, typed, error.why)
    except (NotFoundError, ForbiddenError) as error:
        return await _show(visit, typed, "plan" if isinstance(error, ForbiddenError) else "whom")
    visit.services.feed.publish()
    return visit.go("/absences?said=marked")


async def end_absence(visit: Visit) -> Response:
    """End an absence, or call it off; who comes back is led to what happened meanwhile."""
    ending = Ending(by=by(visit), id=visit.number("absence") or 0)
    ended: int = await visit.write(end, ending, narrowed=by_whom_then)
    visit.services.feed.publish()
    if ended == visit.person.user_id and await visit.read(waiting_return, ended, visit.services.now_ms()):
        return visit.go("/absences/return")
    return visit.go(own_path(visit.form.get("next", "/absences?said=ended")))


async def _show(visit: Visit, typed: Typed, fault: str = "") -> Response:
    people = await visit.read(_colleagues, visit)
    lines = await visit.read(_lines, visit, {person.id for person, _ in people} | {visit.person.user_id})
    return visit.page(
        "absences.html",
        status=400 if fault else 200,
        shell=await shell_of(visit),
        lines=lines,
        people=[(person, teams) for person, teams in people if person.id != visit.person.user_id],
        deputies=await visit.read(_colleagues, visit, Permission.RESPOND),
        typed=typed,
        fault=ABSENCE_FAULTS.get(fault, ""),
        said=visit.request.query_params.get("said", "") if not fault else "",
        plans=any(visit.may(Permission.ASSIGN, team) for team in visit.visible.teams),
        today=visit.today.isoformat(),
    )


def _colleagues(
    connection: Connection, visit: Visit, permission: Permission = Permission.READ
) -> list[tuple[User, str]]:
    """Return who reads, or may answer, in a team in which the visitor answers, with the names of these teams."""
    rules, found, places = visit.services.rulebook.current, dict[int, User](), dict[int, list[str]]()
    teams = [team for team in sorted(visit.visible.teams) if visit.may(Permission.RESPOND, team)]
    for team in (team for team in teams if not is_confidential(team) or team_of(team) not in teams):
        helping = helpers(connection, rules, team, visit.now_ms, permission) if permission is Permission.READ else []
        for user in (*colleagues(connection, rules, team, visit.now_ms, permission), *helping):
            if user.id not in found or team_name(visit, team) not in places[user.id]:
                found[user.id] = user
                places.setdefault(user.id, []).append(team_name(visit, team))
    shown = sorted(found.values(), key=lambda user: (user.name or user.login, user.id))
    return [(user, _few(places[user.id])) for user in shown]


def _few(names: list[str]) -> str:
    return ", ".join(names[:_MOST_TEAMS]) + (" …" if len(names) > _MOST_TEAMS else "")


def _lines(connection: Connection, visit: Visit, user_ids: set[int]) -> list[Line]:
    return [_line(connection, visit, each) for each in noted(connection, user_ids, visit.now_ms)]


def _line(connection: Connection, visit: Visit, each: Noted) -> Line:
    own, absence = each.absence.user_id == visit.person.user_id, each.absence
    theirs = grants_of(connection, absence.user_id)
    return Line(
        id=each.id,
        name=each.name,
        deputy=each.deputy,
        from_ms=absence.from_ms,
        is_now=absence.holds(visit.now_ms),
        last_day="" if absence.until_ms is None else last_day(visit, absence.until_ms),
        marked_by="" if each.marked_by == each.login else each.noted_by,
        own=own,
        may_end=own
        or each.marked_by == visit.person.login
        or may_plan_absence(visit.person, absence.user_id, theirs, visit.parents, visit.now_ms),
    )


# --- what other pages say of it -----------------------------------------------------------------------------------


async def absent_here(visit: Visit, team: str) -> AbsentHere:
    """Return who of those who see to an inbox is away, and which team covers it."""
    return await visit.read(_absent_here, visit, team)


def _absent_here(connection: Connection, visit: Visit, team: str) -> AbsentHere:
    rules = visit.services.rulebook.current
    deputy = covered_now(connection, rules, visit.now_ms).get(team)
    cover = cover_in(connection, visit.services, {team}, visit.now_ms)
    away = set(cover.acting.get(team, {}))
    here = {user.id for user in colleagues(connection, rules, team, visit.now_ms)} & away if away else set()
    found = [each for each in noted(connection, here, visit.now_ms) if each.absence.holds(visit.now_ms)]
    return AbsentHere(
        lines=tuple(
            (_line(connection, visit, each), cover.name(team, each.absence.user_id) or "") for each in found
        ),
        covered_by=team_name(visit, deputy) if deputy is not None else "",
        own=not any(grant.alone and grant.team == team for grant in visit.person.grants),
    )  # fmt: skip


async def first_page(visit: Visit) -> str | None:
    """Return where `/` leads who comes back, or whom somebody else has marked absent; None: nowhere in particular."""
    return await visit.read(_first_page, visit)


def _first_page(connection: Connection, visit: Visit) -> str | None:
    if waiting_return(connection, visit.person.user_id, visit.now_ms) is not None:
        return "/absences/return"
    own = noted(connection, {visit.person.user_id}, visit.now_ms)
    marked = any(each.absence.holds(visit.now_ms) and each.marked_by != visit.person.login for each in own)
    return "/absences?said=you" if marked else None
