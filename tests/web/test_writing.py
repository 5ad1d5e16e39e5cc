"""Letters written in the browser: forms, drafts, recipients, files, templates, collisions, taking back."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import select, update

from maild.archive.app_passwords import NewAppPassword, add_app_passwords
from maild.archive.schema_outgoing import deliveries
from maild.delivery.deliveries import COLLISION
from maild.mail.inbox import confidential
from maild.mail.reading import facts_of
from maild.policy.roles import Role
from maild.rules.authorship import senders
from tests.web.office import RULES, Office, letter, rules, shown_id, token_in
from tests.web.writer import Form, follow, left, reply

PETRA = "petra.mustermann@citizen.example"
ATTACHED = (
    "From: Petra Mustermann <petra.mustermann@citizen.example>\nTo: kita.platzvergabe@musterstadt.example\n"
    "Subject: Plan\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhier\n"
    '--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename="plan.txt"\n\nder Plan\n--b--\n'
)
TEMPLATES = """
templates:
  eingang:
    subject: "Ihre Frage {conversation.reference}"
    text: |
      Guten Tag {sender.name},

      danke. {{Ja}}.
      {user.name}, {team.name} ({team.hours})
"""


@pytest.fixture
def kita(office: Office) -> Office:
    office.user("petra", (Role.RESPONDER, "kita"), name="Petra Maurer")
    office.user("jonas", (Role.RESPONDER, "kita"), name="Jonas Weber")
    office.user("dora", (Role.DRAFTER, "kita"), name="Dora Klein")
    office.user("leser", (Role.READER, "kita"))
    return office


def _hold(kita: Office, why: str) -> None:
    with kita.database.writing.begin() as connection:
        connection.execute(update(deliveries).values(state="held", outcome=why))


def _shown(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


def test_an_answer_goes_to_who_wrote_under_the_address_it_came_to(kita: Office) -> None:
    number = kita.mail(letter(key="frage@citizen.example", parent="vor@citizen.example"))
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        assert form.fields["to"] == f"Petra Mustermann <{PETRA}>"
        assert form.fields["subject"] == "Re: Frage zum Kitaplatz"
        assert "> wann wird entschieden?" in form.fields["text"]
        page = follow(client, form.press(client, "send", text="Nächste Woche.\n", after="closed")).text
        assert f"An {PETRA}" in client.get("/inbox/kita?state=closed").text
    (sent,) = left(kita)
    facts = facts_of(sent.octets)
    assert [(m.name, m.mail) for m in facts.senders] == [
        ("Kita-Platzvergabe, Stadt Musterstadt", "kita.platzvergabe@musterstadt.example")
    ]
    assert facts.references == ("vor@citizen.example", "frage@citizen.example")
    assert facts.message_key is not None
    assert facts.message_key.endswith("@musterstadt.example")
    assert facts.text.strip() == "Nächste Woche."
    assert (sent.recipients, sent.senders) == ((PETRA,), ("kita.platzvergabe@musterstadt.example",))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", sent.octets)
    assert "erledigt" in page
    assert re.search(
        rf"Wird um \d\d:\d\d:\d\d Uhr gesendet an {PETRA}; bis dahin lässt sich der Brief zurücknehmen.", page
    )
    assert kita.reference(sent.id) == kita.reference(number)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("team=kita&state=unanswered", "team=kita&state=unanswered"),  # the list that one came from
        ("team=bauamt&state=closed", "team=kita&state=open"),  # one that is not theirs to see
        ("", "team=kita&state=open"),
    ],
)
def test_the_list_that_one_came_from_stays_beside_the_conversation_that_was_answered(
    kita: Office, asked: str, kept: str
) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client:
        page = client.get(f"/c/{kita.reference(number)}?{asked}").text
        link = re.search(r'data-key="r" href="([^"]+)"', page)
        assert link is not None
        form = Form.of(client.get(html.unescape(link[1])))
        saved = form.press(client, "save", text="Ja.")
        again = follow(client, saved)
        assert f'<a href="/c/{kita.reference(number)}?{kept.replace("&", "&amp;")}">← Vorgang' in again.text
        sent = Form.of(again).press(client, "send")
        assert sent.headers["location"].startswith(f"/c/{kita.reference(number)}?{kept}#m-")
    assert len(left(kita)) == 1


def test_where_the_team_wants_it_subjects_end_with_the_reference_once_however_often_they_go_to_and_fro(
    kita: Office,
) -> None:
    wanting = RULES.replace(
        "    name: Kita-Platzvergabe\n", "    name: Kita-Platzvergabe\n    reference_in_subject: true\n"
    )
    assert wanting != RULES
    kita.book.current = rules(wanting)
    number = kita.mail(letter("Über den Kitaplatz [ABCD-1234]", key="frage@citizen.example"))
    mark = f"[{(reference := kita.reference(number))}]"
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        assert form.fields["subject"] == "Re: Über den Kitaplatz [ABCD-1234]"
        assert f"maild setzt {mark} an sein Ende" in _shown(form.page)
        form.press(client, "send", text="Ja.")
        (first,) = left(kita)
        facts = facts_of(first.octets)
        assert facts.subject == f"Re: Über den Kitaplatz [ABCD-1234] {mark}"
        # The citizen answers; their mail program translates the prefix, and keeps the rest.
        again = kita.mail(
            letter(f"AW: {facts.subject}", key="zwei@citizen.example", parent=facts.message_key or ""), age_s=-60
        )
        assert kita.reference(again) == reference
        form = reply(kita, client, again)
        assert form.fields["subject"] == "Re: Über den Kitaplatz [ABCD-1234]"
        form.press(client, "send", text="Gern.")
        assert facts_of(left(kita)[-1].octets).subject == f"Re: Über den Kitaplatz [ABCD-1234] {mark}"
        # To read it stands once beside the subject, and not again within it.
        page = client.get(f"/c/{reference}").text
        assert "<h1>Über den Kitaplatz [ABCD-1234]</h1>" in page
        rows = client.get("/inbox/kita?state=waiting").text
        assert "Über den Kitaplatz [ABCD-1234]</a>" in rows
        assert mark not in rows
        form = reply(kita, client, again, "forward")
        assert form.fields["subject"] == "Fwd: AW: Re: Über den Kitaplatz [ABCD-1234]"
        new = Form.of(client.get("/write?team=kita"))
        assert "maild setzt das Zeichen des neuen Vorgangs an sein Ende" in new.page
        new.press(client, "send", to="max@citizen.example", subject="Termin", text="Guten Tag")
        sent = left(kita)[-1]
        assert facts_of(sent.octets).subject == f"Termin [{kita.reference(sent.id)}]"
        # A team that wants it no more takes it away again.
        kita.book.current = rules(RULES)
        form = reply(kita, client, again)
        assert "an sein Ende" not in form.page
        form.press(client, "send", text="Noch etwas.")
        assert facts_of(left(kita)[-1].octets).subject == "Re: Über den Kitaplatz [ABCD-1234]"


def test_an_answer_to_a_letter_without_a_message_id_joins_its_conversation(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client:
        reply(kita, client, number).press(client, "send", text="Ja.")
    (sent,) = left(kita)
    assert kita.reference(sent.id) == kita.reference(number)


def test_nothing_is_kept_before_somebody_types_and_everything_after(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client, kita.client("jonas") as colleague:
        form = reply(kita, client, number)
        assert "Keine Entwürfe" in client.get("/drafts").text
        assert form.press(client, "autosave", text="Halber Satz", bcc="x@y.example").status_code == 204
        again = Form.of(client.get(f"/drafts/{form.fields['draft']}"))
        assert (again.fields["text"], again.fields["bcc"]) == ("Halber Satz", "x@y.example")
        # The same form once more is the same draft.
        assert form.press(client, "autosave", text="Ganzer Satz").status_code == 204
        assert client.get("/drafts").text.count("/drafts/3") == 1
        # Colleagues learn that, and not what.
        page = colleague.get(f"/c/{kita.reference(number)}").text
        assert "Petra Maurer schreibt gerade eine Antwort." in page
        assert "Satz" not in page
        assert colleague.get(f"/drafts/{form.fields['draft']}").status_code == 404
        assert form.press(colleague, "save", token=token_in(page), text="übermalt").status_code == 404
        follow(client, again.press(client, "discard"))
        assert client.get(f"/drafts/{form.fields['draft']}").status_code == 404
    assert left(kita) == []


def test_all_that_is_wrong_is_said_at_once_and_nothing_typed_is_lost(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        typed = {"to": "keine adresse, bauamt@musterstadt.example", "cc": "a@b.example c@d.example", "text": " \n"}
        page = follow(client, form.press(client, "send", **typed))
        said = _shown(page.text)
        assert "Noch nicht gesendet. Ihr Text ist als Entwurf gespeichert." in said
        for wrong in ("„keine adresse“ ist keine", "„bauamt@musterstadt.example“ ist eine Adresse dieses Hauses",
                      "„a@b.example c@d.example“ ist keine", "Der Brief ist leer."):  # fmt: skip
            assert wrong in said
        assert Form.of(page).fields["to"] == typed["to"]
        assert Form.of(page).fields["cc"] == typed["cc"]
        page = follow(client, reply(kita, client, number).press(client, "send"))
        assert "Der Brief enthält nur das Zitat." in _shown(page.text)
    assert left(kita) == []


def test_who_only_reads_writes_nothing(kita: Office) -> None:
    number = kita.mail(letter())
    path = f"/c/{kita.reference(number)}"
    with kita.client("leser") as client:
        page = client.get(path).text
        token = token_in(page)
        assert "/reply" not in page
        assert "/note" not in page
        assert client.get(f"{path}/reply").status_code == 403
        assert client.get("/write").status_code == 403
        data = {"token": token, "draft": "0000000000009", "do": "save", "text": "x", "team": "kita", "note": "x"}
        for target in (f"{path}/reply", f"{path}/note", "/write"):
            assert client.post(target, data=data).status_code == 403
    assert left(kita) == []


def test_who_drafts_gives_it_to_a_colleague_who_sends_it(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("dora") as dora, kita.client("petra") as petra, kita.client("leser") as reader:
        form = reply(kita, dora, number)
        assert 'value="send"' not in form.page
        page = follow(dora, form.press(dora, "send", text="Entwurf von Dora"))
        assert "senden muss jemand anderes" in page.text
        assert petra.get(f"/drafts/{form.fields['draft']}").status_code == 404
        follow(dora, Form.of(page).press(dora, "release"))
        assert reader.get(f"/drafts/{form.fields['draft']}").status_code == 404
        assert "Dora Klein" in petra.get("/drafts").text
        given = Form.of(petra.get(f"/drafts/{form.fields['draft']}"))
        assert given.fields["text"] == "Entwurf von Dora"
        follow(petra, given.press(petra, "send"))
    (sent,) = left(kita)
    assert facts_of(sent.octets).text.strip() == "Entwurf von Dora"


def test_an_answer_that_a_colleague_was_quicker_with_asks_first(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as petra, kita.client("jonas") as jonas:
        mine, theirs = reply(kita, petra, number), reply(kita, jonas, number)
        follow(jonas, theirs.press(jonas, "send", text="Von Jonas"))
        kita.clock.ms += 1_000
        page = follow(petra, mine.press(petra, "send", text="Von Petra"))
        said = _shown(page.text)
        assert "Nicht gesendet: Jemand anderes hat schon geantwortet." in said
        assert "Jonas Weber hat geschrieben:" in said
        assert len(left(kita)) == 1
        form = Form.of(page)
        assert form.fields["text"] == "Von Petra"
        follow(petra, form.press(petra, "send"))
    assert [facts_of(each.octets).text.strip() for each in left(kita)] == ["Von Jonas", "Von Petra"]


def test_pressing_send_twice_sends_once(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        form.press(client, "send", text="Ja.")
        assert follow(client, form.press(client, "send", text="Ja.")).status_code in {200, 303}
    assert len(left(kita)) == 1


def test_a_letter_is_taken_back_within_its_seconds_and_no_later(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client:
        page = follow(client, reply(kita, client, number).press(client, "send", text="Zu schnell", after="closed"))
        (sent,) = left(kita)
        back = client.post(f"/m/{shown_id(sent.id)}/take-back", data={"token": token_in(page.text)})
        form = Form.of(follow(client, back))
        assert form.fields["text"] == "Zu schnell"
        assert "Zurückgenommen: Es wurde nichts gesendet." in _shown(form.page)
        page = client.get(f"/c/{kita.reference(number)}")
        assert "Das Archiv vergisst nichts" in page.text
        assert "Zurückgenommen von petra" in page.text
        assert "wartet 1 Stunde" in _shown(page.text)
        # What was taken back is no answer of a colleague.
        page = follow(client, form.press(client, "send", text="Richtig"))
        second = left(kita)[1]
        with kita.database.writing.begin() as connection:
            connection.execute(update(deliveries).where(deliveries.c.message_id == second.id).values(attempts=1))
        late = follow(client, client.post(f"/m/{shown_id(second.id)}/take-back", data={"token": token_in(page.text)}))
        assert "Zu spät" in late.text


def test_files_are_kept_with_the_draft_and_leave_with_the_letter(kita: Office) -> None:
    number = kita.mail(ATTACHED)
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        take = re.findall(r'name="(take:[^"]+)"', form.page)
        assert len(take) == 1
        files = [("file", ("Bescheid ä.pdf", b"%PDF-1", "application/pdf")), ("file", ("zwei.txt", b"2", "text/plain"))]
        page = follow(client, form.press(client, "save", files=files, text="Anbei."))
        again = Form.of(page)
        assert "Bescheid ä.pdf" in again.page
        second = re.findall(r'value="(remove-\d+)"', again.page)[1]
        page = follow(client, again.press(client, second))
        assert "zwei.txt" not in page.text
        follow(client, Form.of(page).press(client, "send", **{take[0]: "1"}))
    (sent,) = left(kita)
    assert [f.name for f in facts_of(sent.octets).attachments] == ["Bescheid ä.pdf", "plan.txt"]


def test_a_letter_that_is_sent_on_takes_its_attachments_along(kita: Office) -> None:
    number = kita.mail(ATTACHED)
    with kita.client("petra") as client:
        form = reply(kita, client, number, "forward")
        assert form.fields["to"] == ""
        assert form.fields["subject"] == "Fwd: Plan"
        follow(client, form.press(client, "send", to="Kreis <rat@kreis.example>"))
    (sent,) = left(kita)
    assert [f.name for f in facts_of(sent.octets).attachments] == ["plan.txt"]
    assert "Weitergeleiteter Brief" in facts_of(sent.octets).text
    assert sent.recipients == ("rat@kreis.example",)


def test_what_is_larger_than_a_letter_may_be_is_said_and_the_text_kept(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        large = [("file", ("gross.bin", b"x" * 26_000_000, "application/octet-stream"))]
        page = follow(client, form.press(client, "send", files=large, text="Anbei ein Film."))
    assert "zu groß" in page.text
    assert Form.of(page).fields["text"] == "Anbei ein Film."
    assert left(kita) == []


def test_a_template_is_inserted_as_text_with_its_placeholders_filled(kita: Office) -> None:
    kita.book.current = rules(RULES + TEMPLATES)
    number = kita.mail(letter(sender='"{user.name} {{" <petra.mustermann@citizen.example>'))
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        page = Form.of(follow(client, form.press(client, "template", template="eingang", text="Bisher")))
        text = page.fields["text"]
        office = "Petra Maurer, Kita-Platzvergabe (Montag bis Donnerstag 08:00-16:00, Freitag 08:00-12:00)"
        assert text == f"Bisher\n\nGuten Tag {{user.name}} {{{{,\n\ndanke. {{Ja}}}}.\n{office}\n"
        new = Form.of(client.get("/write?team=kita"))
        inserted = Form.of(follow(client, new.press(client, "template", template="eingang")))
        assert inserted.fields["subject"] == "Ihre Frage {conversation.reference}"


def test_a_new_letter_opens_a_conversation(kita: Office) -> None:
    with kita.client("petra") as client:
        form = Form.of(client.get("/write?team=kita"))
        page = follow(
            client,
            form.press(client, "send", to="neu@firma.example\nLea <lea@firma.example>", subject="Neu", text="Hallo"),
        )
    (sent,) = left(kita)
    assert sent.recipients == ("neu@firma.example", "lea@firma.example")
    assert "Neu" in page.text
    assert "wartet auf Antwort" in _shown(page.text)


def test_one_writes_only_in_the_name_of_teams_one_may_write_for(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client:
        form = reply(kita, client, number)
        assert "bauamt@musterstadt.example" not in form.page
        follow(client, form.press(client, "send", **{"from": "bauamt@musterstadt.example", "text": "x"}))
        new = Form.of(client.get("/write"))
        new.press(client, "send", **{"from": "bauamt@musterstadt.example", "to": PETRA, "text": "x"})
    assert {sender for sent in left(kita) for sender in sent.senders} <= {"kita.platzvergabe@musterstadt.example"}
    assert b"From: bauamt" not in b"".join(sent.octets for sent in left(kita))


def test_a_note_stands_in_its_place_and_is_for_the_team(kita: Office) -> None:
    both = ("kita.platzvergabe@musterstadt.example", "bauamt@musterstadt.example")
    first = kita.mail(letter(key="eins@citizen.example"), both)
    kita.user("bert", (Role.MANAGER, "bauamt"))
    path = f"/c/{kita.reference(first)}"
    with kita.client("petra") as client, kita.client("leser") as reader, kita.client("bert") as bert:
        token = token_in(client.get(path).text)
        note = {"token": token, "team": "kita", "note": "Vorsicht <b>heikel</b>\nzweite Zeile"}
        follow(client, client.post(f"{path}/note", data=note))
        kita.clock.ms += 1_000_000
        kita.mail(letter("Re: danach", key="zwei@citizen.example", parent="eins@citizen.example"), both, age_s=0)
        page = reader.get(path).text
        assert "Vorsicht &lt;b&gt;heikel&lt;/b&gt;\nzweite Zeile" in page
        assert page.index("wann wird") < page.index("Vorsicht") < page.rindex("<article")
        assert "intern" in page
        assert "Vorsicht" not in bert.get(path).text
        assert client.post(f"{path}/note", data={**note, "team": "bauamt"}).status_code == 404


@pytest.mark.parametrize(("act", "state"), [("release", "queued"), ("drop", "dropped")])
def test_a_letter_that_waits_because_a_colleague_was_quicker_is_sent_or_not(kita: Office, act: str, state: str) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client, kita.client("leser") as reader:
        form = reply(kita, client, number)
        form.press(client, "send", text="Ja.")
        (sent,) = left(kita)
        _hold(kita, COLLISION)
        shown = client.get(f"/c/{kita.reference(number)}").text
        assert "Jemand anderes hat inzwischen geantwortet" in _shown(shown)
        settled = {"token": token_in(shown), "do": act}
        token = token_in(reader.get("/sessions").text)
        assert reader.post(f"/m/{shown_id(sent.id)}/deliveries", data=settled | {"token": token}).status_code == 403
        assert client.post(f"/m/{shown_id(sent.id)}/deliveries", data=settled).status_code == 303
    with kita.database.read() as connection:
        assert set(connection.scalars(select(deliveries.c.state))) == {state}


@pytest.mark.parametrize("outcome", ["held by hand", ""])
def test_what_waits_for_another_reason_is_not_let_go_at_the_letter(kita: Office, outcome: str) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client:
        reply(kita, client, number).press(client, "send", text="Ja.")
        (sent,) = left(kita)
        _hold(kita, outcome)
        page = client.get(f"/c/{kita.reference(number)}").text
        for act in ("release", "drop"):
            client.post(f"/m/{shown_id(sent.id)}/deliveries", data={"token": token_in(page), "do": act})
    with kita.database.read() as connection:
        assert set(connection.scalars(select(deliveries.c.state))) == {"held"}


def test_the_password_of_a_mail_program_is_revoked_by_its_owner_alone(kita: Office) -> None:
    new = NewAppPassword(login="petra", name="Outlook <12>", password="$argon2id$", at_ms=kita.clock.ms)
    number = kita.database.writer.submit(add_app_passwords, new).result()
    with kita.client("petra") as client, kita.client("jonas") as other:
        assert "Outlook" not in other.get("/sessions").text
        form = {"token": token_in(other.get("/sessions").text), "password": str(number)}
        other.post("/sessions/mail-programs", data=form)
        page = client.get("/sessions").text
        assert "Outlook &lt;12&gt;" in page
        assert client.post("/sessions/mail-programs", data=form | {"token": token_in(page)}).status_code == 303
        assert "Outlook" not in client.get("/sessions").text


def test_what_was_not_delivered_is_seen_in_the_inbox_until_somebody_has_seen_to_it(kita: Office) -> None:
    number = kita.mail(letter())
    with kita.client("petra") as client, kita.client("jonas") as other:
        follow(client, reply(kita, client, number).press(client, "send", text="Ja.", after="closed"))
        (sent,) = left(kita)
        with kita.database.writing.begin() as connection:
            values = {"state": "failed", "outcome": "550 5.1.1 {0} no such <user>", "attempts": 1}
            connection.execute(update(deliveries).values(**values))
        page = other.get("/inbox/kita").text
        assert "1 Brief wurde nicht zugestellt" in page
        assert PETRA in page
        shown = other.get(f"/c/{kita.reference(number)}")
        assert f"Nicht zugestellt an {PETRA}: 550 5.1.1 {{0}} no such &lt;user&gt;" in shown.text
        settled = {"token": token_in(shown.text), "do": "drop"}
        assert other.post(f"/m/{shown_id(sent.id)}/deliveries", data=settled).status_code == 303
        assert "nicht zugestellt" not in other.get("/inbox/kita").text
    kita.user("bert", (Role.MANAGER, "bauamt"))
    with kita.client("bert") as stranger:
        assert PETRA not in stranger.get("/inbox/bauamt").text


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_page_of_writing_is_there_in_both_languages(kita: Office, language: str) -> None:
    number = kita.mail(letter())
    with kita.client("petra", **{"accept-language": language}) as client:
        form = reply(kita, client, number)
        form.press(client, "save", text="x")
        for path in (f"/drafts/{form.fields['draft']}?check=1", "/write", "/drafts", f"/c/{kita.reference(number)}"):
            page = client.get(path)
            assert page.status_code == 200
            assert f'<html lang="{language}">' in page.text
            assert ("Entw" in page.text) is (language == "de")


def test_an_answer_to_a_confidential_letter_stays_confidential() -> None:
    def inboxes(*among: str, answering: bool) -> set[str]:
        return {sender.inbox for sender in senders(rules(), among, answering=answering)}

    assert inboxes("kita", confidential("kita"), answering=True) == {confidential("kita")}
    assert inboxes("kita", confidential("kita"), answering=False) == {"kita"}
    assert inboxes(confidential("kita"), answering=True) == {confidential("kita")}
