"""Copies in one's own mailbox: the switch on the page of one's account, and what the team sees of a refused answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.archive.accounts import find_user
from maild.archive.copies import chosen_teams
from maild.archive.member_drafts import MemberDraft, Refusal, refuse
from maild.archive.schema import users
from maild.mail.ids import format_id
from maild.mail.member_answer import Why
from maild.policy.roles import Role
from maild.rules.duties import MEMBER_ANSWER
from maild.web.refused_words import REFUSED, refused_text
from tests.web.office import RULES, Office, letter, office_in, rules, token_in

ALLOWED = rules(
    RULES.replace("    office: Amt 51, Jugendamt\n", "    office: Amt 51, Jugendamt\n    copies: allowed\n")
)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with office_in(tmp_path / "office") as opened:
        opened.book.current = ALLOWED
        yield opened


def _mailbox(office: Office, login: str, mail: str) -> None:
    with office.database.writing.begin() as connection:
        connection.execute(users.update().where(users.c.login == login).values(mail=mail))


def _teams(office: Office, login: str) -> frozenset[str]:
    with office.database.read() as connection:
        return chosen_teams(connection, find_user(connection, login).id)


def test_a_member_turns_copies_on_and_off(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"), (Role.READER, "bauamt"))
    _mailbox(office, "petra", "petra@rathaus.example")
    with office.client("petra") as client:
        page = client.get("/sessions").text
        assert "petra@rathaus.example" in page
        assert "Einschalten: Kita-Platzvergabe" in page
        assert "Einschalten: Bauamt" not in page
        form = {"token": token_in(page), "team": "kita"}
        assert client.post("/sessions/copies", data=form | {"on": "1"}).status_code == 303
        assert _teams(office, "petra") == {"kita"}
        assert "Ausschalten: Kita-Platzvergabe" in client.get("/sessions").text
        for team in ("bauamt", "mitglieder", "nirgends"):
            assert client.post("/sessions/copies", data=form | {"on": "1", "team": team}).status_code == 404
        assert client.post("/sessions/copies", data=form | {"on": "0"}).status_code == 303
        assert _teams(office, "petra") == frozenset()


def test_who_has_no_mailbox_elsewhere_is_told_so(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    _mailbox(office, "petra", "kita@musterstadt.example")
    with office.client("petra") as client:
        page = client.get("/sessions").text
        assert "kein Postfach bekannt" in page
        assert "Einschalten:" not in page
        form = {"token": token_in(page), "team": "kita", "on": "1"}
        assert client.post("/sessions/copies", data=form).status_code == 404


def test_the_team_sees_a_refused_answer_and_why(office: Office) -> None:
    office.user("petra", (Role.RESPONDER, "kita"))
    office.user("bert", (Role.RESPONDER, "bauamt"))
    message = office.mail(letter())
    reference = office.reference(message)
    with office.database.writing.begin() as connection:
        duty = connection.exec_driver_sql(
            "INSERT INTO duties (message_id, team, kind, target, rule, state, made_ms) VALUES "
            f"({message}, 'kita', '{MEMBER_ANSWER}', 'weg', '', 'waiting', 1) RETURNING id"
        ).scalar_one()
    kept = MemberDraft(
        message_id=message + 1, author="weg", team="kita", conversation_id=message, letter_id=message,
        fields={"from": "kita.platzvergabe@musterstadt.example", "to": "p@x.example", "subject": "Re: x",
                "text": "Zusage"},
        files=(), at_ms=1,
    )  # fmt: skip
    refusal = Refusal(
        duty_id=duty, why=Why.RIGHT, login="weg", team="kita", message_id=message + 1, conversation_id=message,
        draft=kept, at_ms=1,
    )  # fmt: skip
    assert office.database.writer.submit(refuse, refusal).result()
    assert not office.database.writer.submit(refuse, refusal).result()
    with office.client("petra") as client, office.client("bert") as other:
        assert "kam per Mail, nicht gesendet" in client.get("/drafts").text
        page = client.get(f"/drafts/{format_id(message + 1)}").text
        assert "darf für dieses Team nicht mehr antworten" in page
        assert "Zusage" in page
        assert "Eine Antwort per Mail wurde nicht gesendet" in client.get(f"/c/{reference}").text
        assert "nicht mehr antworten" in client.get(f"/m/{format_id(message)}", follow_redirects=True).text
        assert other.get(f"/drafts/{format_id(message + 1)}").status_code == 404
        assert "Zusage" not in other.get("/drafts").text


def test_there_are_words_for_every_reason() -> None:
    assert set(REFUSED) == set(Why)
    for why in Why:
        german = refused_text("de", str(why))
        assert (german == "") is (why is Why.COLLISION)
    assert refused_text("de", "release") == ""
