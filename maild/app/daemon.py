"""The daemon: every part is built here from Settings, started in order, and ended in the opposite order.

Started: storage proven durable, rules loaded, workers, index, router, then the doors (SMTP, web). Ended: the doors
first, so that what was accepted is still routed and filed before the storage closes.
"""

from __future__ import annotations

import asyncio
import resource
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import structlog

from maild.app import logs
from maild.app.core import Core, start_core
from maild.app.mail_tasks import make_mail_tasks
from maild.app.metrics import Gauges
from maild.app.notify import inherited_sockets, notify
from maild.app.offering import leave_to_others, offer_to
from maild.app.returning import bring_back_in_time
from maild.app.screening import make_screen, make_teacher
from maild.app.senders import inspector_of
from maild.app.sending import make_worker
from maild.app.smtp_door import has_submission, open_smtp, open_submission
from maild.app.submission import make_mail_programs, make_submitter
from maild.app.waking import Wakes, when_filed, when_sent
from maild.app.watchdog import watchdog
from maild.app.watching import RulesWatch
from maild.archive.database import storage_errors
from maild.config import Settings
from maild.confinement import give_back_memory
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
        TemporaryError: another daemon has the data directory.
        OSError: an address cannot be bound, or the data directory not be written.

    """
    _raise_descriptor_limit()
    give_back_memory()
    logs.configure(form=settings.log.format, level=settings.log.level)
    async with AsyncExitStack() as stack:
        daemon = Daemon(settings, stack)
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
        await daemon.until_stopped()
        notify("STOPPING=1")
        _log.info("daemon.stopping")
    _log.info("daemon.stopped")


class Daemon:
    """What runs, and the order in which it ends (the exit stack)."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        """Prepare; `start` builds."""
        self._settings = settings
        self._stack = stack
        self._stop = asyncio.Event()
        self.smtp_ports: list[int] = []
        self.submission_ports: list[int] = []
        self.web_port: int | None = None

    async def start(self, only: frozenset[str]) -> None:
        """Build and start every part."""
        settings = self._settings
        core = start_core(settings, self._stack, now_ms)
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
        reports = ReportReader(database=core.database, rulebook=core.rulebook, pool=core.pool, now_ms=now_ms)
        router = self._router(core, reports, (worker, *tasks.on_filed))
        if "delivery" in only:
            if not settings.outbound.smarthost:
                self._beside(promises.keep_fresh(), "promises")
            self._run(worker, "deliveries", self._worker_ended)
            for name, each in tasks.by_name.items():
                self._beside(each.run(), name)
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
            await self._open_web(core, submitter, gauges, watch)
        if "smtp" in only:
            programs = make_mail_programs(
                settings, database=core.database, rulebook=core.rulebook, submitter=submitter, now_ms=now_ms
            )
            gauges.servers.extend(await self._open_smtp(intake, programs))
        self._signals()
        self._beside(watchdog(core.database), "watchdog")

    def _router(self, core: Core, reports: ReportReader, on_filed: Iterable[Wakes]) -> Router:
        return Router(
            database=core.database,
            rulebook=core.rulebook,
            pool=core.pool,
            index=core.index,
            on_filed=when_filed(core.feed.publish, on_filed),
            chance=secrets.randbits,
            unread=core.readers.unread,
            now_ms=now_ms,
            relays=self._settings.trusted_relays,
            on_report=reports.offer,
            examiner=core.examiner,
            token_key=core.key,
        )

    def _start_routing(self, core: Core, router: Router, reports: ReportReader) -> None:
        self._beside(reports.run(), "reports")
        self._beside(bring_back_in_time(core.database, core.rulebook, core.feed.publish, now_ms), "returning")
        self._run(router, "router", self._router_ended)
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

    async def _open_web(self, core: Core, submitter: Submitter, gauges: Gauges, watch: RulesWatch) -> None:
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
        )
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

    async def until_stopped(self) -> None:
        """Wait for SIGTERM or SIGINT."""
        await self._stop.wait()

    def _beside(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run what may end at any moment."""
        running = asyncio.create_task(work, name=name)
        self._stack.callback(running.cancel)

    def _run(self, works: Router | Worker, name: str, ended: Callable[[asyncio.Task[None]], None]) -> None:
        """Run what the daemon is there for; at its end it finishes what it has in hand."""
        running = asyncio.create_task(works.run(), name=name)
        running.add_done_callback(ended)

        async def finish() -> None:
            self._stop.set()
            works.stop()
            await running

        self._stack.push_async_callback(finish)

    def _worker_ended(self, running: asyncio.Task[None]) -> None:
        if not self._stop.is_set():
            _log.error("delivery.ended", error=type(running.exception()).__name__)
            self._stop.set()

    def _router_ended(self, running: asyncio.Task[None]) -> None:
        if not self._stop.is_set():
            # Without its router the daemon would accept mail that nobody sees: systemd starts it anew.
            _log.error("router.ended", error=type(running.exception()).__name__)
            self._stop.set()

    def _signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    def _watch(self, rulebook: Rulebook) -> RulesWatch:
        watch = RulesWatch(rulebook)
        self._beside(watch.run(), "rules")
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, watch.ask)
        return watch


def _raise_descriptor_limit() -> None:
    """Take all the descriptors that the system allows: a thousand peers need a thousand of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
