"""What the operating system knows of CPU time: of a whole session, and of the whole machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


def session_cpu_s(session: int) -> float:
    """Return the CPU seconds of all processes of a session, with those of its ended and reaped children."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The name in parentheses may hold spaces: the fields are counted from its end (proc(5)).
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += sum(map(int, fields[11:15]))
    return ticks * _TICKS_S


def machine_cpu_s() -> float:
    """Return the CPU seconds that all processes and the kernel have used since boot, on all cores together."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split(None, 8)[1:8])
    return (user + nice + system + irq + softirq) * _TICKS_S
