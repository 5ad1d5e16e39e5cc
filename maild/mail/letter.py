"""What of a message is the letter, and what came with it.

Whatever a message is made of, something of it is a section, an attachment or a note: never a blank page.

Source: RFC 2046 §5.1, RFC 2387 (related), RFC 1847 (signed, encrypted), RFC 3462 (report), RFC 8551 (S/MIME).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from maild.mail.message import Message, Part

_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_SMIME = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
# Texts that people write; other ones (calendars, cards, tables) are attachments.
_PROSE = frozenset({"text/plain", "text/html", "text/markdown", "text/enriched", "text/richtext"})
_EXTENSIONS = {
    "message/rfc822": ".eml", "message/global": ".eml", "message/delivery-status": ".txt", "text/plain": ".txt",
    "text/html": ".html", "text/calendar": ".ics", "text/x-vcalendar": ".vcs", "text/vcard": ".vcf",
    "text/x-vcard": ".vcf", "text/csv": ".csv", "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif",
    "image/webp": ".webp", "application/pdf": ".pdf", "application/zip": ".zip", "text/rfc822-headers": ".txt",
    "application/pkcs7-mime": ".p7m", "application/x-pkcs7-mime": ".p7m", "application/pgp-signature": ".asc",
    "application/pkcs7-signature": ".p7s", "application/x-pkcs7-signature": ".p7s", "application/ms-tnef": ".dat",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A stretch of the letter. Where both are there, they say the same (`multipart/alternative`)."""

    plain: tuple[Part, ...] = ()
    html: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as a reader sees it.

    `related` are parts that HTML may refer to by their content id; one that it does not refer to is to be shown
    as an attachment. `note` says why there is no readable text, or not all of it: `tnef`, `smime-encrypted`,
    `smime-signed`, `pgp-encrypted`, `empty`.
    """

    sections: tuple[Section, ...] = ()
    related: tuple[Part, ...] = ()
    attachments: tuple[Part, ...] = ()
    signatures: tuple[Part, ...] = ()
    note: str | None = None


@dataclass(slots=True)
class _Pile:
    sections: list[Section] = field(default_factory=list)
    related: list[Part] = field(default_factory=list)
    attachments: list[Part] = field(default_factory=list)
    signatures: list[Part] = field(default_factory=list)
    note: str | None = None

    def add_beside(self, other: _Pile) -> None:
        """Take over all but the sections."""
        self.related += other.related
        self.attachments += other.attachments
        self.signatures += other.signatures
        self.note = self.note or other.note


def letter_parts(message: Message) -> Letter:
    """Sort the parts of a message into letter and attachments, in their order."""
    root = message.root
    pile = _Pile()
    _sort(root, pile)
    note = pile.note
    if not note and not pile.sections and not pile.attachments:
        note = "empty"
    return Letter(
        sections=tuple(pile.sections), related=tuple(pile.related), attachments=tuple(pile.attachments),
        signatures=tuple(pile.signatures), note=note,
    )  # fmt: skip


def attachment_name(part: Part) -> str:
    """Return the name an attachment is listed under: the sender's, or one made of its number and kind."""
    if part.filename:
        return part.filename
    kind = "message" if part.media_type in ("message/rfc822", "message/global") else "part"
    return f"{kind}-{part.path}{_EXTENSIONS.get(part.media_type, '')}"


def _sort(part: Part, pile: _Pile) -> None:
    if not part.children or not part.is_multipart:
        _sort_leaf(part, pile)
        return
    match part.media_type:
        case "multipart/alternative":
            _sort_alternative(part, pile)
        case "multipart/related":
            _sort_related(part, pile)
        case "multipart/encrypted":
            pile.note = pile.note or "pgp-encrypted"
            pile.attachments += part.children
        case "multipart/report":
            _sort(part.children[0], pile)
            for child in part.children[1:]:
                _sort_beside_report(child, pile)
        case _:
            for child in part.children:
                _sort(child, pile)


def _sort_leaf(part: Part, pile: _Pile) -> None:
    media_type = part.media_type
    if media_type in _SIGNATURES:
        pile.signatures.append(part)
    elif _is_prose(part, first=not pile.sections):
        html = media_type == "text/html"
        pile.sections.append(Section(html=(part,)) if html else Section(plain=(part,)))
        pile.attachments += part.children  # uuencoded files
    elif part.is_multipart and part.body_end == part.body_start:
        pass
    else:
        pile.attachments.append(part)
        pile.note = pile.note or _note(part)


def _is_prose(part: Part, *, first: bool) -> bool:
    if part.is_multipart:  # no part was found in it: whatever it holds is shown as text
        return part.body_end > part.body_start
    if part.media_type not in _PROSE:
        return False
    return part.disposition != "attachment" and (not part.filename or (first and part.disposition != "inline"))


def _note(part: Part) -> str | None:
    if part.media_type in _TNEF or (part.filename or "").lower() == "winmail.dat":
        return "tnef"
    if part.media_type in _SMIME:
        return "smime-signed" if part.parameter("smime-type") == "signed-data" else "smime-encrypted"
    return None


def _sort_alternative(part: Part, pile: _Pile) -> None:
    """Choose the first plain branch and the last HTML one."""
    plain: tuple[Part, ...] = ()
    html: tuple[Part, ...] = ()
    for child in part.children:
        branch = _Pile()
        _sort(child, branch)
        pile.add_beside(branch)
        if any(section.html for section in branch.sections):
            html = tuple([p for s in branch.sections for p in (s.html or s.plain)])
        else:
            plain = plain or tuple([p for s in branch.sections for p in s.plain])
    if plain or html:
        pile.sections.append(Section(plain=plain, html=html))


def _sort_related(part: Part, pile: _Pile) -> None:
    start = (part.parameter("start") or "").strip("<> ")
    root = next((c for c in part.children if start and c.content_id == start), part.children[0])
    _sort(root, pile)
    for child in part.children:
        if child is root:
            continue
        if child.content_id and not child.is_multipart and child.disposition != "attachment":
            pile.related.append(child)
        else:
            _sort(child, pile)


def _sort_beside_report(part: Part, pile: _Pile) -> None:
    if part.media_type in _SIGNATURES:
        pile.signatures.append(part)
    elif part.is_multipart:
        _sort(part, pile)
    else:
        pile.attachments.append(part)
