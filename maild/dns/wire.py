"""Questions and answers as octets; what is broken, forged or runs in circles is told apart here.

Source: RFC 1035 §4.1, RFC 2308 (what is not there), RFC 5452 §9.1 (which answers to take), RFC 6840 §5.7 (AD).
"""

from __future__ import annotations

from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode

from maild.dns.answer import Answer, Kind, Status
from maild.dns.records import CODES, Labels, Record, RecordError, Records, host_of

_EDNS_OCTETS = 1232  # what passes everywhere without fragments, which could be forged
_HEADER_OCTETS = 12
_POSITIVE_S = 86_400
_NEGATIVE_S = 10_800  # RFC 2308 §5
_TTL_SIGN = 1 << 31  # RFC 2181 §8: such a time to live is none
CNAME_LINKS = 8
_EDNS_ERRORS = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)
_ERRORS: dict[int, str] = {dns.rcode.SERVFAIL: "servfail", dns.rcode.REFUSED: "refused"}


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
        records = Records(reply)
        code = records.reply.code
        if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise WireError(_ERRORS.get(code, "broken"), edns=code in _EDNS_ERRORS)
        return _read(records, tuple([label.encode("ascii") for label in name.split(".")]), kind)
    except RecordError as error:
        raise WireError("broken") from error


def _read(records: Records, owner: Labels, kind: Kind) -> Found:
    answers: dict[tuple[Labels, int], list[Record]] = {}
    for record in records.reply.answer:
        answers.setdefault((record.owner, record.code), []).append(record)
    wanted, alias = CODES[kind], CODES[Kind.CNAME]
    secure, ttl_s, passed = bool(records.reply.flags & dns.flags.AD), _POSITIVE_S, {owner}
    while (owner, wanted) not in answers and (owner, alias) in answers:
        link = answers[owner, alias][0]
        owner, ttl_s = records.target(link), min(ttl_s, _ttl_s(link.ttl_s))
        if owner in passed or len(passed) > CNAME_LINKS:
            raise WireError("loop")
        passed.add(owner)
    links = len(passed) - 1
    if (found := answers.get((owner, wanted))) is None:
        return _nothing(records, owner, secure=secure, ttl_s=ttl_s, links=links)
    values = dict.fromkeys([value for each in found if (value := records.value(each, kind)) is not None])
    answer = Answer(Status.FOUND if values else Status.NO_DATA, tuple(values), secure)
    return Found(answer, min(ttl_s, *[_ttl_s(each.ttl_s) for each in found]), links)


def _nothing(records: Records, owner: Labels, *, secure: bool, ttl_s: int, links: int) -> Found:
    negative = [
        min(_ttl_s(record.ttl_s), records.minimum_s(record), _NEGATIVE_S)
        for record in records.reply.authority
        if record.code == CODES[Kind.SOA]
    ]
    missing = records.reply.code == dns.rcode.NXDOMAIN
    answer = Answer(Status.NO_NAME if missing else Status.NO_DATA, (), secure)
    # RFC 2308 §5: without an SOA it is not kept. A chain without its end and without an SOA has not been followed.
    further = (host_of(owner) or "") if links and not missing and not negative else ""
    return Found(answer, min(ttl_s, *negative) if negative else 0, links, further)


def _ttl_s(ttl_s: int) -> int:
    return 0 if ttl_s >= _TTL_SIGN else min(ttl_s, _POSITIVE_S)


def _name(name: str) -> dns.name.Name:
    labels = [label.encode("ascii") for label in name.split(".")] if name else []
    return dns.name.Name([*labels, b""])
