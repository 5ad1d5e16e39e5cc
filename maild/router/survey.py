"""A survey: one question, asked of much archived mail by worker processes, one for each core.

Mail is hostile input: it is read in worker processes alone. This process only fetches octets and passes answers on, in
the order of the messages.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import local
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

from maild.archive.compression import DamagedError
from maild.archive.content import chunks, read_many
from maild.archive.database import Database
from maild.confinement import ConfinementError, Streamed, StreamError, Worker
from maild.errors import NotFoundError, TemporaryError
from maild.rules.in_worker import RulesWanted

_BATCH = 64  # messages read in one call of a worker
_BATCH_BYTES = 1_000_000


class Stored(Protocol):
    """What of a message says where its octets are."""

    @property
    def digest(self) -> bytes: ...
    @property
    def size(self) -> int: ...


class Asked(Protocol):
    """The question about one message."""

    def by_envelope(self, limit: str) -> Self:
        """Return the question about a message that must not be read."""


A = TypeVar("A")
S = TypeVar("S", bound=Stored)
Q = TypeVar("Q", bound=Asked)


class Answer(NamedTuple):
    """What a worker said of some messages. `by_envelope`: of how many only their envelopes spoke."""

    said: Any
    by_envelope: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[S, Q]):
    """What is asked: a function that workers know by its name, with rules they keep under a key.

    `asked` makes of a stored message what is sent beside its octets; None: nothing is asked about it.
    """

    function: str
    key: str
    rules: bytes  # pickled
    asked: Callable[[S], Q | None]


class Survey(Generic[S, Q]):
    """Asks one question of many messages. Reads the archive, writes nothing."""

    def __init__(self, database: Database, question: Question[S, Q]) -> None:
        """Prepare; worker processes start with the first message."""
        self._database = database
        self._question = question
        self._of_thread = local()
        self.workers: list[Worker] = []

    def run(self, pages: Iterable[list[S]]) -> Generator[tuple[int, list[Answer]]]:
        """Yield the answers batch by batch, with the number of messages of the batch."""
        size = max(2, os.cpu_count() or 2)
        under_way: deque[tuple[int, Future[list[Answer]]]] = deque()
        with ThreadPoolExecutor(size, thread_name_prefix="survey") as threads:
            try:
                for batch in _batches(pages):
                    under_way.append((len(batch), threads.submit(self._ask_batch, batch)))
                    if len(under_way) > 2 * size:
                        count, future = under_way.popleft()
                        yield count, future.result()
                while under_way:
                    count, future = under_way.popleft()
                    yield count, future.result()
            finally:
                threads.shutdown(cancel_futures=True)
                for worker in self.workers:
                    worker.kill()

    def _ask_batch(self, batch: list[S]) -> list[Answer]:
        wanted = [(message, asked) for message in batch if (asked := self._question.asked(message)) is not None]
        if len(wanted) == 1 and wanted[0][0].size > _BATCH_BYTES:
            message, asked = wanted[0]
            return list(self._ask([(asked, Streamed(message.size, lambda: self._stream(message.digest)))]))
        with self._database.read() as connection:
            contents = read_many(connection, [message.digest for message, _ in wanted])
        return list(self._ask([(asked, contents.get(message.digest)) for message, asked in wanted]))

    def _stream(self, digest: bytes) -> Iterator[bytes]:
        with self._database.read(mapped=False) as connection:
            yield from chunks(connection, digest)

    def _ask(self, messages: list[tuple[Q, bytes | Streamed | None]]) -> Iterator[Answer]:
        readable = [(asked, content) for asked, content in messages if content is not None]
        for asked, content in messages:
            if content is None:
                yield self._by_envelope(asked, "missing")
        if not readable:
            return
        try:
            yield Answer(self._call([a for a, _ in readable], [content for _, content in readable]))
        except ConfinementError as error:
            if len(readable) == 1:
                yield self._by_envelope(readable[0][0], error.kind)
                return
            # One of them is poison; alone it spoils no other.
            for message in readable:
                yield from self._ask([message])
        except (DamagedError, NotFoundError, StreamError):
            yield self._by_envelope(readable[0][0], "missing")

    def _by_envelope(self, asked: Q, limit: str) -> Answer:
        try:
            return Answer(self._call([asked.by_envelope(limit)], [b""]), by_envelope=1)
        except ConfinementError as error:
            # Nothing of the mail was read: it is this program, or the machine, and no result would be true.
            raise TemporaryError(f"the worker processes do not answer ({error}); nothing was compared") from error

    def _call(self, asked: list[Q], contents: list[bytes | Streamed]) -> Any:
        question = self._question
        answer = self._worker().call(question.function, question.key, None, asked, *contents)
        if isinstance(answer, RulesWanted):
            answer = self._worker().call(question.function, question.key, question.rules, asked, *contents)
        return answer

    def _worker(self) -> Worker:
        worker: Worker | None = getattr(self._of_thread, "worker", None)
        if worker is None or worker.dead:
            worker = self._of_thread.worker = Worker(preload=(self._question.function.partition(":")[0],))
            self.workers.append(worker)
        return worker


def _batches(pages: Iterable[list[S]]) -> Iterator[list[S]]:
    batch: list[S] = []
    octets = 0
    for page in pages:
        for message in page:
            if batch and (len(batch) == _BATCH or octets + message.size > _BATCH_BYTES):
                yield batch
                batch, octets = [], 0
            batch.append(message)
            octets += message.size
    if batch:
        yield batch
