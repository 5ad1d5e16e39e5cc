"""A progress bar on stderr: only on a terminal, and only for what takes longer than two seconds."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import Self

_FIRST_S = 2.0
_EVERY_S = 0.1
_BAR = 24


class Progress:
    """Shows how much of `total` is done. Draws at most ten times a second."""

    def __init__(self, what: str, total: int) -> None:
        """Prepare; nothing is drawn yet."""
        self._what = what
        self._total = max(total, 1)
        self._done = 0
        self._text = ""
        self._started = time.monotonic()
        self._next = self._started + _FIRST_S if sys.stderr.isatty() else float("inf")
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def advance(self, amount: int) -> None:
        """Count `amount` more as done."""
        self._done += amount
        self._draw_if_due()

    def say(self, text: str) -> None:
        """Set what stands behind the bar."""
        self._text = text
        self._draw_if_due()

    def _draw_if_due(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY_S
        self._drawn = True
        part = min(self._done / self._total, 1.0)
        filled = round(part * _BAR)
        left = (now - self._started) * (1 - part) / part if part > 0 else 0.0
        line = f"{self._what} [{'#' * filled}{'.' * (_BAR - filled)}] {part:4.0%}  {self._text}  {_span(left)} left"
        sys.stderr.write("\r" + line[: shutil.get_terminal_size().columns - 1] + "\x1b[K")
        sys.stderr.flush()


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
