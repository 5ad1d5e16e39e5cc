"""The public list of function addresses. Nothing of any person's is in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from starlette.responses import JSONResponse, Response

from maild.rules.model import FunctionAddress, Ruleset
from maild.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the directory."""

    title: str
    addresses: tuple[str, ...]
    team: str
    office: str
    hours: tuple[tuple[int, str, str], ...]  # weekday from Monday, from, until


def listed(rules: Ruleset) -> list[Listed]:
    """Return what is listed, by office and title."""
    found = [_listed(rules, address) for address in rules.addresses if address.listed and address.retired is None]
    return sorted(found, key=lambda line: (line.office.casefold(), line.title.casefold(), line.addresses))


def _listed(rules: Ruleset, address: FunctionAddress) -> Listed:
    team = rules.teams[address.team]
    domains = sorted(rules.domains) if address.domain is None else [address.domain]
    return Listed(
        title=address.title or team.name,
        addresses=tuple(f"{address.local}@{domain}" for domain in domains),
        team=team.name,
        office=team.office,
        hours=tuple((h.weekday, _clock(h.from_minute), _clock(h.until_minute)) for h in team.hours),
    )


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
