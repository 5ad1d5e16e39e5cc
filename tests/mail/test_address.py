from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.errors import AddressError
from maild.mail.address import Address, fold, parse_address, parse_domain, parse_path, split_path


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("<a@b.example>", "a", "b.example"),
        ("<Kita.Platz+x=y@Us.EXAMPLE>", "Kita.Platz+x=y", "us.example"),
        ("<root@localhost>", "root", "localhost"),
        ("<bounce@foo_bar.example>", "bounce", "foo_bar.example"),
        ('<"a b"@us.example>', "a b", "us.example"),
        ('<"a\\"b\\\\c"@us.example>', 'a"b\\c', "us.example"),
        ('<"plain"@us.example>', "plain", "us.example"),
        ('<""@us.example>', "", "us.example"),
        ('<"a@b>c"@us.example>', "a@b>c", "us.example"),
        ("<a@[192.0.2.1]>", "a", "[192.0.2.1]"),
        ("<a@[IPv6:2001:DB8:0:0::1]>", "a", "[ipv6:2001:db8::1]"),
        ("<a@[x400:c=de]>", "a", "[x400:c=de]"),
        ("<@relay.example:a@b.example>", "a", "b.example"),
        ("<@relay.example,@[192.0.2.1]:a@b.example>", "a", "b.example"),
        ("<postmaster>", "postmaster", ""),
        ("<PostMaster>", "PostMaster", ""),
        ("<jürgen@gießen.example>", "jürgen", "xn--gieen-nqa.example"),
        ("<a@BÜCHER.example>", "a", "xn--bcher-kva.example"),
        ("<a@\uff55\uff53.example>", "a", "us.example"),
        ("<用户@例子.example>", "用户", "xn--fsqu00a.example"),
    ],
)
def test_parse_path_reads(text: str, local: str, domain: str) -> None:
    assert parse_path(text) == Address(local=local, domain=domain)


def test_parse_path_reads_the_null_path_as_none() -> None:
    assert parse_path("<>") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<",
        ">",
        "a@b.example",
        "<a@b.example",
        "a@b.example>",
        "<<a@b.example>>",
        "< >",
        "< a@b.example>",
        "<a@b.example >",
        "<a @b.example>",
        "<a b@b.example>",
        "<a@b .example>",
        "<a>",
        "<@b.example>",
        "<a@>",
        "<a@@b.example>",
        "<a@b@c.example>",
        "<.a@b.example>",
        "<a.@b.example>",
        "<a..b@b.example>",
        "<a@.example>",
        "<a@b..example>",
        "<a@b.example.>",
        "<a@-b.example>",
        "<a@b-.example>",
        '<"a@b.example>',
        '<a"@b.example>',
        '<"a"b@b.example>',
        '<"a\\"@b.example>',
        '<"a\n"@b.example>',
        '<"a\\\n"@b.example>',
        "<a\0@b.example>",
        "<a\r\n@b.example>",
        "<a@b.example\n>",
        "<a\x7f@b.example>",
        "<(a)@b.example>",
        "<a,b@c.example>",
        "<a:b@c.example>",
        "<a@[192.0.2.256]>",
        "<a@[192.0.2.1>",
        "<a@[IPv6:fe80::1%eth0]>",
        "<a@[IPv6:nonsense]>",
        "<a@[]>",
        "<@:a@b.example>",
        "<@relay.example a@b.example>",
        "<@relay..example:a@b.example>",
        "<@relay.example:>",
        "<@relay.example:@other.example:a@b.example>",
        "<a\u202eb@c.example>",
        "<a\u2028b@c.example>",
        "<a\u00a0b@c.example>",
        "<a\udc80@c.example>",
        "<a@b\u3002example.c>",
        "<a@\u2603.example>",
        "<" + "a" * 65 + "@b.example>",
        "<" + "ü" * 33 + "@b.example>",
        "<a@" + "b" * 64 + ".example>",
        "<a@" + ".".join(["b" * 63] * 4) + ".example>",
        "<" + "a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".exam>",
        "<" + "a" * 100_000 + ">",
        "<a@" + "b." * 50_000 + ">",
    ],
)
def test_parse_path_refuses(text: str) -> None:
    with pytest.raises(AddressError):
        parse_path(text)


def test_parse_path_takes_the_longest_that_the_rfc_allows() -> None:
    domain = ".".join(["b" * 61] * 3) + ".ex"
    address = parse_path(f"<{'a' * 64}@{domain}>")
    assert address is not None
    assert len(str(address)) <= 254
    assert parse_path(f"<{'a' * 200}@b.example>", local_octets=254) is not None


def test_parse_address_reads_without_brackets_only() -> None:
    assert parse_address('"a b"@Us.Example') == Address(local="a b", domain="us.example")
    for text in ("<a@b.example>", "postmaster", "", "@r.example:a@b.example", "a@b.example\n", "a" * 2_000):
        with pytest.raises(AddressError):
            parse_address(text)


@pytest.mark.parametrize(
    ("text", "path", "rest"),
    [
        ("<a@b.example>", "<a@b.example>", ""),
        ("<a@b.example> SIZE=1", "<a@b.example>", " SIZE=1"),
        ('<"a> b"@c.example> SIZE=1', '<"a> b"@c.example>', " SIZE=1"),
        ('<"a\\"> b"@c.example> X', '<"a\\"> b"@c.example>', " X"),
        ("<>", "<>", ""),
        ('<a@b.example> ORCPT=rfc822;"x>', "<a@b.example>", ' ORCPT=rfc822;"x>'),
    ],
)
def test_split_path_ends_at_the_bracket_outside_quotes(text: str, path: str, rest: str) -> None:
    assert split_path(text) == (path, rest)


@pytest.mark.parametrize("text", ["", "a@b.example", "<a@b.example", ' <"a>', '<"a>'])
def test_split_path_refuses_what_has_no_brackets(text: str) -> None:
    with pytest.raises(AddressError):
        split_path(text)


def test_parse_domain_keeps_domains_apart_that_idna_2003_would_join() -> None:
    assert parse_domain("gießen.example") == "xn--gieen-nqa.example"
    assert parse_domain("GIESSEN.example") == "giessen.example"
    assert parse_domain("bu\u0308cher.example") == parse_domain("bücher.example")


def test_key_folds_case_and_unicode_forms() -> None:
    one, other = parse_address("KITA.Stra\u00dfe@us.example"), parse_address("kita.strasse@US.example")
    assert one.key == other.key
    assert one != other


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Kita.Platz+X", "kita.platz+x"),
        ("STRASSE", "strasse"),
        ("Stra\u00dfe", "strasse"),
        ("J\u00dcRGEN", "j\u00fcrgen"),
        ("ju\u0308rgen", "j\u00fcrgen"),
        ("\uff55\uff53", "us"),
        ("\u2121", "tel"),  # its compatibility form has capitals of its own
        ("\u01f0", "\u01f0"),  # caseless in two characters, and composed again
    ],
)
def test_fold_is_caseless_and_of_one_unicode_form(text: str, folded: str) -> None:
    assert fold(text) == folded


# Characters that change when they are folded, and marks that compose with what is before them.
_CHANGING = st.characters().filter(lambda c: c.casefold() != c or unicodedata.normalize("NFKC", c) != c)


@given(st.text(st.one_of(_CHANGING, st.sampled_from("\u0308\u030c\u0345\u0327aJs\u2121\u01f0")), max_size=12))
def test_what_is_folded_folds_to_itself(text: str) -> None:
    assert fold(fold(text)) == fold(text)


_LOCALS = st.one_of(
    st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}(\.[a-z0-9]{1,8}){0,2}", fullmatch=True),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
    st.text(st.sampled_from('äöüßé例用ж \\".@<>'), max_size=15).filter(lambda s: " " not in s or s.isprintable()),
)
_DOMAINS = st.sampled_from(["us.example", "xn--gieen-nqa.example", "[192.0.2.1]", "[ipv6:::1]", "localhost"])


@given(local=_LOCALS, domain=_DOMAINS)
def test_every_address_reads_back_as_it_was_composed(local: str, domain: str) -> None:
    address = Address(local=local, domain=domain)
    assert parse_address(str(address)) == address
    assert parse_path(f"<{address}>") == address
    path, rest = split_path(f"<{address}> SIZE=1")
    assert (path, rest) == (f"<{address}>", " SIZE=1")


@given(st.text(max_size=80))
def test_whatever_parse_path_reads_composes_and_reads_back(text: str) -> None:
    try:
        address = parse_path(f"<{text}>")
    except AddressError:
        return
    if address is not None and address.domain:
        assert parse_path(f"<{address}>") == address
