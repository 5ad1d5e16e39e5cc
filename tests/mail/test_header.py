from __future__ import annotations

import pytest

from maild.mail.header import newline_of, read_header


def values(octets: bytes) -> list[tuple[str, str]]:
    return [(f.name, f.value) for f in read_header(octets, 0, len(octets), newline_of(octets)).fields]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"A: b\r\n\r\n", [("A", "b")]),
        (b"A:b\n\n", [("A", "b")]),
        (b"A: b\r\rC: d", [("A", "b")]),
        (b"A: b\r\r\nC: d\r\r\n\r\r\nE: f", [("A", "b"), ("C", "d")]),
        (b"A : b\n\n", [("A", "b")]),
        (b"A: b\n c\n\td\n\n", [("A", "b c d")]),
        (b"A: b\n \n c\n\n", [("A", "b c")]),
        (b"A:\n b\n\n", [("A", "b")]),
        (b"no field\nA: b\n\n", [("A", "b")]),
        (b"From x@y Mon\nA: b\n\n", [("A", "b")]),
        (b": b\nA: c\n\n", [("A", "c")]),
        (b"A: f\xc3\xbcr\n\n", [("A", "für")]),
        (b"A: f\xfcr\n\n", [("A", "für")]),
        (b"A: =?utf-8?q?f=C3=BCr?=\n\n", [("A", "für")]),
        (b"A: a\x00b\rc\n\n", [("A", "a\ufffdb c")]),
        (b"\r\nA: b", []),
        (b"", []),
    ],
)
def test_fields_are_unfolded_and_decoded(octets: bytes, expected: list[tuple[str, str]]) -> None:
    assert values(octets) == expected


def test_a_field_is_a_range_of_the_octets_without_its_line_end() -> None:
    octets = b"A: b\r\nC: d\r\n e\r\n\r\nbody"
    header = read_header(octets, 0, len(octets), b"\n")
    assert [octets[f.start : f.end] for f in header.fields] == [b"A: b", b"C: d\r\n e"]
    assert octets[header.body_start :] == b"body"


@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (b"just text\r\nof two lines", b"just text\r\nof two lines"),
        (b"A: b\r\njust text", b"just text"),
        (b"A: b\r\n", b""),
        (b"From x@y\nA: b\njust text", b"just text"),
    ],
)
def test_without_a_blank_line_the_body_begins_where_fields_end(octets: bytes, body: bytes) -> None:
    header = read_header(octets, 0, len(octets), newline_of(octets))
    assert octets[header.body_start :] == body
