"""T2: a reply address got into other hands; who has it pretends to be staff. And it must not get there through us.

Expected: without proof that the mailbox of the copy wrote, nothing goes out and nobody is told anything; it is held for
somebody to look at in the browser. Whatever the member quotes, no octet of the address goes to the citizen, nor of an
internal note (A6), and no field of a header is made (O1).
"""

from __future__ import annotations

import quopri
from base64 import b64encode

import pytest

from maild.archive.database import Database
from maild.archive.notes import NewNote, add_notes
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf
from maild.mail.reading import facts_of
from maild.policy.roles import Role
from tests.intake.copying import CITIZEN, KITA, MEMBER, Exchange, proven, written


@pytest.fixture
def exchange(sqlite_database: Database) -> Exchange:
    return Exchange(sqlite_database)


NO_PROOF = {
    "nothing": Evidence(checked_ms=1),
    "forged": Evidence(checked_ms=1, dmarc=Dmarc(result="fail", domain="rathaus.example", policy="reject")),
    "only vouched for": Evidence(
        checked_ms=1, arc=Arc(result="pass", trusted=True, sealers=("liste.example",)),
        dmarc=Dmarc(result="fail", domain="rathaus.example")),
    "proof of another domain": proven("evil.example"),
    "spf of another domain": Evidence(checked_ms=1, spf=Spf(result="pass", domain="evil.example")),
    "spf that lets everybody pass": Evidence(
        checked_ms=1, spf=Spf(result="pass", domain="rathaus.example", everybody=True)),
    "dkim of a neighbour": Evidence(checked_ms=1, dkim=(Dkim(result="pass", domain="x.rathaus.example"),)),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_PROOF)
async def test_who_is_not_proven_writes_to_nobody(exchange: Exchange, case: str) -> None:
    address = exchange.address(await exchange.letter())
    await exchange.answer(address, written("Kommen Sie nachts", to=address), evidence=NO_PROOF[case])
    assert exchange.sent == []
    assert exchange.drafts() == [("kira", "unproven")]


AUTHORS = {
    "another of the same domain": ("jonas@rathaus.example", proven()),
    "two authors": (f"{MEMBER}, eve@evil.example", proven()),
    "a name that looks like it": (f'"{MEMBER}" <eve@evil.example>', proven("evil.example")),
    "the citizen": (CITIZEN, proven("citizen.example")),
    "the office": (KITA, proven("musterstadt.example")),
}


@pytest.mark.parametrize("case", AUTHORS)
async def test_another_sender_than_the_member_is_refused(exchange: Exchange, case: str) -> None:
    author, evidence = AUTHORS[case]
    address = exchange.address(await exchange.letter())
    octets = written("Kommen Sie nachts", to=address).replace(f"Kira <{MEMBER}>".encode(), author.encode())
    await exchange.answer(address, octets, evidence=evidence, sender="eve@evil.example")
    assert exchange.sent == []
    assert exchange.drafts() == [("kira", "sender")]


async def test_the_address_of_another_member_is_refused(exchange: Exchange) -> None:
    exchange.person("lena", "lena@rathaus.example", Role.RESPONDER)
    exchange.choose("lena", on=True)
    address = exchange.address(await exchange.letter())
    await exchange.answer(address, written("Von Lena", author="lena@rathaus.example", to=address))
    assert exchange.sent == []
    assert exchange.drafts() == [("kira", "sender")]


async def test_an_address_of_a_letter_that_was_never_copied_is_refused(exchange: Exchange) -> None:
    letter = await exchange.letter()
    address = exchange.address(letter, user_id=exchange.jonas)
    filed = await exchange.answer(address, written("Ja", to=address))
    assert exchange.sent == []
    assert exchange.lies(filed.message_id) == ["poststelle"]  # a letter as any other, where the rules put it


REPLAYED = {
    "in no field": "To: Oma <oma@familie.example>\r\n",
    "in a field that nobody signed": "Cc: {0}\r\nTo: Oma <oma@familie.example>\r\n",
    "in a second To": "To: {0}\r\nTo: Oma <oma@familie.example>\r\n",
    "as another case's": "To: {1}\r\n",
}


@pytest.mark.parametrize("case", REPLAYED)
async def test_a_signed_mail_that_the_member_wrote_to_somebody_else_is_no_answer(exchange: Exchange, case: str) -> None:
    letter = await exchange.letter()
    address, other = exchange.address(letter), exchange.address(letter, user_id=exchange.jonas)
    fields = REPLAYED[case].format(address, other)
    octets = written("Ja, gern, komm vorbei!", to="-").replace(b"To: -\r\n", fields.encode())
    await exchange.answer(address, octets, sender="eve@evil.example")
    assert exchange.sent == []
    assert exchange.drafts() == [("kira", "unproven")]


def _quotations(token: str) -> dict[str, tuple[bytes, ...]]:
    """Return letters that hold the address: how a mail program, or a person, might put it there."""
    local = token.partition("@")[0]
    html = f"<p>Ja.</p><p>{token}</p><div>Am 3.11.2026 schrieb x &lt;{token}&gt;:</div><blockquote>{token}</blockquote>"
    soft = quopri.encodestring(f"Ja. Schreiben Sie an {token} bitte, und zwar bald.\r\n".encode()).replace(
        b"\n", b"\r\n"
    )
    fields = b"Content-Type: text/plain; charset=utf-8\r\n"
    return {
        "in the text": (fields + b"\r\n", f"Ja. <{token}>".encode()),
        "as a link": (fields + b"\r\n", f"Ja. mailto:{token.replace('+', '%2B')}".encode()),
        "in capitals": (fields + b"\r\n", f"Ja. {token.upper()}".encode()),
        "broken in two": (fields + b"\r\n", f"Ja. {token[:30]}\r\n{token[30:]}".encode()),
        "without the prefix": (fields + b"\r\n", f"Ja. {local.partition('+')[2]}".encode()),
        "quoted": (
            fields + b"\r\n",
            f"Ja.\r\n> {token}\r\n\r\nVon: x <{token}>\r\nGesendet: y\r\nAn: z\r\n{token}".encode(),
        ),
        "soft line breaks": (fields + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", soft),
        "base64": (fields + b"Content-Transfer-Encoding: base64\r\n\r\n", b64encode(f"Ja. {token}".encode())),
        "html": (b"Content-Type: text/html; charset=utf-8\r\n\r\n", html.encode()),
        "zero-width": (fields + b"\r\n", f"Ja. {token[:20]}\u200b{token[20:]}".encode()),
    }


@pytest.mark.parametrize("case", list(_quotations("x@y")))
async def test_no_octet_of_the_address_goes_to_the_citizen(exchange: Exchange, case: str) -> None:
    letter = await exchange.letter()
    note = NewNote(conversation_id=letter, team="kita", author="jonas", at_ms=1, text="Kanarienvogel")
    exchange.database.writer.submit(add_notes, note).result()
    address = exchange.address(letter)
    fields, body = _quotations(str(address))[case]
    head = f"From: Kira <{MEMBER}>\r\nTo: {address}\r\nReply-To: {address}\r\nCc: Bcc <{address}>\r\n"
    head += f"Subject: AW {address}\r\nReferences: <{address}>\r\nMessage-ID: <{address}>\r\nX-Loop: {address}\r\n"
    await exchange.answer(address, head.encode() + b"MIME-Version: 1.0\r\n" + fields + body + b"\r\n")
    (sent,) = exchange.to_citizens()
    assert [str(each) for each in sent.recipients] == [CITIZEN]
    facts = facts_of(sent.content)
    assert facts.text.startswith("Ja.")
    text = "".join(facts.text.split()).replace("\u200b", "").lower()
    said, _, mac = address.local.partition(".")[2].partition(".")
    for octets in (sent.content.lower(), text.encode()):
        for secret in (said, mac, mac[:13], mac[13:], MEMBER, "kanarienvogel"):
            assert secret.encode() not in octets, secret


@pytest.mark.parametrize("kind", ["text", "letter", "utf-16"])
async def test_a_file_that_holds_the_address_is_kept_back(exchange: Exchange, kind: str) -> None:
    address = exchange.address(await exchange.letter())
    token = str(address)
    octets, media_type = {
        "text": (f"Notiz {token}".encode(), "text/csv"),
        "letter": (b"From: a@b.example\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                   + b64encode(token.encode()) + b"\r\n", "message/rfc822"),
        "utf-16": (token.encode("utf-16"), "application/octet-stream"),
    }[kind]  # fmt: skip
    encoding = "7bit" if kind == "letter" else "base64"
    body = octets if kind == "letter" else b64encode(octets)
    mail = (
        f"From: Kira <{MEMBER}>\r\nTo: {address}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=q\r\n\r\n"
        "--q\r\nContent-Type: text/plain\r\n\r\nJa\r\n--q\r\n"
        f"Content-Type: {media_type}\r\nContent-Disposition: attachment; filename=x\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode()
    await exchange.answer(address, mail + body + b"\r\n--q--\r\n")
    assert exchange.to_citizens() == []
    assert exchange.drafts() == [("kira", "file")]


async def test_nothing_that_a_member_writes_becomes_a_field_or_a_recipient(exchange: Exchange) -> None:
    address = exchange.address(await exchange.letter())
    octets = written("Bcc: eve@evil.example\r\n\r\nJa", "Bcc: eve@evil.example",
                     "Cc: =?utf-8?q?x=0D=0ABcc:eve=40evil.example?=",
                     "X-Maild-To: eve@evil.example", to=address)  # fmt: skip
    await exchange.answer(address, octets)
    (sent,) = exchange.to_citizens()
    assert [str(each) for each in sent.recipients] == [CITIZEN]
    head = sent.content.partition(b"\r\n\r\n")[0].lower()
    assert b"eve@" not in head
    assert b"bcc" not in head
