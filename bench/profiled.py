"""The daemon with a name, or a profiler, on each of its threads: `python -m bench.profiled names|profile DIR serve`.

With `names`, each thread tells the kernel its name, so that its CPU time can be read from outside; that costs nothing.
With `profile`, each thread has a `cProfile` that counts the thread's own CPU time. SIGUSR1 forgets what was counted so
far; SIGUSR2 writes DIR/THREAD.pstats.
"""

from __future__ import annotations

import cProfile
import marshal
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from maild.cli.main import main as maild

CLEARED = "cleared"
WRITTEN = "written"
LOOP = "loop"


class _Profiles:
    """A profile for each thread. `clear` and `write` are called between two bytecodes of the main thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._profiles: dict[str, cProfile.Profile] = {}

    def begin(self, name: str) -> None:
        profile = cProfile.Profile(time.thread_time)
        self._profiles[name] = profile
        profile.enable()

    def clear(self) -> None:
        for profile in self._profiles.values():
            profile.clear()
        (self._directory / CLEARED).touch()

    def write(self) -> None:
        for name, profile in self._profiles.items():
            # Not `dump_stats`: that would switch the profiler of the calling thread off.
            profile.snapshot_stats()
            (self._directory / f"{name}.pstats").write_bytes(marshal.dumps(profile.stats))
        (self._directory / WRITTEN).touch()


def _name_thread(name: str) -> None:
    Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name[:15])


def main() -> int:
    mode, directory, *arguments = sys.argv[1:]
    profiles = _Profiles(Path(directory))

    def at_first_event(_frame: FrameType, _event: str, _value: object) -> None:
        sys.setprofile(None)
        name = threading.current_thread().name
        _name_thread(name)
        if mode == "profile":
            profiles.begin(name)

    signal.signal(signal.SIGUSR1, lambda _number, _frame: profiles.clear())
    signal.signal(signal.SIGUSR2, lambda _number, _frame: profiles.write())
    threading.setprofile(at_first_event)
    _name_thread(LOOP)
    if mode == "profile":
        profiles.begin(LOOP)
    return maild(arguments)


if __name__ == "__main__":
    sys.exit(main())
