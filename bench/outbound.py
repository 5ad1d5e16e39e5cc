"""What leaves: messages a second from a full queue to one next hop, beside Postfix from its own.

`python -m bench.outbound [--messages N] [--rounds R]` fills both queues while nothing is sent, then lets go; the same
mail, to the same sink (Postfix's `smtp-sink`), on the same disk, in turns. The rate runs from the first message that
the sink has taken to the last, so that no program's start counts; a round ends when the queue itself says that all is
delivered.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from bench.compare import work_directory
from bench.load import Load, send
from bench.material import DOMAIN, SHAPES, Mail, Writer
from bench.peers import Peer, PeerError, Postfix, free_port
from bench.processes import machine_cpu_s, session_cpu_s
from bench.site import write_site
from maild.archive.commit import Acceptance, Addressee, accept
from maild.archive.content import held
from maild.archive.database import FILE_NAME, Database, make_data_dir
from maild.archive.outgoing import Written, keep_written
from maild.archive.upgrade import upgrade
from maild.delivery.deliveries import NewDelivery
from maild.delivery.queue.working import enqueue
from maild.mail.ids import message_id_at

_WAIT_S = 600.0
_DAY_MS = 24 * 3600 * 1000
_THERE = "citizen.example"
_COUNT = re.compile(rb"mesg=(\d+)")
_BATCH = 200


class Sink:
    """Postfix's `smtp-sink`, and when it took its first and its last message."""

    def __init__(self) -> None:
        program = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise PeerError("smtp-sink is not installed (Debian: apt-get install postfix)")
        self.port = free_port()
        command = [program, "-u", "nobody", "-c", f"127.0.0.1:{self.port}", "256"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.count, self.first_s, self.last_s = 0, 0.0, 0.0

    def look(self) -> int:
        """Return how many messages came so far."""
        assert self.process.stdout is not None
        found = _COUNT.findall(self.process.stdout.read() or b"")
        if found and int(found[-1]) > self.count:
            self.last_s = time.monotonic()
            self.first_s = self.first_s or self.last_s
            self.began = self.began if self.count else int(found[-1])
            self.count = int(found[-1])
        return self.count

    began = 0  # what the first look found

    @property
    def rate(self) -> float:
        return (self.count - self.began) / (self.last_s - self.first_s)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class PostfixOut(Postfix):
    """Postfix that holds what it is given until it is let go, and then sends it to the sink."""

    name = "postfix"

    def __init__(self, directory: Path, sink: int) -> None:
        super().__init__(directory)
        self._sink = sink

    def _settings(self, programs: str, queue: Path, data: Path) -> dict[str, str]:
        return super()._settings(programs, queue, data) | {
            "relayhost": f"[127.0.0.1]:{self._sink}",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
            "smtpd_recipient_restrictions": "check_recipient_access static:HOLD",
            "smtp_tls_security_level": "none",
            "smtp_host_lookup": "native",
            "qmgr_message_active_limit": "20000",
            "qmgr_message_recipient_limit": "20000",
        }

    def fill(self, mails: Sequence[Mail]) -> None:
        self.start()
        to_there = [Mail(sender=m.sender, recipient=f"{_to(n)}".encode(), data=m.data) for n, m in enumerate(mails)]
        send(Load(shape="4k", messages=len(mails), per_connection=50), self.port, to_there)

    def let_go(self) -> None:
        etc = str(self.directory / "etc")
        for command in (["postsuper", "-c", etc, "-H", "ALL"], ["postqueue", "-c", etc, "-f"]):
            subprocess.run(command, check=True, capture_output=True)

    def waiting(self) -> int:
        queues = (self.directory / "queue" / name for name in ("incoming", "active", "deferred", "hold"))
        return sum(len(files) for queue in queues for _, _, files in os.walk(queue))


class MaildOut(Peer):
    """maild with its defaults and the sink as its smarthost: the same place that `relayhost` names."""

    name = "maild"
    signed = False

    def __init__(self, directory: Path, sink: int) -> None:
        super().__init__(directory)
        self._sink = sink

    def start(self) -> None:
        """See `let_go`: what waits is sent from the start on."""

    def arrived(self) -> int:
        return 0

    def clear(self) -> None:
        """Each round has a directory of its own."""

    @property
    def data_dir(self) -> Path:
        return self.directory / "var"

    def fill(self, mails: Sequence[Mail]) -> None:
        self.directory.mkdir(parents=True)
        settings = write_site(self.directory, smtp_port=self.port, web_port=free_port())
        settings.write_text(settings.read_text() + f'[outbound]\nsmarthost = "127.0.0.1:{self._sink}"\n')
        make_data_dir(self.data_dir)
        database = Database("", self.data_dir)
        upgrade(database.writing)
        if self.signed:
            subprocess.run(
                [sys.executable, "-m", "maild", "dkim", "new", DOMAIN],
                env=os.environ | {"MAILD_CONFIG": str(settings)}, check=True, capture_output=True,
            )  # fmt: skip
        try:
            for start in range(0, len(mails), _BATCH):
                with database.writing.begin() as connection:
                    for number, mail in enumerate(mails[start : start + _BATCH], start):
                        _queue(connection, number, mail)
        finally:
            database.close()

    def let_go(self) -> None:
        environment = {"MAILD_CONFIG": str(self.directory / "maild.toml")}
        self.launch(sys.executable, "-m", "maild", "serve", "--only", "delivery", environment=environment)

    def waiting(self) -> int:
        with contextlib.closing(sqlite3.connect(f"file:{self.data_dir / FILE_NAME}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM deliveries WHERE state <> 'delivered'").fetchone()
        return int(count)


def _to(number: int) -> str:
    return f"b{number}@{_THERE}"


def _queue(connection: Connection, number: int, mail: Mail) -> None:
    """Archive and queue one answer. That it was filed and indexed when it was submitted is not part of this."""
    now_ms = int(time.time() * 1000)
    sender, recipient = mail.sender.decode(), _to(number)
    octets = mail.data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
    if MaildOut.signed:
        octets = re.sub(rb"(?m)^From: .*$", f"From: <amt@{DOMAIN}>\r".encode(), octets, count=1)
    letter = Acceptance(
        message_id=message_id_at(now_ms, number % (1 << 21)), direction="out", origin="submission",
        content=held(octets), received_ms=now_ms, reverse_path=sender, envelope="{}",
        addressees=(Addressee(address=recipient, address_key=recipient, team="amt00"),),
    )  # fmt: skip
    message_id = accept(connection, [letter])[0].message_id
    keep_written(
        connection,
        Written(message_id=message_id, kind="answer", team="amt00", author="a", answers_id=None, duty_id=None),
    )
    new = NewDelivery(
        message_id=message_id, recipient=recipient, reverse_path=f"amt@{DOMAIN}", next_hop=_THERE, made_ms=now_ms,
        due_ms=now_ms, expires_ms=now_ms + 5 * _DAY_MS,
    )  # fmt: skip
    enqueue(connection, [new])


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one round measured."""

    name: str
    rate: float
    settled_rate: float
    cpu_ms: float
    others_cores: float


@contextlib.contextmanager
def _sink() -> Iterator[Sink]:
    sink = Sink()
    try:
        yield sink
    finally:
        sink.stop()


def measure(kind: type[PostfixOut | MaildOut], directory: Path, mails: Sequence[Mail]) -> Run:
    """Fill a queue, let it go, and wait until it is empty.

    Raises:
        PeerError: it did not become empty, or the sink has another number of messages.
    """
    with _sink() as sink:
        peer = kind(directory, sink.port)
        try:
            peer.fill(mails)
            os.sync()
            own_s, machine_s, began_s = peer.cpu_s(), machine_cpu_s(), time.monotonic()
            peer.let_go()
            while sink.look() < len(mails) and time.monotonic() < began_s + _WAIT_S:
                time.sleep(0.01)
            while peer.waiting() and time.monotonic() < began_s + _WAIT_S:
                time.sleep(0.02)
            settled_s = time.monotonic()
            own_s, machine_s = peer.cpu_s() - own_s, machine_cpu_s() - machine_s
            sink_s = session_cpu_s(sink.process.pid)
            if peer.waiting() or sink.look() != len(mails):
                raise PeerError(f"{peer.name}: {sink.look()} of {len(mails)} arrived, {peer.waiting()} are waiting")
            return Run(
                name=peer.name,
                rate=sink.rate,
                settled_rate=(len(mails) - sink.began) / (settled_s - sink.first_s),
                cpu_ms=own_s / len(mails) * 1000,
                others_cores=max(0.0, (machine_s - own_s - sink_s) / (settled_s - began_s)),
            )
        finally:
            peer.stop()
            shutil.rmtree(directory, ignore_errors=True)


def table(runs: Sequence[Run]) -> str:
    """Return the medians, with the lowest and the highest rate, and the ratios of the rounds."""
    lines = ["| server | messages/s | settled/s | server CPU ms | others' cores |", "|---|---|---|---|---|"]
    rates: dict[str, list[float]] = {}
    for name in dict.fromkeys(run.name for run in runs):
        own = [run for run in runs if run.name == name]
        rates[name] = [run.rate for run in own]
        low, high = min(rates[name]), max(rates[name])
        figures = (statistics.median(getattr(run, key) for run in own) for key in ("rate", "settled_rate"))
        rate, settled = (f"{figure:.0f}" for figure in figures)
        cpu, others = (statistics.median(getattr(run, key) for run in own) for key in ("cpu_ms", "others_cores"))
        lines.append(f"| {name} | {rate} ({low:.0f} to {high:.0f}) | {settled} | {cpu:.2f} | {others:.2f} |")
    if len(rates) == 2:
        ratios = [ours / theirs for theirs, ours in zip(rates["postfix"], rates["maild"], strict=True)]
        lines.append(f"\nmaild / postfix, round by round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; "
                     f"median {statistics.median(ratios):.2f}")  # fmt: skip
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.outbound", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["postfix", "maild"])
    parser.add_argument("--signed", action="store_true", help="maild signs (DKIM, both keys); Postfix does not")
    parser.add_argument("--dir", type=Path, help="where the queues lie; default /var/tmp")
    options = parser.parse_args(arguments)
    MaildOut.signed = options.signed
    kinds: list[type[PostfixOut | MaildOut]] = [PostfixOut, MaildOut]
    runs = []
    try:
        with work_directory(options.dir) as directory:
            for number in range(options.rounds):
                mails = list(Writer(seed=number + 1).mails(SHAPES["4k"], options.messages))
                for kind in kinds:
                    if options.only in (None, kind.name):
                        runs.append(measure(kind, directory / f"{kind.name}{number}", mails))
                        print(f"{number + 1}/{options.rounds} {runs[-1]}", file=sys.stderr)
    except PeerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 75
    print(table(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
