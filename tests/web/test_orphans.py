"""A team that nobody can read: the alarm on the first page, and the sentence beside what the fallback has for it."""

from __future__ import annotations

import re

import pytest

from maild.policy.roles import Role
from maild.rules.loader import load
from tests.web.office import RULES, Office, letter, rules
from tests.web.test_why import page_of

ALARM = re.compile(r'<section class="alarm".*?</section>', re.DOTALL)


def alarm(office: Office, login: str, language: str = "de") -> str:
    """Return the words of the alarm on the first page; "" when there is none."""
    with office.client(login, **{"accept-language": language}) as client:
        answer = client.get("/")
        if answer.status_code == 303:
            answer = client.get(answer.headers["location"])
    assert answer.status_code == 200
    found = ALARM.search(answer.text)
    return "" if found is None else re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0])).strip()


def test_the_first_page_names_orphans_to_those_who_may_act_and_to_nobody_else(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"), (Role.READER, "poststelle"), (Role.READER, "mitglieder"))
    for login, role in (("ada", Role.ADMINISTRATOR), ("rudi", Role.RULE_EDITOR), ("audi", Role.AUDITOR)):
        office.user(login, (role, None))
    for login in ("ada", "rudi"):
        said = alarm(office, login)
        assert said.startswith("1 Posteingang, den niemand lesen kann Bauamt (bauamt): 2 Adressen")
        assert "Ihre Briefe kommen auch in den Posteingang für alles" in said
        # Who gives roles is led there; who does not is told how it is done.
        assert ("Dort eine Rolle vergeben" in said) is (login == "ada")
        assert said.endswith("maild grant LOGIN bauamt responder") is (login == "rudi")
    assert "1 inbox that nobody can read" in alarm(office, "ada", "en")
    for login in ("petra", "audi"):
        assert alarm(office, login) == ""
    office.grant("petra", Role.READER, "bauamt")
    assert alarm(office, "ada") == ""
    office.grant("ada", Role.READER, "kita")
    office.book.current = rules(
        RULES.replace("  info:", "  neu: {team: neu}\n  info:").replace(
            "  bauamt: {n", "  neu: {name: Neu}\n  bauamt: {n"
        )
    )
    assert "Neu (neu)" in alarm(office, "ada")  # beside an inbox, too


def test_what_comes_to_a_closed_team_without_readers_is_said_to_wait(office: Office) -> None:
    office.book.current = rules(RULES.replace("{name: Bauamt, office: Amt 63}", "{name: Personalrat, closed: true}"))
    office.user("petra", *((Role.READER, team) for team in ("kita", "poststelle", "mitglieder")))
    office.user("ada", (Role.ADMINISTRATOR, None))
    said = alarm(office, "ada")
    assert "kein Konto darf es; die Briefe warten, bis jemand bestimmt ist" in said
    assert "Ihre Briefe kommen auch" not in said
    assert "Dort eine Rolle vergeben" not in said
    assert said.endswith("maild grant LOGIN bauamt manager")


def test_a_fallback_without_readers_is_said_to_be_nobodys(office: Office) -> None:
    office.user("ada", (Role.ADMINISTRATOR, None))
    said = alarm(office, "ada")
    assert said.startswith("4 Posteingänge, die niemand lesen kann Zentrale Poststelle (poststelle)")
    assert "jetzt liest es niemand" in said
    assert "Die Briefe bleiben erhalten, aber niemand sieht sie." in said


@pytest.mark.parametrize("to", ["bauamt", "intern"])
def test_the_letter_says_for_whom_the_fallback_stands_in(office: Office, to: str) -> None:
    office.user("petra", (Role.READER, "poststelle"))
    office.user("bert", (Role.READER, "bauamt"))
    number = office.mail(letter(), f"{to}@musterstadt.example", unread=frozenset({"bauamt"}))
    page = page_of(office, number)
    assert "Niemand konnte den Posteingang Bauamt lesen: Deshalb liegt der Brief auch im Posteingang Zentrale" in page
    assert "Kam in den Posteingang Zentrale Poststelle" in page
    assert "Niemand konnte" not in page_of(office, number, login="bert")


def test_a_team_that_is_not_in_the_directory_is_not_named_to_the_fallback(office: Office) -> None:
    text = RULES.replace("{team: bauamt, title: Bauanträge}", "{team: bauamt, title: Bauanträge, listed: false}")
    assert load(text, "rules.yaml")[0] is not None
    office.book.current = rules(text)
    office.user("petra", (Role.READER, "poststelle"))
    number = office.mail(letter(), "bauamt@musterstadt.example", unread=frozenset({"bauamt"}))
    page = page_of(office, number)
    assert "Niemand konnte den Posteingang lesen, für den der Brief bestimmt war" in page
    assert "auamt" not in page
