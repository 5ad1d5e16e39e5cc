"""The doors: SMTP listeners and the web server, opened from Settings."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from typing import cast

import uvicorn

from maild.app.metrics import Gauges
from maild.archive.database import Database
from maild.config import Settings
from maild.confinement import Pool
from maild.errors import TemporaryError
from maild.intake.accept import Intake
from maild.rules.rulebook import Rulebook
from maild.smtp.limits import Limits
from maild.smtp.reception import Reception
from maild.smtp.server import Server, serve
from maild.smtp.tls import TlsFiles
from maild.web.feed import Feed
from maild.web.services import Services, WebSettings
from maild.web.site import create_site

_BACKLOG = 512
_GRACE_S = 5


async def open_smtp(settings: Settings, intake: Intake, inherited: list[socket.socket]) -> list[Server]:
    """Listen for mail on the sockets that systemd gave, else on every address of `[smtp] listen`."""
    limits = Limits(**{f.name: getattr(settings.smtp, f.name) for f in fields(Limits)})
    tls = None
    if settings.tls.cert_file is not None and settings.tls.key_file is not None:
        tls = TlsFiles(cert_file=settings.tls.cert_file, key_file=settings.tls.key_file)
    hostname = settings.server.hostname or socket.getfqdn()
    listens: list[str | socket.socket] = list(inherited) or [str(e) for e in settings.smtp.listen]
    # The session hands back the very spool that `intake.spool` gave it; the edge's protocol cannot say so.
    reception = cast("Reception", intake)
    servers = []
    for listen in listens:
        try:
            servers.append(await serve(listen, reception, limits, hostname, tls))
        except OSError as error:
            raise _cannot_listen("[smtp] listen", listen, error) from error
    return servers


class Web:
    """The web server in our event loop."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None], feed: Feed, port: int) -> None:
        """Hold what `open_web` started."""
        self._server = server
        self._task = task
        self._feed = feed
        self.port = port

    async def close(self) -> None:
        """End live pages, answer what is in hand, stop."""
        self._feed.close()
        self._server.should_exit = True
        await self._task


async def open_web(
    settings: Settings,
    *,
    database: Database,
    rulebook: Rulebook,
    pool: Pool,
    feed: Feed,
    gauges: Gauges,
    now_ms: Callable[[], int],
) -> Web:
    """Serve the pages."""
    listen = settings.web.listen
    try:
        bound = _bind(listen.host, listen.port)
    except OSError as error:
        raise _cannot_listen("[web] listen", str(listen), error) from error
    services = Services(
        database=database,
        rulebook=rulebook,
        pool=pool,
        settings=WebSettings(base_url=settings.base_url, language=settings.server.language),
        now_ms=now_ms,
        feed=feed,
        readiness=gauges.unready,
        metrics=gauges.exposition,
    )
    config = uvicorn.Config(
        create_site(services),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=32_768,
        limit_concurrency=500,
        proxy_headers=False,
        ws="none",
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[bound]), name="web")
    while not server.started:
        if task.done():
            await task
        await asyncio.sleep(0.01)
    return Web(server, task, feed, bound.getsockname()[1])


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the daemon has them."""

    def capture_signals(self) -> AbstractContextManager[None]:
        """Leave the signals alone."""
        return nullcontext()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


def _cannot_listen(setting: str, listen: str | socket.socket, error: OSError) -> TemporaryError:
    advice = {
        98: "another program has it; stop that or choose another port",
        13: "ports below 1024 need systemd's socket",
    }
    hint = advice.get(error.errno or 0, error.strerror or "")
    return TemporaryError(f"cannot listen on {listen} ({setting}): {hint}")
