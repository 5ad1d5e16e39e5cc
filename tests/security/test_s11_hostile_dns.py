"""S11: whoever holds a domain, or a place on the way to it, answers so that mail is held up or lost, or a lie believed.

Expected: never an exception but what stands for *nobody knows*; a verdict in time; the few questions that RFC 7208
allows, whatever a record asks for; and nothing forged believed. The server is a real one on the loopback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from maild.authentication.spf import check_host
from maild.dns.exchange import Server
from maild.dns.resolver import DnsResolver
from maild.mail.evidence import Spf
from tests.dns_server import DnsServer
from tests.forward import put_forward, turns

NOW = datetime(2026, 6, 1, tzinfo=UTC)
IP = "192.0.2.1"
TIMEOUT_S = 10.0  # of a question, where it is to be answered
SHORT_S = 0.3  # where none ever is
Zonefile = dict[str, Mapping[str, Sequence[str]]]


async def spf_of(server: DnsServer, *, timeout_s: float = TIMEOUT_S, within_s: float = 60.0) -> Spf:
    """Check as a receiver does: with a limit on the whole, which is a `temperror`."""
    resolver = DnsResolver([server.address], timeout_s=timeout_s)
    try:
        async with asyncio.timeout(within_s):
            return await check_host(resolver, IP, "eve@evil.example", "mx.evil.example", now=NOW)
    except TimeoutError:
        return Spf("temperror")


def quoted(text: str) -> str:
    """Return a TXT record as a zone file has it: strings of 255 octets at most."""
    return " ".join([f'"{text[at : at + 250]}"' for at in range(0, len(text), 250)] or ['""'])


def zone_of(record: str, more: Mapping[str, Mapping[str, Sequence[str]]] | None = None) -> Zonefile:
    return {"evil.example": {"TXT": [quoted(record)]}, **(more or {})}


def chain(count: int) -> Zonefile:
    """Each record includes the next."""
    links: Zonefile = {
        f"n{n}.evil.example": {"TXT": [f'"v=spf1 include:n{n + 1}.evil.example -all"']} for n in range(count)
    }
    return zone_of("v=spf1 include:n0.evil.example -all", links)


MANY: Zonefile = {f"n{n}.evil.example": {"TXT": ['"v=spf1 -all"'], "A": ["198.51.100.1"]} for n in range(200)}
EXCHANGERS: Zonefile = {
    f"m{m}.evil.example": {"MX": [f"1 n{m * 10 + n}.evil.example." for n in range(10)]} for m in range(11)
}
CNAMES: Zonefile = {f"c{n}.example": {"CNAME": [f"c{n + 1}.example."]} for n in range(15)}
FAULTS = [
    "silence",
    "delay:30",
    "servfail",
    "refused",
    "formerr",
    "garbage",
    "cut",
    "wrong-id",
    "wrong-question",
    "wrong-port",
]
UNANSWERED = {"silence", "delay:30", "wrong-id", "wrong-question", "wrong-port"}
POINTERS: Zonefile = {"1.2.0.192.in-addr.arpa": {"PTR": [f"n{n}.evil.example." for n in range(200)]}}
# What the record is, what else there is → the verdict, and how many questions at most.
ATTACKS: dict[str, tuple[Zonefile, str, int]] = {
    "a thousand includes in a chain": (chain(1_000), "permerror", 11),
    "a thousand includes side by side": (
        zone_of("v=spf1 " + "".join(f"include:n{n}.evil.example " for n in range(400)) + "-all", MANY),
        "permerror",
        11,
    ),
    "a circle of includes": (zone_of("v=spf1 include:evil.example -all"), "permerror", 1),
    "a circle of redirects": (zone_of("v=spf1 redirect=evil.example"), "permerror", 1),
    "a tree of includes": (
        zone_of("v=spf1 " + "include:evil.example " * 9 + "-all"),
        "permerror",
        1,
    ),
    "names that are not there": (
        zone_of("v=spf1 " + "".join(f"a:v{n}.victim.example " for n in range(9)) + "-all"),
        "permerror",
        4,
    ),
    "names made of macros that are not there": (
        zone_of("v=spf1 " + "exists:%{l}.%{i}.%{h}.victim.example " * 3 + "-all"),
        "permerror",
        2,
    ),
    "mail exchangers without end": (
        {**MANY, "evil.example": {"TXT": ['"v=spf1 mx -all"'], "MX": [f"{n} n{n}.evil.example." for n in range(500)]}},
        "permerror",
        2,
    ),
    "ten terms with ten exchangers each": (
        zone_of(
            "v=spf1 " + "".join(f"mx:m{n}.evil.example " for n in range(11)) + "-all",
            {**MANY, **EXCHANGERS},
        ),
        "permerror",
        111,
    ),
    "names of the peer without end": (zone_of("v=spf1 ptr -all", {**POINTERS, **MANY}), "fail", 12),
    "ten names of the peer for each of ten terms": (
        zone_of("v=spf1 " + "exists:%{p}.evil.example " * 10 + "-all", {**POINTERS, **MANY}),
        "permerror",
        14,
    ),
    "a record of 4 kB": (zone_of("v=spf1 " + "ip4:198.51.100.1 " * 240 + "-all"), "fail", 1),
    "a record of 30 kB": (zone_of("v=spf1 " + "ip4:198.51.100.1 " * 1_800 + "-all"), "permerror", 1),
    "a hundred records": ({"evil.example": {"TXT": [f'"v=spf1 +all x={n}"' for n in range(100)]}}, "permerror", 1),
    "a circle of CNAMEs": (
        {"evil.example": {"CNAME": ["b.example."]}, "b.example": {"CNAME": ["evil.example."]}},
        "temperror",
        1,
    ),
    "a chain of CNAMEs": (
        {"evil.example": {"CNAME": ["c0.example."]}, **CNAMES},
        "temperror",
        1,
    ),
    "octets of no charset": (zone_of("v=spf1 \\000\\255\\010+all"), "permerror", 1),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_record_made_to_ask_much_asks_little(attack: str) -> None:
    zone, result, questions = ATTACKS[attack]
    async with DnsServer(zone) as server:
        found = await spf_of(server)
    assert found.result == result, found.reason
    assert 1 <= len(set(server.asked)) <= questions
    assert len(server.asked) <= 2 * questions  # what is too large for UDP is asked for again


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("faulty", ["evil.example", "n1.evil.example"])
async def test_a_fault_of_the_dns_is_no_verdict_about_the_sender(fault: str, faulty: str) -> None:
    zone = zone_of("v=spf1 include:n1.evil.example -all", {"n1.evil.example": {"TXT": ['"v=spf1 +all"']}})
    async with DnsServer(zone, faults={faulty: fault}) as server:
        checking = asyncio.create_task(spf_of(server, within_s=1e6))
        while fault in UNANSWERED and not checking.done():
            await turns()
            if any(name == faulty for name, _ in server.asked):
                put_forward(TIMEOUT_S)
        found = await checking
        assert found.result == "temperror", found.reason
        assert found.record == ("" if faulty == "evil.example" else "v=spf1 include:n1.evil.example -all")


@pytest.mark.parametrize("answering", ["silence", "delay:30"])
async def test_names_that_never_answer_cost_no_more_than_the_limit_of_the_whole(answering: str) -> None:
    names = [f"n{n}.evil.example" for n in range(10)]
    pointers: Zonefile = {"1.2.0.192.in-addr.arpa": {"PTR": [f"{name}." for name in names]}}
    async with DnsServer(zone_of("v=spf1 ptr -all", pointers), faults=dict.fromkeys(names, answering)) as server:
        assert (await spf_of(server, within_s=0.5)).result == "temperror"


async def test_a_dead_resolver_costs_its_time_once_and_not_for_each_mail() -> None:
    async with DnsServer() as server:
        server.down = True
        resolver = DnsResolver([server.address], timeout_s=SHORT_S)
        for n in range(30):
            found = await check_host(resolver, IP, f"a@d{n}.example", "mx.example", now=NOW)
            assert (found.result, "timeout" in found.reason) == ("temperror", True)
        assert {name for name, _ in server.asked} == {"d0.example"}


async def test_a_domain_that_never_answers_makes_no_good_resolver_look_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    zone: Zonefile = {"good.example": {"TXT": ['"v=spf1 ip4:192.0.2.1 -all"']}}
    async with DnsServer(zone, faults={f"d{n}.example": "silence" for n in range(5)}) as server:
        monkeypatch.setattr("maild.dns.resolver._PROBE_S", TIMEOUT_S)
        resolver = DnsResolver([server.address], timeout_s=SHORT_S)
        mails = [f"a@d{n}.example" for n in range(5)]
        await asyncio.gather(*[check_host(resolver, IP, mail, "mx.example", now=NOW) for mail in mails])
        resolver._timeout_s = TIMEOUT_S
        assert (await check_host(resolver, IP, "a@good.example", "mx.example", now=NOW)).result == "pass"


async def test_a_forger_who_answers_first_is_not_believed() -> None:
    async with DnsServer(zone_of("v=spf1 -all"), faults={"evil.example": "forged"}) as server:
        assert (await spf_of(server)).result == "fail"


async def test_a_flood_of_forged_answers_leads_to_tcp_and_the_truth() -> None:
    async with DnsServer(zone_of("v=spf1 -all"), faults={"evil.example": "forged"}) as server:
        server.forged_count = 30
        assert (await spf_of(server)).result == "fail"
        assert server.tcp_count == 1


async def test_each_question_has_a_port_and_a_number_of_its_own() -> None:
    seen: list[tuple[int, bytes]] = []

    class Listener(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            seen.append((addr[1], data[:2]))

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Listener, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    resolver = DnsResolver([Server(host="127.0.0.1", port=port)], timeout_s=TIMEOUT_S)
    names = [f"n{n}.example" for n in range(40)]
    checking = asyncio.gather(*[check_host(resolver, IP, f"a@{name}", "x", now=NOW) for name in names])
    try:
        while not checking.done():
            await turns()
            if len(seen) >= len(names):
                put_forward(TIMEOUT_S)
    finally:
        transport.close()
    assert len({port for port, _ in seen}) > 30
    assert len({number for _, number in seen}) > 30


async def test_the_mail_of_a_stranger_cannot_fill_the_memory_with_answers() -> None:
    zone: Zonefile = {f"n{n}.example": {"TXT": [quoted("x" * 4_000)]} for n in range(60)}
    async with DnsServer(zone) as server:
        resolver = DnsResolver([server.address])
        resolver._cache._octets_max = 100_000
        for n in range(60):
            await check_host(resolver, IP, f"a@n{n}.example", "mx.example", now=NOW)
        assert 10 < len(resolver._cache) < 30
