"""Replies as octets: what dnspython writes is read as dnspython reads it; whatever else comes raises one thing only."""

from __future__ import annotations

import itertools
import struct

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.dns.answer import Answer, Kind, Status
from maild.dns.wire import Found, WireError, is_reply, question, read_reply

QUERY = question("www.example.org", Kind.A, 7)
HEAD = b"\0\7\x81\x80\0\1"
ASKED = b"\3www\7example\3org\0\0\1\0\1"
FOUND = ("192.0.2.1",)
LONG = b"\x3f" + b"a" * 63
ADDRESS = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"


def reply_of(*records: bytes, head: bytes = HEAD, asked: bytes = ASKED, authority: int = 0) -> bytes:
    return head + struct.pack("!3H", len(records) - authority, authority, 0) + asked + b"".join(records)


def read(reply: bytes, kind: Kind = Kind.A) -> Found:
    return read_reply(reply, "www.example.org", kind)


_LABEL = st.text("abcXYZ019-_", min_size=1, max_size=20)
_HOST = st.lists(_LABEL, min_size=1, max_size=6).map(lambda labels: ".".join(labels) + ".")
_RECORDS = st.one_of(
    st.tuples(st.just(Kind.A), st.lists(st.ip_addresses(v=4).map(str), min_size=1)),
    st.tuples(st.just(Kind.AAAA), st.lists(st.ip_addresses(v=6).map(str), min_size=1)),
    st.tuples(st.just(Kind.MX), st.lists(_HOST.map(lambda host: f"10 {host}"), min_size=1)),
    st.tuples(st.sampled_from([Kind.PTR, Kind.NS]), st.lists(_HOST, min_size=1)),
    st.tuples(st.just(Kind.SOA), _HOST.map(lambda host: [f"{host} {host} 1 2 3 4 5"])),
    st.tuples(
        st.just(Kind.TXT),
        st.lists(
            st.lists(st.binary(max_size=99), min_size=1).map(
                lambda strings: " ".join(['"' + "".join(f"\\{octet:03}" for octet in each) + '"' for each in strings])
            ),
            min_size=1,
        ),
    ),
)


def _as_dnspython_has_it(wire: bytes, name: dns.name.Name, kind: Kind) -> list[object]:
    message = dns.message.from_wire(wire)
    found = message.find_rrset(message.answer, name, dns.rdataclass.IN, dns.rdatatype.from_text(kind))
    values: list[object] = []
    for record in found:
        match kind:
            case Kind.A | Kind.AAAA:
                values.append(record.address)
            case Kind.MX:
                values.append((record.preference, record.exchange.to_text(omit_final_dot=True).lower()))
            case Kind.TXT:
                values.append(b"".join(record.strings))
            case Kind.SOA:
                values.append((record.mname.to_text(True).lower(), record.rname.to_text(True).lower()))
            case _:
                values.append(record.target.to_text(omit_final_dot=True).lower())
    return values


@settings(max_examples=60, deadline=None)
@given(_RECORDS, st.lists(_HOST, max_size=4, unique_by=str.lower), _HOST)
def test_a_reply_is_read_as_dnspython_reads_it(records: tuple[Kind, list[str]], links: list[str], other: str) -> None:
    kind, texts = records
    names = [dns.name.from_text(each) for each in ("www.example.org.", *links)]
    message = dns.message.make_response(dns.message.from_wire(question("www.example.org", kind, 7)))
    for name, target in itertools.pairwise(names):
        message.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target.to_text()))
    message.answer.append(dns.rrset.from_text(names[-1], 50, "IN", kind, *texts))
    message.authority.append(dns.rrset.from_text(other, 9, "IN", "NS", "ns.example."))
    wire = message.to_wire(max_size=65_535)  # a question asks for less, and that is kept to
    found = read(wire, kind)
    assert list(found.answer.values) == list(dict.fromkeys(_as_dnspython_has_it(wire, names[-1], kind)))
    assert (found.ttl_s, found.links) == (50, len(links))


@settings(deadline=None)
@given(st.binary(max_size=120), st.sampled_from(list(Kind)))
def test_any_octets_are_an_answer_or_refused(octets: bytes, kind: Kind) -> None:
    for reply in (octets, HEAD + octets, HEAD + b"\0\3\0\1\0\1" + ASKED + octets, reply_of(ADDRESS)[: len(octets)]):
        is_reply(QUERY, reply)
        try:
            found = read(reply, kind)
        except WireError as error:
            assert error.reason in {"broken", "servfail", "refused", "loop"}  # noqa: PT017 - most octets raise nothing
        else:
            assert found.ttl_s <= 86_400


_SOA = b"\xc0\x10\0\6\0\1\0\0\x0e\x10\0\x18\xc0\x10\xc0\x10" + struct.pack("!5I", 1, 2, 3, 4, 77)
# A reply → what it comes to, or why it is refused.
REPLIES: list[tuple[str, bytes, Found | str]] = [
    ("plain", reply_of(ADDRESS), Found(Answer(Status.FOUND, FOUND), 60)),
    ("proven", reply_of(ADDRESS, head=b"\0\7\x81\xa0\0\1"), Found(Answer(Status.FOUND, FOUND, secure=True), 60)),
    ("the same twice", reply_of(ADDRESS, ADDRESS), Found(Answer(Status.FOUND, FOUND), 60)),
    ("denied", reply_of(_SOA, authority=1), Found(Answer(Status.NO_DATA), 77)),
    ("no such name", reply_of(_SOA, head=b"\0\7\x81\x83\0\1", authority=1), Found(Answer(Status.NO_NAME), 77)),
    ("denied without an SOA", reply_of(), Found(Answer(Status.NO_DATA), 0)),
    ("of another name", reply_of(b"\xc0\x10" + ADDRESS[2:]), Found(Answer(Status.NO_DATA), 0)),
    ("of another class", reply_of(ADDRESS[:5] + b"\3" + ADDRESS[6:]), Found(Answer(Status.NO_DATA), 0)),
    ("negative time", reply_of(ADDRESS[:6] + b"\xff" + ADDRESS[7:]), Found(Answer(Status.FOUND, FOUND), 0)),
    ("cut in a record", reply_of(ADDRESS)[:-1], "broken"),
    ("cut in the header", HEAD, "broken"),
    ("a record too few", reply_of(ADDRESS, ADDRESS)[: -len(ADDRESS)], "broken"),
    ("an address of 5 octets", reply_of(ADDRESS[:11] + b"\5" + ADDRESS[12:] + b"x"), "broken"),
    ("a pointer to itself", reply_of(b"\xc0\x21" + ADDRESS[2:]), "broken"),
    ("a pointer forwards", reply_of(b"\xc0\x40" + ADDRESS[2:]), "broken"),
    ("a pointer beyond the end", reply_of(b"\xff\xff" + ADDRESS[2:]), "broken"),
    ("a label of an unknown sort", reply_of(b"\x80\x0c" + ADDRESS[2:]), "broken"),
    ("a name that is too long", reply_of(LONG * 4 + b"\0" + ADDRESS[2:]), "broken"),
    ("an alias of itself", reply_of(b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x0c"), "loop"),
    ("an alias with something behind it", reply_of(b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\3\xc0\x10\0"), "broken"),
    ("server failure", reply_of(head=b"\0\7\x81\x82\0\1"), "servfail"),
    ("refused", reply_of(head=b"\0\7\x81\x85\0\1"), "refused"),
    ("not implemented", reply_of(head=b"\0\7\x81\x84\0\1"), "broken"),
    ("a code in EDNS", HEAD + b"\0\0\0\0\0\1" + ASKED + b"\0\0\x29\4\xd0\1\0\0\0\0\0", "broken"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "reply", "expected"), REPLIES, ids=[name for name, _, _ in REPLIES])
def test_a_reply_comes_to_its_answer(name: str, reply: bytes, expected: Found | str) -> None:
    if isinstance(expected, str):
        with pytest.raises(WireError) as refused:
            read(reply)
        assert refused.value.reason == expected
    else:
        assert read(reply) == expected


def test_a_text_that_is_longer_than_its_record_is_broken() -> None:
    text = b"\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\4"
    assert read(reply_of(text + b"\3abc", asked=ASKED), Kind.TXT).answer.texts == (b"abc",)
    assert read(reply_of(text + b"\0\0\1a", asked=ASKED), Kind.TXT).answer.texts == (b"a",)
    with pytest.raises(WireError):
        read(reply_of(text + b"\4abc", asked=ASKED), Kind.TXT)


@pytest.mark.parametrize("label", [b"a.b", b"a b", b"a\\b", b"a\0b", b"\xff", b"a\nb"])
def test_a_name_that_no_host_has_is_left_out(label: bytes) -> None:
    name = bytes([len(label)]) + label + b"\xc0\x10"
    assert read(reply_of(b"\xc0\x0c\0\x0c\0\1\0\0\0\x3c" + struct.pack("!H", len(name)) + name), Kind.PTR) == Found(
        Answer(Status.NO_DATA), 60
    )


@pytest.mark.parametrize(
    ("reply", "belongs"),
    [
        (reply_of(ADDRESS), True),
        (reply_of(asked=ASKED.upper()), True),
        (reply_of(head=b"\0\7\x81\x82\0\0", asked=b""), True),  # an error without the question
        (reply_of(head=b"\0\7\x81\x80\0\0", asked=b""), False),
        (reply_of(head=b"\0\7\x81\x83\0\0", asked=b""), False),
        (reply_of(head=b"\0\x08\x81\x80\0\1"), False),  # another number
        (reply_of(head=b"\0\7\x01\x80\0\1"), False),  # a question
        (reply_of(head=b"\0\7\xa9\x80\0\1"), False),  # another operation
        (reply_of(head=b"\0\7\x81\x80\0\2"), False),
        (reply_of(asked=b"\3wwx" + ASKED[4:]), False),
        (reply_of(asked=ASKED[:-3] + b"\x1c\0\1"), False),  # another type
        (reply_of(asked=ASKED[:-1] + b"\3"), False),  # another class
        (b"", False),
        (HEAD, False),
    ],
)
def test_a_reply_belongs_to_its_question_alone(reply: bytes, belongs: bool) -> None:
    assert is_reply(QUERY, reply) is belongs


def test_a_question_wants_recursion_and_the_word_of_dnssec() -> None:
    message = dns.message.from_wire(question("www.example.org", Kind.TXT, 513))
    assert message.id == 513
    assert message.flags & 0x7FFF == dns.flags.RD | dns.flags.AD
    assert (message.edns, message.payload, message.ednsflags) == (0, 1232, 0)
    assert dns.message.from_wire(question("www.example.org", Kind.TXT, 513, edns=False)).edns == -1
