"""TLS towards other servers: how much is asked of it, decided by domain.

Every domain is opportunistic, and a smarthost that we sign in to is verified. A policy that asks for more than a host
can show defers the mail, and it never goes in the clear.

Source: RFC 3207, RFC 7435 (opportunistic security), RFC 8996 (nothing below TLS 1.2), RFC 8314 §3.3 (implicit TLS).
"""

from __future__ import annotations

import ssl
from enum import StrEnum
from typing import Protocol


class Level(StrEnum):
    """How much is asked of TLS.

    OPPORTUNISTIC: encrypted where it can be, by whatever certificate. VERIFY: by a good one of that name, or not at
    all.
    """

    OPPORTUNISTIC = "opportunistic"
    VERIFY = "verify"


class TlsPolicy(Protocol):
    """Decides what is asked of TLS towards the mail hosts of a domain."""

    def __call__(self, domain: str, /) -> Level: ...


def opportunistic(_domain: str, /) -> Level:
    """Ask every domain for the same."""
    return Level.OPPORTUNISTIC


class Contexts:
    """The two contexts, made once. `authorities` are believed instead of the system's, as PEM."""

    def __init__(self, authorities: str = "") -> None:
        self.verified = ssl.create_default_context(cadata=authorities or None)
        self.verified.minimum_version = ssl.TLSVersion.TLSv1_2
        self.unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.unverified.minimum_version = ssl.TLSVersion.TLSv1_2
        self.unverified.check_hostname = False
        self.unverified.verify_mode = ssl.CERT_NONE

    def of(self, level: Level) -> ssl.SSLContext:
        return self.unverified if level is Level.OPPORTUNISTIC else self.verified
