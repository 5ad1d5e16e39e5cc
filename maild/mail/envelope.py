"""The envelope: what the SMTP dialogue says about a message, apart from its content.

Source: RFC 5321 §2.3.1; DSN parameters RFC 3461 §4.
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The TLS session a message came through."""

    version: str
    cipher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who spoke to us. `protocol` is the `with` keyword of RFC 5321 §4.4, such as SMTP or ESMTPS."""

    ip: str
    port: int
    helo: str
    protocol: str
    tls: Tls | None = None
    login: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One accepted RCPT. `notify` holds NEVER, SUCCESS, FAILURE, DELAY as asked for (RFC 3461 §4.1)."""

    address: Address
    orcpt: str | None = None
    notify: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One mail transaction. `reverse_path` None is the null reverse-path `<>`."""

    reverse_path: Address | None
    recipients: tuple[Recipient, ...]
    peer: Peer
    smtputf8: bool = False
    eight_bit: bool = False
    ret: str | None = None
    envid: str | None = None
