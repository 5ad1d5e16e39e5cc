"""What is new, by mail: each chooses for themselves, and among what they may see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.archive.accounts import find_user
from maild.archive.digests import Choice, choice_of
from maild.archive.schema import users
from maild.policy.roles import Role
from tests.archive.handled import act_on
from tests.web.office import RULES, Office, letter, office_in, rules, token_in


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with office_in(tmp_path / "office") as opened:
        opened.user("petra", (Role.READER, "kita"), (Role.READER, "bauamt"))
        mailbox(opened, "petra@rathaus.example")
        yield opened


def mailbox(office: Office, mail: str | None) -> None:
    with office.database.writing.begin() as connection:
        connection.execute(users.update().values(mail=mail))


def choice(office: Office) -> Choice:
    with office.database.read() as connection:
        return choice_of(connection, find_user(connection, "petra").id)


def test_a_person_chooses_when_and_of_which_teams(office: Office) -> None:
    with office.client("petra") as client:
        page = client.get("/sessions").text
        assert "An petra@rathaus.example, mit Kennung" in page
        assert 'value="off" checked' in page  # nobody gets what they have not asked for
        assert "mit dem Betreff" not in page  # no team of theirs allows it
        form = {"token": token_in(page), "mode": "daily", "hour": "9", "team-kita": "1", "subjects": "1"}
        answer = client.post("/sessions/digest", data=form)
        assert answer.headers["location"] == "/sessions?said=digest#digest"
        assert "Gespeichert." in client.get("/sessions?said=digest").text
        found = choice(office)
        assert (found.mode, found.hour, found.silent, found.subjects) == ("daily", 9, frozenset({"bauamt"}), False)
        assert found.slot == "2026-09-21"  # it is past nine: the first one comes tomorrow
        # What is not on the page stays; where a subject may be told, it can be chosen.
        copied = RULES.replace("{name: Bauamt, office: Amt 63}", "{name: Bauamt, copies: allowed}")
        office.book.current = rules(copied.replace("  mitglieder:", "  neu: {name: Neu}\n  mitglieder:"))
        assert "mit dem Betreff" in client.get("/sessions").text
        client.post("/sessions/digest", data=form | {"mode": "at-once", "team-neu": "1"})
        found = choice(office)
        assert (found.mode, found.silent, found.subjects) == ("at-once", frozenset({"bauamt"}), True)


@pytest.mark.parametrize(("name", "value"), [("mode", "hourly"), ("hour", "3"), ("hour", "9 "), ("hour", "")])
def test_what_cannot_be_chosen_is_refused(office: Office, name: str, value: str) -> None:
    with office.client("petra") as client:
        form = {"token": token_in(client.get("/sessions").text), "mode": "daily", "hour": "9"}
        assert client.post("/sessions/digest", data=form | {name: value}).status_code == 404
        assert choice(office).mode == "off"


@pytest.mark.parametrize("mail", [None, "kita@musterstadt.example"])
def test_without_a_mailbox_outside_it_can_only_be_turned_off(office: Office, mail: str | None) -> None:
    with office.client("petra") as client:
        form = {"token": token_in(client.get("/sessions").text), "mode": "daily", "hour": "9"}
        client.post("/sessions/digest", data=form)
        mailbox(office, mail)
        page = client.get("/sessions").text
        assert "kein Postfach bekannt" in page
        assert 'value="daily"' not in page
        assert client.post("/sessions/digest", data=form).status_code == 404
        assert client.post("/sessions/digest", data=form | {"mode": "off"}).status_code == 303
        assert choice(office).mode == "off"


def test_the_title_counts_what_of_ones_own_is_unread_and_no_confidential_inbox_is_announced(office: Office) -> None:
    office.grant("petra", Role.MANAGER, "kita")
    talk, other = office.mail(letter("Eins", key="a@b.example")), office.mail(letter("Zwei", key="c@b.example"))
    with office.database.writing.begin() as connection:
        for table in ("filings", "entries"):
            connection.exec_driver_sql(f"UPDATE {table} SET team = 'kita:confidential' WHERE conversation_id = {other}")
        petra = find_user(connection, "petra").id
    with office.client("petra") as client:
        page = client.get("/inbox/kita").text
        assert "<title>Kita-Platzvergabe" in page
        for team, number in (("kita", talk), ("kita:confidential", other)):
            act_on(office.database, number, team, assignee=petra)
        page = client.get("/inbox/kita").text
        assert "<title>(2) Kita-Platzvergabe" in page
        assert 'data-team="kita" data-name="Kita-Platzvergabe" data-news="1"' in page
        assert "/inbox/kita%3Aconfidential" in page
        assert 'data-team="kita:confidential"' not in page
        client.get(f"/c/{office.reference(talk)}")
        assert "<title>(1) Kita-Platzvergabe" in client.get("/inbox/kita").text
