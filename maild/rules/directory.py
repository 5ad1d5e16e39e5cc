"""The public directory of function addresses: what it lists, and its forms for programs.

Security: nothing of any person's is in it, and nothing of addresses that say `listed: false`: no alias, no rule, no
team that only they lead to. The forms are promises: names may be added to them, and none is taken away.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from maild.mail.address import Address
from maild.rules.model import FunctionAddress, OpenHours, Ruleset

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COLUMNS = ("title", "address", "office", "team", "hours", "retired", "successor")
_NUMBER = re.compile(r"(\d{1,9})")
# What spreadsheets take for the beginning of a formula, in both widths.
_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Hours of days in a row; `days` count from Monday 0, times are written 08:00."""

    days: tuple[int, ...]
    opens: str
    closes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the directory. `successors` are what a retired address leads to, as far as that is listed."""

    title: str
    addresses: tuple[str, ...]
    team: str
    office: str
    hours: tuple[Span, ...]
    retired: bool = False
    successors: tuple[str, ...] = ()


def listed(rules: Ruleset) -> tuple[Listed, ...]:
    """Return what is listed, by office and title; what belongs to no office comes last.

    A retired address is listed when its entry says `listed: true`: for those who have an old letter in hand.
    """
    by_name = {address.name: address for address in rules.addresses}
    lines = (_line(rules, address, by_name) for address in rules.addresses if address.listed)
    found = [line for line in lines if line.addresses]
    return tuple(
        sorted(found, key=lambda line: (not line.office, _natural(line.office), _natural(line.title), line.addresses))
    )


def _natural(text: str) -> list[tuple[int, str]]:
    """Return a key that puts Amt 9 before Amt 10."""
    return [
        (int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in _NUMBER.split(text.casefold())
    ]


def _line(rules: Ruleset, address: FunctionAddress, by_name: dict[str, FunctionAddress]) -> Listed:
    team = rules.teams[address.team]
    heir = _heir(address, by_name)
    return Listed(
        title=address.title or team.name,
        addresses=in_full(rules, address),
        team=team.name,
        office=team.office,
        hours=spans(team.hours),
        retired=address.retired is not None,
        successors=() if heir is None else in_full(rules, heir),
    )


def _heir(address: FunctionAddress, by_name: dict[str, FunctionAddress]) -> FunctionAddress | None:
    """Follow the successors to one that is not retired; None when there is none, or when it is not listed."""
    here: FunctionAddress | None = address
    while here is not None and here.retired is not None:  # the loader refused circles
        here = by_name.get(here.retired.successor or "")
    return here if here is not address and here is not None and here.listed else None


def in_full(rules: Ruleset, address: FunctionAddress) -> tuple[str, ...]:
    """Write the address in every domain that it holds in, but for those where the name is another entry's."""
    domains = sorted(rules.domains) if address.domain is None else [address.domain]
    full = (Address(local=address.local, domain=domain) for domain in domains)
    return tuple(str(each) for each in full if rules.find(each) is address)


def spans(hours: tuple[OpenHours, ...]) -> tuple[Span, ...]:
    """Join days in a row that have the same hours: Monday to Thursday, 08:00 to 16:00."""
    joined: list[Span] = []
    for h in sorted(hours, key=lambda h: (h.weekday, h.from_minute)):
        opens, closes = _clock(h.from_minute), _clock(h.until_minute)
        same = [
            n for n, s in enumerate(joined) if (s.opens, s.closes) == (opens, closes) and s.days[-1] == h.weekday - 1
        ]
        if same:
            joined[same[0]] = Span(days=(*joined[same[0]].days, h.weekday), opens=opens, closes=closes)
        else:
            joined.append(Span(days=(h.weekday,), opens=opens, closes=closes))
    return tuple(joined)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def as_form(rules: Ruleset) -> dict[str, Any]:
    """Return the directory as /directory.json and `maild directory --format json` give it out."""
    return {
        "organisation": rules.organisation.name,
        "language": rules.organisation.language,
        "addresses": [_form(line) for line in listed(rules)],
    }


def _form(line: Listed) -> dict[str, Any]:
    return {
        "title": line.title,
        "addresses": list(line.addresses),
        "office": line.office,
        "team": line.team,
        "hours": [{"days": [DAYS[day] for day in s.days], "from": s.opens, "until": s.closes} for s in line.hours],
        "retired": line.retired,
        "successor": list(line.successors),
    }


def as_csv(lines: Iterable[Listed]) -> str:
    """Write the directory as a table of RFC 4180, a row for each address."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(_COLUMNS)
    for line in lines:
        for address in line.addresses:
            retired, successors = "yes" if line.retired else "", " ".join(line.successors)
            row = (line.title, address, line.office, line.team, hours_text(line.hours), retired, successors)
            table.writerow([harmless(cell) for cell in row])
    return text.getvalue()


def hours_text(hours: Iterable[Span]) -> str:
    """Write hours as the rules language does: mon-thu 08:00-16:00, fri 08:00-12:00."""
    return ", ".join(
        f"{DAYS[s.days[0]]}{f'-{DAYS[s.days[-1]]}' if len(s.days) > 1 else ''} {s.opens}-{s.closes}" for s in hours
    )


def harmless(cell: str) -> str:
    """Return a cell of a table as a spreadsheet shows it and does not run it."""
    # Security: whoever opens the table must not run what stands in it (CSV injection).
    return f"'{cell}" if cell.lstrip(" ")[:1] in _FORMULA and cell.strip(" ") else cell
