from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from maild.config.kinds import Kind as SettingKind
from maild.config.screening import BlockList, Blocklists
from maild.config.screening import Blocklists as Section
from maild.dns.answer import Answer, DnsError, Kind, Status
from maild.mail.screening import CLEAN, LISTED, UNAVAILABLE
from maild.screening import blocklists as module
from maild.screening.asked import Opinion, Wish
from maild.screening.blocklists import public_address, query_name
from tests.screening.mails import Letter, envelope

PEER = "8.8.8.25"
NAME = "25.8.8.8"
TESTED = {"2.0.0.127.bl.example": ["127.0.0.2"], "2.0.0.127.other.example": ["127.0.0.2"]}


class Dns:
    """A DNS in a dict: addresses, or the reason why there is no answer."""

    def __init__(self, names: Mapping[str, list[str] | str]) -> None:
        self.names = dict(names)
        self.asked: list[str] = []

    async def ask(self, name: str, kind: Kind) -> Answer:
        assert kind is Kind.A
        self.asked.append(name)
        found = self.names.get(name)
        if found == "never":
            await asyncio.Event().wait()
        if isinstance(found, str):
            raise DnsError(name, kind, found)
        return Answer(Status.FOUND, tuple(found)) if found else Answer(Status.NO_NAME)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def kind_of(name: str) -> SettingKind[Any]:
    kind: SettingKind[Any] = Section.__dataclass_fields__[name].metadata["kind"]
    return kind


def section(*lists: str, **values: Any) -> Blocklists:
    return replace(Blocklists(), lists=kind_of("lists").read(list(lists)), **{"timeout_s": 5.0, **values})


async def ask(settings: Blocklists, dns: Dns | None, ip: str = PEER, clock: Clock | None = None) -> Opinion:
    return await module.Blocklists(settings, dns, clock or Clock()).opinion(envelope(ip), Letter())


async def test_a_listed_machine_is_refused_with_the_name_of_the_list() -> None:
    dns = Dns({**TESTED, f"{NAME}.bl.example": ["127.0.0.4"]})
    opinion = await ask(section("bl.example", "other.example"), dns)
    assert [(f.by, f.verdict, f.names) for f in opinion.findings] == [
        ("bl.example", LISTED, ("127.0.0.4",)),
        ("other.example", CLEAN, ()),
    ]
    assert str(opinion.reply) == (
        "554 5.7.1 Your mail server 8.8.8.25 is listed by bl.example; ask whoever runs it to have that removed"
    )


@pytest.mark.parametrize(
    ("weights", "threshold", "action", "wish"),
    [
        ("11", 2, "refuse", Wish.REFUSE),
        ("11", 3, "refuse", Wish.ACCEPT),
        ("12", 3, "refuse", Wish.REFUSE),
        ("12", 3, "file", Wish.FILE),
        ("12", 3, "note", Wish.ACCEPT),
    ],
)
async def test_several_lists_weigh_together(weights: str, threshold: int, action: str, wish: Wish) -> None:
    dns = Dns({**TESTED, f"{NAME}.bl.example": ["127.0.0.2"], f"{NAME}.other.example": ["127.0.0.2"]})
    lists = (f"bl.example {weights[0]}", f"other.example {weights[1]}")
    assert (await ask(section(*lists, threshold=threshold, action=action), dns)).wish is wish


async def test_only_the_answers_that_were_chosen_count() -> None:
    dns = Dns({**TESTED, f"{NAME}.bl.example": ["127.0.0.10"]})
    assert (await ask(section("bl.example 1 127.0.0.2-9 127.0.0.11"), dns)).findings[0].verdict == CLEAN
    assert (await ask(section("bl.example 1 127.0.0.2-9 127.0.0.10"), dns)).findings[0].verdict == LISTED


@pytest.mark.parametrize(
    "answer",
    [["127.255.255.254"], ["127.255.255.255", "127.0.0.2"], ["127.255.255.252"], ["192.0.2.1"], ["10.0.0.1"], ["x"],
     "servfail", "timeout", "refused", "never"],
)  # fmt: skip
async def test_an_error_is_never_listed(answer: list[str] | str) -> None:
    dns = Dns({**TESTED, f"{NAME}.bl.example": answer})
    opinion = await ask(section("bl.example", timeout_s=0.1 if answer == "never" else 5.0), dns)
    assert (opinion.findings[0].verdict, opinion.wish) == (UNAVAILABLE, Wish.ACCEPT)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "has no test entry"),
        ({"2.0.0.127.bl.example": ["127.0.0.2"], "1.0.0.127.bl.example": ["127.0.0.2"]}, "lists everybody"),
        ({"2.0.0.127.bl.example": ["203.0.113.7"]}, "answers 203.0.113.7"),
        ({"2.0.0.127.bl.example": ["127.255.255.254"]}, "answers 127.255.255.254"),
        ({"2.0.0.127.bl.example": "timeout"}, "timeout"),
        ({"2.0.0.127.bl.example": ["127.0.0.2"], "1.0.0.127.bl.example": "servfail"}, "servfail"),
    ],
)
async def test_a_list_without_its_test_entries_is_not_believed(
    entries: dict[str, list[str] | str], reason: str
) -> None:
    dns = Dns({**entries, f"{NAME}.bl.example": ["127.0.0.2"]})
    opinion = await ask(section("bl.example"), dns)
    assert (opinion.findings[0].verdict, opinion.findings[0].names) == (UNAVAILABLE, (reason,))


async def test_the_test_entries_are_asked_for_once_an_hour() -> None:
    dns, clock = Dns({**TESTED}), Clock()
    lists = module.Blocklists(section("bl.example"), dns, clock)
    for _ in range(3):
        await lists.opinion(envelope(PEER), Letter())
    tests, question = ["2.0.0.127.bl.example", "1.0.0.127.bl.example"], f"{NAME}.bl.example"
    assert dns.asked == [*tests, question, question, question]
    clock.now += 3_601
    await lists.opinion(envelope(PEER), Letter())
    assert dns.asked[5:] == [*tests, question]


async def test_a_list_that_does_not_want_to_be_asked_is_left_alone_for_an_hour() -> None:
    dns, clock = Dns({**TESTED, f"{NAME}.bl.example": ["127.255.255.255"]}), Clock()
    lists = module.Blocklists(section("bl.example"), dns, clock)
    await lists.opinion(envelope(PEER), Letter())
    asked = len(dns.asked)
    for _ in range(5):
        assert (await lists.opinion(envelope(PEER), Letter())).findings[0].names == ("answers 127.255.255.255",)
    assert len(dns.asked) == asked
    clock.now += 3_601
    dns.names[f"{NAME}.bl.example"] = ["127.0.0.2"]
    assert (await lists.opinion(envelope(PEER), Letter())).findings[0].verdict == LISTED


async def test_no_more_questions_are_asked_in_a_day_than_set() -> None:
    dns, clock = Dns({**TESTED}), Clock()
    lists = module.Blocklists(section("bl.example", max_questions_per_day=5), dns, clock)
    verdicts = [(await lists.opinion(envelope(PEER), Letter())).findings[0].verdict for _ in range(5)]
    assert verdicts == [CLEAN] * 3 + [UNAVAILABLE] * 2
    assert len(dns.asked) == 5
    clock.now += 86_400
    assert (await lists.opinion(envelope(PEER), Letter())).findings[0].verdict == CLEAN


async def test_nobody_is_deferred_for_the_rest_of_a_day_because_its_questions_are_used_up() -> None:
    defer = section("bl.example", max_questions_per_day=3, if_unavailable="defer")
    lists = module.Blocklists(defer, Dns({**TESTED}), Clock())
    opinions = [await lists.opinion(envelope(PEER), Letter()) for _ in range(3)]
    assert [each.findings[0].verdict for each in opinions] == [CLEAN, UNAVAILABLE, UNAVAILABLE]
    assert {each.wish for each in opinions} == {Wish.ACCEPT}


async def test_a_missing_answer_defers_only_where_it_could_make_the_difference() -> None:
    dns = Dns({**TESTED, f"{NAME}.bl.example": "timeout"})
    lists = ("bl.example 1", "other.example 2")
    defer = section(*lists, threshold=1, if_unavailable="defer")
    assert (await ask(defer, dns)).wish is Wish.DEFER
    assert (await ask(replace(defer, threshold=2), dns)).wish is Wish.ACCEPT
    assert (await ask(replace(defer, action="note"), dns)).wish is Wish.ACCEPT
    assert (await ask(defer, None)).wish is Wish.DEFER


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.1.1", "fe80::1",
     "fe80::1%eth0",     "fd00::1", "::ffff:10.0.0.1", "224.0.0.1", "0.0.0.0", "::", "", "unix"],
)  # fmt: skip
async def test_nobody_is_asked_about_this_machine_and_private_networks(ip: str) -> None:
    dns = Dns({**TESTED})
    assert await ask(section("bl.example", if_unavailable="defer"), dns, ip) == Opinion(())
    assert dns.asked == []


async def test_nobody_is_asked_about_the_relays_in_front() -> None:
    dns = Dns({**TESTED})
    lists = module.Blocklists(section("bl.example"), dns, Clock(), lambda ip: ip == PEER)
    assert await lists.opinion(envelope(PEER), Letter()) == Opinion(())
    assert dns.asked == []


def test_the_names_to_ask_for_are_octets_and_nibbles_in_reverse() -> None:
    assert query_name(ip_address("192.0.2.99"), "bl.example") == "99.2.0.192.bl.example"
    assert query_name(ip_address("2001:db8:1:2:3:4:567:89ab"), "bl.example") == (
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.example"
    )
    assert str(public_address("::ffff:8.8.8.25")) == "8.8.8.25"


def test_a_list_is_written_with_weight_and_answers() -> None:
    read = kind_of("lists").read
    (each,) = read(["Zen.Spamhaus.org 3 127.0.0.2-11 127.0.1.4"])
    assert (each.zone, each.weight) == ("zen.spamhaus.org", 3)
    assert [each.counts(ip_address(f"127.0.{code}")) for code in ("0.2", "0.11", "0.12", "1.4")] == [
        True,
        True,
        False,
        True,
    ]
    assert read(["bl.example"]) == (BlockList(zone="bl.example"),)


@pytest.mark.parametrize(
    "wrong",
    ["", "localhost", "bl.example 0", "bl.example 1000", "bl.example x", "bl.example 1 10.0.0.1", "bl..example",
     "bl.example 1 127.0.0.9-2", "bl.example 1 127.0.0.2-300", "-x.example", "x" * 64 + ".example",
     "bl.example, x.example"],
)  # fmt: skip
def test_a_list_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them is told as `bad-value`
        kind_of("lists").read([wrong])


def test_a_list_is_named_once() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - as above
        kind_of("lists").read(["bl.example", "BL.example 2"])


async def test_the_probe_tells_whether_the_lists_have_their_test_entries() -> None:
    from maild.screening.probe import answers
    from tests.screening.settings import settings

    dns = Dns({"2.0.0.127.bl.example": ["127.0.0.2"], "2.0.0.127.slow.example": "never"})
    there = settings(blocklists=section("bl.example", "dead.example", "slow.example", timeout_s=2.0))
    assert [(p.name, p.ok, p.text) for p in await answers(there, dns)] == [
        ("block list bl.example", True, "answers, with its test entries"),
        ("block list dead.example", False, "has no test entry"),
        ("block list slow.example", False, "no answer in time"),
    ]
