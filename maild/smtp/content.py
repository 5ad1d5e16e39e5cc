"""Message content while it arrives: by DATA with its dots, or by BDAT in counted chunks.

Works on chunks as the socket gives them; no line is ever held, so a line may be as long as the message. Only
CR LF . CR LF ends DATA: a bare LF, a bare CR and a NUL are octets like all others and are kept.

Source: RFC 5321 §4.5.2 (transparency), §2.3.8 (line ends), §6.3 (loops); RFC 3030 (BDAT).
"""

from __future__ import annotations

from maild.mail.reply import Reply
from maild.smtp.limits import Limits
from maild.smtp.reception import SpoolLike

OVERRUN_BYTES = 65_536  # how far above the limit a refused message is still listened to
_HEADER_LIMIT = 1 << 20
_END = b"\r\n.\r\n"
_DOT = b"\r\n."
_FIELD = b"\nreceived:"

TOO_LARGE = Reply(code=552, enhanced="5.3.4", text="The message is larger than accepted here")
CIRCLING = Reply(code=554, enhanced="5.4.6", text="The message has passed too many servers: a mail loop")
BROKEN = Reply(code=451, enhanced="4.3.0", text="Try again later")
NO_ROOM = Reply(code=452, enhanced="4.3.1", text="No room for mail at the moment, try again later")


class Content:
    """One message on its way into a spool: counts, and decides whether it can still be taken.

    `refusal` is what the peer will be told at the end, or None. From a refusal on nothing more is stored. `error`
    is what the spool raised, when that was the reason.
    """

    __slots__ = ("_header_tail", "_limits", "_received_fields", "error", "refusal", "size", "spool")

    def __init__(self, spool: SpoolLike, limits: Limits) -> None:
        """Start with no octets."""
        self.spool = spool
        self.size = 0
        self.refusal: Reply | None = None
        self.error: Exception | None = None
        self._limits = limits
        self._received_fields = 0
        self._header_tail: bytes | None = b"\n"  # None once the header has ended

    @property
    def overrun(self) -> bool:
        """Whether the peer goes on far beyond the limit: nothing is gained by listening to the end."""
        return self.size > self._limits.max_message_bytes + OVERRUN_BYTES

    def write(self, octets: bytes) -> None:
        """Take the next octets of the message itself."""
        self.size += len(octets)
        if self.refusal is not None:
            return
        if self.size > self._limits.max_message_bytes:
            self.refuse(TOO_LARGE)
            return
        if self._header_tail is not None:
            self._look_at_header(octets, self._header_tail)
            if self._received_fields >= self._limits.max_received_fields:
                self.refuse(CIRCLING)
                return
        try:
            self.spool.write(octets)
        except Exception as error:  # noqa: BLE001 - the session's edge: called by the event loop, which would hang up
            self.error = error
            self.refuse(NO_ROOM if isinstance(error, OSError) else BROKEN)

    def refuse(self, reply: Reply) -> None:
        """Give the message up; the rest of it is listened to, and forgotten."""
        self.refusal = self.refusal or reply
        self.spool.discard()

    def _look_at_header(self, octets: bytes, tail: bytes) -> None:
        text = tail + octets
        end = text.find(b"\n\r\n")
        bare = text.find(b"\n\n", 0, end if end >= 0 else len(text))
        if bare >= 0:
            end = bare
        self._received_fields += (text[:end] if end >= 0 else text).lower().count(_FIELD)
        over = end >= 0 or self.size > _HEADER_LIMIT
        self._header_tail = None if over else text[1 - len(_FIELD) :]


class DataReader:
    """Takes the dots out of DATA and finds its end."""

    __slots__ = ("_before", "_tail", "content")

    def __init__(self, content: Content) -> None:
        """Read into `content`."""
        self.content = content
        # Invariant: the octets not yet handed on are a proper prefix of _END, so that neither an end nor a dot
        # at the beginning of a line can hide between two chunks. The content begins as if after a line end.
        self._tail = b"\r\n"
        self._before = 2

    def feed(self, chunk: bytes) -> bytes | None:
        """Take the next chunk. Returns None, or what follows the end."""
        data = self._tail + chunk if self._tail else chunk
        # Lines that begin with a dot are rare but for the last: looking from the end for one is a single pass over
        # most chunks, and three times as fast as looking for the end of the message and replacing dots.
        dot = data.rfind(_DOT)
        if dot >= 0:
            if dot + 5 == len(data) and data.endswith(_END) and data.rfind(_DOT, 0, dot) < 0:
                self._hand_on(data[:-3])
                return b""
            end = data.find(_END)
            if end >= 0:
                self._hand_on(data[: end + 2].replace(_DOT, b"\r\n"))
                return data[end + 5 :]
        keep = _partial_end(data)
        self._tail = data[len(data) - keep :]
        if keep:
            data = data[:-keep]
        self._hand_on(data.replace(_DOT, b"\r\n") if dot >= 0 else data)
        return None

    def _hand_on(self, data: bytes) -> None:
        if self._before and data:
            data = data[2:]
            self._before = 0
        if data:
            self.content.write(data)


def _partial_end(data: bytes) -> int:
    """Return how many octets at the end of `data` may be the beginning of the end."""
    if data.endswith(b"\n"):
        return 2 if data.endswith(b"\r\n") else 0
    if data.endswith(b"\r"):
        return 4 if data.endswith(b"\r\n.\r") else 1
    return 3 if data.endswith(b"\r\n.") else 0


class ChunkReader:
    """Takes the octets of one BDAT as they are."""

    __slots__ = ("_left", "content")

    def __init__(self, content: Content, octets: int) -> None:
        """Read `octets` octets into `content`."""
        self.content = content
        self._left = octets

    def feed(self, chunk: bytes) -> bytes | None:
        """Take the next chunk. Returns None, or what follows the last octet."""
        taken = chunk[: self._left]
        self._left -= len(taken)
        if taken:
            self.content.write(taken)
        return None if self._left else chunk[len(taken) :]
