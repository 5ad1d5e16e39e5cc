"""Signature, templates and formatting: set by a team, put into its letters, seen before they leave."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

import pytest

from maild.archive.schema_people import audit
from maild.archive.team_texts import Save, save_texts
from maild.mail.reading import facts_of
from maild.policy.roles import Role
from tests.web.office import NOW_MS, Office, letter, shown_id, token_in
from tests.web.writer import Form, follow, left, reply

SIGNATURE = "{user.name}\n{team.name}, {team.office}\n{team.hours}\nTelefon 0123 456"
SIGNED = (
    "-- \nPetra Maurer\nKita-Platzvergabe, Amt 51, Jugendamt\n"
    "Montag bis Donnerstag 08:00-16:00, Freitag 08:00-12:00\nTelefon 0123 456"
)
INFO = "-- \nStadt Musterstadt"
EVIL = '"><script>alert(1)</script>'
AUFGABE = "Guten Tag {sender.name},\n\nIhr Zeichen: {Aktenzeichen}\n{user.name}"


@pytest.fixture
def kita(office: Office) -> Office:
    office.user("petra", (Role.MANAGER, "kita"), (Role.RESPONDER, "poststelle"), name="Petra Maurer")
    office.user("jonas", (Role.RESPONDER, "kita"), name="")
    office.user("leser", (Role.READER, "kita"))
    office.user("bert", (Role.MANAGER, "bauamt"))
    return office


def put(office: Office, team: str, text: str, *, name: str = "", subject: str = "", formatted: bool = False) -> None:
    new = Save(
        team=team, name=name, base=0, subject=subject, text=text, formatted=formatted, author="petra", at_ms=NOW_MS
    )
    assert office.database.writer.submit(save_texts, new).result() is True


def test_a_manager_sets_the_signature_and_who_answers_the_templates(kita: Office) -> None:
    with kita.client("petra") as petra, kita.client("jonas") as jonas, kita.client("leser") as leser:
        page = petra.get("/templates/kita").text
        form = {"token": token_in(page), "kind": "signature", "base": "0", "text": SIGNATURE + "\r\n{phone} {{"}
        refused = petra.post("/templates/kita", data=form)
        assert refused.status_code == 422
        assert "<code>{phone}</code>" in refused.text
        assert "Telefon 0123 456" in refused.text  # what was typed stays
        assert petra.post("/templates/kita", data=form | {"text": SIGNATURE}).status_code == 303
        assert SIGNED in petra.get("/templates/kita").text
        token = {"token": token_in(jonas.get("/templates/kita").text)}
        assert jonas.post("/templates/kita", data=token | form | token).status_code == 403
        new = token | {"base": "0", "name": EVIL, "text": f"{AUFGABE} {EVIL}", "subject": "S"}
        assert jonas.post("/templates/kita", data=new).status_code == 303
        assert jonas.post("/templates/kita", data=new | {"text": ""}).status_code == 422
        quicker = jonas.post("/templates/kita", data=new)  # the name is taken by now
        assert quicker.status_code == 409
        shown = leser.get("/templates/kita").text
        assert "{Aktenzeichen}" in shown
        assert "<textarea" not in shown
        assert not re.search("<script>alert", shown + quicker.text)
        token = {"token": token_in(leser.get("/c/" + kita.reference(kita.mail(letter()))).text)}
        assert leser.post("/templates/kita", data=new | token).status_code == 403
        assert jonas.post("/templates/kita", data=new | {"base": "1", "do": "remove"}).status_code == 303
        assert "Aktenzeichen" not in re.sub("<p>.*?</p>", "", jonas.get("/templates/kita").text)
    with kita.client("bert") as bert:
        assert bert.get("/templates/kita").status_code == 404
        token = {"token": token_in(bert.get("/templates/bauamt").text)}
        assert bert.post("/templates/kita", data=new | token).status_code == 404
    with kita.database.read() as connection:
        kept = connection.execute(audit.select().where(audit.c.act == "template")).all()
    assert [row.actor for row in kept] == ["petra", "jonas", "jonas"]


@pytest.mark.parametrize("kind", ["answer", "answer-all", "forward"])
def test_the_signature_stands_below_what_one_writes_and_above_what_is_quoted(kita: Office, kind: str) -> None:
    put(kita, "kita", SIGNATURE)
    number = kita.mail(letter())
    with kita.client("petra") as client:
        form = reply(kita, client, number, kind)
        text = form.fields["text"]
        assert text.startswith(f"\n\n{SIGNED}\n\n")
        assert "wann wird entschieden?" in text.removeprefix(f"\n\n{SIGNED}\n\n")
        for again in ("save", "preview"):  # not doubled by whatever is pressed
            form = Form.of(follow(client, form.press(client, again)))
            assert form.fields["text"] == text


def test_a_letter_with_nothing_but_the_signature_is_empty(kita: Office) -> None:
    put(kita, "kita", SIGNATURE)
    number = kita.mail(letter())
    with kita.client("petra") as client:
        for form in (Form.of(client.get("/write?team=kita")), reply(kita, client, number)):
            refused = Form.of(follow(client, form.press(client, "send", to="a@citizen.example")))
            assert re.search(r"Der Brief ist leer|nur das Zitat", refused.page)
            assert left(kita) == []
    with kita.client("jonas") as client:  # without a name the line is left out, and no login stands in its place
        text = Form.of(client.get("/write?team=kita")).fields["text"]
        assert text.startswith("\n\n-- \nKita-Platzvergabe, Amt 51")


def test_the_signature_is_that_of_the_address_and_is_seen_before_it_leaves(kita: Office) -> None:
    put(kita, "kita", SIGNATURE)
    put(kita, "poststelle", "{organisation.name}")
    with kita.client("petra") as client:
        form = Form.of(client.get("/write?team=kita"))
        typed = {"to": "a@citizen.example", "subject": "S", "text": f"Guten Tag\n\n{SIGNED}\n"}
        typed["from"] = "info@musterstadt.example"
        shown = Form.of(follow(client, form.press(client, "send", **typed)))
        assert left(kita) == []
        assert "Noch nicht gesendet" in shown.page
        assert shown.fields["text"] == f"Guten Tag\n\n{INFO}\n"
        follow(client, shown.press(client, "send"))
    assert facts_of(left(kita)[0].octets).text.replace("\r\n", "\n") == f"Guten Tag\n\n{INFO}\n"


def test_the_signature_is_not_quoted_back(kita: Office) -> None:
    put(kita, "kita", SIGNATURE)
    number = kita.mail(letter())
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        follow(client, form.press(client, "send", text=f"Gern.\n{form.fields['text']}"))
        (sent,) = left(kita)
        assert "Telefon 0123 456" in facts_of(sent.octets).text
        text = Form.of(client.get(f"/c/{kita.reference(number)}/reply?to={shown_id(sent.id)}")).fields["text"]
        assert text.count("Telefon 0123 456") == 1
        assert "> Gern.\n" in text
        assert ">> wann wird entschieden?" in text


def test_a_template_of_the_team_asks_for_what_is_not_filled_in(kita: Office) -> None:
    put(kita, "kita", SIGNATURE)
    put(kita, "kita", AUFGABE, name="Nachforderung", subject="Zu {conversation.reference}: {Aktenzeichen}")
    number = kita.mail(letter(text="Mein {Aktenzeichen ist} weg"))
    with kita.client("jonas") as client:
        form = reply(kita, client, number)
        assert '<optgroup label="Kita-Platzvergabe"><option value="kita/Nachforderung">' in form.page
        filled = Form.of(follow(client, form.press(client, "template", template="kita/Nachforderung")))
        begin = "Guten Tag Petra Mustermann,\n\nIhr Zeichen: {Aktenzeichen}\n{user.name}\n\n-- \nKita-Platzvergabe"
        assert filled.fields["text"].startswith(begin)
        piece = form.press(client, "piece", template="kita/Nachforderung").json()
        assert piece["text"] == begin.partition("\n\n--")[0]
        asked = Form.of(follow(client, filled.press(client, "send")))
        assert left(kita) == []
        assert "„{Aktenzeichen}“ ist noch nicht ausgefüllt." in asked.page
        assert "{Aktenzeichen ist}" not in re.findall(r'name="ok:([^"]*)"', asked.page)
        done = asked.fields["text"].replace("{Aktenzeichen}", "51-7")
        still = Form.of(follow(client, asked.press(client, "send", text=done)))
        assert re.findall(r'name="ok:([^"]*)"', still.page) == ["{user.name}"]
        follow(client, still.press(client, "send", **{"ok:{user.name}": "1"}))
    assert "51-7" in facts_of(left(kita)[0].octets).text


def test_a_letter_with_formatting_has_the_typed_text_and_html_that_loads_nothing(kita: Office) -> None:
    put(kita, "kita", "Kita", formatted=True)
    theirs = f"[Sparkasse](https://evil.example) **Eilt** {EVIL}"
    put(kita, "kita", "Guten Tag {sender.name},", name="Anrede")
    number = kita.mail(letter(text=theirs, sender='"[Sparkasse](https://evil.example) **x**" <s@citizen.example>'))
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        form = Form.of(follow(client, form.press(client, "template", template="kita/Anrede")))
        assert "Guten Tag [Sparkasse] (https: //evil.example) *x*," in form.fields["text"]
        assert form.fields["markup"] == "1"  # as the team wishes
        text = f"Bitte **bis Juni**:\n- [Antrag](https://a.example/?a=1&b)\n- [x](javascript:alert)\n{EVIL}\n"
        text += form.fields["text"]
        seen = follow(client, form.press(client, "preview", text=text)).text
        assert '<ul><li><a href="https://a.example/?a=1&amp;b">Antrag</a></li>' in seen
        assert "<script>alert" not in seen
        shown = Form.of(follow(client, form.press(client, "save", text=text, subject="S\r\nBcc: x@evil.example")))
        message_page = follow(client, shown.press(client, "send", text=text)).text
    (sent,) = left(kita)
    mail = message_from_bytes(sent.octets, policy=policy.default)
    assert mail.get_content_type() == "multipart/alternative"
    assert mail["Bcc"] is None
    plain, formatted = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    assert plain == text.rstrip("\n")  # the last line end is the boundary's
    assert "<strong>bis Juni</strong>" in formatted
    assert "<script" not in formatted
    assert re.findall(r'(?:href|src)="([^"]*)"', formatted) == ["https://a.example/?a=1&amp;b"]
    assert '<blockquote type="cite">' in formatted
    assert facts_of(sent.octets).text.replace("\r\n", "\n") == plain
    assert "Antrag" in message_page


def test_without_formatting_a_letter_is_plain_text_alone(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        assert "markup" not in form.fields
        chosen = Form.of(follow(client, form.press(client, "save", text="**so**", markup="1")))
        assert chosen.fields.pop("markup") == "1"
        follow(client, chosen.press(client, "send"))
    mail = message_from_bytes(left(kita)[0].octets, policy=policy.default)
    assert (mail.get_content_type(), mail.get_content().strip()) == ("text/plain", "**so**")
