from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest

from maild.authentication.disposition import Setting
from maild.authentication.examiner import Dialogue, Examiner, Terms
from maild.authentication.reading import UNREADABLE, Read, read_sender, read_senders
from maild.authentication.signing import sign
from maild.dns.answer import Answer, Kind, Resolver
from maild.dns.cache import Cache
from maild.dns.exchange import Server
from maild.dns.resolver import DnsResolver
from maild.mail.evidence import Evidence
from tests.authentication.letters import LETTER as SIGNABLE
from tests.authentication.letters import key_of, zone_of
from tests.authentication.test_arc import passed_on
from tests.authentication.zone import Zone

NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
DIALOGUE = Dialogue("192.0.2.1", "mx.stadtwerke.example", "post@stadtwerke.example")
LETTER = b"From: post@stadtwerke.example\r\nSubject: x\r\n\r\nx\r\n"
SIGNED = b"DKIM-Signature: v=1; a=rsa-sha256; d=stadtwerke.example; s=s; h=from; bh=eA==; b=eA==\r\n" + LETTER
NAMES = {
    "stadtwerke.example": {Kind.TXT: [b"v=spf1 ip4:192.0.2.1 -all"]},
    "_dmarc.stadtwerke.example": {Kind.TXT: [b"v=DMARC1; p=reject"]},
}


class Silent:
    """A DNS that never answers."""

    async def ask(self, name: str, kind: Kind) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError((name, kind))


class Broken:
    """A DNS with a bug of ours."""

    async def ask(self, name: str, kind: Kind) -> Answer:
        raise ZeroDivisionError((name, kind))


async def examined(
    resolver: Resolver, content: bytes | None = LETTER, dialogue: Dialogue = DIALOGUE, terms: Terms | None = None
) -> Evidence:
    examiner = Examiner(resolver, terms or Terms(limit_s=5))
    read = UNREADABLE if content is None else read_sender(content)
    return await examiner.examine(dialogue, read, NOW_MS, examiner.limit())


async def test_all_proofs_are_weighed_together() -> None:
    found = await examined(Zone(NAMES))
    assert found.verdicts == ("pass", "none", "pass")
    assert found.checked_ms == NOW_MS
    assert found.spf.domain == found.dmarc.domain == "stadtwerke.example"
    assert found.override == ""


@pytest.mark.parametrize("resolver", [Silent(), Broken()])
async def test_what_nobody_knows_in_time_is_a_temperror_and_no_more(resolver: Resolver) -> None:
    found = await examined(resolver, SIGNED, terms=Terms(limit_s=0.5))
    assert found.verdicts == ("temperror", "fail", "temperror")  # a body that was changed needs no key
    examiner = Examiner(resolver, Terms(limit_s=0.5))
    assert found.mark == ""
    policy = await examiner.policy(read_sender(LETTER).author, examiner.limit())
    assert policy.policy == "none"


async def test_a_letter_that_cannot_be_read_is_proven_by_nothing() -> None:
    found = await examined(Zone(NAMES), None)
    assert found.spf.result == "pass"
    assert found.dmarc.result == "permerror"


async def test_a_letter_without_reverse_path_is_measured_by_the_name_of_its_machine() -> None:
    names = {"mx.stadtwerke.example": {Kind.TXT: [b"v=spf1 ip4:192.0.2.1 -all"]}} | NAMES
    found = await examined(Zone(names), dialogue=replace_path(None))
    assert (found.spf.identity, found.spf.result, found.spf.domain) == ("helo", "pass", "mx.stadtwerke.example")
    late = await examined(Silent(), dialogue=replace_path(None), terms=Terms(limit_s=0.5))
    assert (late.spf.identity, late.spf.domain) == ("helo", "mx.stadtwerke.example")


def replace_path(path: str | None) -> Dialogue:
    return DIALOGUE._replace(reverse_path=path)


FORGED = DIALOGUE._replace(ip="198.51.100.7")


@pytest.mark.parametrize(
    ("setting", "override", "suspected"),
    [(Setting.REFUSE, "", True), (Setting.SUSPICIOUS, "policy", True), (Setting.NOTE, "policy", False)],
)
async def test_the_setting_decides_what_follows(setting: Setting, override: str, *, suspected: bool) -> None:
    terms = Terms(limit_s=5, setting=setting)
    found = await examined(Zone(NAMES), dialogue=FORGED, terms=terms)
    assert found.dmarc.result == "fail"
    assert found.override == override
    assert bool(found.mark) is suspected


@pytest.mark.parametrize(
    ("ip", "concerned"),
    [("192.0.2.1", True), ("10.1.2.3", False), ("2001:db8::1", True), ("::1", False), ("", False), ("x", False)],
)
def test_machines_of_ones_own_are_not_examined(ip: str, *, concerned: bool) -> None:
    terms = Terms(exempt=(ip_network("10.0.0.0/8"), ip_network("::1/128")))
    assert Examiner(Zone({}), terms).concerns(ip) is concerned


def test_several_letters_are_read_at_once() -> None:
    first, second = read_senders(LETTER, LETTER + b"\r\n")
    assert isinstance(first, Read)
    assert first.author == second.author
    assert replace(Terms(), limit_s=1).limit_s == 1


async def test_of_a_peer_inside_nobody_outside_could_know() -> None:
    inside = DIALOGUE._replace(ip="192.168.1.5")
    found = await examined(Zone(NAMES), dialogue=inside)
    assert found.verdicts == ("temperror", "none", "temperror")
    assert "private address" in found.spf.reason


async def test_what_is_remembered_comes_to_the_same_and_nobody_waits_for_it() -> None:
    key = key_of("rsa")
    listed, other, third = (
        key._replace(domain="list.example"),
        key._replace(selector="s2", domain="mail.stadtwerke.example"),
        key_of("ed25519")._replace(selector="s3"),
    )
    letter = await passed_on([listed], sign(SIGNABLE, key, now_s=NOW_S) + SIGNABLE)
    for signer in (other, third):
        letter = sign(letter, signer, now_s=NOW_S) + letter
    records = zone_of(key, listed, other, third).records | {
        "_dmarc.stadtwerke.example": {Kind.TXT: [b"v=DMARC1; p=reject; sp=none; np=reject"]},
        "stadtwerke.example": {
            Kind.TXT: [b"v=spf1 mx include:other.example -all"],
            Kind.MX: [(1, "mx.stadtwerke.example")],
        },
        "mx.stadtwerke.example": {Kind.A: ["192.0.2.9"]},
        "other.example": {Kind.TXT: [b"v=spf1 exists:%{i}.other.example ?all"]},
    }
    zone, cache = Zone(records), Cache()
    asked = await examined(zone, letter)
    assert [each.result for each in asked.dkim] == ["pass", "pass", "fail"]
    assert (asked.arc.result, asked.spf.result, asked.dmarc.result) == ("pass", "fail", "pass")
    for name, kind in set(zone.asked):
        cache.put((name, kind), await zone.ask(name, kind), now_s=0, ttl_s=10)
    resolver = DnsResolver((Server(host="192.0.2.255"),), cache=cache, clock=lambda: 1.0)
    examination = examined(resolver, letter)
    with pytest.raises(StopIteration) as ended:
        examination.send(None)
    assert ended.value.value == asked
