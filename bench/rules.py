"""What rules cost: a large file to check, a mail to route, and each further rule to the whole way of a message.

`python -m bench.rules` prints medians. The real thing beside the check is PyYAML's `CSafeLoader`, which reads the same
text and list files into plain values, and knows nothing of rules.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import yaml

from bench.material import SHAPES
from bench.site import rules as town
from bench.stages import orders_of
from maild.mail.address import parse_address
from maild.mail.reading import facts_of
from maild.router.reading import Order, read_one
from maild.rules.engine import route
from maild.rules.loader import load
from maild.rules.model import Letter, Ruleset
from maild.rules.rulebook import Loaded, read_rules
from maild.rules.trace_form import trace_json

_ROUNDS = 7
_ENTRIES = 100_000
_MESSAGES = 400
_CHECK_S = 2.0
_ROUTE_S = 0.001
_HEAD = """\
version: 1
organisation: {name: Stadt Musterstadt}
domains: [musterstadt.example]
fallback: amt00
lists:
  sperrliste: {file: sperrliste.txt}
  woerter: {file: woerter.txt}
"""
# Five kinds of rules in turn; each fifth decides the place, so that the analysis has rules that may cover others.
_KINDS = (
    "{{to: stelle{n:04}, subject: {{contains: wort{n}}}}}, then: {{tag: t{n}}}",
    "{{to: stelle{n:04}, from: '@firma{n}.example'}}, then: {{deliver: amt01}}",
    "{{subject: {{contains: [wort{n}, satz{n}]}}}}, then: {{tag: t{n}}}",
    "{{from: ['@firma{n}.example', a{n}@b.example], text: wort{n}}}, then: {{copy: amt02}}",
    "{{header: {{X-Kennung: {{is: k{n}}}}}}}, then: {{priority: high}}",
)
_LISTED = """\
  - {id: gesperrt, when: {from: {list: sperrliste}}, then: {tag: gesperrt}}
  - {id: woerter, when: {subject: {contains: {list: woerter}}}, then: {tag: wort}}
"""


def large(rules: int = 1_000, addresses: int = 2_000) -> str:
    """Return the text of a rules file as large as one may become."""
    teams = "".join(f"  amt{n:02}: {{name: Amt {n}}}\n" for n in range(20))
    claimed = "".join(
        f"  stelle{n:04}: {{team: amt{n % 20:02}, title: Stelle {n}, aliases: [s{n}]}}\n" for n in range(addresses)
    )
    written = "".join(f"  - {{id: r{n}, when: {_KINDS[n % 5].format(n=n)}}}\n" for n in range(rules - 2))
    return f"{_HEAD}teams:\n{teams}addresses:\n{claimed}rules:\n{written}{_LISTED}"


def write_large(folder: Path) -> Path:
    """Write the large file with its list files; return its path."""
    (folder / "sperrliste.txt").write_text("".join(f"person{n}@firma{n % 999}.example\n" for n in range(_ENTRIES)))
    (folder / "woerter.txt").write_text("".join(f"vokabel{n}x\n" for n in range(_ENTRIES)))
    path = folder / "rules.yaml"
    path.write_text(large())
    return path


def _median_s(work: Callable[[], object], rounds: int = _ROUNDS) -> float:
    used_s = []
    for _ in range(rounds):
        began_s = time.process_time()
        work()
        used_s.append(time.process_time() - began_s)
    return median(used_s)


def _checked(loaded: Loaded) -> Ruleset:
    assert loaded.ruleset is not None, loaded.diagnostics[:3]
    return loaded.ruleset


def _letters(orders: list[tuple[Order, bytes]]) -> list[Letter]:
    at = datetime(2026, 6, 1, 10, tzinfo=UTC)
    return [Letter(facts=facts_of(octets), reverse_path=None, received_at=at) for _, octets in orders]


def _check(path: Path) -> Ruleset:
    def plainly() -> None:
        yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        for name in ("sperrliste.txt", "woerter.txt"):
            (path.parent / name).read_text().splitlines()

    ours_s, theirs_s = _median_s(lambda: read_rules(path)), _median_s(plainly)
    print(f"check: {ours_s:.2f} s (at most {_CHECK_S}); CSafeLoader {theirs_s:.2f} s; ratio {ours_s / theirs_s:.1f}")
    return _checked(read_rules(path))


def _route(ruleset: Ruleset, orders: list[tuple[Order, bytes]]) -> None:
    letters, goal = _letters(orders), parse_address("stelle0005@musterstadt.example")
    routed_s = median(_median_s(lambda each=each: route(ruleset, each, goal), 3) for each in letters)  # type: ignore[misc]
    traces = [route(ruleset, each, goal) for each in letters]
    written_s = median(_median_s(lambda each=each: trace_json(each), 3) for each in traces)  # type: ignore[misc]
    print(f"route: {routed_s * 1e3:.2f} ms (at most {_ROUTE_S * 1e3:.0f}); its trace as text {written_s * 1e3:.2f} ms")


def _whole_way(orders: list[tuple[Order, bytes]]) -> None:
    """Worker time for each message: reading, routing, trace, and what is written."""
    used_s = {}
    for count in (3, 200):
        ruleset, found = load(_town(count), "rules.yaml")
        assert ruleset is not None, found[:3]
        assert len(ruleset.rules) == count
        used_s[count] = _median_s(lambda rules=ruleset: [read_one(rules, *each) for each in orders])  # type: ignore[misc]
    few, many = (used_s[count] / len(orders) * 1e6 for count in (3, 200))
    print(f"worker: {few:.0f} µs a message with 3 rules, {many:.0f} µs with 200 ({many / few - 1:+.0%})")


def _town(count: int) -> str:
    text, more = town(more_rules=max(0, count - 10)), count
    head, _, listed = text.partition("rules:\n")
    lines = [line for line in listed.split("\n  - ") if line]
    return head + "rules:\n" + "".join(f"  - {line.strip().removeprefix('- ')}\n" for line in lines[:more])


def main() -> int:
    orders = orders_of(next(iter(SHAPES)), _MESSAGES)
    with TemporaryDirectory() as name:
        ruleset = _check(write_large(Path(name)))
        _route(ruleset, orders)
    _whole_way(orders)
    return 0


if __name__ == "__main__":
    sys.exit(main())
