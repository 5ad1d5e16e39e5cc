"""O1: names, subjects, file names, addresses and templates' values that want to become header fields or recipients.

Expected: what leaves has the fields that maild writes, each once; its envelope at the next server is exactly what the
page showed; a blind copy is in no octet. Nothing that was typed ends a line, and no line is too long.
"""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

import pytest

from maild.mail.reading import facts_of
from maild.policy.roles import Role
from maild.web.addressing import read_typed, typed
from tests.delivery.post import THERE, Post
from tests.delivery.sink import Sink
from tests.web.office import RULES, Office, letter, office_in, rules
from tests.web.writer import Form, follow, left, reply

EVIL = "evil@there.example"
VECTORS = (
    f"x\r\nBcc: {EVIL}",
    f"x\nBcc: {EVIL}",
    f"x\rBcc: {EVIL}",
    f"x\r\n\r\nBcc: {EVIL}",
    f"x\r\n Bcc: {EVIL}\r\nBcc: {EVIL}",
    f"x\x00\r\nCc: {EVIL}",
    f"x\x0bBcc: {EVIL}",
    f"x\x0cBcc: {EVIL}",
    f"x\x1c\x1d\x1eBcc: {EVIL}",
    f"x\x85Bcc: {EVIL}",
    f"x\u2028Bcc: {EVIL}\u2029",
    f"%0d%0aBcc: {EVIL}",
    f"=?utf-8?Q?x=0D=0ABcc:_{EVIL}?=",
    "=?utf-8?B?eA0KQmNjOiBldmlsQHRoZXJlLmV4YW1wbGU=?=",
    f"=?utf-8?Q?=22_<{EVIL}>,_=22?=",
    f'x" <{EVIL}>, "y',
    f'x\\" <{EVIL}>, \\',
    f"x <{EVIL}>",
    f"x, {EVIL};",
    f"(x) {EVIL}, :;",
    "ü" * 10_000,
    "x" * 10_000,
    ("x" * 70 + " ") * 140,
    "\u202e" + "\ufeff" + "x\u0000",
    "\r\n.\r\nMAIL FROM:<evil@there.example>\r\n",
)  # fmt: skip
FIELDS = {
    "date", "from", "to", "cc", "subject", "message-id", "in-reply-to", "references", "mime-version", "content-type",
    "content-transfer-encoding",
}  # fmt: skip
PLACES = 8  # of each vector: three names, the subject, the text, a file's name, the citizen's name, an address


async def _sent_on(office: Office) -> dict[bytes, list[str]]:
    """Have everything that waits taken to a server; return the recipients that it was told, by the octets."""
    async with Sink() as sink:
        post = Post(office.database, port=sink.port)
        post.now_ms = office.clock.ms + 60_000
        await post.turn()
        return {mail.octets: mail.recipients for mail in sink.mails}


def _write(office: Office, vector: str, number: int) -> list[str]:
    """Write a letter with a vector in every place; return the recipients that the page showed before it left."""
    name = re.sub(r"[\r\n\0]", " ", vector)[:400]
    name = name if name.isascii() and "=?" not in name else "Name"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    asked = office.mail(
        letter(f"Frage {number}", sender=f'"{quoted}" <petra{number}@there.example>', key=f"k{number}@x")
    )
    with office.client("petra") as client:
        form = reply(office, client, asked)
        files = [("file", (vector.replace("\0", "")[:300] or "x", b"octets", "text/plain"))]
        fields = {
            "to": f"{_phrase(vector)} <to{number}@there.example>",
            "cc": f"{_phrase(vector)} <cc{number}@there.example>",
            "bcc": f"{_phrase(vector)} <bcc{number}@there.example>",
            "subject": vector[:2_000],  # longer ones are refused
            "text": f"Ihr Brief\n{vector}",
            **({"markup": "1"} if number % 2 else {}),  # half of them with formatting
        }
        follow(client, form.press(client, "template", template="gruss", files=files, **fields))
        form = Form.of(client.get(f"/drafts/{form.fields['draft']}"))
        shown = [str(a) for field in ("to", "cc", "bcc") for _, a in read_typed(form.fields[field]).parties]
        follow(client, form.press(client, "send"))
    return shown


def _phrase(vector: str) -> str:
    """Return the vector as the name of a mailbox: line ends and all, in an encoded word, which the page decodes.

    Without its @: a name that looks like an address is refused (below).
    """
    return f"=?utf-8?B?{b64encode(vector.replace('@', ' at ').encode()).decode()}?="


async def test_what_is_typed_becomes_no_field_and_no_recipient(tmp_path: Path) -> None:
    assert len(VECTORS) * PLACES == 200
    with office_in(tmp_path / "office") as office:
        office.user("petra", (Role.RESPONDER, "kita"))
        office.book.current = rules(RULES + 'templates: {gruss: {text: "Guten Tag {sender.name},"}}\n')
        shown = [_write(office, vector, number) for number, vector in enumerate(VECTORS)]
        sent = left(office)
        assert sum(b"multipart/alternative" in each.octets for each in sent) == len(VECTORS) // 2
        taken = await _sent_on(office)
    assert len(taken) == len(sent) == len(VECTORS)
    for octets, recipients in taken.items():
        _check(octets)
        assert sorted(recipients) in [sorted(each) for each in shown]
        (number,) = {re.sub(r"\D", "", recipient) for recipient in recipients}
        assert sorted(recipients) == [f"{field}{number}@there.example" for field in ("bcc", "cc", "to")]


def _check(octets: bytes) -> None:
    head, _, body = octets.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0].decode().lower() for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    # What connects to the next server may add its trace; all else is ours, and there once.
    own = [name for name in names if name != "received"]
    assert set(own) <= FIELDS
    assert len(own) == len(set(own))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", octets)
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert head.isascii()
    assert not re.search(rb"bcc\d+@there", octets)
    facts = facts_of(octets)
    for mailbox in (*facts.senders, *facts.to, *facts.cc):
        assert re.fullmatch(r"(?:to|cc)\d+@there\.example|kita\.platzvergabe@musterstadt\.example", mailbox.mail)
    assert len(facts.attachments) == 1
    assert body


ADDRESSES = (
    f"a@there.example\r\nBcc: {EVIL}", f"<a@there.example>\nRCPT TO:<{EVIL}>", f"a@there.example> RCPT TO:<{EVIL}",
    f"a@there.example\0{EVIL}", '"a\r\nb"@there.example', "a@there.example\u2028", "a@[127.0.0.1]\r\n",
    "ü@there.example", "a@there.example/evil", f"@evil.example:{EVIL}", "=?utf-8?Q?a=40there.example?=",
    "postmaster", "<>", "a@@there.example", "a@there.example.", "x" * 65 + "@there.example", "a@" + "x." * 130 + "de",
    "undisclosed-recipients:;", f"Gruppe: a@there.example, {EVIL};",
)  # fmt: skip


@pytest.mark.parametrize("text", ADDRESSES, ids=range(len(ADDRESSES)))
def test_an_address_is_read_as_it_is_shown_or_not_at_all(text: str) -> None:
    read = read_typed(text)
    for _, address in read.parties:
        assert str(address) in text.replace("\r", " ").replace("\n", " ") or str(address).lower() in text.lower()
        assert str(address).isprintable()
        assert str(address).isascii()
        assert not set(str(address)) & set("<>,;\r\n\0")
    # Written down and read again it is the same.
    assert read_typed(typed(read.parties)).parties == read.parties
    assert THERE in text or not read.parties or "127" in text or "x." in text


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_a_quoted_name_brings_no_recipient_that_is_not_shown(vector: str) -> None:
    escaped = vector.replace("\\", "\\\\").replace('"', '\\"')
    read = read_typed(f'"{escaped}" <to@there.example>')
    assert read.wrong or [str(address) for _, address in read.parties] == ["to@there.example"]
    assert all("@" not in name and name.isprintable() for name, _ in read.parties)
    assert read_typed(typed(read.parties)).parties == read.parties


def test_the_check_sees_a_field_that_was_put_in() -> None:
    octets = b"From: kita.platzvergabe@musterstadt.example\r\nBcc: evil@there.example\r\n\r\nx\r\n"
    with pytest.raises(AssertionError):
        _check(octets)
