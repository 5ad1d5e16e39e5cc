from __future__ import annotations

import csv
import io

import pytest

from maild.rules.directory import Listed, Span, as_csv, as_form, hours_text, listed
from tests.rules.samples import rules_of

RULES = rules_of("""organisation: {name: Stadt Musterstadt, language: de}
domains: [a.example, b.example]
teams:
  poststelle: {name: Poststelle}
  kita:
    name: Kita-Platzvergabe
    office: Amt 51
    hours: {mon-thu: [08:00-12:00, 13:00-16:00], fri: 08:00-12:00, sun: 10:00-24:00}
  bau: {name: Bauamt, office: Amt 9}
  leitung: {name: Leitung, office: Amt 51}
addresses:
  info: {team: poststelle, title: Allgemeines}
  kita.platzvergabe: {team: kita, title: Kita-Plätze, aliases: [krippe]}
  nur-b@b.example: {team: bau}
  info@b.example: {team: bau, title: Auskunft Bau, listed: false}
  vertraulich: {team: leitung, title: Vertraulich, listed: false}
  alt: {listed: true, title: Krippen, retired: {since: 2026-06-30, successor: aelter}}
  aelter: {retired: {successor: kita.platzvergabe}}
  weg: {listed: true, title: Amtsleitung, retired: {successor: vertraulich}}
  fort: {retired: {since: 2026-06-30, successor: info}}
""")


def test_the_directory_has_what_is_listed_by_office_and_title_the_rest_last() -> None:
    assert [(line.office, line.title, line.addresses) for line in listed(RULES)] == [
        ("Amt 9", "Bauamt", ("nur-b@b.example",)),
        ("Amt 51", "Amtsleitung", ("weg@a.example", "weg@b.example")),
        ("Amt 51", "Kita-Plätze", ("kita.platzvergabe@a.example", "kita.platzvergabe@b.example")),
        ("Amt 51", "Krippen", ("alt@a.example", "alt@b.example")),
        ("", "Allgemeines", ("info@a.example",)),  # in b.example the name is an unlisted entry's
    ]


def test_a_retired_address_leads_to_the_listed_one_that_it_ends_in() -> None:
    found = {line.title: line for line in listed(RULES)}
    assert found["Krippen"].retired
    assert found["Krippen"].successors == ("kita.platzvergabe@a.example", "kita.platzvergabe@b.example")
    assert (found["Amtsleitung"].retired, found["Amtsleitung"].successors) == (True, ())
    assert (found["Kita-Plätze"].retired, found["Kita-Plätze"].successors) == (False, ())


def test_the_form_for_programs_is_as_documented() -> None:
    form = as_form(RULES)
    assert (form["organisation"], form["language"]) == ("Stadt Musterstadt", "de")
    assert form["addresses"][2] == {
        "title": "Kita-Plätze",
        "addresses": ["kita.platzvergabe@a.example", "kita.platzvergabe@b.example"],
        "office": "Amt 51",
        "team": "Kita-Platzvergabe",
        "hours": [
            {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "until": "12:00"},
            {"days": ["mon", "tue", "wed", "thu"], "from": "13:00", "until": "16:00"},
            {"days": ["sun"], "from": "10:00", "until": "24:00"},
        ],
        "retired": False,
        "successor": [],
    }


@pytest.mark.parametrize(
    "hidden", ["vertraulich@", "Vertraulich", "krippe@", "Auskunft Bau", "fort@", "aelter@", "info@b"]
)
def test_no_form_has_anything_that_is_not_listed(hidden: str) -> None:
    assert hidden not in str(as_form(RULES)) + as_csv(listed(RULES))


def test_the_table_has_a_row_for_each_address_and_hours_as_rules_write_them() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(listed(RULES)), newline="")))
    assert len(rows) == 8
    assert rows[3] == {
        "title": "Kita-Plätze",
        "address": "kita.platzvergabe@a.example",
        "office": "Amt 51",
        "team": "Kita-Platzvergabe",
        "hours": "mon-fri 08:00-12:00, mon-thu 13:00-16:00, sun 10:00-24:00",
        "retired": "",
        "successor": "",
    }
    assert rows[5]["retired"] == "yes"
    assert rows[5]["successor"] == "kita.platzvergabe@a.example kita.platzvergabe@b.example"
    assert as_csv(()) == "title,address,office,team,hours,retired,successor\r\n"


def test_days_with_the_same_hours_are_joined_only_in_a_row() -> None:
    hours = (Span(days=(0, 1), opens="08:00", closes="12:00"), Span(days=(3,), opens="08:00", closes="12:00"))
    assert hours_text(hours) == "mon-tue 08:00-12:00, thu 08:00-12:00"
    gap = rules_of(
        "teams:\n  poststelle: {name: P, hours: {mon-tue: 08:00-12:00, thu: 08:00-12:00}}\n"
        "addresses:\n  a: {team: poststelle}\n"
    )
    assert listed(gap)[0].hours == hours


def test_an_entry_that_others_replace_in_every_domain_is_no_line() -> None:
    ruleset = rules_of(
        "domains: [a.example]\naddresses:\n  x: {team: poststelle}\n  x@a.example: {team: poststelle, title: Y}\n"
    )
    assert [(line.title, line.addresses) for line in listed(ruleset)] == [("Y", ("x@a.example",))]


def test_an_empty_directory_is_one() -> None:
    assert listed(rules_of("addresses: {}\n")) == ()
    assert isinstance(listed(RULES)[0], Listed)
