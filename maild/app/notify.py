"""What systemd is told, and which sockets it gives.

Source: sd_notify(3), sd_listen_fds(3)
"""

from __future__ import annotations

import os
import socket

_FIRST_FD = 3


def notify(state: str) -> None:
    """Send a state such as `READY=1`; does nothing without systemd."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            return  # systemd has gone; the daemon has not


def watchdog_interval_s() -> float | None:
    """Return how often `WATCHDOG=1` is due (half of what systemd allows), None when it does not watch."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    watched = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(allowed) / 2_000_000 if allowed.isdigit() and watched else None


def inherited_sockets() -> dict[str, list[socket.socket]]:
    """Return the listening sockets that systemd opened for us, by their names (FileDescriptorName=)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for number in range(count):
        name = names[number] if number < len(names) else ""
        found.setdefault(name, []).append(socket.socket(fileno=_FIRST_FD + number))
    return found
