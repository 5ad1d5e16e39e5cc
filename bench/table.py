"""The table of a comparison: medians, spreads and ratios, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run. `rate` is end to end, `accepted_rate` to the last reply; CPU times are for each message."""

    peer: str
    workload: str
    round: int
    messages: int
    octets: int
    rate: float
    accepted_rate: float
    reply_p50_ms: float
    reply_p99_ms: float
    reply_max_ms: float
    transaction_p99_ms: float
    setup_p99_ms: float
    server_cpu_ms: float
    generator_cpu_ms: float
    others_cores: float


_HEAD = (
    "workload", "server", "messages/s (lowest to highest)", "x postfix", "x postfix-dovecot", "accepted/s",
    "reply p50 ms", "reply p99 ms", "server CPU ms", "generator CPU ms", "others' cores",
)  # fmt: skip


def markdown(measurements: Sequence[Measurement]) -> str:
    """Return the table: medians over the rounds, and the lowest and highest rate."""
    rows = [_HEAD, tuple("---" for _ in _HEAD)]
    for workload in dict.fromkeys(m.workload for m in measurements):
        runs = {
            peer: [m for m in measurements if (m.workload, m.peer) == (workload, peer)]
            for peer in dict.fromkeys(m.peer for m in measurements)
        }
        rows += [_row(workload, peer, runs) for peer in runs]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _median(runs: Sequence[Measurement], value: Callable[[Measurement], float]) -> float:
    return statistics.median(map(value, runs))


def _row(workload: str, peer: str, runs: dict[str, list[Measurement]]) -> tuple[str, ...]:
    own = runs[peer]
    rate = _median(own, lambda m: m.rate)
    rates = [m.rate for m in own]
    ratios = [
        f"{rate / _median(runs[other], lambda m: m.rate):.2f}" if runs.get(other) else "-"
        for other in ("postfix", "postfix-dovecot")
    ]
    return (
        workload,
        peer,
        f"{rate:.0f} ({min(rates):.0f} to {max(rates):.0f})",
        *ratios,
        f"{_median(own, lambda m: m.accepted_rate):.0f}",
        f"{_median(own, lambda m: m.reply_p50_ms):.1f}",
        f"{_median(own, lambda m: m.reply_p99_ms):.1f}",
        f"{_median(own, lambda m: m.server_cpu_ms):.2f}",
        f"{_median(own, lambda m: m.generator_cpu_ms):.2f}",
        f"{_median(own, lambda m: m.others_cores):.1f}",
    )
