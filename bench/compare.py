"""Compare the servers: the same mail, in the same minutes, in turn; medians of several rounds.

`python -m bench.compare [--quick]` prints a table and writes it, with every single measurement, to bench/results/.
A round is one run of one workload against one server; the servers take turns (A B C A B C …), so that whatever else the
machine does falls on all of them. A run ends when the last message is where its readers find it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.load import Load, LoadResult
from bench.peers import Maild, Peer, PeerError, Postfix, PostfixDovecot
from bench.processes import machine_cpu_s
from bench.table import Measurement, markdown

RESULTS = Path(__file__).parent / "results"
PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (Postfix, PostfixDovecot, Maild)}
_ARRIVAL_S = 300.0
_WARM_UP_MESSAGES = 200
_VOLATILE = ("tmpfs", "ramfs", "overlay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What one row group of the table is about."""

    name: str
    load: Load


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(name="4 KB, 1 a connection", load=Load(shape="4k", messages=6000, per_connection=1)),
        Workload(name="4 KB, 50 a connection", load=Load(shape="4k", messages=6000, per_connection=50)),
        Workload(name="100 KB, 50 a connection", load=Load(shape="100k", messages=2000, per_connection=50)),
        Workload(name="100 KB text, 50 a connection", load=Load(shape="100k-text", messages=2000, per_connection=50)),
    )
}  # fmt: skip


def run_load(load: Load, port: int) -> LoadResult:
    """Run the generator in a process of its own.

    Raises:
        PeerError: the server answered what it should not.
    """
    options = [f"--{name.replace('_', '-')}={value}" for name, value in asdict(load).items() if name != "pipelining"]
    command = [sys.executable, "-m", "bench.load", f"--port={port}", *options]
    done = subprocess.run(
        [*command, *(["--pipelining"] if load.pipelining else [])],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    if done.returncode:
        raise PeerError(done.stderr.strip())
    return LoadResult(**json.loads(done.stdout))


def await_arrival(peer: Peer, count: int) -> float:
    """Return the moment when `count` messages have arrived.

    Raises:
        PeerError: some did not arrive in five minutes, or more did than were sent.
    """
    deadline = time.monotonic() + _ARRIVAL_S
    while (arrived := peer.arrived()) < count and time.monotonic() < deadline:
        time.sleep(0.005)
    if arrived != count:
        raise PeerError(f"{peer.name}: {arrived} of {count} messages arrived")
    return time.monotonic()


def measure(peer: Peer, workload: Workload, number: int) -> Measurement:
    """Run one workload against one server, from a quiet disk and warm processes."""
    seed = number * 2 + 1000 * list(WORKLOADS).index(workload.name) + 1
    peer.clear()
    before = peer.arrived()
    warm_up = replace(workload.load, messages=_WARM_UP_MESSAGES, seed=seed)
    run_load(warm_up, peer.port)
    await_arrival(peer, before + warm_up.messages)
    os.sync()
    load = replace(workload.load, seed=seed + 1)
    server_s, machine_s = peer.cpu_s(), _Machine.now()
    result = run_load(load, peer.port)
    done_s = await_arrival(peer, before + warm_up.messages + load.messages)
    server_s = peer.cpu_s() - server_s
    peer.verify()
    return Measurement(
        peer=peer.name,
        workload=workload.name,
        round=number,
        rate=result.messages / (done_s - result.started_s),
        accepted_rate=result.messages / (result.finished_s - result.started_s),
        reply_p50_ms=result.reply_p50_ms,
        reply_p99_ms=result.reply_p99_ms,
        reply_max_ms=result.reply_max_ms,
        transaction_p99_ms=result.transaction_p99_ms,
        setup_p99_ms=result.setup_p99_ms,
        server_cpu_ms=server_s / result.messages * 1000,
        generator_cpu_ms=result.cpu_us / 1000,
        others_cores=machine_s.others_cores(server_s),
        octets=result.octets,
        messages=result.messages,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    """The machine at the beginning of a run."""

    cpu_s: float
    at_s: float
    children_s: float

    @classmethod
    def now(cls) -> _Machine:
        times = os.times()
        own_s = times.user + times.system + times.children_user + times.children_system
        return cls(cpu_s=machine_cpu_s(), at_s=time.monotonic(), children_s=own_s)

    def others_cores(self, server_s: float) -> float:
        """Return how many cores others kept busy meanwhile: not the server, the generator or this process."""
        now = _Machine.now()
        others_s = (now.cpu_s - self.cpu_s) - server_s - (now.children_s - self.children_s)
        return max(0.0, others_s / (now.at_s - self.at_s))


@contextlib.contextmanager
def servers(names: Sequence[str], directory: Path) -> Iterator[list[Peer]]:
    """Start the named servers below `directory`; stop them all at the end, whatever happens."""
    with contextlib.ExitStack() as stack:
        peers = []
        for name in names:
            peer = PEERS[name](directory / name)
            stack.callback(peer.stop)
            peer.start()
            peers.append(peer)
        yield peers


@contextlib.contextmanager
def work_directory(parent: Path | None) -> Iterator[Path]:
    """Make a directory on a real disk that every server's user may pass through.

    Raises:
        PeerError: it would lie in memory, where durability costs nothing.
    """
    with tempfile.TemporaryDirectory(prefix="maild-bench-", dir=parent or "/var/tmp") as name:
        kind = subprocess.run(
            ["stat", "-f", "-c", "%T", name], capture_output=True, text=True, check=True
        ).stdout.strip()
        if kind in _VOLATILE:
            raise PeerError(f"{name} is on {kind}: choose a directory on a disk with --dir")
        Path(name).chmod(0o755)
        yield Path(name)


def compare(names: Sequence[str], workloads: Sequence[Workload], rounds: int, parent: Path | None) -> list[Measurement]:
    """Run every workload against every server, `rounds` times, in turn."""
    measurements = []
    with work_directory(parent) as directory, servers(names, directory) as peers:
        for number in range(rounds):
            for workload in workloads:
                for peer in peers:
                    measurement = measure(peer, workload, number)
                    print(
                        f"{number + 1}/{rounds} {workload.name}: {peer.name} {measurement.rate:.0f}/s", file=sys.stderr
                    )
                    measurements.append(measurement)
    return measurements


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the mail, three rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--workloads", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--pipelining", action="store_true", help="send MAIL, RCPT and DATA at once where offered")
    parser.add_argument("--dir", type=Path, help="where the servers keep their data; default /var/tmp")
    options = parser.parse_args(arguments)
    share = 5 if options.quick else 1
    workloads = []
    for workload in (WORKLOADS[name] for name in options.workloads):
        load = replace(workload.load, messages=workload.load.messages // share, pipelining=options.pipelining)
        workloads.append(replace(workload, load=load))
    try:
        measurements = compare(options.peers, workloads, options.rounds or (3 if options.quick else 5), options.dir)
    except PeerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 75
    table = markdown(measurements)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    RESULTS.mkdir(exist_ok=True)
    machine = {"kernel": platform.release(), "cores": os.cpu_count(), "python": platform.python_version()}
    report = {"at": stamp, "machine": machine, "measurements": [asdict(m) for m in measurements]}
    (RESULTS / f"compare-{stamp}.json").write_text(json.dumps(report, indent=1))
    (RESULTS / f"compare-{stamp}.md").write_text(table)
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
