"""TLS for the SMTP edge: one context, made anew when its files change.

Source: RFC 3207; RFC 8996 (TLS before 1.2 is not spoken).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog

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


def _load(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.cert_file, files.key_file)
    return context
