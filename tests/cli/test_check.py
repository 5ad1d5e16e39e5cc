from __future__ import annotations

from pathlib import Path

from tests.cli.shell import Maild

TEN_MISTAKES = """\
version: 1
organisation: {name: X, language: fr, timezone: Europe/Berlin}
domains: [musterstadt.example]
teams:
  kita: {name: Kita, parent: nobody}
fallback: kitta
adresses: {}
addresses:
  info: {team: kitta, titel: x}
  "a b": {team: kita}
rules:
  - id: one
    when: {subjekt: x, header: {X: {regexp: y}}}
    then: {deliver: kita, tag: }
  - id: one
    when: {subject: {regex: "("}}
    then: {explode: true}
"""


def test_a_rules_file_with_ten_mistakes_lists_ten(maild: Maild, site: Path) -> None:
    (site / "rules.yaml").write_text(TEN_MISTAKES, encoding="utf-8")
    result = maild("check")
    assert result.code == 1
    lines = result.out.splitlines()
    assert len(lines) >= 10, result.out
    assert all(line.startswith("site/rules.yaml:") and ": error[" in line for line in lines)
    assert "site/rules.yaml:6:11: error[unknown-team]: team 'kitta' is not defined; did you mean 'kita'?" in lines


def test_json_has_an_object_a_line(maild: Maild, site: Path) -> None:
    (site / "maild.toml").write_text("[smtp]\nlisen = 1\n[web]\nlisten = 2\n", encoding="utf-8")
    result = maild("check", "--json")
    assert result.code == 1
    assert [set(found) for found in result.objects] == [{"path", "line", "column", "severity", "code", "text"}] * 2
    assert [found["code"] for found in result.objects] == ["unknown-key", "bad-value"]


def test_a_warning_is_told_and_is_no_error(maild: Maild, site: Path) -> None:
    text = (site / "rules.yaml").read_text(encoding="utf-8")
    (site / "rules.yaml").write_text(text.replace("teams:\n", "teams:\n  idle: {name: Idle}\n"), encoding="utf-8")
    result = maild("check")
    assert result.code == 0
    assert "warning[unused-team]" in result.out
    assert result.err == "good, with 1 warning\n"


def test_a_list_file_outside_the_folder_of_the_rules_is_not_read(maild: Maild, site: Path) -> None:
    (site.parent / "outside.txt").write_text("geheim\n", encoding="utf-8")
    text = (site / "rules.yaml").read_text(encoding="utf-8")
    (site / "rules.yaml").write_text(text + "lists: {x: {file: ../outside.txt}}\n", encoding="utf-8")
    result = maild("check")
    assert result.code == 1
    assert "error[list-file]: '../outside.txt' cannot be read: a file that the rules name lies beside" in result.out


def _with_kita(site: Path) -> None:
    text = (site / "rules.yaml").read_text(encoding="utf-8")
    text = text.replace("teams:\n", "teams:\n  kita: {name: Kita}\n").replace(
        "addresses:\n", "addresses:\n  kita: {team: kita}\n"
    )
    (site / "rules.yaml").write_text(text, encoding="utf-8")


def test_a_team_that_nobody_can_read_is_a_warning_and_of_the_fallback_an_error(maild: Maild, site: Path) -> None:
    _with_kita(site)
    line = (site / "rules.yaml").read_text(encoding="utf-8").splitlines().index("  kita: {name: Kita}") + 1
    warned = maild("check")
    assert warned.code == 0
    assert warned.out == (
        f"site/rules.yaml:{line}:3: warning[unread-team]: nobody can read team 'kita', so its mail goes to the "
        "fallback, too; `maild grant LOGIN kita responder` gives it a reader\n"
    )
    assert any("nobody can read team 'kita'" in text for text in maild("status", "--json").objects[0]["wrong"])
    assert maild("user", "disable", "petra", "--yes").code == 0
    refused = maild("check", "--json")
    assert refused.code == 1
    assert [(d["severity"], d["code"]) for d in refused.objects] == [
        ("warning", "unread-team"), ("error", "unread-team")
    ]  # fmt: skip
    assert maild("status", "--json").objects[0]["orphan_teams"] == ["kita", "poststelle"]
    text = (site / "rules.yaml").read_text(encoding="utf-8")
    (site / "rules.yaml").write_text(text.replace("{name: Kita}", "{name: Kita, closed: true}"), encoding="utf-8")
    assert (
        "error[unread-team]: nobody can read 'kita', which is closed to administrators: its mail waits"
        in maild("check").out
    )


def test_without_an_archive_the_rules_are_checked_all_the_same(maild: Maild, site: Path) -> None:
    (site / "var" / "maild.sqlite3").unlink()
    result = maild("check")
    assert (result.code, result.out) == (0, "")
    assert "not checked whether every team has a reader: there is no archive in" in result.err


def test_rules_that_are_not_there_are_told(maild: Maild, site: Path) -> None:
    (site / "rules.yaml").unlink()
    result = maild("check")
    assert result.code == 1
    assert "site/rules.yaml:1:1: error[unreadable-file]" in result.out
