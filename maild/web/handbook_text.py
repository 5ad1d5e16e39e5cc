"""The text of a handbook's page as HTML: paragraphs, headings, lists, bold words and links, and nothing else.

Security: every piece of text is escaped by itself, and only this module's own elements stand around it. A link leads
where links of letters may lead (http, https, mailto), or to a page of ours. Linear in its input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

from maild.web.letter_links import LINK_REL, link_target

_INLINE = re.compile(
    r"\*\*(?P<bold>[^*\n]{1,500})\*\*"
    r"|\[(?P<words>[^\[\]\n]{1,300})\]\((?P<to>[^()\s]{1,1000})\)"
    r"|(?P<url>(?<![A-Za-z0-9])https?://[^\s<>\"()\[\]]{1,1000})"
)
_ITEM = re.compile(r"(?:[-*]|(?P<number>[0-9]{1,3})[.)])[ \t]+(?P<text>.*)")
_HEADING = re.compile(r"#{1,4}[ \t]+(?P<text>.*)")
_OURS = re.compile(r"/(?:handbook|c|m|inbox|search|directory)(?:[/?][\w.,:;/?=&%+~-]*)?")
_TRAILING = ".,;:!?"


def html_of(text: str) -> Markup:
    """Return a text as HTML. A line that begins with `- ` or `1. ` is an item, with `# ` a heading."""
    return Markup("\n").join(_blocks(text.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Markup]:
    held: list[Markup] = []
    kind = ""
    for line in [*map(str.strip, lines), ""]:
        item, heading = _ITEM.fullmatch(line), _HEADING.fullmatch(line)
        now = "" if heading or not line else "p"
        if item:
            now = "ol" if item["number"] else "ul"
        if held and now != kind:
            yield _block(kind, held)
            held = []
        kind = now
        if heading:
            yield Markup("<h2>{}</h2>").format(_inline(heading["text"]))
        elif line:
            held.append(_inline(item["text"] if item else line))


def _block(kind: str, held: list[Markup]) -> Markup:
    if kind == "p":
        return Markup("<p>{}</p>").format(Markup("<br>").join(held))
    items = Markup("").join(Markup("<li>{}</li>").format(each) for each in held)
    return Markup("<ol>{}</ol>").format(items) if kind == "ol" else Markup("<ul>{}</ul>").format(items)


def _inline(text: str) -> Markup:
    pieces: list[Markup] = []
    end = 0
    for found in _INLINE.finditer(text):
        pieces += [escape(text[end : found.start()]), _marked(found)]
        end = found.end()
    return Markup("").join([*pieces, escape(text[end:])])


def _marked(found: re.Match[str]) -> Markup:
    if found["bold"] is not None:
        return Markup("<strong>{}</strong>").format(found["bold"])
    if found["words"] is not None:
        return _link(found["to"], found["words"]) or escape(found[0])
    url = found["url"].rstrip(_TRAILING)
    return (_link(url, url) or escape(url)) + escape(found["url"][len(url) :])


def _link(to: str, words: str) -> Markup | None:
    if _OURS.fullmatch(to) and ".." not in to:
        return Markup('<a href="{}">{}</a>').format(to, words)
    target = link_target(to)
    if target is None:
        return None
    return Markup('<a href="{}" rel="{}">{}</a>').format(target, LINK_REL, words)
