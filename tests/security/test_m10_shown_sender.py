"""M10: no trick with the sender earns the word *confirmed*, whatever a stranger proves of domains of their own."""

from __future__ import annotations

import pytest

from maild.authentication.standing import StandingKind
from maild.mail.evidence import Dkim, Dmarc, Evidence, Spf
from maild.mail.header import LIMITS
from maild.web.letter import open_letter
from maild.web.sender_words import SenderLine
from maild.web.senders import Known, Sender, sender_of, without_what_is_said
from tests.security.test_m10_sender_spoof import CASES, Case

OURS = frozenset({"stadt.example"})
HARMLESS = frozenset({"reply-to-differs", "sender-differs"})  # everyday; said beside the word, not instead of it
DECEPTIVE = [case for case in CASES if case.codes - HARMLESS]


def _sender(header: str | bytes, proven: str | None = None) -> tuple[Sender, frozenset[str]]:
    """Return what is said of a sender who proves a domain, by default the one that From names unless it is ours."""
    octets = header.encode() if isinstance(header, str) else header
    view = open_letter(octets + b"\r\nSubject: x\r\n\r\nhello\r\n", our_domains=OURS)
    domain = view.header.author.domain
    if proven is None:
        proven = "evil.example" if not domain or domain.endswith("stadt.example") else domain
    evidence = Evidence(
        1,
        spf=Spf("pass", proven),
        dkim=(Dkim("pass", proven, "s"),),
        dmarc=Dmarc("pass" if proven == domain else "none", domain, dkim_aligned=True, spf_aligned=True),
    )
    found = sender_of(Known(evidence, before=5), view, OURS, "de")
    return found, frozenset(notice.code for notice in without_what_is_said(view, found.standing).notices)


def _line(sender: Sender) -> SenderLine:
    assert sender.line is not None
    return sender.line


@pytest.mark.parametrize("case", DECEPTIVE, ids=lambda c: ascii(c.header)[:60])
def test_a_deceptive_sender_is_never_called_confirmed(case: Case) -> None:
    line = _line(_sender(case.header)[0])
    assert line.kind is not StandingKind.CONFIRMED
    assert line.word in {"Absender nicht bestätigt", "Gefälscht?"}


@pytest.mark.parametrize("case", CASES, ids=lambda c: ascii(c.header)[:60])
def test_a_strangers_proof_lends_nothing_to_another_domain(case: Case) -> None:
    for proven in ("other.example", "example", "x.evil.example"):
        assert _line(_sender(case.header, proven)[0]).kind is not StandingKind.CONFIRMED


NOT, ADVICE = (
    "Absender nicht bestätigt",
    "Antworten Sie nicht; fragen Sie den Absender auf anderem Weg, etwa am Telefon.",
)
ONLY = "Bestätigt ist nur die Domain {}; was daneben steht, führt irre."
AMBIGUOUS = "Der Brief nennt seinen Absender nicht eindeutig."
NOT_OURS = f"Der Brief trägt eine Adresse von uns, kam aber von außen, und nichts belegt, dass er von uns ist. {ADVICE}"


@pytest.mark.parametrize(
    ("header", "word", "domain", "more"),
    [
        ("From: X <x@evil.example>", "Absender bestätigt", "evil.example", ""),
        ("From: X <x@müller.example>", "Absender bestätigt", "müller.example", ""),
        ('From: "chef@stadt.example" <x@evil.example>', NOT, "", ONLY.format("evil.example")),
        ('From: "Chef <chef@stadt.example>" <x@evil.example>', NOT, "", ONLY.format("evil.example")),
        ("From: <chef@stadt.example> <x@evil.example>", NOT, "", AMBIGUOUS),
        ("From: chef <x@xn--pple-43d.com>", NOT, "", ONLY.format("xn--pple-43d.com")),
        ("From: chef <x@st\u0430dt.example>", NOT, "", ONLY.format("xn--stdt-63d.example")),
        ("From: Chef <chef@stadt.example>", "Gefälscht?", "", NOT_OURS),
        ("From: Chef <chef@amt.stadt.example>", "Gefälscht?", "", NOT_OURS),
        ("From: a@one.example, b@two.example", NOT, "", AMBIGUOUS),
        ("From: a@one.example\r\nFrom: b@two.example", NOT, "", AMBIGUOUS),
        ("From: <@relay.example:x@evil.example>", NOT, "", AMBIGUOUS),
        ("X-Other: y", NOT, "", ""),
    ],
)
def test_the_texts_that_are_shown(header: str, word: str, domain: str, more: str) -> None:
    line = _line(_sender(header)[0])
    assert (line.word, line.domain, line.more) == (word, domain, more)


def test_an_author_who_may_not_be_the_only_one_is_not_confirmed() -> None:
    header = "From: x@evil.example" + "\r\nX-Filler: 1" * LIMITS.fields + "\r\nFrom: chef@stadt.example"
    line = _line(_sender(header, "evil.example")[0])
    assert (line.word, line.more) == (NOT, AMBIGUOUS)


def test_what_the_line_says_of_our_domain_no_notice_says_again() -> None:
    found, notices = _sender("From: Chef <chef@stadt.example>")
    assert (found.standing.by, found.before, notices) == ("own-domain", "", frozenset())
    assert _sender("From: chef@stadt.example, <x@evil.example>")[1] >= {"own-domain", "several-senders"}
    proven, quiet = _sender("From: Chef <chef@stadt.example>", "stadt.example")
    assert (_line(proven).kind, quiet) == (StandingKind.CONFIRMED, frozenset())
