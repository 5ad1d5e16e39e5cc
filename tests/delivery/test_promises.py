"""What a domain has promised of its TLS holds for its time, whatever is said, or not said, meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from maild.archive.database import Database
from maild.delivery.promises import Promises
from maild.dns.answer import Answer, Kind
from tests.archive.samples import NOW_MS
from tests.authentication.zone import Zone
from tests.delivery.post import THERE

DAY_MS = 86_400_000
ENFORCE = "version: STSv1\nmode: enforce\nmx: mx.there.example\nmax_age: 864000\n"


@dataclass
class World:
    """A domain, its policy, and the time; what was fetched is counted."""

    database: Database
    policy: str | None = ENFORCE
    record: str | None = "v=STSv1; id=1"
    mute: bool = False
    now_ms: int = NOW_MS
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.promises = Promises(
            self.database, self, self.fetch, now_ms=lambda: self.now_ms, clock=lambda: self.now_ms / 1000
        )

    async def ask(self, name: str, kind: Kind) -> Answer:
        texts = [] if self.record is None else [self.record.encode()]
        zone = {f"_mta-sts.{THERE}": "timeout" if self.mute else {Kind.TXT: texts}}
        return await Zone(zone).ask(name, kind)

    async def fetch(self, domain: str) -> tuple[str | None, str]:
        self.fetched.append(domain)
        await asyncio.sleep(0)
        return self.policy, "nobody there"

    async def mode(self) -> str | None:
        found = await self.promises.of(THERE)
        return found and found.mode


async def test_a_domain_without_a_record_has_promised_nothing(sqlite_database: Database) -> None:
    world = World(sqlite_database, record=None)
    assert (await world.mode(), world.fetched) == (None, [])
    world.record = "v=STSv1; id=!"
    world.restart()
    assert (await world.mode(), world.fetched) == (None, [])


async def test_a_policy_is_fetched_once_for_many_letters_and_known_after_a_restart(sqlite_database: Database) -> None:
    world = World(sqlite_database)
    assert await asyncio.gather(*(world.mode() for _ in range(20))) == ["enforce"] * 20
    world.restart()
    assert await world.mode() == "enforce"
    assert world.fetched == [THERE]


@pytest.mark.parametrize("attack", ["no-record", "mute", "no-policy", "broken-policy"])
async def test_a_promise_holds_until_its_end_whatever_is_said_meanwhile(sqlite_database: Database, attack: str) -> None:
    world = World(sqlite_database)
    assert await world.mode() == "enforce"
    world.record = {"no-record": None, "mute": "v=STSv1; id=1"}.get(attack, "v=STSv1; id=2")
    world.mute = attack == "mute"
    world.policy = "mode: none" if attack == "broken-policy" else None
    for _ in range(9):
        world.now_ms += DAY_MS
        world.restart()
        assert await world.mode() == "enforce"
    world.now_ms += DAY_MS
    assert await world.mode() is None


async def test_a_changed_id_brings_the_new_policy_within_minutes(sqlite_database: Database) -> None:
    world = World(sqlite_database)
    assert await world.mode() == "enforce"
    world.record, world.policy = "v=STSv1; id=2", "version: STSv1\nmode: none\nmax_age: 86400\n"
    assert await world.mode() == "enforce"  # it was asked for a moment ago
    world.now_ms += 301_000
    assert await world.mode() == "none"


async def test_a_policy_in_use_is_fetched_again_long_before_its_end(sqlite_database: Database) -> None:
    world = World(sqlite_database)
    for _ in range(30):
        assert await world.mode() == "enforce"
        world.now_ms += DAY_MS
    assert len(world.fetched) == 30


async def test_a_policy_that_nobody_uses_for_weeks_is_renewed_beside(sqlite_database: Database) -> None:
    world = World(sqlite_database)
    assert await world.mode() == "enforce"
    for _ in range(30):
        world.now_ms += DAY_MS
        await world.promises.renew()
    world.mute, world.policy = True, None
    assert await world.mode() == "enforce"
    world.mute, world.policy = False, ENFORCE
    fetched = len(world.fetched)
    for _ in range(100):  # nobody writes to them any more
        world.now_ms += DAY_MS
        await world.promises.renew()
    assert 0 < len(world.fetched) - fetched < 80


async def test_who_fails_to_hand_out_a_policy_is_not_asked_for_each_letter(sqlite_database: Database) -> None:
    world = World(sqlite_database, policy=None)
    with capture_logs() as logs:
        assert [await world.mode() for _ in range(10)] == [None] * 10
    assert len(world.fetched) == 1
    assert logs == [
        {"event": "sts.unfetched", "log_level": "warning", "domain": THERE, "reason": "nobody there"}
    ]  # fmt: skip
