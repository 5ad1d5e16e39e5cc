"""The tree of a letter's HTML while it is written: what is open, what was counted, what is a quotation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from maild.web.letter_elements import FORMATTING, GROUPS
from maild.web.letter_links import contradicted, linkify
from maild.web.letter_tokens import TooMuchError

MAX_DEPTH = 256
MAX_AMPERSANDS = 200_000
MAX_TEXT = 1_500_000
_MAX_REOPENED = 2_000
_SHORT_QUOTE = 200
_PIECE = 2_000
_MAX_LIES = 100
_MAX_LINKED_PIECES = 20_000
# What some programs write above the letter that is answered; it is folded where all after it can be, too.
_ORIGINAL = re.compile(
    r"\s*-{3,20} ?(?:Original[ -]Message|Ursprüngliche Nachricht|Original-?Nachricht) ?-{3,20}", re.IGNORECASE
)
_NO_CONTENT = GROUPS | {"table", "tr"}
_ROOMY: tuple[list[str], ...] = ([], ["div"], ["td"], ["center"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fold:
    """An open `details`: the place of its tag in the output, the characters before it, and what ends it."""

    place: int
    text_before: int
    ends_with_blockquote: bool


def _escaped(text: str) -> str:
    return escape(text, quote=False)


class Tree:
    """The elements that are open and what was written so far; every method keeps the output well nested."""

    def __init__(self, *, quoted_word: str, fold: bool) -> None:
        self.out: list[str] = []
        self.stack: list[str] = []
        self.opened: list[str] = []  # the start tags as written, so that formatting can be opened again
        self.folds: list[_Fold] = []
        self.own_count = 0
        self.text_count = 0
        self.image_count = 0
        self.lines = 0
        self.ampersands = 0
        self.reopened = 0
        self.lies: list[tuple[str, str]] = []
        self.introduces = False  # the last text ended with a colon
        self.link_target = ""
        self.link_words: list[str] = []
        self.summary = f"<summary>{escape(quoted_word)}</summary>"
        self.fold = fold

    # -- the stack ----------------------------------------------------------------------------------------

    def push(self, name: str, tag: str) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise TooMuchError("depth")
        self.stack.append(name)
        self.opened.append(tag)
        self.out.append(tag)

    def _end_link(self) -> None:
        """Say where a link leads whose words name another place."""
        if len(self.lies) >= _MAX_LIES:
            return
        words = "".join(self.link_words)[:300].strip()
        place = contradicted(words, self.link_target)
        if place:
            self.out.append(f" [{escape(place)}]")
            self.lies.append((words, place))

    def pop(self) -> None:
        name = self.stack.pop()
        self.opened.pop()
        self.out.append(f"</{name}>")
        if name == "a":
            self._end_link()
        elif name == "details":
            self._end_fold()
        elif name == "blockquote" and self.stack[-1:] == ["details"] and self.folds[-1].ends_with_blockquote:
            self.pop()

    def pop_to(self, index: int) -> None:
        while len(self.stack) > index:
            self.pop()

    def find(self, name: str, barriers: frozenset[str]) -> int:
        """Return the place of the innermost open `name` above any of `barriers`, or -1."""
        if name not in self.stack:
            return -1
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] == name:
                return index
            if self.stack[index] in barriers:
                return -1
        return -1

    def close_block(self, index: int) -> None:
        """Close everything from `index` on; formatting that was left open goes on after it, as browsers do."""
        again = [
            (name, tag)
            for name, tag in zip(self.stack[index:], self.opened[index:], strict=True)
            if name in FORMATTING and name != "a"
        ][-8:]
        self.pop_to(index)
        self.reopened += len(again)
        if self.reopened > _MAX_REOPENED:
            return
        for name, tag in again:
            self.push(name, tag)

    # -- quotations ---------------------------------------------------------------------------------------

    def begin_fold(self, *, ends_with_blockquote: bool) -> None:
        fold = _Fold(place=len(self.out), text_before=self.text_count, ends_with_blockquote=ends_with_blockquote)
        self.folds.append(fold)
        self.push("details", '<details class="quote">')
        self.out.append(self.summary)

    def begin_fold_around(self) -> None:
        """Begin a fold that lasts to the end of the parent, or of the parent's parent when this is all it holds.

        Interop: Outlook wraps the old letter's header, and only that, in a `div` of its own.
        """
        while self.out and self.out[-1].isspace():
            self.out.pop()
        if self.stack[-1:] != ["div"] or self.out[-1] is not self.opened[-1]:
            self.begin_fold(ends_with_blockquote=False)
            return
        self.stack.pop()
        self.opened.pop()
        wrapper = self.out.pop()
        self.begin_fold(ends_with_blockquote=False)
        self.push("div", wrapper)

    def _end_fold(self) -> None:
        fold = self.folds.pop()
        short = fold.ends_with_blockquote and self.text_count - fold.text_before < _SHORT_QUOTE
        if self.own_count == 0 or short:
            self.out[fold.place] = '<details class="quote" open>'

    # -- content ------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Content directly in a table goes into a cell, where it was meant, not before the table."""
        if not self.stack or self.stack[-1] not in _NO_CONTENT:
            return
        if self.stack[-1] != "tr":
            self.push("tr", "<tr>")
        self.push("td", "<td>")

    def _begins_original(self, text: str) -> bool:
        return self.stack[-1:] in _ROOMY and bool(_ORIGINAL.match(text)) and "details" not in self.stack

    def text(self, text: str) -> None:
        if not text.strip(" \t\n\r\f"):
            if not (self.stack and self.stack[-1] in _NO_CONTENT):
                self.out.append(text[:_PIECE])
            return
        self.prepare()
        if self.fold and "--" in text and self._begins_original(text):
            self.begin_fold(ends_with_blockquote=False)
        count = len(text)
        self.introduces = text.rstrip().endswith(":")
        self.text_count += count
        if "details" not in self.stack:
            self.own_count += count
        if "a" in self.stack:
            self.link_words.append(text[:300])
        self.lines += count // 80
        # The sanitiser's time for one text grows with its length times its references: give it short ones.
        write = _escaped if "a" in self.stack or len(self.out) > _MAX_LINKED_PIECES else linkify
        if count <= _PIECE:
            escaped = write(text)
        else:
            escaped = "<wbr>".join([write(text[i : i + _PIECE]) for i in range(0, count, _PIECE)])
        self.ampersands += escaped.count("&")
        if self.ampersands > MAX_AMPERSANDS or self.text_count > MAX_TEXT:
            raise TooMuchError("text")
        self.out.append(escaped)
