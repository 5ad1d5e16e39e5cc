"""Simple formatting: a text as people type it, as HTML. Paragraphs, lists, bold words, links; in a letter quotations.

What is typed stays readable without it, and what does not look like formatting stays as it is: a number at the
beginning of a line is a list only where the numbers go on, so that no *24. Dezember* becomes another day.

Promises: pure; linear in its input. Every piece of text is escaped by itself, and only this module's own elements stand
around it: no style, no script, nothing to load. What a stranger wrote is text and nothing else.

Source: CommonMark for the marks; RFC 3676 §4.5 for quotations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from html import escape

from maild.mail.links import link_target

_INLINE = re.compile(
    r"\*\*(?P<bold>[^*\n]{1,500})\*\*"
    r"|\[(?P<words>[^\[\]\n]{1,300})\]\((?P<to>[^()\s]{1,1000})\)"
    r"|(?P<url>(?<![A-Za-z0-9])https?://[^\s<>\"()\[\]]{1,1000})"
)
_ITEM = re.compile(r"(?:[-*•\u2013]|(?P<number>[0-9]{1,3})[.)])[ \t]+(?P<text>.*)")
_HEADING = re.compile(r"#{1,4}[ \t]+(?P<text>.*)")
_MARKS = re.compile(r"(?:>[ \t]?)+")
_SECOND = re.compile(r"[ \t]*2[.)][ \t]")
_AHEAD = 4  # lines within which a second item shows that a first one is an item
_DEEPEST = 10
_TRAILING = ".,;:!?"

# (where it leads, its words) → the element as HTML; None: it leads nowhere, and stays as it was typed.
Link = Callable[[str, str], str | None]


def letter_html(text: str, *, language: str, literal: Collection[str] = ()) -> str:
    """Return a letter's text with its formatting, as a whole HTML document.

    `literal`: lines of somebody else's letter; where one of them stands in the text, nothing in it is formatting.
    """
    head = f'<!DOCTYPE html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n</head>\n<body>\n'
    return f"{head}{letter_body(text, literal=literal)}\n</body>\n</html>\n"


def letter_body(text: str, *, literal: Collection[str] = ()) -> str:
    """Return what stands in the body of `letter_html`."""
    return "\n".join(_Reading(text, link=_link, is_letter=True, literal=frozenset(literal)).blocks())


def page_html(text: str, link: Link) -> str:
    """Return a text of our own pages with its formatting: without quotations, with headings behind `# `."""
    return "\n".join(_Reading(text, link=link, is_letter=False, literal=frozenset()).blocks())


def lines_of(text: str) -> frozenset[str]:
    """Return the lines of somebody else's letter, for `literal`: as it has them, and as they are once in a form."""
    # Security: in a form a vertical tab is a blank, and what were two lines is one that must be known, too.
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    blank = "".join(c if c in "\n\t" or c >= " " else " " for c in lines)
    return frozenset(line.strip() for each in (lines, blank) for line in each.splitlines())


def _link(to: str, words: str) -> str | None:
    target = link_target(to)
    return None if target is None else f'<a href="{escape(target)}">{escape(words)}</a>'


class _Reading:
    """A text, line by line; `_held` are the pieces of the block that is not finished, of the kind `_kind`."""

    def __init__(self, text: str, *, link: Link, is_letter: bool, literal: frozenset[str]) -> None:
        self._lines = text.splitlines()
        self._link = link
        self._is_letter = is_letter
        self._literal = literal
        self._held: list[str] = []
        self._kind = ""
        self._next = 1  # the number with which an ordered list goes on

    def blocks(self) -> Iterator[str]:
        for at, raw in enumerate(self._lines):
            line = raw.strip()
            if not line or self._stands_alone(line):
                yield from self._end("")
                if line:
                    yield f"<h2>{self._inline(line.lstrip('#').strip())}</h2>"
                continue
            kind, piece = self._read(at, line)
            if kind != self._kind:
                yield from self._end(kind)
            self._held.append(piece)
        yield from self._end("")

    def _stands_alone(self, line: str) -> bool:
        return not self._is_letter and _HEADING.fullmatch(line) is not None

    def _read(self, at: int, line: str) -> tuple[str, str]:
        """Return the kind of block that a line is part of, and its piece of it."""
        if self._is_letter and line.startswith(">"):
            return "blockquote", line
        if line in self._literal:
            return "p", escape(line)
        item = _ITEM.fullmatch(line)
        if item is not None and item["number"] is None:
            return "ul", self._inline(item["text"])
        if item is not None and (kind := self._numbered(at, int(item["number"]))):
            return kind, self._inline(item["text"])
        if self._kind[:2] in ("ul", "ol") and self._lines[at][0] in " \t":
            self._held[-1] += f"<br>{self._inline(line)}"
            return self._kind, self._held.pop()
        return "p", self._inline(line)

    def _numbered(self, at: int, number: int) -> str:
        """Return the kind of the list that a number goes on with, or begins; "" where it is a word like others."""
        goes_on = number == self._next and (number > 1 or self._kind[:2] == "ol")
        follows = any(map(_SECOND.match, self._lines[at + 1 : at + 1 + _AHEAD]))
        begins = number == 1 and (self._kind != "p" or follows)
        if not (begins or (goes_on and self._kind != "p")):
            return ""
        self._next = number + 1
        # The line tells a list from another one that begins with the same number right behind it.
        return self._kind if self._kind[:2] == "ol" and number > 1 else f"ol {number} {at}"

    def _end(self, kind: str) -> Iterator[str]:
        if self._held:
            yield _block(self._kind, self._held)
        self._held, self._kind = [], kind

    def _inline(self, text: str) -> str:
        pieces: list[str] = []
        end = 0
        for found in _INLINE.finditer(text):
            pieces += [escape(text[end : found.start()]), self._marked(found)]
            end = found.end()
        return "".join([*pieces, escape(text[end:])])

    def _marked(self, found: re.Match[str]) -> str:
        if found["bold"] is not None:
            return f"<strong>{escape(found['bold'])}</strong>"
        if found["words"] is not None:
            return self._link(found["to"], found["words"]) or escape(found[0])
        url = found["url"].rstrip(_TRAILING)
        return (self._link(url, url) or escape(url)) + escape(found["url"][len(url) :])


def _block(kind: str, held: list[str]) -> str:
    if kind == "p":
        return f"<p>{'<br>'.join(held)}</p>"
    if kind == "blockquote":
        return _quotation(held)
    items = "".join(f"<li>{each}</li>" for each in held)
    name, _, number = kind.partition(" ")
    first = number.partition(" ")[0]
    return f'<ol start="{first}">{items}</ol>' if first not in ("", "1") else f"<{name}>{items}</{name}>"


def _quotation(lines: list[str]) -> str:
    pieces: list[str] = []
    depth = 0
    for line in lines:
        marks = _MARKS.match(line)
        end = marks.end() if marks is not None else 0
        deep = min(line[:end].count(">"), _DEEPEST)
        pieces += ['<blockquote type="cite">'] * (deep - depth) + ["</blockquote>"] * (depth - deep)
        pieces.append(f"{escape(line[end:])}<br>")
        depth = deep
    return "\n".join([*pieces, *["</blockquote>"] * depth])
