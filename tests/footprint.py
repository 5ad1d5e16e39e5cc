"""What memory a daemon has, with all its processes: the sum of their resident sets (RSS).

That is an upper bound. A page that two processes share is counted for each of them, and so are pages of mapped files,
which are the page cache's. The fairer figures (PSS) may be read by root alone: workers give up the right to be
looked into, and root is not wherever the tests run.
"""

from __future__ import annotations

import resource
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_PAGE_BYTES = resource.getpagesize()
_EVERY_S = 0.02
_QUIET_S = 0.5


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for process in found:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def footprint_bytes(pid: int) -> int:
    """Return the memory of a process and of all below it."""
    return sum(_of_one(process) for process in family(pid))


def settled_bytes(pid: int, within_s: float = 60.0) -> int:
    """Return the memory of a process family as soon as it stays the same for half a second, and all of it sleeps."""
    deadline, most, since = time.monotonic() + within_s, 0, time.monotonic()
    while time.monotonic() - since < _QUIET_S:
        assert time.monotonic() < deadline, "the memory does not settle"
        now = footprint_bytes(pid)
        if now > most or not all(map(_sleeps, family(pid))):
            most, since = max(most, now), time.monotonic()
        threading.Event().wait(_EVERY_S)
    return most


def _sleeps(pid: int) -> bool:
    """Tell whether a process waits for something, and not for a processor: that one would go on growing."""
    try:
        stats = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return True  # it has just ended
    return all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats)


def _of_one(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0  # it has just ended


class Peak:
    """Looks at a process family as long as the block runs; `most_bytes` is the most that was seen."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most_bytes = 0
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self.most_bytes = max(self.most_bytes, footprint_bytes(self._pid))
            self.looks += 1
