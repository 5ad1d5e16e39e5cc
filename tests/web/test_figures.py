"""Statistics: figures of teams for those who read them, of no small team, and of no person."""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from maild.errors import NotFoundError
from maild.policy.roles import Role
from maild.web.charts import chart, forecast, trend
from maild.web.periods import calendar
from tests.web.office import RULES, Office, letter, rules

BERLIN = ZoneInfo("Europe/Berlin")
AGREED = RULES.replace("  bauamt: {name: Bauamt,", '  bauamt: {name: Bauamt, figures: "=Vereinbarung <1>",')


@pytest.fixture
def five(office: Office) -> Office:
    """An office of five in one team, and of one in another."""
    for login in ("petra", "kira", "jonas", "lea"):
        office.user(login, (Role.RESPONDER, "kita"))
    office.user("bert", (Role.MANAGER, "bauamt"), (Role.DRAFTER, "kita"))
    for number in range(3):
        office.mail(letter(key=f"a{number}@x"), "kita@musterstadt.example", age_s=3600 + number)
    office.mail(letter("dringend", key="b@x"), "kita.platzvergabe@musterstadt.example", age_s=9 * 86_400)
    office.mail(letter("Kanarie", key="c@x"), "bauamt@musterstadt.example")
    return office


def test_a_team_of_five_has_figures_and_a_table_of_them(five: Office) -> None:
    with five.client("petra") as client:
        page = client.get("/statistics").text
        assert 'href="/statistics"' in page[: page.index("<main")]
        assert "<h1>Statistik · Kita-Platzvergabe</h1>" in page
        assert page.count("<svg") >= 2
        assert "style=" not in page
        rows = list(csv.DictReader(io.StringIO(client.get("/statistics.csv").content.decode("utf-8-sig"))))
        assert [row["received"] for row in rows[-3:]] == ["1", "0", "3"]
        assert {row["team"] for row in rows} == {"kita"}
        days = client.get("/statistics.csv?by=day&until=2026-09-21&address=kita.platzvergabe").text.splitlines()
        assert days[-1] == "kita,kita.platzvergabe,2026-09-21,2026-09-21,3,0,0,0,,,0"
        assert len(days) == 29
        # All of the team's addresses are of the team's page alone.
        english = client.get("/statistics?by=month", headers={"accept-language": "en"}).text
        assert "There is too little mail of a year ago" in english


@pytest.mark.parametrize(
    "query",
    ["team=bauamt", "team=%27", "address=bauamt", "by=year", "until=gestern", "until=0001-01-01", "until=9999-12-31"],
)
@pytest.mark.parametrize("path", ["/statistics", "/statistics.csv"])
def test_what_is_not_there_or_not_ones_own_is_one_answer(five: Office, path: str, query: str) -> None:
    with five.client("petra") as client:
        assert client.get(f"{path}?{query}").status_code == 404


def test_a_small_team_has_no_figures_unless_an_agreement_allows_it(five: Office) -> None:
    with five.client("bert") as client:
        page = client.get("/statistics?team=bauamt").text
        assert "schreiben weniger als 5 Menschen" in page
        assert "<svg" not in page
        assert client.get("/statistics.csv?team=bauamt").status_code == 403
        assert "bauamt:confidential" not in page
        assert client.get("/statistics?team=bauamt:confidential").status_code == 404
        five.book.current = rules(AGREED)
        agreed = client.get("/statistics?team=bauamt").text
        assert "Gezeigt nach Vereinbarung: =Vereinbarung &lt;1&gt;" in agreed
        assert client.get("/statistics.csv?team=bauamt").status_code == 200


def test_readers_do_not_make_a_team_large(office: Office) -> None:
    office.user("petra", (Role.RESPONDER, "kita"))
    for number in range(6):
        office.user(f"leser{number}", (Role.READER, "kita"))
    with office.client("petra") as client:
        assert client.get("/statistics.csv?team=kita").status_code == 403


def test_who_reads_nothing_is_told_so(office: Office) -> None:
    office.user("neu")
    with office.client("neu") as client:
        assert "Sie lesen noch keine Briefe" in client.get("/statistics").text
        assert client.get("/statistics.csv").status_code == 404


def test_days_are_those_of_the_organisations_zone() -> None:
    spring = calendar("day", "2026-03-29", date(2026, 6, 1), BERLIN).edges_ms
    assert spring[-1] - spring[-2] == 23 * 3_600_000
    weeks = calendar("week", "", date(2026, 9, 21), BERLIN)
    assert (weeks.starts[-2], weeks.until, len(weeks.edges_ms)) == (date(2026, 9, 21), date(2026, 9, 27), 14)
    months = calendar("month", "2026-01-31", date(2026, 9, 21), BERLIN)
    assert (months.starts[0], months.until) == (date(2025, 2, 1), date(2026, 1, 31))
    assert calendar("month", str(months.later), date(2026, 9, 21), BERLIN).starts[0] == date(2026, 2, 1)
    assert calendar("week", str(weeks.earlier), date(2026, 9, 21), BERLIN).starts[-1] == weeks.starts[0]
    with pytest.raises(NotFoundError):
        calendar("week", "2026-02-30", date(2026, 9, 21), BERLIN)


def test_lines_end_at_their_names_and_none_on_another() -> None:
    drawn = chart([("first", "a", [1, None, 10, 10]), ("second", "b", [0, 5, 5, 10])])
    assert drawn is not None
    assert (drawn.most, drawn.lines[0].path[:2], drawn.lines[0].path.count("M")) == (10, "M0", 2)
    assert [line.points[-1] for line in drawn.lines] == [(370, 16), (370, 16)]
    assert abs(drawn.lines[0].name_y - drawn.lines[1].name_y) >= 17
    low = chart([("first", "a", [9, 0]), ("second", "b", [9, 0])])
    assert low is not None
    assert max(line.name_y for line in low.lines) <= 138
    assert chart([("first", "a", [None, 0])]) is None


@pytest.mark.parametrize(
    ("recent", "before", "expected"), [(30, 20, 1.5), (5, 19, None), (1000, 20, 4.0), (0, 400, 0.25)]
)
def test_the_trend_is_this_year_against_the_last(recent: int, before: int, expected: float | None) -> None:
    assert trend(recent, before) == expected


def test_a_forecast_is_last_years_weeks_times_the_trend(five: Office) -> None:
    assert forecast((10, 0, 3), 1.5) == (15, 0, 4)
    year_s = 364 * 86_400
    for number in range(24):  # eight weeks that end a year ago, and twice as much in the week after the next
        five.mail(letter(key=f"y{number}@x"), age_s=year_s + (number % 8 + 1) * 7 * 86_400)
    for number in range(6):
        five.mail(letter(key=f"z{number}@x"), age_s=year_s - 8 * 86_400)
    for number in range(47):
        five.mail(letter(key=f"n{number}@x"), age_s=(number % 8 + 1) * 7 * 86_400)
    with five.client("petra") as client:
        page = client.get("/statistics").text
    assert "mal 2, denn" in page
    assert re.search("28.09.2026 .{1,3} 04.10.2026</th><td>6</td><td>12</td>", page)
