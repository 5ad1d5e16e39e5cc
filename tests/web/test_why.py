"""Why is this here: every way by which a message comes into an inbox, in plain sentences."""

from __future__ import annotations

import html
import re

import pytest

from maild.archive.replay import Beginning, Selection
from maild.archive.replayable import Chosen
from maild.archive.versions import Version, record
from maild.policy.roles import Role
from maild.router.replaying import Replaying
from maild.rules.model import Ruleset
from maild.web.why_words import Words
from tests.browser.samples import SOURCE_ONLY
from tests.web.office import RULES, Office, letter, rules, shown_id

MORE = (
    RULES.replace("  intern:", "  alt: {retired: {since: 2026-06-30, successor: kita.platzvergabe}}\n  intern:")
    + """  - id: kurz
    when: {subject: kopie, to: info}
    then: {copy: kita}
  - id: weiter
    when: {text: {contains: [hilfe, rat]}}
    unless: {size: {larger_than: 5MB}}
    then: {tag: hilfe}
  - id: probe
    mode: observe
    then: {deliver: poststelle, file: closed}
  - id: advent
    active: {until: 2020-12-24}
    then: {tag: advent}
"""
)


@pytest.fixture(scope="module", autouse=True)
def with_more_rules(shared: Office) -> None:
    shared.book.current = rules(MORE)


def line_of(rule: str) -> int:
    return MORE[: MORE.index(f"  - id: {rule}\n")].count("\n") + 1


def page_of(office: Office, number: int, *, login: str = "petra", language: str = "de") -> str:
    """Return the words of the page, without tags."""
    with office.client(login, **{"accept-language": language}) as client:
        answer = client.get(f"/m/{shown_id(number)}/why")
    assert answer.status_code == 200, answer.text
    main = answer.text[answer.text.index("<main") : answer.text.index("</main>")]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))


def test_the_message_leads_to_its_explanation(shared: Office) -> None:
    number = shared.mail(letter("Verweis"))
    with shared.client("leser") as client:
        for path in (f"/m/{shown_id(number)}", f"/c/{shared.reference(number)}"):
            assert f'href="/m/{shown_id(number)}/why">Warum liegt das hier?' in client.get(path).text


def test_each_rule_each_condition_what_it_saw_and_what_was_done(shared: Office) -> None:
    said = page_of(shared, shared.mail(letter("Dringend: Platz", "Ich suche Rat.\n")), login="leser")
    for words in (
        "kita.platzvergabe@musterstadt.example Adresse kita.platzvergabe Team der Adresse Kita-Platzvergabe",
        "Kam in den Posteingang Kita-Platzvergabe",
        "Kennzeichen eilt hilfe",
        "Priorität hoch",
        f"eilt Zeile {line_of('eilt')} ja",
        "Betreff enthält dringend Dringend: Platz ja Wirkung: Kennzeichen: eilt; Priorität: hoch",
        f"newsletter Zeile {line_of('newsletter')} nein",
        "Von einem Verteiler: ja nein nein",
        f"kurz Zeile {line_of('kurz')} nein",
        "Text enthält hilfe oder rat Ich suche Rat. ja außer wenn Größe größer als 5,0 MB",
        f"probe Zeile {line_of('probe')}, beobachtet nur ja",
        "Sie hat keine Bedingungen: Sie nimmt jeden Brief. Hätte bewirkt: Abgelegt als: erledigt",
        f"advent Zeile {line_of('advent')} an dem Tag nicht in Kraft Sie ist befristet",
    ):
        assert words in said, (words, said)


def test_both_languages_say_it(shared: Office) -> None:
    said = page_of(shared, shared.mail(letter("Dringend: English")), language="en")
    for words in (
        "Why is this here?",
        "Subject contains dringend Dringend: English yes Did: Tag: eilt; Priority: high",
        "From a mailing list: yes no no",
        "Would have done: Filed as: closed",
    ):
        assert words in said, (words, said)


def test_an_alias_and_a_retired_address_say_what_they_are(shared: Office) -> None:
    number = shared.mail(letter("Zwei Namen"), ("Kita+vip@musterstadt.example", "alt@musterstadt.example"))
    said = page_of(shared, number)
    assert "Kita+vip@musterstadt.example Adresse ein anderer Name von kita.platzvergabe" in said
    assert "Adresse alt; nicht mehr ausgegeben seit 30.06.2026, jetzt kita.platzvergabe" in said


def test_a_copy_says_by_which_rule_it_came(shared: Office) -> None:
    said = page_of(shared, shared.mail(letter("Kopie bitte"), "info@musterstadt.example"))
    assert "info@musterstadt.example Adresse info Kam in den Posteingang Kita-Platzvergabe" in said
    assert "Betreff enthält kopie Kopie bitte ja Empfänger ist info info@musterstadt.example ja" in said
    assert "Wirkung: Kopie an: Kita-Platzvergabe" in said
    assert "Poststelle" not in said


def test_what_a_rule_refuses_too_late_says_so(shared: Office) -> None:
    before = shared.book.current
    shared.book.current = rules(MORE + "  - {id: sperre, when: {subject: werbung}, then: {reject: Keine Werbung}}\n")
    try:
        number = shared.mail(letter("Werbung"))
    finally:
        shared.book.current = before
    said = page_of(shared, number)
    assert "Eine Regel weist diesen Brief ab. Es war zu spät, das dem Absender zu sagen;" in said
    assert "Wirkung: Abgewiesen mit den Worten: Keine Werbung" in said
    with shared.client("petra") as client:
        shown = html.unescape(client.get(f"/c/{shared.reference(number)}").text)
    assert "Eine Regel weist diesen Brief für einen seiner Empfänger ab." in shown
    assert "sperre" not in shown


def test_a_letter_beyond_the_limits_says_what_could_not_be_asked(shared: Office) -> None:
    said = page_of(shared, shared.mail(SOURCE_ONLY))
    assert "Sein Text und seine Anlagen konnten nicht gelesen werden (zu tief geschachtelt)" in said
    assert re.search(r"Text enthält hilfe oder rat --b.{1,400}? nicht feststellbar", said)


def test_a_letter_known_by_its_envelope_alone_says_so(shared: Office) -> None:
    said = page_of(shared, shared.mail(letter("Dringend: verloren"), lost=True))
    assert "Er konnte nicht gelesen werden" in said
    assert "Betreff enthält dringend nichts nicht feststellbar" in said


def test_an_identical_resend_leads_to_the_first_arrival(shared: Office) -> None:
    first = shared.mail(letter("Doppelt"), age_s=900)
    again = shared.mail(letter("Doppelt"), age_s=800)
    said = page_of(shared, again)
    assert "wurde nicht noch einmal verteilt." in said
    assert "Regeln, der Reihe nach" not in said
    with shared.client("petra") as client:
        assert f'href="/m/{shown_id(first)}/why"' in client.get(f"/m/{shown_id(again)}/why").text


def test_imported_mail_says_so_whether_rules_were_asked_or_not(shared: Office) -> None:
    by_rules = page_of(shared, shared.mail(letter("Alt"), origin="import"))
    assert "Er wurde aus einem älteren Archiv übernommen." in by_rules
    assert "Regeln, der Reihe nach" in by_rules
    by_hand = page_of(shared, shared.mail(letter("Alt zwei"), origin="import", team="kita"))
    assert "geradewegs in den Posteingang Kita-Platzvergabe gelegt; keine Regel wurde gefragt" in by_hand
    assert "Regeln, der Reihe nach" not in by_hand
    assert "nachträglich" not in by_hand


def test_the_version_of_the_rules_is_named_as_far_as_it_is_kept(shared: Office) -> None:
    number = shared.mail(letter("Fassung"))
    digest = shared.book.current.version
    assert f"Prüfsumme {digest[:12]}" in page_of(shared, number)
    assert "Geladen" not in page_of(shared, number)
    kept = Version(digest=digest, source="", loaded_ms=shared.clock.ms - 7_200_000, author="", reason="")
    (version,) = (shared.database.writer.submit(record, kept).result(),)
    assert f"Fassung {version} Prüfsumme {digest[:12]} Geladen vor 2 Stunden" in page_of(shared, number)


def test_a_letter_that_was_filed_anew_says_so(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    number = office.mail(letter("Dringend: neu"), "info@musterstadt.example")
    new = rules(RULES.replace("info: {team: poststelle", "info: {team: kita"))
    replay(office, new)
    assert "Die Regeln wurden neu angewendet ( vor 2 Stunden ): Nach ihnen liegt der Brief hier." in page_of(
        office, number
    )
    kept = Version(digest=new.version, source="", loaded_ms=0, author="", reason="")
    office.database.writer.submit(record, kept).result()
    said = page_of(office, number)
    assert "Die Regeln wurden neu angewendet ( vor 2 Stunden ): Nach Fassung 1 liegt der Brief hier." in said
    assert "info@musterstadt.example Adresse info Team der Adresse" in said


def replay(office: Office, new: Ruleset) -> None:
    office.book.current = new
    at_ms = office.clock.ms - 7_200_000
    beginning = Beginning(
        at_ms=at_ms, author="petra", selection=Selection(since="", query=""), rules_version=new.version
    )
    chosen = Chosen(0, office.clock.ms + 1)
    assert Replaying(office.database, new).run(chosen, beginning, lambda _: None)[1].moved == 1


def test_a_trace_that_cannot_be_read_is_a_sentence_and_no_error(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    number = office.mail(letter("Kaputt"))

    def spoil(connection: object, _items: list[bytes]) -> list[None]:
        for octets in _items:
            connection.exec_driver_sql(  # type: ignore[attr-defined]
                "UPDATE summaries SET trace = ? WHERE message_id = ?", (octets, number)
            )
        return [None] * len(_items)

    from maild.archive.compression import compress

    for octets in (b"", b"rot", compress(b"{"), compress(b"{}"), compress(b"7")):
        office.database.writer.submit(spoil, octets).result()
        assert "nicht aufbewahrt oder nicht mehr lesbar" in page_of(office, number)
    for octets in (compress(b"[]"), compress(b'[7, {"recipient": "a@b.example"}]')):
        office.database.writer.submit(spoil, octets).result()
        assert "nachträglich hierher gelegt" in page_of(office, number)


def test_a_long_value_is_cut_and_the_whole_is_there(shared: Office) -> None:
    number = shared.mail(letter("Dringend: " + "lang " * 30))
    with shared.client("petra") as client:
        text = client.get(f"/m/{shown_id(number)}/why").text
    assert re.search(r'<details class="whole"><summary><bdi>Dringend: [lang ]{60,80}</bdi>…</summary>', text)
    assert f"<bdi>Dringend: {('lang ' * 30).strip()}</bdi></details>" in text


def test_what_a_stranger_wrote_is_text(shared: Office) -> None:
    number = shared.mail(letter("Dringend: <script>alert(1)</script> %(num)s {0}"))
    with shared.client("petra") as client:
        text = client.get(f"/m/{shown_id(number)}/why").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; %(num)s {0}" in text


def test_a_thousand_rules_and_many_recipients_are_still_a_page(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    many = "".join(f"  - {{id: r{n}, when: {{subject: wort{n}}}, then: {{tag: t{n}}}}}\n" for n in range(700))
    office.book.current = rules(RULES + many)
    to = tuple(f"kita+{n}@musterstadt.example" for n in range(25))
    number = office.mail(letter("Dringend: viele"), to)
    with office.client("petra") as client:
        text = client.get(f"/m/{shown_id(number)}/why").text
    assert len(text) < 1_500_000
    assert "701 Regeln, die nicht zutrafen, sind nicht aufgeführt." in text
    assert "Er kam noch über 5 weitere Adressen." in text
    assert text.count("Betreff enthält dringend") == 20


WORDS = Words("de", lambda team: team.upper(), lambda octets: f"{octets} B")


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("to is kita | info", "Empfänger ist kita oder info"),
        ("subject regex a | b", "Betreff passt zum Ausdruck a | b"),
        (
            "any: attachment name matches *.pdf | *.xml type is x/y larger than 5000",
            "eines von: Anlage Name passt zum Muster *.pdf oder *.xml, Art ist x/y, größer als 5000 B",
        ),
        ("subject contains {list: eilwoerter}", "Betreff enthält etwas aus der Liste „eilwoerter“"),
        ("from is {list: sperrliste}", "Absender steht in der Liste „sperrliste“"),
        ("header X-Prio starts hoch", "Kopfzeile X-Prio beginnt mit hoch"),
        ("unless any: subject regex a is b", "außer wenn eines von: Betreff passt zum Ausdruck a is b"),
        ("attachment name matches *.pdf larger than 5", "Anlage Name passt zum Muster *.pdf, größer als 5 B"),
        ("size larger than 5 smaller than 9", "Größe größer als 5 B, kleiner als 9 B"),
        ("none: bounce is false", "nichts von: Zustellbericht: nein"),
        ("spf is pass", "SPF ist pass"),
        ("never heard of it", "never heard of it"),
        ("", ""),
    ],
)
def test_a_condition_is_said_as_people_say_it(label: str, said: str) -> None:
    assert WORDS.condition(label).strip() == said


@pytest.mark.parametrize(
    ("did", "said"),
    [
        ("deliver kita, bau", "Zugestellt an: KITA, BAU"),
        ("priority low", "Priorität: niedrig"),
        ("file closed", "Abgelegt als: erledigt"),
        ("tag a, b", "Kennzeichen: a, b"),
        ("hold", "Angehalten"),
        ("forward a@b.example", "Weiterzuleiten an: a@b.example"),
        ("reply frist", "Automatische Antwort: frist"),
        ("reply frist (not to automatic mail)", "Automatische Antwort: frist (nicht auf automatische Post)"),
        ("assign eva", "Zugewiesen an: eva"),
        ("discard it", "discard it"),
        ("reject Keine Werbung", "Abgewiesen mit den Worten: Keine Werbung"),
    ],
)
def test_an_action_is_said_as_people_say_it(did: str, said: str) -> None:
    assert WORDS.action(did) == said


@pytest.mark.parametrize(
    ("label", "value", "said"),
    [
        ("unless list is true", "false", "nein"),
        ("size larger than 5", "1234", "1234 B"),
        ("size larger than 5", "٣", "٣"),
        ("subject contains x", "a\u202eb\n", "a b "),
    ],
)
def test_a_value_is_said_as_people_say_it(label: str, value: str, said: str) -> None:
    assert WORDS.value(label, value) == said


@pytest.mark.parametrize(
    ("label", "german", "english"),
    [
        ("spf is pass", "SPF ist pass", "SPF is pass"),
        ("dkim is none | fail", "DKIM ist none oder fail", "DKIM is none or fail"),
        ("unless dmarc is pass", "außer wenn DMARC ist pass", "except when DMARC is pass"),
        ("reply is true", "Gehört zu einem Vorgang: ja", "Belongs to a conversation: yes"),
    ],
)
def test_a_condition_is_said_in_both_languages(label: str, german: str, english: str) -> None:
    assert WORDS.condition(label) == german
    assert Words("en", str, str).condition(label) == english
