from __future__ import annotations

import pytest

from maild.delivery.hosts import Hosts, Unroutable, ordered
from maild.delivery.outcome import Result
from maild.dns.answer import Kind
from tests.authentication.zone import Zone

PUBLIC, PUBLIC6, OURS = "8.8.8.8", "2a00:1450::1", "9.9.9.9"
ZONE = Zone({
    "two.example": {Kind.MX: [(20, "second.example"), (10, "first.example")]},
    "first.example": {Kind.A: ["8.8.4.4"], Kind.AAAA: [PUBLIC6]},
    "second.example": {Kind.A: [PUBLIC]},
    "implicit.example": {Kind.A: [PUBLIC]},
    "alias.example": {Kind.CNAME: ["two.example"]},
    "null.example": {Kind.MX: [(0, "")]},
    "dot.example": {Kind.MX: [(0, ".")]},
    "half-null.example": {Kind.MX: [(0, ""), (5, "second.example")]},
    "hollow.example": {Kind.MX: [(10, "nowhere.example")]},
    "half.example": {Kind.MX: [(10, "nowhere.example"), (20, "second.example")]},
    "mute.example": "timeout",
    "mute-mx.example": {Kind.MX: [(10, "mute.example")]},
    "half-mute.example": {Kind.MX: [(10, "mute.example"), (20, "second.example")]},
    "bare.example": {Kind.TXT: [b"x"]},
    "ours.example": {Kind.MX: [(10, "mx.musterstadt.example")]},
    "behind-us.example": {Kind.MX: [(10, "MX.musterstadt.example."), (20, "second.example")]},
    "before-us.example": {Kind.MX: [(10, "second.example"), (20, "mx.musterstadt.example"), (20, "first.example")]},
    "our-address.example": {Kind.MX: [(10, "like-us.example"), (20, "second.example")]},
    "like-us.example": {Kind.A: [OURS]},
    "before-address.example": {Kind.MX: [(5, "second.example"), (10, "like-us.example"), (20, "first.example")]},
    "many.example": {Kind.MX: [(n, f"h{n}.many.example") for n in range(100)]},
    **{f"h{n}.many.example": {Kind.A: [f"8.8.8.{n}", f"8.8.9.{n}"]} for n in range(100)},
})  # fmt: skip


def hosts() -> Hosts:
    return Hosts(ZONE, chance=lambda: 0.5, names=("mx.musterstadt.example",), addresses=(OURS,))


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("two.example", [PUBLIC6, "8.8.4.4", PUBLIC]),
        ("implicit.example", [PUBLIC]),
        ("alias.example", [PUBLIC6, "8.8.4.4", PUBLIC]),
        ("half-null.example", [PUBLIC]),
        ("half.example", [PUBLIC]),
        ("half-mute.example", [PUBLIC]),
        ("before-us.example", [PUBLIC]),
        ("before-address.example", [PUBLIC]),
        ("[8.8.8.8]", [PUBLIC]),
        ("[ipv6:2a00:1450::1]", [PUBLIC6]),
    ],
)
async def test_a_domain_has_its_targets_in_order(domain: str, expected: list[str]) -> None:
    assert [target.address for target in await hosts().of(domain)] == expected


@pytest.mark.parametrize(
    ("domain", "result", "code"),
    [
        ("no-such.example", Result.FAILED, "5.1.2"),
        ("null.example", Result.FAILED, "5.1.10"),
        ("dot.example", Result.FAILED, "5.1.10"),
        ("hollow.example", Result.FAILED, "5.4.4"),
        ("bare.example", Result.FAILED, "5.4.4"),
        ("mute.example", Result.DEFERRED, "4.4.3"),
        ("mute-mx.example", Result.DEFERRED, "4.4.3"),
        ("ours.example", Result.FAILED, "5.4.6"),
        ("behind-us.example", Result.FAILED, "5.4.6"),
        ("our-address.example", Result.FAILED, "5.4.6"),
        ("mx.musterstadt.example", Result.FAILED, "5.1.2"),
        ("like-us.example", Result.FAILED, "5.4.6"),
        ("[9.9.9.9]", Result.FAILED, "5.4.6"),
        ("[nonsense]", Result.FAILED, "5.1.2"),
    ],
)
async def test_where_nothing_can_be_sent_it_is_said_whether_for_good(domain: str, result: Result, code: str) -> None:
    with pytest.raises(Unroutable) as caught:
        await hosts().of(domain)
    assert (caught.value.outcome.result, caught.value.outcome.reply.split()[0]) == (result, code)


async def test_a_zone_with_many_hosts_is_asked_for_a_few() -> None:
    ZONE.asked.clear()
    assert len(await hosts().of("many.example")) == 12
    assert len(ZONE.asked) < 20


def test_hosts_of_one_preference_are_in_an_order_of_chance() -> None:
    draws = iter([0.9, 0.1, 0.5, 0.7])
    found = ordered([(10, "a"), (10, "b"), (5, "c"), (20, "a"), (10, "d")], lambda: next(draws))
    assert found == [(5, "c"), (10, "b"), (10, "d"), (10, "a")]
