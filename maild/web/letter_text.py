"""A letter's plain text as HTML: escaped, its addresses linked, what it quotes folded, its signature dimmed.

The output holds only `div`, `details`, `summary`, `blockquote` and `a`; white space is kept by the page's
style (`white-space: pre-wrap`). Everything is linear: runs of lines are found by expressions, not by loops.

Source: RFC 3676 (format=flowed, signature line, quote depth).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from maild.web.letter_links import MAX_LINKS, linkify

MAX_CHARACTERS = 400_000
_MAX_DEPTH = 8
_MAX_BLOCKS = 200
_VISIBLE_LINES = 4
_LINES = re.compile(r"\r\n?|[\u2028\u2029\x85]")
# Security: controls have no picture, and the two overrides turn the text after them around.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x84\x86-\x9f\u202d\u202e]")
_QUOTE_RUN = re.compile(r"^>[^\n]*+(?:\n>[^\n]*+)*", re.MULTILINE)
_QUOTE_MARK = re.compile(r"(?:> ?)+")
_SIGNATURE = re.compile(r"^-- ?$", re.MULTILINE)
_BEGINS = re.compile(r"(?:Am|On|Le|El|Il|Em|Op|Den|Dnia|W dniu|Den|Dne)\b|\d{1,4}[-./]|\w{2,12}[.,] ", re.IGNORECASE)
_WROTE = re.compile(
    r"schrieb|wrote|writes|geschrieben|a écrit|escribi|scritto|napisa|yazd|пишет|написал|schreef|skrev|\d.*@|@.*\d",
    re.IGNORECASE | re.DOTALL,
)
_DASHED = r"[-_]{2,40} ?(?:Ursprüngliche Nachricht|Ursprüngliche E-Mail|Original[ -]Message|Original[ -]?Nachricht|Message d'origine|Messaggio originale|Mensaje original) ?[-_]{2,40}"  # noqa: E501 - one alternative a mail program
_HEADED = (
    r"\*?(?:Von|From|De|Da|Van)\*?:\*?[ \t][^\n]{1,500}\n"
    r"(?:[^\n]{0,500}\n){0,2}?\*?(?:Gesendet|Sent|Datum|Date|Envoyé|Inviato|Enviado|Verzonden)"
    r"(?: am| le)?\*?:\*?[ \t]"
)
_ORIGINAL = re.compile(rf"^(?:{_DASHED}[ \t]*$|(?:_{{10,80}}\n+)?{_HEADED})", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    text: str
    quoted: bool


def clean_text(text: str) -> str:
    """Return the text with one kind of line end, and without characters that cannot be seen."""
    text = text[:MAX_CHARACTERS]
    if "\r" in text or not text.isascii():
        text = _LINES.sub("\n", text)
    return _CONTROL.sub("", text)


def unflow(text: str, *, delete_space: bool = False) -> str:
    """Join the lines that format=flowed broke softly (RFC 3676 §4.2); quote marks are written as `> `."""
    lines: list[str] = []
    depth_before = -1
    for raw in text.split("\n"):
        line = raw.lstrip(">")
        depth = len(raw) - len(line)
        line = line.removeprefix(" ")
        if line.startswith(">"):
            line = " " + line  # a stuffed line that only looks like a quotation
        # Interop: a blank line is a paragraph's end to its writer, also after a space left by accident.
        soft = depth_before == depth and line not in {"-- ", ""}
        depth_before = depth if line.endswith(" ") and line != "-- " else -1
        if depth_before >= 0 and delete_space:
            line = line[:-1]
        lines.append(line if soft else ("\n" + ">" * depth + " " if depth else "\n") + line)
    return "".join(lines)[1:]


def _blocks(text: str) -> list[_Block]:
    original = _ORIGINAL.search(text)
    head = text[: original.start()] if original else text
    blocks: list[_Block] = []
    at = 0
    for run in _QUOTE_RUN.finditer(head):
        if len(blocks) >= _MAX_BLOCKS:
            break
        own, attribution = _without_attribution(head[at : run.start()])
        blocks.append(_Block(text=own, quoted=False))
        blocks.append(_Block(text=attribution + run.group(), quoted=True))
        at = run.end()
    blocks.append(_Block(text=head[at:], quoted=False))
    if original:
        blocks.append(_Block(text=text[original.start() :], quoted=True))
    return [b for b in blocks if b.text.strip()]


def _without_attribution(text: str) -> tuple[str, str]:
    """Divide "On Monday, she wrote:" from the end of the text before a quotation; it may be of three lines."""
    kept = text[-1000:].rstrip()
    lines = kept.split("\n")[-3:]
    if not kept.endswith(":") or "" in lines[-1:]:
        return text, ""
    found = ""
    for count in range(1, len(lines) + 1):
        candidate = "\n".join(lines[-count:])
        if not lines[-count].strip() or lines[-count].startswith(">"):
            break
        if _WROTE.search(candidate) and (not found or _BEGINS.match(candidate)):
            found = candidate
            if _BEGINS.match(candidate):
                break
    if not found:
        return text, ""
    at = len(text.rstrip()) - len(found)
    return text[:at], found + "\n"


def _quote_html(text: str, links: int) -> str:
    """Write quoted lines as nested blockquotes, a level for each mark, the deepest levels as one."""
    parts: list[str] = []
    depth = 0
    lines: list[str] = []
    for line in text.split("\n"):
        mark = _QUOTE_MARK.match(line)
        level = min(mark.group().count(">"), _MAX_DEPTH) if mark else 0
        if level != depth:
            parts.append(_lines_html(lines, links))
            lines = []
            parts.append("<blockquote>" * (level - depth) + "</blockquote>" * (depth - level))
            depth = level
        lines.append(line[mark.end() :] if mark else line)
    parts.append(_lines_html(lines, links))
    parts.append("</blockquote>" * depth)
    return "".join(parts)


def _lines_html(lines: list[str], links: int) -> str:
    text = "\n".join(lines).strip("\n")
    return f'<div class="lines" dir="auto">{linkify(text, limit=links)}</div>' if text.strip() else ""


def _own_html(text: str) -> str:
    signature = _SIGNATURE.search(text)
    if not signature:
        return _lines_html([text], MAX_LINKS)
    rest = _lines_html([text[signature.start() :]], 100)
    return _lines_html([text[: signature.start()]], MAX_LINKS) + f'<div class="signature">{rest}</div>'


def _folded(block: _Block, *, quoted_word: str, unfolded: bool) -> str:
    state = " open" if unfolded else ""
    inside = _quote_html(block.text, 1000)
    return f'<details class="quote"{state}><summary>{escape(quoted_word)}</summary>{inside}</details>'


def text_html(text: str, *, quoted_word: str, flowed: bool = False, delete_space: bool = False) -> str:
    """Return the letter's text as HTML.

    Long quotations and the one at the end are folded under `quoted_word`; short ones between answers stay
    open, since the answer means nothing without them; so does all of a letter that only quotes.
    """
    cleaned = clean_text(text)
    if flowed:
        cleaned = unflow(cleaned, delete_space=delete_space)
    blocks = _blocks(cleaned)
    only_quotes = all(b.quoted for b in blocks)
    parts = []
    for index, block in enumerate(blocks):
        if not block.quoted:
            parts.append(_own_html(block.text))
            continue
        short = index < len(blocks) - 1 and block.text.strip().count("\n") < _VISIBLE_LINES
        parts.append(_folded(block, quoted_word=quoted_word, unfolded=only_quotes or short))
    return "".join(parts)
