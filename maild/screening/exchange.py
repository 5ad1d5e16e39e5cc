"""A question to a program over TCP or a Unix socket: one connection, one question, one answer, within limits.

HTTP is spoken here in the least that rspamd needs, and not by a library: those limit each step of an exchange and not
the whole, look for proxies in the environment, and cost a fifth of a second and seven megabytes at start.

Source: RFC 9112 §3, §4, §6.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from maild.screening.asked import Octets, UnavailableError

T = TypeVar("T")

ANSWER_BYTES = 256 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to `HOST:PORT`, or to the socket of that path; leaves nothing open, however it ends.

    Raises:
        OSError: nobody is there.
    """
    if address.startswith("/"):
        reader, writer = await asyncio.open_unix_connection(address)
    else:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host.removeprefix("[").removesuffix("]"), int(port))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def pour(writer: asyncio.StreamWriter, pieces: Iterable[bytes]) -> None:
    """Write as fast as the other side reads, and no more in memory than a piece."""
    for piece in pieces:
        writer.write(piece)
        await writer.drain()


async def all_of(reader: asyncio.StreamReader, limit: int) -> bytes:
    """Return what comes until the other side closes. Raises UnavailableError beyond `limit`."""
    taken = bytearray()
    while piece := await reader.read(limit):
        taken += piece
        if len(taken) > limit:
            raise UnavailableError("the answer is too long")
    return bytes(taken)


async def post(
    address: str, path: str, fields: Iterable[tuple[str, str]], octets: Octets | None = None
) -> tuple[int, bytes]:
    """Send octets (without: ask with GET) and return status and content of the answer.

    Raises:
        UnavailableError: the answer is none.
        OSError, asyncio.IncompleteReadError: the connection failed.
    """
    async with connected(address) as (reader, writer):
        writer.write(_request(address, path, fields, octets))
        if octets is not None:
            await pour(writer, octets.pieces())
        return await _answer(reader)


def _request(address: str, path: str, fields: Iterable[tuple[str, str]], octets: Octets | None) -> bytes:
    lines = [f"{'GET' if octets is None else 'POST'} {path} HTTP/1.1"]
    lines.append(f"Host: {'localhost' if address.startswith('/') else address}")
    lines.append("Connection: close")
    if octets is not None:
        lines.append(f"Content-Length: {octets.size}")
    # Security: addresses and names come from strangers; none of them can begin a field of its own.
    lines += [f"{name}: {_CONTROLS.sub(' ', value)}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise UnavailableError("the answer is no HTTP") from None
    first, *rest = head[:-4].split(b"\r\n")
    status = _STATUS.fullmatch(first)
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in rest)}
    if status is None or b"transfer-encoding" in fields:
        raise UnavailableError("the answer is no HTTP")
    length = fields.get(b"content-length")
    if length is None:
        return int(status[1]), await all_of(reader, ANSWER_BYTES)
    if not _LENGTH.fullmatch(length):
        raise UnavailableError("the answer is no HTTP")
    if int(length) > ANSWER_BYTES:
        raise UnavailableError("the answer is too long")
    return int(status[1]), await reader.readexactly(int(length))


async def within(timeout_s: float, question: Awaitable[T]) -> T:
    """Ask within a deadline; whatever the other side or the network does is an UnavailableError."""
    try:
        async with asyncio.timeout(timeout_s):
            return await question
    except TimeoutError:
        raise UnavailableError("no answer in time") from None
    except asyncio.IncompleteReadError:
        raise UnavailableError("the answer broke off") from None
    except ConnectionRefusedError:
        raise UnavailableError("nobody answers there") from None
    except (OSError, UnicodeError) as error:  # a name that is none is found out by the encoding of names
        raise UnavailableError(type(error).__name__) from None
