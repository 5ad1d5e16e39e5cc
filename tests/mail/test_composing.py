from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.address import parse_address
from maild.mail.composing import Composition, File, compose
from maild.mail.message import decoded, parse
from maild.mail.reading import facts_of

CITIZEN = ("Petra Müller", parse_address("petra@buerger.example"))
LETTER = Composition(
    sender=("Kita-Platzvergabe, Stadt Musterstadt", parse_address("kita.platzvergabe@musterstadt.example")),
    to=(CITIZEN,),
    subject="Re: Frage zum Kitaplatz [7K3F-9Q2A]",
    text="Guten Tag,\n\nder Bescheid kommt im Mai.\n",
    message_id="7k3f9q2a.1@musterstadt.example",
    in_reply_to="frage@buerger.example",
    references=("aelter@buerger.example", "frage@buerger.example"),
    date=datetime(2026, 5, 31, 8, 30, tzinfo=UTC),
)
BOUNDARY = "7K3F9Q2A7K3F9Q2A7K3F"


def wire(letter: Composition) -> bytes:
    """Return the octets, after a look at what every relay demands."""
    octets = compose(letter, BOUNDARY)
    assert octets.endswith(b"\r\n")
    lines = octets.split(b"\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert not any(b"\r" in line or b"\n" in line or b"\x00" in line for line in lines)
    assert octets.isascii()
    return octets


def test_a_letter_reads_as_it_was_written() -> None:
    facts = facts_of(wire(LETTER))
    assert facts.subject == LETTER.subject
    assert [(m.name, m.mail) for m in facts.to] == [("Petra Müller", "petra@buerger.example")]
    assert [(m.name, m.mail) for m in facts.senders] == [
        ("Kita-Platzvergabe, Stadt Musterstadt", "kita.platzvergabe@musterstadt.example")
    ]
    assert facts.message_key == LETTER.message_id
    assert facts.references == LETTER.references
    assert facts.date_ms == 1_780_216_200_000
    assert facts.text.strip() == LETTER.text.strip()


def test_a_plain_letter_stays_plain() -> None:
    assert b"Content-Transfer-Encoding: 7bit\r\n\r\nGuten Tag,\r\n\r\nder Bescheid" in wire(LETTER)


@given(st.text(max_size=400))
def test_any_text_arrives(text: str) -> None:
    letter = replace(LETTER, text=text)
    found = facts_of(wire(letter)).text
    cleaned = "".join(c for c in text.replace("\r\n", "\n").replace("\r", "\n") if not 0xD800 <= ord(c) < 0xE000)
    assert found.split() == cleaned.replace("\x00", "\ufffd").split() or "\x00" in text or len(cleaned) != len(text)


@given(st.lists(st.tuples(st.text(max_size=60), st.binary(max_size=300)), min_size=1, max_size=4))
def test_attachments_come_back_octet_for_octet(files: list[tuple[str, bytes]]) -> None:
    attached = tuple(File(name=name, media_type="application/pdf", octets=octets) for name, octets in files)
    written = wire(replace(LETTER, files=attached))
    parts = [part for part in parse(written).root.walk() if part.media_type == "application/pdf"]
    assert [decoded(written, part) for part in parts] == [octets for _, octets in files]


@pytest.mark.parametrize("media_type", ["message/rfc822", "multipart/mixed", "x", "a/b\r\nBcc: c@d", ""])
def test_an_attachment_of_an_odd_type_is_octets(media_type: str) -> None:
    file = File(name="brief.eml", media_type=media_type, octets=b"Subject: x\n\ny")
    octets = wire(replace(LETTER, files=(file,)))
    assert b"application/octet-stream" in octets
    assert [a.name for a in facts_of(octets).attachments] == ["brief.eml"]


def test_formatting_stands_beside_the_text() -> None:
    octets = wire(replace(LETTER, markup="<p>Guten Tag</p>", files=(File(name="a", media_type="a/b", octets=b"x"),)))
    assert octets.index(b"multipart/mixed") < octets.index(b"multipart/alternative") < octets.index(b"text/plain")
    assert octets.index(b"text/plain") < octets.index(b"text/html") < octets.index(b"Content-Disposition")


def test_hidden_recipients_are_in_no_octet() -> None:
    assert b"undisclosed-recipients" in wire(replace(LETTER, to=()))
