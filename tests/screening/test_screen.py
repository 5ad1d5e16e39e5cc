from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.mail.screening import CLEAN, LISTED, SPAM, UNAVAILABLE, VIRUS, Finding, Screening
from maild.screening.asked import COME_AGAIN, Octets, Opinion, Wish
from maild.screening.greylist import keys_of
from maild.screening.screen import Decision, Screen
from tests.screening.mails import Letter, envelope

NO = Reply(code=554, enhanced="5.7.1", text="No")
FINE = Opinion((Finding("a", CLEAN),))
AWAY = Opinion((Finding("b", UNAVAILABLE, names=("gone",)),))
LATER = Opinion((Finding("b", UNAVAILABLE),), Wish.DEFER, COME_AGAIN)
FILE = Opinion((Finding("rspamd", SPAM, 15.2),), Wish.FILE)
HOLD = Opinion((Finding("clamav", VIRUS, names=("X",)),), Wish.HOLD)
REFUSE = Opinion((Finding("bl.example", LISTED, 1.0),), Wish.REFUSE, NO)
REFUSE_VIRUS = HOLD._replace(wish=Wish.REFUSE, reply=NO)
NOTHING = Opinion(())


class Asked:
    def __init__(self, opinion: Opinion) -> None:
        self.answer = opinion

    async def opinion(self, envelope: Envelope, octets: Octets) -> Opinion:
        return self.answer


async def decide(*opinions: Opinion, asked: Envelope | None = None, **values: Any) -> Decision:
    return await Screen([Asked(o) for o in opinions], **values).look(asked or envelope(), Letter())


@pytest.mark.parametrize(
    ("opinions", "reply", "filed"),
    [
        ([], None, None),
        ([NOTHING], None, None),
        ([FINE], None, ""),
        ([FINE, AWAY], None, ""),
        ([AWAY, FILE], None, "spam"),
        ([FILE, HOLD], None, "virus"),
        ([HOLD, LATER], COME_AGAIN, None),
        ([LATER, REFUSE], NO, None),
        ([REFUSE, HOLD, FILE, FINE], NO, None),
    ],
)
async def test_the_greatest_wish_is_fulfilled(opinions: list[Opinion], reply: Reply | None, filed: str | None) -> None:
    decision = await decide(*opinions)
    assert decision.reply == reply
    assert (None if decision.screening is None else decision.screening.filed) == filed


async def test_everything_that_was_said_is_kept() -> None:
    findings = (*FINE.findings, *AWAY.findings, *FILE.findings)
    assert await decide(FINE, AWAY, FILE) == Decision(None, Screening(findings, "spam"))


@pytest.mark.parametrize("asked", [envelope("10.0.0.1"), envelope(to=("postmaster@a.example", "Abuse+spam@b.example"))])
async def test_for_relays_and_the_postmaster_a_refusal_is_a_filing(asked: Envelope) -> None:
    def is_relay(ip: str) -> bool:
        return ip == "10.0.0.1"

    assert (await decide(REFUSE, asked=asked, is_relay=is_relay)).screening == Screening(REFUSE.findings, "spam")
    assert (await decide(REFUSE_VIRUS, asked=asked, is_relay=is_relay)).screening == Screening(HOLD.findings, "virus")
    assert (await decide(LATER, asked=asked, is_relay=is_relay)).reply == COME_AGAIN


async def test_they_are_asked_at_the_same_time() -> None:
    together = asyncio.Barrier(3)

    class Waiting:
        async def opinion(self, envelope: Envelope, octets: Octets) -> Opinion:
            await together.wait()
            return FINE

    async with asyncio.timeout(60):
        await Screen([Waiting(), Waiting(), Waiting()]).look(envelope(), Letter())


async def test_a_bug_in_one_of_them_ends_the_others_and_is_no_acceptance() -> None:
    ended = asyncio.Event()

    class Endless:
        async def opinion(self, envelope: Envelope, octets: Octets) -> Opinion:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return FINE

    class Broken:
        async def opinion(self, envelope: Envelope, octets: Octets) -> Opinion:
            raise LookupError

    with pytest.raises(ExceptionGroup):
        await Screen([Endless(), Broken()]).look(envelope(), Letter())
    assert ended.is_set()


async def test_who_has_to_wait_is_told_so_and_nobody_else_is_asked() -> None:
    class Patience:
        async def wait_ms(self, envelope: Envelope) -> int:
            return 299_001

    decision = await decide(REFUSE, patience=Patience())
    assert str(decision.reply) == "451 4.7.1 You are new here: please come again in 300 seconds (greylisting)"
    assert (await decide(FINE, patience=Patience(), is_relay=lambda _: True)).reply is None


async def test_what_happened_is_counted_and_logged_without_a_word_of_the_mail() -> None:
    with structlog.testing.capture_logs() as logs:
        for opinions in ([REFUSE], [LATER], [FILE], [HOLD]):
            screen = Screen([Asked(o) for o in opinions])
            await screen.look(envelope(), Letter())
    assert [(entry["event"], entry.get("by")) for entry in logs] == [
        ("screening.refused", ["bl.example 1"]),
        ("screening.unavailable", "b"),
        ("screening.deferred", ["b"]),
        ("screening.filed", ["rspamd 15.2"]),
        ("screening.filed", ["clamav"]),
    ]
    assert (screen.filed_count, screen.refused_count, screen.deferred_count, screen.unavailable_count) == (1, 0, 0, 0)


def test_pools_of_machines_and_of_senders_are_one_stranger() -> None:
    def key(ip: str, sender: str = "<a@b.example>", *to: str) -> tuple[bytes, ...]:
        return keys_of(envelope(ip, sender=sender, to=to or ("kita@musterstadt.example",)))

    first = key("8.8.8.25")
    assert len(first) == 1
    assert len(first[0]) == 16
    assert first == key("8.8.8.200") == key("::ffff:8.8.8.1") == key("8.8.8.25", "<bounce+7@B.example>")
    assert key("2a00:1450:4864:20::1") == key("2a00:1450:4864:20:ffff::2") != key("2a00:1450:4864:21::1")
    others = [key("8.8.9.25"), key("8.8.8.25", "<a@c.example>"), key("8.8.8.25", "<>")]
    others.append(key("8.8.8.25", "<a@b.example>", "x@other.example"))
    assert len({first, *others}) == 5
    assert len(key("8.8.8.25", "<a@b.example>", "x@one.example", "y@one.example", "z@two.example")) == 2


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "", "192.168.0.9", "fd00::9"])
def test_nobody_of_our_own_is_a_stranger(ip: str) -> None:
    assert keys_of(envelope(ip)) == ()
    assert keys_of(envelope(to=("postmaster@musterstadt.example",))) == ()
