"""A rehearsal: all archived mail of a time, routed by two versions of the rules side by side, and nothing done.

Mail is hostile input: it is read in worker processes alone, one for each core. This process only fetches octets and
counts answers.
"""

from __future__ import annotations

import os
import pickle
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import local
from typing import NamedTuple

from maild.archive.content import DamagedError, chunks, read_many
from maild.archive.database import Database
from maild.archive.received import Received, received, received_count
from maild.confinement import ConfinementError, Streamed, StreamError, Worker
from maild.errors import NotFoundError, TemporaryError
from maild.router.comparing import Asked, Change, Compared, Fate
from maild.router.letters import RulesWanted
from maild.rules.model import Ruleset

_COMPARE = "maild.router.comparing:compare_batch"
_PRELOAD = ("maild.router.comparing",)
_PAGE = 512  # messages fetched at once
_BATCH = 64  # of them, read in one call of a worker
_BATCH_BYTES = 1_000_000
_EXAMPLES = 3


class Kind(NamedTuple):
    """One sort of change: what happens to the mail now, would happen, and for which rules' sake.

    Beside the teams a fate has only what the other one has not: what stays as it is does not make another sort.
    """

    old: Fate
    new: Fate
    rules: tuple[str, ...]


class Example(NamedTuple):
    """One mail to look at."""

    message_id: int
    received_ms: int
    address: str


@dataclass(slots=True)
class Changes:
    """How often one sort of change was seen, and the newest mails in which."""

    count: int = 0
    examples: deque[Example] = field(default_factory=lambda: deque(maxlen=_EXAMPLES))


@dataclass(slots=True)
class Report:
    """What a rehearsal has shown. `unread` counts the messages that only their envelopes spoke for."""

    messages: int = 0
    recipients: int = 0
    unread: int = 0
    changed: int = 0
    kinds: dict[Kind, Changes] = field(default_factory=dict)
    before: Counter[str] = field(default_factory=Counter)  # team → recipients that lead to it
    after: Counter[str] = field(default_factory=Counter)
    unmatched: Counter[tuple[str, bool]] = field(default_factory=Counter)  # address, whether it would be refused

    def add(self, compared: Compared, *, newest_first: bool = False) -> None:
        """Count a batch. Examples are kept oldest first, in whatever order the batches come."""
        self.recipients += compared.recipients
        self.before.update(compared.before)
        self.after.update(compared.after)
        self.changed += len(compared.changes)
        for change in compared.changes:
            self._add(change, newest_first=newest_first)

    def _add(self, change: Change, *, newest_first: bool) -> None:
        seen = self.kinds.setdefault(_kind(change), Changes())
        seen.count += 1
        example = Example(change.message_id, change.received_ms, change.address)
        if not newest_first:
            seen.examples.append(example)
        elif len(seen.examples) < _EXAMPLES:
            seen.examples.appendleft(example)
        if change.old.claimed and not change.new.claimed:
            local_part, _, domain = change.address.lower().rpartition("@")
            # Without the detail: anyone may have written any number of them.
            address = f"{local_part.partition('+')[0]}@{domain}"
            self.unmatched[address, not change.new.teams] += 1


class _Answer(NamedTuple):
    compared: Compared
    unread: int = 0


class Rehearsal:
    """Compares two versions of the rules on archived mail. Reads the archive, writes nothing."""

    def __init__(self, database: Database, old: Ruleset, new: Ruleset) -> None:
        """Prepare; worker processes start with the first message."""
        self._database = database
        self._key = f"{old.version}:{new.version}"
        self._pickled = pickle.dumps((old, new), protocol=5)
        self._of_thread = local()
        self._workers: list[Worker] = []

    def count(self, since_ms: int, until_ms: int) -> int:
        """Count the messages that `run` will go through."""
        with self._database.read() as connection:
            return received_count(connection, since_ms, until_ms)

    def run(
        self,
        since_ms: int,
        until_ms: int,
        progress: Callable[[int], None],
        *,
        enough: Callable[[int], bool] | None = None,
    ) -> Report:
        """Return what differs in the mail of a time; `progress` hears of each batch of messages.

        With `enough` the newest mail comes first, and ends when it says so of the number of messages taken so far.
        """
        newest_first, taken = enough is not None, 0
        report = Report()
        size = max(2, os.cpu_count() or 2)
        under_way: deque[tuple[int, Future[list[_Answer]]]] = deque()

        def take() -> None:
            messages, future = under_way.popleft()
            for compared, unread in future.result():
                report.add(compared, newest_first=newest_first)
                report.unread += unread
            report.messages += messages
            progress(messages)

        with ThreadPoolExecutor(size, thread_name_prefix="rehearsal") as threads:
            try:
                for batch in self._batches(since_ms, until_ms, newest_first=newest_first):
                    if enough is not None and enough(taken):
                        break
                    taken += len(batch)
                    under_way.append((len(batch), threads.submit(self._compare, batch)))
                    if len(under_way) > 2 * size:
                        take()
                while under_way:
                    take()
            finally:
                threads.shutdown(cancel_futures=True)
                for worker in self._workers:
                    worker.kill()
        return report

    def _batches(self, since_ms: int, until_ms: int, *, newest_first: bool) -> Iterator[list[Received]]:
        with self._database.read() as connection:
            batch: list[Received] = []
            octets = 0
            for page in received(connection, since_ms, until_ms, _PAGE, newest_first=newest_first):
                for message in page:
                    if batch and (len(batch) == _BATCH or octets + message.size > _BATCH_BYTES):
                        yield batch
                        batch, octets = [], 0
                    batch.append(message)
                    octets += message.size
            if batch:
                yield batch

    def _compare(self, batch: list[Received]) -> list[_Answer]:
        wanted = [message for message in batch if message.addresses]
        if len(wanted) == 1 and wanted[0].size > _BATCH_BYTES:
            message = wanted[0]
            return list(self._ask([(_asked(message), Streamed(message.size, lambda: self._stream(message.digest)))]))
        with self._database.read() as connection:
            contents = read_many(connection, [message.digest for message in wanted])
        return list(self._ask([(_asked(message), contents.get(message.digest)) for message in wanted]))

    def _stream(self, digest: bytes) -> Iterator[bytes]:
        with self._database.read(mapped=False) as connection:
            yield from chunks(connection, digest)

    def _ask(self, messages: list[tuple[Asked, bytes | Streamed | None]]) -> Iterator[_Answer]:
        readable = [(asked, content) for asked, content in messages if content is not None]
        for asked, content in messages:
            if content is None:
                yield self._by_envelope(asked, "missing")
        if not readable:
            return
        try:
            yield _Answer(self._call([a for a, _ in readable], [content for _, content in readable]))
        except ConfinementError as error:
            if len(readable) == 1:
                yield self._by_envelope(readable[0][0], error.kind)
                return
            # One of them is poison; alone it spoils no other.
            for message in readable:
                yield from self._ask([message])
        except (DamagedError, NotFoundError, StreamError):
            yield self._by_envelope(readable[0][0], "missing")

    def _by_envelope(self, asked: Asked, limit: str) -> _Answer:
        try:
            return _Answer(self._call([asked._replace(source_only=limit)], [b""]), unread=1)
        except ConfinementError as error:
            # Nothing of the mail was read: it is this program, or the machine, and no result would be true.
            raise TemporaryError(f"the worker processes do not answer ({error}); nothing was compared") from error

    def _call(self, asked: list[Asked], contents: list[bytes | Streamed]) -> Compared:
        answer = self._worker().call(_COMPARE, self._key, None, asked, *contents)
        if isinstance(answer, RulesWanted):
            answer = self._worker().call(_COMPARE, self._key, self._pickled, asked, *contents)
        compared: Compared = answer
        return compared

    def _worker(self) -> Worker:
        worker: Worker | None = getattr(self._of_thread, "worker", None)
        if worker is None or worker.dead:
            worker = self._of_thread.worker = Worker(preload=_PRELOAD)
            self._workers.append(worker)
        return worker


def _kind(change: Change) -> Kind:
    old, new = change.old, change.new
    if not (old.teams and new.teams):
        # Refused, now or then: nothing else about it matters.
        return Kind(Fate(old.teams, claimed=old.claimed), Fate(new.teams, claimed=new.claimed), change.rules)
    return Kind(_beside(old, new), _beside(new, old), change.rules)


def _beside(fate: Fate, other: Fate) -> Fate:
    return fate._replace(
        tags=tuple(tag for tag in fate.tags if tag not in other.tags),
        priority="" if fate.priority == other.priority else fate.priority,
        state="" if fate.state == other.state else fate.state,
        problem=None if fate.problem == other.problem else fate.problem,
    )


def _asked(message: Received) -> Asked:
    return Asked(
        message_id=message.message_id,
        received_ms=message.received_ms,
        reverse_path=message.reverse_path or None,
        addresses=message.addresses,
        size=message.size,
    )
