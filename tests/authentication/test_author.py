"""The one author, or a word for why there is none."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maild.authentication.author import Author, author_of, read_author
from maild.mail.header import Field, read_header


def author_in(header: str | bytes) -> Author:
    octets = header.encode() if isinstance(header, str) else header
    return read_author(read_header(octets + b"\r\n\r\nx", 0, len(octets) + 5, b"\n").fields)


def b64(text: str) -> str:
    return f"=?utf-8?B?{base64.b64encode(text.encode()).decode()}?="


GOOD = {
    "From: a@shop.example": "a@shop.example",
    "From:a@shop.example": "a@shop.example",
    "FROM : <a@Shop.Example>": "a@shop.example",
    "From: <A.b+c=d@shop.example>": "A.b+c=d@shop.example",
    "From: Anna <a@shop.example>": "a@shop.example",
    "From: Anna<a@shop.example>": "a@shop.example",
    'From: "Anna, Amt" <a@shop.example>': "a@shop.example",
    'From: "Anna \\"Doc\\" B" <a@shop.example>': "a@shop.example",
    'From: "b@evil.example" <a@shop.example>': "a@shop.example",
    "From: Dr. Anna B. [Amt] <a@shop.example>": "a@shop.example",
    "From: Müller & Söhne <a@shop.example>": "a@shop.example",
    "From: O'Hara <a@shop.example>": "a@shop.example",
    "From: =?utf-8?Q?M=C3=BCller=2C_Hans?= <a@shop.example>": "a@shop.example",
    "From: =?utf-8?Q?hans=40b.example_via_x?= <a@shop.example>": "a@shop.example",
    "From: =?utf-8?Q?M=C3=BC?= =?utf-8?Q?ller?= <a@shop.example>": "a@shop.example",
    "From: =?iso-2022-jp?B?GyRCOzNFRBsoQg==?= <a@shop.example>": "a@shop.example",
    "From: =?utf-8?B?TcO8bGxlcg?= <a@shop.example>": "a@shop.example",
    "From: =?broken <a@shop.example>": "a@shop.example",
    "From: a@shop.example (Cron Daemon)": "a@shop.example",
    "From: <a@shop.example> (Cron Daemon) ": "a@shop.example",
    "From: A@shop.example <a@shop.example>": "a@shop.example",
    "From: a@shop.example (A@shop.example)": "a@shop.example",
    'From: a@shop.example ("Anna" B)': "a@shop.example",
    "From: < a@shop.example >": "a@shop.example",
    "From: Anna\r\n <a@shop.example>": "a@shop.example",
    "From:\r\n\tAnna\r\n\t<a@shop.example>": "a@shop.example",
    "From: root@localhost": "root@localhost",
    "From: a@_x.shop.example": "a@_x.shop.example",
    "From: a@müller.example": "a@xn--mller-kva.example",
    "From: a@MÜLLER.example": "a@xn--mller-kva.example",
    "From: a@gießen.example": "a@xn--gieen-nqa.example",
    "From: a@xn--mller-kva.example": "a@xn--mller-kva.example",
    "From: jörg@shop.example": "jörg@shop.example",
    "Subject: x\r\nFrom: a@shop.example\r\nSender: b@evil.example": "a@shop.example",
}

BAD: dict[str, list[str | bytes]] = {
    "none": [
        "Subject: x",
        "Sender: a@shop.example",
        "Resent-From: a@shop.example",
        "X-From: a@shop.example",
        "From\r\n : a@shop.example",
    ],
    "several-fields": [
        "From: a@shop.example\r\nFrom: a@shop.example",
        "From: a@shop.example\r\nfrom : b@evil.example",
        "From: a@shop.example\r\nSubject: x\r\nFROM: <b@evil.example>",
        "From: a@shop.example\r\nFrom:",
        b"From: a@shop.example\r\nFrom\xa0: b@evil.example",
    ],
    "control": [
        "From: a@shop.example\x00",
        "From: a@shop.example\x00@evil.example",
        "From: <a\x00@shop.example>",
        "From: An\x1bna <a@shop.example>",
        "From: a@shop.example\x7f",
        "From: a@shop.example\r@evil.example",
        "From: a@shop.example\x0b",
        "From: a@shop.example\u0085",
        "From: a@shop.example\u2028b@evil.example",
    ],
    "folding": ["From: a@shop.example\r\n \r\n (x)", "From:\r\n \r\n a@shop.example", "From: a@shop.example\r\n "],
    "no-address": [
        "From:",
        "From: <>",
        "From: Anna",
        "From: MAILER-DAEMON",
        "From: Anna <anna>",
        "From: @shop.example",
        "From: a@",
        'From: "a@shop.example"',
    ],
    "several-mailboxes": [
        "From: a@shop.example, b@evil.example",
        "From: <a@shop.example>, <b@evil.example>",
        "From: <a@shop.example>\\,<b@evil.example>",
        "From: a@shop.example,<b@evil.example>",
        "From: <a@shop.example><b@evil.example>",
        "From: Müller, Hans <a@shop.example>",
        "From: a@shop.example,",
        "From: ,a@shop.example",
        "From: <a@shop.example>;",
        "From: <<a@shop.example",
        "From: =?utf-8?Q?M=C3=BCller,_Hans?= <a@shop.example>",
        f"From: {b64('<a@shop.example>')},<b@evil.example>",
    ],
    "group": [
        "From: all: a@shop.example;",
        "From: all: a@shop.example, b@evil.example;",
        "From: nobody: ;<a@shop.example>",
        "From: Re: x <a@shop.example>",
    ],
    "route": [
        "From: <@evil.example:a@shop.example>",
        "From: <@evil.example,@x.example:a@shop.example>",
        "From: Anna < @evil.example:a@shop.example>",
        "From: <b@evil.example><@x.example:a@shop.example>",
    ],
    "comment": [
        "From: (x) a@shop.example",
        "From: a@shop.example (x (y))",
        "From: a@shop.example (b@evil.example)",
        "From: a@(x)shop.example",
        "From: a@shop.example(a@shop.example",
        'From: a@shop.example (") (")',
        "From: a@shop.example (x) (y)",
        "From: Anna (x) <a@shop.example>",
        "From: <a@shop.example> (x\\)",
        "From: a@shop.example (",
        "From: <a@shop.example(>",
    ],
    "encoded": [
        f"From: {b64('a@shop.example')}",
        f"From: {b64('a')}@shop.example",
        f"From: <{b64('a@shop.example' + chr(0))}@evil.example>",
        f"From: {b64('<a@shop.example>')} <b@evil.example>",
        f"From: {b64('a@shop.example' + chr(0))} <b@evil.example>",
        f"From: {b64('a@shop.example' + chr(10))} <b@evil.example>",
        "From: =?utf-8?Q?=3Ca=40shop.example=3E?= x <b@evil.example>",
        f"From: {b64('a@shop.example')} b@evil.example",
        "From: =?utf-8?B?=A?= <b@evil.example>",
        "From: =?utf-7?Q?+ADw-a+AEA-shop.example+AD4-?= <b@evil.example>",
    ],
    "quoting": [
        'From: "\\"a@shop.example\\"" <b@evil.example>',
        'From: "x\\" <a@shop.example>, \\"" <b@evil.example>',
        "From: \\<a@shop.example>",
        'From: "Anna <a@shop.example>',
    ],
    "quoted-local": ['From: "a"@shop.example', 'From: <"a b"@shop.example>', 'From: "<b@evil.example>"@shop.example'],
    "several-at": ["From: a@b@shop.example", "From: <a@shop.example@evil.example>", "From: a@@shop.example"],
    "literal": ["From: a@[192.0.2.1]", "From: <a@[192.0.2.1]>"],
    "local-part": [
        "From: a..b@shop.example",
        "From: .a@shop.example",
        "From: a.@shop.example",
        f"From: {'a' * 65}@shop.example",
        "From: a\uff20b@shop.example",
        "From: a\u202eb@shop.example",
        "From: a[b@shop.example",
    ],
    "domain": [
        "From: a@shop.example.",
        "From: a@.shop.example",
        "From: a@shop..example",
        "From: a@192.0.2.1",
        "From: a@shop.example'",
        "From: a@shop\uff0eexample",
        "From: a@shop\u3002example",
        "From: a@shop.example\u200b",
        "From: a@\u24e2hop.example",
        f"From: a@{'b' * 64}.example",
        f"From: a@{'b.' * 130}example",
        "From: a@shop.example/evil",
    ],
    "trailing": ["From: <b@evil.example>a@shop.example", "From: <a@shop.example> Anna", "From: <a@shop.example>>"],
    "syntax": [
        "From: Anna a@shop.example",
        "From: a @shop.example",
        "From: a@ shop.example",
        "From: <a@shop.example",
        "From: a@shop.example>",
        "From: a@shop.example <b@evil.example>",
        "From: a@shop.example b@evil.example",
        b"From\xa0: a@shop.example",
    ],
}


@pytest.mark.parametrize("header", GOOD)
def test_an_author_is_read(header: str) -> None:
    author = author_in(header)
    assert author.address == GOOD[header], author
    assert author.verifiable


@pytest.mark.parametrize(("problem", "header"), [(p, h) for p, headers in BAD.items() for h in headers])
def test_an_author_who_can_be_read_otherwise_is_not_verifiable(problem: str, header: str | bytes) -> None:
    assert author_in(header) == Author(problem=problem)


def test_an_author_of_a_header_that_was_cut_is_not_verifiable() -> None:
    fields = (Field("from", " a@shop.example"),)
    assert read_author(fields).verifiable
    assert read_author(fields, whole=False) == Author(problem="cut")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"From: a@shop.example\r\n\r\nFrom: b@evil.example", ""),
        (b"Subject: x\r\nFrom:\r\n a@shop.example\r\n\r\n", ""),
        (b"From: a@shop.example", ""),
        (b"From\r\n : b@evil.example\r\nFrom: a@shop.example\r\n\r\n", "flawed"),
        (b" From: b@evil.example\r\nFrom: a@shop.example\r\n\r\n", "flawed"),
        (b"Subject: x\nFrom: b@evil.example\r\nFrom: a@shop.example\r\n\r\n", "flawed"),
        (b"Subject: x\rFrom: b@evil.example\r\nFrom: a@shop.example\r\n\r\n", "flawed"),
        (b"From: a@shop.example\r\nX: " + b"x" * 300_000 + b"\r\nFrom: b@evil.example\r\n\r\n", "flawed"),
        (b"From: a@shop.example\r\n" + b"X: y\r\n" * 5_000 + b"From: b@evil.example\r\n\r\n", "flawed"),
        (b"", "none"),
        (b"\r\nFrom: a@shop.example", "none"),
    ],
    ids=range(11),
)
def test_a_line_in_which_others_may_find_an_author_is_a_flaw(content: bytes, problem: str) -> None:
    assert author_of(content).problem == problem


@given(st.text(st.sampled_from('a@b.<>"(),:;\\ =?\t\r\n\x00[]Q\xfc\ud800'), max_size=60))
@example('"' * 50_000)
@example("(" * 50_000)
@example("<" * 50_000 + "@")
@example("=?" * 50_000)
@example("a@b," * 20_000)
@example(" " * 60_000 + "@")
@example("\r\n " * 20_000 + "@")
@example('"\\' * 30_000)
def test_any_text_is_read_or_has_a_problem(text: str) -> None:
    author = read_author([Field("from", text)])
    assert author.verifiable == bool(author.domain)
    if author.verifiable:
        assert author.domain in text.lower() or not text.isascii()
        assert author.local in text
        assert author.address.count("@") == 1
        assert author.domain.isascii()
