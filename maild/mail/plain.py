"""HTML as plain text, for search, excerpts and rules: never for display.

Promises: never raises; a fixed number of linear passes.

Source: https://html.spec.whatwg.org/multipage/parsing.html, as far as it decides what is text.
"""

from __future__ import annotations

import html
import re

_LONGEST = 4_000_000
_HIDDEN = re.compile(r"<(?:(!--)|(script|style|head|title|template)(?=[\s/>]))", re.IGNORECASE)
_CLOSED = {
    name: re.compile(closing, re.IGNORECASE)
    for name, closing in {
        "": "-->", "script": "</script", "style": "</style", "head": "</head|<body", "title": "</title|<body",
        "template": "</template",
    }.items()
}  # fmt: skip
_LONG_REFERENCE = re.compile(r"&#(?:[xX][0-9a-fA-F]{9,}+|[0-9]{9,}+);?")
# A tag never contains `<` here: with unclosed ones every search would run to the end.
_QUOTE = re.compile(r"<blockquote(?:\s[^<>]*)?>", re.IGNORECASE)
_BREAK = re.compile(
    r"<(?:br|/?(?:p|div|tr|table|ul|ol|li|dl|dd|dt|h[1-6]|pre|hr|blockquote|section|article|header|footer|center))"
    r"(?:[\s/][^<>]*)?>",
    re.IGNORECASE,
)
_CELL = re.compile(r"</?t[dh](?:\s[^<>]*)?>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<[!?][^<>]*>")


def html_to_text(source: str) -> str:
    """Return the text of an HTML document: a line for each block, quotations marked by `> ` where they begin."""
    source = _visible(source[:_LONGEST])
    if "\n" in source:
        source = source.replace("\n", " ")
    source = _QUOTE.sub("\n> ", source)
    source = _BREAK.sub("\n", source)
    source = _CELL.sub(" ", source)
    source = _TAG.sub("", source)
    if "&" in source:
        # Security: `html.unescape` raises on a number of more than 4,300 digits.
        source = html.unescape(_LONG_REFERENCE.sub("\ufffd", source))
    lines = [" ".join(line.split()) for line in source.split("\n")]
    return "\n".join([line for line in lines if line])


def _visible(source: str) -> str:
    """Cut out comments and elements whose content is no text.

    What is never closed is hidden to the end, as browsers do, but for a head without end.
    """
    pieces, at = [], 0
    unclosed: set[str] = set()  # names that were searched to the end once
    for match in _HIDDEN.finditer(source):
        if match.start() < at:
            continue
        name = (match[2] or "").lower()
        if name in unclosed:
            continue
        pieces.append(source[at : match.start()])
        end = _CLOSED[name].search(source, match.end())
        if end is None:
            unclosed.add(name)
            at = match.start() if name in ("head", "title") else len(source)
        else:
            at = end.end() if not name else end.start()
    pieces.append(source[at:])
    return " ".join(pieces)
