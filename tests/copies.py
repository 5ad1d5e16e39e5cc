"""Daemons as copies of one process that has imported maild.

To import it takes a second of a processor for each daemon, and the tests start over a hundred. What puts something in
front of the program (strace, a fault, another clock) or tells of its start alone still starts Python anew.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
_NUMBER = struct.Struct("<i")
_BESIDE = ("alembic.command", "alembic.runtime.migration", "uvloop", "uvicorn.protocols.http.h11_impl")
_starting = threading.Lock()
_origin: tuple[subprocess.Popen[bytes], socket.socket] | None = None


class Copy:
    """A daemon; its methods are those of `subprocess.Popen`."""

    def __init__(self, status: int) -> None:
        self._status = status
        self.returncode: int | None = None
        self.pid = self._told()

    def _told(self) -> int:
        (number,) = _NUMBER.unpack(os.read(self._status, _NUMBER.size))
        return int(number)

    def poll(self) -> int | None:
        """Return how it ended; None: it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if self.returncode is None:
            if not select.select([self._status], (), (), timeout)[0]:
                raise subprocess.TimeoutExpired("maild", timeout or 0)
            self.returncode = self._told()
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(arguments: Sequence[str], *, environ: Mapping[str, str], cwd: Path, out: int, err: int) -> Copy:
    """Run `maild` with these arguments, in a session of its own."""
    status, inner = os.pipe()  # whoever is started meanwhile inherits neither
    request = json.dumps({"arguments": list(arguments), "environ": dict(environ), "cwd": str(cwd)}).encode()
    with _starting:
        socket.send_fds(_origin_of_all(), [request], [out, err, inner])
    os.close(inner)
    return Copy(status)


def _origin_of_all() -> socket.socket:
    global _origin  # noqa: PLW0603 - one for this process
    if _origin is None:
        ours, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inner:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.copies", "maild", str(inner.fileno())], pass_fds=(inner.fileno(),),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=ROOT,
            )  # fmt: skip
        _origin = process, ours
        atexit.register(_end)
    return _origin[1]


def _end() -> None:
    if _origin is not None:
        process, control = _origin
        control.close()
        process.wait()


def _serve(control: socket.socket) -> None:
    """Make copies until who asks for them is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 3)
        if not request:
            return
        if os.fork() == 0:
            control.close()
            _keep(request, *descriptors)
        for each in descriptors:
            os.close(each)


def _keep(request: bytes, out: int, err: int, status: int) -> None:
    """Start a daemon, tell its number, wait for its end, and tell of that."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if (pid := os.fork()) == 0:
        os.close(status)
        _run(**json.loads(request), out=out, err=err)
    for each in (out, err):
        os.close(each)
    os.write(status, _NUMBER.pack(pid))
    _, how = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(status, _NUMBER.pack(os.waitstatus_to_exitcode(how)))
    os._exit(0)


def _run(*, arguments: list[str], environ: dict[str, str], cwd: str, out: int, err: int) -> None:
    code = 70
    try:
        os.setsid()
        for given, number in ((out, 1), (err, 2)):
            os.dup2(given, number)
            os.close(given)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environ)
        time.tzset()
        sys.argv[:] = ["maild", *arguments]
        from maild.__main__ import main

        code = main()
    except BaseException:  # noqa: BLE001 - the interpreter would tell of it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _prepare() -> None:
    import maild

    for found in pkgutil.walk_packages(maild.__path__, "maild."):
        if ".migrations" not in found.name and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name in _BESIDE:
        importlib.import_module(name)
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _prepare()
    _serve(socket.socket(fileno=int(sys.argv[2])))
