"""The condition `office_hours`: by table, with yes, no and cannot tell; and the holidays that close an office."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from holidays import country_holidays

from maild.rules.calendar import FIRST_YEAR, LAST_YEAR
from maild.rules.engine import route, route_all
from maild.rules.holiday_reader import STATES, public_holidays
from maild.rules.model import Outcome, Ruleset
from tests.rules.samples import letter, rules_of, to

YES, NO, UNKNOWN = Outcome.YES, Outcome.NO, Outcome.UNKNOWN
OFFICES = """teams:
  poststelle: {name: Poststelle}
  amt: {name: Amt, hours: {mon-fri: [08:00-12:00, 13:00-16:00], sat: 22:00-24:00}}
  amt.kita: {name: Kita, parent: amt}
  amt.kita.nord: {name: Kita Nord, parent: amt.kita, hours: {mon: 06:00-07:00}}
addresses:
  info: {team: poststelle}
  amt: {team: amt}
  kita: {team: amt.kita}
  nord: {team: amt.kita.nord}
  alt: {retired: {successor: kita}}
"""


def offices(wanted: str = "true", organisation: str = "", more: str = "") -> Ruleset:
    rules = f"rules:\n  - id: r\n    when: {{office_hours: {wanted}}}\n    then: {{tag: t}}\n"
    head = f"organisation: {{name: X{organisation}}}\n"
    return rules_of(head + OFFICES + more + rules)


def tried(ruleset: Ruleset, recipient: str, at: str) -> tuple[Outcome | None, str]:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    found = route(ruleset, letter(at=moment), to(f"{recipient}@musterstadt.example"))
    assert found.problem is None
    return found.trace[0].outcome, found.trace[0].seen[0].value


# The recipient, the moment in UTC (Berlin is two hours ahead in June, one in January), what is seen.
MOMENTS = [
    ("amt", "2026-06-01 06:00", YES, "Mon 2026-06-01 08:00, amt is open"),
    ("amt", "2026-06-01 05:59", NO, "Mon 2026-06-01 07:59, amt is closed"),
    ("amt", "2026-06-01 09:59", YES, "Mon 2026-06-01 11:59, amt is open"),
    ("amt", "2026-06-01 10:00", NO, "Mon 2026-06-01 12:00, amt is closed"),
    ("amt", "2026-06-01 11:00", YES, "Mon 2026-06-01 13:00, amt is open"),
    ("amt", "2026-01-05 07:00", YES, "Mon 2026-01-05 08:00, amt is open"),
    ("amt", "2026-06-06 08:00", NO, "Sat 2026-06-06 10:00, amt is closed"),
    ("amt", "2026-06-06 21:59", YES, "Sat 2026-06-06 23:59, amt is open"),
    ("amt", "2026-06-06 22:00", NO, "Sun 2026-06-07 00:00, amt is closed"),
    ("kita", "2026-06-01 06:00", YES, "Mon 2026-06-01 08:00, amt.kita is open"),  # by the hours of the one above
    ("alt+x", "2026-06-01 06:00", YES, "Mon 2026-06-01 08:00, amt.kita is open"),
    ("nord", "2026-06-01 06:00", NO, "Mon 2026-06-01 08:00, amt.kita.nord is closed"),
    ("nord", "2026-06-01 04:00", YES, "Mon 2026-06-01 06:00, amt.kita.nord is open"),
    ("info", "2026-06-01 06:00", UNKNOWN, "Mon 2026-06-01 08:00, poststelle has no hours"),
    ("postmaster", "2026-06-01 06:00", UNKNOWN, "Mon 2026-06-01 08:00, poststelle has no hours"),
]


@pytest.mark.parametrize(("recipient", "at", "expected", "shown"), MOMENTS)
def test_office_hours_are_those_of_the_recipients_team(recipient: str, at: str, expected: Outcome, shown: str) -> None:
    assert tried(offices(), recipient, at) == (expected, shown)
    assert tried(offices("false"), recipient, at) == (expected.inverse, shown)


@pytest.mark.parametrize(
    ("zone", "expected", "shown"),
    [
        ("Europe/Berlin", NO, "Mon 2026-06-01 16:00, amt is closed"),
        ("Europe/Lisbon", YES, "Mon 2026-06-01 15:00, amt is open"),
        ("Asia/Tokyo", NO, "Mon 2026-06-01 23:00, amt is closed"),
    ],
)
def test_office_hours_are_told_in_the_time_zone_of_the_organisation(zone: str, expected: Outcome, shown: str) -> None:
    assert tried(offices(organisation=f", timezone: {zone}"), "amt", "2026-06-01 14:00") == (expected, shown)


def test_an_address_that_the_fallback_claims_has_the_hours_of_the_fallback() -> None:
    rules = offices(more="unknown_recipient: fallback\n")
    assert tried(rules, "niemand", "2026-06-01 06:00")[0] is UNKNOWN


def test_each_recipient_of_a_letter_has_the_hours_of_its_own_team() -> None:
    mail = letter(at=datetime(2026, 6, 1, 4, tzinfo=UTC))
    recipients = [to(f"{name}@musterstadt.example") for name in ("nord", "amt", "info", "nord")]
    assert [found.trace[0].outcome for found in route_all(offices(), mail, recipients)] == [YES, NO, UNKNOWN, YES]


HOLIDAYS = [
    ("2026-06-04", "2026-06-04 07:00", NO, "Thu 2026-06-04 09:00, amt is closed (holiday)"),
    ("2026-06-04", "2027-06-04 07:00", YES, "Fri 2027-06-04 09:00, amt is open"),
    ("12-24", "2026-12-24 08:00", NO, "Thu 2026-12-24 09:00, amt is closed (holiday)"),
    ("12-24", "2031-12-24 08:00", NO, "Wed 2031-12-24 09:00, amt is closed (holiday)"),
    ("02-29", "2028-02-29 08:00", NO, "Tue 2028-02-29 09:00, amt is closed (holiday)"),
    ("DE-BY", "2026-06-04 07:00", NO, "Thu 2026-06-04 09:00, amt is closed (Fronleichnam)"),
    ("DE-BE", "2026-06-04 07:00", YES, "Thu 2026-06-04 09:00, amt is open"),
    ("[2026-06-04, DE-BY]", "2026-06-04 07:00", NO, "Thu 2026-06-04 09:00, amt is closed (Fronleichnam)"),
    ("[DE-BE, 2026-06-05, 06-04]", "2026-06-04 07:00", NO, "Thu 2026-06-04 09:00, amt is closed (holiday)"),
    ("DE-BY", "2026-06-03 22:30", NO, "Thu 2026-06-04 00:30, amt is closed (Fronleichnam)"),
    ("DE-BY", "2051-06-05 07:00", UNKNOWN, "Mon 2051-06-05 09:00, amt: the holidays of that year are not known"),
    ("DE-BY", "2051-06-04 07:00", NO, "Sun 2051-06-04 09:00, amt is closed"),
    ("12-24", "2051-06-05 07:00", YES, "Mon 2051-06-05 09:00, amt is open"),
]


@pytest.mark.parametrize(("holidays", "at", "expected", "shown"), HOLIDAYS)
def test_every_office_is_closed_on_a_holiday(holidays: str, at: str, expected: Outcome, shown: str) -> None:
    assert tried(offices(organisation=f", holidays: {holidays}"), "amt", at) == (expected, shown)


def test_the_states_are_those_that_the_library_knows() -> None:
    library = type(country_holidays("DE"))
    assert {code.removeprefix("DE-") for code in STATES} == {code for code in library.subdivisions if len(code) == 2}
    assert all(library.subdivisions_aliases[name] == code.removeprefix("DE-") for code, name in STATES.items())


@pytest.mark.parametrize("state", ["DE-BY", "DE-HH"])
def test_the_public_holidays_of_each_year_are_plain_dates(state: str) -> None:
    found = public_holidays(state)
    assert {day.year for day in found} == set(range(FIRST_YEAR, LAST_YEAR + 1))
    assert {type(day) for day in found} == {date}
    assert found[date(2026, 1, 1)] == "Neujahr"


def test_a_worker_needs_no_library_for_the_holidays_of_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.pickle"
    path.write_bytes(pickle.dumps(offices(organisation=", holidays: DE-BY")))
    program = (
        "import pickle, sys; from pathlib import Path; import maild.router.reading, maild.rules.loader;"
        "found = pickle.loads(Path(sys.argv[1]).read_bytes()).organisation.holidays;"
        "print(len(found.dates) > 300, 'holidays' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
