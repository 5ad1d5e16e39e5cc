from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.shell import Maild
from tests.web.office import RULES

KITA = "kita.platzvergabe@musterstadt.example"


@pytest.fixture(autouse=True)
def rules(site: Path) -> None:
    (site / "rules.yaml").write_text(RULES, encoding="utf-8")


@pytest.mark.parametrize("form", [None, "html", "json", "csv"])
def test_the_directory_is_printed_in_each_form_and_has_only_what_is_listed(maild: Maild, form: str | None) -> None:
    result = maild("directory", *(("--format", form) if form else ()))
    assert (result.code, result.err) == (0, "")
    assert KITA in result.out
    for hidden in ("intern", "Geheime", "kita@"):
        assert hidden not in result.out


def test_the_table_of_the_terminal_names_office_and_hours(maild: Maild) -> None:
    lines = maild("directory").out.splitlines()
    assert lines[0].split() == ["ADDRESS", "FOR", "OFFICE", "HOURS"]
    assert lines[2].split("  ")[0] == KITA
    assert "Amt 51, Jugendamt" in lines[2]
    assert lines[2].endswith("  mon-thu 08:00-16:00, fri 08:00-12:00")


def test_the_page_is_in_the_language_asked_for_and_the_json_is_that_of_the_site(maild: Maild) -> None:
    assert '<html lang="de">' in maild("directory", "--format", "html").out
    assert "Directory of function addresses" in maild("directory", "--format", "html", "--language", "en").out
    assert json.loads(maild("directory", "--format", "json").out)["addresses"][1]["addresses"] == [KITA]


def test_broken_rules_and_an_empty_directory_are_told(maild: Maild, site: Path) -> None:
    (site / "rules.yaml").write_text(RULES.partition("addresses:")[0], encoding="utf-8")
    empty = maild("directory")
    assert (empty.code, empty.err) == (0, "no address is listed\n")
    (site / "rules.yaml").write_text("nonsense", encoding="utf-8")
    assert maild("directory").code == 78


def test_a_misspelt_address_is_refused_as_the_daemon_would_refuse_it(maild: Maild, letter: Path) -> None:
    result = maild("route", letter, "--to", "kta.platzvergabe@musterstadt.example")
    assert result.code == 1
    assert f"refused, 550 5.1.1 No such address; did you mean {KITA}?" in result.out
