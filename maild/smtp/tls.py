"""TLS for the SMTP edge: one context, made anew when its files change; and TLS from the start.

Source: RFC 3207; RFC 8996 (TLS before 1.2 is not spoken).
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import structlog

from maild.smtp.incoming import Incoming

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where the certificate chain and its key are, in PEM."""

    cert_file: Path
    key_file: Path


class TlsSource:
    """Gives the context for the next handshake."""

    def __init__(self, files: TlsFiles) -> None:
        """Load the files.

        Raises:
            OSError, ssl.SSLError: when they cannot be read, or do not belong together.

        """
        self._files = files
        self._stamp = self._look()
        self._context = _load(files)

    def context(self) -> ssl.SSLContext:
        """Return the context; files that were replaced are loaded, and the last good ones serve if that fails."""
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._context = _load(self._files)
                _log.info("tls.reloaded", cert_file=str(self._files.cert_file))
        except (OSError, ssl.SSLError) as error:
            _log.error("tls.reload_failed", cert_file=str(self._files.cert_file), error=str(error))
        return self._context

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        stats = [path.stat() for path in (self._files.cert_file, self._files.key_file)]
        return tuple((s.st_mtime_ns, s.st_size, s.st_ino) for s in stats)


async def begin_tls(
    incoming: Incoming,
    loop: asyncio.AbstractEventLoop,
    wire: asyncio.Transport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    *,
    server_side: bool,
    ssl_handshake_timeout: float,
) -> asyncio.Transport | None:
    """Begin TLS on a connection whose peer began with the handshake, and perhaps before we were ready for it.

    uvloop reads as soon as a connection is there, so that the peer's first octets may lie in `incoming` already.
    """
    upgrading = loop.create_task(
        loop.start_tls(wire, protocol, context, server_side=server_side, ssl_handshake_timeout=ssl_handshake_timeout)
    )
    # One turn, and reading is paused and the connection TLS's own; what came until then goes before what comes.
    await asyncio.sleep(0)
    loop.call_soon(_pass_on, wire, incoming)
    return await upgrading


def _pass_on(wire: asyncio.Transport, incoming: Incoming) -> None:
    # By duck, as the event loops do: uvloop's is no subclass.
    taker, early = cast("asyncio.BufferedProtocol", wire.get_protocol()), incoming.take_all()
    while early and not wire.is_closing():
        room = memoryview(taker.get_buffer(len(early)))
        part = early[: len(room)]
        room[: len(part)] = part
        taker.buffer_updated(len(part))
        early = early[len(part) :]


def _load(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.cert_file, files.key_file)
    return context


def cut(wire: asyncio.Transport | None) -> None:
    """Cut a connection, if it is still there."""
    # Interop: asyncio's TLS of Python 3.11.2 lets go of its wire when it is closed twice, and raises then.
    if wire is not None:
        with suppress(AttributeError):
            wire.abort()
