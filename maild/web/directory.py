"""The public list of function addresses. Nothing of any person's is in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from starlette.responses import JSONResponse, Response

from maild.rules.model import FunctionAddress, OpenHours, Ruleset
from maild.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the directory."""

    title: str
    addresses: tuple[str, ...]
    team: str
    office: str
    hours: tuple[tuple[tuple[int, ...], str, str], ...]  # days in a row from Monday 0, from, until


def listed(rules: Ruleset) -> list[Listed]:
    """Return what is listed, by office and title."""
    found = [_listed(rules, address) for address in rules.addresses if address.listed and address.retired is None]
    return sorted(
        found, key=lambda line: (not line.office, line.office.casefold(), line.title.casefold(), line.addresses)
    )


def _listed(rules: Ruleset, address: FunctionAddress) -> Listed:
    team = rules.teams[address.team]
    domains = sorted(rules.domains) if address.domain is None else [address.domain]
    return Listed(
        title=address.title or team.name,
        addresses=tuple(f"{address.local}@{domain}" for domain in domains),
        team=team.name,
        office=team.office,
        hours=_spans(team.hours),
    )


def _spans(hours: tuple[OpenHours, ...]) -> tuple[tuple[tuple[int, ...], str, str], ...]:
    """Join days in a row that have the same hours: Monday to Thursday, 08:00 to 16:00."""
    joined: list[tuple[tuple[int, ...], str, str]] = []
    for h in sorted(hours, key=lambda h: (h.weekday, h.from_minute)):
        times = (_clock(h.from_minute), _clock(h.until_minute))
        before = next((j for j in joined if j[1:] == times and j[0][-1] == h.weekday - 1), None)
        if before is None:
            joined.append(((h.weekday,), *times))
        else:
            joined[joined.index(before)] = ((*before[0], h.weekday), *times)
    return tuple(joined)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


async def page(visit: Visit) -> Response:
    """Show the directory."""
    return visit.page("directory.html", lines=listed(visit.services.rulebook.current))


async def as_json(visit: Visit) -> Response:
    """Return the directory for programs."""
    rules = visit.services.rulebook.current
    return JSONResponse(
        {"organisation": rules.organisation.name, "addresses": [asdict(line) for line in listed(rules)]}
    )
