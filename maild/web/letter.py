"""Open a message for reading: its letter as safe HTML, its header, what is doubtful in it, what came with it.

`open_letter` and `open_part` are called by name in the worker process, where whatever touches a stranger's
structure runs with limits; they import nothing heavy, and the sanitiser only for letters with HTML. They never
raise for any octets, but for `NotFoundError` where a part is asked for that is not there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from html import escape

from maild.authentication.author import author_of
from maild.errors import NotFoundError
from maild.mail import transfer
from maild.mail.charset import guess
from maild.mail.dates import parse_date
from maild.mail.facts import Mailbox
from maild.mail.filename import safe_filename
from maild.mail.header import LIMITS
from maild.mail.letter import Letter, Section, attachment_name, letter_parts
from maild.mail.mailboxes import parse_mailboxes
from maild.mail.message import Message, Part, decoded, parse, text
from maild.mail.plain import html_to_text
from maild.web.attachments import attachment_headers
from maild.web.letter_html import MAX_HTML, LetterHtml, letter_html
from maild.web.letter_images import MAX_IMAGE_BYTES, data_uri, image_type
from maild.web.letter_text import MAX_CHARACTERS, text_html
from maild.web.letter_tokens import TooMuchError
from maild.web.letter_view import AttachmentView, AuthorView, LetterHeader, LetterView, Notice, Person
from maild.web.letter_warnings import attachment_notices, person, sender_notices, shown_text

__all__ = ["LetterView", "attachment_headers", "open_letter", "open_part", "source_view"]

MAX_SOURCE_CHARACTERS = 200_000
_MAX_INLINE_IMAGES = 100
_MAX_ATTACHMENTS = 500
_HEAD_BYTES = 512
_FORWARDED = ("fwd:", "fw:", "wg:")
# Limits of the header alone: the letter itself can be read.
_READABLE_ALL_THE_SAME = frozenset({"addresses"})


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One message on its way to a view."""

    content: bytes
    message: Message
    letter: Letter
    quoted_word: str
    notices: list[Notice] = field(default_factory=list)
    inlined: set[str] = field(default_factory=set)

    def raw(self, key: str) -> str:
        found = self.message.first(key)
        return found.raw if found else ""

    def mailboxes(self, key: str) -> tuple[Mailbox, ...]:
        found: tuple[Mailbox, ...] = ()
        for header in self.message.fields:
            if header.key == key:
                more, over = parse_mailboxes(header.raw, LIMITS.addresses - len(found))
                found += more
                if over:
                    self.notices.append(Notice(code="not-all-read", values=("addresses",)))
                    break
        return found


def open_letter(
    content: bytes, images: bool = False, our_domains: Collection[str] = (), quoted_word: str = "Zitierter Text"
) -> LetterView:
    """Return a message as a page shows it.

    `images` lets pictures from elsewhere be fetched: only when the reader asked for it by a click.
    `our_domains` are domains that only we write from; give none for mail of our own. `quoted_word` is the
    summary of a folded quotation, in the reader's language.
    """
    message = parse(content)
    reading = _Reading(content=content, message=message, letter=letter_parts(message), quoted_word=quoted_word)
    header = _header(reading, our_domains)
    over = message.source_only
    if over is not None and over not in _READABLE_ALL_THE_SAME:
        reading.notices.append(Notice(code="source-only", values=(over,), grave=True))
        return LetterView(
            kind="source", plain_html=source_html(content), header=header, notices=tuple(reading.notices),
            attachments=_attachments(reading),
        )  # fmt: skip
    plain = _plain(reading)
    html = _html(reading, images=images, fold=not header.subject.lower().startswith(_FORWARDED))
    if reading.letter.note:
        reading.notices.append(Notice(code=reading.letter.note))
    attachments = _attachments(reading)
    return LetterView(
        kind="html" if html else "text",
        plain_html=plain,
        html_document=html.document if html else None,
        remote_images=bool(html and html.remote_images),
        lines=html.lines if html else 0,
        header=header,
        notices=tuple(reading.notices),
        attachments=attachments,
    )


def open_part(content: bytes, part: str) -> tuple[bytes, str, str]:
    """Return a part's octets with its transfer encoding undone, its media type as declared, and its safe name.

    Raises:
        NotFoundError: when the message has no such part.
    """
    found = parse(content).part(part)
    if found is None or found.is_multipart:
        raise NotFoundError(f"no part {part}")
    return decoded(content, found), found.media_type, safe_filename(attachment_name(found))


def source_view(content: bytes, limit: str = "crash") -> LetterView:
    """Return the view of a message whose structure is not to be read: its worker was stopped.

    Security: it parses nothing, so that it may run outside the worker.
    """
    notice = Notice(code="source-only", values=(limit,), grave=True)
    return LetterView(kind="source", plain_html=source_html(content), notices=(notice,))


def source_html(content: bytes) -> str:
    """Return the beginning of a message's octets as text."""
    source = guess(content[: MAX_SOURCE_CHARACTERS * 2])[:MAX_SOURCE_CHARACTERS]
    return f'<pre class="source">{escape(source)}</pre>'


def _header(reading: _Reading, our_domains: Collection[str]) -> LetterHeader:
    people = {key: reading.mailboxes(key) for key in ("from", "sender", "reply-to", "to", "cc")}
    raws = {key: reading.raw(key) for key in ("from", "sender", "reply-to")}
    senders, sender, reply_to = people["from"], people["sender"], people["reply-to"]
    reading.notices += sender_notices(senders, sender, reply_to, raws, our_domains)
    subject = reading.message.first("subject")
    differing = [m for m in sender if m.mail.lower() not in {s.mail.lower() for s in senders}]
    return LetterHeader(
        subject=shown_text(subject.value) if subject else "",
        date_ms=parse_date(reading.raw("date")),
        senders=_people(senders),
        sender=person(differing[0]) if differing else None,
        to=_people(people["to"]),
        cc=_people(people["cc"]),
        reply_to=_people(reply_to),
        author=_author(reading.content),
    )


def _author(content: bytes) -> AuthorView:
    author = author_of(content)
    return AuthorView(domain=author.domain if author.verifiable else "", problem=author.problem)


def _people(mailboxes: tuple[Mailbox, ...]) -> tuple[Person, ...]:
    return tuple(person(m) for m in mailboxes)


def _plain(reading: _Reading) -> str:
    pieces = []
    for section in reading.letter.sections:
        written = [p for p in section.plain if text(reading.content, p, 2_000).strip()]
        if written:
            pieces += [_plain_part(reading, p) for p in written]
        else:
            source = "\n".join(text(reading.content, p) for p in section.html)
            pieces.append(text_html(html_to_text(source), quoted_word=reading.quoted_word))
    return "".join(pieces) or '<div class="lines"></div>'


def _plain_part(reading: _Reading, part: Part) -> str:
    found = text(reading.content, part, MAX_CHARACTERS + 1)
    if len(found) > MAX_CHARACTERS:
        reading.notices.append(Notice(code="text-cut"))
    return text_html(
        found,
        quoted_word=reading.quoted_word,
        flowed=(part.parameter("format") or "").lower() == "flowed",
        delete_space=(part.parameter("delsp") or "").lower() == "yes",
    )


def _html(reading: _Reading, *, images: bool, fold: bool) -> LetterHtml | None:
    if not any(section.html for section in reading.letter.sections):
        return None
    source = "".join(_section_html(reading, s) for s in reading.letter.sections)
    inline = _InlineImages(reading.content, reading.letter)
    try:
        html = letter_html(source, quoted_word=reading.quoted_word, inline=inline, images=images, fold=fold)
    except TooMuchError as over:
        reading.notices.append(Notice(code="html-left-out", values=(str(over),), grave=True))
        return None
    if html.is_empty:
        reading.notices.append(Notice(code="html-empty"))
        return None
    reading.inlined = inline.used
    lies = dict.fromkeys(html.lies)
    reading.notices += [Notice(code="link-lies", values=lie, grave=True) for lie in list(lies)[:5]]
    return html


def _section_html(reading: _Reading, section: Section) -> str:
    pieces = []
    for part in section.html or section.plain:
        found = text(reading.content, part, MAX_HTML + 1)
        pieces.append(found if part.media_type == "text/html" else f"<pre>{escape(found)}</pre>")
    return "".join(pieces)


class _InlineImages(dict[str, str]):
    """The message's own pictures by content id, as data: URIs, each made when the letter asks for it."""

    def __init__(self, content: bytes, letter: Letter) -> None:
        super().__init__()
        parts = (*letter.related, *letter.attachments)
        self.parts = {p.content_id: p for p in parts[:_MAX_INLINE_IMAGES] if p.content_id}
        self.content = content
        self.used: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        part = self.parts.get(name)
        if part is None or part.body_end - part.body_start > 2 * MAX_IMAGE_BYTES:
            return default
        if name not in self:
            self[name] = data_uri(decoded(self.content, part)) or ""
        if self[name]:
            self.used.add(part.path)
        return self[name] or default


def _attachments(reading: _Reading) -> tuple[AttachmentView, ...]:
    letter = reading.letter
    parts = letter.attachments + tuple(p for p in letter.related if p.path not in reading.inlined)
    views = []
    for part in parts[:_MAX_ATTACHMENTS]:
        reach = min(part.body_end, part.body_start + 2 * _HEAD_BYTES)
        head = decoded(reading.content, replace(part, body_end=reach))[:_HEAD_BYTES]
        name = attachment_name(part)
        reading.notices += attachment_notices(part.path, name, head)
        size = transfer.decoded_size(reading.content, part.body_start, part.body_end, part.encoding)
        views.append(
            AttachmentView(
                part=part.path, name=safe_filename(name), media_type=part.media_type, size_bytes=size,
                is_picture=image_type(head[:16]) is not None,
            )
        )  # fmt: skip
    return tuple(views)
