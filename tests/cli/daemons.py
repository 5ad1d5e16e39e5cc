"""A daemon in a process of its own, and the things one does to it."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tests import copies

ROOT = Path(__file__).parent.parent.parent
DEADLINE_S = 60.0


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S:.0f} s"
        time.sleep(0.05)


class Daemon:
    """`maild serve`, its events as they come."""

    def __init__(self, process: subprocess.Popen[bytes] | copies.Copy, said: TextIO) -> None:
        self.process = process
        self._said = said
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._said:
            self.lines.append(line)

    def events(self, name: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [event for event in found if event["event"] == name]

    def first(self, name: str) -> dict[str, Any]:
        """Return the first event of a name as soon as it is there: it may be written after what it tells of is seen."""
        until(lambda: bool(self.events(name)), name)
        return self.events(name)[0]

    def ready(self) -> dict[str, Any]:
        until(lambda: bool(self.events("daemon.ready")) or self.process.poll() is not None, "ready")
        assert self.events("daemon.ready"), self.lines
        return self.events("daemon.ready")[0]

    def send(self, recipient: str, text: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.ready()["smtp"][0], timeout=60) as smtp:
            smtp.sendmail("a@b.example", [recipient], text)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=DEADLINE_S)
        self._reader.join(timeout=DEADLINE_S)
        return code


@contextmanager
def serving(
    site: Path, *arguments: str, environ: dict[str, str] | None = None, program: tuple[str, ...] = ()
) -> Iterator[Daemon]:
    """Run `maild serve`, or a `program` around it, on free ports for a while."""
    variables = {
        "MAILD_CONFIG": str(site / "maild.toml"),
        "MAILD_SMTP__LISTEN": "127.0.0.1:0",
        "MAILD_WEB__LISTEN": "127.0.0.1:0",
        "PYTHONPATH": str(ROOT),
    }
    whole = os.environ | variables | (environ or {})
    end, err = os.pipe()
    process: subprocess.Popen[bytes] | copies.Copy
    if program:
        process = subprocess.Popen([sys.executable, *program, "serve", *arguments], stderr=err, env=whole, cwd=site)
    else:
        process = copies.start(("serve", *arguments), environ=whole, cwd=site, out=err, err=err)
    os.close(err)
    with os.fdopen(end, encoding="utf-8") as said:
        daemon = Daemon(process, said)
        try:
            yield daemon
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            daemon._reader.join(timeout=DEADLINE_S)
