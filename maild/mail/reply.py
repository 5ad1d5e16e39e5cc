"""SMTP replies.

Source: RFC 5321 §4.2, RFC 3463 (enhanced codes).
"""

from __future__ import annotations

from dataclasses import dataclass

_MAX_LINE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an SMTP server says: `code` and `enhanced` agree in their class; `text` is ASCII for the peer.

    `enhanced` is empty where RFC 2034 §4 has none (greeting, EHLO, 354).
    """

    code: int
    enhanced: str = ""
    text: str

    def __post_init__(self) -> None:
        """Refuse a reply whose two classes disagree, or that is not one ASCII line."""
        if self.enhanced and self.enhanced[0] != str(self.code)[0]:
            raise ValueError(f"reply {self.code} cannot carry {self.enhanced}")
        if not self.text.isascii() or not self.text.isprintable() or len(str(self)) > _MAX_LINE - 2:
            raise ValueError("a reply is one printable ASCII line of at most 510 octets")

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}" if self.enhanced else f"{self.code} {self.text}"

    @property
    def accepted(self) -> bool:
        return self.code < 400
