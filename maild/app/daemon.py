"""The daemon: every part is built here from Settings, started in order, and ended in the opposite order.

Started: storage proven durable, rules loaded, workers, index, router, then the doors (SMTP, web). Ended: the doors
first, so that what was accepted is still routed and filed before the storage closes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import structlog

from maild.app import logs
from maild.app.hearing import hearing_of_filed, hearing_of_release, hearing_of_sent
from maild.app.living import Living, Part
from maild.app.metrics import Gauges
from maild.app.notify import inherited_sockets, notify, watchdog_interval_s
from maild.app.offering import leave_to_others, offer_to
from maild.app.readers import Readers
from maild.app.resolving import resolver_of
from maild.app.returning import bring_back_in_time
from maild.app.screening import make_screen, make_teacher
from maild.app.senders import examiner_of, inspector_of
from maild.app.sending import make_copying, make_worker
from maild.app.settling import settle_approval
from maild.app.smtp_door import has_submission, open_smtp, open_submission
from maild.app.submission import make_answers, make_mail_programs, make_member_answers, make_submitter
from maild.app.telling import make_telling
from maild.app.token_key import token_key
from maild.app.watchdog import watchdog
from maild.app.watching import RulesWatch
from maild.archive.database import Database, StoreLock, make_data_dir, storage_errors
from maild.archive.index_writer import IndexWriter, open_index
from maild.archive.upgrade import upgrade
from maild.archive.versions import BY_HAND, Version, record
from maild.archive.work import newest_revision
from maild.config import Settings
from maild.confinement import Pool, give_back_memory
from maild.delivery.promises import Promises
from maild.delivery.worker import Worker
from maild.errors import StorageError
from maild.intake.accept import Intake
from maild.intake.door import Door
from maild.intake.mail_programs import MailPrograms
from maild.intake.space import Space
from maild.router.documents import DocumentReader
from maild.router.reports import ReportReader
from maild.router.router import Router
from maild.router.teaching import Teacher
from maild.rules.model import Ruleset
from maild.rules.rulebook import Rulebook
from maild.rules.rules_file import owner_of
from maild.smtp.server import Server as SmtpServer
from maild.web.feed import Feed

_DRAIN_S = 20.0
_CHANCE_BITS = 21
_PRELOAD = ("maild.router.reading", "maild.intake.judging", "maild.web.letter")
_log = structlog.get_logger()


def now() -> datetime:
    """Read the wall clock; every other module is given this function."""
    return datetime.now(UTC)


def now_ms() -> int:
    """Read the wall clock in milliseconds since 1970."""
    return int(now().timestamp() * 1000)


async def run_daemon(settings: Settings, only: frozenset[str]) -> None:
    """Run the roles `only` (smtp, router, delivery, web) until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the rules were refused and there is no last good copy.
        StorageError: the database is newer than this program, or would lose mail at a power cut.
        TemporaryError: another daemon has the data directory, or a part that must live has ended.
        OSError: an address cannot be bound, or the data directory not be written.

    """
    _raise_descriptor_limit()
    give_back_memory()
    logs.configure(form=settings.log.format, level=settings.log.level)
    living = Living()
    async with AsyncExitStack() as stack:
        daemon = Daemon(settings, stack, living)
        try:
            with storage_errors():
                await daemon.start(only)
            notify("READY=1")
            _log.info(
                "daemon.ready",
                roles=sorted(only),
                smtp=daemon.smtp_ports,
                submission=daemon.submission_ports,
                web=daemon.web_port,
            )
            await living.until_over()
        finally:
            living.end()
            notify("STOPPING=1")
        _log.info("daemon.stopping")
    _log.info("daemon.stopped")


class Daemon:
    """What runs, and the order in which it ends (the exit stack)."""

    def __init__(self, settings: Settings, stack: AsyncExitStack, living: Living) -> None:
        """Prepare; `start` builds."""
        self._settings = settings
        self._stack = stack
        self._living = living
        self.smtp_ports: list[int] = []
        self.submission_ports: list[int] = []
        self.web_port: int | None = None

    async def start(self, only: frozenset[str]) -> None:
        """Build and start every part."""
        settings, stack = self._settings, self._stack
        data_dir = _prepare(settings.server.data_dir)
        lock = StoreLock(data_dir)
        stack.callback(lock.release)
        space = Space(
            data_dir,
            min_free_bytes=settings.server.min_free_bytes,
            reserve_bytes=settings.server.reserve_bytes,
            now_ms=now_ms,
        )
        space.take_reserve()
        database = self._storage(data_dir)
        index = self._index(database)  # before anyone reads: readers attach it, and cannot undo what a kill left in it
        database.writer.on_full.append(space.give_up_reserve_if_full)
        rulebook = self._rules(database, data_dir)
        readers = self._readers(database, rulebook)
        pool = Pool(_worker_count(), preload=_PRELOAD)
        stack.push_async_callback(pool.close)
        feed = Feed()
        reports = ReportReader(database=database, rulebook=rulebook, pool=pool, now_ms=now_ms)
        resolver = resolver_of(self._settings)
        examiner = examiner_of(settings, resolver, rulebook)
        key = token_key(data_dir)
        worker, promises = make_worker(
            settings,
            database=database,
            resolver=resolver,
            now_ms=now_ms,
            key=key,
            rulebook=rulebook,
        )
        submitter = make_submitter(
            settings,
            database=database,
            rulebook=rulebook,
            pool=pool,
            index=index,
            on_sent=hearing_of_sent(feed.publish, worker),
            now_ms=now_ms,
        )
        answers = make_answers(database, rulebook, pool, submitter, now_ms)
        copying = make_copying(settings, database, rulebook, now_ms, worker)
        member_answers = make_member_answers(
            settings, database=database, rulebook=rulebook, pool=pool, submitter=submitter, key=key, now_ms=now_ms
        )
        carrying_out = (worker, answers, copying, member_answers)
        wake = hearing_of_release(carrying_out)
        router = Router(
            database=database,
            rulebook=rulebook,
            pool=pool,
            index=index,
            on_filed=hearing_of_filed(feed.publish, carrying_out),
            chance=secrets.randbits,
            unread=readers.unread,
            now_ms=now_ms,
            relays=settings.trusted_relays,
            on_report=reports.offer,
            examiner=examiner,
            token_key=key,
        )
        if "delivery" in only:
            beside = {
                "answers": answers, "copies": copying, "member answers": member_answers,
                **make_telling(settings, database=database, rulebook=rulebook, submitter=submitter, now_ms=now_ms,
                               on_sent=worker.wake),
            }  # fmt: skip
            self._deliver(worker, promises, beside)
        if "router" in only:
            self._beside(reports.run(), "reports")
            self._beside(bring_back_in_time(database, rulebook, feed.publish, now_ms), "returning")
            self._finished(router.run(), "router", router.stop)
            self._teach(make_teacher(settings, database, now_ms))
        screen = make_screen(settings, database, resolver, now_ms)
        intake = Intake(
            writer=database.writer,
            rulebook=rulebook,
            door=Door(pool, settings.trusted_relays),
            space=space,
            spool_dir=data_dir,
            hostname=settings.server.hostname or socket.getfqdn(),
            now=now,
            chance=lambda: secrets.randbits(_CHANCE_BITS),
            on_stored=offer_to(router, settings.trusted_relays) if "router" in only else leave_to_others,
            inspector=inspector_of(settings, pool, examiner),
            token_key=key,
            screen=screen,
        )
        gauges = Gauges(
            database=database,
            rulebook=rulebook,
            router=router,
            index=index,
            intake=intake,
            space=space,
            readers=readers,
            screen=screen,
            worker=worker,
        )
        watch = self._watch(rulebook)
        if "web" in only:
            # A host that only receives mail neither loads nor needs the pages.
            from maild.app.web_door import open_web  # noqa: PLC0415

            web = await open_web(
                settings,
                database=database,
                rulebook=rulebook,
                pool=pool,
                feed=feed,
                gauges=gauges,
                now_ms=now_ms,
                reload_rules=watch.reload,
                submitter=submitter,
                secret=key,
                wake=wake,
            )
            self._living.watch(web.task)
            stack.push_async_callback(web.close)
            self.web_port = web.port
        if "smtp" in only:
            programs = make_mail_programs(
                settings, database=database, rulebook=rulebook, submitter=submitter, now_ms=now_ms
            )
            gauges.servers.extend(await self._open_smtp(intake, programs))
        self._hear(wake)
        self._say_alive(database)

    async def _open_smtp(self, intake: Intake, programs: MailPrograms) -> list[SmtpServer]:
        """Open the doors for mail servers, and those for mail programs when there are to be any."""
        inherited = inherited_sockets()
        servers = await open_smtp(self._settings, intake, inherited)
        self.smtp_ports = [server.port for server in servers]
        if has_submission(self._settings, inherited):
            self._stack.push_async_callback(programs.record_refusals)
            handed_in = await open_submission(self._settings, intake, programs, inherited)
            self.submission_ports = [server.port for server in handed_in]
            servers += handed_in
        for server in servers:
            self._stack.push_async_callback(server.drain, _DRAIN_S)
        return servers

    def _storage(self, data_dir: Path) -> Database:
        database = Database(self._settings.database.url, data_dir)
        database.writer.on_fault.append(self._living.thread("writer"))
        upgrade(database.writing)
        database.start()
        self._stack.callback(database.close)
        return database

    def _index(self, database: Database) -> IndexWriter:
        documents = DocumentReader(database)
        self._stack.callback(documents.close)
        index = IndexWriter(open_index(database), documents)
        index.on_fault.append(self._living.thread("index"))
        with database.read() as connection:
            index.start(newest_revision(connection))
        self._stack.callback(index.close)
        return index

    def _rules(self, database: Database, data_dir: Path) -> Rulebook:
        rulebook = Rulebook(self._settings.server.rules, data_dir)
        rulebook.load_at_start()

        def keep(ruleset: Ruleset) -> None:
            version = Version(
                digest=ruleset.version,
                source=rulebook.source,
                loaded_ms=now_ms(),
                author=BY_HAND,
                reason="",
                account=owner_of(rulebook.path),
            )
            database.writer.submit(record, version)

        keep(rulebook.current)
        rulebook.on_change(keep)
        settle_approval(database, rulebook, now_ms)
        return rulebook

    def _readers(self, database: Database, rulebook: Rulebook) -> Readers:
        readers = Readers(database, rulebook, now_ms)
        readers.refresh()
        rulebook.on_change(readers.tell)
        self._beside(readers.watch(), "readers")
        return readers

    def _beside(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run what may be cut off at any moment."""
        self._stack.callback(self._living.task(name, work).cancel)

    def _finished(self, work: Coroutine[object, object, None], name: str, stop: Callable[[], None]) -> None:
        """Run what is to finish, when it is told to stop, what it has in hand."""
        running = self._living.task(name, work)

        async def finish() -> None:
            stop()
            await asyncio.wait({running})

        self._stack.push_async_callback(finish)

    def _deliver(self, worker: Worker, promises: Promises, beside: Mapping[str, Part]) -> None:
        if not self._settings.outbound.smarthost:
            self._beside(promises.keep_fresh(), "promises")
        self._finished(worker.run(), "deliveries", worker.stop)
        for name, each in beside.items():
            self._beside(each.run(), name)

    def _teach(self, teacher: Teacher | None) -> None:
        if teacher is not None:
            self._beside(teacher.run(), "teacher")

    def _say_alive(self, database: Database) -> None:
        interval_s = watchdog_interval_s()
        if interval_s is not None:
            self._beside(watchdog(database, interval_s), "watchdog")

    def _hear(self, wake: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._living.end)
        # By the command line (`cli.waking`). Who does not know this signal passes it over.
        loop.add_signal_handler(signal.SIGURG, wake)

    def _watch(self, rulebook: Rulebook) -> RulesWatch:
        watch = RulesWatch(rulebook)
        self._beside(watch.run(), "rules")
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, watch.ask)
        return watch


def _raise_descriptor_limit() -> None:
    """Take all the descriptors that the system allows: a thousand peers need a thousand of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _prepare(data_dir: Path) -> Path:
    make_data_dir(data_dir)
    if not os.access(data_dir, os.W_OK):
        raise StorageError(f"the data directory {data_dir} cannot be written")
    return data_dir


def _worker_count() -> int:
    return max(2, min(4, os.cpu_count() or 2))
