"""What it costs to find out who sent a mail, check by check, beside the known libraries on the same questions.

`python -m bench.sender_checks [NAME ...]` prints CPU time for each: median of the rounds, lowest and highest; ours and
the peer's take turns. A measure is a row of `MEASURES`: what it does once, and what a known library does for it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from maild.authentication.spf import check_host
from maild.dns.answer import Answer, Kind, Status
from maild.dns.cache import Cache
from maild.dns.resolver import DnsResolver

_ROUNDS = 15
_ROUND_S = 0.05
_NOW = datetime(2026, 6, 1, tzinfo=UTC)
# A sender as towns have them: two includes, of which the second one matches.
_RECORDS: dict[tuple[str, Kind], tuple[object, ...]] = {
    ("town.example", Kind.TXT): (
        b"v=spf1 mx a:www.town.example include:spf.host.example include:spf.mail.example -all",
    ),
    ("town.example", Kind.MX): ((10, "mx.town.example"),),
    ("mx.town.example", Kind.A): ("192.0.2.1",),
    ("www.town.example", Kind.A): ("192.0.2.2",),
    ("spf.host.example", Kind.TXT): (b"v=spf1 " + b"ip4:203.0.113.0/28 " * 10 + b"-all",),
    ("spf.mail.example", Kind.TXT): (b"v=spf1 " + b"ip4:203.0.113.0/28 " * 10 + b"ip4:198.51.100.0/24 ~all",),
}
_IP, _MAIL_FROM, _HELO = "198.51.100.7", "amt@town.example", "out.mail.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One check. `ours` and `peers` do it once; `peers` is None where nothing does the same."""

    text: str
    ours: Callable[[], Awaitable[object]]
    peers: Callable[[], object] | None = None
    at_most_us: float | None = None


def _resolver() -> DnsResolver:
    """Return a resolver that knows the answers already."""
    cache = Cache()
    for key, values in _RECORDS.items():
        cache.put(key, Answer(Status.FOUND, values), time.monotonic(), 3_600)
    return DnsResolver(cache=cache)


def _warm_answer() -> Measure:
    resolver = _resolver()
    return Measure(text="a DNS answer, warm", ours=lambda: resolver.ask("town.example", Kind.TXT), at_most_us=20)


def _warm_spf() -> Measure:
    resolver = _resolver()
    spf = _pyspf()

    def peers() -> object:
        return spf.query(i=_IP, s=_MAIL_FROM, h=_HELO, receiver="x").check()

    assert peers()[0] == "pass"  # type: ignore[index]
    return Measure(
        text="SPF with two includes, warm; pyspf",
        ours=lambda: check_host(resolver, _IP, _MAIL_FROM, _HELO, now=_NOW),
        peers=peers,
    )


def _pyspf() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import spf  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415 - warns of itself

    def look(name: str, kind: str, *_: object) -> list[Any]:
        values = _RECORDS.get((name, Kind(kind)), ()) if kind in set(Kind) else ()
        return [((name, kind), (value,) if kind == "TXT" else value) for value in values]

    spf.DNSLookup = look
    return spf


# Name → how to prepare it.
MEASURES: dict[str, Callable[[], Measure]] = {
    "dns": _warm_answer,
    "spf": _warm_spf,
}


async def _ours_us(measure: Measure, count: int) -> float:
    began_s = time.process_time()
    for _ in range(count):
        await measure.ours()
    return (time.process_time() - began_s) / count * 1e6


def _peers_us(peers: Callable[[], object], count: int) -> float:
    began_s = time.process_time()
    for _ in range(count):
        peers()
    return (time.process_time() - began_s) / count * 1e6


def _count(once_us: float) -> int:
    return max(1, int(_ROUND_S * 1e6 / max(once_us, 1)))


async def run(measure: Measure) -> str:
    """Return the row of a measure."""
    count = _count(await _ours_us(measure, 3))
    peers_count = _count(_peers_us(measure.peers, 3)) if measure.peers else 0
    ours, peers = [], []
    for _ in range(_ROUNDS):
        ours.append(await _ours_us(measure, count))
        if measure.peers is not None:
            peers.append(_peers_us(measure.peers, peers_count))
    ratio = f"{median(peers) / median(ours):.1f}" if peers else "-"
    limit = "" if measure.at_most_us is None else f" (at most {measure.at_most_us:g})"
    return f"| {measure.text} | {_spread(ours)}{limit} | {_spread(peers)} | {ratio} |"


def _spread(found_us: Sequence[float]) -> str:
    return f"{median(found_us):.1f} ({min(found_us):.1f} to {max(found_us):.1f})" if found_us else "-"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.sender_checks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    names = parser.parse_args(arguments).names or list(MEASURES)
    print("| check | ours, µs | peer, µs | times quicker |\n|---|---|---|---|")
    for name in names:
        print(asyncio.run(run(MEASURES[name]())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
