"""The one writer: a thread that joins units of work into one transaction, so that they share its fsync.

A unit of work is a plain function `unit(connection, arguments) -> results`, one result for each argument. Units of
one kind that wait at the same time are handed over together. When a transaction fails, every unit is tried once
more alone behind a savepoint, so that one bad unit fails alone.

Invariant: a unit keeps no state outside the connection, because it may run twice.
Invariant: no future is resolved before COMMIT has returned. That is the promise behind every 250.
Invariant: who waits is answered, even when the thread itself ends of a fault: then nothing is stored any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from maild.errors import DiskFullError, MaildError, StorageError, TemporaryError

A = TypeVar("A")
R = TypeVar("R")
Unit = Callable[[Connection, list[A]], Sequence[R]]

_GROUP = 256  # units in one transaction at the most; more would make the first of them wait
# Under load the first of a group waits a moment for company: a commit costs as much for one as for twenty, and twenty
# sessions that wait for one commit are all served sooner than by five. Who comes alone never waits.
_LINGER_S = 0.001
_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Job:
    unit: Unit[Any, Any]
    argument: Any
    future: Future[Any] | asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class Writer:
    """Runs units of work in one thread, many in one transaction."""

    def __init__(self, engine: Engine, check: Callable[[], None]) -> None:
        """Prepare; `check` proves the storage sound and raises StorageError when it is not."""
        self._engine = engine
        self._check = check
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._connection: Connection | None = None
        self._stopping = threading.Event()
        self._in_hand: list[_Job] = []
        self._ended = threading.Event()
        self.on_fault: list[Callable[[BaseException], None]] = []  # called in the thread when it ends, and nobody asked
        self.on_full: list[Callable[[], None]] = []  # called in the writer's thread when the disk is full
        self.trusted = True  # False between a storage failure and the check that passes again

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, unit: Unit[A, R], argument: A) -> Future[R]:
        """Queue a unit from any thread; the future resolves after COMMIT, or fails with a MaildError."""
        future: Future[R] = Future()
        self._put(_Job(unit, argument, future))
        return future

    def run(self, unit: Unit[A, R], argument: A) -> asyncio.Future[R]:
        """Queue a unit from the event loop. Cancelling the wait does not undo the unit."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._put(_Job(unit, argument, future))
        return future

    def close(self) -> None:
        """Finish what is queued and stop."""
        self._stopping.set()
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _put(self, job: _Job) -> None:
        self._jobs.put(job)
        if self._ended.is_set():
            self._answer_all()

    def _run(self) -> None:
        try:
            self._work_through()
        except BaseException as error:  # noqa: BLE001 - a bug: nothing is stored without this thread, and that is said
            self.trusted = False
            for tell in self.on_fault:
                tell(error)
        finally:
            self._ended.set()
            self._answer_all()

    def _work_through(self) -> None:
        busy = False
        while (job := self._jobs.get()) is not None:
            self._in_hand = [job]
            if busy:
                time.sleep(_LINGER_S)
            ends = self._drain(self._in_hand)
            busy = len(self._in_hand) > 1
            self._work(self._in_hand)
            _resolve(self._in_hand)
            self._in_hand = []
            if ends:
                break
        self._disconnect()

    def _answer_all(self) -> None:
        """Have whoever waits know that nothing is carried out any more."""
        left, self._in_hand = self._in_hand, []
        with contextlib.suppress(queue.Empty):
            while True:
                if (job := self._jobs.get_nowait()) is not None:
                    left.append(job)
        for job in left:
            job.error = StorageError("the writer of the storage has ended")
        _resolve(left)

    def _drain(self, group: list[_Job]) -> bool:
        """Take what else has come into a group; tell whether the end has come, too."""
        with contextlib.suppress(queue.Empty):
            while len(group) < _GROUP:
                following = self._jobs.get_nowait()
                if following is None:
                    return True
                group.append(following)
        return False

    def _work(self, group: list[_Job]) -> None:
        try:
            self._recover()
            try:
                self._transaction(group)
            except (StorageError, TemporaryError):
                raise
            except Exception:
                if len(group) == 1:
                    raise
                self._one_by_one(group)
        except Exception as error:  # noqa: BLE001 - a unit of work: its failure goes to whoever waits for it
            failure = _classify(error)
            for job in group:
                job.error = job.error or failure
            # Invariant: the thread outlives whatever happens here, or nothing would ever be stored again.
            with contextlib.suppress(Exception):
                self._after_failure(failure, error)

    def _transaction(self, group: list[_Job]) -> None:
        connection = self._connect()
        try:
            with connection.begin():
                for unit, jobs in groupby(group, key=lambda job: job.unit):
                    together = list(jobs)
                    for job, result in zip(together, unit(connection, [j.argument for j in together]), strict=True):
                        job.result = result
        except DBAPIError as error:
            raise _storage_failure(error) or error from error

    def _one_by_one(self, group: list[_Job]) -> None:
        connection = self._connect()
        with connection.begin():
            for job in group:
                try:
                    with connection.begin_nested():
                        (job.result,) = job.unit(connection, [job.argument])
                except Exception as error:
                    if isinstance(error, DBAPIError) and _storage_failure(error):
                        raise
                    job.error = _classify(error)

    def _connect(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.invalidated:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            try:
                self._connection.close()
            except DBAPIError:
                _log.warning("storage.close_failed")
            self._connection = None

    def _recover(self) -> None:
        if not self.trusted:
            self._check()
            self.trusted = True
            _log.warning("storage.trusted_again")

    def _after_failure(self, failure: Exception, cause: Exception) -> None:
        if isinstance(failure, StorageError):
            # Invariant: after a failed fsync nothing is trusted. The next unit finds a fresh connection, and only
            # after the check has passed.
            self.trusted = False
            self._disconnect()
            _log.error("storage.failed", error=type(cause).__name__, text=_driver_text(cause))
        elif isinstance(failure, DiskFullError):
            self._make_room()
        elif not isinstance(failure, MaildError):
            _log.error("storage.unit_failed", error=type(cause).__name__, text=_driver_text(cause))

    def _make_room(self) -> None:
        """Give up reserves, and move the log into the database: on a full disk the log may be what fills it."""
        _log.error("storage.full")
        self._disconnect()
        for relieve in self.on_full:
            relieve()
        try:
            self._check()
        except StorageError:
            _log.warning("storage.still_full")


def _driver_text(error: BaseException) -> str:
    # Security: SQLAlchemy's own text quotes the parameters, which hold mail; the driver's does not.
    cause = error.__cause__ if isinstance(error, StorageError) and error.__cause__ is not None else error
    return _told(cause) if isinstance(cause, DBAPIError) else type(cause).__name__


def _told(error: DBAPIError) -> str:
    # Security: PostgreSQL quotes the row that it refuses, below the first line.
    return str(error.orig).partition("\n")[0]


def _storage_failure(error: DBAPIError) -> Exception | None:
    told = _told(error)
    text = told.lower()
    if "full" in text or "no space" in text:
        return DiskFullError(f"the disk is full: {told}")
    if "locked" in text:
        return TemporaryError(f"the database is busy: {told}")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return StorageError(f"the storage failed: {told}")
    return None


def _classify(error: Exception) -> Exception:
    if isinstance(error, DBAPIError):
        return _storage_failure(error) or error
    return error


def _resolve(group: list[_Job]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in group:
        if isinstance(job.future, Future):
            _answer(job)
        else:
            loops.setdefault(job.future.get_loop(), []).append(job)
    for loop, jobs in loops.items():
        with contextlib.suppress(RuntimeError):  # its loop is closed, and nobody waits there any more
            loop.call_soon_threadsafe(_resolve_in_loop, jobs)


def _resolve_in_loop(jobs: list[_Job]) -> None:
    for job in jobs:
        _answer(job)


def _answer(job: _Job) -> None:
    # Who waited may have given up, at this very moment, too: that must not end the thread.
    with contextlib.suppress(InvalidStateError, asyncio.InvalidStateError):
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
