"""SPF beside pyspf, on records made of parts: the same result."""

from __future__ import annotations

import random
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest

from maild.authentication.spf import check_host
from maild.dns.answer import Kind
from tests.authentication.zone import Records, Zone

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # escapes in its source that newer versions of Python warn of
    spf = pytest.importorskip("spf")

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PEERS = ["192.0.2.1", "192.0.2.200", "198.51.100.7", "2001:db8::1", "2001:db8:1::1"]
DOMAINS = ["a.example", "b.example", "c.example", "mx.a.example", "gone.example", "bare.example"]
_CASES = 600


def _record(chance: random.Random) -> str:
    return "v=spf1 " + " ".join([_term(chance) for _ in range(chance.randrange(1, 6))] + _end(chance))


def _end(chance: random.Random) -> list[str]:
    return [chance.choice(["-all", "~all", "?all", "+all", "", f"redirect={chance.choice(DOMAINS)}"])]


def _term(chance: random.Random) -> str:
    name = chance.choice(DOMAINS)
    return chance.choice("+-~?" + " " * 4).strip() + chance.choice(
        [
            "a",
            "mx",
            f"a:{name}",
            f"A:{name}/{chance.choice([0, 8, 24, 32])}",
            f"a:{name}//{chance.choice([0, 32, 64, 128])}",
            f"mx:{name}",
            f"mx:{name}/24//48",
            f"include:{name}",
            f"exists:%{{ir}}.%{{{chance.choice('dDo')}{chance.choice(['', '1', '2', 'r'])}}}.{name}",
            f"exists:%{{l{chance.choice(['', '1-', 'r-', '2r-+'])}}}.{name}",
            f"ip4:192.0.2.{chance.randrange(256)}/{chance.choice([24, 25, 28, 32])}",
            "ip4:198.51.100.7",
            "ip6:2001:db8::/48",
            f"ip6:2001:DB8:1::1/{chance.choice([32, 64, 128])}",
            chance.choice(["ip4:192.0.2", "a:", "foo", "x=y", "all:x", "ip6:::g", "a/33", "include"]),
        ]
    )


def _zone(chance: random.Random) -> dict[str, Records]:
    zone: dict[str, Records] = {}
    for name in DOMAINS[:3]:
        # pyspf calls a record broken that includes itself, also when the evaluation ends before it gets there.
        record = _record(chance).replace(f"include:{name}", "include:bare.example")
        zone[name] = {Kind.TXT: [record.encode()]}
    zone["a.example"] |= {Kind.A: ["192.0.2.1"], Kind.MX: [(10, "mx.a.example"), (20, "b.example")]}  # type: ignore[operator]
    zone["b.example"] |= {Kind.A: ["198.51.100.7"], Kind.AAAA: ["2001:db8::1"]}  # type: ignore[operator]
    zone["mx.a.example"] = {Kind.A: ["192.0.2.200"], Kind.AAAA: ["2001:db8:1::1"]}
    zone["bare.example"] = {Kind.TXT: [b"no record of SPF"]}
    zone["x.b.example"] = {Kind.A: ["127.0.0.2"]}
    zone["eve.b.example"] = {Kind.A: ["127.0.0.2"]}
    return zone


def _of_peer(zone: dict[str, Records], ip: str, mail_from: str, monkeypatch: pytest.MonkeyPatch) -> str:
    def look(name: str, kind: str, *_: object) -> list[Any]:
        values = zone.get(name.lower().rstrip("."), {}).get(Kind(kind), ()) if kind in set(Kind) else ()
        return [((name, kind), (value,) if kind == "TXT" else value) for value in values]

    monkeypatch.setattr(spf, "DNSLookup", look)
    result: str = spf.query(i=ip, s=mail_from, h="mx.a.example", receiver="x", strict=True).check()[0]
    return result


@pytest.mark.filterwarnings("ignore")
async def test_spf_agrees_with_pyspf(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7208)
    differing = []
    results = set()
    for _ in range(_CASES):
        zone, ip = _zone(chance), chance.choice(PEERS)
        mail_from = f"{chance.choice(['eve', 'x-y', 'a+b-c'])}@{chance.choice(DOMAINS[:3])}"
        ours = await check_host(Zone(zone), ip, mail_from, "mx.a.example", now=NOW)
        theirs = _of_peer(zone, ip, mail_from, monkeypatch)
        results.add(ours.result)
        if ours.result != theirs:
            records = {name: known[Kind.TXT] for name, known in zone.items() if Kind.TXT in known}
            differing.append((ours.result, theirs, ours.reason, mail_from, ip, records))
    assert differing == []
    assert results >= {"pass", "fail", "softfail", "neutral", "permerror"}
