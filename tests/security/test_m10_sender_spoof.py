"""M10: who a letter is from is shown as it is, whatever the name before the address says."""

from __future__ import annotations

import base64
import unicodedata
from dataclasses import dataclass

import pytest

from maild.web.letter import open_letter
from maild.web.letter_view import LetterView


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A forged header; the address that is true, as shown, and the warnings that must be there."""

    header: str | bytes
    shown: tuple[str, ...]
    codes: frozenset[str] = frozenset()


def _b64(text: str, charset: str = "utf-8") -> str:
    return f"=?{charset}?B?{base64.b64encode(text.encode()).decode()}?="


def _case(header: str | bytes, shown: str, *codes: str) -> Case:
    return Case(header=header, shown=tuple(shown.split()), codes=frozenset(codes))


EVIL = "x@evil.example"
NAMED = "name-contains-address"
CONTROL = "name-contains-control"
CASES = [
    # A name that is an address.
    _case('From: "chef@stadt.example" <x@evil.example>', EVIL, NAMED),
    _case("From: chef@stadt.example <x@evil.example>", EVIL, NAMED),
    _case('From: "Chef <chef@stadt.example>" <x@evil.example>', EVIL, NAMED),
    _case('From: "chef@stadt.example via Portal" <x@evil.example>', EVIL, NAMED),
    _case(f"From: {_b64('chef@stadt.example')} <x@evil.example>", EVIL, NAMED),
    _case("From: =?utf-8?Q?chef=40stadt.example?= <x@evil.example>", EVIL, NAMED),
    _case(f"From: {_b64('Chef <chef@stadt.example>')} <x@evil.example>", EVIL, NAMED),
    _case(f"From: {_b64('chef' + chr(0xFF20) + 'stadt.example')} <x@evil.example>", EVIL, NAMED),
    _case(f"From: {_b64('chef' + chr(0xFE6B) + 'stadt.example')} <x@evil.example>", EVIL, NAMED),
    _case('From: "x@evil.example" <x@evil.example>', EVIL),
    _case('From: "X@EVIL.example" <x@evil.example>', EVIL),
    _case("From: Chef (chef@stadt.example) <x@evil.example>", EVIL),
    _case('From: "chef@stadt.example"\r\n <x@evil.example>', EVIL, NAMED),
    _case('From: "chef@stadt.example" <"x y"@evil.example>', "", NAMED),
    _case(f'From: "chef@stadt.example{" " * 200}" <x@evil.example>', EVIL, NAMED),
    # An encoded control: NUL and line ends that cut what other programs show.
    _case("From: =?utf-8?Q?chef=40stadt.example=00?= <x@evil.example>", EVIL, NAMED, CONTROL),
    _case("From: =?utf-8?Q?chef=40stadt.example=0A?= <x@evil.example>", EVIL, NAMED, CONTROL),
    _case("From: =?utf-8?Q?chef=0D=0AFrom:_b?= <x@evil.example>", EVIL, CONTROL),
    _case(f"From: {_b64(chr(0))} <x@evil.example>", EVIL, CONTROL),
    _case(f"From: {_b64('chef@stadt.example' + chr(10))} <x@evil.example>", EVIL, NAMED, CONTROL),
    _case(f"From: {_b64('chef@stadt.example' + chr(0) + chr(10))}@evil.example", "", CONTROL),
    _case("From: =?utf-8?Q?=1B[31mchef?= <x@evil.example>", EVIL, CONTROL),
    _case("From: =?utf-8?q?chef=7F?= <x@evil.example>", EVIL, CONTROL),
    _case(f"From: {_b64('chef' + chr(9) + 'x')} <x@evil.example>", EVIL, CONTROL),
    _case(b"From: chef\x00 <x@evil.example>", EVIL),
    # Marks of direction, and characters that nobody sees.
    _case(f"From: {_b64(chr(0x202E) + 'fehc')} <x@evil.example>", EVIL, "hidden-direction"),
    _case(f"From: {_b64(chr(0x2066) + 'chef' + chr(0x2069))} <x@evil.example>", EVIL, "hidden-direction"),
    _case(f"From: {_b64(chr(0x202D) + 'chef')} <x@evil.example>", EVIL, "hidden-direction"),
    _case("From: \u202echef <x@evil.example>", EVIL, "hidden-direction"),
    _case("From: chef <x\u202e@evil.example>", EVIL, "hidden-direction"),
    _case(f"From: {_b64('chef' + chr(0x200B))} <x@evil.example>", EVIL),
    _case("From: chef <x\u200b@evil.example>", EVIL, CONTROL),
    _case("From: chef <x@evil\u200b.example>", EVIL, CONTROL, "lookalike-domain"),
    # Domains that look like others.
    _case("From: chef <x@\u0430pple.com>", "x@xn--pple-43d.com", "lookalike-domain"),
    _case("From: chef <x@xn--pple-43d.com>", "x@xn--pple-43d.com", "lookalike-domain"),
    _case("From: chef <x@\u0430\u0440\u0440\u04cf\u0435.com>", "x@xn--80ak6aa92e.com", "lookalike-domain"),
    _case("From: chef <x@xn--80ak6aa92e.com>", "x@xn--80ak6aa92e.com", "lookalike-domain"),
    _case("From: chef <x@st\u0430dt.example>", "x@xn--stdt-63d.example", "lookalike-domain"),
    _case("From: chef <x@sta\u0501t.example>", "x@xn--stat-2ye.example", "lookalike-domain"),
    _case("From: chef <x@\u03bfffice.example>", "x@xn--ffice-qce.example", "lookalike-domain"),
    _case("From: chef <x@goog\u0131e.com>", "x@xn--googe-q4a.com", "lookalike-domain"),
    _case("From: chef <x@sub.\u0430pple.com>", "x@sub.xn--pple-43d.com", "lookalike-domain"),
    _case("From: chef <x@müller.example>", "x@müller.example"),
    _case("From: chef <x@xn--mller-kva.example>", "x@müller.example"),
    _case("From: chef <x@президент.рф>", "x@президент.рф"),
    # Several senders, none, and lists that other programs read differently.
    _case("From: a@one.example, b@two.example", "a@one.example b@two.example", "several-senders"),
    _case("From: a@one.example\r\nFrom: b@two.example", "a@one.example b@two.example", "several-senders"),
    _case(
        "From: chef@stadt.example, <x@evil.example>",
        "chef@stadt.example x@evil.example",
        "several-senders",
        "own-domain",
    ),
    _case("From: Team: a@one.example, b@two.example;", "a@one.example b@two.example", "several-senders"),
    _case("X-Other: y", "", "no-sender"),
    _case("From:", "", "no-sender"),
    _case("From: chef", "", "no-sender"),
    _case("From: <>", "", "no-sender"),
    _case("From : x@evil.example", EVIL),
    _case("FROM: x@evil.example", EVIL),
    _case("From: <chef@stadt.example> <x@evil.example>", "", NAMED),
    _case("From: <@relay.example:x@evil.example>", EVIL),
    # Sender and Reply-To that lead elsewhere.
    _case("From: a@one.example\r\nReply-To: x@evil.example", "a@one.example", "reply-to-differs"),
    _case("From: a@one.example\r\nReply-To: A@one.example", "a@one.example"),
    _case("From: a@one.example\r\nReply-To: a@one.example, x@evil.example", "a@one.example", "reply-to-differs"),
    _case("From: a@one.example\r\nSender: x@evil.example", "a@one.example", "sender-differs"),
    _case("From: a@one.example\r\nSender: a@one.example", "a@one.example"),
    _case(
        f"From: a@one.example\r\nReply-To: {_b64('a@one.example')} <x@evil.example>",
        "a@one.example",
        "reply-to-differs",
        NAMED,
    ),
    _case(
        "From: a@one.example\r\nReply-To: x@\u0430ne.example", "a@one.example", "reply-to-differs", "lookalike-domain"
    ),
    # Our own domain, from outside.
    _case("From: Chef <chef@stadt.example>", "chef@stadt.example", "own-domain"),
    _case("From: Chef <chef@STADT.example.>", "", "own-domain"),
    _case("From: Chef <chef@sub.stadt.example>", "chef@sub.stadt.example"),
    _case("From: Chef <chef@stadt.example.evil.example>", "chef@stadt.example.evil.example"),
]


def _open(header: str | bytes) -> LetterView:
    octets = header.encode() if isinstance(header, str) else header
    return open_letter(octets + b"\r\nSubject: x\r\n\r\nhello\r\n", our_domains={"stadt.example"})


def test_there_are_sixty_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda c: ascii(c.header)[:60])
def test_the_true_address_is_shown_and_the_trick_is_named(case: Case) -> None:
    view = _open(case.header)
    if case.shown:
        assert tuple(p.shown for p in view.header.senders) == case.shown
    assert {n.code for n in view.notices} == case.codes, view.notices


@pytest.mark.parametrize("case", CASES, ids=lambda c: ascii(c.header)[:60])
def test_nothing_that_is_shown_holds_what_cannot_be_seen(case: Case) -> None:
    view = _open(case.header)
    people = (*view.header.senders, *view.header.reply_to, *view.header.to)
    texts = [t for p in people for t in (p.name, p.mail, p.shown)] + [v for n in view.notices for v in n.values]
    for text in texts:
        assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text), ascii(text)


def test_the_warning_tells_the_name_and_the_address() -> None:
    notice = _open('From: "chef@stadt.example" <x@evil.example>').notices[0]
    assert notice.values == ("chef@stadt.example", "x@evil.example")
    assert notice.grave


def test_mail_of_our_own_raises_no_alarm_about_our_domain() -> None:
    assert open_letter(b"From: chef@stadt.example\r\n\r\nhello\r\n").notices == ()


def test_a_subject_holds_no_mark_of_direction_and_no_control() -> None:
    view = open_letter(
        f"From: a@b.example\r\nSubject: {_b64('a' + chr(0x202E) + 'b' + chr(10) + 'c')}\r\n\r\nx".encode()
    )
    assert view.header.subject in {"ab c", "abc"}
