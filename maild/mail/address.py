"""Addresses of RFC 5321: the value, its comparison key, and the strict path parser.

Source: RFC 5321 §4.1.2 and §2.4, RFC 6531 §3.3 (internationalised local parts).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


def fold(text: str) -> str:
    """Return the form in which names of people's making are compared: NFKC, caseless."""
    return unicodedata.normalize("NFKC", text.casefold() if not text.isascii() else text.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A mailbox `local@domain`. `local` is unquoted, as meant; `domain` is lower-case (or `[literal]`)."""

    local: str
    domain: str

    @property
    def key(self) -> str:
        """The form in which addresses are compared and stored in indexes."""
        return f"{fold(self.local)}@{self.domain}"
