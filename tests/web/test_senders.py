"""Who really sent a letter, as its readers see it."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from maild.mail.authentication import Verdicts
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf
from maild.policy.roles import Role
from maild.web.sender_words import acquaintance
from tests.web.office import NOW_MS, Office, letter, shown_id

AUTHOR = "citizen.example"  # of `letter`
RLO = "\u202e"
PASSED = Dmarc("pass", AUTHOR, record_domain=AUTHOR, organisation=AUTHOR, policy="reject", dkim_aligned=True)
FORGED = Dmarc("fail", AUTHOR, policy="reject", record="v=DMARC1; p=reject")
VOUCHED = Arc("pass", ("liste.example",), trusted=True, verdicts=Verdicts(dmarc="pass", spf="pass"))
ADVICE = "Antworten Sie nicht; fragen Sie den Absender auf anderem Weg, etwa am Telefon."
ADVICE_EN = "Do not answer it; ask the sender in another way, such as by telephone."
NOT_OURS = "Der Brief trägt eine Adresse von uns, kam aber von außen, und nichts belegt, dass er von uns ist."
AMBIGUOUS = "Der Brief nennt seinen Absender nicht eindeutig."


def found(dmarc: Dmarc | None = None, **more: Any) -> Evidence:
    return Evidence(NOW_MS - 3_600_000, dmarc=dmarc or Dmarc(domain=AUTHOR))._replace(**more)


def words(text: str) -> str:
    """Return the words of a page's main part, without tags."""
    main = text[text.index("<main") : text.index("</main>")]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))


def page(office: Office, path: str, login: str = "petra", language: str = "de") -> str:
    with office.client(login, **{"accept-language": language}) as client:
        answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def line(text: str) -> str:
    """Return the line about the sender, in words."""
    shown = re.search(r'<span class="standing.*?\n.*?</span></span>', text)
    return "" if shown is None else re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", shown[0]))).strip()


STANDINGS = {
    "confirmed": (
        found(PASSED),
        "✓ Absender bestätigt (citizen.example)",
        "✓ Sender confirmed (citizen.example)",
    ),
    "unconfirmed": (found(), "? Absender nicht bestätigt", "? Sender not confirmed"),
    "forged": (
        found(FORGED),
        f"! Gefälscht? Wem die Domain des Absenders gehört, der sagt: Solche Briefe sind nicht von dort. {ADVICE}",
        f"! Forged? The holder of the sender's domain says that such a letter is not from there. {ADVICE_EN}",
    ),
    "passed on": (
        found(FORGED, arc=VOUCHED),
        "? Absender nicht bestätigt. Weitergeleitet hat den Brief liste.example; dort war der Absender bestätigt.",
        "? Sender not confirmed. It was passed on by liste.example, where the sender was confirmed.",
    ),
    "unknown": (
        found(Dmarc("temperror", AUTHOR)),
        "… Absender ließ sich nicht prüfen",
        "… The sender could not be checked",
    ),
}


@pytest.mark.parametrize("case", STANDINGS)
def test_each_standing_is_a_mark_and_a_word_at_the_sender(shared: Office, case: str) -> None:
    evidence, german, english = STANDINGS[case]
    number = shared.mail(letter(f"Fall {case}"))
    shared.examine(number, evidence)
    for path in (f"/m/{shown_id(number)}", f"/c/{shared.reference(number)}"):
        assert line(page(shared, path)) == german
        shown = page(shared, path, language="en")
        assert line(shown) == english
        assert "<petra.mustermann@citizen.example>" in words(shown) or "petra.mustermann@citizen.example" in words(
            shown
        )


ANSWERS_AWAY = "Belegt ist nur, wer schreibt, und nicht, dass Antworten an eine andere Adresse gehen sollen."
_SIGNED = Dkim("pass", AUTHOR)
_AWAY: dict[str, tuple[str, Dkim, bool]] = {
    "nobody signed it": ("eve@evil.example", _SIGNED, True),
    "within the same domain": (f"eve@{AUTHOR}", _SIGNED, True),
    "signed by the author": ("eve@evil.example", _SIGNED._replace(signs_reply_to=True), False),
    "one signed, and one added": (
        "eve@evil.example", _SIGNED._replace(signs_reply_to=True, uncovered="reply-to"), True,
    ),
    "signed by a stranger": ("eve@evil.example", Dkim("pass", "evil.example", signs_reply_to=True), True),
    "to the author": ("Petra.Mustermann@citizen.example", _SIGNED, False),
}  # fmt: skip


@pytest.mark.parametrize("case", _AWAY)
def test_a_confirmed_sender_whose_answers_go_elsewhere_is_not_believed_in_that(shared: Office, case: str) -> None:
    address, signature, doubted = _AWAY[case]
    number = shared.mail(letter(f"Antwort {case}", extra=f"Reply-To: {address}\n"))
    signatures = (signature,) if signature.domain == AUTHOR else (_SIGNED, signature)
    shared.examine(number, found(PASSED._replace(spf_aligned=True), dkim=signatures))
    shown = line(page(shared, f"/m/{shown_id(number)}"))
    assert f"Absender bestätigt ({AUTHOR})" in shown
    assert (ANSWERS_AWAY in shown) is doubted
    form = words(page(shared, f"/c/{shared.reference(number)}/reply?to={shown_id(number)}"))
    assert ("dass das der Absender geschrieben hat, ist nicht belegt" in form) is doubted


@pytest.mark.parametrize(("direction", "origin"), [("in", "smtp"), ("in", "import"), ("out", "submission")])
def test_nothing_is_said_of_what_nobody_has_looked_at(shared: Office, direction: str, origin: str) -> None:
    number = shared.mail(letter(f"Still {direction} {origin}"), direction=direction, origin=origin, team="kita")
    shown = page(shared, f"/m/{shown_id(number)}")
    assert line(shown) == ""
    assert "Prüfung des Absenders" not in shown
    assert ("dieser Adresse" in words(shown)) == (origin == "smtp")


def test_an_address_of_ours_is_called_out_once(shared: Office) -> None:
    def at(evidence: Evidence | None, key: str) -> str:
        number = shared.mail(letter(f"Von uns {key}", sender="Chef <chef@musterstadt.example>"))
        if evidence is not None:
            shared.examine(number, evidence)
        return words(page(shared, f"/m/{shown_id(number)}"))

    ours = Dmarc("none", "musterstadt.example")
    notice = "Der Absender benutzt eine Adresse von uns"
    forged = at(found(ours), "eins")
    assert f"Gefälscht? {NOT_OURS} {ADVICE}" in forged
    assert notice not in forged
    confirmed = at(found(PASSED._replace(domain="musterstadt.example")), "zwei")
    assert "Absender bestätigt (musterstadt.example)" in re.sub(r"\( | \)", lambda m: m[0].strip(), confirmed)
    assert notice not in confirmed
    assert notice in at(None, "drei")
    assert notice in at(found(Dmarc("temperror", "musterstadt.example")), "vier")


@pytest.mark.parametrize(
    "sender",
    [
        "a@citizen.example, b@citizen.example",
        "a@citizen.example\nFrom: b@citizen.example",
        "<@relay.example:a@citizen.example>",
        "Gruppe: a@citizen.example;",
    ],
)
def test_a_letter_without_one_certain_author_is_called_out_and_never_confirmed(shared: Office, sender: str) -> None:
    number = shared.mail(letter("Mehrdeutig", sender=sender))
    shared.examine(number, found(PASSED))
    shown = page(shared, f"/m/{shown_id(number)}")
    assert line(shown) == f"? Absender nicht bestätigt. {AMBIGUOUS}"
    assert "dieser Adresse" not in words(shown)


def test_the_first_letter_from_an_address_is_named_and_how_many_came_before(shared: Office) -> None:
    def told(number: int) -> str:
        said = re.search(r'<span class="before">(.*?)</span>', page(shared, f"/m/{shown_id(number)}"))
        return said[1] if said else ""

    def send(number: int, sender: str = "Neu <neu@erstmals.example>") -> int:
        return shared.mail(letter(f"Nummer {number}", sender=sender), age_s=3_000 - number)

    first, second, third = send(1), send(2, "NEU@Erstmals.example"), send(3)
    assert [told(n) for n in (first, second, third)] == [
        "Erster Brief von dieser Adresse",
        "1 Brief von dieser Adresse zuvor",
        "2 Briefe von dieser Adresse zuvor",
    ]
    assert acquaintance(100, "de") == "100 Briefe von dieser Adresse zuvor"
    assert acquaintance(101, "de") == "Über 100 Briefe von dieser Adresse zuvor"
    shared.examine(third, found(Dmarc("fail", "erstmals.example", policy="reject")))
    assert told(third) == ""


def test_letters_in_inboxes_that_one_may_not_see_are_not_counted(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    office.user("alle", (Role.READER, "kita"), (Role.READER, "bauamt"))
    for number in range(3):
        office.mail(letter(f"Geheim {number}"), "bauamt@musterstadt.example", age_s=9_000 - number)
    last = office.mail(letter("Offen"), age_s=100)
    assert "Erster Brief von dieser Adresse" in page(office, f"/m/{shown_id(last)}")
    assert "3 Briefe von dieser Adresse zuvor" in page(office, f"/m/{shown_id(last)}", "alle")


def test_the_list_and_a_folded_letter_mark_what_seems_forged_and_nothing_else(shared: Office) -> None:
    subjects = {}
    for case, (evidence, _german, _english) in STANDINGS.items():
        number = shared.mail(letter(f"Liste {case}", key=f"{case.replace(' ', '-')}@citizen.example"), age_s=30)
        shared.examine(number, evidence)
        subjects[f"Liste {case}"] = number
    listed = page(shared, "/inbox/kita")
    rows = {s: next(r for r in listed.split('<li class="row')[1:] if f">{s}</a>" in r) for s in subjects}
    assert [s for s, row in rows.items() if "gefälscht?" in row] == ["Liste forged"]
    for number in range(4):
        shared.mail(letter(f"Re: Liste {number}", parent="forged@citizen.example"), age_s=20 - number)
    folded = page(shared, f"/c/{shared.reference(subjects['Liste forged'])}")
    assert folded[folded.index("<main") :].count("gefälscht?") == 1


FULL = found(
    PASSED._replace(record="v=DMARC1; p=reject", testing=True),
    spf=Spf("softfail", "huelle.example", record="v=spf1 ~all", reason="matched ~all"),
    dkim=(
        Dkim("pass", AUTHOR, "s1", "rsa-sha256", f"@{AUTHOR}", "ab" * 32, 2048, secure=True),
        Dkim("permerror", "xn--pple-43d.com", "s2", reason="no key"),
    ),
    arc=VOUCHED._replace(trusted=False),
    relay="mx.stadt.example",
    override="policy",
)


def test_the_page_of_a_message_has_all_that_was_found(shared: Office) -> None:
    number = shared.mail(letter("Alles"))
    shared.examine(number, FULL)
    shown = words(page(shared, f"/m/{shown_id(number)}"))
    check = shown[shown.index("Prüfung des Absenders") :]
    for said in (
        "SPF wohl nicht von dort ( softfail ) huelle.example Gefragt nach Umschlag-Absender Grund matched ~all",
        "Eintrag, wie er war v=spf1 ~all",
        "DKIM bestanden ( pass ) citizen.example Selektor s1 Verfahren und Schlüssel rsa-sha256, 2048 bit",
        f"Prüfsumme des Schlüssels {'ab' * 32} Unterschrieben für @citizen.example Belegt durch DNSSEC ja",
        "DKIM fehlerhaft ( permerror ) xn--pple-43d.com Selektor s2 Grund no key",
        "DMARC bestanden ( pass ) citizen.example Belegt durch DKIM Worum die Domain bittet abweisen (reject)",
        "ARC bestanden ( pass ) liste.example Versiegelt von liste.example Vertrauenswürdig nein",
        "Dort festgestellt SPF pass, DKIM none, DMARC pass",
        "Nach Auskunft von mx.stadt.example",
        "Er wurde angenommen, weil maild so eingestellt ist.",
    ):
        assert said in check, (said, check)
    english = words(page(shared, f"/m/{shown_id(number)}", language="en"))
    assert "SPF probably not from there ( softfail ) huelle.example Asked about Envelope sender" in english


HOSTILE = f'<b onclick="x">{RLO}evil\x00\u200b</b>' + "x" * 10_000


def test_what_strangers_wrote_into_the_evidence_is_text_and_nothing_more(shared: Office) -> None:
    number = shared.mail(letter("Böse"))
    evidence = found(
        Dmarc("fail", HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, reason=HOSTILE),
        spf=Spf(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        dkim=(Dkim(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, reason=HOSTILE),),
        arc=Arc("pass", (HOSTILE, HOSTILE), trusted=True, verdicts=Verdicts(dmarc="pass"), reason=HOSTILE),
        relay=HOSTILE,
        override=HOSTILE,
    )
    shared.examine(number, evidence)
    shown = page(shared, f"/m/{shown_id(number)}")
    assert "<b onclick" not in shown
    assert not {RLO, "\x00", "\u200b"} & set(shown)
    assert shown.count("&lt;b onclick") > 12
    # Only what the DNS holds, a record, is shown at such a length.
    assert shown.count("x" * 1_000) == 2 * 10
    assert "Er wurde trotzdem angenommen." in shown


def test_a_proven_domain_that_passes_for_another_is_in_a_labels_and_not_called_confirmed(shared: Office) -> None:
    number = shared.mail(letter("Apfel", sender="Apple <x@xn--pple-43d.com>"))
    shared.examine(number, found(PASSED._replace(domain="xn--pple-43d.com")))
    shown = page(shared, f"/m/{shown_id(number)}")
    assert line(shown) == (
        "? Absender nicht bestätigt. Bestätigt ist nur die Domain xn--pple-43d.com; was daneben steht, führt irre."
    )
    honest = shared.mail(letter("Müller", sender="M <x@xn--mller-kva.example>"))
    shared.examine(honest, found(PASSED._replace(domain="xn--mller-kva.example")))
    assert line(page(shared, f"/m/{shown_id(honest)}")) == "✓ Absender bestätigt (müller.example)"


def test_the_source_has_the_results_beside_what_came(shared: Office) -> None:
    number = shared.mail(letter("Quelle"))
    before = page(shared, f"/m/{shown_id(number)}/source")
    assert "Authentication-Results" not in before
    shared.examine(number, FULL._replace(spf=Spf("fail", HOSTILE, reason=HOSTILE)))
    shown = page(shared, f"/m/{shown_id(number)}/source")
    added, came = re.findall(r'<pre class="source.*?</pre>', shown, re.DOTALL)
    assert "Authentication-Results: localhost;\n spf=fail" in html.unescape(added)
    assert "dmarc=pass" in added
    assert "<b" not in added
    assert html.unescape(came) in html.unescape(before)
    with shared.client("petra") as client:
        assert b"Authentication-Results" not in client.get(f"/m/{shown_id(number)}/raw").content
