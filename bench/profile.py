"""Where the time goes: a profile each of a connection, a message and an index row.

`python -m bench.profile [connection message row]` prints for each the CPU time of every thread and process, measured
undisturbed, and then, of another run under `cProfile`, the fifteen functions with the most time of their own. All times
are CPU time: what else the machine does disturbs them little. A profiler makes functions that are called often look
dearer than they are: believe the order, and of the sums only the undisturbed ones.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.compare import await_arrival, run_load, work_directory
from bench.load import Load
from bench.peers import Maild, PeerError
from bench.profiled import CLEARED, LOOP, WRITTEN
from bench.ranking import Functions, by_own_time, by_whole_time, load_stats
from bench.stages import profile_rows, profile_worker
from tests.footprint import family

_AT_ONCE = 20
_WAIT_S = 30.0
_WORKERS = "workers"
_CONNECTION_THREADS = (LOOP,)
_MESSAGE_THREADS = (LOOP, "writer", "index")


class Profiled(Maild):
    """The daemon, started by `bench.profiled`."""

    def __init__(self, directory: Path, mode: str) -> None:
        super().__init__(directory)
        self.spent: Counter[str] = Counter()
        self._dumps = directory.with_name(f"{directory.name}-profiles")
        self._dumps.mkdir()
        self.program = ("-m", "bench.profiled", mode, str(self._dumps))

    def clear_profiles(self) -> None:
        self._signal(signal.SIGUSR1, CLEARED)

    def profile_of(self, thread: str) -> Functions:
        self._signal(signal.SIGUSR2, WRITTEN)
        return load_stats(self._dumps / f"{thread}.pstats")

    def _signal(self, number: signal.Signals, answer: str) -> None:
        done = self._dumps / answer
        done.unlink(missing_ok=True)
        self._processes[0].send_signal(number)
        deadline = time.monotonic() + _WAIT_S
        while not done.exists():
            if time.monotonic() > deadline:
                raise PeerError(f"the daemon does not answer signal {number}")
            time.sleep(0.01)

    def cpu_us(self) -> Counter[str]:
        """Return the CPU microseconds that each thread, and the workers together, have used so far."""
        daemon = self._processes[0].pid
        used: Counter[str] = Counter()
        for task in Path(f"/proc/{daemon}/task").iterdir():
            used[(task / "comm").read_text().strip()] += _task_us(task)
        for process in family(daemon)[1:]:
            used[_WORKERS] += sum(map(_task_us, Path(f"/proc/{process}/task").iterdir()))
        return used


def _task_us(task: Path) -> int:
    return int((task / "schedstat").read_text().split()[0]) // 1000


def _tables(functions: Functions, count: int, what: str) -> str:
    return f"{by_own_time(functions, count, what)}\n\n{by_whole_time(functions, count)}"


def connect(port: int, count: int) -> None:
    """Open `count` connections, twenty at a time, that greet and leave."""
    for start in range(0, count, _AT_ONCE):
        peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(min(_AT_ONCE, count - start))]
        for command in (b"EHLO client.example\r\n", b"QUIT\r\n", b""):
            for peer in peers:
                peer.recv(8192)
                peer.sendall(command)
        for peer in peers:
            peer.close()


def _observe(directory: Path, mode: str, work: Callable[[Profiled], None], report: Callable[[Profiled], None]) -> None:
    """Start a fresh daemon, warm it, forget that, do the work and report."""
    daemon = Profiled(directory, mode)
    try:
        daemon.start()
        connect(daemon.port, 200)
        _send(daemon, Load(shape="4k", messages=200, per_connection=50, seed=90))
        if mode == "profile":
            daemon.clear_profiles()
        before = daemon.cpu_us()
        work(daemon)
        daemon.spent = daemon.cpu_us() - before
        report(daemon)
    finally:
        daemon.stop()


def _send(daemon: Maild, load: Load) -> None:
    before = daemon.arrived()
    run_load(load, daemon.port)
    await_arrival(daemon, before + load.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What is profiled: `count` times `what`, done by `work`."""

    name: str
    what: str
    count: int
    threads: Sequence[str]
    work: Callable[[Profiled], None]


def _both(directory: Path, subject: _Subject) -> None:
    what, count = subject.what, subject.count

    def undisturbed(daemon: Profiled) -> None:
        print(f"\n## {subject.name}: CPU µs for each {what}\n")
        for thread, used_us in daemon.spent.most_common():
            if used_us >= count // 2:
                print(f"{used_us / count:8.0f}  {thread}")
        print(f"{daemon.spent.total() / count:8.0f}  in all")

    def profiled(daemon: Profiled) -> None:
        for thread in subject.threads:
            print(f"\n### {subject.name}: thread `{thread}`\n\n{_tables(daemon.profile_of(thread), count, what)}")

    _observe(directory / f"{subject.name}-names", "names", subject.work, undisturbed)
    _observe(directory / f"{subject.name}-profile", "profile", subject.work, profiled)


def profile_connection(directory: Path, count: int) -> None:
    subject = _Subject(
        name="connection", what="connection", count=count, threads=_CONNECTION_THREADS,
        work=lambda daemon: connect(daemon.port, count),
    )  # fmt: skip
    _both(directory, subject)


def profile_message(directory: Path, load: Load) -> None:
    subject = _Subject(
        name=f"message-{load.shape}", what="message", count=load.messages, threads=_MESSAGE_THREADS,
        work=lambda daemon: _send(daemon, load),
    )  # fmt: skip
    _both(directory, subject)
    stages, stats = profile_worker(load.shape, min(load.messages, 1000))
    print(f"\n### a worker, stage by stage: CPU µs for each message of {load.shape}\n\n{stages}")
    print(f"\n{_tables(stats, min(load.messages, 1000), 'message')}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.profile", description=__doc__)
    parser.add_argument("what", nargs="*", choices=["connection", "message", "row", []], default=[])
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--shape", default="4k")
    parser.add_argument("--dir", type=Path, help="where the daemon keeps its data; default /var/tmp")
    options = parser.parse_args(arguments)
    what = options.what or ["connection", "message", "row"]
    load = Load(shape=options.shape, messages=options.messages, per_connection=50, seed=91)
    try:
        with work_directory(options.dir) as directory:
            if "connection" in what:
                profile_connection(directory, options.messages)
            if "message" in what:
                profile_message(directory, load)
            if "row" in what:
                profile_rows(directory, replace(load, messages=max(options.messages, 2000)))
    except PeerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 75
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
