"""The door asks the rules that refuse, in a real worker process, and never waits long for their answer."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from maild.confinement import Pool
from maild.intake.door import DEADLINE_S, Door
from maild.intake.spool import Spool
from maild.mail.address import parse_address, parse_path
from maild.mail.authentication import NO_RELAYS, TrustedRelays
from maild.mail.envelope import Envelope, Peer, Recipient
from maild.rules.model import Ruleset
from tests.rules.samples import WHOLE, rules_of

NOW = datetime(2026, 6, 1, 10, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
KITA, INFO, ABUSE = "kita@a.example", "info@a.example", "abuse@a.example"
RULES = """rules:
  - {id: spam, when: {sender: "@spam.example"}, then: {reject: Go away}}
  - {id: offers, when: {subject: offer}, unless: {to: info}, then: {reject: No offers}}
  - {id: large, when: {size: {larger_than: 400kB}}, then: {reject: Too much}}
  - {id: forged, when: {dmarc: fail}, then: {reject: Not from there}}
"""
RELAYS = TrustedRelays(networks=(ip_network("10.0.0.0/8"),), authserv_ids=("mx.a.example",))
OFFER = b"Subject: An OFFER\r\n\r\nx\r\n"
FAILED = b"Authentication-Results: mx.a.example; dmarc=fail\r\nReceived: x\r\n\r\nx\r\n"


def refusing() -> Ruleset:
    return rules_of(WHOLE + RULES)


def envelope(*to: str, sender: str = "a@b.example", ip: str = "192.0.2.1") -> Envelope:
    return Envelope(
        reverse_path=parse_path(f"<{sender}>"),
        recipients=tuple(Recipient(address=parse_address(text)) for text in to or (KITA,)),
        peer=Peer(ip=ip, port=4000, helo="x", protocol="ESMTP"),
    )


@asynccontextmanager
async def workers(count: int) -> AsyncIterator[Pool]:
    pool = Pool(count, preload=("maild.intake.judging",))
    try:
        yield pool
    finally:
        await pool.close()


async def answer(
    pool: Pool,
    directory: Path,
    octets: bytes,
    sent: Envelope,
    *,
    ruleset: Ruleset | None = None,
    deadline_s: float = 30.0,
) -> str:
    """Return the refusal at the end of the content; "" when there is none."""
    spool = Spool(directory)
    spool.write(octets)
    spool.finish()
    try:
        door = Door(pool, RELAYS, deadline_s=deadline_s)
        return str(await door.at_end(ruleset or refusing(), sent, spool, NOW_MS) or "")
    finally:
        spool.discard()


async def test_a_mail_is_refused_when_every_recipient_is(tmp_path: Path) -> None:
    async with workers(1) as pool:
        for octets, sent, expected in (
            (OFFER, envelope(KITA), "550 5.7.1 No offers"),
            (OFFER, envelope(KITA, "krippe@b.example"), "550 5.7.1 No offers"),
            (OFFER, envelope(KITA, INFO), ""),
            (OFFER, envelope(KITA, ABUSE), ""),
            (b"Subject: x\r\n\r\noffer\r\n", envelope(), ""),
            (b"Subject: x\n\nSubject: offer\n", envelope(), ""),
            (b"Subject: offer", envelope(), "550 5.7.1 No offers"),
            (OFFER + b"x" * 500_000, envelope(INFO), "550 5.7.1 Too much"),
            (FAILED, envelope(INFO, ip="10.0.0.7"), "550 5.7.1 Not from there"),
            (FAILED, envelope(INFO, ip="192.0.2.7"), ""),
        ):
            assert await answer(pool, tmp_path, octets, sent) == expected, octets[:40]


async def test_a_header_beyond_256_kb_is_a_doubt(tmp_path: Path) -> None:
    async with workers(1) as pool:
        assert await answer(pool, tmp_path, b"Subject: offer\r\nX: " + b"x" * 300_000 + b"\r\n\r\nx", envelope()) == ""
        many = b"Subject: offer\r\n" + b"X: y\r\n" * 3_000
        assert await answer(pool, tmp_path, many + b"\r\nx", envelope()) == ""


NOBODY_ANSWERS: list[tuple[str, Envelope, str]] = [
    (WHOLE, envelope(), ""),
    (WHOLE + RULES.replace("then", "mode: observe, then"), envelope(), ""),
    (WHOLE + RULES, envelope(ABUSE), ""),
    (WHOLE + RULES, envelope(sender="a@spam.example"), "550 5.7.1 Go away"),
    (WHOLE + RULES, envelope(KITA, INFO, sender="a@spam.example"), "550 5.7.1 Go away"),
    (WHOLE + "rules: [{id: r, when: {to: info, subject: a}, then: {reject: x}}]\n", envelope(KITA, INFO), ""),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "sent", "expected"), NOBODY_ANSWERS)
async def test_no_worker_is_asked_where_the_envelope_is_enough(
    tmp_path: Path, rules: str, sent: Envelope, expected: str
) -> None:
    async with workers(0) as pool, asyncio.timeout(25):  # who asks it waits for all of its 30 s
        assert await answer(pool, tmp_path, OFFER, sent, ruleset=rules_of(rules)) == expected


async def test_a_pool_without_a_free_worker_delays_nothing_beyond_the_deadline(tmp_path: Path) -> None:
    async with workers(0) as pool, asyncio.timeout(60):
        assert await answer(pool, tmp_path, OFFER, envelope(), deadline_s=0.05) == ""
    assert DEADLINE_S == 2.0


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_worker_that_hangs_or_dies_is_a_doubt_and_is_replaced(tmp_path: Path, number: signal.Signals) -> None:
    async with workers(1) as pool, asyncio.timeout(60):
        assert await answer(pool, tmp_path, OFFER, envelope()) != ""
        (worker,) = pool._free
        assert worker.pid
        os.kill(worker.pid, number)
        assert await answer(pool, tmp_path, OFFER, envelope(), deadline_s=0.5) == ""
        assert await answer(pool, tmp_path, OFFER, envelope()) != ""


async def test_what_a_worker_fails_with_is_not_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maild.intake.door._JUDGE", "builtins:__import__")  # raises, and quotes what it was asked
    async with workers(1) as pool:
        with capture_logs() as logs:
            assert await answer(pool, tmp_path, OFFER, envelope()) == ""
    assert [log["reason"] for log in logs if log["event"] == "rules.undecided"] == ["error"]


@pytest.mark.parametrize(
    ("to", "sender", "expected"),
    [(KITA, "a@spam.example", "550 5.7.1 Go away"), (KITA, "a@b.example", "None"), (ABUSE, "a@spam.example", "None")],
)
async def test_at_rcpt_the_envelope_decides(to: str, sender: str, expected: str) -> None:
    async with workers(0) as pool:
        reply = Door(pool, NO_RELAYS).at_rcpt(refusing(), parse_address(to), parse_address(sender), NOW)
    assert str(reply) == expected
