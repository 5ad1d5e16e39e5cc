"""Statistics of a team: what came, what was answered and how fast, what is open. Of no person, and no small team.

docs/statistics.md says how each figure is counted.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from babel.numbers import format_decimal
from sqlalchemy import Connection
from starlette.responses import Response

from maild.archive import figures
from maild.archive.figures import AGES, Period
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.address import Address
from maild.mail.inbox import is_confidential
from maild.rules.directory import harmless
from maild.rules.model import FunctionAddress, Ruleset
from maild.web import times
from maild.web.charts import Chart, chart, forecast, trend
from maild.web.language import catalogue
from maild.web.periods import APART, STEPS, Calendar, calendar, weeks_ms
from maild.web.shell import shell_of, team_name
from maild.web.visit import Visit

FEWEST = 5  # people who write in a team: of fewer, a figure would be of a person
_YEAR_WEEKS = 52  # a year ago, on the same day of the week
_TREND_WEEKS = 8
_AHEAD_WEEKS = 4
_COLUMNS = ("team", "address", "from", "until", "received", "automatic", "answered", "first_answers",
            "median_hours", "nine_of_ten_hours", "returned")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the address of the page asks for. `keys` are the addresses' forms in the archive; None: all of the team."""

    team: str
    address: FunctionAddress | None
    calendar: Calendar
    today: date

    @property
    def url(self) -> str:
        """The query, without a day."""
        address = {"address": self.address.name} if self.address else {}
        return urlencode({"team": self.team, **address, "by": self.calendar.step})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What the archive says to it."""

    periods: tuple[Period, ...]
    ages: tuple[int, ...] = ()
    tags: tuple[tuple[str, int], ...] = ()
    addresses: tuple[tuple[str, int], ...] = ()
    ahead: tuple[tuple[int, int], ...] = ()  # last year's week and what is expected
    factor: float | None = None


async def page(visit: Visit) -> Response:
    """Show the statistics of a team."""
    teams = _teams(visit)
    if not teams:
        return visit.page("statistics.html", shell=await shell_of(visit), teams=(), asked=None, shown=False)
    many = await visit.read(figures.writers, visit.parents, visit.now_ms)
    asked = _asked(visit, teams, [team for team in teams if _may_show(visit, team, many[team])])
    shown = _may_show(visit, asked.team, many[asked.team])
    found = await visit.read(_read, visit, asked) if shown else None
    rules = visit.services.rulebook.current
    return visit.page(
        "statistics.html",
        shell=await shell_of(visit),
        teams=[(team, team_name(visit, team)) for team in teams],
        addresses=[(each.name, each.title or each.name) for each in rules.addresses if each.team == asked.team],
        asked=asked,
        shown=shown,
        fewest=FEWEST,
        agreement=_agreement(visit, asked.team),
        steps=tuple(STEPS),
        name=team_name(visit, asked.team),
        **(_context(visit, asked, found) if found else {}),
    )


async def table(visit: Visit) -> Response:
    """Return the periods as a table (CSV)."""
    teams = _teams(visit)
    if not teams:
        raise NotFoundError("there is no such team")
    asked = _asked(visit, teams, teams)
    many = await visit.read(figures.writers, visit.parents, visit.now_ms)
    if not _may_show(visit, asked.team, many[asked.team]):
        raise ForbiddenError("the team is too small for figures")
    found = await visit.read(_periods, visit, asked)
    return Response(
        as_csv(asked.team, asked.address.name if asked.address else "", asked.calendar, found).encode("utf-8-sig"),
        headers={
            "content-disposition": f'attachment; filename="statistics-{asked.team}.csv"',
            "cache-control": "no-store",
        },
        media_type="text/csv",
    )


def as_csv(team: str, address: str, of: Calendar, periods: tuple[Period, ...]) -> str:
    """Write periods as a table of RFC 4180; days are those of the organisation's time zone, both included."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(_COLUMNS)
    for first, until, each in zip(of.starts, of.starts[1:], periods, strict=False):
        row = (team, address, first.isoformat(), (until - timedelta(days=1)).isoformat(), str(each.received),
               str(each.automatic), str(each.answered), str(len(each.first_answers_ms)), _hours(each.median_ms),
               _hours(each.slow_ms), str(each.returned))  # fmt: skip
        rows.writerow([harmless(cell) for cell in row])
    return text.getvalue()


def _hours(ms: int | None) -> str:
    return "" if ms is None else f"{ms / 3_600_000:.1f}"


def _teams(visit: Visit) -> list[str]:
    """Return the teams that may be read, in the order of the rules. Confidential inboxes have no figures."""
    rules = visit.services.rulebook.current
    return [team for team in rules.teams if team in visit.visible.teams and not is_confidential(team)]


def _agreement(visit: Visit, team: str) -> str:
    found = visit.services.rulebook.current.teams.get(team)
    return found.figures if found is not None else ""


def _may_show(visit: Visit, team: str, writers: int) -> bool:
    return writers >= FEWEST or bool(_agreement(visit, team))


def _asked(visit: Visit, teams: list[str], first: list[str]) -> _Asked:
    """Read the address. Security: a team is looked up among those that may be read. Raises NotFoundError."""
    query, rules = visit.request.query_params, visit.services.rulebook.current
    team = query.get("team") or (first or teams)[0]
    if team not in teams:
        raise NotFoundError("there is no such team")
    of_team = {each.name: each for each in rules.addresses if each.team == team}
    named = query.get("address", "")
    if named and named not in of_team:
        raise NotFoundError("the team has no such address")
    return _Asked(
        team=team,
        address=of_team.get(named),
        calendar=calendar(query.get("by") or "week", query.get("until", ""), visit.today, visit.zone),
        today=visit.today,
    )


def _periods(connection: Connection, visit: Visit, asked: _Asked) -> tuple[Period, ...]:
    return figures.periods(
        connection, visible=visit.visible, team=asked.team, edges_ms=asked.calendar.edges_ms,
        keys=_keys(connection, visit, asked),
    )  # fmt: skip


def _keys(connection: Connection, visit: Visit, asked: _Asked) -> frozenset[str] | None:
    """Return the forms in which an address stands in the archive: its names, and those with a detail that were used."""
    if asked.address is None:
        return None
    rules = visit.services.rulebook.current
    used = _used(connection, visit, asked)
    names = {asked.address.local, *(alias.local for alias in asked.address.aliases)}
    written = {Address(local=name, domain=domain).key for name in names for domain in rules.domains}
    return frozenset(key for key in written | used.keys() if _find(rules, key) is asked.address)


def _used(connection: Connection, visit: Visit, asked: _Asked) -> dict[str, int]:
    edges = asked.calendar.edges_ms
    return figures.by_address(connection, visible=visit.visible, team=asked.team, since_ms=edges[0], until_ms=edges[-1])


def _find(rules: Ruleset, key: str) -> FunctionAddress | None:
    local, _, domain = key.rpartition("@")
    return rules.find(Address(local=local, domain=domain))


def _read(connection: Connection, visit: Visit, asked: _Asked) -> _Found:
    keys, edges, rules = _keys(connection, visit, asked), asked.calendar.edges_ms, visit.services.rulebook.current
    span: dict[str, Any] = {"since_ms": edges[0], "until_ms": edges[-1]}
    of: dict[str, Any] = {"visible": visit.visible, "team": asked.team}
    came: dict[str, int] = {}
    for key, many in (_used(connection, visit, asked) if asked.address is None else {}).items():
        address = _find(rules, key)
        name = address.name if address is not None and address.team == asked.team else ""
        came[name] = came.get(name, 0) + many
    factor, ahead = _ahead(connection, visit, asked, keys)
    return _Found(
        periods=figures.periods(connection, **of, edges_ms=edges, keys=keys),
        ages=figures.open_by_age(connection, **of, now_ms=visit.now_ms, keys=keys),
        tags=figures.by_tag(connection, **of, **span, keys=keys),
        addresses=tuple(sorted(came.items(), key=lambda each: (not each[0], -each[1], each[0]))),
        ahead=ahead,
        factor=factor,
    )


def _ahead(
    connection: Connection, visit: Visit, asked: _Asked, keys: frozenset[str] | None
) -> tuple[float | None, tuple[tuple[int, int], ...]]:
    """Return this year's trend, and last year's coming weeks with what they let expect."""
    monday, zone = asked.today - timedelta(days=asked.today.weekday()), asked.calendar.zone
    coming = range(1, _AHEAD_WEEKS + 1)
    last_year = weeks_ms(monday, [number - _YEAR_WEEKS for number in coming], zone)
    compared = [weeks_ms(monday, [back - _TREND_WEEKS, back - 1], zone) for back in (0, -_YEAR_WEEKS)]
    spans = [*last_year, *((weeks[0][0], weeks[1][1]) for weeks in compared)]
    *weeks, recent, before = figures.received(
        connection, visible=visit.visible, team=asked.team, spans_ms=spans, keys=keys
    )
    factor = trend(recent, before)
    return factor, () if factor is None else tuple(zip(weeks, forecast(weeks, factor), strict=True))


def _context(visit: Visit, asked: _Asked, found: _Found) -> dict[str, Any]:
    language, of = visit.language, asked.calendar
    monday = asked.today - timedelta(days=asked.today.weekday())
    starts = [monday + timedelta(weeks=number) for number in range(1, _AHEAD_WEEKS + 1)]
    names = of.names(language)
    return {
        "found": found,
        "lines": list(zip(names, found.periods, of.starts, strict=False)),
        "running": of.starts[-2] <= asked.today < of.starts[-1],
        "mail_chart": _mail_chart(found.periods, language),
        "time_chart": _time_chart(found.periods, language),
        "ages": list(zip(_age_names(language), found.ages, strict=True)),
        "most_open": max(found.ages, default=0),
        "weeks": [
            (times.day(start, language), times.day(start + timedelta(days=6), language), *each)
            for start, each in zip(starts, found.ahead, strict=False)
        ],
        "first": names[0].partition(APART)[0],
        "last": names[-1].partition(APART)[0],
        "ends": names[-1].rpartition(APART)[2],
        "is_newest": of.starts[-1] > asked.today,
        "span_of": lambda ms: "-" if ms is None else times.span(ms, language),
        "number": partial(format_decimal, locale=language),
    }


def _mail_chart(periods: tuple[Period, ...], language: str) -> Chart | None:
    _ = catalogue(language).gettext
    return chart((
        ("first", _("received"), [each.received for each in periods]),
        ("second", _("answered"), [each.answered for each in periods]),
    ))  # fmt: skip


def _time_chart(periods: tuple[Period, ...], language: str) -> Chart | None:
    _ = catalogue(language).gettext
    return chart((
        ("first", _("half"), [each.median_ms for each in periods]),
        ("second", _("nine of ten"), [each.slow_ms for each in periods]),
    ))  # fmt: skip


def _age_names(language: str) -> list[str]:
    words = catalogue(language)
    bounds = [0, *AGES]
    spans = [
        words.gettext("%(from)s to %(to)s days") % {"from": a, "to": b} for a, b in zip(bounds, AGES, strict=False)
    ]
    spans[0] = words.gettext("up to one day")
    return [*spans, words.gettext("more than %(num)s days") % {"num": AGES[-1]}]
