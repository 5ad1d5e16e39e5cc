"""What a spam filter or virus scanner said of a letter, on its pages; and what staff say in return."""

from __future__ import annotations

import base64
import html
from dataclasses import replace

import pytest

from maild.archive.lessons import waiting_lessons
from maild.mail.screening import Finding, Screening
from maild.policy.roles import Role
from tests.screening.mails import EICAR, VIRUS
from tests.web.office import Office, letter, shown_id, token_in
from tests.web.test_why import page_of

SPAM = Screening((Finding("rspamd", "spam", 15.2, ("GTUBE",)),), "spam")
HELD = Screening((Finding("clamav", "virus", names=("Eicar-Test-File",)),), "virus")


def test_a_letter_filed_as_spam_lies_there_and_says_why(shared: Office) -> None:
    number = shared.mail(letter("Gewinn"), screening=SPAM)
    with shared.client("petra") as client:
        assert "Gewinn" not in client.get("/inbox/kita").text
        assert "Gewinn" in client.get("/inbox/kita?state=spam").text
        page = client.get(f"/c/{shared.reference(number)}").text
    assert "Dieser Brief wurde als Spam abgelegt: rspamd 15.2 (GTUBE)." in page
    assert "Kein Spam</button>" in page
    assert "er wurde als Spam abgelegt: rspamd 15.2 (GTUBE)." in page_of(shared, number)
    assert "it was filed as spam: rspamd 15.2 (GTUBE)." in page_of(shared, number, language="en")


def test_of_a_letter_with_a_virus_only_the_text_is_shown_and_nothing_is_handed_out(shared: Office) -> None:
    number = shared.mail(VIRUS, screening=HELD)
    with shared.client("petra") as client:
        for path in (f"/m/{shown_id(number)}", f"/c/{shared.reference(number)}"):
            page = client.get(path).text
            assert "In diesem Brief wurde ein Virus gefunden: Eicar-Test-File (clamav)." in page
            assert "rechnung.com" in page
            assert "nicht herausgegeben, weil in diesem Brief ein Virus gefunden wurde" in page
            assert "Anbei die Rechnung" in page
            assert "<iframe" not in page
            for gone in ("part/", "/raw"):
                assert f"/m/{shown_id(number)}/{gone}" not in page
        for path in ("part/2", "raw", "letter", "raw?images=x"):
            assert client.get(f"/m/{shown_id(number)}/{path}").status_code == 404
        source = client.get(f"/m/{shown_id(number)}/source").text
        assert "Content-Type: multipart/mixed" in source
        assert "Nur der Kopf wird gezeigt" in source
        body = VIRUS.partition(b"\r\n\r\n")[2].decode()
        assert [line for line in body.split("\r\n") if len(line) > 20 and html.escape(line) in source] == []
        assert "/raw" not in source
        assert "virus" in client.get("/inbox/kita?state=spam").text
    assert "weil ein Virus gefunden wurde: clamav (Eicar-Test-File)." in page_of(shared, number)


@pytest.mark.parametrize("octets", [VIRUS, b"\r\n" + VIRUS, VIRUS.replace(b"\r\n\r\n", b"\r\n")])
def test_where_only_the_source_could_be_shown_nothing_of_a_virus_is(shared: Office, octets: bytes) -> None:
    # More fields than are read: the letter is shown as source only.
    deep = b"".join(b"X-%d: x\r\n" % n for n in range(3_000))
    number = shared.mail(deep + octets, screening=HELD)
    with shared.client("petra") as client:
        for path in ("", "/source"):
            page = client.get(f"/m/{shown_id(number)}{path}").text
            assert "X-0: x" in page
            assert base64.b64encode(EICAR).decode()[:20] not in page


def test_the_same_letter_without_a_virus_is_handed_out(shared: Office) -> None:
    number = shared.mail(VIRUS + b"\r\n", screening=replace_findings())
    with shared.client("petra") as client:
        assert client.get(f"/m/{shown_id(number)}/part/2").status_code == 200
        assert client.get(f"/m/{shown_id(number)}/raw").status_code == 200


def replace_findings() -> Screening:
    return Screening((Finding("clamav", "clean"),))


def test_a_resend_of_a_letter_with_a_virus_is_not_handed_out_either(shared: Office) -> None:
    first = shared.mail(VIRUS + b"3", screening=HELD, age_s=100)
    again = shared.mail(VIRUS + b"3", age_s=50)
    with shared.client("petra") as client:
        assert client.get(f"/m/{shown_id(again)}").status_code == 200
        for number in (first, again):
            assert client.get(f"/m/{shown_id(number)}/raw").status_code == 404


def test_who_could_not_be_asked_is_named(shared: Office) -> None:
    away = Screening((Finding("clamav", "unavailable", names=("no answer in time",)), Finding("rspamd", "clean", 0.1)))
    number = shared.mail(letter("Ungeprüft"), screening=away)
    with shared.client("petra") as client:
        page = client.get(f"/m/{shown_id(number)}").text
    assert "ohne geprüft worden zu sein von: clamav." in page
    assert "ohne geprüft worden zu sein von: clamav." in page_of(shared, number)


def test_what_a_list_says_of_an_accepted_letter_is_named(shared: Office) -> None:
    number = shared.mail(
        letter("Gelistet"), screening=Screening((Finding("bl.example", "listed", 1.0, ("127.0.0.2",)),))
    )
    with shared.client("petra") as client:
        assert "sprach dies gegen ihn: bl.example 1 (127.0.0.2)." in client.get(f"/m/{shown_id(number)}").text


@pytest.mark.parametrize("learns", [True, False])
def test_spam_and_no_spam_are_lessons_where_a_filter_learns(office: Office, learns: bool) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    office.services = replace(office.services, learns=learns)
    number = office.mail(letter("Angebot"))
    taught = []
    with office.client("petra") as client:
        for state in ("spam", "open"):
            page = client.get(f"/c/{office.reference(number)}")
            form = {"token": token_in(page.text), "team": "kita", "state": state}
            assert client.post(f"/c/{office.reference(number)}/state", data=form).status_code == 303
            with office.database.read() as connection:
                taught.append([(lesson.message_id, lesson.spam) for lesson in waiting_lessons(connection, 9)])
    assert taught == ([[(number, True)], [(number, False)]] if learns else [[], []])
