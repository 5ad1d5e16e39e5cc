"""Ports for what has to be told its port before it listens there: daemons that are started again, programs of others.

A port that the kernel gives, and that is bound later, may have been given to somebody else meanwhile: to each
connection that goes out from here, too. These lie below those that it gives, and no two processes are told the same.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

_LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Return a port of 127.0.0.1 that is this process's until it ends."""
    lowest_given = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    for port in random.SystemRandom().sample(range(_LOWEST, max(lowest_given, 2 * _LOWEST)), k=1_000):
        if _is_ours(port):
            return port
    raise OSError("no port is free")


def _is_ours(port: int) -> bool:
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0maild-tests-port-{port}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        return False
    mark.detach()  # it stays open until the process ends, and with it the port is free again
    return True
