"""Pictures within what somebody wrote: told from those of quotations and signatures, which their mail program put in.

Each is a mark in the text while that is cut (`maild.mail.own_words`); what is left of the marks says which stay.

Promises: pure; linear; a picture that nothing says to be part of a quotation or a signature stays.

Source: RFC 2392 (cid:), RFC 2387.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote

_IMAGE = re.compile(r"<img(?=[\s/])[^<>]*>", re.IGNORECASE)
_SOURCE = re.compile(r"\ssrc\s*=\s*[\"']?cid:([^\"'\s<>]{1,998})", re.IGNORECASE)
_MARK = re.compile("\ue000([0-9]{1,6})\ue001")
# Interop: Outlook writes this into its plain text, too.
_IN_PLAIN = re.compile(r"\[cid:([^\[\]\s]{1,998})\]", re.IGNORECASE)


class Marks:
    """Marks for pictures, by their content ids."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    def put(self, source: str) -> str:
        """Return HTML in which a mark stands for each picture of the letter."""
        return _IMAGE.sub(self._mark, source)

    def _mark(self, image: re.Match[str]) -> str:
        found = _SOURCE.search(image[0])
        if found is None:
            return image[0]
        self._ids.append(unquote(found[1]))
        return f" \ue000{len(self._ids) - 1}\ue001 "

    def cut(self, texts: Iterable[str]) -> frozenset[str]:
        """Return the pictures of which no mark is left in any of the texts."""
        left = {self._ids[int(number)] for text in texts for number in _MARK.findall(text) if self._knows(number)}
        return frozenset(self._ids) - left

    def named(self, text: str, name: Callable[[str], str]) -> str:
        """Return a text with names where marks are, each in brackets; `name` has one for a content id, or ""."""

        def instead(content_id: str) -> str:
            said = name(content_id)
            return f"[{said}]" if said else ""

        text = _MARK.sub(lambda m: instead(self._ids[int(m[1])]) if self._knows(m[1]) else "", text)
        return _IN_PLAIN.sub(lambda m: instead(unquote(m[1])) or m[0], text)

    def _knows(self, number: str) -> bool:
        return int(number) < len(self._ids)
