"""ClamAV: clamd is sent a mail as it is read (INSTREAM), over TCP or its Unix socket.

Source: clamd(8) of ClamAV 1.4: `zINSTREAM`, chunks with their length before them, one of length 0 at the end.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.mail.screening import CLEAN, UNAVAILABLE, VIRUS, Finding
from maild.screening.asked import ClamavSettings, Octets, Opinion, UnavailableError, Wish, shown, unavailable
from maild.screening.exchange import all_of, connected, pour, within

NAME = "clamav"
_ANSWER_BYTES = 4_096
_CHUNK_BYTES = 64 * 1024
_CUT = "cut off: clamd ended or its StreamMaxLength is too small"
_FOUND = re.compile(r"stream: (.{1,200}) FOUND")


class Clamav:
    """Asks one clamd."""

    def __init__(self, settings: ClamavSettings) -> None:
        """Ask whom the settings name."""
        self._settings = settings

    async def opinion(self, envelope: Envelope, octets: Octets) -> Opinion:  # noqa: ARG002 - only the content counts
        """Return what clamd says of a mail."""
        settings = self._settings
        if octets.size > settings.max_bytes:
            # To come again would not make it smaller: whatever is set, it is accepted, and says so.
            return Opinion((Finding(NAME, UNAVAILABLE, names=("too large",)),))
        try:
            answer = await self.ask(octets)
        except UnavailableError as error:
            return unavailable(NAME, error.reason, settings.if_unavailable)
        if answer is None:
            return Opinion((Finding(NAME, CLEAN),))
        finding = Finding(NAME, VIRUS, names=(answer,))
        if settings.action == "refuse":
            return Opinion((finding,), Wish.REFUSE, _refused(answer))
        return Opinion((finding,), Wish.HOLD)

    async def ask(self, octets: Octets) -> str | None:
        """Return the name of the virus in some octets, None when there is none. Raises UnavailableError."""
        return await within(self._settings.timeout_s, self._ask(octets))

    async def greet(self) -> str:
        """Return the version that clamd says it has. Raises UnavailableError."""
        return await within(self._settings.timeout_s, self._greet())

    async def _ask(self, octets: Octets) -> str | None:
        async with connected(self._settings.address) as (reader, writer):
            writer.write(b"zINSTREAM\0")
            try:
                await pour(writer, _chunks(octets))
                answer = _text(await all_of(reader, _ANSWER_BYTES))
            except ConnectionError:
                raise UnavailableError(_CUT) from None
        if found := _FOUND.fullmatch(answer):
            return shown(found[1])
        if answer == "stream: OK":
            return None
        if "size limit exceeded" in answer:
            raise UnavailableError(_CUT)
        raise UnavailableError("the answer cannot be read")

    async def _greet(self) -> str:
        async with connected(self._settings.address) as (reader, writer):
            writer.write(b"zVERSION\0")
            return shown(_text(await all_of(reader, _ANSWER_BYTES)))


def _text(answer: bytes) -> str:
    return answer.rstrip(b"\0\n").decode("utf-8", "replace")


def _chunks(octets: Octets) -> Iterator[bytes]:
    for piece in octets.pieces():
        for start in range(0, len(piece), _CHUNK_BYTES):
            chunk = piece[start : start + _CHUNK_BYTES]
            yield struct.pack(">I", len(chunk)) + chunk
    yield struct.pack(">I", 0)


def _refused(virus: str) -> Reply:
    text = f"A virus was found in this message ({virus}), which is not accepted"
    return Reply(code=554, enhanced="5.7.1", text=text)
