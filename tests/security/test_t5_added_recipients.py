"""T5: a letter that brings recipients of its own, so that an answer, and all that it quotes, goes to them as well.

Expected: whoever was not written to the last time gets nothing before somebody has ticked them by name, however they
came in; nothing of what was typed is lost meanwhile; nobody's copy is left out without a word.
"""

from __future__ import annotations

import html

import pytest

from maild.policy.roles import Role
from tests.web.office import Office, letter
from tests.web.writer import Form, follow, left, reply

PETRA = "petra.mustermann@citizen.example"
EVE = "eve@evil.example"
WAYS = {
    "Reply-To": (f"Reply-To: {EVE}\n", "answer"),
    "Reply-To that says another name": (f'Reply-To: "Petra Mustermann" <{EVE}>\n', "answer"),
    "two in Reply-To": (f"Reply-To: {PETRA}, {EVE}\n", "answer"),
    "Cc": (f"Cc: {EVE}\n", "answer-all"),
    "Cc among ours": (f"Cc: info@musterstadt.example, {EVE}, bauamt@musterstadt.example\n", "answer-all"),
    "Reply-To and Cc": (f"Reply-To: {PETRA}\nCc: {EVE}\n", "answer-all"),
}


@pytest.fixture
def kita(office: Office) -> Office:
    office.user("petra", (Role.RESPONDER, "kita"))
    return office


@pytest.mark.parametrize("way", WAYS)
def test_whom_a_letter_brings_along_gets_an_answer_only_by_a_tick(kita: Office, way: str) -> None:
    extra, kind = WAYS[way]
    number = kita.mail(letter(extra=extra))
    with kita.client("petra") as client:
        form = reply(kita, client, number, kind)
        assert EVE in form.fields["to"] + form.fields["cc"]
        assert f"ok:{EVE}" not in form.fields
        page = follow(client, form.press(client, "send", text="Vertraulich"))
        assert left(kita) == []
        assert f"„{EVE}“ ist neu in diesem Vorgang" in html.unescape(page.text)
        again = Form.of(page)
        assert again.fields["text"] == "Vertraulich"
        follow(client, again.press(client, "send", **{f"ok:{EVE}": "1"}))
    (sent,) = left(kita)
    assert EVE in sent.recipients


def test_whom_a_letter_brings_along_is_left_out_by_taking_them_out(kita: Office) -> None:
    number = kita.mail(letter(extra=f"Cc: {EVE}\n"))
    with kita.client("petra") as client:
        form = reply(kita, client, number, "answer-all")
        follow(client, form.press(client, "send", cc="", text="Ja."))
    assert [sent.recipients for sent in left(kita)] == [(PETRA,)]


def test_who_was_written_to_is_known_and_who_comes_later_is_new(kita: Office) -> None:
    first = kita.mail(letter(key="eins@citizen.example", extra="Cc: lea@citizen.example\n"))
    with kita.client("petra") as client:
        form = reply(kita, client, first, "answer-all")
        follow(client, form.press(client, "send", text="Ja.", **{"ok:lea@citizen.example": "1"}))
        kita.clock.ms += 60_000
        second = kita.mail(
            letter("Re: Frage", key="zwei@citizen.example", parent="eins@citizen.example",
                   extra=f"Cc: lea@citizen.example, {EVE}\n"), age_s=0,
        )  # fmt: skip
        form = reply(kita, client, second, "answer-all")
        assert "ok:lea@citizen.example" not in form.page
        assert f'name="ok:{EVE}"' in form.page
        # Answering Petra alone says who is left out.
        alone = reply(kita, client, second)
        assert "Beim letzten Mal ging es auch an, diesmal nicht: lea@citizen.example" in alone.page


def test_a_tick_for_one_is_no_tick_for_another(kita: Office) -> None:
    number = kita.mail(letter(extra=f"Cc: {EVE}, mallory@evil.example\n"))
    with kita.client("petra") as client:
        form = reply(kita, client, number, "answer-all")
        page = follow(client, form.press(client, "send", text="Ja.", **{f"ok:{EVE}": "1"}))
    assert "„mallory@evil.example“ ist neu" in html.unescape(page.text)
    assert left(kita) == []
