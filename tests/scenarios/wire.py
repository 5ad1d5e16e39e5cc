"""A peer that sends octets exactly as they are given: no library between the test and the wire."""

from __future__ import annotations

import re
import socket
from types import TracebackType
from typing import Self

_STORED = re.compile(r"stored as ([0-9A-Z]{13})")


class Peer:
    """An SMTP client in lock-step."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._file = self._socket.makefile("rb")
        self.reply()
        self.say(b"EHLO test.citizen.example")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._socket.close()

    def reply(self) -> str:
        while True:
            line = self._file.readline().decode()
            if not line:
                raise ConnectionResetError
            if line[3:4] != "-":
                return line.rstrip()

    def say(self, line: bytes) -> str:
        self._socket.sendall(line + b"\r\n")
        return self.reply()

    def send(self, octets: bytes, *, to: str, sender: str = "petra@citizen.example") -> str:
        """Send a mail whose octets end with CRLF; return the id under which it is stored."""
        assert self.say(f"MAIL FROM:<{sender}>".encode()).startswith("250")
        assert self.say(f"RCPT TO:<{to}>".encode()).startswith("250")
        assert self.say(b"DATA").startswith("354")
        self._socket.sendall(stuffed(octets) + b".\r\n")
        reply = self.reply()
        found = _STORED.search(reply)
        assert reply.startswith("250 2.0.0"), reply
        assert found is not None
        return found[1]


def stuffed(octets: bytes) -> bytes:
    """Double the dots that begin a line; only CRLF begins one (RFC 5321 §4.5.2)."""
    return (b"." if octets.startswith(b".") else b"") + octets.replace(b"\r\n.", b"\r\n..")
