"""Mails to be examined, and settings under which they are."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from maild.config.screening import Clamav, Rspamd
from maild.mail.address import parse_address, parse_path
from maild.mail.envelope import Envelope, Peer, Recipient

# Both are written in pieces, or scanners would find them in this file.
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-" + b"TEST-FILE!$H+H*"
HEAD = (
    b"From: <petra@citizen.example>\r\nTo: <kita@musterstadt.example>\r\n"
    b"Subject: x\r\nMessage-ID: <%s@citizen.example>\r\n"
)
HAM = (
    HEAD % b"ham" + b"\r\nGuten Tag, wann wird der Platz in der Kindertagesstaette frei? Mit freundlichen Gruessen\r\n"
)
SPAM = HEAD % b"spam" + b"\r\n" + GTUBE + b"\r\n"
VIRUS = (
    HEAD % b"virus"
    + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
    + b"<p>Anbei die Rechnung</p>\r\n--b\r\nContent-Type: application/octet-stream\r\n"
    + b"Content-Disposition: attachment; filename=rechnung.com\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode(EICAR)
    + b"\r\n--b--\r\n"
)


class Letter:
    """Octets in memory, as a spool would have them."""

    def __init__(self, octets: bytes = HAM, piece: int = 65_536) -> None:
        self._octets = octets
        self._piece = piece
        self.size = len(octets)

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, self.size, self._piece):
            yield self._octets[start : start + self._piece]


def envelope(
    ip: str = "8.8.8.25",
    *,
    sender: str = "<petra@citizen.example>",
    to: tuple[str, ...] = ("kita@musterstadt.example",),
) -> Envelope:
    return Envelope(
        reverse_path=parse_path(sender),
        recipients=tuple(Recipient(address=parse_address(address)) for address in to),
        peer=Peer(ip=ip, port=4000, helo="mx.citizen.example", protocol="ESMTP", tls=None),
    )


def rspamd(address: str, **values: Any) -> Rspamd:
    return replace(Rspamd(), address=address, **{"timeout_s": 5.0, **values})


def clamav(address: str, **values: Any) -> Clamav:
    return replace(Clamav(), address=address, **{"timeout_s": 5.0, **values})
