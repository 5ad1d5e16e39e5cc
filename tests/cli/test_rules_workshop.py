from __future__ import annotations

import json
from pathlib import Path

from tests.cli.shell import Maild

TESTED = """\
rules:
  - {id: eilt, when: {subject: eilt}, then: {tag: eilt}}
tests:
  - name: Es eilt
    mail: {to: info@musterstadt.example, subject: Es eilt}
    expect: {tags: [eilt], rules: [eilt]}
  - name: Ein Brief aus einer Datei
    mail: {to: info@musterstadt.example, file: samples/brief.eml}
    expect: {tags: [WANTED]}
"""


def write(site: Path, *, wanted: str = "eilt", more: str = "") -> None:
    (site / "samples").mkdir(exist_ok=True)
    (site / "samples" / "brief.eml").write_bytes(b"From: a@b.example\nSubject: =?utf-8?q?Es_eilt?=\n\nBald!\n")
    rules = site / "rules.yaml"
    head = rules.read_text(encoding="utf-8").partition("rules:\n")[0]
    rules.write_text(head + TESTED.replace("WANTED", wanted) + more, encoding="utf-8")


def test_the_tests_of_the_rules_are_told_one_by_one(maild: Maild, site: Path) -> None:
    write(site)
    told = maild("rules", "test")
    assert (told.code, told.err) == (0, "2 tests, 0 failed\n")
    assert [line.partition(" (line")[0] for line in told.out.splitlines()] == [
        "passed  Es eilt",
        "passed  Ein Brief aus einer Datei",
    ]


def test_a_test_that_fails_says_what_was_expected_and_what_was_found(maild: Maild, site: Path) -> None:
    write(site, wanted="bald")
    told = maild("rules", "test")
    assert (told.code, told.err) == (1, "2 tests, 1 failed\n")
    assert told.out.splitlines()[-1] == "        expected tags [bald], but found [eilt]"
    passed, failed = maild("rules", "test", site / "rules.yaml", "--json").objects
    assert (passed["passed"], passed["differences"]) == (True, [])
    assert failed["differences"] == [{"what": "tags", "expected": ["bald"], "found": ["eilt"]}]
    assert set(failed) == {"name", "line", "passed", "differences"}


def test_rules_with_other_errors_cannot_be_tested(maild: Maild, site: Path) -> None:
    write(site, more="unknown_recipients: x\n")
    told = maild("rules", "test")
    assert (told.code, told.out) == (78, "")
    assert "error[unknown-key]" in told.err


def test_rules_without_tests_are_not_taken_for_tested(maild: Maild, site: Path) -> None:
    told = maild("rules", "test")
    assert (told.code, told.out, told.err) == (1, "", "there are no tests\n")


def test_a_file_is_tested_where_no_maild_is_set_up(maild: Maild, tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "rules.example.yaml"
    told = maild("rules", "test", path)
    assert told.code == 0
    assert told.out.count("passed  ") >= 4


def test_the_schema_goes_to_stdout(maild: Maild) -> None:
    told = maild("rules", "schema")
    assert told.code == 0
    assert json.loads(told.out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
