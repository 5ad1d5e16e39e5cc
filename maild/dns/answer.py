"""A question to the DNS and its answer, apart from who asks."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol


class Kind(StrEnum):
    """The types of records that maild asks for; what `Answer.values` hold for each.

    A, AAAA: addresses as text. MX: (preference, host). TXT: octets, the strings of one record joined (RFC 7208 §3.3).
    PTR, CNAME, NS: a host. TLSA: (usage, selector, matching type, octets). SOA: (host, mailbox).
    Names have no dot at their end and are in lower case.
    """

    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    TXT = "TXT"
    PTR = "PTR"
    CNAME = "CNAME"
    NS = "NS"
    TLSA = "TLSA"
    SOA = "SOA"


class Status(StrEnum):
    """What the DNS said. A failure to say anything is a `DnsError`, not a status."""

    FOUND = "found"
    NO_DATA = "no-data"  # the name exists, without records of this type
    NO_NAME = "no-name"  # NXDOMAIN


class Answer(NamedTuple):
    """Records of one type, in the order they came; none unless `status` is FOUND.

    `secure`: the resolver says that DNSSEC has proven it (the AD bit, RFC 4035 §3.2.3).
    """

    status: Status
    values: tuple[object, ...] = ()
    secure: bool = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """The values of A, AAAA, PTR, CNAME and NS."""
        return tuple([value for value in self.values if isinstance(value, str)])

    @property
    def texts(self) -> tuple[bytes, ...]:
        """The values of TXT."""
        return tuple([value for value in self.values if isinstance(value, bytes)])


class DnsError(Exception):
    """Nobody knows for now: SERVFAIL, REFUSED, no answer in time, a chain of CNAMEs without end, a broken answer.

    `reason` is one word for a log: `servfail`, `refused`, `timeout`, `loop`, `broken`, `network`.
    """

    def __init__(self, name: str, kind: Kind, reason: str) -> None:
        super().__init__(f"{kind} of {name}: {reason}")
        self.name = name
        self.kind = kind
        self.reason = reason


class Resolver(Protocol):
    """Whoever answers. Nothing else of the DNS is known above `maild.dns`."""

    async def ask(self, name: str, kind: Kind) -> Answer:
        """Return what the DNS has under a name (A-labels, no dot at the end needed), following CNAMEs.

        A name that cannot be asked for (empty labels, over 63 or 253 octets) has status NO_NAME.

        Raises:
            DnsError: nobody knows for now.
        """
        ...
