"""HTML cut into tokens, as a browser would, in one linear pass that cannot fail.

Attributes come out parsed, so that what is written anew from them reads the same to everyone.

Source: HTML Standard of WHATWG §13.2.5 (tokenization), §13.2.5.72 ff. (character references).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from html.entities import html5
from typing import NamedTuple

_SPACE = r"[ \t\n\f\r]"
_MARKUP = re.compile(r"<[A-Za-z/!?]")
_TAG = re.compile(r"<(/?)([A-Za-z][^ \t\n\f\r/>]*+)")
_BARE_TAG = re.compile(rf"<(/?)([A-Za-z][A-Za-z0-9]*+){_SPACE}*+>")
_ATTRIBUTE = re.compile(
    rf"[ \t\n\f\r/]*+([^ \t\n\f\r/>][^ \t\n\f\r/>=]*+)"
    rf"(?:{_SPACE}*+={_SPACE}*+(?:\"([^\"]*+)\"|'([^']*+)'|([^ \t\n\f\r>]*+)))?"
)
_TAG_END = re.compile(r"[ \t\n\f\r/]*+>")
_COMMENT_END = re.compile(r"--!?>")
_REFERENCE = re.compile(r"&(?:#[xX][0-9A-Fa-f]+;?|#[0-9]+;?|[A-Za-z][A-Za-z0-9]*+;?)")
# Security: `html.unescape` raises on a number of more than 4,300 digits.
_LONG_REFERENCE = re.compile(r"&#(?:[xX][0-9A-Fa-f]{9,}+|[0-9]{9,}+);?")
_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\u202d\u202e\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# Elements whose content is not markup; it is left out with them.
_RAW = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext"})
MAX_ATTRIBUTES = 150_000


class Text(NamedTuple):
    """Characters, with references resolved."""

    text: str


class Start(NamedTuple):
    """A start tag; the first of equal attributes counts, as in a browser."""

    name: str
    attributes: dict[str, str]


class End(NamedTuple):
    """An end tag."""

    name: str


class TooMuchError(Exception):
    """The letter's HTML is beyond what is worth rendering; `args[0]` names the limit."""


def visible_text(text: str) -> str:
    """Resolve references, and leave out controls, lone surrogates and the two overrides of direction."""
    if "&" in text:
        text = unescape(_LONG_REFERENCE.sub("\ufffd", text))
    return _INVISIBLE.sub("", text)


def _reference(match: re.Match[str]) -> str:
    # Interop: `?a=1&copy=2` in an address is no ©: without its semicolon a name must stand alone.
    found = match.group()
    if len(found) > 40:
        return "\ufffd" if found[1] == "#" else found
    if found[1] == "#" or found.endswith(";"):
        return unescape(found)
    rest = match.string[match.end() : match.end() + 1]
    return unescape(found) if found[1:] in html5 and rest != "=" else found


def _value(raw: str) -> str:
    return _INVISIBLE.sub("", _REFERENCE.sub(_reference, raw) if "&" in raw else raw)


class _Reader:
    """Where the pass stands. Every method moves `at` forward or to the end."""

    __slots__ = ("at", "attribute_count", "html")

    def __init__(self, html: str) -> None:
        self.html = html
        self.at = 0
        self.attribute_count = 0

    def tag(self) -> Start | End | None:
        bare = _BARE_TAG.match(self.html, self.at)
        if bare is not None:
            self.at = bare.end()
            slash, name = bare.groups()
            return End(name.lower()) if slash else Start(name.lower(), {})
        match = _TAG.match(self.html, self.at)
        if match is None:
            self._bogus()
            return None
        self.at = match.end()
        attributes = self._attributes()
        end = _TAG_END.match(self.html, self.at)
        if end is None:
            self.at = len(self.html)
            return None
        self.at = end.end()
        name = match.group(2).lower()
        return End(name) if match.group(1) else Start(name, attributes)

    def _attributes(self) -> dict[str, str]:
        attributes: dict[str, str] = {}
        while match := _ATTRIBUTE.match(self.html, self.at):
            self.at = match.end()
            self.attribute_count += 1
            name, double, single, bare = match.groups()
            if self.attribute_count > MAX_ATTRIBUTES:
                raise TooMuchError("attributes")
            attributes.setdefault(name.lower(), _value(double or single or bare or ""))
        return attributes

    def _bogus(self) -> None:
        """Pass over a comment, a doctype, a processing instruction, or an end tag without a name."""
        html, at = self.html, self.at
        if not html.startswith("<!--", at):
            end = html.find(">", at + 1)
            self.at = end + 1 or len(html)
            return
        if html.startswith((">", "->"), at + 4):
            self.at = html.index(">", at) + 1
            return
        close = _COMMENT_END.search(html, at + 4)
        self.at = close.end() if close else len(html)

    def skip_raw(self, name: str) -> None:
        """Pass over the content of an element that holds no markup, up to its end tag."""
        close = re.compile(rf"</{name}(?=[ \t\n\f\r/>])", re.IGNORECASE).search(self.html, self.at)
        self.at = close.start() if close and name != "plaintext" else len(self.html)


def tokens(html: str) -> Iterator[Text | Start | End]:
    """Yield the tokens of an HTML text; comments, doctypes and the content of raw elements are left out."""
    reader = _Reader(html)
    size = len(html)
    while reader.at < size:
        markup = _MARKUP.search(html, reader.at)
        end = markup.start() if markup else size
        if end > reader.at:
            text, reader.at = html[reader.at : end], end
            yield Text(visible_text(text))
            continue
        tag = reader.tag()
        if tag is None:
            continue
        if isinstance(tag, Start) and tag.name in _RAW:
            reader.skip_raw(tag.name)
            continue
        yield tag
