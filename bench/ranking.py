"""Profiles as tables that one can read: by own time, and maild's functions with all they call."""

from __future__ import annotations

import cProfile
import marshal
from pathlib import Path

_TOP = 15

# (file, line, name) → calls that were not recursive, all calls, seconds of its own, seconds in all.
Functions = dict[tuple[str, int, str], tuple[int, int, float, float]]


def load_stats(path: Path) -> Functions:
    """Read what `bench.profiled` wrote."""
    return {place: tuple(numbers[:4]) for place, numbers in marshal.loads(path.read_bytes()).items()}


def functions_of(profile: cProfile.Profile) -> Functions:
    profile.snapshot_stats()
    return {place: (calls, all_calls, own, whole) for place, (calls, all_calls, own, whole, _) in profile.stats.items()}


def by_own_time(functions: Functions, count: int, what: str) -> str:
    """Return the fifteen functions with the most time of their own, for each of `count` things."""
    total_s = sum(own_s for _, _, own_s, _ in functions.values()) or 1e-9
    lines = [
        f"{'share':>6} {'µs own':>8} {'calls':>8}  function (for each {what}; in all {total_s / count * 1e6:.0f} µs)"
    ]
    for place, (_, calls, own_s, _) in sorted(functions.items(), key=lambda item: -item[1][2])[:_TOP]:
        lines.append(f"{own_s / total_s:6.1%} {own_s / count * 1e6:8.1f} {calls / count:8.2f}  {_name(place)}")
    return "\n".join(lines)


def by_whole_time(functions: Functions, count: int) -> str:
    """Return the fifteen functions of maild that take the most time together with what they call."""
    own = {place: numbers for place, numbers in functions.items() if "/maild/" in place[0]}
    lines = [f"{'µs whole':>15} {'calls':>8}  function of maild, with what it calls"]
    for place, (_, calls, _, whole_s) in sorted(own.items(), key=lambda item: -item[1][3])[:_TOP]:
        lines.append(f"{whole_s / count * 1e6:15.1f} {calls / count:8.2f}  {_name(place)}")
    return "\n".join(lines)


def _name(place: tuple[str, int, str]) -> str:
    file, line, name = place
    if file == "~":
        return name
    parts = Path(file).parts
    for root in ("site-packages", "maild"):
        if root in parts:
            after = len(parts) - parts[::-1].index(root) if root == "site-packages" else parts.index(root)
            return f"{'/'.join(parts[after:])}:{line} {name}"
    return f"{parts[-1]}:{line} {name}"
