"""S10: signatures made to be believed without cause, or to cost more than the mail that bears them.

Expected: never a pass for what the signer has not signed; ten signatures, ten questions and ten verifications at most,
the body hashed once for each form, whatever a stranger writes; nothing raises.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from maild.authentication import arc, chain, dkim, signatures
from maild.authentication.canonical import RELAXED, BodyHash, body_hash, read_mail
from maild.authentication.claims import SIGNATURES, read_claims
from maild.authentication.keys import Key, is_signed, read_key
from maild.authentication.signing import SigningKey, names_to_sign, sign, signature_tags, signed_field
from maild.dns.answer import Kind
from maild.mail.evidence import Arc, Dkim
from tests.authentication.letters import DOMAIN, LETTER, NAME, NOW_S, key_of, zone_of
from tests.authentication.sealed import seal
from tests.authentication.zone import Zone

HEADER, _, TEXT = LETTER.partition(b"\r\n\r\n")


class Work:
    """How often something was done."""

    def __init__(self) -> None:
        self.verified = 0
        self.bodies = 0


@contextmanager
def counted() -> Iterator[Work]:
    work = Work()

    def verified(*args: Any) -> bool:
        work.verified += 1
        return is_signed(*args)

    def hashed(*args: Any) -> BodyHash:
        work.bodies += 1
        return body_hash(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dkim, "is_signed", verified)
        patch.setattr(signatures, "body_hash", hashed)
        yield work


async def judged(content: bytes, zone: Zone | None = None) -> tuple[tuple[Dkim, ...], Arc, Work]:
    """Return what a mail comes to, and check that it has cost no more than it may."""
    zone = zone or zone_of(key_of("rsa"))
    with counted() as work:
        claims = read_claims(content)
        results = await dkim.verify(zone, claims.signatures, NOW_S)
        dkim_questions, dkim_verified = len(zone.asked), work.verified
        sealed = await arc.validate(zone, claims.chain, frozenset({DOMAIN}))
    assert len(results) <= SIGNATURES + 1
    for each in results:
        # It is kept with the mail, and shown: one line, and not a long one.
        assert not {"\r", "\n", "\x00"} & set("".join(map(str, each)))
        assert len("".join(map(str, each))) < 1200
    assert dkim_questions <= SIGNATURES
    assert dkim_verified <= SIGNATURES
    assert len(zone.asked) - dkim_questions <= chain.INSTANCES + 1
    assert work.verified - dkim_verified <= chain.INSTANCES + 1
    assert work.bodies <= 2
    assert (sealed.result == "pass") >= sealed.trusted
    return results, sealed, work


def good() -> bytes:
    return sign(LETTER, key_of("rsa"), now_s=NOW_S)


def with_tags(tags: dict[str, str], content: bytes = LETTER) -> bytes:
    """Return a signature that its owner has made so."""
    mail = read_mail(content)
    names = names_to_sign(mail)
    written = signature_tags(
        body_hash(content, mail.body_start, RELAXED), key_of("rsa"), now_s=NOW_S, names=names, forms=(RELAXED, RELAXED)
    )
    return signed_field("DKIM-Signature", {"v": "1"} | written | tags, mail, key_of("rsa")) + content


def _replayed(length: int, below: bytes) -> bytes:
    """Return a letter signed with l=, and what somebody has added below."""
    mail = HEADER + b"\r\n\r\n"
    return with_tags({"l": str(length)}, mail) + below


HOSTILE = {
    "l=0, the body is another's": _replayed(0, b"Please pay to this account.\r\n"),
    "l=0, the body is empty but for a letter": _replayed(0, b"x"),
    "an empty b=": good().replace(b" b=", b" b=; z=") + LETTER,
    "a b= of 2,000 folds, each of a letter": b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=s1; "
    b"h=from; bh=%s; b=%s\r\n" % (DOMAIN.encode(), base64.b64encode(bytes(32)), b"\r\n ".join([b"A"] * 2000)) + LETTER,
    "a b= of 2,000 empty folds, then no end": good().replace(b" b=", b" b=" + b"\r\n " * 2000 + b"!") + LETTER,
    "a giant tag": good().replace(b"v=1;", b"v=1; n=" + b"x" * 60_000 + b";") + LETTER,
    "a field beyond the limit": good().replace(b"v=1;", b"v=1; n=" + b"x" * 70_000 + b";") + LETTER,
    "8,000 tags": good().replace(b"v=1;", b"v=1;" + b"".join(b"t%d=;" % n for n in range(8000))) + LETTER,
    "20,000 semicolons": good().replace(b"v=1;", b"v=1;" + b";" * 20_000) + LETTER,
    "a tag twice": good().replace(b"v=1;", b"v=1; d=" + DOMAIN.encode() + b";") + LETTER,
    "the same tag with another case": good().replace(b" d=", b" D=") + LETTER,
    "h= of 1,000 names, none of them there": good().replace(
        b"h=from", b"h=" + b":".join([b"x%d" % n for n in range(1000)]) + b":from"
    )
    + LETTER,
    "h= of From 10,000 times": good().replace(b"h=from", b"h=" + b"from:" * 10_000) + LETTER,
    "no From in h=": good().replace(b"from:from", b"xrom:xrom") + LETTER,
    "a NUL in the signature": good().replace(b"v=1;", b"v=1;\x00") + LETTER,
    "a second From": good() + b"From: mayor@musterstadt.example\r\n" + LETTER,
    "another From above all": b"From: mayor@musterstadt.example\r\n" + good() + LETTER,
    "a header within a field, for whoever ends lines with LF": b"X: y\nFrom: mayor@stadtwerke.example\n\nPay!\r\n"
    + good()
    + LETTER,
    "the same with CR": b"X: y\rFrom: mayor@stadtwerke.example\r\rPay!\r\n" + good() + LETTER,
    "a line above that is no field": b"Pay!\r\n" + good() + LETTER,
    "only LF": (good() + LETTER).replace(b"\r\n", b"\n"),
    "a body before the body": good() + HEADER + b"\r\n\r\nPay!\r\n\r\n" + TEXT,
    "text below": good() + LETTER + b"PS: Pay!\r\n",
    "d= of another": good().replace(b"d=stadtwerke.example", b"d=musterstadt.example") + LETTER,
    "d= of all": good().replace(b"d=stadtwerke.example", b"d=example") + LETTER,
    "d= of the root": good().replace(b"d=stadtwerke.example", b"d=.") + LETTER,
    "s= that leads elsewhere": good().replace(b"s=s1", b"s=s1._domainkey.evil.example.") + LETTER,
    "s= of 64 kB": good().replace(b"s=s1", b"s=" + b"s." * 30_000 + b"s1") + LETTER,
    "t= in the year 9999": with_tags({"t": "253402300799"}),
    "x= over": with_tags({"t": "1", "x": "2"}),
    "i= of another": with_tags({"i": "@musterstadt.example"}),
    "SHA-1": with_tags({"a": "rsa-sha1"}),
    "no algorithm": with_tags({"a": "none"}),
    "line ends in each tag": good().replace(b"a=rsa", b"a=\r\n r\r\n sa").replace(b"d=", b"d=\r\n x\r\n ") + LETTER,
    "line ends in what is no tag": good().replace(b"v=1;", b"v=1; a\r\n b\r\n c;") + LETTER,
    "a long algorithm": good().replace(b"a=rsa", b"a=" + b"x" * 9999) + LETTER,
    "relaxed for all there is": good().replace(b"relaxed/relaxed", b"nowsp/nowsp") + LETTER,
}


@pytest.mark.parametrize("trick", HOSTILE)
async def test_a_hostile_signature_is_not_believed(trick: str) -> None:
    results, _, work = await judged(HOSTILE[trick])
    assert results
    assert {each.result for each in results} & {"pass"} == set(), results
    assert all(each.reason for each in results)
    assert work.verified <= 1


async def test_the_folds_of_a_good_signature_do_not_matter() -> None:
    field = good()
    start = field.index(b" b=") + 3
    signature = field[start : field.index(b";", start)].replace(b"\r\n ", b"")
    folded = field.replace(field[start : field.index(b";", start)], b"".join(b"\r\n %c\r\n  " % c for c in signature))
    assert folded.count(b"\r\n") > 600
    ((result,), _, _) = await judged(folded + LETTER)
    assert result.result == "pass"


@pytest.mark.parametrize("same", [True, False], ids=["one selector", "a selector each"])
async def test_of_1000_signatures_ten_are_looked_at(same: bool) -> None:
    wrong = b"DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=s%d; h=from; bh=%s; b=AAAA\r\n"
    bh = base64.b64encode(body_hash(LETTER, read_mail(LETTER).body_start, "simple").digest)
    fields = [wrong % (DOMAIN.encode(), 1 if same else n, bh) for n in range(1000)]
    zone = zone_of(*[key_of("rsa")._replace(selector=f"s{n}") for n in range(SIGNATURES)])
    results, _, work = await judged(b"".join(fields) + good() + LETTER, zone)
    assert [each.result for each in results] == ["fail"] * SIGNATURES + ["policy"]
    assert "991 more" in results[-1].reason
    assert len(zone.asked) == (1 if same else SIGNATURES)
    assert work.verified == SIGNATURES


async def test_signatures_that_cannot_be_read_cost_no_question() -> None:
    zone = zone_of(key_of("rsa"))
    results, _, work = await judged(b"DKIM-Signature: v=1; d=a.example; d=b.example\r\n" * 500 + LETTER, zone)
    assert {each.result for each in results} == {"neutral", "policy"}
    assert (zone.asked, work.verified, work.bodies) == ([], 0, 0)


async def test_a_body_of_another_costs_no_question() -> None:
    zone = zone_of(key_of("rsa"))
    (results, _, work) = await judged(good() * 10 + LETTER + b"more\r\n", zone)
    assert {each.result for each in results} == {"fail"}
    assert (zone.asked, work.verified, work.bodies) == ([], 0, 1)


def _long_record() -> bytes:
    return key_of("rsa").record.encode()[:40] + b"A" * 4000


RECORDS = {
    "4 kB of base64": _long_record(),
    "64 kB": b"v=DKIM1; p=" + b"A" * 65_000,
    "octets": random.Random(10).randbytes(4096),
    "tags without end": b"v=DKIM1;" + b"a=;" * 2000,
    "a key of zeros": b"v=DKIM1; p=" + base64.b64encode(bytes(294)),
    "a key that is cut": key_of("rsa").record.encode()[:-40],
    "lengths that lie": b"v=DKIM1; p=" + base64.b64encode(b"\x30\x84\x7f\xff\xff\xff\x02\x84\x7f\xff\xff\xff"),
    "nested without end": b"v=DKIM1; p=" + base64.b64encode(b"\x30\x80" * 1500),
    "an Ed25519 key of 31 octets": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(31)),
    "nothing": b"",
}


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
async def test_a_record_that_is_no_key_is_none(kind: str, record: str) -> None:
    signed = sign(LETTER, key_of(kind), now_s=NOW_S) + LETTER
    ((result,), _, work) = await judged(signed, Zone({NAME: {Kind.TXT: [RECORDS[record]] * 50}}))
    assert (result.result, work.verified) == ("permerror", 0)


SMALL = (
    *("00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f"),
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)


@pytest.mark.parametrize("sign_of_x", [0x00, 0x80])
@pytest.mark.parametrize("point", SMALL)
def test_a_key_that_anybody_can_sign_with_is_none(point: str, sign_of_x: int) -> None:
    octets = bytearray(bytes.fromhex(point))
    octets[-1] |= sign_of_x
    # That the library itself does not mind is why it is looked at here.
    public, nobodys = Ed25519PublicKey.from_public_bytes(bytes(octets)), b"\x01" + bytes(63)
    assert any(is_signed(Key(public=public), nobodys, bytes([n]) * 32) for n in range(100))
    key = read_key(b"v=DKIM1; k=ed25519; p=" + base64.b64encode(octets), "ed25519")
    assert (key.result, key.public) == ("permerror", None)


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_a_key_of_rsa_without_an_exponent_is_none(exponent: int) -> None:
    modulus = b"\x02\x82\x01\x01\x00" + b"\xff" * 256
    numbers = modulus + bytes([2, 1, exponent])
    bare = b"\x30\x82" + len(numbers).to_bytes(2) + numbers
    assert (
        read_key(
            b"v=DKIM1; p=" + base64.b64encode(bare.replace(b"\x02\x01" + bytes([exponent]), b"\x02\x01\x03")), "rsa"
        ).bits
        == 2048
    )
    assert read_key(b"v=DKIM1; p=" + base64.b64encode(bare), "rsa").result == "permerror"


def chained(count: int, key: SigningKey) -> bytes:
    content = LETTER
    for number in range(count):
        found = "spf=pass; dmarc=pass"
        status = "pass" if number else "none"
        content = seal(content, key, authserv_id="mx.example", results=found, status=status, now_s=NOW_S) + content
    return content


async def test_a_chain_of_51_sets_is_none() -> None:
    key = key_of("ed25519")
    fifty = chained(50, key)
    _, sealed, work = await judged(fifty, zone_of(key))
    assert (sealed.result, work.verified) == ("pass", 51)
    sets = fifty[: fifty.index(b"ARC-Seal", 10)].replace(b"i=50;", b"i=51;")
    for content in (sets + fifty, sets * 100 + fifty):
        zone = zone_of(key)
        _, sealed, work = await judged(content, zone)
        assert (sealed.result, sealed.trusted, work.verified, zone.asked) == ("fail", False, 0, [])


ARC_HOSTILE = {
    "gaps": lambda content: content.replace(b"i=2;", b"i=7;"),
    "the first is missing": lambda content: content.replace(b"i=1;", b"i=4;"),
    "each twice": lambda content: content[: content.index(b"From:")] * 2 + content[content.index(b"From:") :],
    "2,000 results": lambda content: b"ARC-Authentication-Results: i=4; x; spf=pass\r\n" * 1900 + content,
    "2,000 seals without an instance": lambda content: b"ARC-Seal: a=b\r\n" * 1900 + content,
    "an instance of 60,000 digits": lambda content: b"ARC-Seal: i=" + b"1" * 60_000 + b"\r\n" + content,
    "an instance that is no ASCII digit": lambda content: content.replace(b"i=3;", "i=\u0663;".encode()),
    "a negative instance": lambda content: content.replace(b"i=3;", b"i=-3;"),
    "results of the oldest rewritten": lambda content: content.replace(
        b"i=1; mx.example; spf=pass", b"i=1; mx.example; spf=fail"
    ),
    "a chain of another mail": lambda content: content.replace(b"4711", b"4712"),
    "line ends": lambda content: content.replace(b"\r\n", b"\n"),
}


@pytest.mark.parametrize("trick", ARC_HOSTILE)
async def test_a_hostile_chain_is_not_believed(trick: str) -> None:
    key = key_of("ed25519")
    content = chained(3, key)
    assert (await judged(content, zone_of(key)))[1].trusted
    changed = ARC_HOSTILE[trick](content)
    assert changed != content
    _, sealed, work = await judged(changed, zone_of(key))
    assert (sealed.result, sealed.trusted) == ("fail", False)
    assert sealed.verdicts == Arc().verdicts
    assert work.verified <= 2


async def test_white_space_and_line_ends_without_end_are_read_once() -> None:
    for body in (b" " * 300_000, b"\r\n" * 150_000, b" \r" * 150_000, b"\n" * 300_000, b" \r\n" * 100_000 + b"x"):
        ((result,), _, work) = await judged(with_tags({}, HEADER + b"\r\n\r\n" + body))
        assert (result.result, work.bodies) == ("pass", 1)


async def test_ten_signatures_of_a_large_header_are_read() -> None:
    letter = b"X: " + b"a  " * 20_000 + b"\r\nY: " + b"\t \r\n " * 10_000 + b"\r\n" + LETTER
    signed = with_tags({}, letter)
    field = signed[: signed.index(b"X: a")]
    results, _, work = await judged(field * 10 + letter)
    assert [each.result for each in results] == ["pass"] * 10
    assert work.bodies == 1
