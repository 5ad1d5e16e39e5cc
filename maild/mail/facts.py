"""What routing, filing and the index need to know of a message: a small value that leaves the worker process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from maild.mail.dsn import Report
from maild.mail.header import Field


class Automatic(IntEnum):
    """Who wrote a message, as its header says (RFC 3834 §2, RFC 3464, RFC 2919)."""

    PERSON = 0
    AUTOMATIC = 1
    REPORT = 2
    LIST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """One address of a header field. `mail` is `local@domain` as decoded, "" when it cannot be read."""

    name: str
    mail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An attachment as a list shows it. `part` is its place in the part tree: "2.1" (IMAP numbering)."""

    part: str
    name: str
    media_type: str
    size_bytes: int  # decoded, or an estimate that is exact for base64 and 8-bit


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The reading of one message. Every text is valid Unicode without NUL and lone surrogates; of a field, its value.

    A message that could not be read has `source_only` set to the limit it broke (`depth`, `parts`, `fields`,
    `header`, `addresses`, `parameters`, `cpu`, `memory`, `crash`), and what could be read all the same.
    """

    subject: str = ""
    senders: tuple[Mailbox, ...] = ()  # From, in order
    reply_to: tuple[Mailbox, ...] = ()
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    date_ms: int | None = None
    message_key: str | None = None  # Message-ID without its brackets
    references: tuple[str, ...] = ()  # References and In-Reply-To, oldest first, no doubles, at most 30
    automatic: Automatic = Automatic.PERSON
    auto_submitted: bool = False  # RFC 3834 §5 and the older marks: Precedence, X-Auto-Response-Suppress
    account_mail: bool = False  # it looks as if it handed over an account elsewhere (`maild.mail.account_mail`)
    list_id: str | None = None
    report: Report | None = None  # what a delivery report says, where it could be read
    attachments: tuple[Attachment, ...] = ()
    text: str = ""  # the body as plain text, at most 1,000,000 characters
    excerpt: str = ""  # at most 160 characters of what the person wrote, without quotes
    fields: tuple[Field, ...] = ()  # of the header, in order
    size_bytes: int = 0
    source_only: str | None = None
