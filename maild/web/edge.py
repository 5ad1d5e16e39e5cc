"""Around every request: limits before it, headers on whatever answers it, and a page when something breaks.

This is one of the four places that may catch Exception: a fault of ours becomes a page that says so, with an id
that the log knows.
"""

from __future__ import annotations

import secrets

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maild.web.headers import complete
from maild.web.problems import problem
from maild.web.services import Services

MAX_QUERY_BYTES = 4_096
MAX_PATH_BYTES = 1_024
MAX_HEADER_BYTES = 32_768
MAX_HEADERS = 100
_log = structlog.get_logger()


class Edge:
    """The outermost layer of the site."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        """Wrap `app`."""
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            # Security: no page of ours opens one; whoever does is another site (CVE-2026-22689).
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["maild.nonce"] = secrets.token_urlsafe(16)
        scope["maild.request_id"] = secrets.token_hex(6)
        answer = _Answer(send, scope["maild.nonce"], secure=self._services.settings.secure)
        refused = _refusal(scope)
        try:
            if refused is not None:
                await problem(Request(scope, receive), self._services, refused)(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except ClientDisconnect:
            return
        except Exception as error:
            _report(scope, error)
            if answer.started:
                raise
            await problem(Request(scope, receive), self._services, 500)(scope, receive, answer)


class _Answer:
    """Passes a response on, with its headers made complete."""

    def __init__(self, send: Send, nonce: str, *, secure: bool) -> None:
        self._send = send
        self._nonce = nonce
        self._secure = secure
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = complete(message.get("headers", ()), nonce=self._nonce, secure=self._secure)
        await self._send(message)


def _refusal(scope: Scope) -> int | None:
    headers = scope["headers"]
    if len(scope.get("raw_path") or scope["path"].encode()) > MAX_PATH_BYTES:
        return 414
    if len(scope["query_string"]) > MAX_QUERY_BYTES:
        return 414
    # Security: no browser sends it, and PostgreSQL takes it in no text: each would be a fault of ours in the log.
    if b"%00" in scope["query_string"]:
        return 400
    if len(headers) > MAX_HEADERS or sum(len(n) + len(v) for n, v in headers) > MAX_HEADER_BYTES:
        return 431
    return None


def _report(scope: Scope, error: Exception) -> None:
    # Security: neither the error's text nor the address in full, which may hold what a person searched for.
    at = error.__traceback__
    places = []
    while at is not None:
        places.append(f"{at.tb_frame.f_globals.get('__name__')}:{at.tb_lineno}")
        at = at.tb_next
    _log.error(
        "web.failed",
        request_id=scope["maild.request_id"],
        method=scope["method"],
        route=scope.get("maild.route", "?"),
        error=type(error).__name__,
        at=places[-6:],
    )


def client_ip(request: Request) -> str:
    """Return the address of who asks; the server has put a trusted proxy's word in its place."""
    return request.client.host if request.client is not None else ""


def is_loopback(request: Request) -> bool:
    """Tell whether the request comes from this machine itself, and not through a proxy on it."""
    headers = Headers(scope=request.scope)
    direct = not any(name in headers for name in ("x-forwarded-for", "forwarded", "via"))
    return direct and client_ip(request) in {"127.0.0.1", "::1"}
