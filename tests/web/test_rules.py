"""Editing the rules in the browser: pages, forms, the review, and what a save does."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from maild.archive.hits import hits_since
from maild.archive.schema import rule_hits
from maild.mail.authentication import TrustedRelays
from maild.policy.roles import Role
from maild.rules import rules_file
from tests.web.office import NOW_MS, Office, letter
from tests.web.workshop import TESTED, Shop, fields, open_shop, review, save, token, words

NEW = {
    "f_id": "frage", "f_note": "Fragen zählen", "f_subject": "frage\r\nauskunft", "f_copy1": "poststelle",
    "f_tag": "frage, kita", "f_priority": "low",
}  # fmt: skip
BROKEN = TESTED.replace("team: kita", "team: kitta")
FAILING = TESTED.replace("then: {tag: eilt, ", "then: {tag: langsam, ")


@pytest.fixture
def shop(office: Office) -> Shop:
    return open_shop(office)


def test_who_may_not_edit_rules_gets_none_of_it(shop: Shop) -> None:
    paths = ("/rules", "/rules/edit", "/rules/new", "/rules/rule/eilt", "/rules/history", "/rules/history/1")
    for login, status in (("rita", 200), ("petra", 403), ("ada", 403)):
        with shop.office.client(login) as client:
            assert [client.get(path).status_code for path in paths] == [status] * len(paths), login
            assert ('href="/rules"' in client.get("/sessions" if login != "rita" else "/rules").text) is (
                login == "rita"
            )
            posted = [
                client.post(path, data={"token": token(client), "text": "x", "rule": "eilt", "act": "up"}).status_code
                for path in ("/rules/check", "/rules/review", "/rules/save", "/rules/act", "/rules/edit", "/rules/new")
            ]
            assert all((code == 403) is (login != "rita") for code in posted), (login, posted)
    assert shop.text == TESTED


def test_the_overview_tells_the_rules_in_plain_words_with_their_hits(shop: Shop) -> None:
    with shop.office.database.writing.begin() as connection:
        today = NOW_MS // 86_400_000
        rows = [{"rule": "eilt", "day": today - d, "hits": 3} for d in (0, 29, 31)]
        connection.execute(rule_hits.insert(), rows)
    with shop.office.database.read() as connection:
        assert hits_since(connection, NOW_MS // 86_400_000 - 30) == {"eilt": 6}
    with shop.office.client("rita") as client:
        said = words(client.get("/rules").text)
        english = words(client.get("/rules", headers={"accept-language": "en"}).text)
    for part in (
        "Fassung 1, seit", "Von von Hand in der Datei geändert",
        "eilt Zeile 22 6 Treffer in 30 Tagen Wenn Betreff enthält dringend Dann Kennzeichen: eilt Priorität: hoch",
        "newsletter Zeile 25 nie getroffen in 30 Tagen Wenn Von einem Verteiler: ja Dann",
        "kita.platzvergabe Kita-Platzvergabe Kita-Platzvergabe kita ja",
        "intern Geheime Adresse Bauamt \u2013 nein",
        "Mitgliederbetreuung Bayern mitglieder.by \u2013 \u2013 Mitgliederbetreuung Bund",
    ):  # fmt: skip
        assert part in said, (part, said)
    assert "Subject contains dringend Then Tag: eilt Priority: high" in english


def test_a_rule_is_made_by_the_form_and_is_in_force_at_once(shop: Shop) -> None:
    shop.office.mail(letter("Eine Frage"), age_s=100)
    shop.office.mail(letter("Auskunft erbeten"), age_s=90)
    shop.office.mail(letter("Danke"), age_s=80)
    with shop.office.client("rita") as client:
        form = client.get("/rules/new").text
        reviewed = client.post("/rules/new", data={**fields(form, "/rules/new"), **NEW})
        said = words(reviewed.text)
        for part in (
            "Keine Fehler. 1 Test ist bestanden.",
            "Verglichen: alle 3 Briefe der letzten 30 Tage.",
            "2 Briefe kämen anders an.",
            "2 Briefe : Kita-Platzvergabe → Kita-Platzvergabe, Zentrale Poststelle",
            "durch die Regel frage",
            "Zentrale Poststelle 0 2",
        ):
            assert part in said, (part, said)
        assert shop.text == TESTED
        answer = save(client, reviewed)
        assert (answer.status_code, answer.headers["location"]) == (303, "/rules?saved=2")
        assert "Gespeichert als Fassung 2" in words(client.get("/rules?saved=2").text)
    assert [rule.id for rule in shop.rulebook.current.rules] == ["eilt", "newsletter", "frage"]
    newest = shop.history()[0]
    assert (newest.author, newest.reason, newest.approved_by) == ("rita", "Weil es so ist", None)
    added = (
        "  - id: frage\n    note: Fragen zählen\n    when:\n      subject: [frage, auskunft]\n"
        "    then:\n      copy: poststelle\n      tag: [frage, kita]\n      priority: low\n"
    )
    assert shop.text == TESTED.replace("tests:\n", added + "tests:\n")


def test_a_letter_of_the_rehearsal_is_linked_for_those_who_may_read_it(shop: Shop) -> None:
    shop.office.mail(letter("Eine Frage: geheim"), age_s=100)
    shop.office.user("beides", (Role.RULE_EDITOR, None), (Role.READER, "kita"))
    for login, links in (("rita", 0), ("beides", 1)):
        with shop.office.client(login) as client:
            form = client.get("/rules/new").text
            page = client.post("/rules/new", data={**fields(form, "/rules/new"), **NEW}).text
            assert len(re.findall(r'href="/m/', page)) == links
            assert "geheim" not in page
            assert "petra.mustermann" not in page


def test_the_rehearsal_believes_the_relay_that_the_router_believes(shop: Shop) -> None:
    relays = TrustedRelays(networks=(ip_network("192.0.2.0/24"),), authserv_ids=("mx.town.example",))
    shop.office.services = replace(shop.office.services, relays=relays)
    stamp = "Authentication-Results: mx.town.example; spf=fail\nReceived: from a.example\n"
    shop.office.mail(stamp + letter("Frage"), age_s=100)
    shop.office.user("beides", (Role.RULE_EDITOR, None), (Role.READER, "kita"))
    suspect = "  - {id: verdacht, when: {spf: fail}, then: {tag: verdacht}, continue: true}\n"
    with shop.office.client("beides") as client:
        page = review(client, TESTED.replace("rules:\n", f"rules:\n{suspect}", 1)).text
    assert len(re.findall(r'href="/m/', page)) == 1


def test_the_form_shows_a_rule_changes_it_and_leaves_the_rest(shop: Shop) -> None:
    with shop.office.client("rita") as client:
        sent = fields(client.get("/rules/rule/eilt").text, "/rules/rule/eilt")
        assert (sent["f_subject"], sent["f_tag"], sent["f_priority"]) == ("dringend", "eilt", "high")
        reviewed = client.post("/rules/rule/eilt", data={**sent, "f_tag": "eilt, sofort"})
        # The test expects the one tag: it fails, is said, and nothing can be saved.
        said = words(reviewed.text)
        assert "1 Fehler: So können die Regeln nicht gelten." in said
        assert "erwartet wird tags [eilt], heraus kommt [eilt, sofort]" in said
        assert 'name="reason"' not in reviewed.text
        assert "Verglichen" in said or "Archivierte Post der letzten 30 Tage gibt es nicht" in said
        again = client.post("/rules/rule/eilt", data={**fields(reviewed.text, "/rules/save"), "do": "show"})
        back = fields(again.text, "/rules/rule/eilt")
        assert back["f_tag"] == "eilt, sofort"
        assert "Es ist nichts geändert" in words(client.post("/rules/rule/eilt", data=sent).text)
        reviewed = client.post("/rules/rule/eilt", data={**sent, "f_note": "Eilt"})
        assert save(client, reviewed).status_code == 303
    assert shop.text == TESTED.replace("  - id: eilt\n", "  - id: eilt\n    note: Eilt\n")


FAULTS = [
    ({"f_id": "Kein Name"}, "nur kleine Buchstaben"),
    ({"f_id": "eilt"}, "Eine Regel dieses Namens gibt es schon"),
    ({"f_copy1": "", "f_tag": "", "f_priority": ""}, "Die Regel bewirkt noch nichts"),
    ({"f_subject_list": "woerter"}, "entweder eigene Wörter an oder eine Liste"),
]


@pytest.mark.parametrize(("change", "told"), FAULTS)
def test_a_form_with_a_fault_says_so_and_keeps_what_was_written(shop: Shop, change: dict[str, str], told: str) -> None:
    with shop.office.client("rita") as client:
        form = client.get("/rules/new").text
        answer = client.post("/rules/new", data={**fields(form, "/rules/new"), **NEW, **change})
        assert told in words(answer.text)
        kept = fields(answer.text, "/rules/new")
        assert (kept["f_note"], kept["f_subject"]) == (NEW["f_note"], NEW["f_subject"])


def test_a_rule_that_the_form_cannot_say_is_shown_and_moved_all_the_same(office: Office) -> None:
    rule = "  - id: anders\n    when: {any: [{to: info}, {subject: x}]}\n    then: {tag: x}\n"
    shop = open_shop(office, TESTED.replace("tests:\n", rule + "tests:\n"))
    with office.client("rita") as client:
        page = client.get("/rules/rule/anders").text
        assert 'name="f_tag"' not in page
        assert "when: {any: [{to: info}, {subject: x}]}" in page.replace("&#39;", "'")
        assert "/rules/edit?line=28" in page
        for act, order in (
            ("up", ["eilt", "anders", "newsletter"]),
            ("delete", ["eilt", "newsletter"]),
            ("observe", ["eilt", "newsletter", "anders"]),
        ):
            reviewed = client.post("/rules/act", data={**fields(page, "/rules/act"), "act": act})
            sent = fields(reviewed.text, "/rules/save")["text"]
            assert re.findall(r"- id: (\w+)", sent) == order
            assert ("mode: observe" in sent) is (act == "observe")
        assert client.post("/rules/act", data={**fields(page, "/rules/act"), "act": "burn"}).status_code == 404
        assert client.get("/rules/rule/gibt-es-nicht").status_code == 404
    assert len(shop.history()) == 1


def test_errors_are_told_by_line_and_save_nothing(shop: Shop) -> None:
    with shop.office.client("rita") as client:
        reviewed = review(client, BROKEN)
        said = words(reviewed.text)
        assert "Zeile 17:29 Fehler Team 'kitta' gibt es hier nicht; meinten Sie 'kita'?" in said
        assert "Einen Probelauf gibt es nicht" in said
        assert 'name="reason"' not in reviewed.text
        assert fields(reviewed.text, "/rules/save")["text"].replace("\r\n", "\n") == BROKEN
        # Who sends the form all the same gets no further.
        for text in (BROKEN, FAILING):
            answer = save(client, review(client, text))
            assert answer.status_code == 400
            assert "Nicht gespeichert: Der Text hat Fehler." in words(answer.text)
        found = client.post("/rules/check", data={"token": token(client), "text": BROKEN}).text
        assert 'data-line="17" data-column="29"' in found
        checked = client.post(
            "/rules/edit", data={**fields(client.get("/rules/edit").text, "/rules/review"), "text": BROKEN}
        )
        assert 'data-line="17"' in checked.text
    assert shop.text == TESTED
    assert len(shop.history()) == 1


def test_a_save_without_a_reason_asks_for_one(shop: Shop) -> None:
    with shop.office.client("rita") as client:
        answer = save(client, review(client, TESTED + "# neu\n"), " \u0000 \t")
        assert answer.status_code == 400
        assert "Nennen Sie den Grund" in words(answer.text)
        assert shop.text == TESTED
        assert save(client, answer, "doch\nein Grund").status_code == 303
    assert shop.history()[0].reason == "doch ein Grund"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_the_text_goes_through_the_browser_byte_for_byte(office: Office, end: str) -> None:
    text = "\n# Kopf\n" + TESTED.replace("version: 1", "version: 1  # \t<b>&amp;</b> 'ä' \u00a0")
    text = text.replace("\n", "\r\n") if end == "\r\n" else text if end else text.rstrip("\n")
    shop = open_shop(office, text)
    with office.client("rita") as client:
        sent = fields(client.get("/rules/edit").text, "/rules/review")
        assert "Es ist nichts geändert" in words(client.post("/rules/review", data=sent).text)
        changed = sent["text"].replace("\r\n# Kopf\r\n", "\r\n# Anderer Kopf\r\n")
        reviewed = client.post("/rules/review", data={**sent, "text": changed})
        assert save(client, reviewed).status_code == 303
    assert shop.text == text.replace("# Kopf", "# Anderer Kopf")


def test_a_newer_save_of_someone_else_is_shown_and_never_overwritten(shop: Shop) -> None:
    with shop.office.client("rita") as rita, shop.office.client("ralf") as ralf:
        mine = review(rita, TESTED.replace("priority: high", "priority: low"))
        theirs = TESTED.replace("name: Bauamt, office: Amt 63", "name: Bauordnung, office: Amt 63")
        assert save(ralf, review(ralf, theirs)).status_code == 303
        answer = save(rita, mine)
        assert answer.status_code == 409
        said = words(answer.text)
        assert "Jemand hat die Regeln geändert, seit Sie begonnen haben" in said
        assert "Bauordnung" in said
        assert "Beide Änderungen vertragen sich." in said
        assert shop.text == theirs
        joined = rita.post("/rules/edit", data=fields(answer.text, "/rules/edit"))
        reviewed = rita.post("/rules/review", data=fields(joined.text, "/rules/review"))
        assert save(rita, reviewed).status_code == 303
        assert shop.text == theirs.replace("priority: high", "priority: low")
        # The same place: one's own text, on top of theirs, and the review shows what it would undo.
        mine = review(rita, shop.text.replace("Bauordnung", "Bauen"))
        assert save(ralf, review(ralf, shop.text.replace("Bauordnung", "Bauwesen"))).status_code == 303
        answer = save(rita, mine)
        assert "Beide ändern dieselbe Stelle." in words(answer.text)
        text = rita.post("/rules/edit", data=fields(answer.text, "/rules/edit")).text
        reviewed = rita.post("/rules/review", data=fields(text, "/rules/review"))
        assert re.search("<del>.*Bauwesen.*</del>", reviewed.text)
        assert save(rita, reviewed).status_code == 303
    assert "Bauen" in shop.text
    assert [v.author for v in shop.history()] == ["rita", "ralf", "rita", "ralf", "file"]


@pytest.mark.parametrize("noticed", [True, False])
def test_a_file_changed_by_hand_meanwhile_counts_as_a_newer_save(shop: Shop, *, noticed: bool) -> None:
    with shop.office.client("rita") as client:
        reviewed = review(client, TESTED + "# von rita\n")
        by_hand = "# von Hand\n" + TESTED
        shop.by_hand(by_hand, reload=noticed)
        answer = save(client, reviewed)
        assert answer.status_code == 409
        assert "# von Hand" in words(answer.text)
        assert shop.text == by_hand == shop.rulebook.source
        assert save(client, client.post("/rules/review", data=fields(answer.text, "/rules/edit"))).status_code == 303
    assert shop.text == by_hand + "# von rita\n"


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("draft", [b"# halb fertig\nteams: [", "# Umlaut ü\n".encode("latin-1")])
def test_a_broken_file_is_told_loudly_and_put_aside_by_a_save(shop: Shop, draft: bytes, *, noticed: bool) -> None:
    shop.by_hand(draft, reload=noticed)
    with shop.office.client("rita") as client:
        said = words(client.get("/rules").text)
        assert ("Die neueste Datei wurde abgelehnt" in said) is noticed
        reviewed = review(client, TESTED + "# neu\n")
        assert "steht ein Text, der nie galt. Er bleibt daneben erhalten." in words(reviewed.text)
        assert shop.path.read_bytes() == draft
        assert save(client, reviewed).status_code == 303
        assert "abgelehnt" not in words(client.get("/rules").text)
    (aside,) = shop.folder.glob("rules.yaml.2*")
    assert aside.read_bytes() == draft
    assert shop.text == TESTED + "# neu\n"


def test_a_file_that_may_not_be_written_is_told_before_and_after(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop.office.client("rita") as client:
        reviewed = review(client, TESTED + "# neu\n")
        # Root may write everywhere: what a read-only file system answers is said here.
        monkeypatch.setattr(rules_file, "write_durably", _read_only)
        monkeypatch.setattr(rules_file, "may_be_written", lambda _path: False)
        answer = save(client, reviewed)
        assert answer.status_code == 400
        assert "maild darf die Regeldatei nicht schreiben" in words(answer.text)
        assert "Geben Sie ihm das Schreibrecht in diesem Ordner" in words(answer.text)
        assert 'name="reason"' not in answer.text
        assert fields(answer.text, "/rules/save")["text"] == (TESTED + "# neu\n").replace("\n", "\r\n")
    assert shop.text == TESTED == shop.rulebook.source


def _read_only(path: Path, _octets: bytes) -> None:
    raise OSError(30, "Read-only file system", str(path))


def test_two_saves_at_once_are_one_after_the_other(shop: Shop) -> None:
    with shop.office.client("rita") as client:
        reviewed = review(client, TESTED + "# neu\n")
        with rules_file.alone(shop.path):
            answer = save(client, reviewed)
        assert answer.status_code == 409
        assert "Gerade wird eine andere Änderung der Regeln gespeichert" in words(answer.text)
        assert shop.text == TESTED
        assert save(client, answer).status_code == 303


def test_the_history_shows_each_version_and_the_way_back_goes_through_the_review(shop: Shop) -> None:
    changed = TESTED.replace("priority: high", "priority: low")
    with shop.office.client("rita") as client:
        assert save(client, review(client, changed), "weniger eilig").status_code == 303
        said = words(client.get("/rules/history").text)
        assert re.search(
            r"Fassung 2 gilt .* rita weniger eilig Fassung 1 .* von Hand in der Datei geändert \u2013", said
        )
        second = client.get("/rules/history/2").text
        assert re.search("<ins>.*priority: low.*</ins>", second)
        assert "Dieser Text gilt." in words(second)
        first = client.get("/rules/history/1").text
        reviewed = client.post("/rules/history/1/back", data=fields(first, "/rules/history/1/back"))
        sent = fields(reviewed.text, "/rules/save")
        assert sent["reason"] == "Zurück zu Fassung 1: "
        assert client.post("/rules/save", data=sent).status_code == 303
        for path in ("/rules/history/9", "/rules/history/x", "/rules/history/99999999999"):
            assert client.get(path).status_code == 404
    assert shop.text == TESTED
    assert [v.reason for v in shop.history()] == ["Zurück zu Fassung 1:", "weniger eilig", ""]


def test_one_rehearsal_at_a_time_and_the_second_is_asked_to_wait(shop: Shop) -> None:
    from maild.web.rules_rehearsal import Stage

    stages: list[Stage] = []
    original = Stage.__init__

    def remember(self: Stage, services: object) -> None:
        original(self, services)  # type: ignore[arg-type]  # passed on
        stages.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stage, "__init__", remember)
        client = shop.office.client("rita")
    with client:
        for stage in stages:
            stage._busy = True
        reviewed = review(client, TESTED + "# neu\n")
        assert "Gerade läuft ein anderer Probelauf" in words(reviewed.text)
        for stage in stages:
            stage._busy = False
        again = client.post("/rules/review", data={**fields(reviewed.text, "/rules/save"), "days": "90"})
        assert "der letzten 90 Tage" in words(again.text)


def test_only_so_much_mail_is_rehearsed_and_the_page_says_so(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from maild.web import rules_rehearsal

    monkeypatch.setattr(rules_rehearsal, "MOST_MESSAGES", 64)
    for number in range(70):
        shop.office.mail(letter(f"Brief {number}"), age_s=1_000 - number)
    with shop.office.client("rita") as client:
        said = words(review(client, TESTED + "# neu\n").text)
    assert "Verglichen: die neuesten 64 von 70 Briefen der letzten 30 Tage" in said


def test_mail_that_no_address_would_claim_is_told(shop: Shop) -> None:
    shop.office.mail(letter("An die alte"), to="kita@musterstadt.example")
    with shop.office.client("rita") as client:
        text = TESTED.replace(", aliases: [kita]", "").replace("to: kita@", "to: kita.platzvergabe@")
        said = words(review(client, text).text)
    assert "kita@musterstadt.example: 1 Brief, würden abgewiesen" in said
    assert "Kita-Platzvergabe → abgewiesen" in said
