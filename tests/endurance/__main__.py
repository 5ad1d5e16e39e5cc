"""`make endure`: the real daemon for an hour (MINUTES=60) under all it must bear at once, with its real limits.

Five letters a second, of which one in a hundred is cut off on its way; 500 peers that send an octet in ten seconds, and
come again when they are cut; pages that are asked for; each minute a worker that is killed. Prints a line a minute, and
fails by lost mail, a wrong reply, a peer that was borne for more than 15 minutes, letters of others that took more than
two seconds (the 95th of 100); in an hour and more, too, by memory of the daemon that grows by more than 1 MB an hour in
the second half, or descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import os
import random
import resource
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.harness import Daemon, Ledger, reply_of
from tests.crash.oracle import judge
from tests.footprint import family

LETTERS_S = 5
SLOW = 500
SLOW_EVERY_S = 10.0
LOOKS = 12  # a minute, at the memory: a worker that was just killed has none
CUT_WITHIN_S = 900.0 + 3 * SLOW_EVERY_S  # a session without a letter, as those see it who look now and then
MOST_S = 2.0
MOST_GROWTH = 1.0  # MB an hour
STOPS = (  # where a slow peer goes on an octet at a time, after as many replies
    (1, b"EHLO slow.example"),
    (1, b"NOOP\r\n"),
    (3, b"RCPT TO:<info@musterstadt.example>\r\n"),
    (5, b"Subject: x\r\n\r\nxxxxxxxxx"),
)
OPENING = (b"EHLO x\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<info@musterstadt.example>\r\n", b"DATA\r\n")
SETTINGS = "[dns]\nresolvers = ['127.0.0.1:9']\n"


@dataclass
class Seen:
    """What was measured; `letters_s` and `pages_s` begin anew each minute, the rest never."""

    letters_s: list[float] = field(default_factory=list)
    pages_s: list[float] = field(default_factory=list)
    worst_s: list[float] = field(default_factory=list)  # the 95th of each minute
    longest_s: float = 0.0  # that a slow peer was borne
    cut: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)  # hours, MB of the daemon: workers live short here
    descriptors: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def memory_mb(processes: list[int]) -> float:
    """Return the memory of processes that is no file's."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    total += int(line.split()[1])
    return total / 1024


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)] if values else 0.0


async def slow_peer(port: int, number: int, seen: Seen) -> None:
    """Hold a place for as long as it is borne, and come again."""
    replies, octets = STOPS[number % len(STOPS)]
    await asyncio.sleep(number * SLOW_EVERY_S / SLOW)
    while True:
        begun = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reply_of(reader)
            for line in OPENING[: replies - 1]:
                writer.write(line)
                await reply_of(reader)
            heard, position = asyncio.ensure_future(reader.read()), 0
            while not heard.done():
                writer.write(octets[position % len(octets) :][:1])
                position += 1
                await asyncio.wait([heard], timeout=SLOW_EVERY_S)
            writer.transport.abort()
        except OSError:
            await asyncio.sleep(1)
        seen.cut += 1
        seen.longest_s = max(seen.longest_s, time.monotonic() - begun)


async def letter(port: int, ledger: Ledger, seen: Seen, chance: random.Random) -> None:
    """Send a letter, or a part of it."""
    mail, begun = ledger.mail(chance, 200_000), time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reply_of(reader)
        for line in OPENING:
            writer.write(line)
            await reply_of(reader)
        if chance.random() < 0.01:
            writer.write(mail[: chance.randrange(len(mail))])
            await writer.drain()
            writer.transport.abort()
            return
        writer.write(mail + b".\r\n")
        reply = await reply_of(reader)
        writer.close()
    except OSError as error:
        seen.wrong.append(f"a letter: {error}")
        return
    if reply.startswith(b"250 2.0.0"):
        ledger.acknowledged[hashlib.sha256(mail).hexdigest()] += 1
        seen.letters_s.append(time.perf_counter() - begun)
    else:
        seen.wrong.append(f"a letter: {reply!r}")


async def page(port: int, seen: Seen) -> None:
    """Ask for the page on which one signs in."""
    begun = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        said = await reader.read()
        writer.close()
    except OSError as error:
        seen.wrong.append(f"a page: {error}")
        return
    seen.pages_s.append(time.perf_counter() - begun)
    if not said.startswith(b"HTTP/1.1 200 "):
        seen.wrong.append(f"a page: {said[:60]!r}")


async def at_a_rate(each_s: float, act: object, until_s: float) -> None:
    """Do something at a rate, whatever time it takes."""
    assert callable(act)
    doing, due = set[asyncio.Task[None]](), time.monotonic()
    while due < until_s:
        task = asyncio.create_task(act())
        doing.add(task)
        task.add_done_callback(doing.discard)
        due += each_s
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.gather(*doing)


async def watch(pid: int, seen: Seen, ledger: Ledger, until_s: float, chance: random.Random) -> None:
    """Say once a minute how it is, and kill a worker."""
    begun = time.monotonic()
    while time.monotonic() < until_s:
        looks = []
        for _ in range(LOOKS):
            await asyncio.sleep(min(60.0 / LOOKS, max(0.0, until_s - time.monotonic())))
            looks.append((memory_mb(family(pid)), memory_mb([pid])))
        now_s = time.monotonic() - begun
        whole, alone = (statistics.median(values) for values in zip(*looks, strict=True))
        seen.memory.append((now_s / 3600, alone))
        seen.descriptors.append(len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208 - a count
        seen.worst_s.append(p95(seen.letters_s))
        print(
            f"{now_s / 60:5.1f} min  {ledger.acknowledged.total():6} letters, p95 {p95(seen.letters_s):.3f} s  "
            f"pages p95 {p95(seen.pages_s):.3f} s  slow: {seen.cut} cut, longest {seen.longest_s:.0f} s  "
            f"{whole:6.1f} MB, {alone:.1f} of the daemon itself  {seen.descriptors[-1]} descriptors  "
            f"{len(seen.wrong)} wrong",
            flush=True,
        )
        seen.letters_s, seen.pages_s = [], []
        if workers := family(pid)[2:]:  # the first beside the daemon is the one that they are copies of
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)


async def endure(daemon: Daemon, minutes: float, seen: Seen, ledger: Ledger) -> None:
    """Have the daemon bear it all."""
    assert daemon.process is not None
    chance, until_s = random.Random(17), time.monotonic() + 60 * minutes
    slow = [asyncio.create_task(slow_peer(daemon.smtp_port, number, seen)) for number in range(SLOW)]
    await asyncio.gather(
        at_a_rate(1 / LETTERS_S, lambda: letter(daemon.smtp_port, ledger, seen, chance), until_s),
        at_a_rate(1.0, lambda: page(daemon.web_port, seen), until_s),
        watch(daemon.process.pid, seen, ledger, until_s, chance),
    )
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


def growth(memory: list[tuple[float, float]]) -> float:
    """Return by how many MB an hour the memory grows in the second half; in the first it warms up.

    The median of the slopes between all pairs of looks (Theil and Sen): a minute in which many letters came at once has
    some megabytes more, and is no growth.
    """
    steady = memory[len(memory) // 2 :]
    if len(steady) < 2:
        return 0.0
    pairs = itertools.combinations(steady, 2)
    return statistics.median((later_mb - mb) / (later - at) for (at, mb), (later, later_mb) in pairs)


def faults(seen: Seen, minutes: float) -> list[str]:
    """Say what must not be."""
    said = [f"{len(seen.wrong)} wrong, such as {seen.wrong[0]}"] if seen.wrong else []
    if seen.longest_s > CUT_WITHIN_S:
        said.append(f"a slow peer was borne for {seen.longest_s:.0f} s")
    if statistics.median(seen.worst_s) > MOST_S:
        said.append(f"the 95th of 100 letters took {statistics.median(seen.worst_s):.1f} s")
    if minutes >= 60 and growth(seen.memory) > MOST_GROWTH:
        said.append(f"the memory grows by {growth(seen.memory):.1f} MB an hour")
    steady = seen.descriptors[len(seen.descriptors) // 3 :]
    if minutes >= 60 and max(steady) - min(steady) > SLOW // 5:
        said.append(f"between {min(steady)} and {max(steady)} descriptors")
    return said


def main(minutes: float) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * SLOW)), hard))
    with tempfile.TemporaryDirectory(prefix="maild-endurance-", dir="/var/tmp") as name:
        daemon, seen, ledger = Daemon(Path(name), settings=SETTINGS, roles="smtp,router,delivery,web"), Seen(), Ledger()
        daemon.start(anew=True)
        try:
            asyncio.run(endure(daemon, minutes, seen, ledger))
            daemon.wait_routed()
            said = faults(seen, minutes)
            if (code := daemon.stop()) != 0:
                said.append(f"it ended with {code}")
        finally:
            daemon.kill()
        verdict = judge(daemon.database, ledger.acknowledged)
    print(f"memory: {growth(seen.memory):+.1f} MB an hour; {verdict}")
    if not verdict.clean:
        said.append("mail was lost, or is not as it came")
    print(*(said or ["all was borne"]), sep="\n")
    return 1 if said else 0


sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
