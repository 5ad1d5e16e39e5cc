"""What many rules cost through the whole way: messages a second with 200 rules against three, in turns.

`python -m bench.many_rules [--rounds N]` starts two daemons that differ in nothing but their rules, sends 10,000 mails
to one and the other in turn, and waits until the last is found by a search. Most of the 200 rules are about one address
and a word, as in a town that routes by them; a dozen are of every kind.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.compare import await_arrival, run_load
from bench.load import Load
from bench.peers import Maild
from bench.site import rules

_LOAD = Load(shape="4k", messages=10_000, per_connection=50)
_MANY = 200
_FEW = 3
_KINDS = 10  # rules of the town without more


class Town(Maild):
    """A daemon with rules of its own."""

    text = ""

    def start(self) -> None:
        super().start()
        (self.directory / "rules.yaml").write_text(self.text, "utf-8")
        self.stop()
        super().start()


def few_rules() -> str:
    """Return the town's rules with the first three alone."""
    head, _, listed = rules().partition("rules:\n")
    each = re.split(r"(?m)^(?=  - )", listed)
    return f"{head}rules:\n{''.join(each[1 : 1 + _FEW])}"


def rate(town: Town, number: int) -> float:
    """Send one round; return messages a second from the first to the last that is found."""
    before = town.arrived()
    result = run_load(replace(_LOAD, seed=number), town.port)
    return result.messages / (await_arrival(town, before + result.messages) - result.started_s)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.many_rules", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    texts = {_FEW: few_rules(), _MANY: rules(more_rules=_MANY - _KINDS)}
    rates: dict[int, list[float]] = {count: [] for count in texts}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        towns = {count: Town(Path(name) / f"rules-{count}") for count in texts}
        try:
            for count, town in towns.items():
                town.text = texts[count]
                town.start()
                rate(town, 1)  # warm
            for number in range(rounds):
                for count, town in towns.items():
                    rates[count].append(rate(town, 2 + number))
                    time.sleep(1)
        finally:
            for town in towns.values():
                town.stop()
    for count, found in rates.items():
        print(f"{count:4} rules: {statistics.median(found):6.0f} /s ({min(found):.0f} to {max(found):.0f})")
    ratios = [many / few for few, many in zip(rates[_FEW], rates[_MANY], strict=True)]
    print(f"ratio of each round: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}); floor 0.9")
    return 0 if statistics.median(ratios) >= 0.9 else 1


if __name__ == "__main__":
    raise SystemExit(main())
