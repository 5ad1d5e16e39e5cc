"""P3: no table that maild writes runs anything in the spreadsheet that it is opened with."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date

import pytest

from maild.archive.figures import Period
from maild.archive.register import Registered
from maild.archive.register import as_csv as as_table
from maild.rules.directory import as_csv, listed
from maild.web import figures
from maild.web.periods import calendar
from tests.rules.samples import rules_of

FORMULAS = ["=1+1", "+49 30", "-2", "@SUM(A1)", "\t=1", " =1", "\uff1d1", '=HYPERLINK("http://evil.example")']


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_of_the_directory_begins_as_a_formula(formula: str) -> None:
    quoted = formula.replace('"', '\\"').replace("\t", "\\t")
    ruleset = rules_of(
        f'teams:\n  poststelle: {{name: "{quoted}", office: "{quoted}"}}\n'
        f'addresses:\n  "=x": {{team: poststelle, title: "{quoted}"}}\n  "-y": {{team: poststelle}}\n'
    )
    rows = list(csv.reader(io.StringIO(as_csv(listed(ruleset)), newline="")))
    assert len(rows) == 3
    cells = [cell for row in rows[1:] for cell in row if cell]
    assert len(cells) == 8
    assert {cell[0] for cell in cells} == {"'"}
    assert f"'{formula.strip()}" in {cell.replace("' ", "'").replace("'\t", "'") for cell in cells}


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_of_the_statistics_begins_as_a_formula(formula: str) -> None:
    week = calendar("week", "", date(2026, 9, 21), UTC)
    written = figures.as_csv("kita", formula, week, (Period(received=1),))
    (row,) = list(csv.reader(io.StringIO(written, newline="")))[1:]
    assert row[1] == f"'{formula}"


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_of_the_register_of_returned_mail_begins_as_a_formula(formula: str) -> None:
    line = Registered(
        team=formula, mailing=formula, recipient=f"{formula}@x.example", code=formula, reason=formula, hard=True,
        first_ms=1, last_ms=2, count=1,
    )  # fmt: skip
    (row,) = list(csv.reader(io.StringIO(as_table([line]), newline="")))[1:]
    assert {cell[0] for cell in row[:5]} == {"'"}
