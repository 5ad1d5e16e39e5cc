"""The process that workers are copies of, as its parent sees it.

To start Python and import a reader of mail takes most of a second of a processor; a copy of a process that has done so
takes some milliseconds. So there is one such process beside this one, from its first worker on: it never reads a
stranger's octets, holds no secret, and ends with this process.

Source: unix(7) (SCM_RIGHTS), fork(2)
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from maild.confinement import child


class Nursery:
    """Starts workers, and ends them. Safe to use from any thread; its process begins with the first worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, inner: int, status: int, *, cpu_s: int, memory_bytes: int, preload: tuple[str, ...]) -> int:
        """Have a worker serve the socket `inner`; how it ended is written to `status`. Return its number here.

        Both descriptors stay the caller's. Nobody waits for the worker here: its first octets say that it is there.

        Raises:
            OSError: there is no room for another process, or another descriptor.
        """
        with self._lock:
            self._number += 1
            words = ("start", self._number, cpu_s, memory_bytes, ",".join(preload))
            request = " ".join(map(str, words)).encode()
            try:
                socket.send_fds(self._running(), [request], [inner, status])
            except (BrokenPipeError, ConnectionResetError):
                self._end()  # somebody has killed it; its workers went with it
                socket.send_fds(self._running(), [request], [inner, status])
            return self._number

    def end(self, number: int) -> None:
        """Have a worker killed, soon; one that has ended is none."""
        with self._lock, contextlib.suppress(OSError):
            if self._control is not None:
                self._control.send(f"end {number}".encode())

    def _running(self) -> socket.socket:
        if self._control is None:
            ours, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
            with inner, contextlib.ExitStack() as failing:
                failing.callback(ours.close)
                self._process = subprocess.Popen(  # noqa: S603 - our own file and numbers
                    [sys.executable, "-I", "-S", "-B", child.__file__, str(inner.fileno()), path],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    pass_fds=(inner.fileno(),), env={"LC_ALL": "C.UTF-8"}, cwd="/",
                )  # fmt: skip
                failing.pop_all()
            self._control = ours
            atexit.register(self._end)
        return self._control

    def _end(self) -> None:
        atexit.unregister(self._end)
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.kill()
            self._process.wait()
        self._control = self._process = None
