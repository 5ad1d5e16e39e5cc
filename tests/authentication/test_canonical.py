from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.authentication import canonical
from maild.authentication.canonical import RELAXED, SIMPLE, BodyHash, body_hash, chosen, read_mail
from maild.mail.header import LIMITS, newline_of, read_header

_BITS = (b"a", b" ", b"\t", b"\r\n", b"\r", b"\n", b"  \r\n", b"\r\n\r\n", b" " * 33)


def plainly(body: bytes, form: str) -> BodyHash:
    """Do what RFC 6376 §3.4.3 and §3.4.4 say, without a thought for time."""
    lines = body.split(b"\r\n")
    if lines[-1] == b"":
        lines.pop()
    if form == RELAXED:
        lines = [re.sub(rb"[ \t]+", b" ", line).removesuffix(b" ") for line in lines]
    while lines and lines[-1] == b"":
        lines.pop()
    octets = b"".join(line + b"\r\n" for line in lines)
    if form == SIMPLE:
        octets = octets or b"\r\n"
    return BodyHash(hashlib.sha256(octets).digest(), len(octets))


@pytest.mark.parametrize(
    ("body", "relaxed", "simple"),
    [
        (b"", b"", b"\r\n"),
        (b"\r\n", b"", b"\r\n"),
        (b"\r\n\r\n", b"", b"\r\n"),
        (b" \t\r\n\r\n", b"", b" \t\r\n"),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n", b" C \r\nD \t E\r\n"),  # RFC 6376 §3.4.5
        (b"x", b"x\r\n", b"x\r\n"),
        (b"x ", b"x\r\n", b"x \r\n"),
        (b"x\r\n ", b"x\r\n", b"x\r\n \r\n"),
        (b"\r\n\r\nx\r\n", b"\r\n\r\nx\r\n", b"\r\n\r\nx\r\n"),
        (b"a\nb\n", b"a\nb\n\r\n", b"a\nb\n\r\n"),
        (b"a\n\r\n\r\n", b"a\n\r\n", b"a\n\r\n"),
        (b"a\r\r\n", b"a\r\r\n", b"a\r\r\n"),
        (b"x" + b"\r\n" * 40_000 + b"y", b"x" + b"\r\n" * 40_000 + b"y\r\n", b"x" + b"\r\n" * 40_000 + b"y\r\n"),
        (b"a \r", b"a \r\r\n", b"a \r\r\n"),
        (b"\n", b"\n\r\n", b"\n\r\n"),
        (b"\x0b \x0c \x0b\r\n", b"\x0b \x0c \x0b\r\n", b"\x0b \x0c \x0b\r\n"),
    ],
)
def test_a_body_is_hashed_in_its_canonical_form(body: bytes, relaxed: bytes, simple: bytes) -> None:
    for form, octets in ((RELAXED, relaxed), (SIMPLE, simple)):
        assert body_hash(b"head" + body, 4, form) == (hashlib.sha256(octets).digest(), len(octets))


@pytest.mark.parametrize("form", [RELAXED, SIMPLE])
@pytest.mark.parametrize("piece", [2, 4, 64, 1 << 17])
@given(body=st.lists(st.sampled_from(_BITS), max_size=24).map(b"".join))
def test_a_body_comes_to_the_same_wherever_it_is_cut(piece: int, form: str, body: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_PIECE", "_RELAXED_PIECE"):
            patch.setattr(canonical, name, piece)
        assert body_hash(body, 0, form) == plainly(body, form)


@pytest.mark.parametrize(
    ("octets", "relaxed"),
    [
        (b"A: X", b"a:X\r\n"),  # RFC 6376 §3.4.5
        (b"B : Y\t\r\n\tZ  ", b"b:Y Z\r\n"),
        (b"SUBJect:AbC", b"subject:AbC\r\n"),
        (b"x:", b"x:\r\n"),
        (b"x: \r\n ", b"x:\r\n"),
        (b"x:a:b", b"x:a:b\r\n"),
        (b"x: a\r\n  \r\n b", b"x:a b\r\n"),
    ],
)
def test_a_field_has_two_forms(octets: bytes, relaxed: bytes) -> None:
    (field,) = read_mail(octets + b"\r\n\r\n").fields
    assert field.canonical(RELAXED) == relaxed
    assert field.canonical(SIMPLE) == octets + b"\r\n"


@pytest.mark.parametrize(
    ("content", "keys", "body"),
    [
        (b"", [], b""),
        (b"\r\nbody", [], b"body"),
        (b"A: 1\r\nb : 2\r\n 3\r\n\r\nbody", [b"a", b"b"], b"body"),
        (b"A: 1\r\n\r\n\r\nbody", [b"a"], b"\r\nbody"),
        (b"A: 1\r\n", [b"a"], b""),
        (b"A: 1", [b"a"], b""),
        (b"A: 1\r\n \r\nB: 2\r\n\r\nx", [b"a", b"b"], b"x"),
        (b"A: 1\r\n\r\nB: \n2\r\n\r\nx", [b"a"], b"B: \n2\r\n\r\nx"),
    ],
)
def test_a_mail_is_split_where_its_first_empty_line_is(content: bytes, keys: list[bytes], body: bytes) -> None:
    mail = read_mail(content)
    assert mail.flaw == ""
    assert [field.key for field in mail.fields] == keys
    assert content[mail.body_start :] == body


@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        (b"From: a\nTo: b\n\nx", "no CRLF"),
        (b"From: a\rTo: b\r\rx", "no CRLF"),
        (b"X: a\nFrom: b\n\nother\r\nFrom: c\r\n\r\nx", "no CRLF"),
        (b"From: a\r\r\n\r\nx", "no CRLF"),
        (b"From: a\r\nno field\r\n\r\nx", "no field"),
        (b" From: a\r\n\r\nx", "no field"),
        (b": a\r\n\r\nx", "no field"),
        (b"From b@c Mon\r\nFrom: a\r\n\r\nx", "no field"),
        (b"Fr om: a\r\n\r\nx", "no field"),
        (b"x:" + b"a" * LIMITS.field_bytes + b"\r\n\r\n", "a field is too long"),
        (b"x:a\r\n" * (LIMITS.fields + 1) + b"\r\n", "too many fields"),
        ((b"x:" + b"a" * 900 + b"\r\n") * (LIMITS.header_bytes // 900) + b"\r\n", "the header is too long"),
        (b"x:" + b"a" * LIMITS.header_bytes, "the header is too long"),
    ],
)
def test_a_header_that_others_may_read_otherwise_has_a_flaw(content: bytes, flaw: str) -> None:
    assert flaw in read_mail(content).flaw


@given(st.lists(st.sampled_from((*_BITS, b"From: a", b"To:", b"\r\n", b"X : y", b"\xff:")), max_size=20).map(b"".join))
def test_whoever_shows_a_mail_sees_the_fields_that_are_signed(content: bytes) -> None:
    mail = read_mail(content)
    if mail.flaw or not mail.fields:
        return
    shown = read_header(content, 0, len(content), newline_of(content))
    assert len(shown.fields) == len(mail.fields)
    for one, other in zip(shown.fields, mail.fields, strict=True):
        assert one.key == other.key.decode("latin-1").lower()
    if b"\r\n\r\n" in content:
        assert shown.body_start == mail.body_start


@pytest.mark.parametrize(
    ("names", "places"),
    [
        ("from", [0]),
        ("x", [4]),
        ("x:x", [4, 2]),
        ("x:x:x:x", [4, 2, 1]),
        ("y:from:y", [0]),
        ("dkim-signature", []),
    ],
)
def test_names_mean_the_lowest_fields_first(names: str, places: list[int]) -> None:
    fields = read_mail(b"From: 1\r\nX: 2\r\nx: 3\r\nDKIM-Signature: 4\r\nX: 5\r\n\r\n").fields
    assert chosen(fields, names.encode().split(b":"), 3) == places
