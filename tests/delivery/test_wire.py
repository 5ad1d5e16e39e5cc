from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.delivery.wire import Dots, Lines, measure

ODD = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\0", b"x", b"\r\n", b"\r\n.", b"\xe4"]), max_size=60).map(
    b"".join
)


def lines(*pieces: bytes) -> bytes:
    made = Lines()
    return b"".join([*(made.feed(piece) for piece in pieces), made.close()])


def dotted(*pieces: bytes) -> bytes:
    made = Dots()
    return b"".join(made.feed(piece) for piece in pieces)


def cut(octets: bytes, cuts: list[int]) -> list[bytes]:
    pieces, turn = [], 0
    while octets:
        width = cuts[turn % len(cuts)]
        pieces.append(octets[:width])
        octets, turn = octets[width:], turn + 1
    return pieces


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        (b"", b""),
        (b"a", b"a\r\n"),
        (b"a\r\n", b"a\r\n"),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\rb\r", b"a\r\nb\r\n"),
        (b"a\r\r\nb", b"a\r\nb\r\n"),
        (b"a\r\r\rb", b"a\r\n\r\n\r\nb\r\n"),
        (b"a\n\r\nb", b"a\r\n\r\nb\r\n"),
        (b"a\0b\r\0\n", b"ab\r\n"),
        (b"\xe4\r\n", b"\xe4\r\n"),
    ],
)
def test_line_ends_become_one_kind(stored: bytes, sent: bytes) -> None:
    assert lines(stored) == sent


@given(octets=ODD, cuts=st.lists(st.integers(1, 5), min_size=1, max_size=9))
def test_what_leaves_does_not_depend_on_how_it_is_cut(octets: bytes, cuts: list[int]) -> None:
    whole = lines(octets)
    assert lines(*cut(octets, cuts)) == whole
    assert dotted(*cut(whole, cuts)) == dotted(whole)
    assert measure(cut(whole, cuts)) == measure([whole])


@given(octets=ODD)
def test_nothing_that_leaves_ends_a_message_early(octets: bytes) -> None:
    sent = dotted(lines(octets))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", sent)
    assert b".\r\n" not in [sent[:3], *(b".\r\n" for _ in re.finditer(rb"\r\n\.\r\n", sent))]
    # The other side takes one dot away from each line that begins with one, and has what was to be sent.
    assert b"".join(line.removeprefix(b".") for line in sent.splitlines(keepends=True)) == lines(octets)


@given(text=st.lists(st.sampled_from([b"x", b".", b"\r\n", b"\xe4"]), max_size=40).map(b"".join))
def test_mail_with_nothing_but_crlf_leaves_octet_for_octet(text: bytes) -> None:
    assert lines(text + b"\r\n") == text + b"\r\n"


def test_many_returns_cost_no_more_than_their_number() -> None:
    octets = lines(*[b"\r" * 262_144] * 8, b"x")
    assert octets == b"\r\n" * (8 * 262_144) + b"x\r\n"


@pytest.mark.parametrize(
    ("octets", "longest", "eight_bit"),
    [
        (b"A: b\r\n\r\nxyzuv\r\n", 5, False),
        (b"A: \xe4\r\n\r\nx\r\n", 4, True),
        (b"A: b\r\n\r\n\xe4\r\n", 4, True),
        (b"A: b\r\n" + b"x" * 998 + b"\r\n", 998, False),
        (b"x" * 999 + b"\r\n", 999, False),
    ],
)
def test_the_shape_of_a_message(octets: bytes, longest: int, *, eight_bit: bool) -> None:
    shape = measure([octets])
    assert (shape.size, shape.longest, shape.eight_bit) == (len(octets), longest, eight_bit)
