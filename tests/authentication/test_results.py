"""Our own `Authentication-Results`: what is written is read back, and nothing of a stranger's gets out of its value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.authentication.results import write_results
from maild.mail.authentication import parse_results, verdicts_of
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf
from maild.mail.header import Field, read_header

ID = "mx.town.example"
FULL = Evidence(
    1,
    Spf("pass", "bounce.shop.example"),
    (
        Dkim("pass", "shop.example", "s1", "rsa-sha256", "@shop.example"),
        Dkim("fail", "list.example", "k", "ed25519-sha256", "anna@list.example", reason="the body was changed"),
    ),
    Arc("pass"),
    Dmarc("pass", "shop.example", "shop.example", policy="reject"),
)


def read_back(evidence: Evidence, authserv_id: str = ID) -> tuple[str, list[tuple[str, str, dict[str, str]]]]:
    octets = write_results(evidence, authserv_id).encode("ascii") + b"\r\n\r\n"
    (field,) = read_header(octets, 0, len(octets), b"\n").fields
    read = parse_results(field.raw)
    assert read is not None
    return read.authserv_id, [(each.method, each.result, dict(each.properties)) for each in read.results]


def test_a_field_is_written_and_folded() -> None:
    assert write_results(FULL, ID).split("\r\n") == [
        "Authentication-Results: mx.town.example;",
        " spf=pass smtp.mailfrom=bounce.shop.example;",
        " dkim=pass header.d=shop.example header.s=s1 header.a=rsa-sha256",
        "  header.i=@shop.example;",
        ' dkim=fail reason="the body was changed" header.d=list.example header.s=k',
        "  header.a=ed25519-sha256 header.i=anna@list.example;",
        " dmarc=pass header.from=shop.example policy.dmarc=reject;",
        " arc=pass",
    ]


def test_what_is_written_is_read_back() -> None:
    name, results = read_back(FULL)
    assert name == ID
    assert [(method, result) for method, result, _ in results] == [
        ("spf", "pass"),
        ("dkim", "pass"),
        ("dkim", "fail"),
        ("dmarc", "pass"),
        ("arc", "pass"),
    ]
    assert results[2][2]["reason"] == "the body was changed"


def test_a_letter_without_proofs_has_a_word_for_each_method() -> None:
    assert write_results(Evidence(1), ID).split("\r\n")[1:] == [
        " spf=none;",
        " dkim=none;",
        " dmarc=none;",
        " arc=none",
    ]


def test_the_name_in_helo_is_named_as_such() -> None:
    assert read_back(Evidence(1, Spf("pass", "mx.example", "helo")))[1][0] == (
        "spf",
        "pass",
        {"smtp.helo": "mx.example"},
    )


def test_what_nobody_could_check_of_arc_is_not_said_in_a_word_that_nobody_knows() -> None:
    assert [method for method, _, _ in read_back(Evidence(1, arc=Arc("temperror")))[1]] == ["spf", "dkim", "dmarc"]


@pytest.mark.parametrize(
    "value",
    [
        "legitimate.com'a.attack.com",
        "legitimate.com(.attack.com",
        'legitimate.com"=(.attack.com',
        "a.example; dkim=pass header.d=bank.example",
        'a.example"; dmarc=pass header.from="bank.example',
        "a.example\r\nAuthentication-Results: mx.town.example; dmarc=pass",
        "a.example\\",
        "a.example\x00",
        "a.example (",
        "m\u00fcller.example\u2028",
        "\ud800",
        "=?utf-8?q?x?=",
        "a@b@c",
        "x" * 5_000,
    ],
)
def test_a_value_of_a_stranger_stays_in_its_place(value: str) -> None:
    evidence = Evidence(
        1,
        Spf("fail", value, value, reason=value),
        (Dkim("fail", value, value, value, value, reason=value),),
        Arc("fail", reason=value),
        Dmarc("fail", value, value, policy=value, reason=value),
    )
    name, results = read_back(evidence)
    assert name == ID
    assert [(method, result) for method, result, _ in results] == [
        (method, "fail") for method in ("spf", "dkim", "dmarc", "arc")
    ]
    plain = "".join([c if " " <= c <= "~" else "?" for c in value])
    assert results[1][2] == {
        "reason": plain[:120],
        **{f"header.{letter}": plain[:255] for letter in "dsai"},
    }


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["pass", "none", "x y", "", "p;q"]))
def test_any_text_is_written_on_lines_of_printable_ascii(one: str, other: str, word: str) -> None:
    dkim = tuple([Dkim(word, one, other, one, other, reason=other)] * 30)
    evidence = Evidence(1, Spf(word, one, other, reason=one), dkim, Arc("pass"), Dmarc(word, other, one, reason=one))
    field = write_results(evidence, ID)
    lines = field.split("\r\n")
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert all(line.startswith(" ") and line.strip() for line in lines[1:])
    assert len(field) < 20_000
    _, results = read_back(evidence)
    assert [method for method, _, _ in results] == ["spf", *["dkim"] * 10, "dmarc", "arc"]
    assert [result for method, result, _ in results if method != "arc"] == [
        word if word in ("pass", "none") else "permerror"
    ] * 12


def field(written: str) -> Field:
    name, _, value = written.partition(":")
    return Field(name.lower(), value)


def test_what_we_write_is_believed_by_who_trusts_us() -> None:
    octets = f"{write_results(FULL, ID)}\r\nReceived: x\r\n\r\n".encode()
    fields = read_header(octets, 0, len(octets), b"\n").fields
    assert verdicts_of(fields, [ID]) == FULL.verdicts
