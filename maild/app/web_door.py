"""The door for people: the web server, in the daemon's own event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from maild.app.metrics import Gauges
from maild.app.smtp_door import cannot_listen
from maild.archive.database import Database
from maild.config import Settings
from maild.confinement import Pool
from maild.intake.submit import Submitter
from maild.mail.networks import Network, is_in
from maild.rules.rulebook import Rulebook
from maild.web.connection import THIS_MACHINE, Connection
from maild.web.feed import Feed
from maild.web.services import Services, WebSettings
from maild.web.site import create_site

_BACKLOG = 512
_CONNECTIONS = 1_000  # above the site's own limit of open streams, so that pages are still answered beside them
_GRACE_S = 5


class Web:
    """The web server in our event loop."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None], feed: Feed, port: int) -> None:
        """Hold what `open_web` started."""
        self._server = server
        self.task = task
        self._feed = feed
        self.port = port

    async def close(self) -> None:
        """End live pages, answer what is in hand, stop."""
        self._feed.close()
        self._server.should_exit = True
        await asyncio.wait({self.task})
        site: Any = self._server.config.app
        await site.state.at_end()


async def open_web(
    settings: Settings,
    *,
    database: Database,
    rulebook: Rulebook,
    pool: Pool,
    feed: Feed,
    gauges: Gauges,
    now_ms: Callable[[], int],
    reload_rules: Callable[[], Awaitable[None]],
    submitter: Submitter,
    secret: bytes,
    wake: Callable[[], None],
) -> Web:
    """Serve the pages."""
    listen = settings.web.listen
    try:
        bound = _bind(listen.host, listen.port)
    except OSError as error:
        raise cannot_listen("[web] listen", str(listen), error) from error
    services = Services(
        database=database,
        rulebook=rulebook,
        pool=pool,
        settings=_web_settings(settings),
        now_ms=now_ms,
        feed=feed,
        readiness=gauges.unready,
        relays=settings.trusted_relays,
        metrics=gauges.exposition,
        reload_rules=reload_rules,
        learns=bool(settings.rspamd.controller),
        is_own_machine=lambda ip: is_in(ip, settings.authentication.own_networks),
        submitter=submitter,
        secret=secret,
        wake=wake,
    )
    server = make_server(services, settings.web.trusted_proxies)
    task = asyncio.create_task(server.serve(sockets=[bound]), name="web")
    while not server.started:
        if task.done():
            await task
        await asyncio.sleep(0.01)
    return Web(server, task, feed, bound.getsockname()[1])


def _web_settings(settings: Settings) -> WebSettings:
    return WebSettings(
        base_url=settings.base_url,
        hostname=settings.server.hostname,
        language=settings.server.language,
        approval=settings.rules.approval,
        max_message_bytes=settings.smtp.max_message_bytes,
        undo_s=settings.web.undo_s,
        second_factor=settings.web.second_factor,
        oidc=settings.oidc if settings.oidc.issuer else None,
    )


def make_server(services: Services, proxies: tuple[Network, ...] = THIS_MACHINE) -> uvicorn.Server:
    """Return the site in its server, with the limits that stand before every page; `proxies` say who asks."""
    config = uvicorn.Config(
        create_site(services),
        http=Connection.behind(proxies),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=32_768,
        limit_concurrency=_CONNECTIONS,
        # Security: who signs in is counted by address; behind a proxy that is what the proxy says, and nobody else.
        proxy_headers=True,
        forwarded_allow_ips=[str(each) for each in proxies],
        ws="none",
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the daemon has them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


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
