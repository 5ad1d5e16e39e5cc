"""Read what a member has answered to a copy: their own words and their files. Meant for a worker process.

Pictures within the text go along as files, with their names where they stood.

Promises: never raises, for any octets. Nothing of a quotation, a signature or a reply address is in the text.

Security: a file in which a reply address stands is named, and does not go along.
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.composing import File
from maild.mail.filename import safe_filename
from maild.mail.letter import Letter, attachment_name, letter_parts
from maild.mail.message import Part, decoded, parse, text
from maild.mail.own_pictures import Marks
from maild.mail.own_words import own_words, without_quotations
from maild.mail.plain import html_to_text
from maild.mail.reading import facts_of
from maild.mail.reply_token import holds_token, without_tokens

_LONGEST_TEXT = 1_000_000
_MOST_FILES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as it can go out.

    `quoted` and `footer` count the lines that were cut, `pictures` those that stood there. `left_out` names files that
    hold a reply address. `unreadable`: it was not read whole.
    """

    text: str
    quoted: int = 0
    footer: int = 0
    pictures: int = 0
    files: tuple[File, ...] = ()
    left_out: tuple[str, ...] = ()
    unreadable: bool = False


def read_answer(content: bytes, instead: str) -> Answer:
    """Read an answer; `instead` takes the place of a reply address in its text."""
    message = parse(content)
    letter = letter_parts(message)
    marks = Marks()
    said, in_html = _texts(content, letter, marks)
    own = own_words(said)
    cut = marks.cut([own.text, *(own_words(each).text for each in in_html)])
    pictures = tuple(part for part in letter.related if part.content_id not in cut)
    parts = (*letter.attachments, *pictures)
    files, left_out = _files(content, parts[:_MOST_FILES])
    unreadable = message.source_only is not None or letter.note not in (None, "empty")
    names = {part.content_id: safe_filename(attachment_name(part)) for part in pictures}
    return Answer(
        text=without_tokens(marks.named(own.text, lambda content_id: names.get(content_id, "")), instead),
        quoted=own.quoted,
        footer=own.footer,
        pictures=len(letter.related) - len(pictures),
        files=files,
        left_out=left_out,
        unreadable=unreadable or len(parts) > _MOST_FILES,
    )


def _texts(content: bytes, letter: Letter, marks: Marks) -> tuple[str, list[str]]:
    """Return what was written, and what HTML says of it besides where there are pictures: plain text has none."""
    pieces: list[str] = []
    in_html: list[str] = []
    for section in letter.sections:
        piece = "\n\n".join([text(content, part, _LONGEST_TEXT) for part in section.plain])
        is_plain = bool(piece.strip())
        if section.html and (letter.related or not is_plain):
            source = marks.put("\n".join([text(content, part) for part in section.html]))
            shown = html_to_text(without_quotations(source))
            if is_plain:
                in_html.append(shown)
            else:
                piece = shown
        pieces.append(piece)
    return "\n\n".join(each for each in pieces if each)[:_LONGEST_TEXT], in_html


def _files(content: bytes, parts: tuple[Part, ...]) -> tuple[tuple[File, ...], tuple[str, ...]]:
    files: list[File] = []
    left_out: list[str] = []
    for part in parts:
        octets, name = decoded(content, part), attachment_name(part)
        if holds_token(octets) or holds_token(name.encode("utf-8", "replace")) or _quotes_token(part, octets):
            left_out.append(without_tokens(safe_filename(name), "…"))
        else:
            files.append(File(name=safe_filename(name), media_type=part.media_type, octets=octets))
    return tuple(files), tuple(left_out)


def _quotes_token(part: Part, octets: bytes) -> bool:
    """Tell whether a letter that is attached says a reply address, however its text is encoded."""
    if not part.media_type.startswith("message/"):
        return False
    facts = facts_of(octets)
    said = "\n".join([facts.text, *(field.value for field in facts.fields)])
    return holds_token(said.encode("utf-8", "replace"))
