"""Authentication-Results: what is read of one, and which of those in a header are believed."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.authentication import Result, Results, TrustedRelays, Verdicts, parse_results, verdicts_of
from maild.mail.header import Field

US = "mx.town.example"
NOTHING = Verdicts()

READ: list[tuple[str, Results | None]] = [
    (f"{US}; none", Results(US, ())),
    (f"{US} 1; none", Results(US, ())),
    (f"{US}; spf=pass", Results(US, (Result("spf", "pass"),))),
    ("MX.Town.EXAMPLE; SPF=Pass", Results(US, (Result("spf", "pass"),))),
    (
        f"{US}; spf=pass smtp.mailfrom=a@b.example",
        Results(US, (Result("spf", "pass", (("smtp.mailfrom", "a@b.example"),)),)),
    ),
    (
        f'{US} (a (nested; spf=pass) comment) 1 ; dkim / 1 = fail (bad) reason = "no; key=\\"x\\"" header.d=b.example',
        Results(US, (Result("dkim", "fail", (("reason", 'no; key="x"'), ("header.d", "b.example"))),)),
    ),
    (
        f"{US}; dkim=pass header.d=a.example header.b=ab+/cd==; dmarc=pass header.from=a.example",
        Results(
            US,
            (
                Result("dkim", "pass", (("header.d", "a.example"), ("header.b", "ab+/cd=="))),
                Result("dmarc", "pass", (("header.from", "a.example"),)),
            ),
        ),
    ),
    (
        f'"{US}"; spf=pass smtp . mailfrom="a b"@c.example',
        Results(US, (Result("spf", "pass", (("smtp.mailfrom", "a b@c.example"),)),)),
    ),
    (f"{US} 2; spf=pass", None),  # a version of the future
    ("spf=pass smtp.mailfrom=a@b.example; dkim=pass", None),  # Interop: old Exchange names nobody
    ("", None),
    (";", None),
    ("(all comment", None),
    (f"{US}; spf/2=pass", Results(US, ())),
    (f"{US}; spf=; dkim=pass", Results(US, (Result("dkim", "pass"),))),
    (f"{US}; dkim=pass; spf=pass (never ends", Results(US, (Result("dkim", "pass"),))),
    (f'{US}; dkim=pass; spf=pass reason="never ends; dmarc=pass', Results(US, (Result("dkim", "pass"),))),
    (f'{US}; x=(spf=pass) y="; spf=pass"', Results(US, (Result("x", "y=; spf=pass"),))),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected"), READ)
def test_a_field_is_read_as_rfc_8601_writes_it(raw: str, expected: Results | None) -> None:
    assert parse_results(raw) == expected


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=10)
BLANKS = st.sampled_from(["", " ", "  ", "(c)", ' (a (b) \\) ; spf=pass " ) '])
PROPERTIES = st.tuples(st.just("reason") | st.builds("{}.{}".format, TOKENS, TOKENS), VALUES)
RESULTS = st.builds(Result, TOKENS, TOKENS, st.lists(PROPERTIES, max_size=3).map(tuple))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(TOKENS, st.lists(RESULTS, max_size=4), BLANKS, BLANKS)
def test_what_was_written_is_read_again(name: str, results: list[Result], before: str, between: str) -> None:
    text = f"{before}{name}{before} 1"
    for each in results:
        text += f"{before};{between}{each.method}{before}={between}{each.result}"
        text += "".join(f" {between}{key}{before}={between}{_quoted(value)}" for key, value in each.properties)
    assert parse_results(text) == Results(name, tuple(results))


@given(st.text(st.sampled_from('ab1 ;=()"\\/.@\t'), max_size=40))
def test_reading_never_raises_and_is_deterministic(raw: str) -> None:
    assert parse_results(raw) == parse_results(raw)
    assert verdicts_of([Field("authentication-results", raw)], ["a"]) == NOTHING


@pytest.mark.parametrize(
    "unit", ["(", ")", "((", '"', "\\", ";", "=", "a=b ", ";spf=pass", "()", '""', "(\\", " ", "a=", "; a=b=c"]
)
def test_hostile_fields_are_read_in_one_pass(unit: str) -> None:
    raw = f"{US};" + unit * (400_000 // len(unit))  # a reader of quadratic cost would not come to its end
    found = parse_results(raw)
    assert found is None or found.authserv_id == US


def head(*fields: str) -> list[Field]:
    """`A:` is one of our relay, `X:` one of somebody, `R` a Received; else a field of that name."""
    names = {"A": f"{US}; ", "X": "mx.evil.example; "}
    found = []
    for field in fields:
        key, _, value = field.partition(":")
        if key in names:
            found.append(Field("authentication-results", names[key] + value))
        else:
            found.append(Field("received" if key == "R" else key.lower(), value))
    return found


HEADS: list[tuple[list[str], Verdicts]] = [
    # Above the relay's Received, where only the relay writes.
    (["A:spf=pass", "R", "From:x"], Verdicts(spf="pass")),
    (["Return-Path:x", "A:spf=pass", "X-Spam:no", "A:dkim=pass", "R", "R"], Verdicts("pass", "pass")),
    (["A:spf=fail", "A:spf=pass", "R"], Verdicts(spf="fail")),
    (["A:spf=fail", "R", "A:spf=pass dkim=pass", "A:dmarc=pass"], Verdicts(spf="fail")),
    (["X:spf=pass", "A:spf=fail", "R"], Verdicts(spf="fail")),
    # Directly below it, where mail filters write.
    (["R", "A:spf=pass", "A:dkim=fail; dmarc=fail", "From:x"], Verdicts("pass", "fail", "fail")),
    (["R", "Received-SPF:pass", "DKIM-Filter:x", "A:dkim=pass", "R"], Verdicts(dkim="pass")),
    (["R", "A:spf=fail", "A:spf=pass"], Verdicts(spf="fail")),
    # Where the sender may have written.
    (["R", "From:x", "A:spf=pass"], NOTHING),
    (["R", "R", "A:spf=pass"], NOTHING),
    (["R", "X:spf=pass", "A:spf=pass"], NOTHING),
    (["R", "A:spf=fail", "From:x", "A:dkim=pass"], Verdicts(spf="fail")),
    (["A:spf=pass", "From:x"], NOTHING),  # the relay has stamped nothing
    (["X:spf=pass", "R"], NOTHING),
    ([], NOTHING),
]


@pytest.mark.parametrize(("fields", "expected"), HEADS)
def test_only_what_the_relay_has_written_is_believed(fields: list[str], expected: Verdicts) -> None:
    assert verdicts_of(head(*fields), [US.upper()]) == expected
    assert verdicts_of(head(*fields), []) == NOTHING


def test_of_two_trusted_names_the_topmost_speaks_alone() -> None:
    fields = [*head("R", "A:spf=fail"), Field("authentication-results", "mx2.town.example; dkim=pass")]
    assert verdicts_of(fields, [US, "mx2.town.example"]) == Verdicts(spf="fail")


WORDS: list[tuple[str, Verdicts]] = [
    ("dkim=fail; dkim=pass", Verdicts(dkim="pass")),  # one good signature is enough
    ("dkim=neutral; dkim=fail", Verdicts(dkim="neutral")),
    ("dkim=fail; dkim=temperror", Verdicts(dkim="temperror")),
    ("spf=temperror", Verdicts(spf="temperror")),
    ("spf=hardfail", Verdicts(spf="fail")),
    ("spf=softfail; dkim=policy; dmarc=permerror", Verdicts("softfail", "policy", "permerror")),
    ("spf=certainly; dkim=softfail; dmarc=neutral", NOTHING),  # no words of theirs
    ("spf=pass smtp.helo=evil.example", NOTHING),
    ("spf=pass smtp.helo=evil.example; spf=fail smtp.mailfrom=a@b.example", Verdicts(spf="fail")),
    ("iprev=pass; arc=fail; auth=pass", NOTHING),
]


@pytest.mark.parametrize(("results", "expected"), WORDS)
def test_several_results_make_one_verdict(results: str, expected: Verdicts) -> None:
    assert verdicts_of(head(f"A:{results}", "R"), [US]) == expected


def test_of_mail_without_a_sender_spf_is_about_the_machine() -> None:
    fields = head("A:spf=pass smtp.helo=mx.b.example", "R")
    assert verdicts_of(fields, [US], null_path=True) == Verdicts(spf="pass")


RELAYS = TrustedRelays(networks=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")), authserv_ids=(US,))


@pytest.mark.parametrize(
    ("ip", "trusted"),
    [("10.1.2.3", True), ("2001:db8::7", True), ("192.0.2.1", False), ("::1", False), ("", False), (None, False),
     ("10.1.2.3; x", False)],
)  # fmt: skip
def test_a_peer_is_trusted_by_its_network(ip: str | None, trusted: bool) -> None:
    assert RELAYS.believed(ip) == ((US,) if trusted else ())


@pytest.mark.parametrize("half", [TrustedRelays(networks=RELAYS.networks), TrustedRelays(authserv_ids=(US,))])
def test_networks_without_names_and_names_without_networks_trust_nobody(half: TrustedRelays) -> None:
    assert half.believed("10.1.2.3") == ()
