from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.cli.shell import PASSWORD, Maild


def add(maild: Maild, tmp_path: Path, login: str = "jan") -> None:
    (tmp_path / "secret").write_text(PASSWORD, encoding="utf-8")
    result = maild("user", "add", login, "--name", "Jan Becker", "--password-file", "secret")
    assert result.code == 0, result.err


def grants(maild: Maild, login: str = "jan") -> list[str]:
    people = {p["login"]: p["grants"] for p in maild("user", "list", "--json").objects}
    found: list[str] = people[login]
    return found


def test_a_person_is_added_granted_and_revoked(maild: Maild, site: Path, tmp_path: Path) -> None:
    add(maild, tmp_path)
    assert grants(maild) == []
    assert maild("grant", "jan", "poststelle", "responder").code == 0
    assert maild("grant", "jan", "auditor").code == 0
    assert grants(maild) == ["poststelle:responder", "auditor"]
    assert maild("grant", "jan", "poststelle", "responder", "--revoke").code == 0
    assert grants(maild) == ["auditor"]
    assert maild("grant", "jan", "poststelle", "responder", "--revoke").code == 1


def test_what_goes_wrong_is_not_among_the_results(maild: Maild, site: Path, tmp_path: Path) -> None:
    add(maild, tmp_path)
    again = maild("user", "add", "jan", "--password-file", "secret")
    assert (again.code, again.out) == (1, "")
    assert again.err == "maild: there is a user jan already\n"


@pytest.mark.parametrize("login", ["", " ", "jan becker", "jan\nbecker", "jan\x1b[2J", "x" * 65])
def test_a_login_is_a_word(maild: Maild, site: Path, tmp_path: Path, login: str) -> None:
    (tmp_path / "secret").write_text(PASSWORD, encoding="utf-8")
    result = maild("user", "add", login, "--password-file", "secret")
    assert result.code == 2
    assert "a login is one word of at most 64 characters" in result.err
    assert [p["login"] for p in maild("user", "list", "--json").objects] == ["petra"]


def test_a_mail_address_that_is_none_is_named(maild: Maild, site: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(PASSWORD, encoding="utf-8")
    result = maild("user", "add", "jan", "--mail", "jan", "--password-file", "secret")
    assert result.code == 2
    assert "'jan' is not an address: it is written local@domain" in result.err


def test_a_grant_holds_from_its_first_day_through_its_last(maild: Maild, site: Path, tmp_path: Path) -> None:
    add(maild, tmp_path)
    assert maild("grant", "jan", "poststelle", "reader", "--from", "2099-01-01").code == 0
    assert maild("grant", "jan", "poststelle", "reader", "--from", "2000-01-01", "--until", "2000-12-31").code == 0
    assert grants(maild) == []
    today = maild("grant", "jan", "poststelle", "reader", "--until", "2099-12-31")
    assert today.err == "jan is reader in poststelle through 2099-12-31\n"
    assert grants(maild) == ["poststelle:reader"]


def test_a_day_is_one_of_the_organisations_calendar_wherever_the_machine_stands(
    maild: Maild, site: Path, tmp_path: Path
) -> None:
    add(maild, tmp_path)
    rules = (site / "rules.yaml").read_text(encoding="utf-8")
    there = rules.replace("timezone: Europe/Berlin", "timezone: Pacific/Auckland")
    (site / "rules.yaml").write_text(there, encoding="utf-8")
    assert maild("grant", "jan", "poststelle", "reader", "--from", "2099-01-01", "--until", "2099-01-31").code == 0
    noted = maild("absent", "jan", "--from", "2099-07-01", "--until", "2099-07-14")
    assert "from 2099-07-01 through 2099-07-14" in noted.err
    assert maild("handover", "petra", "--until", "2099-06-30", "--yes").err.endswith("closes after 2099-06-30\n")
    winter, summer = timezone(timedelta(hours=12)), timezone(timedelta(hours=13))
    with closing(sqlite3.connect(site / "var" / "maild.sqlite3")) as store:
        assert store.execute("SELECT from_ms, until_ms FROM grants WHERE role = 'reader'").fetchall() == [
            (_ms(datetime(2099, 1, 1, tzinfo=summer)), _ms(datetime(2099, 2, 1, tzinfo=summer)))
        ]
        assert store.execute("SELECT from_ms, until_ms FROM absences").fetchall() == [
            (_ms(datetime(2099, 7, 1, tzinfo=winter)), _ms(datetime(2099, 7, 15, tzinfo=winter)))
        ]
        assert store.execute("SELECT leaves_ms FROM leavings").fetchall() == [
            (_ms(datetime(2099, 7, 1, tzinfo=winter)),)
        ]


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def test_wrong_words_of_a_grant_are_told(maild: Maild, site: Path) -> None:
    for words, expected in (
        (("petra", "poststele", "reader"), "team 'poststele' is not in the rules; did you mean 'poststelle'?"),
        (("petra", "poststelle", "redaer"), "'redaer' is not a role; did you mean 'reader'?"),
        (("petra", "reader"), "reader is a role in a team: name it"),
        (("petra", "poststelle", "auditor"), "auditor has no team"),
        (("petra",), "say LOGIN TEAM ROLE"),
        (("petra", "poststelle", "reader", "--from", "31.12."), "'31.12.' is not a date such as 2026-05-31"),
        (("petra", "poststelle", "reader", "--until", "2000-01-01"), "--until is before --from"),
    ):
        result = maild("grant", *words)
        assert result.code == 2
        assert expected in result.err
    assert maild("grant", "nobody", "poststelle", "reader").code == 1


def test_disabling_says_first_what_it_would_do(maild: Maild, site: Path, tmp_path: Path) -> None:
    add(maild, tmp_path)
    first = maild("user", "disable", "jan")
    assert first.code == 1
    assert "would close the account of jan (Jan Becker)" in first.err
    assert [p["disabled"] for p in maild("user", "list", "--json").objects] == [None, None]
    assert maild("user", "disable", "jan", "--yes").code == 0
    assert [bool(p["disabled"]) for p in maild("user", "list", "--json").objects] == [True, False]
    assert maild("user", "disable", "jan", "--undo").code == 0
    assert [p["disabled"] for p in maild("user", "list", "--json").objects] == [None, None]


def test_the_last_reader_of_a_team_is_not_lost_without_a_word(maild: Maild, site: Path, tmp_path: Path) -> None:
    add(maild, tmp_path)
    revoking = ("grant", "petra", "poststelle", "manager", "--revoke")
    asked = maild(*revoking)
    assert asked.code == 1
    assert asked.err == (
        "would take manager from petra in poststelle; nobody could read 1 team any more: poststelle; --yes does it\n"
    )
    closing = maild("user", "disable", "petra")
    assert (closing.code, "nobody could read 1 team any more: poststelle; --yes does it" in closing.err) == (1, True)
    assert grants(maild, "petra") == ["administrator", "poststelle:manager"]
    assert maild("grant", "jan", "poststelle", "reader").code == 0
    assert "nobody" not in maild("user", "disable", "petra").err
    assert maild(*revoking).code == 0
    assert maild("grant", "jan", "poststelle", "reader", "--revoke").code == 1
    assert maild("grant", "jan", "poststelle", "reader", "--revoke", "--yes").code == 0
    assert grants(maild) == []


def test_a_broken_rules_file_keeps_no_account_open(maild: Maild, site: Path, tmp_path: Path) -> None:
    add(maild, tmp_path)
    (site / "rules.yaml").write_text("nonsense", encoding="utf-8")
    assert maild("user", "disable", "jan").code == 1
    assert maild("user", "disable", "jan", "--yes").code == 0
    assert maild("grant", "petra", "poststelle", "manager", "--revoke").code == 0


def test_a_login_is_taken_once(maild: Maild, site: Path, tmp_path: Path) -> None:
    add(maild, tmp_path)
    result = maild("user", "add", "JAN", "--password-file", "secret")
    assert result.code == 1
    assert result.err == "maild: there is a user jan already\n"


def test_a_password_is_set_from_a_file_and_never_from_an_argument(maild: Maild, site: Path, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("noch ein Satz aus vielen Wörtern\n", encoding="utf-8")
    assert maild("user", "passwd", "petra", "--password-file", "new").code == 0
    assert maild("user", "passwd", "petra", "geheim").code == 2
    assert maild("user", "passwd", "petra").code == 2
    assert maild("user", "passwd", "nobody", "--password-file", "new").code == 1


def test_a_mail_program_gets_a_password_that_is_shown_once_and_can_be_revoked(
    maild: Maild, site: Path, tmp_path: Path
) -> None:
    add(maild, tmp_path)
    made = maild("user", "app-password", "jan", "--name", "Outlook")
    assert made.code == 0, made.err
    assert re.fullmatch(r"([a-z]{4} ){6}[a-z]{4}\n", made.out)
    (listed,) = maild("user", "app-passwords", "jan", "--json").objects
    assert (listed["name"], listed["used"]) == ("Outlook", None)
    assert made.out.split()[-1] not in maild("user", "app-passwords", "jan").out
    assert maild("user", "app-passwords", "jan", "--revoke", str(listed["id"])).code == 0
    assert maild("user", "app-passwords", "jan", "--json").objects == []
    assert maild("user", "app-passwords", "jan", "--revoke", str(listed["id"])).code == 1


def test_an_invitation_is_a_link_that_is_printed_and_makes_the_account(maild: Maild, site: Path) -> None:
    made = maild("user", "invite", "Jan", "--name", "Jan Becker")
    assert made.code == 0, made.err
    assert re.fullmatch(r"http://127\.0\.0\.1:8080/welcome/[\w-]{43}\n", made.out)
    again = maild("user", "invite", "jan")
    assert again.code == 0
    assert again.out != made.out
    assert maild("user", "invite", "jan b").code == 2
    assert [p["login"] for p in maild("user", "list", "--json").objects] == ["jan", "petra"]
    assert maild("user", "second-factor", "jan").code == 1


def test_an_account_is_tied_to_a_person_of_the_provider_and_untied(
    maild: Maild, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(maild, tmp_path)
    assert maild("user", "identity", "jan", "--subject", "17").code == 2
    monkeypatch.setenv("MAILD_OIDC__ISSUER", "https://sso.example")
    monkeypatch.setenv("MAILD_OIDC__CLIENT_ID", "maild")
    monkeypatch.setenv("MAILD_OIDC__GROUPS", '{"it": ["administrator"]}')
    assert maild("user", "identity", "jan").code == 2
    assert maild("user", "identity", "jan", "--subject", "17").code == 0
    taken = maild("user", "identity", "petra", "--subject", "17")
    assert (taken.code, taken.err) == (1, "maild: that subject opens another account\n")
    assert maild("user", "identity", "jan", "--remove").code == 0
    assert maild("user", "identity", "petra", "--subject", "17").code == 0


def test_what_is_done_to_people_on_the_command_line_is_recorded_as_the_operators(site: Path, maild: Maild) -> None:
    (site.parent / "another").write_text(PASSWORD + " neu\n", encoding="utf-8")
    assert maild("user", "add", "Kim", "--password-file", "another").code == 0
    assert maild("grant", "kim", "poststelle", "reader").code == 0
    assert maild("grant", "kim", "poststelle", "reader", "--revoke").code == 0
    assert maild("user", "passwd", "kim", "--password-file", "another").code == 0
    assert maild("user", "disable", "kim", "--yes").code == 0
    assert maild("search", "kitaplatz").code == 1
    said = maild("audit", "export").objects[1:-1]
    assert [(each["act"], each["team"], each["about"]) for each in said] == [
        ("account", "", "petra"),
        ("granted", "", "petra"),
        ("granted", "poststelle", "petra"),
        ("account", "", "kim"),
        ("granted", "poststelle", "kim"),
        ("revoked", "poststelle", "kim"),
        ("credential", "", "kim"),
        ("disabled", "", "kim"),
        ("searched", "", "kitaplatz"),
        ("exported", "", "audit log"),
    ]
    assert {each["actor"] for each in said} == {"operator"}


def test_an_absence_is_noted_and_ended(maild: Maild, site: Path, tmp_path: Path) -> None:
    add(maild, tmp_path)
    assert maild("absent", "jan", "--deputy", "petra").code == 1  # who may answer in no team of theirs
    assert maild("absent", "jan", "--from", "2099-07-14", "--until", "2099-07-01").code == 1
    noted = maild("absent", "jan", "--from", "2099-07-01", "--until", "2099-07-14")
    assert noted.err == "jan is absent from 2099-07-01 through 2099-07-14; deputy: the team\n"
    assert maild("absent", "jan", "--end", "--until", "2099-07-14").code == 2
    assert maild("absent", "jan", "--end").code == 0
    assert maild("absent", "jan", "--end").code == 1


def test_a_leaver_is_shown_what_goes_and_gone_with_yes(maild: Maild, site: Path, tmp_path: Path) -> None:
    add(maild, tmp_path)
    maild("grant", "jan", "poststelle", "responder")
    shown = maild("handover", "jan")
    assert (shown.code, shown.out) == (1, "ends: responder in poststelle\n")
    later = maild("handover", "jan", "--until", "2099-06-30", "--yes")
    assert later.err == "handed over 0 conversations and 0 drafts; 1 role to end; the account closes after 2099-06-30\n"
    assert maild("handover", "jan", "--stays").code == 0
    assert maild("handover", "jan", "--stays").code == 1
    assert maild("handover", "jan", "--to", "petra", "--yes").code == 0
    assert {p["login"]: bool(p["disabled"]) for p in maild("user", "list", "--json").objects} == {
        "jan": True, "petra": False,
    }  # fmt: skip
