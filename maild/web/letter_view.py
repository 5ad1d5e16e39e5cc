"""What a page shows of a message: values that leave the worker process. Nothing here imports anything heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a reader should know. The page words it: `code` is a key of translation, `values` fill it.

    About who wrote it: `name-contains-address` (name, true address), `name-contains-control` (name),
    `hidden-direction` (field), `lookalike-domain` (as shown, as written), `reply-to-differs` (addresses),
    `several-senders` (number), `sender-differs` (true sender), `no-sender`, `own-domain` (address).
    About what it holds: `link-lies` (words, where it leads), `html-left-out` (limit), `html-empty`, `text-cut`,
    `source-only` (limit), `not-all-read` (limit), `tnef`, `smime-encrypted`, `smime-signed`, `pgp-encrypted`,
    `empty`, `executable-attachment` (name), `macro-attachment` (name), `page-attachment` (name),
    `attachment-lies` (name, what it is).
    """

    code: str
    values: tuple[str, ...] = ()
    part: str | None = None  # the attachment it is about
    grave: bool = False  # worth a warning, not only a remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An address of the header: the name that it claims, and the address that is true.

    `shown` is the address with its domain as a reader may trust it; both are shown, always.
    """

    name: str
    mail: str
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorView:
    """The one author for certain, by the domain in lower-case A-labels; else "", and the `problem` in a word."""

    domain: str = ""
    problem: str = "unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterHeader:
    """The header fields that a reader sees; texts hold no control and no mark of direction."""

    subject: str = ""
    date_ms: int | None = None
    senders: tuple[Person, ...] = ()
    sender: Person | None = None  # the field Sender, where it differs from From
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()
    author: AuthorView = AuthorView()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentView:
    """An attachment as it is listed. `is_picture`: it is one, by its octets, and may be shown inline."""

    part: str
    name: str
    media_type: str
    size_bytes: int
    is_picture: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterView:
    """A message opened for reading. There is always something to read in `plain_html`.

    `html_document` is for the sandboxed frame only, never for the page itself; None when there is no HTML
    or it was left out. `lines` estimates the document's height.
    """

    kind: Literal["text", "html", "source"]
    plain_html: str
    html_document: str | None = None
    remote_images: bool = False  # pictures from elsewhere were left out
    lines: int = 0
    header: LetterHeader = LetterHeader()
    notices: tuple[Notice, ...] = ()
    attachments: tuple[AttachmentView, ...] = ()
