"""How fast content must come: the difference between a slow line and a peer that only holds a place."""

from __future__ import annotations

from maild.smtp.limits import Limits


class Pace:
    """Watches one message; asked now and then, not at every octet."""

    __slots__ = ("_idle_until", "_limits", "_seen", "_until", "_window_end", "_window_size")

    def __init__(self, limits: Limits, now: float, size: int) -> None:
        """Begin at `now` (monotonic seconds), with `size` octets already there."""
        self._limits = limits
        self._seen = self._window_size = size
        self._idle_until = now + limits.content_idle_s
        self._window_end = now + limits.rate_window_s
        self._until = now + limits.content_s

    def late(self, now: float, size: int) -> bool:
        """Say whether the peer has had its time: idle, slower than the least rate, or beyond the whole."""
        if size != self._seen:
            self._seen = size
            self._idle_until = now + self._limits.content_idle_s
        if now >= self._window_end:
            if size - self._window_size < self._limits.min_rate_bytes_s * self._limits.rate_window_s:
                return True
            self._window_size = size
            self._window_end = now + self._limits.rate_window_s
        return now >= self._idle_until or now >= self._until
