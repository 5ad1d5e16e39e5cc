"""What is remembered of the DNS, without a server that could be asked."""

from __future__ import annotations

import contextlib
import math

import pytest

from maild.dns.answer import Answer, DnsError, Kind, Status
from maild.dns.cache import Cache, Failure
from maild.dns.recall import Noted, NotRememberedError, Recall, gathered
from maild.dns.resolver import DnsResolver
from tests.authentication.zone import Zone

FOUND = Answer(Status.FOUND, ("192.0.2.1",))


def recall() -> Recall:
    cache = Cache()
    cache.put(("known.example", Kind.A), FOUND, now_s=0, ttl_s=10)
    cache.put(("failed.example", Kind.A), Failure("servfail"), now_s=0, ttl_s=10)
    cache.put(("old.example", Kind.A), FOUND, now_s=0, ttl_s=4)
    return Recall(DnsResolver(cache=cache, clock=lambda: 5.0))


async def test_what_is_remembered_is_told_and_failures_with_it() -> None:
    assert await recall().ask("Known.example.", Kind.A) == FOUND
    assert await recall().ask("no..name", Kind.A) == Answer(Status.NO_NAME)
    with pytest.raises(DnsError, match="servfail"):
        await recall().ask("failed.example", Kind.A)


@pytest.mark.parametrize(
    ("name", "kind"), [("known.example", Kind.AAAA), ("old.example", Kind.A), ("x.example", Kind.A)]
)
async def test_what_is_not_remembered_is_no_answer(name: str, kind: Kind) -> None:
    with pytest.raises(NotRememberedError):
        await recall().ask(name, kind)


def test_nobody_gives_up_his_turn_for_what_is_remembered() -> None:
    resolver = recall()

    async def ask() -> Answer:
        return await resolver.ask("known.example", Kind.A)

    with pytest.raises(StopIteration) as ended:
        gathered(resolver, [ask, ask]).send(None)  # without an event loop: nothing waits
    assert ended.value.value == [FOUND, FOUND]


def noted() -> Noted:
    cache = Cache()
    cache.put(("long.example", Kind.TXT), Answer(Status.FOUND, (b"v=spf1 -all",)), now_s=0, ttl_s=100)
    cache.put(("short.example", Kind.TXT), Answer(Status.NO_NAME), now_s=0, ttl_s=10)
    cache.put(("macro.example", Kind.TXT), Answer(Status.FOUND, (b"v=spf1 exists:%{l}.x.example",)), now_s=0, ttl_s=100)
    cache.put(("failed.example", Kind.TXT), Failure("servfail"), now_s=0, ttl_s=100)
    return Noted(DnsResolver(cache=cache, clock=lambda: 5.0))


@pytest.mark.parametrize(
    ("names", "until_s"),
    [
        ((), math.inf),
        (("no..name",), math.inf),
        (("long.example",), 100),
        (("long.example", "short.example"), 10),
        (("short.example", "long.example"), 10),
        (("macro.example", "long.example"), -math.inf),
        (("failed.example", "long.example"), -math.inf),
        (("unknown.example", "long.example"), -math.inf),
    ],
)
async def test_it_is_noted_how_long_all_holds_that_was_told(names: tuple[str, ...], until_s: float) -> None:
    resolver = noted()
    for name in names:
        with contextlib.suppress(DnsError, NotRememberedError):
            await resolver.ask(name, Kind.TXT)
    assert resolver.until_s == until_s


async def test_of_a_resolver_that_remembers_nothing_nothing_holds() -> None:
    resolver = Noted(Zone({"known.example": {Kind.TXT: [b"x"]}}))
    with pytest.raises(NotRememberedError):
        await resolver.ask("known.example", Kind.TXT)
    assert resolver.until_s == -math.inf
