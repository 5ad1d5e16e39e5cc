from __future__ import annotations

import pytest

from maild.mail.header import newline_of, read_header


def values(octets: bytes) -> list[tuple[str, str]]:
    return [(f.key, f.value) for f in read_header(octets, 0, len(octets), newline_of(octets)).fields]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"A: b\r\n\r\n", [("a", "b")]),
        (b"A:b\n\n", [("a", "b")]),
        (b"A: b\r\rC: d", [("a", "b")]),
        (b"A: b\r\r\nC: d\r\r\n\r\r\nE: f", [("a", "b"), ("c", "d")]),
        (b"A : b\n\n", [("a", "b")]),
        (b"A: b\n c\n\td\n\n", [("a", "b c d")]),
        (b"A: b\n \n c\n\n", [("a", "b c")]),
        (b"A:\n b\n\n", [("a", "b")]),
        (b"no field\nA: b\n\n", [("a", "b")]),
        (b"From x@y Mon\nA: b\n\n", [("a", "b")]),
        (b": b\nA: c\n\n", [("a", "c")]),
        (b"A: f\xc3\xbcr\n\n", [("a", "für")]),
        (b"A: f\xfcr\n\n", [("a", "für")]),
        (b"A: voil\xc3\xa0\n\n", [("a", "voilà")]),
        (b"A: und so weiter\x85\n\n", [("a", "und so weiter…")]),
        (b"A: =?utf-8?q?f=C3=BCr?=\n\n", [("a", "für")]),
        (b"A: a\x00b\rc\n\n", [("a", "a\ufffdb c")]),
        (b"\r\nA: b", []),
        (b"", []),
    ],
)
def test_fields_are_unfolded_and_decoded(octets: bytes, expected: list[tuple[str, str]]) -> None:
    assert values(octets) == expected


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
