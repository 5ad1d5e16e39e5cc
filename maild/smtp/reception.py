"""What the SMTP edge asks of the rest of maild: four questions, put by every session.

`app` gives one Reception to all sessions. Whatever it raises becomes `451 4.3.0` for the peer, never a 5xx.
"""

from __future__ import annotations

from typing import Protocol

from maild.mail.address import Address
from maild.mail.envelope import Envelope
from maild.mail.reply import Reply


class SpoolLike(Protocol):
    """Takes the octets of one message while they arrive."""

    @property
    def size(self) -> int:
        """Octets written so far."""

    def write(self, data: bytes, /) -> None:
        """Take the next octets, in order; `data` is never empty. OSError means no room: 452 for the peer."""

    def discard(self) -> None:
        """Free what is held. Safe to call twice."""


class Reception(Protocol):
    """The answers."""

    def ready(self, size: int | None) -> Reply | None:
        """Whether a message of `size` octets (None: unknown) may come. Asked at MAIL and again before content.

        Returns:
            None to go on, else what the peer is told, such as 452 4.3.1.

        """

    def admit(self, address: Address, reverse_path: Address | None) -> Reply:
        """Decide on one recipient; `reverse_path` None is the null reverse-path."""

    def spool(self) -> SpoolLike:
        """Return a fresh spool for one message."""

    async def accept(self, envelope: Envelope, spool: SpoolLike) -> Reply:
        """Take the message; the reply is the final one, and 250 only once it is stored for good.

        It may be a 5xx for the mail as a whole, when every recipient is refused.

        The spool belongs to the reception from here on. The session neither cancels this call when the peer
        goes away nor limits its time.
        """
