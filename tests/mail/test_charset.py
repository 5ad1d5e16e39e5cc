from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail import charset


@pytest.mark.parametrize(
    ("octets", "label", "expected"),
    [
        (b"abc", None, "abc"),
        ("für".encode(), None, "für"),
        (b"f\xfcr", None, "für"),
        ("für".encode(), "us-ascii", "für"),
        (b"f\xfcr", "utf-8", "für"),
        ("für €".encode(), "UTF8", "für €"),
        ("ein langer Text für Übung".encode() + b"\xff", "utf-8", "ein langer Text für Übung\ufffd"),
        (b"\x80", "iso-8859-1", "€"),
        (b"\xa4", "iso-8859-15", "€"),
        ("für".encode(), "x-unheard-of", "für"),
        ("für".encode("utf-16"), "utf-16", "für"),
        (b"\x1b$B$3$s\x1b(B", "ISO-2022-JP", "こん"),
        ("中文".encode("gbk"), "gb2312", "中文"),
        ("中文".encode("big5"), "Big5", "中文"),
        ("한국".encode("euc-kr"), "ks_c_5601-1987", "한국"),
        ("Привет".encode("koi8-r"), "koi8-r", "Привет"),
        (b"a\0b", "utf-8", "a\ufffdb"),
    ],
)
def test_octets_are_read_as_their_label_says_or_better(octets: bytes, label: str | None, expected: str) -> None:
    assert charset.decode(octets, label) == expected


@pytest.mark.parametrize(
    "label", ["unicode_escape", "punycode", "idna", "hex", "zip", "rot13", "../x", "utf-8\0", "x" * 5000]
)
def test_labels_that_name_no_charset_never_reach_a_codec(label: str) -> None:
    assert charset.codec_of(label) is None or label == "utf-8\0"
    assert charset.decode(b"\\u0041", label) == "\\u0041"


@given(octets=st.binary(max_size=200), codec=st.sampled_from(sorted(charset._FAMILIES)))
@settings(deadline=None)
def test_any_octets_in_any_charset_are_valid_unicode(octets: bytes, codec: str) -> None:
    text = charset.decode(octets, charset._FAMILIES[codec].split()[0])
    assert "\0" not in text.encode().decode()


def test_every_codec_exists() -> None:
    for codec in charset._FAMILIES:
        "a".encode(codec)
