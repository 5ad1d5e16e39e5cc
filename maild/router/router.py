"""The router: takes accepted mail to where people see it.

It takes waiting mail in batches (`claims`), has a worker process read it, files it in one transaction and hands the
text to the index.
Work that fails stays `accepted` in the database and is claimed again; nothing is decided from memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from maild.archive.as_read import Filing
from maild.archive.compression import DamagedError
from maild.archive.database import Database
from maild.archive.documents import IndexDocument
from maild.archive.filing import Filed, file
from maild.archive.index_writer import IndexWriter
from maild.authentication.examiner import Examiner
from maild.confinement import ConfinementError, Pool, Streamed, StreamError
from maild.errors import NotFoundError, TemporaryError
from maild.mail.authentication import NO_RELAYS, TrustedRelays
from maild.mail.evidence import Evidence, to_json
from maild.mail.ids import format_id
from maild.router.asking import Asking
from maild.router.claims import Claims, Task
from maild.router.contents import fetch, stream
from maild.router.examining import Examining, Unexamined
from maild.router.reading import Order, Reading, bare, read_one
from maild.router.tokens import tied
from maild.rules.model import Ruleset
from maild.rules.rulebook import Rulebook

_PATIENCE_S = 0.2  # how long a batch waits for the slowest DNS of its senders
_FLIGHTS = 3  # batches under way: one read, one filed, one waiting
_log = structlog.get_logger()


class Router:
    """Reads, routes and files what intake has stored."""

    def __init__(
        self,
        *,
        database: Database,
        rulebook: Rulebook,
        pool: Pool,
        index: IndexWriter,
        on_filed: Callable[[Filed], None],
        chance: Callable[[int], int],
        unread: Callable[[Ruleset], frozenset[str]] = lambda _: frozenset(),
        now_ms: Callable[[], int],
        relays: TrustedRelays = NO_RELAYS,
        on_report: Callable[[int], None] = lambda _: None,
        examiner: Examiner | None = None,
        token_key: bytes | None = None,
    ) -> None:
        """Wire the router.

        Args:
            database: where mail waits and is filed.
            rulebook: the rules that serve.
            pool: the workers that read.
            index: hears what was filed.
            on_filed: hears of what was filed, and whether anything is to be done besides.
            chance: gives so many random bits, for references.
            unread: names the inboxes that nobody can read now, and what `maild.mail.inbox.unled` says besides.
            now_ms: the wall clock, for when duties were made.
            relays: whose word on a sender is believed.
            on_report: hears of filed messages that look like reports about our domains.
            examiner: finds out who sent what nobody has examined; None: nobody is asked.
            token_key: of the addresses that reports and answers to copies come back to; None: there are none.
        """
        self._database = database
        self._rulebook = rulebook
        self._index = index
        self._on_filed = on_filed
        self._on_report = on_report
        self._unread = unread
        self._now_ms = now_ms
        # Security: it stays in this process; what reads mail never has it.
        self._token_key = token_key
        self._claims = Claims(database, chance=chance, relays=relays, examiner=examiner)
        self._examining = None if examiner is None else Examining(pool, examiner, now_ms)
        self._asking = Asking(pool, database, unread)
        self._slots = asyncio.Semaphore(_FLIGHTS)
        self._flights: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.filed_count = 0
        self.source_only_count = 0

    def offer(self, order: Order, octets: bytes | None, unexamined: Unexamined | None = None) -> None:
        """Hear of mail that was just committed. Losing an offer loses nothing: the database has the work item."""
        self._claims.offer(order, octets, unexamined)

    async def run(self) -> None:
        """Work until `stop`; also looks for mail that other processes or an earlier life have left."""
        working = asyncio.create_task(self._work_through())
        beside = asyncio.create_task(self._claims.poll()), asyncio.create_task(self._work_on_large())
        try:
            ended, _ = await asyncio.wait((working, *beside), return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()  # what ended one of them too early ends the whole, and is heard of
        finally:
            for task in (working, *beside):
                task.cancel()
            if self._examining is not None:
                self._examining.cancel()

    async def _work_through(self) -> None:
        while not (self._stopping and not self._claims.ready):
            if not self._claims.ready:
                self._claims.wake.clear()
                await self._claims.wake.wait()
                continue
            await self._slots.acquire()
            if not self._stopping:
                await self._claims.keep_pace()
            flight = asyncio.create_task(self._fly(self._claims.take(), bulk=False))
            self._flights.add(flight)
            flight.add_done_callback(self._landed)
        await asyncio.gather(*self._flights, return_exceptions=True)
        await self._claims.large.join()

    def stop(self) -> None:
        """Finish what is claimed and return from `run`."""
        self._stopping = True
        self._claims.hurry()

    @property
    def backlog(self) -> int:
        """Messages claimed and not yet filed."""
        return self._claims.count

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._slots.release()

    async def _work_on_large(self) -> None:
        while True:
            await self._fly([await self._claims.large.get()], bulk=True)
            self._claims.large.task_done()

    async def _fly(self, batch: list[Task], *, bulk: bool) -> None:
        try:
            await self._work(batch, bulk=bulk)
        except Exception as error:  # noqa: BLE001 - a worker's attempt: the work items stay, the poll claims them again
            self._fail(error, len(batch))
        finally:
            for task in batch:
                if not task.away:
                    self._claims.let_go(task)

    async def _work(self, batch: list[Task], *, bulk: bool) -> None:
        self._claims.set_out(batch)
        ruleset = self._rulebook.current
        if bulk:
            (task,) = batch
            task.octets = Streamed(task.order.size, partial(stream, self._database, task.order.message_id))
        await self._fetch_missing(batch)
        batch = await self._examined(batch, bulk=bulk)
        readings = await self._read(ruleset, batch, bulk=bulk)
        for task in batch:
            task.octets = None
        documents: list[IndexDocument] = []
        for reading, filed in await self._file(ruleset, batch, readings):
            if filed is not None:
                documents.append(reading.document._replace(revision=filed.revision))
                self._report(reading, filed)
        self._index.add(documents)

    async def _examined(self, batch: list[Task], *, bulk: bool) -> list[Task]:
        """Have the senders of a batch examined; return those that need not wait any longer."""
        if self._examining is None:
            return batch
        asked = [(task, task.unexamined, task.octets) for task in batch if task.unexamined and task.octets is not None]
        if not asked:
            return batch
        begun = await self._examining.begin([(unexamined, octets) for _, unexamined, octets in asked], bulk=bulk)
        await asyncio.wait(begun, timeout=_PATIENCE_S)
        for (task, _, _), examination in zip(asked, begun, strict=True):
            if examination.done():
                self._take_evidence(task, examination.result())
            else:
                task.away, task.octets = True, None
                examination.add_done_callback(partial(self._come_back, task))
        return [task for task in batch if not task.away]

    def _come_back(self, task: Task, examination: asyncio.Task[Evidence]) -> None:
        task.away = False
        if examination.cancelled() or examination.exception() is not None:
            self._claims.let_go(task)
            return
        self._take_evidence(task, examination.result())
        self._claims.claim(task)

    def _take_evidence(self, task: Task, evidence: Evidence) -> None:
        task.order = task.order._replace(verdicts=evidence.verdicts, evidence=to_json(evidence), mark=evidence.mark)
        task.unexamined = None

    async def _file(
        self, ruleset: Ruleset, batch: list[Task], readings: list[Reading]
    ) -> list[tuple[Reading, Filed | None]]:
        """File what was read; None for what was filed before, and for what waits for the storage to be well again."""
        readings = [tied(task.order, reading, self._token_key) for task, reading in zip(batch, readings, strict=True)]
        answers = await asyncio.gather(*(self._submit(reading.filing) for reading in readings), return_exceptions=True)
        filed: list[tuple[Reading, Filed | None]] = []
        for task, reading, answer in zip(batch, readings, answers, strict=True):
            if isinstance(answer, TemporaryError):
                self._fail(answer)
                filed.append((reading, None))
            elif isinstance(answer, BaseException):
                filed.append(await self._file_marked(ruleset, task, reading, answer))
            else:
                filed.append((reading, answer))
        return filed

    async def _file_marked(
        self, ruleset: Ruleset, task: Task, reading: Reading, error: BaseException
    ) -> tuple[Reading, Filed | None]:
        """File a message that cannot be filed as it was read, marked: else it would be in no inbox."""
        _log.error("router.failed", error=type(error).__name__, messages=1)
        problem = f"{type(error).__name__} in filing"
        # Where it was put stands as long as it can: by its envelope alone it might come out of a confidential inbox.
        for by_envelope in (False, True):
            plain = bare(self._by_envelope(ruleset, task, "crash") if by_envelope else reading, problem)
            try:
                return plain, await self._submit(plain.filing)
            except TemporaryError as busy:
                error = busy
                break
            except Exception as again:  # noqa: BLE001 - a worker's attempt: the work item stays, others are not kept
                error = again
        self._fail(error)
        return reading, None

    def _fail(self, error: BaseException, messages: int = 1) -> None:
        _log.error("router.failed", error=type(error).__name__, messages=messages)
        self._claims.rest()

    def _submit(self, filing: Filing) -> asyncio.Future[Filed | None]:
        """Have a message filed; what it asks for is recorded as of now, and not as of when it was read."""
        return self._database.writer.run(file, filing._replace(at_ms=self._now_ms()) if filing.duties else filing)

    async def _fetch_missing(self, batch: list[Task]) -> None:
        missing = [task for task in batch if task.octets is None]
        if missing:
            digests = {task.order.message_id: task.digest for task in missing}
            octets = await asyncio.to_thread(fetch, self._database, digests)
            for task in missing:
                task.octets = octets.get(task.order.message_id)

    async def _read(self, ruleset: Ruleset, batch: list[Task], *, bulk: bool) -> list[Reading]:
        readable = [task for task in batch if task.octets is not None]
        try:
            answers = iter(await self._asking.ask(ruleset, [(t.order, t.octets) for t in readable], bulk=bulk))
        except ConfinementError as error:
            if len(batch) > 1:
                # One of them is poison; alone it harms nobody else.
                return [(await self._read(ruleset, [task], bulk=True))[0] for task in batch]
            (task,) = batch
            if error.kind == "crash" and not task.crashed:
                task.crashed = True
                return await self._read(ruleset, batch, bulk=True)
            return [self._by_envelope(ruleset, task, error.kind)]
        except (DamagedError, NotFoundError, StreamError):
            return [self._by_envelope(ruleset, task, "missing") for task in batch]
        return [next(answers) if t.octets is not None else self._by_envelope(ruleset, t, "missing") for t in batch]

    def _by_envelope(self, ruleset: Ruleset, task: Task, limit: str) -> Reading:
        _log.warning("message.source_only", id=format_id(task.order.message_id), limit=limit)
        return read_one(ruleset, task.order._replace(source_only=limit), None, self._unread(ruleset))

    def _report(self, reading: Reading, filed: Filed) -> None:
        self.filed_count += 1
        self.source_only_count += reading.filing.summary.source_only is not None
        self._on_filed(filed)
        if reading.may_report:
            self._on_report(filed.message_id)
        _log.info(
            "message.routed",
            id=format_id(filed.message_id),
            teams=filed.teams,
            rules=reading.filing.rules_version[:12],
            source_only=reading.filing.summary.source_only,
            problem=reading.filing.problem,
        )
