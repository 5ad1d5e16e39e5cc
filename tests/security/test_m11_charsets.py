"""M11: charsets, characters and dates made to break a store."""

from __future__ import annotations

import pytest

from maild.mail.facts import Facts
from maild.mail.reading import facts_of

KNOWN = """utf-7 utf-16 utf-16le utf-16be utf-32 utf-32le iso-2022-jp iso-2022-kr hz-gb-2312 gb18030 big5 shift_jis
euc-jp euc-kr ebcdic-cp-us"""
UNKNOWN = """unknown-8bit x-user-defined unicode_escape punycode idna rot13 base64 hex undefined mbcs zlib
../../etc/passwd =?x?q?y?= '\""""
CHARSETS = [*KNOWN.split(), *UNKNOWN.split(), "utf-8\0", "a" * 10_000, "utf-8; drop table", "\xfc\xfc", ""]
PAYLOADS = {
    "nul": b"a\0b",
    "surrogates_in_utf_8": b"\xed\xa0\x80\xed\xb0\x80",
    "surrogates_in_utf_7": b"+2AA-+3AA-",
    "overlong": b"\xc0\xae\xc0\xaf\xe0\x80\xaf",
    "beyond_unicode": b"\xf4\x90\x80\x80\xff\xfe\xfd",
    "shift_never_closed": b"\x1b$B" + b"\xff" * 50,
    "utf_16_cut": b"\xff\xfe\x00\xd8\x41",
    "utf_32_out_of_range": b"\xff\xff\xff\x7f" * 8,
    "all_octets": bytes(range(256)),
    "byte_order_marks": b"\xef\xbb\xbf\xff\xfe\x00\x00",
    "noncharacters": "\uffff\ufdd0\U0010ffff".encode(),
}


def assert_storable(facts: Facts) -> None:
    """A database of either kind takes every text of it: valid Unicode without NUL."""
    values = [facts.subject, facts.text, facts.excerpt, facts.message_key or "", facts.list_id or "", *facts.references]
    values += [text for field in facts.fields for text in (field.key, field.value)]
    for mailbox in (*facts.senders, *facts.reply_to, *facts.to, *facts.cc):
        values += [mailbox.name, mailbox.mail]
    for attachment in facts.attachments:
        values += [attachment.name, attachment.media_type, attachment.part]
    for value in values:
        assert "\0" not in value
        value.encode()


@pytest.mark.parametrize("charset", CHARSETS, ids=range(len(CHARSETS)))
def test_a_charset_that_lies_gives_text_that_can_be_stored(charset: str) -> None:
    for octets in PAYLOADS.values():
        for content in messages(charset.encode("utf-8", "replace"), octets):
            assert_storable(facts_of(content))


def messages(label: bytes, octets: bytes) -> tuple[bytes, ...]:
    """Return messages with the octets in every place that is decoded."""
    word = b"=?" + label + b"?q?" + b"".join(b"=%02X" % c for c in octets) + b"?="
    head = b"Subject: %b\r\nFrom: %b <a@b>\r\nTo: %b@b.example\r\n" % (word, octets, octets)
    head += b"Message-ID: <%b@x>\r\nReferences: <%b@y>\r\n" % (octets, octets)
    kind = b"Content-Type: text/plain; charset=" + label + b"; name*=" + label + b"''%00%ED%A0%80\r\n\r\n"
    return head + kind + octets, head + kind.replace(b"plain", b"html") + octets, head + octets


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 9999 23:59:59 -1200",
        "1 Jan 99999 00:00 +0000",
        "30 Feb 2026 00:00 +0000",
        "0 0 0 0:0",
        "-1",
        "\0",
        "9" * 999,
    ],
)
def test_a_date_of_any_kind_is_a_number_a_database_can_sort_or_none(date: str) -> None:
    found = facts_of(f"Date: {date}\r\n\r\n".encode()).date_ms
    assert found is None or 0 < found < 1 << 63


def test_what_cannot_be_read_is_shown_by_the_replacement_character() -> None:
    facts = facts_of(b"Subject: a\0b\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+2AA-")
    assert (facts.subject, facts.text) == ("a\ufffdb", "\ufffd")
