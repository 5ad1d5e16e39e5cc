"""Importing, and what a large archive does to the one who waits for a 250.

`python -m bench.imports` takes mail in with `maild import`, ten thousand messages of 4 KB at a time, to a hundred
thousand. After each ten thousand the daemon is started and files and indexes them, which is timed apart. At the end,
with everything in the archive, mail is sent: while the index merges as it does every day, and while the daemon fills
an index that was lost, from the archive, beside receiving.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.compare import RESULTS, await_arrival, run_load, work_directory
from bench.load import Load, LoadResult
from bench.material import SHAPES, Writer, mailbox
from bench.peers import Maild, PeerError
from maild.archive.database import INDEX_NAME

_FLOOR = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One import: how many messages there were at its end, and what it took. CPU time is the importer's alone."""

    messages: int
    import_rate: float
    import_cpu_us: float
    filing_rate: float


def write_mbox(path: Path, count: int, seed: int) -> None:
    """Write mail as other programs keep it: lines end with LF, "From " in bodies is quoted."""
    with path.open("wb") as mbox:
        for mail in Writer(seed=seed).mails(SHAPES["4k"], count):
            content = mail.data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.").replace(b"\r\n", b"\n")
            quoted = content.replace(b"\nFrom ", b"\n>From ")
            mbox.write(b"From %s Mon Jan  5 10:00:00 2026\n%s\n" % (mail.sender, quoted))


def _import(daemon: Maild, mbox: Path, address: str) -> tuple[float, float]:
    """Import one file; return wall and CPU seconds.

    Raises:
        PeerError: it did not import everything.
    """
    before = os.times()
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "maild", "import", str(mbox), "--to", address],
        capture_output=True, text=True, check=False, env=os.environ | {"MAILD_CONFIG": str(daemon.settings)},
    )  # fmt: skip
    took_s = time.monotonic() - began_s
    if done.returncode:
        raise PeerError(f"maild import: {done.stderr.strip()}")
    after = os.times()
    used_s = after.children_user + after.children_system - before.children_user - before.children_system
    return took_s, used_s


def import_all(daemon: Maild, directory: Path, step: int, total: int) -> list[Batch]:
    """Import and file `total` messages, `step` at a time."""
    batches = []
    for number in range(total // step):
        mbox = directory / "batch.mbox"
        write_mbox(mbox, step, seed=500 + number)
        took_s, used_s = _import(daemon, mbox, mailbox(number))
        daemon.start()
        began_s = time.monotonic()
        done_s = await_arrival(daemon, (number + 1) * step)
        daemon.verify()
        daemon.stop()
        batch = Batch(
            messages=(number + 1) * step,
            import_rate=step / took_s,
            import_cpu_us=used_s / step * 1e6,
            filing_rate=step / (done_s - began_s),
        )
        print(f"{batch.messages}: {batch.import_rate:.0f}/s imported, {batch.filing_rate:.0f}/s filed", file=sys.stderr)
        batches.append(batch)
    return batches


def receive(daemon: Maild, load: Load, *, without_index: bool) -> LoadResult:
    """Send mail to the daemon; `without_index`, while it fills one anew."""
    if without_index:
        for path in daemon.data_dir.glob(f"{INDEX_NAME}*"):
            path.unlink()
    daemon.start()
    try:
        return run_load(load, daemon.port)
    finally:
        daemon.stop()


def _report(batches: Sequence[Batch], replies: dict[str, LoadResult]) -> str:
    lines = [
        "| messages | import, messages/s | importer's CPU µs | filing and indexing, messages/s |",
        "|---|---|---|---|",
    ]
    lines += [f"| {b.messages} | {b.import_rate:.0f} | {b.import_cpu_us:.0f} | {b.filing_rate:.0f} |" for b in batches]
    first, last = batches[0], batches[-1]
    share = last.import_rate / first.import_rate
    of_cpu = first.import_cpu_us / last.import_cpu_us
    lines += [
        "",
        f"Rate at {last.messages} against {first.messages}: {share:.2f} (floor {_FLOOR}); by CPU time {of_cpu:.2f}",
        "",
        "| receiving | messages/s accepted | reply p50 ms | reply p99 ms | longest ms |",
        "|---|---|---|---|---|",
    ]
    for name, r in replies.items():
        rate = r.messages / (r.finished_s - r.started_s)
        lines.append(f"| {name} | {rate:.0f} | {r.reply_p50_ms:.1f} | {r.reply_p99_ms:.1f} | {r.reply_max_ms:.1f} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.imports", description=__doc__)
    parser.add_argument("--step", type=int, default=10_000, help="messages in one import")
    parser.add_argument("--total", type=int, default=100_000)
    parser.add_argument("--load", type=int, default=6_000, help="messages sent to measure replies")
    parser.add_argument("--dir", type=Path, help="where the archive lies; default /var/tmp")
    options = parser.parse_args(arguments)
    load = Load(shape="4k", messages=options.load, per_connection=50, seed=700)
    try:
        with work_directory(options.dir) as directory:
            empty = Maild(directory / "empty")
            replies = {"into an empty archive": receive(empty, load, without_index=False)}
            daemon = Maild(directory / "maild")
            daemon.start()
            daemon.stop()
            batches = import_all(daemon, directory, options.step, options.total)
            at = f"with {options.total} messages"
            replies[f"{at}, the index merging"] = receive(daemon, load, without_index=False)
            replies[f"{at}, the index filled anew"] = receive(daemon, load, without_index=True)
    except PeerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 75
    table = _report(batches, replies)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    RESULTS.mkdir(exist_ok=True)
    measured = {"batches": [asdict(b) for b in batches], "replies": {k: asdict(r) for k, r in replies.items()}}
    (RESULTS / f"imports-{stamp}.json").write_text(json.dumps(measured, indent=1))
    (RESULTS / f"imports-{stamp}.md").write_text(table)
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
