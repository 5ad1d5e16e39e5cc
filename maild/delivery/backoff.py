"""Which hops did not answer lately, and until when they are left alone. Time comes in: monotonic seconds."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

H = TypeVar("H", bound=Hashable)
_FIRST_S = 60.0
_LONGEST_S = 900.0
_REMEMBERED = 10_000


class Backoff(Generic[H]):
    """Leaves a hop alone for a minute after a failure, for longer after each further one."""

    def __init__(self) -> None:
        self._down: dict[H, tuple[float, float, str]] = {}  # until, the pause, why

    def reason(self, hop: H, now_s: float) -> str | None:
        """Return why a hop is left alone at the moment; None: it may be tried."""
        until_s, _, reason = self._down.get(hop, (now_s, 0.0, ""))
        return reason if now_s < until_s else None

    def failed(self, hop: H, reason: str, now_s: float) -> None:
        """Note that a hop as a whole did not take mail."""
        before_s, pause_s, _ = self._down.pop(hop, (0.0, 0.0, ""))
        if now_s >= before_s:  # else another load of the same moment said so already
            pause_s = min(max(pause_s * 2, _FIRST_S), _LONGEST_S)
        self._down[hop] = (now_s + pause_s, pause_s, reason)
        if len(self._down) > _REMEMBERED:
            del self._down[next(iter(self._down))]

    def answered(self, hop: H) -> None:
        """Note that a hop is there."""
        self._down.pop(hop, None)
