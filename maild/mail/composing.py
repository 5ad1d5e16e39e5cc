"""Letters as maild writes them: from what a person typed to the octets that leave.

Plain text always, in lines that every relay takes; formatting beside it when there is some; attachments behind.
Promises: CRLF only, no line over 998 octets, nothing of a name or a text becomes a field. Bcc is in the envelope only.

Source: RFC 5322, RFC 2045 §6, RFC 2046 §5, RFC 2183, RFC 3676 is not used.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from quopri import encodestring

from maild.mail.address import Address
from maild.mail.header_writing import ids_field, mailboxes_field, parameters_field, text_field, token_field

_LONGEST_PLAIN = 78
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
_NOT_OURS = ("multipart/", "message/")
_ANY = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An attachment. Its octets come back exactly."""

    name: str
    media_type: str
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """A letter before it is written down. Mailboxes are (display name, address); ids are without brackets.

    `markup` is the text with formatting, as HTML that `maild.mail.markup` has made; "": there is none. `fields` are
    further ones that maild itself says the values of, such as those of `automatic`.
    """

    sender: tuple[str, Address]
    to: tuple[tuple[str, Address], ...]
    cc: tuple[tuple[str, Address], ...] = ()
    subject: str
    text: str
    markup: str = ""
    files: tuple[File, ...] = ()
    message_id: str
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    date: datetime
    language: str = ""
    fields: tuple[tuple[str, str], ...] = ()


def automatic(how: str) -> tuple[tuple[str, str], ...]:
    """Return the fields of a letter that no person wrote, so that no program answers it.

    Args:
        how: auto-replied | auto-generated (RFC 3834 §5).
    """
    return ("Auto-Submitted", how), ("X-Auto-Response-Suppress", "All")


def compose(letter: Composition, boundary: str) -> bytes:
    """Write a letter.

    Args:
        letter: what it says.
        boundary: chance, at least 16 letters or digits; the parts are divided by it.

    Raises:
        AddressError: an address cannot be written so that every relay takes it.
    """
    return b"".join([*_header(letter), *_body(letter, boundary)])


def _header(letter: Composition) -> Iterator[bytes]:
    yield token_field("Date", format_datetime(letter.date))
    yield mailboxes_field("From", [letter.sender])
    if letter.to:
        yield mailboxes_field("To", letter.to)
    elif not letter.cc:
        yield b"To: undisclosed-recipients:;\r\n"  # RFC 5322 §3.6.3 asks for no recipient; some relays do
    if letter.cc:
        yield mailboxes_field("Cc", letter.cc)
    yield text_field("Subject", letter.subject)
    yield ids_field("Message-ID", [letter.message_id])
    if letter.in_reply_to:
        yield ids_field("In-Reply-To", [letter.in_reply_to])
    if letter.references:
        yield ids_field("References", letter.references)
    if letter.language:
        yield token_field("Content-Language", letter.language)
    for name, value in letter.fields:
        yield token_field(name, value)
    yield b"MIME-Version: 1.0\r\n"


def _body(letter: Composition, boundary: str) -> Iterator[bytes]:
    text = list(_text_part("text/plain", letter.text))
    if letter.markup:
        alternatives = [text, list(_text_part("text/html", letter.markup))]
        text = list(_multipart("alternative", f"a-{boundary}", alternatives))
    if letter.files:
        yield from _multipart("mixed", f"m-{boundary}", [text, *(list(_file_part(file)) for file in letter.files)])
    else:
        yield from text


def _multipart(kind: str, boundary: str, parts: Sequence[Iterable[bytes]]) -> Iterator[bytes]:
    yield parameters_field("Content-Type", f"multipart/{kind}", [("boundary", boundary)])
    yield b"\r\n"
    delimiter = f"--{boundary}".encode("ascii")
    for part in parts:
        yield b"%b\r\n" % delimiter
        yield from part
    yield b"%b--\r\n" % delimiter


def _text_part(media_type: str, text: str) -> Iterator[bytes]:
    lines = _lines(text)
    octets = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n"
    yield parameters_field("Content-Type", media_type, [("charset", "utf-8")])
    if octets.isascii() and b"\x00" not in octets and all(len(line) <= _LONGEST_PLAIN for line in lines):
        yield b"Content-Transfer-Encoding: 7bit\r\n\r\n"
        yield octets
        return
    yield b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    # Line by line: `quopri` ends lines with a line feed alone.
    for line in lines:
        coded = encodestring(line.encode("utf-8", "replace"), quotetabs=False)
        yield coded.replace(b"\n", b"\r\n") + b"\r\n"


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def _file_part(file: File) -> Iterator[bytes]:
    media_type = file.media_type.lower()
    if not _TYPE.fullmatch(media_type) or media_type.startswith(_NOT_OURS):
        # RFC 2046 §5.2.1: a message may not be in base64. Its octets matter more than that it opens by a click.
        media_type = _ANY
    yield parameters_field("Content-Type", media_type, [("name", file.name)] if file.name else [])
    yield parameters_field("Content-Disposition", "attachment", [("filename", file.name)] if file.name else [])
    yield b"Content-Transfer-Encoding: base64\r\n\r\n"
    yield encodebytes(file.octets).replace(b"\n", b"\r\n") or b"\r\n"
