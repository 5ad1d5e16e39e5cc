from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.words import decode_words


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?f=C3=BCr_uns?=", "für uns"),
        ("=?UTF-8?B?ZsO8cg==?=", "für"),
        ("=?iso-8859-1?Q?a?= =?iso-8859-1?Q?b?=", "ab"),
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ("x=?utf-8?q?a?=y", "xay"),
        ("=?utf-8?b?w7w?=", "ü"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        ("=?utf-8*de?q?a?=", "a"),
        ("=?utf-8?q?really??=", "really?"),
        ("=?iso-8859-1?q?\xfc?=", "ü"),
        ("=?unheard-of?q?=FC?=", "ü"),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?q?a=0D=0ABcc:_x?=", "a  Bcc: x"),
        ("=?utf-8?q?=00?=", "\ufffd"),
        ("=?utf-7?q?+2AA-?=", "\ufffd"),
        ("=?utf-8?b?!!!?=", ""),
    ],
)
def test_encoded_words_are_decoded(raw: str, expected: str) -> None:
    assert decode_words(raw) == expected


@given(text=st.text(alphabet="=?utf-8bqQB_ \xfc\r\n\0\ud800A/+", max_size=80))
@settings(deadline=None)
def test_any_text_becomes_one_line_of_valid_unicode(text: str) -> None:
    found = decode_words(text)
    found.encode()
    assert not set(found) & {"\r", "\n", "\0"}
