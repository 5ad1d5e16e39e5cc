"""What came back: at the letter that it is about, and in the register, for those who may read the team."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import insert, update

from maild.archive.schema_outgoing import deliveries, returns
from maild.mail.dsn_words import words_of
from maild.policy.roles import Role
from tests.web.office import Office, letter
from tests.web.writer import follow, left, reply

PETRA = "petra.mustermann@citizen.example"


@pytest.fixture
def kita(office: Office) -> Office:
    office.user("petra", (Role.RESPONDER, "kita"), name="Petra Maurer")
    office.user("bert", (Role.MANAGER, "bauamt"))
    return office


def _came_back(office: Office, report_id: int, about_id: int | None, **values: object) -> None:
    row = {
        "report_id": report_id, "position": 0, "recipient": PETRA, "about_id": about_id, "delivery_id": None,
        "team": "kita", "action": "failed", "code": "5.2.2", "hard": 0, "reason": "mailbox-full",
        "text": "552 <b>full</b>", "mailing": "", "at_ms": office.services.now_ms(),
    }  # fmt: skip
    with office.database.writing.begin() as connection:
        connection.execute(insert(returns).values(row | values))


def test_what_a_report_says_stands_at_the_letter_in_plain_words(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client:
        follow(client, reply(kita, client, number).press(client, "send", text="Ja."))
        (sent,) = left(kita)
        with kita.database.writing.begin() as connection:
            late = {"state": "deferred", "outcome": "450 later", "attempts": 9, "notified_ms": 1}
            connection.execute(update(deliveries).values(**late))
        _came_back(kita, number, sent.id)
        page = client.get(f"/c/{kita.reference(number)}").text
        said = f"Über {PETRA} kam ein Zustellbericht zurück: nicht zugestellt. Das Postfach ist voll. (5.2.2)"
        assert said in page
        assert "nicht zugestellt</span>" in page
        assert "Seit mehr als vier Stunden kommt er nicht durch" in page
        english = client.get(f"/c/{kita.reference(number)}", headers={"accept-language": "en"}).text
        assert f"A report about {PETRA} came back: not delivered. {words_of('en').reason['mailbox-full']} (5" in english


def test_the_register_is_a_page_and_a_table_for_those_who_read_the_team(kita: Office) -> None:
    number = kita.mail(letter())
    second = kita.mail(letter(key="zwei@citizen.example"))
    third = kita.mail(letter(key="drei@citizen.example"))
    week = "info@musterstadt.example 2026-W10: =Einladung & <Fest>"
    _came_back(kita, number, None, mailing=week, hard=1, reason="user-unknown", code="5.1.1")
    _came_back(kita, second, None)
    _came_back(kita, third, None, team="bauamt", recipient="geheim@citizen.example")
    with kita.client("petra") as client:
        page = client.get("/returned")
        assert 'href="/returned"' in page.text[: page.text.index("<main")]
        assert "Dieses Postfach gibt es nicht. (5.1.1)" in page.text
        assert "=Einladung &amp; &lt;Fest&gt;" in page.text
        assert "geheim" not in page.text
        table = client.get("/returned.csv?team=kita")
        assert table.headers["content-disposition"] == 'attachment; filename="returned-kita.csv"'
        rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
        assert [row["recipient"] for row in rows] == [PETRA, PETRA]
        one = client.get("/returned", params={"team": "kita", "mailing": week}).text
        assert "Das Postfach ist voll" not in one
        assert "Dieses Postfach gibt es nicht" in one
        for path in ("/returned?team=bauamt", "/returned.csv?team=bauamt", "/returned?team=%27"):
            assert client.get(path).status_code == 404
        assert (
            f"{words_of('en').reason['user-unknown']} (5.1.1)"
            in client.get("/returned", headers={"accept-language": "en"}).text
        )
    with kita.client("bert") as other:
        assert "geheim@citizen.example" in other.get("/returned").text
        assert PETRA not in other.get("/returned.csv").text
    with kita.client() as stranger:
        assert "/login" in stranger.get("/returned.csv").headers["location"]
