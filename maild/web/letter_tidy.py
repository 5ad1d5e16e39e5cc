"""A letter's HTML written anew, so that whoever parses it next sees one well-nested, bounded tree.

HTML parsers repair bad nesting by copying: a few kilobytes of crossed tags become millions of elements, and
the sanitiser pays for each. Here every tag is closed in its order, depth and number are limited, quotations
are folded, and only tags and attributes with a use in letters remain. It is the first layer, not the judge:
the sanitiser and the policy on addresses come after it.

Source: HTML Standard of WHATWG §13.2.6 (tree construction), for what an end tag closes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from maild.web.letter_links import contradicted, link_target
from maild.web.letter_tokens import End, Start, Text, TooMuchError, tokens

MAX_DEPTH = 256
MAX_TAGS = 60_000
MAX_AMPERSANDS = 20_000
MAX_TEXT = 1_500_000
_MAX_REOPENED = 2_000
_SHORT_QUOTE = 200

FORMATTING = frozenset({"a", "b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u"})
INLINE = FORMATTING | {"abbr", "cite", "del", "ins", "kbd", "q", "samp", "span", "sub", "sup", "var"}
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_GROUPS = frozenset({"tbody", "thead", "tfoot"})
_CELLS = frozenset({"td", "th"})
_TABLE = frozenset({"table", "tr"}) | _GROUPS | _CELLS
VOID = frozenset({"br", "hr", "img", "wbr"})
BLOCK = (
    frozenset({"blockquote", "center", "dd", "details", "div", "dl", "dt", "li", "ol", "p", "pre", "summary", "ul"})
    | _HEADINGS
    | _TABLE
)
TAGS = INLINE | BLOCK | VOID
_RENAMED = dict.fromkeys(
    ("address", "article", "aside", "body", "details", "dir", "fieldset", "figcaption", "figure", "footer"), "div"
) | dict.fromkeys(("form", "header", "hgroup", "legend", "main", "menu", "nav", "search", "section", "summary"), "div")
# Elements that are left out with all that is in them; what they hold is for programs, not for readers.
_SKIPPED = frozenset({"svg", "math", "template", "select", "datalist"})
_FOREIGN = frozenset({"svg", "math"})
_CELL_ATTRIBUTES = frozenset({"align", "bgcolor", "colspan", "height", "nowrap", "rowspan", "valign", "width"})
ATTRIBUTES: dict[str, frozenset[str]] = {
    "a": frozenset({"href", "title"}),
    "div": frozenset({"align"}),
    "font": frozenset({"color", "face", "size"}),
    "hr": frozenset({"align", "color", "size", "width"}),
    "img": frozenset({"align", "alt", "height", "src", "width"}),
    "ol": frozenset({"start", "type"}),
    "p": frozenset({"align"}),
    "table": frozenset({"align", "bgcolor", "border", "cellpadding", "cellspacing", "height", "width"}),
    "td": _CELL_ATTRIBUTES,
    "th": _CELL_ATTRIBUTES,
    "tr": frozenset({"align", "bgcolor", "valign"}),
    **{name: frozenset({"align"}) for name in _HEADINGS},
}
GENERIC = frozenset({"dir", "style"})
_KEPT = {name: ATTRIBUTES.get(name, frozenset()) | GENERIC for name in TAGS}
_MAX_VALUE = 8_000
_REPLY_CLASS = re.compile(r"quote|cite", re.IGNORECASE)
_REPLY_STYLE = re.compile(r"border-left", re.IGNORECASE)
# Interop: what Outlook writes above the letter it answers; all that follows it is the quotation.
_OUTLOOK_ID = frozenset({"divrplyfwdmsg", "appendonsend", "mail-editor-reference-message-container"})
_OUTLOOK_STYLE = re.compile(r"border-top:\s*solid\s*#(?:e1e1e1|b5c4df)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """The HTML, whether it shows anything, and how many lines it takes, by estimate."""

    html: str
    is_empty: bool
    lines: int
    links: tuple[tuple[str, str], ...]  # those whose words name another place than they lead to: words, place


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fold:
    """An open `details`: the place of its tag in the output, the characters before it, and what ends it."""

    place: int
    text_before: int
    ends_with_blockquote: bool


class _Writer:
    """The open elements and what was written; every method keeps the output well nested."""

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

    def _end_fold(self) -> None:
        fold = self.folds.pop()
        short = fold.ends_with_blockquote and self.text_count - fold.text_before < _SHORT_QUOTE
        if self.own_count == 0 or short:
            self.out[fold.place] = '<details class="quote" open>'

    # -- content ------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Content directly in a table goes into a cell, where it was meant, not before the table."""
        if self.stack and self.stack[-1] in _GROUPS | {"table"}:
            self.push("tr", "<tr>")
        if self.stack and self.stack[-1] == "tr":
            self.push("td", "<td>")

    def text(self, text: str) -> None:
        if not text.strip(" \t\n\r\f"):
            if not (self.stack and self.stack[-1] in _GROUPS | {"table", "tr"}):
                self.out.append(text)
            return
        self.prepare()
        count = len(text)
        self.text_count += count
        if "details" not in self.stack:
            self.own_count += count
        if "a" in self.stack:
            self.link_words.append(text[:300])
        self.lines += count // 80
        escaped = escape(text, quote=False)
        self.ampersands += escaped.count("&")
        if self.ampersands > MAX_AMPERSANDS or self.text_count > MAX_TEXT:
            raise TooMuchError("text")
        self.out.append(escaped)


def _is_quotation(start: Start) -> bool:
    attributes = start.attributes
    return (
        attributes.get("type", "").lower() == "cite"
        or bool(_REPLY_CLASS.search(attributes.get("class", "")))
        or bool(_REPLY_STYLE.search(attributes.get("style", "")))
    )


def _begins_original(start: Start) -> bool:
    identity = start.attributes.get("id", "").lower().removeprefix("x_")
    return identity in _OUTLOOK_ID or bool(_OUTLOOK_STYLE.search(start.attributes.get("style", "")))


def _tag(name: str, attributes: dict[str, str]) -> str:
    allowed = _KEPT[name]
    written = [
        f' {key}="{escape(value)}"'
        for key, value in attributes.items()
        if key in allowed and (len(value) <= _MAX_VALUE or key == "src")
    ]
    return f"<{name}{''.join(written)}>"


def _body(attributes: dict[str, str]) -> dict[str, str]:
    """A body's colours, as a style: the letter was written to be read on them."""
    style = attributes.get("style", "")
    for key, css in (("bgcolor", "background-color"), ("text", "color")):
        if key in attributes:
            style = f"{css}:{attributes[key]};{style}"
    return {**attributes, "style": style} if style else attributes


def _open_table_part(writer: _Writer, name: str, attributes: dict[str, str]) -> None:
    table = writer.find("table", frozenset())
    if table < 0:
        return
    keep = table + 1
    wanted = _GROUPS | ({"tr"} if name in _CELLS else frozenset())
    if name not in _GROUPS:
        while keep < len(writer.stack) and writer.stack[keep] in wanted:
            keep += 1
    writer.pop_to(keep)
    if name in _CELLS and writer.stack[-1] != "tr":
        writer.push("tr", "<tr>")
    writer.lines += name == "tr"
    writer.push(name, _tag(name, attributes))


_SPECIAL_BUT_FLOW = BLOCK - {"div", "p"}


def _close_implied(writer: _Writer, name: str) -> None:
    """Close what a start tag ends without saying so: the paragraph, the list item, the heading before it."""
    for group in (frozenset({"li"}), frozenset({"dd", "dt"})):
        if name in group:
            for index in range(len(writer.stack) - 1, -1, -1):
                if writer.stack[index] in group:
                    writer.close_block(index)
                    break
                if writer.stack[index] in _SPECIAL_BUT_FLOW:
                    break
    paragraph = writer.find("p", _CELLS | {"table"})
    if paragraph >= 0:
        writer.close_block(paragraph)
    if name in _HEADINGS and writer.stack and writer.stack[-1] in _HEADINGS:
        writer.pop()


def _open(writer: _Writer, start: Start) -> None:
    name = _RENAMED.get(start.name, start.name)
    if name not in TAGS:
        return
    attributes = _body(start.attributes) if start.name == "body" else start.attributes
    if name in _TABLE and name != "table":
        _open_table_part(writer, name, attributes)
        return
    if name == "img" and not attributes.get("src", "").strip():
        return
    target = link_target(attributes.get("href", "")) if name == "a" else None
    if name == "a":
        if target is None:
            return
        attributes = {**attributes, "href": target, "title": target}
    if name in BLOCK or name == "hr":
        _close_implied(writer, name)
    writer.prepare()
    if name in VOID:
        writer.image_count += name == "img"
        writer.lines += name in {"br", "hr"}
        writer.out.append(_tag(name, attributes))
        return
    if target is not None and not _begin_link(writer, target):
        return
    _open_block(writer, start, name, attributes)


def _begin_link(writer: _Writer, target: str) -> bool:
    """Close a link that is still open; links do not nest. False when one around a block cannot be closed."""
    if "a" in writer.stack:
        index = writer.find("a", BLOCK)
        if index < 0:
            return False
        writer.pop_to(index)
    writer.link_target = target
    writer.link_words = []
    return True


def _open_block(writer: _Writer, start: Start, name: str, attributes: dict[str, str]) -> None:
    if writer.fold and "details" not in writer.stack:
        if name == "blockquote" and _is_quotation(start):
            writer.begin_fold(ends_with_blockquote=True)
        elif name == "div" and _begins_original(start):
            writer.begin_fold(ends_with_blockquote=False)
    writer.lines += name in BLOCK
    writer.push(name, _tag(name, attributes))


def _close(writer: _Writer, end: End) -> None:
    name = _RENAMED.get(end.name, end.name)
    if name == "br":
        writer.out.append("<br>")
    if name not in TAGS or name in VOID:
        return
    barriers = frozenset({"table"}) if name in _TABLE else _CELLS | {"table"}
    if name == "table":
        barriers = frozenset()
    index = writer.find(name, barriers | (BLOCK if name in INLINE else frozenset()))
    if index < 0:
        return
    if name in INLINE:
        writer.pop_to(index)
    else:
        writer.close_block(index)


def _skip(skipped: list[str], token: Start | End) -> bool:
    """Tell whether a tag belongs to what is left out; foreign content ends where HTML begins, as in browsers."""
    if not skipped:
        if isinstance(token, Start) and token.name in _SKIPPED:
            skipped.append(token.name)
        return token.name in _SKIPPED
    if token.name == skipped[-1]:
        if isinstance(token, End):
            skipped.pop()
        elif token.name not in _FOREIGN:
            skipped.append(token.name)
        return True
    if skipped[-1] in _FOREIGN and isinstance(token, Start) and token.name in TAGS and token.name != "a":
        skipped.clear()
    return bool(skipped)


def tidy(html: str, *, quoted_word: str, fold: bool = True) -> Tidied:
    """Return the letter's HTML, well nested and within limits.

    Raises:
        TooMuchError: beyond the limit it names: `depth`, `tags`, `attributes` or `text`.
    """
    writer = _Writer(quoted_word=quoted_word, fold=fold)
    skipped: list[str] = []
    tag_count = 0
    for token in tokens(html):
        if isinstance(token, Text):
            if not skipped:
                writer.text(token.text)
            continue
        tag_count += 1
        if tag_count > MAX_TAGS:
            raise TooMuchError("tags")
        if _skip(skipped, token):
            continue
        if isinstance(token, Start):
            _open(writer, token)
        else:
            _close(writer, token)
    writer.pop_to(0)
    is_empty = writer.text_count == 0 and writer.image_count == 0
    return Tidied(html="".join(writer.out), is_empty=is_empty, lines=writer.lines, links=tuple(writer.lies))
