from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Sequence

import pytest

from maild.authentication import arc
from maild.authentication.canonical import RELAXED, read_mail
from maild.authentication.claims import read_claims
from maild.authentication.keys import is_signed, read_key
from maild.authentication.signatures import read_seal
from maild.authentication.signing import SigningKey, UnsignableError, sign
from maild.authentication.tags import emptied
from maild.dns.answer import Kind
from maild.mail.authentication import Verdicts
from maild.mail.evidence import Arc
from tests.authentication.letters import DOMAIN, LETTER, NAME, NOW_S, key_of, zone_of
from tests.authentication.sealed import seal
from tests.authentication.zone import Zone

FOUND = "spf=fail smtp.mailfrom=stadtwerke.example; dkim=pass header.d=stadtwerke.example; dmarc=pass"


def keys(count: int) -> list[SigningKey]:
    """Return the keys of lists that pass a mail on, each of its own domain."""
    return [key_of("ed25519" if n % 2 else "rsa")._replace(domain=f"list{n}.example") for n in range(1, count + 1)]


async def status_of(content: bytes, zone: Zone, trusted: Sequence[str] = ()) -> Arc:
    return await arc.validate(zone, read_claims(content).chain, frozenset(trusted))


async def passed_on(sealers: Sequence[SigningKey], content: bytes = LETTER) -> bytes:
    """Return a mail that each of the lists has passed on, with a footer of its own."""
    zone = zone_of(*sealers)
    for key in sealers:
        found = await status_of(content, zone)
        content += b"-- \r\n" + key.domain.encode() + b"\r\n"
        content = seal(content, key, authserv_id=key.domain, results=FOUND, status=found.result, now_s=NOW_S) + content
    return content


def without(content: bytes, instance: int, name: str) -> bytes:
    """Return the mail without one field of a set."""
    field = re.compile(rf"^{name}:(?:(?!\r\n\S).)*?[ ;]i={instance};.*?\r\n(?!\s)".encode(), re.DOTALL | re.MULTILINE)
    changed, count = field.subn(b"", content)
    assert count == 1
    return changed


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_a_chain_that_nobody_has_broken_passes(count: int) -> None:
    sealers = keys(count)
    zone = zone_of(*sealers)
    content = await passed_on(sealers)
    domains = [key.domain for key in reversed(sealers)]
    found = await status_of(content, zone, domains)
    verdicts = Verdicts(spf="fail", dkim="pass", dmarc="pass")
    assert found == Arc(result="pass", sealers=tuple(domains), trusted=True, verdicts=verdicts)
    assert sorted(zone.asked) == sorted([(name, Kind.TXT) for name in zone.records])


@pytest.mark.parametrize("missing", [0, 1, 2])
async def test_a_chain_is_trusted_when_each_of_its_sealers_is(missing: int) -> None:
    sealers = keys(3)
    domains = [key.domain for key in sealers]
    del domains[missing]
    found = await status_of(await passed_on(sealers), zone_of(*sealers), domains)
    assert (found.result, found.trusted) == ("pass", False)


@pytest.mark.parametrize(
    ("names", "added", "trusted"),
    [
        (["from"], b"", True),
        (["subject"], b"", False),
        (["from"], b"From: mayor@musterstadt.example\r\n", False),
        (["from"], b"Subject: other\r\n", True),
    ],
)
async def test_a_chain_that_does_not_sign_from_is_not_trusted(names: list[str], added: bytes, trusted: bool) -> None:
    (key,) = keys(1)
    sealed = seal(LETTER, key, authserv_id="x", results=FOUND, status="none", now_s=NOW_S, names=names)
    found = await status_of(added + sealed + LETTER, zone_of(key), [key.domain])
    assert (found.result, found.trusted) == ("pass", trusted)


async def test_the_signatures_a_mail_came_with_are_sealed_with_it() -> None:
    (key,) = keys(1)
    content = sign(LETTER, key_of("rsa"), now_s=NOW_S) + LETTER
    sealed = seal(content, key, authserv_id="x", results=FOUND, status="none", now_s=NOW_S)
    assert (await status_of(sealed + content, zone_of(key))).result == "pass"
    changed = (sealed + content).replace(b"t=%d\r\nFrom" % NOW_S, b"t=1\r\nFrom")
    assert changed != sealed + content
    assert (await status_of(changed, zone_of(key))).result == "fail"


async def test_without_sets_there_is_no_chain() -> None:
    assert await status_of(LETTER, Zone({}), [DOMAIN]) == Arc()


# What is done to a chain of three: a pattern and what it becomes, and a word of why it fails.
BROKEN = {
    "the body": (rb"Guten Tag", b"Guten Abend", "body"),
    "a field that was signed": (rb"\r\nSubject: Z", b"\r\nSubject: z", "ARC-Message-Signature"),
    "the oldest results": (rb"(i=1; list1.example; spf=)fail", rb"\1pass", "ARC-Seal 3"),
    "the newest results": (rb"(i=3; list3.example; spf=)fail", rb"\1pass", "ARC-Seal 3"),
    "cv= of the first": (rb"cv=none", b"cv=pass", "cv="),
    "cv= of the second": (rb"cv=pass(;\s+d=list2)", rb"cv=none\1", "cv="),
    "cv= of another kind": (rb"cv=pass(;\s+d=list2)", rb"cv=perhaps\1", "cv="),
    "cv= not there": (rb"cv=pass(;\s+d=list2)", rb"vc=pass\1", "cv="),
    "the newest says that it is broken": (rb"cv=pass(;\s+d=list3)", rb"cv=fail\1", "found the chain broken"),
    "an instance of none": (rb"i=2; list2", b"i=0; list2", "from 1 to 50"),
    "an instance beyond": (rb"i=2; list2", b"i=51; list2", "from 1 to 50"),
    "an instance twice": (rb"i=2; list2", b"i=1; list2", "two"),
    "a gap": (rb"\bi=1;", b"i=4;", "instance 1 is missing"),
    "a seal with h=": (rb"(ARC-Seal: )a=", rb"\1h=from; a=", "h="),
    "a seal with a tag twice": (rb"(ARC-Seal: )a=", rb"\1d=x.example; a=", "twice"),
    "a seal with SHA-1": (rb"(ARC-Seal: a=\w+)-sha256", rb"\1-sha1", "not accepted"),
    "a signature of a seal": (rb"h=from", b"h=arc-seal:from", "signs ARC-Seal"),
    "a signature with l=": (rb"(ARC-Message-Signature: )a=", rb"\1l=3; a=", "l="),
    "line ends": (rb"\r\nTo: ", b"\nTo: ", "no CRLF"),
}


@pytest.mark.parametrize("change", BROKEN)
async def test_a_chain_that_somebody_has_broken_fails(change: str) -> None:
    sealers = keys(3)
    pattern, becomes, reason = BROKEN[change]
    content = await passed_on(sealers)
    changed = re.sub(pattern, becomes, content)
    assert changed != content
    found = await status_of(changed, zone_of(*sealers), [key.domain for key in sealers])
    assert (found.result, found.trusted, reason in found.reason) == ("fail", False, True), found
    assert found.verdicts == Verdicts()


@pytest.mark.parametrize("name", ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"])
@pytest.mark.parametrize("instance", [1, 2, 3])
async def test_a_set_that_is_not_whole_breaks_the_chain(instance: int, name: str) -> None:
    sealers = keys(3)
    found = await status_of(without(await passed_on(sealers), instance, name), zone_of(*sealers))
    assert found.result == "fail"
    assert f"instance {instance} has no {name}" in found.reason


async def test_the_signature_of_an_older_set_need_not_hold() -> None:
    sealers = keys(2)
    first = await passed_on(sealers[:1])
    second = await passed_on(sealers, LETTER)
    assert (await status_of(first, zone_of(*sealers))).result == "pass"
    # Its body has got a footer since; so only the newest signature is of this body (RFC 8617 §5.2, step 4).
    assert (await status_of(second, zone_of(*sealers))).result == "pass"


@pytest.mark.parametrize(("reason", "result"), [("timeout", "temperror"), ("servfail", "temperror"), (None, "fail")])
@pytest.mark.parametrize("broken", [1, 2])
async def test_a_chain_without_a_key_is_not_believed(broken: int, reason: str | None, result: str) -> None:
    sealers = keys(2)
    content = await passed_on(sealers)
    records: dict[str, dict[Kind, Sequence[object]] | str] = {
        f"{key.selector}._domainkey.{key.domain}": {Kind.TXT: [key.record.encode()]} for key in sealers
    }
    name = f"{sealers[0].selector}._domainkey.list{broken}.example"
    if reason is None:
        del records[name]
    else:
        records[name] = reason
    found = await status_of(content, Zone(records), ["list1.example", "list2.example"])
    assert (found.result, found.trusted) == (result, False)


async def test_a_chain_whose_newest_signature_is_wrong_costs_one_question() -> None:
    sealers = keys(5)
    zone = zone_of(*sealers)
    content = (await passed_on(sealers)).replace(b"Subject: Z", b"Subject: z")
    assert (await status_of(content, zone)).result == "fail"
    assert zone.asked == [("s1._domainkey.list5.example", Kind.TXT)]


async def test_a_chain_has_fifty_sets_at_most() -> None:
    key = key_of("ed25519")
    zone = zone_of(key)
    content = await passed_on([key] * 50)
    assert (await status_of(content, zone, [DOMAIN])).trusted
    assert zone.asked == [(NAME, Kind.TXT)]
    assert seal(content, key, authserv_id="x.example", results=FOUND, status="pass", now_s=NOW_S) == b""


async def test_a_broken_chain_is_sealed_once_and_then_no_more() -> None:
    sealers = keys(3)
    zone = zone_of(*sealers)
    content = (await passed_on(sealers[:1])).replace(b"Guten Tag", b"Guten Abend")
    found = await status_of(content, zone)
    assert found.result == "fail"
    sealed = seal(content, sealers[1], authserv_id="b.example", results=FOUND, status=found.result, now_s=NOW_S)
    assert sealed.count(b"cv=fail") == 1
    # RFC 8617 §5.1.2: as if its set were the only one.
    seal_field, message, results = read_mail(sealed).fields
    unsigned = seal_field._replace(octets=emptied(seal_field.octets.partition(b":")[2], b"b"))
    signed = results.canonical(RELAXED) + message.canonical(RELAXED) + b"arc-seal:" + unsigned.octets.strip()
    digest = hashlib.sha256(signed.replace(b"\r\n ", b" ")).digest()
    key = read_key(sealers[1].record.encode(), "rsa")
    assert is_signed(key, read_seal(seal_field.value, digest).signature, digest)
    found = await status_of(sealed + content, zone)
    assert (found.result, "found the chain broken" in found.reason) == ("fail", True)
    again = seal(sealed + content, sealers[2], authserv_id="c.example", results=FOUND, status="fail", now_s=NOW_S)
    assert again == b""


async def test_what_cannot_be_sealed_is_left_alone() -> None:
    key = key_of("ed25519")
    content = await passed_on([key])
    assert seal(content, key, authserv_id="x", results=FOUND, status="temperror", now_s=NOW_S) == b""
    uncountable = content.replace(b"i=1;", b"i=x;")
    assert seal(uncountable, key, authserv_id="x", results=FOUND, status="fail", now_s=NOW_S) == b""
    with pytest.raises(UnsignableError):
        seal(b"From: a\n\n", key, authserv_id="x", results=FOUND, status="none", now_s=NOW_S)


@pytest.mark.parametrize("results", ["spf=pass\r\nX-Evil: 1", "spf=pass\nX-Evil: 1", "spf=pass\r", "a\x00b"])
def test_results_cannot_begin_another_field(results: str) -> None:
    with pytest.raises(ValueError, match="not the text of a field"):
        seal(LETTER, key_of("ed25519"), authserv_id="x", results=results, status="none", now_s=NOW_S)
    with pytest.raises(ValueError, match="not the text of a field"):
        seal(LETTER, key_of("ed25519"), authserv_id=results, results="none", status="none", now_s=NOW_S)


def test_a_chain_is_a_value_that_another_process_can_send() -> None:
    sealed = seal(LETTER, key_of("rsa"), authserv_id="x.example", results=FOUND, status="none", now_s=NOW_S)
    chain = read_claims(sealed + LETTER).chain
    assert chain.result == ""
    assert pickle.loads(pickle.dumps(chain)) == chain
