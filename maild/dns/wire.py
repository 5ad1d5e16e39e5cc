"""Questions and answers as octets, by dnspython; what is broken, forged or runs in circles is told apart here.

Source: RFC 1035 §4.1, RFC 2308 (what is not there), RFC 5452 §9.1 (which answers to take), RFC 6840 §5.7 (AD).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from maild.dns.answer import Answer, Kind, Status

_EDNS_OCTETS = 1232  # what passes everywhere without fragments, which could be forged
_HEADER_OCTETS = 12
_POSITIVE_S = 86_400
_NEGATIVE_S = 10_800  # RFC 2308 §5
_TTL_SIGN = 1 << 31  # RFC 2181 §8: such a time to live is none
CNAME_LINKS = 8
_ERRORS = {dns.rcode.SERVFAIL: "servfail", dns.rcode.REFUSED: "refused"}


class Found(NamedTuple):
    """What one reply came to, and for how many seconds it holds.

    `further` is set when the reply ends in the middle of a chain of CNAMEs: the name to go on with.
    """

    answer: Answer
    ttl_s: int
    links: int = 0
    further: str = ""


class WireError(Exception):
    """A reply that answers nothing. `reason` is that of `DnsError`; `edns`: it may be asked again without EDNS."""

    def __init__(self, reason: str, *, edns: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.edns = edns


def question(name: str, kind: str, identity: int, *, edns: bool = True) -> bytes:
    """Return the octets of a question. `name` is a `plain_name`, or empty for the root."""
    query = dns.message.make_query(
        _name(name),
        kind,
        use_edns=0 if edns else -1,
        payload=_EDNS_OCTETS,
        flags=dns.flags.RD | dns.flags.AD,
        id=identity,
    )
    return query.to_wire()


def is_reply(query: bytes, reply: bytes) -> bool:
    """Whether a reply belongs to a question: its number, and its own copy of the question.

    Security: a forger who does not see the question has to guess the number and our port. An error may come without
    the question: that costs a try and no truth.
    """
    if len(reply) < _HEADER_OCTETS or reply[:2] != query[:2] or reply[2] & 0xF8 != 0x80:
        return False
    end = _end_of_question(query)
    if reply[4:6] == b"\0\0":
        return reply[3] & 0x0F in (dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED)
    return reply[4:6] == b"\0\1" and reply[_HEADER_OCTETS:end].lower() == query[_HEADER_OCTETS:end].lower()


def _end_of_question(query: bytes) -> int:
    at = _HEADER_OCTETS
    while query[at]:
        at += query[at] + 1
    return at + 5


def is_truncated(reply: bytes) -> bool:
    """Whether there is more, to be asked for by TCP."""
    return bool(reply[2] & 0x02)


def read_reply(reply: bytes, name: str, kind: Kind) -> Found:
    """Read a reply to the question for `name`.

    Raises:
        WireError: it is an error, broken, or a circle.
    """
    try:
        with dns.exception.ExceptionWrapper(dns.exception.FormError):  # type: ignore[no-untyped-call]
            message = dns.message.from_wire(reply, ignore_trailing=True)
    except dns.exception.DNSException as error:
        raise WireError("broken") from error
    code = message.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise WireError(_ERRORS.get(code, "broken"), edns=code in (dns.rcode.FORMERR, dns.rcode.NOTIMP))
    return _read(message, name, kind)


def _read(message: dns.message.Message, name: str, kind: Kind) -> Found:
    secure = bool(message.flags & dns.flags.AD)
    records = {(r.name, r.rdtype): r for r in message.answer if r.rdclass == dns.rdataclass.IN}
    owner, ttl_s, links = _name(name), _POSITIVE_S, 0
    wanted, alias = dns.rdatatype.from_text(kind), dns.rdatatype.CNAME
    passed = {owner}
    while (owner, wanted) not in records and (owner, alias) in records:
        link = records[owner, alias]
        owner, ttl_s, links = link[0].target, min(ttl_s, _ttl_s(link.ttl)), links + 1
        if owner in passed or links > CNAME_LINKS:
            raise WireError("loop")
        passed.add(owner)
    if (found := records.get((owner, wanted))) is not None:
        values = tuple([value for each in found if (value := _VALUES[kind](each)) is not None])
        answer = Answer(Status.FOUND if values else Status.NO_DATA, values, secure)
        return Found(answer, min(ttl_s, _ttl_s(found.ttl)), links)
    return _nothing(message, secure, owner, ttl_s, links)


def _name(name: str) -> dns.name.Name:
    labels = [label.encode("ascii") for label in name.split(".")] if name else []
    return dns.name.Name([*labels, b""])


def _nothing(message: dns.message.Message, secure: bool, owner: dns.name.Name, ttl_s: int, links: int) -> Found:
    negative = [
        min(_ttl_s(r.ttl), r[0].minimum, _NEGATIVE_S)
        for r in message.authority
        if r.rdtype == dns.rdatatype.SOA and r.rdclass == dns.rdataclass.IN
    ]
    missing = message.rcode() == dns.rcode.NXDOMAIN
    answer = Answer(Status.NO_NAME if missing else Status.NO_DATA, (), secure)
    # RFC 2308 §5: without an SOA it is not kept. A chain without its end and without an SOA has not been followed.
    further = (_host(owner) or "") if links and not missing and not negative else ""
    return Found(answer, min(ttl_s, *negative) if negative else 0, links, further)


def _ttl_s(ttl: int) -> int:
    return 0 if ttl >= _TTL_SIGN else min(ttl, _POSITIVE_S)


def _host(name: dns.name.Name) -> str | None:
    """Return a name as text; None for one with octets that no host has: written out, it could pass for another."""
    text = name.to_text(omit_final_dot=True).lower()
    return None if "\\" in text else "" if text == "." else text


def _mx(record: Any) -> tuple[int, str] | None:
    host = _host(record.exchange)
    return None if host is None else (record.preference, host)


_VALUES: dict[Kind, Callable[[Any], object | None]] = {
    Kind.A: lambda r: r.address,
    Kind.AAAA: lambda r: r.address,
    Kind.MX: _mx,
    Kind.TXT: lambda r: b"".join(r.strings),
    Kind.PTR: lambda r: _host(r.target),
    Kind.CNAME: lambda r: _host(r.target),
    Kind.NS: lambda r: _host(r.target),
    Kind.TLSA: lambda r: (r.usage, r.selector, r.mtype, r.cert),
    Kind.SOA: lambda r: (_host(r.mname) or "", _host(r.rname) or ""),
}
