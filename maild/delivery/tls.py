"""TLS towards other servers: how much is asked of it, as values.

A smarthost that we sign in to is verified. Of the mail hosts of a domain is asked what the domain has promised
(`maild.delivery.protection`), else nothing. A demand that a host cannot meet defers the mail, and it never goes in the
clear.

Source: RFC 3207, RFC 7435 (opportunistic security), RFC 8996 (nothing below TLS 1.2), RFC 8314 §3.3 (implicit TLS).
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from maild.delivery.dane import Tlsa, authenticates
from maild.delivery.hosts import Target


class Level(StrEnum):
    """How much is asked of TLS.

    CLEAR: none is begun. OPPORTUNISTIC: encrypted where it can be, by whatever certificate. TESTING: the same, and what
    STS would not let pass is told. ENCRYPT: by whatever certificate, or not at all. VERIFY and STS: by a good one of
    that name, or not at all. DANE: by one that the DNS names, or not at all.
    """

    CLEAR = "clear"
    OPPORTUNISTIC = "opportunistic"
    TESTING = "testing"
    ENCRYPT = "encrypt"
    VERIFY = "verify"
    STS = "sts"
    DANE = "dane"


# What is tried next where TLS fails that nobody insists on (RFC 7435 §3; RFC 8461 §5).
_WEAKER = {Level.TESTING: Level.OPPORTUNISTIC, Level.OPPORTUNISTIC: Level.CLEAR}
_UNVERIFIED = frozenset({Level.CLEAR, Level.OPPORTUNISTIC, Level.ENCRYPT, Level.DANE})
_WORDS = {Level.STS: "sts", Level.DANE: "dane", Level.VERIFY: "verified", Level.TESTING: "verified"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of TLS towards one host.

    `records`, usable ones, and `names` are those of DANE: who authenticates the host, and as which. The first name is
    said to the host when TLS begins.
    """

    level: Level
    records: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def weaker(self) -> Demand | None:
        """What is asked where this fails; None: nothing less."""
        level = _WEAKER.get(self.level)
        return None if level is None else replace(self, level=level)

    @property
    def is_optional(self) -> bool:
        """Whether a host without TLS meets it."""
        return self.level in (Level.CLEAR, Level.OPPORTUNISTIC)

    @property
    def word(self) -> str:
        """How a certificate was verified that met it."""
        return _WORDS.get(self.level, "unverified")

    def is_met_by(self, chain: Sequence[bytes]) -> bool:
        """Tell whether a host may have shown these certificates (DER), its own first.

        Whatever else is asked of them, the context has found already.
        """
        return self.level is not Level.DANE or authenticates(self.records, chain, self.names)


OPPORTUNISTIC = Demand(level=Level.OPPORTUNISTIC)
VERIFY = Demand(level=Level.VERIFY)


class Forbidden(Exception):  # noqa: N818 - what was found out about a host
    """Nothing may be sent to this host for now, however it encrypts."""


class TlsPolicy(Protocol):
    """Decides what is asked of TLS towards a mail host of a domain."""

    async def __call__(self, domain: str, target: Target, /) -> Demand:
        """Raise Forbidden where nothing may be sent."""
        ...


async def opportunistic(_domain: str, _target: Target, /) -> Demand:
    """Ask every host for the same."""
    return OPPORTUNISTIC


class Contexts:
    """The two contexts, each made when it is first wanted: to read the authorities of the system takes a while.

    `authorities` are believed instead of the system's, as PEM.
    """

    def __init__(self, authorities: str = "") -> None:
        self._authorities = authorities

    @cached_property
    def verified(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._authorities or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    @cached_property
    def unverified(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def of(self, level: Level) -> ssl.SSLContext:
        return self.unverified if level in _UNVERIFIED else self.verified
