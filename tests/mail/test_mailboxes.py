from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.mailboxes import parse_mailboxes


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a@b.example", [("", "a@b.example")]),
        ("<a@b.example>", [("", "a@b.example")]),
        ("Anna <a@b.example>", [("Anna", "a@b.example")]),
        ('"Beispiel, Anna" <a@b.example>', [("Beispiel, Anna", "a@b.example")]),
        ('"Anna \\"B\\"" <a@b.example>', [('Anna "B"', "a@b.example")]),
        ("a@b.example, c@d.example", [("", "a@b.example"), ("", "c@d.example")]),
        ("a@b.example; c@d.example", [("", "a@b.example"), ("", "c@d.example")]),
        (" , a@b.example, ,", [("", "a@b.example")]),
        ("a@b.example (Anna)", [("Anna", "a@b.example")]),
        ("Anna (or (her) sister) <a@b.example>", [("Anna", "a@b.example")]),
        ("=?utf-8?q?J=C3=BCrgen?= <a@b.example>", [("Jürgen", "a@b.example")]),
        ('"=?utf-8?q?J=C3=BCrgen?=" <a@b.example>', [("Jürgen", "a@b.example")]),
        ("=?utf-8?q?J=C3=BCrgen?= <a@b.example>, =?utf-8?q?B=C3=BC?= =?utf-8?q?cher?= <c@d.example>",
         [("Jürgen", "a@b.example"), ("Bücher", "c@d.example")]),
        ("undisclosed-recipients:;", []),
        ("Team: a@b.example, Bo <c@d.example>; e@f.example",
         [("", "a@b.example"), ("Bo", "c@d.example"), ("", "e@f.example")]),
        ("<@x,@y:a@b.example>", [("", "a@b.example")]),
        ("Anna <a@b.example", [("Anna", "a@b.example")]),
        ("Anna a@b.example", [("Anna", "a@b.example")]),
        ('"anna beispiel"@b.example', [("", "anna beispiel@b.example")]),
        ("Anna", [("Anna", "")]),
        ("MAILER-DAEMON <>", [("MAILER-DAEMON", "")]),
        ("<moderator>", [("moderator", "")]),
        ("jürgen@bücher.example", [("", "jürgen@bücher.example")]),
        ("a@[192.0.2.1]", [("", "a@[192.0.2.1]")]),
        ("", []),
    ],
)  # fmt: skip
def test_address_lists_are_read(raw: str, expected: list[tuple[str, str]]) -> None:
    assert [(m.name, m.mail) for m in parse_mailboxes(raw, 500)[0]] == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # What is decoded never becomes structure.
        ("=?utf-8?q?a=40evil.example=2C?= <x@y.example>", [("a@evil.example,", "x@y.example")]),
        ("=?utf-8?q?x=40y.example=3E=2C_=3Ca=40b?= <x@y.example>", [("x@y.example>, <a@b", "x@y.example")]),
        ('"a@bank.example" <x@evil.example>', [("a@bank.example", "x@evil.example")]),
        ("a@bank.example <x@evil.example>", [("a@bank.example", "x@evil.example")]),
        # An encoded word is no address, whatever it decodes to.
        ("=?utf-8?q?a=40b.example=00?=@evil.example", [("", "=?utf-8?q?a=40b.example=00?=@evil.example")]),
    ],
)
def test_a_name_never_poses_as_an_address(raw: str, expected: list[tuple[str, str]]) -> None:
    assert [(m.name, m.mail) for m in parse_mailboxes(raw, 500)[0]] == expected


def test_more_than_the_limit_are_told() -> None:
    found, over = parse_mailboxes("a@b.example, c@d.example, e@f.example", 2)
    assert ([m.mail for m in found], over) == (["a@b.example", "c@d.example"], True)
    assert parse_mailboxes("a@b.example, c@d.example", 2)[1] is False


@given(raw=st.text(alphabet='a@b.,;:<>()"\\ =?utf8q\xfc\0\n\ud800', max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_into_valid_mailboxes(raw: str) -> None:
    for mailbox in parse_mailboxes(raw, 500)[0]:
        repr(mailbox).encode()
        assert mailbox.name or mailbox.mail
        if mailbox.mail:
            local, _, domain = mailbox.mail.rpartition("@")
            assert local
            assert domain
            assert not set(domain) & set(" <>(),;\0\n")
