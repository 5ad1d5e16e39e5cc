"""The resolver against a server that misbehaves by name."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from maild.dns.answer import Answer, DnsError, Kind, Status
from maild.dns.cache import Cache, Failure
from maild.dns.exchange import Server
from maild.dns.resolver import DnsResolver, system_servers
from tests.dns_server import DnsServer

ZONE = {
    "example.org": {
        "A": ["192.0.2.1", "192.0.2.2"],
        "AAAA": ["2001:DB8::1"],
        "MX": ["10 MX.example.org.", "20 mx2.example.org."],
        "TXT": ['"v=spf1 " "-all"', '"\\200\\000"'],
        "NS": ["ns.example.org."],
        "SOA": ["ns.example.org. hostmaster.example.org. 1 2 3 4 5"],
    },
    "1.2.0.192.in-addr.arpa": {"PTR": ["Mail.Example.ORG.", r"evil\.example.org."]},
    "_25._tcp.mx.example.org": {"TLSA": [f"3 1 1 {'00ff' * 16}"]},
    "www.example.org": {"CNAME": ["example.org."]},
    "null.example": {"MX": ["0 ."]},
    "far.example": {"CNAME": ["www.example.org."]},
    "dangling.example": {"CNAME": ["nowhere.example."]},
    "circle.example": {"CNAME": ["circle2.example."]},
    "circle2.example": {"CNAME": ["circle.example."]},
    **{f"c{n}.example": {"CNAME": [f"c{n + 1}.example."]} for n in range(12)},
    "c12.example": {"A": ["192.0.2.9"]},
    "large.example": {"TXT": [" ".join(['"' + "x" * 250 + '"'] * 17)]},
    **{
        f"{fault}.example": {"A": ["192.0.2.7"]}
        for fault in ("truncated", "forged", "no-edns", "garbage", "cut", "wrong-id", "wrong-question", "wrong-port")
    },
    "no-chain.example": {"CNAME": ["example.org."]},
    "no-chain-circle.example": {"CNAME": ["no-chain-circle.example."]},
    "*weird name/:": {},
}
FAULTS = {
    f"{fault}.example": fault
    for fault in (
        "silence",
        "servfail",
        "refused",
        "formerr",
        "truncated",
        "garbage",
        "wrong-id",
        "wrong-question",
        "wrong-port",
        "forged",
        "no-chain",
        "cut",
        "no-edns",
    )
} | {"no-chain-circle.example": "no-chain"}


class Clock:
    """A clock that a test puts forward."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer(ZONE, faults=FAULTS, secure=["example.org"]) as running:
        yield running


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """No task survives a test but the server's own; no socket is closed by the collector (its warning is an error)."""
    yield
    names = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
    assert not {name for name in names if name.startswith("DnsResolver")}
    gc.collect()


def resolver_of(*servers: DnsServer, timeout_s: float = 10.0, clock: Callable[[], float] | None = None) -> DnsResolver:
    addresses = [server.address for server in servers]
    return DnsResolver(addresses, timeout_s=timeout_s, **({"clock": clock} if clock else {}))  # type: ignore[arg-type]


async def reason_of(asking: Awaitable[Answer]) -> str:
    with pytest.raises(DnsError) as failure:
        await asking
    return failure.value.reason


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("Example.ORG.", Kind.A, ("192.0.2.1", "192.0.2.2")),
        ("example.org", Kind.AAAA, ("2001:db8::1",)),
        ("example.org", Kind.MX, ((10, "mx.example.org"), (20, "mx2.example.org"))),
        ("example.org", Kind.TXT, (b"v=spf1 -all", b"\xc8\0")),
        ("example.org", Kind.NS, ("ns.example.org",)),
        ("example.org", Kind.SOA, (("ns.example.org", "hostmaster.example.org"),)),
        # A label with a dot inside would pass for a name below example.org.
        ("1.2.0.192.in-addr.arpa", Kind.PTR, ("mail.example.org",)),
        ("_25._tcp.mx.example.org", Kind.TLSA, ((3, 1, 1, b"\0\xff" * 16),)),
        ("www.example.org", Kind.CNAME, ("example.org",)),
        ("www.example.org", Kind.A, ("192.0.2.1", "192.0.2.2")),
        ("far.example", Kind.AAAA, ("2001:db8::1",)),
        ("null.example", Kind.MX, ((0, ""),)),
        ("c4.example", Kind.A, ("192.0.2.9",)),
        ("truncated.example", Kind.A, ("192.0.2.7",)),
        ("forged.example", Kind.A, ("192.0.2.7",)),
        ("no-edns.example", Kind.A, ("192.0.2.7",)),
        ("no-chain.example", Kind.A, ("192.0.2.1", "192.0.2.2")),
        ("large.example", Kind.TXT, (b"x" * 4_250,)),
    ],
)
async def test_a_question_is_answered(server: DnsServer, name: str, kind: Kind, values: tuple[object, ...]) -> None:
    answer = await resolver_of(server).ask(name, kind)
    assert answer.status is Status.FOUND
    assert sorted(answer.values, key=str) == sorted(values, key=str)  # servers shuffle


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("nowhere.example", Kind.A, Status.NO_NAME),
        ("dangling.example", Kind.A, Status.NO_NAME),
        ("www.example.org", Kind.PTR, Status.NO_DATA),
        ("2.0.192.in-addr.arpa", Kind.PTR, Status.NO_DATA),
    ],
)
async def test_what_is_not_there_is_told_apart(server: DnsServer, name: str, kind: Kind, status: Status) -> None:
    answer = await resolver_of(server).ask(name, kind)
    assert (answer.status, answer.values) == (status, ())


@pytest.mark.parametrize(
    "name", ["", ".", "a..example", ".example", "a" * 64, "a." * 130 + "example", "müller.example"]
)
async def test_a_name_that_cannot_be_is_not_asked_for(server: DnsServer, name: str) -> None:
    assert await resolver_of(server).ask(name, Kind.A) == Answer(Status.NO_NAME)
    assert server.asked == []


@pytest.mark.parametrize("name", ["a b\\.c\0.example", "%{i}._(x).example", "foo:bar/baz.example"])
async def test_any_ascii_can_be_in_a_label(server: DnsServer, name: str) -> None:
    assert await resolver_of(server).ask(name, Kind.A) == Answer(Status.NO_NAME)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("servfail.example", "servfail"),
        ("refused.example", "refused"),
        ("formerr.example", "broken"),
        ("garbage.example", "broken"),
        ("cut.example", "broken"),
        ("circle.example", "loop"),
        ("c0.example", "loop"),
        ("no-chain-circle.example", "loop"),
    ],
)
async def test_a_failure_has_its_reason_and_is_kept_for_a_short_time(server: DnsServer, name: str, reason: str) -> None:
    clock = Clock()
    resolver = resolver_of(server, clock=clock)
    assert await reason_of(resolver.ask(name, Kind.A)) == reason
    count = len(server.asked)
    assert await reason_of(resolver.ask(name, Kind.A)) == reason
    assert len(server.asked) == count
    clock.now_s += 11
    await reason_of(resolver.ask(name, Kind.A))
    assert len(server.asked) > count


@pytest.mark.parametrize("fault", ["silence", "wrong-id", "wrong-question", "wrong-port"])
async def test_what_is_no_answer_of_the_server_is_passed_over(
    server: DnsServer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.dns.resolver._PROBE_S", 10.0)
    resolver = resolver_of(server, timeout_s=0.2)
    assert await reason_of(resolver.ask(f"{fault}.example", Kind.A)) == "timeout"
    resolver._timeout_s = 10.0
    assert (await resolver.ask("example.org", Kind.A)).status is Status.FOUND  # a silent name is no dead server
    assert server.root_count == 1


async def test_a_closed_port_is_a_network_failure() -> None:
    async with DnsServer() as server:
        resolver = resolver_of(server)
    assert await reason_of(resolver.ask("example.org", Kind.A)) == "network"


async def test_the_word_of_dnssec_is_kept(server: DnsServer) -> None:
    resolver = resolver_of(server)
    assert (await resolver.ask("example.org", Kind.A)).secure
    assert (await resolver.ask("example.org", Kind.A)).secure
    assert (await resolver.ask("www.example.org", Kind.A)).secure
    assert not (await resolver.ask("large.example", Kind.TXT)).secure


async def test_the_word_of_a_server_that_is_not_trusted_is_not_kept(server: DnsServer) -> None:
    resolver = DnsResolver([replace(server.address, trusted=False)])
    assert (await resolver.ask("example.org", Kind.A)).values
    assert not (await resolver.ask("example.org", Kind.A)).secure


async def test_a_chain_that_is_followed_in_pieces_is_as_secure_as_each_of_them(server: DnsServer) -> None:
    assert not (await resolver_of(server).ask("no-chain.example", Kind.A)).secure


async def test_an_answer_holds_as_long_as_it_says(server: DnsServer) -> None:
    clock = Clock()
    resolver = resolver_of(server, clock=clock)
    for later_s, count in ((0, 1), (299, 1), (2, 2)):
        clock.now_s += later_s
        await resolver.ask("example.org", Kind.A)
        assert len(server.asked) == count
    server.ttl_s = 0
    await resolver.ask("example.org", Kind.NS)
    await resolver.ask("example.org", Kind.NS)
    assert len(server.asked) == 4


async def test_an_answer_holds_for_a_day_at_most(server: DnsServer) -> None:
    clock = Clock()
    resolver = resolver_of(server, clock=clock)
    server.ttl_s = 2_000_000_000
    await resolver.ask("example.org", Kind.A)
    clock.now_s += 86_401
    await resolver.ask("example.org", Kind.A)
    assert len(server.asked) == 2


@pytest.mark.parametrize("name", ["nowhere.example", "www.example.org"])
async def test_what_is_not_there_is_kept_as_long_as_its_soa_says(server: DnsServer, name: str) -> None:
    clock = Clock()
    server.negative_s = 60
    resolver = resolver_of(server, clock=clock)
    for later_s, count in ((0, 1), (59, 1), (2, 2)):
        clock.now_s += later_s
        await resolver.ask(name, Kind.PTR)
        assert len(server.asked) == count


async def test_the_same_question_is_asked_once_at_a_time(server: DnsServer) -> None:
    resolver = resolver_of(server)
    answers = await asyncio.gather(*[resolver.ask("example.org", Kind.A) for _ in range(50)])
    assert len(set(answers)) == 1  # the very same, shuffled alike
    assert server.asked == [("example.org", "A")]


async def test_who_leaves_takes_no_answer_from_the_others(server: DnsServer) -> None:
    server.faults["example.org"] = "delay:0.1"
    resolver = resolver_of(server)
    first, second = (asyncio.create_task(resolver.ask("example.org", Kind.A)) for _ in range(2))
    await _until(lambda: bool(server.asked))
    first.cancel()
    assert (await second).status is Status.FOUND
    assert first.cancelled()
    assert len(server.asked) == 1


@pytest.mark.parametrize("fault", ["silence", "tcp-silence"])
async def test_a_question_that_nobody_waits_for_is_taken_back(server: DnsServer, fault: str) -> None:
    resolver = resolver_of(server)
    server.faults["example.org"] = fault
    asking = asyncio.create_task(resolver.ask("example.org", Kind.A))
    await _until(lambda: server.tcp_count == 1 if fault == "tcp-silence" else bool(server.asked))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not resolver._flights
    server.faults["example.org"] = ""
    assert (await resolver.ask("example.org", Kind.A)).status is Status.FOUND


async def test_another_server_is_asked_and_stays_the_first(server: DnsServer) -> None:
    async with DnsServer(ZONE, faults={"servfail.example": "refused"}) as dead:
        dead.down = True
        resolver = resolver_of(dead, server, timeout_s=5.0)
        assert (await resolver.ask("example.org", Kind.A)).status is Status.FOUND
        assert len(dead.asked) == 1
        assert (await resolver.ask("www.example.org", Kind.A)).status is Status.FOUND
        assert len(dead.asked) == 1
        dead.down = False
        assert await reason_of(resolver.ask("servfail.example", Kind.A)) == "servfail"


async def test_a_dead_server_costs_its_time_once(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maild.dns.resolver._PROBE_S", 10.0)
    clock = Clock()
    resolver = resolver_of(server, timeout_s=0.2, clock=clock)
    server.down = True
    assert await reason_of(resolver.ask("example.org", Kind.A)) == "timeout"
    count = len(server.asked)
    for n in range(20):
        assert await reason_of(resolver.ask(f"{n}.example", Kind.A)) == "timeout"
    assert len(server.asked) == count
    assert server.root_count == 1
    server.down = False
    resolver._timeout_s = 10.0
    assert await reason_of(resolver.ask("www.example.org", Kind.A)) == "timeout"
    clock.now_s += 6
    assert (await resolver.ask("www.example.org", Kind.A)).status is Status.FOUND
    assert server.root_count == 2


async def test_after_a_doubt_the_server_that_lives_is_the_first(server: DnsServer) -> None:
    async with DnsServer(ZONE) as dead:
        dead.down = True
        resolver = resolver_of(dead, server, timeout_s=0.4)
        assert await reason_of(resolver.ask("silence.example", Kind.A)) == "timeout"
        resolver._timeout_s = 10.0
        dead.asked.clear()
        assert (await resolver.ask("example.org", Kind.A)).status is Status.FOUND
        assert dead.asked == []
        assert dead.root_count == 1


async def test_many_questions_wait_for_each_other(server: DnsServer) -> None:
    resolver = resolver_of(server)
    answers = await asyncio.gather(*[resolver.ask(f"{n}.example", Kind.A) for n in range(500)])
    assert {answer.status for answer in answers} == {Status.NO_NAME}


def test_the_other_event_loop_is_as_good() -> None:
    async def ask() -> None:
        async with DnsServer(ZONE, faults=FAULTS) as server:
            resolver = resolver_of(server)
            for name in ("example.org", "truncated.example"):
                assert (await resolver.ask(name, Kind.A)).status is Status.FOUND
            resolver._timeout_s = 0.2
            assert await reason_of(resolver.ask("silence.example", Kind.A)) == "timeout"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask())


def test_a_cache_has_bounds() -> None:
    cache = Cache(entries=3, octets=10_000)
    for n in range(5):
        cache.put((f"{n}.example", Kind.A), Answer(Status.NO_NAME), 0, 60)
        cache.get(("2.example", Kind.A), 1)
    assert len(cache) == 3
    assert cache.get(("2.example", Kind.A), 1) == Answer(Status.NO_NAME)  # just used
    assert cache.get(("3.example", Kind.A), 1) is not None
    assert cache.get(("1.example", Kind.A), 1) is None
    cache.put(("large.example", Kind.TXT), Answer(Status.FOUND, (b"x" * 9_000,)), 0, 60)
    assert len(cache) < 3
    cache.put(("large.example", Kind.TXT), Failure("timeout"), 0, 60)
    assert cache.get(("large.example", Kind.TXT), 59) == Failure("timeout")
    assert cache.get(("large.example", Kind.TXT), 60) is None


def test_the_servers_of_the_system_are_read(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("# a\nsearch example\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver  bad\nnameserver\n")
    assert system_servers(path) == (
        Server(host="192.0.2.1", trusted=False),
        Server(host="fe80::1%eth0", trusted=False),
    )
    path.write_text("nameserver 127.0.0.53\nnameserver 192.0.2.1\n")
    assert [server.trusted for server in system_servers(path)] == [True, False]
    path.write_text("options edns0 trust-ad\nnameserver 192.0.2.1\n")
    assert system_servers(path) == (Server(host="192.0.2.1"),)
    assert system_servers(tmp_path / "nothing") == (Server(host="127.0.0.1"),)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what the server has seen has no event
            await asyncio.sleep(0)
