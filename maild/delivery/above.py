"""What maild writes above a message on its way out; nothing of it is ever stored in the octets. Pure.

A letter that is sent on gets the `Received` of how it came to us, and a mark of ours for the address that it goes to. A
letter that bears that mark already has been there and came back: sending it on again would never end.

Source: RFC 5321 §4.4 (trace), §6.3 (loops).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from maild.mail.address import as_address, fold
from maild.mail.envelope import Tls
from maild.mail.header import Field
from maild.mail.ids import format_id
from maild.mail.trace import Received, compose_received, compose_return_path, safe_helo

MARK = "Maild-Sent-On"
CIRCLING = "5.4.6 it has been sent on to this address before, and came back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a letter came to us. `envelope` is what `intake.accept` keeps."""

    message_id: int
    received_ms: int
    envelope: Mapping[str, Any]
    recipients: tuple[str, ...]


def mark(hostname: str, recipient: str) -> str:
    """Return the mark for an address; who reads it does not learn the address."""
    return f"{safe_helo(hostname)} {hashlib.sha256(fold(recipient).encode()).hexdigest()[:16]}"


def has_circled(fields: Iterable[Field], hostname: str, recipient: str) -> bool:
    """Tell whether a header bears our mark for an address, or says that it was delivered there before."""
    wanted, there = mark(hostname, recipient).lower(), fold(recipient)
    return any(
        (field.key == MARK.lower() and field.raw.lower() == wanted)
        # Interop: Postfix, Exim and others write it in the mailbox from which it was sent on.
        or (field.key == "delivered-to" and fold(field.raw) == there)
        for field in fields
    )


def above_sent_on(arrival: Arrival, hostname: str, recipients: Iterable[str]) -> bytes:
    """Return the fields above a letter that goes to another server."""
    marks = "".join(f"{MARK}: {mark(hostname, recipient)}\r\n" for recipient in recipients)
    return marks.encode("ascii") + _received(arrival, hostname)


def above_copy(arrival: Arrival, hostname: str, recipient: str, reverse_path: str | None) -> bytes:
    """Return the fields above a letter that comes to rest in a mailbox beside the inbox."""
    path = as_address(reverse_path)
    delivered = f"Delivered-To: {recipient}\r\n".encode() if recipient.isascii() else b""
    return compose_return_path(path) + delivered + _received(arrival, hostname)


def _received(arrival: Arrival, hostname: str) -> bytes:
    envelope = arrival.envelope
    if "ip" not in envelope:
        return b""  # it did not come by SMTP
    tls = envelope.get("tls")
    single = as_address(arrival.recipients[0]) if len(arrival.recipients) == 1 else None
    return compose_received(
        Received(
            helo=envelope.get("helo", ""),
            ip=envelope["ip"],
            by=envelope.get("by", hostname),
            protocol=envelope.get("protocol", "SMTP"),
            id=format_id(arrival.message_id),
            at=datetime.fromtimestamp(arrival.received_ms / 1000, UTC),
            tls=Tls(version=tls[0], cipher=tls[1]) if tls else None,
            recipient=single,
        )
    )
