"""What was answered, for as long as it holds.

Source: RFC 2308 (what is not there), RFC 9520 (failures).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from maild.dns.answer import Answer, Kind

Key = tuple[str, Kind]
NEVER_S = float("-inf")
_ENTRY_OCTETS = 400  # key, tuple and dict slot, roughly


class Failure(NamedTuple):
    """Why nobody knew; the `reason` of a `DnsError`."""

    reason: str


class _Entry(NamedTuple):
    until_s: float
    outcome: Answer | Failure
    octets: int


class Cache:
    """Outcomes of questions; beyond its bounds the one that was not asked for the longest goes.

    Args:
        entries: how many it holds at most.
        octets: their size at most, estimated.
    """

    def __init__(self, *, entries: int = 20_000, octets: int = 32_000_000) -> None:
        self._entries_max = entries
        self._octets_max = octets
        self._octets = 0
        self._kept: OrderedDict[Key, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key, now_s: float) -> Answer | Failure | None:
        """Return what is known; None for nothing, or nothing that still holds."""
        entry = self._kept.get(key)
        if entry is None:
            return None
        if entry.until_s <= now_s:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return entry.outcome

    def until_s(self, key: Key) -> float:
        """Return when an outcome ceases to hold; minus infinity for none."""
        entry = self._kept.get(key)
        return NEVER_S if entry is None else entry.until_s

    def put(self, key: Key, outcome: Answer | Failure, now_s: float, ttl_s: float) -> None:
        """Keep an outcome for a while; not at all for no time."""
        if key in self._kept:
            self._drop(key)
        if ttl_s <= 0:
            return
        octets = _ENTRY_OCTETS + len(key[0]) + _size(outcome)
        self._kept[key] = _Entry(now_s + ttl_s, outcome, octets)
        self._octets += octets
        while len(self._kept) > self._entries_max or self._octets > self._octets_max:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        self._octets -= self._kept.pop(key).octets


def _size(outcome: Answer | Failure) -> int:
    if isinstance(outcome, Failure):
        return 0
    return sum(64 + (len(value) if isinstance(value, str | bytes) else 200) for value in outcome.values)
