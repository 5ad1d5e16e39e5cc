from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from maild.authentication.disposition import Setting
from maild.authentication.examiner import Examiner, Terms
from maild.confinement import Pool
from maild.dns.answer import Kind
from maild.intake.inspection import Inspection, Inspector
from maild.intake.spool import Spool
from maild.mail.address import parse_address, parse_path
from maild.mail.authentication import NO_RELAYS, TrustedRelays
from maild.mail.envelope import Envelope, Peer, Recipient
from tests.authentication.letters import DOMAIN
from tests.authentication.test_familiar import Telling, signed
from tests.authentication.zone import Zone

NAMES = {
    "_dmarc.bank.example": {Kind.TXT: [b"v=DMARC1; p=reject"]},
    "bank.example": {Kind.TXT: [b"v=spf1 -all"]},
    "_dmarc.laden.example": {Kind.TXT: [b"v=DMARC1; p=quarantine"]},
}
LETTER = b"From: vorstand@%b\r\nSubject: x\r\n\r\n"


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(1, preload=("maild.authentication.reading",))
    yield pool
    await pool.close()


def begin(
    pool: Pool,
    zone: Zone,
    directory: Path,
    content: bytes,
    *,
    setting: Setting = Setting.REFUSE,
    to: str = "info@musterstadt.example",
    path: str = "<x@anderswo.example>",
    ip: str = "192.0.2.1",
    relays: TrustedRelays = NO_RELAYS,
    examiner: Examiner | None = None,
) -> Inspection | None:
    spool = Spool(directory)
    spool.write(content)
    spool.finish()
    envelope = Envelope(
        reverse_path=parse_path(path),
        recipients=(Recipient(address=parse_address(to)),),
        peer=Peer(ip=ip, port=4000, helo="x", protocol="ESMTP"),
    )
    terms = Terms(limit_s=5, setting=setting)
    examiner = examiner or Examiner(zone, terms)
    return Inspector(pool, examiner, relays).begin(envelope, spool, 1_790_000_000_000)


async def refusal(inspection: Inspection | None) -> str:
    assert inspection is not None
    reply = await inspection.refusal()
    return "" if reply is None else str(reply)


async def test_a_letter_whose_domain_asks_for_it_is_refused(pool: Pool, tmp_path: Path) -> None:
    inspection = begin(pool, Zone(NAMES), tmp_path, LETTER % b"bank.example")
    assert (await refusal(inspection)).startswith("550 5.7.26 Refused by the DMARC policy of bank.example")


async def test_a_domain_that_does_not_ask_for_it_costs_one_look(pool: Pool, tmp_path: Path) -> None:
    zone = Zone(NAMES)
    inspection = begin(pool, zone, tmp_path, LETTER % b"laden.example")
    assert await refusal(inspection) == ""
    assert zone.asked == [("_dmarc.laden.example", Kind.TXT), ("_dmarc.example", Kind.TXT)]
    assert inspection is not None
    assert inspection.evidence is None  # the router's to find out, with what was read here
    assert inspection.read is not None


async def test_a_large_letter_is_read_as_it_lies_on_the_disk(pool: Pool, tmp_path: Path) -> None:
    content = LETTER % b"bank.example" + b"0123456789\r\n" * 60_000
    assert (await refusal(begin(pool, Zone(NAMES), tmp_path, content))).startswith("550 5.7.26")


@pytest.mark.parametrize("to", ["postmaster@musterstadt.example", "abuse@musterstadt.example"])
async def test_complaints_are_never_refused(pool: Pool, tmp_path: Path, to: str) -> None:
    assert await refusal(begin(pool, Zone(NAMES), tmp_path, LETTER % b"bank.example", to=to)) == ""


@pytest.mark.parametrize("setting", [Setting.SUSPICIOUS, Setting.NOTE])
async def test_without_the_setting_nothing_is_asked_before_the_250(
    pool: Pool, tmp_path: Path, setting: Setting
) -> None:
    zone = Zone(NAMES)
    assert await refusal(begin(pool, zone, tmp_path, LETTER % b"bank.example", setting=setting)) == ""
    assert zone.asked == []


async def test_a_dns_without_an_answer_refuses_nobody(pool: Pool, tmp_path: Path) -> None:
    zone = Zone(NAMES | {"bank.example": "servfail"})
    inspection = begin(pool, zone, tmp_path, LETTER % b"bank.example", path="<x@bank.example>")
    assert await refusal(inspection) == ""  # its SPF would refuse, if it were known


async def test_a_letter_that_cannot_be_read_is_not_refused(tmp_path: Path) -> None:
    dead = Pool(0)
    await dead.close()
    large = b"X: y\r\n" * 10_000 + LETTER % b"bank.example"  # a short header needs no worker
    assert await refusal(begin(dead, Zone(NAMES), tmp_path, large)) == ""


async def test_a_short_header_above_a_body_that_is_held_in_memory_needs_no_worker(tmp_path: Path) -> None:
    dead = Pool(0)
    await dead.close()
    large = LETTER % b"bank.example" + b"0123456789\r\n" * 20_000
    assert (await refusal(begin(dead, Zone(NAMES), tmp_path, large))).startswith("550 5.7.26")


async def test_what_a_trusted_relay_hands_over_is_the_relays_to_judge(pool: Pool, tmp_path: Path) -> None:
    relays = TrustedRelays(networks=(ip_network("192.0.2.0/24"),), authserv_ids=("mx.musterstadt.example",))
    assert begin(pool, Zone(NAMES), tmp_path, LETTER % b"bank.example", relays=relays) is None


@pytest.mark.parametrize("ip", ["10.1.2.3", "172.17.0.1", "192.168.0.7", "100.64.1.1", "fd00::1", "::ffff:10.0.0.1"])
async def test_what_a_machine_inside_hands_over_is_not_refused(pool: Pool, tmp_path: Path, ip: str) -> None:
    assert await refusal(begin(pool, Zone(NAMES), tmp_path, LETTER % b"bank.example", ip=ip)) == ""


async def test_a_fault_of_ours_in_reading_a_small_letter_keeps_none_out(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.intake.inspection.read_sender", lambda octets: octets["no such thing"])
    assert await refusal(begin(pool, Zone(NAMES), tmp_path, LETTER % b"bank.example")) == ""


@pytest.mark.parametrize("policy", [b"v=DMARC1; p=reject", b"v=DMARC1; p=none"])
async def test_who_has_written_lately_is_recognised_and_the_router_has_nothing_to_find_out(
    pool: Pool, tmp_path: Path, policy: bytes
) -> None:
    resolver = Telling()
    resolver.zone.records[f"_dmarc.{DOMAIN}"] = {Kind.TXT: [policy]}
    examiner = Examiner(resolver, Terms(limit_s=5))
    found = []
    for _ in range(4):
        inspection = begin(pool, resolver.zone, tmp_path, signed(), path=f"<x@{DOMAIN}>", examiner=examiner)
        assert await refusal(inspection) == ""
        assert inspection is not None
        found.append(await inspection.find_out())
    asked = len(resolver.zone.asked)
    last = begin(pool, resolver.zone, tmp_path, signed(), path=f"<y@{DOMAIN}>", examiner=examiner)
    assert await refusal(last) == ""
    assert last is not None
    assert last.evidence == found[0]
    assert found == [found[0]] * 4
    forged = begin(pool, resolver.zone, tmp_path, signed() + b"more\r\n", path=f"<y@{DOMAIN}>", examiner=examiner)
    assert await refusal(forged) == ""  # its SPF is good
    assert forged is not None
    assert forged.evidence is None or forged.evidence.dkim[0].result == "fail"
    assert len(resolver.zone.asked) == asked
