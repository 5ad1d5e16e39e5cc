"""Trace fields: what maild writes on top of a message it took.

The fields are ASCII whatever the peer said: what HELO claims is reduced to the characters of a host name, so
that nothing a stranger says can begin a line, close a comment or add a clause.

Source: RFC 5321 §4.4; RFC 3848 (`with` keywords).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

from maild.errors import AddressError
from maild.mail.address import Address, parse_path
from maild.mail.envelope import Tls

_HELO_LIMIT = 255
_UNSAFE_HELO = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_UNSAFE_WORD = re.compile(r"[^A-Za-z0-9._-]")
_RECEIVED = re.compile(
    r"Received: from (?P<helo>\S+) \(\[(?P<ip>[^\]]+)\]\)\r\n"
    r"\tby (?P<by>\S+) with (?P<protocol>\S+)"
    r"(?: \(version=(?P<version>\S+) cipher=(?P<cipher>\S+)\))? id (?P<id>\S+)"
    r"(?:\r\n\tfor (?P<for><.*>))?;\r\n\t(?P<date>[^\r\n]+)\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One `Received` field. `recipient` is given for a single recipient only: others stay unnamed."""

    helo: str
    ip: str
    by: str
    protocol: str
    id: str
    at: datetime
    tls: Tls | None = None
    recipient: Address | None = None


def safe_helo(helo: str) -> str:
    """Return what HELO claimed with every character that no host name has as `?`; never empty."""
    return _UNSAFE_HELO.sub("?", helo[:_HELO_LIMIT]) or "unknown"


def compose_received(field: Received) -> bytes:
    """Compose the field with its line ends; the lines stay far below 998 octets."""
    literal = f"IPv6:{field.ip}" if ":" in field.ip else field.ip
    lines = [f"Received: from {safe_helo(field.helo)} ([{literal}])"]
    by = f"\tby {_UNSAFE_WORD.sub('?', field.by)} with {_UNSAFE_WORD.sub('?', field.protocol)}"
    if field.tls:
        version, cipher = (_UNSAFE_WORD.sub("?", word) for word in (field.tls.version, field.tls.cipher))
        by += f" (version={version} cipher={cipher})"
    by += f" id {_UNSAFE_WORD.sub('?', field.id)}"
    lines.append(by)
    # An address that needs UTF-8 would make the field, and so the message, one of RFC 6532: it is left out.
    if field.recipient and str(field.recipient).isascii():
        lines.append(f"\tfor <{field.recipient}>")
    return "\r\n".join(lines).encode("ascii") + f";\r\n\t{format_datetime(field.at)}\r\n".encode("ascii")


def parse_received(octets: bytes) -> Received | None:
    """Read what `compose_received` wrote; None for anything else."""
    match = _RECEIVED.fullmatch(octets.decode("ascii", "replace"))
    if not match:
        return None
    try:
        recipient = parse_path(match["for"]) if match["for"] else None
        at = parsedate_to_datetime(match["date"])
    except (AddressError, ValueError):
        return None
    tls = Tls(version=match["version"], cipher=match["cipher"]) if match["version"] else None
    return Received(
        helo=match["helo"],
        ip=match["ip"].removeprefix("IPv6:"),
        by=match["by"],
        protocol=match["protocol"],
        id=match["id"],
        at=at,
        tls=tls,
        recipient=recipient,
    )


def compose_return_path(reverse_path: Address | None) -> bytes:
    """Compose `Return-Path` with its line end: UTF-8 where the address needs it."""
    return f"Return-Path: <{reverse_path or ''}>\r\n".encode()


def parse_return_path(octets: bytes) -> Address | None:
    """Read what `compose_return_path` wrote.

    Raises:
        AddressError: when it is not such a field.

    """
    name, _, value = octets.decode("utf-8", "replace").partition(": ")
    if name != "Return-Path" or not value.endswith("\r\n"):
        raise AddressError("this is not a Return-Path field")
    return parse_path(value[:-2], local_octets=254)
