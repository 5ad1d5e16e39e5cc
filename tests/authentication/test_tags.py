from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.authentication.tags import emptied, read_tags


@pytest.mark.parametrize(
    ("octets", "values"),
    [
        (b"v=1", {"v": "1"}),
        (b"v=1;", {"v": "1"}),
        (b"v=1; \r\n ", {"v": "1"}),
        (b" v = 1 ;\r\n\ta\r\n =\r\n rsa-sha256 ", {"v": "1", "a": "rsa-sha256"}),
        (b"p=;v=DKIM1", {"p": "", "v": "DKIM1"}),
        (b"b=ab=\r\n c==", {"b": "ab=\r\n c=="}),
        (b"n=a b  c; B=1; b=2", {"n": "a b  c", "B": "1", "b": "2"}),
        (b"a_1=x", {"a_1": "x"}),
        (b"d=\xc3\xa4.example", {"d": "\u00e4.example"}),
        (b"d=\xe4.example", {"d": "\ufffd.example"}),
    ],
)
def test_a_list_of_tags_is_read(octets: bytes, values: dict[str, str]) -> None:
    assert read_tags(octets) == (values, "")


@pytest.mark.parametrize(
    ("octets", "flaw"),
    [
        (b"", "empty list"),
        (b" \r\n ", "empty list"),
        (b";", "empty tag"),
        (b"a=1;;b=2", "empty tag"),
        (b"a=1; ;", "empty tag"),
        (b"a=1; b", "no tag: 'b'"),
        (b"=1", "no tag"),
        (b"1a=1", "no tag"),
        (b"a-b=1", "no tag"),
        (b"a b=1", "no tag"),
        (b"\xc3\xa4=1", "no tag"),
        (b"a=1; b=2; a=1", "'a' is there twice"),
        (b"a=1; a =2", "'a' is there twice"),
        (b"a=\x00", "control"),
        (b"a=\x0bx", "control"),
    ],
)
def test_a_list_with_a_flaw_says_which(octets: bytes, flaw: str) -> None:
    read = read_tags(octets)
    assert read.values == {}
    assert flaw in read.flaw


def test_white_space_within_a_value_can_be_left_out() -> None:
    tags = read_tags(b"b=ab\r\n\t c; h=a : b; e=")
    assert [tags.compact("b"), tags.compact("h"), tags.compact("e"), tags.compact("x")] == ["abc", "a:b", "", None]


@pytest.mark.parametrize(
    ("octets", "left"),
    [
        (b"a=1; b=xyz", b"a=1; b="),
        (b"a=1; b=xyz; c=2", b"a=1; b=; c=2"),
        (b"a=1; b =\r\n xy\r\n z \r\n ; c=2", b"a=1; b =; c=2"),
        (b"bh=xyz; \r\n b=q=; h=b", b"bh=xyz; \r\n b=; h=b"),
        (b"b=", b"b="),
        (b"a=b=1", b"a=b=1"),
    ],
)
def test_the_value_of_one_tag_is_taken_out(octets: bytes, left: bytes) -> None:
    assert emptied(octets, b"b") == left


@given(
    st.binary() | st.lists(st.sampled_from([b"a", b"=", b";", b" ", b"\r\n ", b"b", b"\xff", b"\x00"])).map(b"".join)
)
def test_any_octets_are_read_or_have_a_flaw(octets: bytes) -> None:
    read = read_tags(octets)
    assert bool(read.values) != bool(read.flaw)
    if not read.flaw:
        assert read_tags(emptied(octets, b"b")).values == read.values | ({"b": ""} if "b" in read.values else {})
