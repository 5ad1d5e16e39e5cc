"""The daemon: every part is built here from Settings, started in order, and ended in the opposite order.

Started: storage proven durable, rules loaded, workers, index, router, then the doors (SMTP, web). Ended: the doors
first, so that what was accepted is still routed and filed before the storage closes.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import structlog

from maild.app import logs
from maild.app.core import Core, start_core
from maild.app.heaps import give_back_heaps
from maild.app.living import Living, Part
from maild.app.mail_tasks import make_mail_tasks
from maild.app.metrics import Gauges
from maild.app.notify import inherited_sockets, notify, watchdog_interval_s
from maild.app.offering import leave_to_others, offer_to
from maild.app.returning import bring_back_in_time
from maild.app.screening import make_screen, make_teacher
from maild.app.senders import inspector_of
from maild.app.sending import make_worker
from maild.app.smtp_door import has_submission, open_smtp, open_submission
from maild.app.submission import make_mail_programs, make_submitter
from maild.app.waking import when_filed, when_released, when_sent
from maild.app.watchdog import watchdog
from maild.app.watching import RulesWatch
from maild.archive.database import Database, storage_errors
from maild.config import Settings
from maild.confinement import give_back_memory
from maild.delivery.promises import Promises
from maild.delivery.worker import Worker
from maild.intake.accept import Intake
from maild.intake.door import Door
from maild.intake.mail_programs import MailPrograms
from maild.intake.submit import Submitter
from maild.router.reports import ReportReader
from maild.router.router import Router
from maild.rules.rulebook import Rulebook
from maild.screening.screen import Screen
from maild.smtp.server import Server as SmtpServer

_DRAIN_S = 20.0
_CHANCE_BITS = 21
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
            # Perf: what was built to stay is not looked through at each collection of what mail leaves behind.
            gc.freeze()
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
        settings = self._settings
        core = start_core(settings, self._stack, self._living, now_ms)
        worker, promises = make_worker(
            settings,
            database=core.database,
            resolver=core.resolver,
            now_ms=now_ms,
            key=core.key,
            rulebook=core.rulebook,
        )
        submitter = make_submitter(
            settings,
            database=core.database,
            rulebook=core.rulebook,
            pool=core.pool,
            index=core.index,
            on_sent=when_sent(core.feed.publish, worker),
            now_ms=now_ms,
        )
        tasks = make_mail_tasks(
            settings,
            database=core.database,
            rulebook=core.rulebook,
            pool=core.pool,
            submitter=submitter,
            key=core.key,
            now_ms=now_ms,
            on_made=worker.wake,
        )
        wake = when_released((worker, *tasks.on_filed))
        reports = ReportReader(database=core.database, rulebook=core.rulebook, pool=core.pool, now_ms=now_ms)
        router = self._router(core, reports, wake)
        if "delivery" in only:
            self._deliver(worker, promises, tasks.by_name)
        if "router" in only:
            self._start_routing(core, router, reports)
        screen = make_screen(settings, core.database, core.resolver, now_ms)
        intake = self._intake(core, screen, router if "router" in only else None)
        gauges = Gauges(
            database=core.database,
            rulebook=core.rulebook,
            router=router,
            index=core.index,
            intake=intake,
            space=core.space,
            readers=core.readers,
            screen=screen,
            worker=worker,
        )
        watch = self._watch(core.rulebook)
        if "web" in only:
            await self._open_web(core, submitter, gauges, watch, wake)
        if "smtp" in only:
            programs = make_mail_programs(
                settings, database=core.database, rulebook=core.rulebook, submitter=submitter, now_ms=now_ms
            )
            gauges.servers.extend(await self._open_smtp(intake, programs))
        self._hear(wake)
        self._say_alive(core.database)
        self._beside(give_back_heaps(), "heaps")

    def _router(self, core: Core, reports: ReportReader, wake: Callable[[], None]) -> Router:
        return Router(
            database=core.database,
            rulebook=core.rulebook,
            pool=core.pool,
            index=core.index,
            on_filed=when_filed(core.feed.publish, wake),
            chance=secrets.randbits,
            unread=core.readers.unread_now,
            now_ms=now_ms,
            relays=self._settings.trusted_relays,
            on_report=reports.offer,
            examiner=core.examiner,
            token_key=core.key,
        )

    def _start_routing(self, core: Core, router: Router, reports: ReportReader) -> None:
        self._beside(reports.run(), "reports")
        self._beside(bring_back_in_time(core.database, core.rulebook, core.feed.publish, now_ms), "returning")
        self._finished(router.run(), "router", router.stop)
        if (teacher := make_teacher(self._settings, core.database, now_ms)) is not None:
            self._beside(teacher.run(), "teacher")

    def _intake(self, core: Core, screen: Screen | None, router: Router | None) -> Intake:
        """Return who takes mail in; without a `router` here, another process finds it."""
        settings = self._settings
        return Intake(
            writer=core.database.writer,
            rulebook=core.rulebook,
            door=Door(core.pool, settings.trusted_relays),
            space=core.space,
            spool_dir=core.data_dir,
            hostname=settings.server.hostname or socket.getfqdn(),
            now=now,
            chance=lambda: secrets.randbits(_CHANCE_BITS),
            on_stored=leave_to_others if router is None else offer_to(router, settings.trusted_relays),
            inspector=inspector_of(settings, core.pool, core.examiner),
            token_key=core.key,
            screen=screen,
        )

    async def _open_web(
        self, core: Core, submitter: Submitter, gauges: Gauges, watch: RulesWatch, wake: Callable[[], None]
    ) -> None:
        # A host that only receives mail neither loads nor needs the pages.
        from maild.app.web_door import open_web  # noqa: PLC0415

        web = await open_web(
            self._settings,
            database=core.database,
            rulebook=core.rulebook,
            pool=core.pool,
            feed=core.feed,
            gauges=gauges,
            now_ms=now_ms,
            reload_rules=watch.reload,
            submitter=submitter,
            secret=core.key,
            wake=wake,
        )
        self._living.watch(web.task)
        self._stack.push_async_callback(web.close)
        self.web_port = web.port

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
