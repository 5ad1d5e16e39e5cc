"""The header above a copy: what it says of the letter, and what it keeps to itself."""

from __future__ import annotations

from datetime import UTC, datetime

from maild.mail.address import parse_address
from maild.mail.copying import CopyHead, copy_header
from maild.mail.header import read_header
from maild.mail.message import parse, text
from maild.mail.reading import facts_of

HEAD = CopyHead(
    author="Petra Muster",
    office="Kita-Platzvergabe",
    language="de",
    sender=parse_address("kita@musterstadt.example"),
    reply_to=parse_address("reply+x@musterstadt.example"),
    to=("Kira", parse_address("kira@rathaus.example")),
    subject="Größe\r\nBcc: eve@evil.example",
    message_id="copy.1@musterstadt.example",
    in_reply_to="frage@citizen.example",
    references=("vor@citizen.example", "frage@citizen.example"),
    date=datetime(2026, 11, 22, tzinfo=UTC),
)
LETTER = (
    b"Received: from x\r\nFrom: petra@citizen.example\r\nTo: kita@musterstadt.example\r\nCc: dritte@citizen.example\r\n"
    b"Reply-To: eve@evil.example\r\nReturn-Receipt-To: eve@evil.example\r\n"
    b"Disposition-Notification-To: eve@evil.example\r\n"
    b'Content-Type: multipart/alternative;\r\n\tboundary="b b"\r\nContent-Type: text/html\r\nMIME-Version: 1.0\r\n'
    b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    b"--b b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xa4\r\n--b b--\r\n"
)


def test_a_copy_reads_as_the_letter_and_names_nobody_else() -> None:
    header = read_header(LETTER, 0, len(LETTER), b"\n")
    copy = copy_header(HEAD, LETTER[: header.end]) + LETTER[header.body_start :]
    facts = facts_of(copy)
    assert [(box.name, box.mail) for box in facts.senders] == [
        ("Petra Muster über Kita-Platzvergabe", "kita@musterstadt.example")
    ]
    assert [box.mail for box in facts.reply_to] == ["reply+x@musterstadt.example"]
    assert ([box.mail for box in facts.to], facts.cc) == (["kira@rathaus.example"], ())
    assert facts.references == ("vor@citizen.example", "frage@citizen.example")
    assert facts.auto_submitted
    head = copy.partition(b"\r\n\r\n")[0]
    assert b"evil" not in head.replace(b"Bcc: eve@evil.example", b"")
    assert head.lower().count(b"content-type") == 1
    assert not any(line.lower().startswith(b"bcc") for line in head.split(b"\r\n"))
    message = parse(copy)
    assert message.source_only is None
    assert [text(copy, part) for part in message.root.walk() if part.media_type == "text/plain"] == ["ä"]


def test_a_letter_without_anything_about_its_body_is_copied_as_text() -> None:
    copy = copy_header(HEAD, b"From: x@y.example\r\n") + b"Hallo\r\n"
    assert facts_of(copy).text.strip() == "Hallo"
