"""Starts, kills and restarts the real daemon, and sends it mail with a ledger of every acknowledgement.

The ledger lives in this process: it survives whatever happens to the daemon and to its file system.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests import copies
from tests.crash.scale import scaled
from tests.ports import free_port

RULES = """\
version: 1
organisation: {name: Stadt Musterstadt, language: de, timezone: Europe/Berlin}
domains: [musterstadt.example]
teams:
  poststelle: {name: Zentrale Poststelle}
  kita: {name: Kita-Platzvergabe}
fallback: poststelle
addresses:
  info: {team: poststelle, title: Allgemeine Anfragen}
  kita.platzvergabe: {team: kita, title: Kita-Platzvergabe}
rules:
  - id: eilt
    when: {subject: {contains: dringend}}
    then: {tag: eilt}
"""
RECIPIENTS = ("info@musterstadt.example", "kita.platzvergabe@musterstadt.example")
START_S = 60.0
STARTED: list[Daemon] = []
ROUTE_S = scaled(90.0, 1_800.0)  # the whole leaves gigabytes to be read


def _is_left(group: int) -> bool:
    """Say whether a process of a group is still there."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in {"Z", "X"}:
                return True
    return False


@dataclass
class Daemon:
    """The real program on a directory of its own."""

    directory: Path
    smtp_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    settings: str = ""
    roles: str = "smtp,router"
    process: subprocess.Popen[bytes] | copies.Copy | None = None
    slowest_start_s: float = 0.0

    def __post_init__(self) -> None:
        (self.directory / "rules.yaml").write_text(RULES)
        (self.directory / "maild.toml").write_text(
            f'[server]\nhostname = "mx.musterstadt.example"\nmin_free_bytes = 4_000_000\nreserve_bytes = 1_000_000\n'
            f'[smtp]\nlisten = ["127.0.0.1:{self.smtp_port}"]\n[web]\nlisten = "127.0.0.1:{self.web_port}"\n'
            f'[log]\nlevel = "warning"\n{self.settings}'
        )

    @property
    def data_dir(self) -> Path:
        return self.directory / "var"

    @property
    def database(self) -> Path:
        return self.data_dir / "maild.sqlite3"

    def start(
        self,
        *,
        wrapper: Sequence[str] = (),
        program: Sequence[str] = (),
        anew: bool = False,
        patience_s: float = START_S,
    ) -> None:
        """Start and wait for the greeting; what is measured, or stands in or around another program, starts `anew`."""
        environment = os.environ | {"MAILD_CONFIG": str(self.directory / "maild.toml")}
        log = (self.directory / "log").open("ab")
        began = time.monotonic()
        arguments = ("serve", "--only", self.roles)
        if wrapper or program or anew:
            self.process = subprocess.Popen(
                [*wrapper, sys.executable, *(program or ("-m", "maild")), *arguments],
                env=environment, stderr=log, stdout=log, cwd=self.directory, start_new_session=True,
            )  # fmt: skip
        else:
            self.process = copies.start(
                arguments, environ=environment, cwd=self.directory, out=log.fileno(), err=log.fileno()
            )
        log.close()
        STARTED.append(self)
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() - began > patience_s:
                text = (self.directory / "log").read_text()[-2000:]
                raise AssertionError(f"the daemon did not start (exit {self.process.poll()}): {text}")
            time.sleep(0.02)
        self.slowest_start_s = max(self.slowest_start_s, time.monotonic() - began)

    def answers(self) -> bool:
        """Say whether there is a greeting now."""
        try:
            with socket.create_connection(("127.0.0.1", self.smtp_port), timeout=2) as peer:
                return peer.recv(3) == b"220"
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL to the whole process group: daemon, workers, tracer. Returns when the last of them is gone."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + START_S
        while _is_left(self.process.pid):  # under a tracer the daemon is nobody's child, and has its store until then
            assert time.monotonic() < deadline, "something outlives its SIGKILL"
            time.sleep(0.005)

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=60)

    def wait_routed(self) -> None:
        """Wait until no work item is open; a daemon that died meanwhile will never be through."""
        import sqlite3

        assert self.process is not None
        waiting, deadline = None, time.monotonic() + ROUTE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=60)
            (waiting,) = connection.execute("SELECT count(*) FROM recipients WHERE state = 'accepted'").fetchone()
            connection.close()
            if not waiting:
                return
            time.sleep(0.05)
        text = (self.directory / "log").read_text()[-3000:]
        raise AssertionError(f"{waiting} work items are still open: {text}")


@dataclass
class Ledger:
    """Every mail that was answered with 250, by the SHA-256 of its octets."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    replies: Counter[str] = field(default_factory=Counter)
    sent: int = 0

    async def more(self, count: int) -> None:
        """Wait until as many more mails are acknowledged."""
        enough = self.acknowledged.total() + count
        async with asyncio.timeout(60):
            while self.acknowledged.total() < enough:  # noqa: ASYNC110 - the connections tell nobody
                await asyncio.sleep(0.01)

    def mail(self, chance: random.Random, largest: int) -> bytes:
        """Compose a mail that no other is equal to."""
        self.sent += 1
        size = min(largest, int(1000 * 1.9 ** chance.uniform(0, 13.2)))
        body = chance.randbytes(size // 2).hex().encode()
        lines = b"\r\n".join(body[i : i + 76] for i in range(0, len(body), 76))
        return (
            b"From: Petra <petra@citizen.example>\r\nTo: info@musterstadt.example\r\n"
            b"Subject: Mail %d\r\nMessage-ID: <%d.%d@citizen.example>\r\n\r\n%b\r\n"
            % (self.sent, self.sent, chance.getrandbits(60), lines)
        )


class Load:
    """Connections that send mail until told to stop, whatever happens to the server."""

    def __init__(
        self, port: int, ledger: Ledger, *, connections: int = 20, largest: int = 200_000, seed: int = 1
    ) -> None:
        self.port = port
        self.ledger = ledger
        self.connections = connections
        self.largest = largest
        self.seed = seed
        self.stopping = False
        self.limit: int | None = None
        self._last: tuple[bytes, int] | None = None

    async def run(self, seconds: float | None = None) -> None:
        """Send from every connection for a while, or until `stopping`."""
        tasks = [
            asyncio.create_task(self._connection(random.Random(self.seed * 1000 + n))) for n in range(self.connections)
        ]
        if seconds is not None:
            await asyncio.sleep(seconds)
            self.stopping = True
        await asyncio.gather(*tasks)

    async def _connection(self, chance: random.Random) -> None:
        while not self._done():
            try:
                await asyncio.wait_for(self._session(chance), 60)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                await asyncio.sleep(0.05)

    def _done(self) -> bool:
        return self.stopping or (self.limit is not None and sum(self.ledger.acknowledged.values()) >= self.limit)

    async def _session(self, chance: random.Random) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            await reply_of(reader)
            writer.write(b"EHLO load.citizen.example\r\n")
            await reply_of(reader)
            for _ in range(chance.choice((1, 1, 5, 50))):
                if self._done():
                    break
                await self._transaction(reader, writer, chance)
        finally:
            writer.close()

    async def _transaction(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
    ) -> None:
        # An impatient sender: now and then the same mail comes twice, to the same recipients.
        again = self._last if chance.random() < 0.05 else None
        mail, count = again or (self.ledger.mail(chance, self.largest), chance.choice((1, 1, 2)))
        to = b"".join(f"RCPT TO:<{r}>\r\n".encode() for r in RECIPIENTS[:count])
        writer.write(b"MAIL FROM:<petra@citizen.example>\r\n" + to)
        replies = [await reply_of(reader) for _ in range(1 + to.count(b"RCPT"))]
        if refused := [r for r in replies if not r.startswith(b"250")]:
            self._note(refused[0])  # what follows a refused MAIL is 503, and says nothing more
            writer.write(b"RSET\r\n")
            await reply_of(reader)
            await asyncio.sleep(0.05)
            return
        writer.write(b"DATA\r\n")
        reply = await reply_of(reader)
        if not reply.startswith(b"354"):
            self._note(reply)
            return
        writer.write(mail + b".\r\n")
        reply = await reply_of(reader)
        self._note(reply)
        if reply.startswith(b"250"):
            self.ledger.acknowledged[hashlib.sha256(mail).hexdigest()] += 1
            self._last = (mail, count)

    def _note(self, reply: bytes) -> None:
        self.ledger.replies[reply[:3].decode()] += 1


async def reply_of(reader: asyncio.StreamReader) -> bytes:
    """Return the last line of the next reply."""
    while True:
        line = await reader.readline()
        if not line:
            raise ConnectionResetError
        if line[3:4] != b"-":
            return line
