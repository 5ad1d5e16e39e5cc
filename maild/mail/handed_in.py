"""A letter that a mail program hands in, made ready to leave: what tells of its author's machine goes, the rest stays.

Works on a header whose lines are all fields and end in CRLF; who calls has seen to that. Promises: pure; the body and
every field that is not named here leave octet for octet.

Source: RFC 6409 §8 (what a submission server may change), RFC 5322 §3.6.3 (Bcc).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import format_datetime

from maild.errors import AddressError
from maild.mail.address import Address, parse_address
from maild.mail.header import LIMITS, read_header
from maild.mail.header_writing import ids_field, token_field
from maild.mail.mailboxes import parse_mailboxes

_LINE = re.compile(rb"([^\r\n:]*+):?[^\r\n]*+\r\n")
# Who really wrote, whom nobody shall see, and what only servers write.
_NEVER = frozenset({b"bcc", b"resent-bcc", b"sender", b"return-path", b"delivered-to", b"authentication-results"})
_OURS = (b"maild-",)
_CLIENT = frozenset(
    {
        b"received", b"user-agent", b"x-mailer", b"x-originating-ip", b"x-originating-email", b"x-sender", b"x-mimeole",
        b"x-originalarrivaltime", b"x-newsreader", b"x-identity-key", b"x-account-key", b"fcc", b"thread-topic",
        b"thread-index", b"x-clientproxiedby", b"x-source", b"x-source-ip", b"x-authenticated-sender", b"x-auth-id",
    }
)  # fmt: skip
_CLIENT_BEGIN = (b"x-ms-", b"x-mozilla-", b"x-microsoft-", b"x-apple-", b"x-envelope-")


def tidied(
    content: bytes, *, is_ours: Callable[[Address], bool], strip_client: bool, message_id: str, date: datetime
) -> bytes:
    """Return the letter as it leaves.

    Args:
        content: as it was handed in.
        is_ours: tells the addresses that answers may come to: a Reply-To with any other goes.
        strip_client: whether fields go that tell of the author's machine.
        message_id: for a letter that has none.
        date: for a letter that has none.
    """
    end = content.find(b"\r\n\r\n") + 2
    head, rest = (content[:end], content[end:]) if end > 1 else (content, b"\r\n")
    kept, names = [], set()
    for name, field in _fields(head):
        if not _goes(name, strip_client=strip_client) and (name != b"reply-to" or _stays(field, is_ours)):
            kept.append(field)
            names.add(name)
    if b"date" not in names:
        kept.append(token_field("Date", format_datetime(date)))
    if b"message-id" not in names:
        kept.append(ids_field("Message-ID", [message_id]))
    return b"".join([*kept, rest])


def _fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each field, its name in lower case before it. Security: one pattern for many lines keeps a note of each."""
    name, start, end = b"", 0, 0
    for line in _LINE.finditer(head):
        if start == end or line.start() != end or head[end : end + 1] not in (b" ", b"\t"):
            if start != end:
                yield name, head[start:end]
            name, start = line[1].strip().lower(), line.start()
        end = line.end()
    if start != end:
        yield name, head[start:end]


def _goes(name: bytes, *, strip_client: bool) -> bool:
    if not name.isascii() or name in _NEVER or name.startswith(_OURS):
        return True
    return strip_client and (name in _CLIENT or name.startswith(_CLIENT_BEGIN))


def _stays(field: bytes, is_ours: Callable[[Address], bool]) -> bool:
    header = read_header(field, 0, len(field), b"\n")
    mailboxes, over = parse_mailboxes(header.fields[0].raw, LIMITS.addresses) if header.fields else ((), True)
    try:
        return bool(mailboxes) and not over and all(is_ours(parse_address(each.mail)) for each in mailboxes)
    except AddressError:
        return False
