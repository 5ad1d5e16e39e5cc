"""The copy of a letter for a member of the team: the letter's own body below a header of ours.

From says who wrote and to which office, at the office's address; Reply-To is the address that awaits the member's
answer. Who else got the letter is not named: a reply to all goes to the office alone. The body stays octet for octet.

Promises: pure; of the letter's header only the fields that say how to read its body are taken over as they stand.

Source: RFC 5322 §3.6, RFC 3834 §5, RFC 2045 §3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from maild.mail.address import Address
from maild.mail.header_writing import ids_field, mailboxes_field, text_field, token_field

_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE)
_LONGEST_NAME = 100
_OVER = {"de": "{0} über {1}", "en": "{0} via {1}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyHead:
    """What stands above a copy. Ids are without brackets; `author` is how the citizen is called."""

    author: str
    office: str
    language: str
    sender: Address
    reply_to: Address
    to: tuple[str, Address]
    subject: str
    message_id: str
    in_reply_to: str | None
    references: tuple[str, ...]
    date: datetime


def copy_header(head: CopyHead, letter_header: bytes) -> bytes:
    """Write the header of a copy, with the blank line that ends it.

    Args:
        head: what it says.
        letter_header: the octets of the letter's own header.

    Raises:
        AddressError: an address cannot be written so that every relay takes it.
    """
    name = _OVER.get(head.language, _OVER["en"]).format(head.author[:_LONGEST_NAME], head.office[:_LONGEST_NAME])
    fields = [
        token_field("Date", format_datetime(head.date)),
        mailboxes_field("From", [(name, head.sender)]),
        mailboxes_field("Reply-To", [(name, head.reply_to)]),
        mailboxes_field("To", [head.to]),
        text_field("Subject", head.subject),
        ids_field("Message-ID", [head.message_id]),
    ]
    if head.in_reply_to:
        fields.append(ids_field("In-Reply-To", [head.in_reply_to]))
    if head.references:
        fields.append(ids_field("References", head.references))
    fields.append(token_field("Auto-Submitted", "auto-generated"))
    fields.append(token_field("X-Auto-Response-Suppress", "All"))
    return b"".join([*fields, *_about_body(letter_header), b"\r\n"])


def _about_body(header: bytes) -> Iterable[bytes]:
    """Yield the first of each field that says how to read the body; MIME-Version always."""
    seen = set()
    for match in _FIELD.finditer(header.removesuffix(b"\n") + b"\n"):
        name = match[1].lower()
        if name in (b"content-type", b"content-transfer-encoding", b"content-language") and name not in seen:
            seen.add(name)
            yield match[0].replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")
    yield b"MIME-Version: 1.0\r\n"
