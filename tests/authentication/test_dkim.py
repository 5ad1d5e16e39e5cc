from __future__ import annotations

import asyncio
import base64
import pickle
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from maild.authentication.canonical import RELAXED, SIMPLE, body_hash, read_mail
from maild.authentication.claims import Claims, read_claims
from maild.authentication.keys import read_key
from maild.authentication.signing import (
    SigningKey,
    UnsignableError,
    new_private_key,
    read_private_key,
    sign,
    signature_tags,
    signed_field,
)
from maild.dns.answer import Answer, Kind
from maild.mail.evidence import Dkim, Evidence, from_json, to_json
from tests.authentication.letters import DOMAIN, LETTER, NAME, NOW_S, SELECTOR, key_of, result_of, results_of, zone_of
from tests.authentication.zone import Zone


def signed_with(tags: dict[str, str | None], names: str = "from:to", letter: bytes = LETTER) -> bytes:
    """Return the letter with a signature that holds, but for what these tags make of it; None leaves one out."""
    key, mail = key_of("rsa"), read_mail(letter)
    written: dict[str, str | None] = {"v": "1"}
    written |= signature_tags(
        body_hash(letter, mail.body_start, RELAXED), key, now_s=NOW_S, names=names.split(":"), forms=(RELAXED, RELAXED)
    )
    kept = {name: value for name, value in (written | tags).items() if value is not None}
    return signed_field("DKIM-Signature", kept, mail, key) + letter


SIZE = body_hash(LETTER, read_mail(LETTER).body_start, RELAXED).size
# What the tags of a signature that is good otherwise come to, and why. Clauses are those of RFC 6376.
TAGS: dict[str, tuple[dict[str, str | None], str, str]] = {
    "§3.5: what is required": ({}, "pass", ""),
    "§3.5 v: of a later version": ({"v": "2"}, "neutral", "v="),
    "§3.5 v: not there": ({"v": None}, "neutral", "v="),
    "§3.5 d: not there": ({"d": None}, "neutral", "no d="),
    "§3.5 d: no name": ({"d": "a..b"}, "neutral", "d="),
    "§3.5 s: not there": ({"s": None}, "neutral", "no s="),
    "§3.5 s: no name": ({"s": "a b"}, "neutral", "s="),
    "§3.5 bh: not there": ({"bh": None}, "neutral", "no bh="),
    "§3.5 bh: no base64": ({"bh": "***"}, "neutral", "bh="),
    "§3.5 bh: of another body": ({"bh": "AAAA"}, "fail", "body"),
    "RFC 8301 §3.1: SHA-1": ({"a": "rsa-sha1"}, "permerror", "rsa-sha1"),
    "§3.3: an unknown algorithm": ({"a": "rsa-md5"}, "neutral", "rsa-md5"),
    "§3.5 c: the header's form only": ({"c": "relaxed", "bh": None}, "neutral", "no bh="),
    "§3.5 c: an unknown form": ({"c": "relaxed/nofws"}, "neutral", "c="),
    "§3.5 c: empty": ({"c": ""}, "neutral", "c="),
    "§3.5 c: with nothing for the body": ({"c": "relaxed/"}, "neutral", "c="),
    "§3.5 i: of the domain": ({"i": f"anna@{DOMAIN}"}, "pass", ""),
    "§3.5 i: of one below": ({"i": f"@post.{DOMAIN}"}, "pass", ""),
    "§3.5 i: with quoted local part": ({"i": f'"a@b"@{DOMAIN}'}, "pass", ""),
    "§3.5 i: of another domain": ({"i": "@evil.example"}, "permerror", "i="),
    "§3.5 i: of one that ends alike": ({"i": f"@evil{DOMAIN}"}, "permerror", "i="),
    "§3.5 i: of one above": ({"i": "@example"}, "permerror", "i="),
    "§3.5 i: longer than an address": ({"i": "a" * 320 + f"@{DOMAIN}"}, "permerror", "i="),
    "§3.5 i: without @": ({"i": DOMAIN}, "permerror", "i="),
    "§3.5 l: all of the body": ({"l": str(SIZE)}, "pass", ""),
    "§3.5 l: less than the body": ({"l": str(SIZE - 1)}, "policy", "l="),
    "§3.5 l: nothing of the body": ({"l": "0"}, "policy", "l="),
    "§3.5 l: more than the body": ({"l": str(SIZE + 1)}, "fail", "shorter"),
    "§3.5 l: no number": ({"l": "-1"}, "neutral", "l="),
    "§3.5 l: too long a number": ({"l": "9" * 77}, "neutral", "l="),
    "§3.5 q: as always": ({"q": "dns/txt"}, "pass", ""),
    "§3.5 q: one of several": ({"q": "http/well-known : dns/txt"}, "pass", ""),
    "§3.5 q: another": ({"q": "http"}, "neutral", "q="),
    "§3.5 t: not there": ({"t": None}, "pass", ""),
    "§3.5 t: in a while": ({"t": str(NOW_S + 3600)}, "pass", ""),
    "§3.5 t: tomorrow": ({"t": str(NOW_S + 24 * 3600)}, "policy", "to come"),
    "§3.5 t: no number": ({"t": "now"}, "neutral", "t="),
    "§3.5 t: of any size": ({"t": "9" * 5000}, "neutral", "t="),
    "§3.5 x: to come": ({"x": str(NOW_S + 1)}, "pass", ""),
    "§3.5 x: over": ({"t": str(NOW_S - 9), "x": str(NOW_S - 1)}, "policy", "expired"),
    "§3.5 x: before t=": ({"x": str(NOW_S - 1)}, "neutral", "x="),
    "§3.5 z: ignored": ({"z": "From:=20a"}, "pass", ""),
    "§3.2: an unknown tag": ({"xyz": "?"}, "pass", ""),
}


@pytest.mark.parametrize("case", TAGS)
async def test_a_signature_comes_to_what_its_tags_say(case: str) -> None:
    tags, result, reason = TAGS[case]
    found = await result_of(signed_with(tags), zone_of(key_of("rsa")))
    assert (found.result, reason in found.reason) == (result, True)
    assert bool(found.reason) == (result != "pass")


NAMES = {
    "from": "pass",
    "FROM:To": "pass",
    "from : to": "pass",
    "from::to": "pass",
    "to:subject": "permerror",  # §5.4: From must be signed
    "": "permerror",
    "xfrom": "permerror",
    "from:from:from": "pass",  # §5.4.2: there are no more
    "from:dkim-signature": "pass",  # §3.5: not itself
    "from:x-none": "pass",
}


@pytest.mark.parametrize("names", NAMES)
async def test_a_signature_signs_what_it_names(names: str) -> None:
    found = await result_of(signed_with({}, names), zone_of(key_of("rsa")))
    assert found.result == NAMES[names]


async def test_a_result_says_all_that_is_known() -> None:
    key = key_of("rsa")
    zone = zone_of(key, flags="; t=y")
    zone.secure = frozenset({NAME})
    found = await result_of(signed_with({"i": f"anna@{DOMAIN}"}), zone)
    assert found == Dkim(
        result="pass",
        domain=DOMAIN,
        selector=SELECTOR,
        algorithm="rsa-sha256",
        agent=f"anna@{DOMAIN}",
        key_digest=read_key(key.record.encode(), "rsa").digest,
        key_bits=2048,
        testing=True,
        secure=True,
    )
    assert len(found.key_digest) == 64


def _record(tags: str) -> str:
    record = key_of("rsa").record
    return record.replace("v=DKIM1; k=rsa; ", tags)


def _rsa_record(bits: int, exponent: int = 65537, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    """Return the record of a key that nobody has made: what signs with it is not known."""
    public = RSAPublicNumbers(exponent, (1 << bits) - 1).public_key()
    return "v=DKIM1; p=" + base64.b64encode(public.public_bytes(Encoding.DER, form)).decode()


def _bare_record() -> str:
    octets = key_of("rsa").private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return "v=DKIM1; p=" + base64.b64encode(octets).decode()


# What a record makes of a good signature. Clauses are those of RFC 6376.
RECORDS = {
    "§3.6.1: all": (_record("v=DKIM1; k=rsa; "), "pass", ""),
    "§3.6.1: only p=": (_record(""), "pass", ""),
    "§3.6.1: p= with spaces": (re.sub(r"(\w{20})(?=\w{20})", r"\1 ", _record("")), "pass", ""),
    "§3.6.1: a bare RSAPublicKey": (_bare_record(), "pass", ""),
    "§3.6.1 v: of another version": (_record("v=DKIM2; "), "permerror", "no record"),
    "§3.6.1 v: not at the beginning": (_record("k=rsa; v=DKIM1; "), "permerror", "no record"),
    "§3.6.1 g: ignored": (_record("v=DKIM1; g=; "), "pass", ""),
    "§3.6.1 h: with SHA-256": (_record("h=sha1:sha256; "), "pass", ""),
    "§3.6.1 h: without SHA-256": (_record("h=sha1; "), "permerror", "SHA-256"),
    "§3.6.1 h: unknown ones": (_record("h=x : sha256 : y; "), "pass", ""),
    "§3.6.1 k: another": (_record("k=ed25519; "), "permerror", "kind"),
    "§3.6.1 k: unknown": (_record("k=x; "), "permerror", "kind"),
    "§3.6.1 n: ignored": (_record("n=for =22us=22; "), "pass", ""),
    "§3.6.1 s: all": (_record("s=*; "), "pass", ""),
    "§3.6.1 s: mail": (_record("s=tlsrpt:email; "), "pass", ""),
    "§3.6.1 s: not mail": (_record("s=tlsrpt; "), "permerror", "for mail"),
    "§3.6.1 t: both, for the domain itself": (_record("t=y:s; "), "pass", ""),
    "§3.6.1 p: empty": ("v=DKIM1; p=", "permerror", "revoked"),
    "§3.6.1 p: not there": ("v=DKIM1; k=rsa", "permerror", "no record"),
    "§3.6.1 p: no base64": ("v=DKIM1; p=***", "permerror", "base64"),
    "§3.6.1 p: no key": ("v=DKIM1; p=AAAA", "permerror", "no RSA key"),
    "§3.6.1 p: a key for Ed25519": (key_of("ed25519").record.replace("ed25519", "rsa"), "permerror", "no RSA key"),
    "§3.6.1 p: another key": (_rsa_record(1024), "fail", "header"),
    "RFC 8301 §3.2: 512 bits": (_rsa_record(512), "policy", "fewer"),
    "RFC 8301 §3.2: 1,023 bits": (_rsa_record(1023), "policy", "fewer"),
    "RFC 8301 §3.2: 1,023 bits, bare": (_rsa_record(1023, form=PublicFormat.PKCS1), "policy", "fewer"),
    "RFC 8301 §3.2: 4,096 bits": (_rsa_record(4096), "fail", "header"),
    "too dear: 4,097 bits": (_rsa_record(4097), "policy", "more than 4096"),
    "too dear: 16,384 bits": (_rsa_record(16384), "policy", "more than 4096"),
    "too dear: an exponent of 33 bits": (_rsa_record(2048, (1 << 32) + 1), "policy", "exponent"),
    "a tag twice": (_record("k=rsa; k=rsa; "), "permerror", "twice"),
    "not a record of DKIM": ("v=spf1 -all", "permerror", "no record"),
    "garbage": ("\x00\xff" * 99, "permerror", "no record"),
    "4 kB of garbage": (_record("n=" + "x" * 4096 + "; "), "pass", ""),
    "9 kB": (_record("n=" + "x" * 9216 + "; "), "permerror", "too long"),
}


@pytest.mark.parametrize("case", RECORDS)
async def test_a_key_is_used_as_its_record_says(case: str) -> None:
    record, result, reason = RECORDS[case]
    found = await result_of(signed_with({}), Zone({NAME: {Kind.TXT: [record.encode("latin-1")]}}))
    assert (found.result, reason in found.reason) == (result, True), found


async def test_of_several_records_the_one_with_the_right_key_counts() -> None:
    spf, other, right = b"v=spf1 -all", key_of("ed25519").record.encode(), key_of("rsa").record.encode()
    found = await result_of(signed_with({}), Zone({NAME: {Kind.TXT: [spf, other, right]}}))
    assert found.result == "pass"


@pytest.mark.parametrize(("before", "result"), [(9, "pass"), (10, "permerror")])
async def test_of_many_records_ten_are_looked_at(before: int, result: str) -> None:
    records = [b"v=spf1 -all"] * before + [key_of("rsa").record.encode()]
    assert (await result_of(signed_with({}), Zone({NAME: {Kind.TXT: records}}))).result == result


async def test_one_selector_can_have_keys_of_both_kinds() -> None:
    keys = key_of("rsa"), key_of("ed25519")
    zone = Zone({NAME: {Kind.TXT: [key.record.encode() for key in keys]}})
    signed = sign(LETTER, keys[0], now_s=NOW_S) + sign(LETTER, keys[1], now_s=NOW_S) + LETTER
    assert [each.result for each in await results_of(signed, zone)] == ["pass", "pass"]
    assert zone.asked == [(NAME, Kind.TXT)]


@pytest.mark.parametrize(
    ("agent", "result"),
    [(None, "pass"), (f"@{DOMAIN}", "pass"), (f"@{DOMAIN.upper()}", "pass"), (f"@a.{DOMAIN}", "permerror")],
)
async def test_a_key_can_forbid_agents_below_its_domain(agent: str | None, result: str) -> None:
    zone = zone_of(key_of("rsa"), flags="; t=s")
    assert (await result_of(signed_with({"i": agent}), zone)).result == result


@pytest.mark.parametrize(
    ("dns", "result"),
    [({}, "permerror"), ({NAME: {}}, "permerror"), ({NAME: "servfail"}, "temperror"), ({NAME: "timeout"}, "temperror")],
)
async def test_without_a_key_the_dns_decides(dns: dict[str, dict[Kind, list[object]] | str], result: str) -> None:
    assert (await result_of(signed_with({}), Zone(dns))).result == result


async def test_the_keys_of_several_signatures_are_asked_for_at_once() -> None:
    signed = b"".join(sign(LETTER, key_of("rsa")._replace(selector=f"s{n}"), now_s=NOW_S) for n in range(3)) + LETTER
    waiting = asyncio.Barrier(3)

    class Together(Zone):
        async def ask(self, name: str, kind: Kind) -> Answer:
            await waiting.wait()  # nobody is answered before all have asked
            return await super().ask(name, kind)

    record = [key_of("rsa").record.encode()]
    zone = Together({f"s{n}._domainkey.{DOMAIN}": {Kind.TXT: record} for n in range(3)})
    async with asyncio.timeout(60):
        assert [each.result for each in await results_of(signed, zone)] == ["pass"] * 3


async def test_a_domain_that_is_no_ascii_is_looked_up_by_its_a_label() -> None:
    key = key_of("rsa")._replace(domain="xn--gieen-nqa.example")
    written = sign(LETTER, key, now_s=NOW_S).decode()
    assert "d=xn--gieen-nqa.example" in written
    as_people_write = (written.replace("xn--gieen-nqa", "gie\u00dfen")).encode() + LETTER
    found = await result_of(as_people_write, zone_of(key))
    assert (found.domain, found.result) == ("xn--gieen-nqa.example", "fail")  # the name was signed as it stood there


async def test_fields_that_are_signed_in_part_are_named() -> None:
    signed = b"Subject: other\r\nX-A: 1\r\n" + signed_with({}, "from:subject:x-a", b"X-A: 2\r\n" + LETTER)
    (claim,) = read_claims(signed).signatures
    assert claim.uncovered == ("subject",)
    found = await result_of(signed, zone_of(key_of("rsa")))
    assert (found.result, found.uncovered) == ("pass", "subject")
    (claim,) = read_claims(sign(LETTER, key_of("rsa"), now_s=NOW_S) + LETTER).signatures
    assert claim.uncovered == ()


@pytest.mark.parametrize(
    ("names", "above", "signs"),
    [
        ("from:subject:reply-to", b"", True),
        ("from:subject", b"", False),
        ("from:subject:reply-to", b"Reply-To: <x@evil.example>\r\n", True),  # the lower one; the upper is uncovered
        ("from:subject", b"Reply-To: <x@evil.example>\r\n", False),
    ],
)
async def test_whether_the_signature_says_where_answers_go_is_kept(names: str, above: bytes, signs: bool) -> None:
    with_one = b"Reply-To: <amt@stadt.example>\r\n" + LETTER
    signed = above + signed_with({}, names, with_one)
    found = await result_of(signed, zone_of(key_of("rsa")))
    assert (found.result, found.signs_reply_to) == ("pass", signs)
    assert ("reply-to" in found.uncovered) is (signs and bool(above))
    assert from_json(to_json(Evidence(1, dkim=(found,)))).dkim == (found,)


def test_claims_are_values_that_another_process_can_send() -> None:
    claims = read_claims(sign(LETTER, key_of("rsa"), now_s=NOW_S) + LETTER)
    assert pickle.loads(pickle.dumps(claims)) == claims
    assert read_claims(LETTER) == Claims()


@given(st.data())
def test_any_octets_are_read_and_never_pass(data: st.DataObject) -> None:
    good = signed_with({})
    bits = st.sampled_from(
        [b"\r\n", b";", b"=", b" ", b"DKIM-Signature:", b"v=1", b"b=", b"h=from", b"i=1", b"\x00", b"\xff"]
    )
    noise = data.draw(st.lists(bits | st.binary(max_size=8), max_size=12).map(b"".join))
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, len(good)))
    changed = good[:start] + noise + good[end:]
    results = asyncio.run(results_of(changed, zone_of(key_of("rsa"))))
    for each in results:
        assert each.result != "pass" or _same(changed, good)


def _same(changed: bytes, good: bytes) -> bool:
    """Say whether a mail is the signed one, but for white space, the case of names, and fields that are not signed."""
    return re.sub(rb"\s", b"", good.partition(b"\r\n\r\n")[2]) == re.sub(rb"\s", b"", changed.partition(b"\r\n\r\n")[2])


async def test_a_letter_can_be_signed_for_a_while() -> None:
    key = key_of("ed25519")
    signed = sign(LETTER, key, now_s=NOW_S, lifetime_s=60) + LETTER
    assert [(await result_of(signed, zone_of(key), NOW_S + late)).result for late in (0, 60, 61)] == [
        "pass",
        "pass",
        "policy",
    ]


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
@pytest.mark.parametrize("forms", [(SIMPLE, SIMPLE), (RELAXED, RELAXED)], ids="/".join)
def test_a_signature_is_folded_as_fields_are(kind: str, forms: tuple[str, str]) -> None:
    letter = b"".join(b"List-Id: <%d.example>\r\n" % n for n in range(30)) + LETTER
    written = sign(letter, key_of(kind), now_s=NOW_S, forms=forms)
    lines = written.split(b"\r\n")
    assert lines.pop() == b""
    assert max(map(len, lines)) < 78
    assert all(line.startswith(b" ") for line in lines[1:])


@pytest.mark.parametrize("content", [b"From: a@b.example\n\nx", b"From: a@b.example\r\nno field\r\n\r\nx"])
def test_a_header_that_is_none_is_not_signed(content: bytes) -> None:
    with pytest.raises(UnsignableError):
        sign(content, key_of("rsa"), now_s=NOW_S)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_private_key_is_read_from_its_file(kind: str) -> None:
    private = new_private_key(kind)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    read = SigningKey(DOMAIN, SELECTOR, read_private_key(pem))
    assert read.record == SigningKey(DOMAIN, SELECTOR, private).record
    key = read_key(read.record.encode(), kind)
    assert (key.result, key.bits) == ("", 2048 if kind == "rsa" else 256)
    with pytest.raises(ValueError, match="PEM"):
        read_private_key(b"no key")
