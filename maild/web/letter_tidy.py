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

from maild.mail.links import link_target
from maild.web.letter_elements import (
    ATTRIBUTES,
    BLOCK,
    CELLS,
    CLASSES,
    GENERIC,
    GROUPS,
    HEADINGS,
    INLINE,
    TABLE,
    TAGS,
    VOID,
)
from maild.web.letter_tokens import End, Start, Text, TooMuchError, tokens
from maild.web.letter_tree import Tree

MAX_TAGS = 30_000
_RENAMED = dict.fromkeys(
    ("address", "article", "aside", "body", "details", "dir", "fieldset", "figcaption", "figure", "footer"), "div"
) | dict.fromkeys(("form", "header", "hgroup", "legend", "main", "menu", "nav", "search", "section", "summary"), "div")
# Elements that are left out with all that is in them; what they hold is for programs, not for readers.
_SKIPPED = frozenset({"svg", "math", "template", "select", "datalist"})
_FOREIGN = frozenset({"svg", "math"})
_KEPT = {name: ATTRIBUTES.get(name, frozenset()) | GENERIC for name in TAGS}
_MAX_VALUE = 8_000
_REPLY_CLASS = re.compile(r"quote|cite", re.IGNORECASE)
_REPLY_STYLE = re.compile(r"border-left", re.IGNORECASE)
# Interop: what Outlook writes above the letter it answers; all that follows it is the quotation.
_OUTLOOK_ID = frozenset({"divrplyfwdmsg", "appendonsend", "mail-editor-reference-message-container", "zwchr"})
_OUTLOOK_STYLE = re.compile(
    r"border-top:\s*solid\s*#(?:e1e1e1|b5c4df)|border-top-color: rgb\(229, 229, 229\)", re.IGNORECASE
)
_INDENTED = re.compile(r"border:\s*none", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """The HTML, whether it shows anything, and how many lines it takes, by estimate."""

    html: str
    is_empty: bool
    lines: int
    links: tuple[tuple[str, str], ...]  # those whose words name another place than they lead to: words, place


def _is_quotation(start: Start, *, introduced: bool) -> bool:
    attributes = start.attributes
    return (
        (introduced and not _INDENTED.search(attributes.get("style", "")))
        or attributes.get("type", "").lower() == "cite"
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
    if attributes.get("class") in CLASSES.get(name, ()):
        written.append(f' class="{attributes["class"]}"')
    return f"<{name}{''.join(written)}>"


def _body(attributes: dict[str, str]) -> dict[str, str]:
    """A body's colours, as a style: the letter was written to be read on them."""
    style = attributes.get("style", "")
    for key, css in (("bgcolor", "background-color"), ("text", "color")):
        if key in attributes:
            style = f"{css}:{attributes[key]};{style}"
    return {**attributes, "style": style} if style else attributes


def _open_table_part(tree: Tree, name: str, attributes: dict[str, str]) -> None:
    table = tree.find("table", frozenset())
    if table < 0:
        return
    keep = table + 1
    wanted = GROUPS | ({"tr"} if name in CELLS else frozenset())
    if name not in GROUPS:
        while keep < len(tree.stack) and tree.stack[keep] in wanted:
            keep += 1
    tree.pop_to(keep)
    if name in CELLS and tree.stack[-1] != "tr":
        tree.push("tr", "<tr>")
    tree.lines += name == "tr"
    tree.push(name, _tag(name, attributes))


_SPECIAL_BUT_FLOW = BLOCK - {"div", "p"}
_ITEMS = (frozenset({"li"}), frozenset({"dd", "dt"}))
_P_BARRIERS = CELLS | {"table"}


def _close_item(tree: Tree, group: frozenset[str]) -> None:
    """Close the innermost item of a list's kind, unless something of its own is open within it."""
    for index in range(len(tree.stack) - 1, -1, -1):
        if tree.stack[index] in group:
            tree.close_block(index)
            return
        if tree.stack[index] in _SPECIAL_BUT_FLOW:
            return


def _close_implied(tree: Tree, name: str) -> None:
    """Close what a start tag ends without saying so: the paragraph, the list item, the heading before it."""
    for group in _ITEMS:
        if name in group:
            _close_item(tree, group)
    paragraph = tree.find("p", _P_BARRIERS)
    if paragraph >= 0:
        tree.close_block(paragraph)
    if name in HEADINGS and tree.stack and tree.stack[-1] in HEADINGS:
        tree.pop()


def _open(tree: Tree, start: Start) -> None:
    name = _RENAMED.get(start.name, start.name)
    if name not in TAGS:
        return
    attributes = _body(start.attributes) if start.name == "body" else start.attributes
    if name in TABLE and name != "table":
        _open_table_part(tree, name, attributes)
        return
    if name == "img":
        source = attributes.get("src", "").strip()
        if not source:
            return
        if source.startswith("//"):
            attributes = {**attributes, "src": f"https:{source}"}
    target = link_target(attributes.get("href", "")) if name == "a" else None
    if name == "a":
        if target is None:
            return
        attributes = {**attributes, "href": target, "title": target}
    if name in BLOCK or name == "hr":
        _close_implied(tree, name)
    tree.prepare()
    if name == "hr" and tree.fold and _begins_original(start) and "details" not in tree.stack:
        tree.begin_fold(ends_with_blockquote=False)
    if name in VOID:
        tree.image_count += name == "img"
        tree.lines += name in {"br", "hr"}
        tree.out.append(_tag(name, attributes))
        return
    if target is not None and not _begin_link(tree, target):
        return
    _open_block(tree, start, name, attributes)


def _begin_link(tree: Tree, target: str) -> bool:
    """Close a link that is still open; links do not nest. False when one around a block cannot be closed."""
    if "a" in tree.stack:
        index = tree.find("a", BLOCK)
        if index < 0:
            return False
        tree.pop_to(index)
    tree.link_target = target
    tree.link_words = []
    return True


def _open_block(tree: Tree, start: Start, name: str, attributes: dict[str, str]) -> None:
    if tree.fold and "details" not in tree.stack:
        if name == "blockquote" and _is_quotation(start, introduced=tree.introduces):
            tree.begin_fold(ends_with_blockquote=True)
        elif name == "div" and _begins_original(start):
            tree.begin_fold_around()
    tree.lines += name in BLOCK
    tree.push(name, _tag(name, attributes))


def _close(tree: Tree, end: End) -> None:
    name = _RENAMED.get(end.name, end.name)
    if name == "br":
        tree.out.append("<br>")
    if name not in TAGS or name in VOID:
        return
    barriers = frozenset({"table"}) if name in TABLE else CELLS | {"table"}
    if name == "table":
        barriers = frozenset()
    index = tree.find(name, barriers | (BLOCK if name in INLINE else frozenset()))
    if index < 0:
        return
    if name in INLINE | TABLE:
        tree.pop_to(index)
    else:
        tree.close_block(index)


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
    tree = Tree(quoted_word=quoted_word, fold=fold)
    skipped: list[str] = []
    tag_count = 0
    for token in tokens(html):
        if isinstance(token, Text):
            if not skipped:
                tree.text(token.text)
            continue
        tag_count += 1
        if tag_count > MAX_TAGS:
            raise TooMuchError("tags")
        if _skip(skipped, token):
            continue
        if isinstance(token, Start):
            _open(tree, token)
        else:
            _close(tree, token)
    tree.pop_to(0)
    is_empty = tree.text_count == 0 and tree.image_count == 0
    return Tidied(html="".join(tree.out), is_empty=is_empty, lines=tree.lines, links=tuple(tree.lies))
