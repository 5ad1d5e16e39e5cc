from __future__ import annotations

import base64
import binascii
import quopri

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail import transfer

ENCODINGS = ["base64", "quoted-printable", "x-uuencode", "8bit", ""]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"QUJD", b"ABC"),
        (b"QUI=", b"AB"),
        (b"QUI", b"AB"),
        (b"QUJDR", b"ABC"),
        (b"QU\r\nJD\r\n", b"ABC"),
        (b"Q!U J\0D", b"ABC"),
        (b"QUI=\r\nQUI=\r\n", b"ABAB"),
        (b"QUI=\r\n-- \r\nlist", b"AB\x96+-"),
        (b"QQ==QQ==QQ==", b"AAA"),
        (b"=", b""),
        (b"", b""),
    ],
)
def test_base64_is_read_leniently(octets: bytes, expected: bytes) -> None:
    assert transfer.base64(octets) == expected


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"f=C3=BCr", "für".encode()),
        (b"one=\r\nline", b"oneline"),
        (b"one= \t\r\nline", b"oneline"),
        (b"one=\rline", b"oneline"),
        (b"1=2", b"1=2"),
        (b"=zz=", b"=zz"),
        (b"=c3=bc", "ü".encode()),
    ],
)
def test_quoted_printable_is_read_leniently(octets: bytes, expected: bytes) -> None:
    assert transfer.quoted_printable(octets) == expected


@given(octets=st.binary(max_size=300))
@settings(deadline=None)
def test_what_was_encoded_is_decoded(octets: bytes) -> None:
    assert transfer.decode(base64.encodebytes(octets), "base64") == octets
    assert transfer.decode(quopri.encodestring(octets), "quoted-printable").replace(b"\r", b"") == octets.replace(
        b"\r", b""
    )
    lines = b"".join(binascii.b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45))
    assert transfer.decode(b"begin 644 x\n" + lines + b"`\nend\n", "x-uuencode") == octets


@given(octets=st.binary(max_size=200), encoding=st.sampled_from(ENCODINGS))
@settings(deadline=None)
def test_any_octets_are_decoded(octets: bytes, encoding: str) -> None:
    transfer.decode(octets, encoding)
    assert transfer.decoded_size(octets, 0, len(octets), encoding) >= 0


@given(octets=st.binary(max_size=500))
@settings(deadline=None)
def test_the_size_of_base64_is_known_without_decoding(octets: bytes) -> None:
    content = b"before" + base64.encodebytes(octets) + b"after"
    assert transfer.decoded_size(content, 6, len(content) - 5, "base64") == len(octets)


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r"])
@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 1_000, 300_000])
def test_the_size_of_base64_is_known_whatever_ends_its_lines(line_end: bytes, size: int) -> None:
    encoded = base64.encodebytes(bytes(size)).replace(b"\n", line_end)
    content = b"before\n" + encoded + b"\nafter"
    assert transfer.decoded_size(content, 7, len(content) - 6, "base64") == size


@pytest.mark.parametrize("other", [b"A" * 60 + b"\r\n", b"A" * 76 + b"\n", b"A" * 80 + b"\r\n", b"\r\n", b"AAA=\r\n"])
@pytest.mark.parametrize("at", [0, 1, 500, 999])
def test_the_size_of_base64_is_known_where_a_line_is_not_as_long_as_the_others(other: bytes, at: int) -> None:
    lines = [b"A" * 76 + b"\r\n"] * 1000
    lines[at] = other
    encoded = b"".join(lines)
    digits = sum(line.count(b"A") for line in lines)
    assert transfer.decoded_size(encoded, 0, len(encoded), "base64") == (digits + (b"=" in other and at < 999)) * 3 // 4
