"""What is said of a domain's records, and what to publish: a good domain, and all that can be wrong with one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from maild.authentication.advice import BAD, DOUBT, GOOD, Advice
from maild.authentication.survey import Subject, survey
from maild.dns.answer import Kind
from tests.authentication.zone import Zone

D = "stadt.example"
HOST = "mx1.stadt.example"
OURS = bytes(range(32))
POLICY = f"version: STSv1\r\nmode: enforce\r\nmx: {HOST}\r\nmax_age: 604800\r\n"


@cache
def _public(bits: int) -> RSAPublicKey:
    return generate_private_key(65_537, bits).public_key()


def key(bits: int = 2048, tags: str = "v=DKIM1; k=rsa") -> bytes:
    octets = _public(bits).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"{tags}; p={base64.b64encode(octets).decode()}".encode()


GOOD_ZONE: dict[str, Any] = {
    D: {Kind.MX: [(10, HOST)], Kind.TXT: [b"unrelated", b"v=spf1 mx include:_spf.versand.example -all"]},
    "_spf.versand.example": {Kind.TXT: [b"v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/32 -all"]},
    f"s1._domainkey.{D}": {Kind.TXT: [key()]},
    f"_dmarc.{D}": {Kind.TXT: [b"v=DMARC1; p=reject; rua=mailto:dmarc@stadt.example"]},
    f"_mta-sts.{D}": {Kind.TXT: [b"v=STSv1; id=20260921;"]},
    f"_smtp._tls.{D}": {Kind.TXT: [b"v=TLSRPTv1; rua=mailto:tls@stadt.example,https://r.example/"]},
    HOST: {Kind.A: ["192.0.2.10"], Kind.AAAA: ["2001:db8::10"]},
    f"_25._tcp.{HOST}": {Kind.TLSA: [(3, 1, 1, OURS)]},
    "10.2.0.192.in-addr.arpa": {Kind.PTR: [HOST]},
    "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": {Kind.PTR: [HOST]},
}
SECURE = (D, HOST, f"_25._tcp.{HOST}")
SUBJECT = Subject(domain=D, selectors=("s1",), host=HOST, key=OURS)


def look(
    changes: Mapping[str, Any] | None = None,
    *,
    policy: str | None = POLICY,
    secure: tuple[str, ...] = SECURE,
    subject: Subject = SUBJECT,
) -> dict[str, Advice]:
    async def fetch(domain: str) -> tuple[str | None, str]:
        assert domain == D
        return policy, "" if policy is not None else "certificate expired"

    known = {name: records for name, records in (GOOD_ZONE | dict(changes or {})).items() if records is not None}
    found = asyncio.run(survey(Zone(known, secure=secure), subject, fetch))
    assert len({each.what for each in found}) == len(found)
    return {each.what: each for each in found}


def test_a_domain_with_everything_is_good_in_everything() -> None:
    found = look()
    assert {what: each.state for what, each in found.items()} == dict.fromkeys(
        ["SPF", "DKIM s1", "DMARC", "MX", "MTA-STS", "TLSRPT", f"DANE {HOST}", "PTR 192.0.2.10", "PTR 2001:db8::10"],
        GOOD,
    )
    assert [each.publish for each in found.values() if each.publish] == []
    assert found["SPF"].text.endswith("(2 of 10 questions)")
    assert found["DKIM s1"].text == "rsa, 2048 bits"


def spf(*records: str, **others: str) -> dict[str, Any]:
    more = {f"{name}.example": {Kind.TXT: [text.encode()]} for name, text in others.items()}
    return {D: {Kind.MX: [(10, HOST)], Kind.TXT: [each.encode() for each in records]}} | more


MANY = " ".join(f"a:a{n}.example" for n in range(9))
ELEVEN = f"{MANY} include:b.example -all"


@pytest.mark.parametrize(
    ("changes", "state", "said", "publish"),
    [
        (spf(), BAD, "there is no record", 'stadt.example. IN TXT "v=spf1 mx -all"'),
        (spf("v=spf1 mx -all", "v=spf1 a -all"), BAD, "there are 2 records", ""),
        (spf("v=spf1 mx +all"), BAD, "'+all' lets everybody", 'stadt.example. IN TXT "v=spf1 mx -all"'),
        (spf("v=spf1 a:mall.example all"), BAD, "lets everybody", 'IN TXT "v=spf1 a:mall.example -all"'),
        (spf("v=spf1 mx ip4:300.1.1.1 -all"), BAD, "ip4:300.1.1.1", ""),
        (spf("v=spf1 mx"), DOUBT, "nothing is said of all other servers", ""),
        (spf("v=spf1 mx ?all"), DOUBT, "'?all'", ""),
        (spf("v=spf1 mx ptr -all"), DOUBT, "'ptr'", ""),
        (spf("v=spf1 mx ~all"), GOOD, "(1 of 10", ""),
        (spf("v=spf1 redirect=b.example", b="v=spf1 mx -all"), GOOD, "(2 of 10", ""),
        (spf(f"v=spf1 {MANY} -all"), DOUBT, "9 of the 10", ""),
        (spf(f"v=spf1 {ELEVEN}", b="v=spf1 mx -all"), BAD, "takes 11 questions", ""),
        (spf("v=spf1 include:gone.example -all"), BAD, "include:gone.example has no record", ""),
        (spf("v=spf1 include:b.example -all", b="v=spf1 mix"), BAD, "include:b.example 'mix' is no mechanism", ""),
        (spf("v=spf1 include:b.example -all", b="v=spf1 include:stadt.example"), BAD, "in a circle", ""),
        (spf("v=spf1 include:%{d}.example -all"), GOOD, "(1 of 10", ""),
        (spf("v=spf1 include:slow.example -all") | {"slow.example": "timeout"}, DOUBT, "what slow.example says", ""),
        ({D: {Kind.MX: [(10, HOST)], Kind.TXT: "servfail"}}, DOUBT, "nobody knows for now", ""),
    ],
)
def test_spf(changes: dict[str, Any], state: str, said: str, publish: str) -> None:
    found = look(changes)["SPF"]
    assert (found.state, said in found.text) == (state, True), found
    assert publish in " ".join(found.publish)


@pytest.mark.parametrize(
    ("records", "state", "said"),
    [
        ([], BAD, "there is no key at s1._domainkey.stadt.example"),
        ([key(), key(1024)], BAD, "there are 2 records"),
        ([key(1024)], DOUBT, "rsa, 1024 bits: make one of 2048 bits"),
        ([key(tags="v=DKIM1; t=y")], DOUBT, "marked as a test"),
        ([b"v=DKIM1; p="], BAD, "the key is revoked"),
        ([b"v=DKIM1; p=!!!"], BAD, "the key is not base64"),
        ([b"v=spf1 -all"], BAD, "no record of a key"),
        ([b"v=DKIM1; k=ed25519; p=" + base64.b64encode(OURS)], GOOD, "ed25519, 256 bits"),
    ],
)
def test_dkim(records: list[bytes], state: str, said: str) -> None:
    found = look({f"s1._domainkey.{D}": {Kind.TXT: records}})["DKIM s1"]
    assert (found.state, said in found.text) == (state, True), found


def test_without_a_selector_the_usual_ones_are_tried() -> None:
    guessed = look(subject=SUBJECT._replace(selectors=()))
    assert guessed["DKIM s1"].state == GOOD
    none = look({f"s1._domainkey.{D}": None}, subject=SUBJECT._replace(selectors=()))
    assert (none["DKIM"].state, "--selector" in none["DKIM"].text) == (DOUBT, True)


START = '_dmarc.stadt.example. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@stadt.example"'


@pytest.mark.parametrize(
    ("records", "state", "said", "publish"),
    [
        ([], BAD, "there is no record", START),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], BAD, "several records", START),
        (["v=dmarc1; p=reject"], BAD, "there is no record", START),
        (["v=DMARC1; p=none; rua=mailto:a@stadt.example"], DOUBT, "p=none asks for nothing",
         'TXT "v=DMARC1; p=quarantine; rua=mailto:a@stadt.example"'),
        (["v=DMARC1; p=quarantine; adkim=s"], DOUBT, "rua= is missing",
         'TXT "v=DMARC1; p=quarantine; adkim=s; rua=mailto:postmaster@stadt.example"'),
        (["v=DMARC1; p=quarantine; rua=mailto:a@stadt.example"], GOOD, "p=quarantine", ""),
        (["v=DMARC1; p=reject; t=y; rua=mailto:a@stadt.example"], DOUBT, "only a test", '"v=DMARC1; p=reject; rua='),
        (["v=DMARC1; p=reject; pct=50; rua=mailto:a@stadt.example"], DOUBT, "pct= is no longer read", "p=reject; rua="),
        (["v=DMARC1; p=reject; sp=none; rua=mailto:a@stadt.example"], DOUBT, "names below", "p=reject; rua="),
        (["v=DMARC1; p=stop; rua=mailto:a@stadt.example"], BAD, "cannot be read in p=", "p=none; rua="),
        (["v=DMARC1; p=reject; rua=a@stadt.example"], BAD, "cannot be read in rua=", "p=reject; rua=mailto:postm"),
        (["v=DMARC1; p=reject; rua=mailto:a@dienst.example"], BAD, "dienst.example has not agreed",
         'stadt.example._report._dmarc.dienst.example. IN TXT "v=DMARC1"'),
    ],
)  # fmt: skip
def test_dmarc(records: list[str], state: str, said: str, publish: str) -> None:
    found = look({f"_dmarc.{D}": {Kind.TXT: [each.encode() for each in records]}})["DMARC"]
    assert (found.state, said in found.text) == (state, True), found
    assert publish in " ".join(found.publish)


def test_reports_may_go_to_who_agrees_and_a_silent_dns_is_held_against_nobody() -> None:
    record = {
        f"_dmarc.{D}": {Kind.TXT: [b"v=DMARC1; p=reject; rua=mailto:a@dienst.example,mailto:b@post.stadt.example"]}
    }
    agreed = f"{D}._report._dmarc.dienst.example"
    assert look(record | {agreed: {Kind.TXT: [b"v=DMARC1;"]}})["DMARC"].state == GOOD
    assert look(record | {agreed: "timeout"})["DMARC"].state == GOOD
    assert look({f"_dmarc.{D}": "timeout"})["DMARC"].state == DOUBT


def test_a_record_of_the_organisation_counts_for_a_name_below() -> None:
    zone = {
        f"post.{D}": {Kind.MX: [(10, HOST)], Kind.TXT: [b"v=spf1 mx -all"]},
        f"_dmarc.{D}": {Kind.TXT: [b"v=DMARC1; p=reject; sp=none; rua=mailto:a@stadt.example"]},
    }
    known = GOOD_ZONE | zone

    async def fetch(_: str) -> tuple[str | None, str]:
        raise AssertionError("there is no record that asks for it")

    found = asyncio.run(survey(Zone(known), SUBJECT._replace(domain=f"post.{D}"), fetch))
    (dmarc,) = [each for each in found if each.what == "DMARC"]
    assert (dmarc.state, "(of stadt.example)" in dmarc.text) == (DOUBT, True)
    assert dmarc.publish == ('_dmarc.stadt.example. IN TXT "v=DMARC1; p=reject; rua=mailto:a@stadt.example"',)


def mx(*hosts: tuple[int, str], **records: Any) -> dict[str, Any]:
    return {D: {Kind.MX: list(hosts), Kind.TXT: [b"v=spf1 a -all"]}} | {f"{n}.example": r for n, r in records.items()}


@pytest.mark.parametrize(
    ("changes", "state", "said", "publish"),
    [
        (mx(), BAD, "there is no record", f"stadt.example. IN MX 10 {HOST}."),
        (mx((10, "other.example"), other={Kind.A: ["192.0.2.9"]}), DOUBT, f"this machine, {HOST}, is not", "IN MX 10"),
        (mx((10, HOST), (20, "b.example")), BAD, "b.example has no address", "b.example. IN A"),
        (mx((10, "192.0.2.1")), BAD, "192.0.2.1 is an address", "IN MX 10"),
        (mx((10, "b.example"), b={Kind.CNAME: [HOST]}), BAD, "b.example is an alias", ""),
        (mx((0, ""), (10, HOST)), BAD, "a null MX", "IN MX 10"),
        (mx((10, "b.example"), b="servfail"), DOUBT, "nobody knows for now", ""),
        (mx((20, HOST), (10, "b.example"), b={Kind.AAAA: ["2001:db8::9"]}), GOOD, f"b.example, {HOST}", ""),
        (mx((0, "")), GOOD, "it takes no mail", ""),
    ],
)
def test_mx(changes: dict[str, Any], state: str, said: str, publish: str) -> None:
    found = look(changes)["MX"]
    assert (found.state, said in found.text) == (state, True), found
    assert publish in " ".join(found.publish)


def sts(**changes: str) -> str:
    fields = {"version": "STSv1", "mode": "enforce", "mx": HOST, "max_age": "604800"} | changes
    return "\n".join(f"{name}: {value}" for name, value in fields.items())


@pytest.mark.parametrize(
    ("records", "policy", "state", "said"),
    [
        ([], POLICY, DOUBT, "there is none"),
        (["v=STSv1; id=1", "v=STSv1; id=2"], POLICY, BAD, "there are 2 records"),
        (["v=STSv1; id=a-b"], POLICY, BAD, "id= must be"),
        (["v=STSv1; id=1"], None, BAD, "was not to be had: certificate expired"),
        (["v=STSv1; id=1"], "", BAD, "no valid version:"),
        (["v=STSv1; id=1"], sts(mode="strict"), BAD, "mode:"),
        (["v=STSv1; id=1"], sts(max_age="9" * 400), BAD, "max_age:"),
        (["v=STSv1; id=1"], sts(mx="mx9.stadt.example"), BAD, f"does not name {HOST}"),
        (["v=STSv1; id=1"], sts(mx="*.example"), BAD, f"does not name {HOST}"),
        (["v=STSv1; id=1"], sts(mode="testing"), DOUBT, "mode: testing protects nothing"),
        (["v=STSv1; id=1"], sts(max_age="60"), DOUBT, "less than a day"),
        (["v=STSv1; id=1"], sts(mx="*.stadt.example"), GOOD, "enforce, for 7 days"),
    ],
)
def test_mta_sts(records: list[str], policy: str | None, state: str, said: str) -> None:
    found = look({f"_mta-sts.{D}": {Kind.TXT: [each.encode() for each in records]}}, policy=policy)["MTA-STS"]
    assert (found.state, said in found.text) == (state, True), found


@pytest.mark.parametrize(
    ("records", "state", "said"),
    [
        ([], DOUBT, "there is none"),
        (["v=TLSRPTv1; rua=mailto:a@b.example"] * 2, BAD, "there are 2 records"),
        (["v=TLSRPTv1; rua=a@b.example"], BAD, "rua= wants"),
        (["v=TLSRPTv1;"], BAD, "rua= wants"),
    ],
)
def test_tlsrpt(records: list[str], state: str, said: str) -> None:
    found = look({f"_smtp._tls.{D}": {Kind.TXT: [each.encode() for each in records]}})["TLSRPT"]
    assert (found.state, said in found.text) == (state, True), found
    assert found.publish == ('_smtp._tls.stadt.example. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@stadt.example"',)


LINE = f"_25._tcp.{HOST}. IN TLSA 3 1 1 {OURS.hex()}"


@pytest.mark.parametrize(
    ("values", "secure", "state", "said", "publish"),
    [
        ([], SECURE, DOUBT, "there is none", (LINE,)),
        ([], (), DOUBT, "DNSSEC has not proven it", (LINE,)),
        ([(3, 1, 1, OURS)], (D, HOST), BAD, "DNSSEC has not proven it", ()),
        ([(3, 1, 1, OURS)], (D, f"_25._tcp.{HOST}"), BAD, "DNSSEC has not proven it", ()),
        ([(1, 0, 1, OURS)], SECURE, BAD, "no record is usable", (LINE,)),
        ([(3, 1, 1, b"x" * 32)], SECURE, BAD, "no record fits the certificate", (LINE,)),
        ([(3, 1, 1, b"x" * 32), (2, 1, 1, b"y")], SECURE, GOOD, "3 1 1, 2 1 1", ()),
    ],
)
def test_dane(values: list[Any], secure: tuple[str, ...], state: str, said: str, publish: tuple[str, ...]) -> None:
    found = look({f"_25._tcp.{HOST}": {Kind.TLSA: values}}, secure=secure)[f"DANE {HOST}"]
    assert (found.state, said in found.text, found.publish) == (state, True, publish), found


@pytest.mark.parametrize(
    ("records", "state", "said"),
    [
        ({Kind.PTR: []}, BAD, "no name"),
        ({Kind.PTR: ["pool-10.provider.example"]}, BAD, "does not lead back to 192.0.2.10"),
        ({Kind.PTR: ["www.stadt.example"]}, DOUBT, f"www.stadt.example: another name than {HOST}"),
        ({Kind.PTR: ["pool-10.provider.example", HOST]}, GOOD, HOST),
        ("timeout", DOUBT, "nobody knows for now"),
    ],
)
def test_names_of_addresses(records: Any, state: str, said: str) -> None:
    changes = {"10.2.0.192.in-addr.arpa": records, "www.stadt.example": {Kind.A: ["192.0.2.10"]}}
    found = look(changes)["PTR 192.0.2.10"]
    assert (found.state, said in found.text) == (state, True), found
    assert (found.publish == ()) is (state == GOOD or records == "timeout")


def test_without_a_name_of_our_own_the_hosts_of_the_domain_are_looked_at() -> None:
    found = look(subject=SUBJECT._replace(host="", key=None))
    assert found["PTR 192.0.2.10"].state == GOOD
    assert found["MX"].state == GOOD


NULL = {
    D: {Kind.MX: [(0, "")], Kind.TXT: [b"v=spf1 -all"]},
    f"_dmarc.{D}": {Kind.TXT: [b"v=DMARC1; p=reject"]},
}


def test_a_domain_that_sends_no_mail_says_so_three_times() -> None:
    assert {what: each.state for what, each in look(NULL).items()} == {"SPF": GOOD, "MX": GOOD, "DMARC": GOOD}
    found = look(subject=SUBJECT._replace(sends_mail=False))
    assert {each.what: each.publish for each in found.values()} == {
        "SPF": ('stadt.example. IN TXT "v=spf1 -all"',),
        "MX": ("stadt.example. IN MX 0 .",),
        "DMARC": (),
    }
    dead = look(dict.fromkeys((D, f"_dmarc.{D}"), "timeout"), subject=SUBJECT._replace(sends_mail=False))
    assert [each.state for each in dead.values()] == [DOUBT] * 3


def test_when_the_dns_is_dead_there_are_doubts_and_no_exception() -> None:
    found = look(dict.fromkeys(GOOD_ZONE, "timeout"))
    assert {each.state for each in found.values()} == {DOUBT}
