"""Reading `organisation: {holidays: …}`: dates, days of every year, and the public holidays of a German state.

The library that knows the public holidays is imported when a file first asks for them: it costs a fourth of a second.
What travels to the worker processes are plain dates.

Source: https://holidays.readthedocs.io/ (the laws of the states on Sundays and public holidays)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from functools import lru_cache

from maild.errors import said
from maild.rules.calendar import FIRST_YEAR, LAST_YEAR, LISTED, Holidays
from maild.rules.fields import Fields
from maild.rules.findings import Code, nearest, quoted
from maild.rules.yaml_nodes import Node, Scalar

STATES = {
    "DE-BB": "Brandenburg",
    "DE-BE": "Berlin",
    "DE-BW": "Baden-Württemberg",
    "DE-BY": "Bayern",
    "DE-HB": "Bremen",
    "DE-HE": "Hessen",
    "DE-HH": "Hamburg",
    "DE-MV": "Mecklenburg-Vorpommern",
    "DE-NI": "Niedersachsen",
    "DE-NW": "Nordrhein-Westfalen",
    "DE-RP": "Rheinland-Pfalz",
    "DE-SH": "Schleswig-Holstein",
    "DE-SL": "Saarland",
    "DE-SN": "Sachsen",
    "DE-ST": "Sachsen-Anhalt",
    "DE-TH": "Thüringen",
}
_YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})")
_LEAP_YEAR = 2000  # so that 02-29 is a day


def read_holidays(fields: Fields, node: Node) -> Holidays:
    """Read one holiday or a list: `DE-BY`, `2026-05-15`, `12-24`."""
    dates: dict[date, str] = {}
    yearly: set[tuple[int, int]] = set()
    state: str | None = None
    for scalar in fields.scalars(node, "a date such as 2026-12-24, a day such as 12-24, or a state such as DE-BY"):
        if not scalar.text[:1].isdigit():
            found = _state(fields, scalar, state)
            if found is not None:
                state = found
                dates |= public_holidays(found)
        elif (each := _YEARLY.fullmatch(scalar.text)) is not None:
            if _is_day(fields, scalar, int(each[1]), int(each[2])):
                yearly.add((int(each[1]), int(each[2])))
        elif (day := fields.day(scalar)) is not None:
            dates.setdefault(day, LISTED)
    return Holidays(dates=dates, yearly=frozenset(yearly), state=state)


def _state(fields: Fields, scalar: Scalar, before: str | None) -> str | None:
    code = scalar.text
    if code not in STATES:
        named = get_close_matches(code.capitalize(), STATES.values(), n=1, cutoff=0.6)
        state = next((known for known, name in STATES.items() if name in named), code.upper())
        hint = nearest(state, STATES)
        text = said(
            "%(text)s is neither a date nor a state whose public holidays are known%(hint)s",
            text=quoted(code),
            hint=hint,
        )
        fields.findings.error(scalar, Code.UNKNOWN_VALUE, text)
        return None
    if before is not None:
        text = said(
            "public holidays are those of one state; %(before)s stands there before %(text)s",
            before=quoted(before),
            text=quoted(code),
        )
        fields.findings.error(scalar, Code.UNKNOWN_VALUE, text)
        return None
    return code


def _is_day(fields: Fields, scalar: Scalar, month: int, day: int) -> bool:
    try:
        date(_LEAP_YEAR, month, day)
    except ValueError:
        text = said("%(text)s is no day of a year; write month and day as 12-24", text=quoted(scalar.text))
        fields.findings.error(scalar, Code.BAD_DATE, text)
        return False
    return True


@lru_cache(maxsize=len(STATES))
def public_holidays(state: str) -> Mapping[date, str]:
    """Return the public holidays of a state, with their German names; callers leave the mapping as it is."""
    from holidays import country_holidays  # noqa: PLC0415  # dear, and most files do not ask for it

    years = range(FIRST_YEAR, LAST_YEAR + 1)
    found = country_holidays("DE", subdiv=state.removeprefix("DE-"), years=years, language="de")
    return dict(found.items())
