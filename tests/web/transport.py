"""The way of a test's request into the site: the whole answer at once.

Starlette's own way hands each piece of an answer from thread to thread, seven times for a page, so that a test can
read an answer that has not ended. Here one call has it all; a stream and a socket go the other way still.
"""

from __future__ import annotations

from asyncio import Event
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

from anyio.from_thread import BlockingPortal
from httpx2 import BaseTransport, Request, Response
from starlette.types import ASGIApp

_PORTS = {"http": 80, "https": 443}
_STREAM = "/events"


class Whole(BaseTransport):
    """Asks an application on a running loop."""

    def __init__(self, app: ASGIApp, loop: BlockingPortal, client: tuple[str, int], other: BaseTransport) -> None:
        self._app, self._loop, self._client, self._other = app, loop, client, other

    def handle_request(self, request: Request) -> Response:
        if request.url.scheme not in _PORTS or request.url.path == _STREAM:
            return self._other.handle_request(request)
        request.read()
        return self._loop.call(self._ask, request)

    def close(self) -> None:
        self._other.close()

    async def _ask(self, request: Request) -> Response:
        said: list[MutableMapping[str, Any]] = []
        asked, ended = [request.content], Event()

        async def receive() -> dict[str, Any]:
            if asked:
                return {"type": "http.request", "body": asked.pop()}
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            said.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                ended.set()

        try:
            await self._app(self._scope(request), receive, send)
        except Exception:  # noqa: BLE001 - as a server does: who asked gets the page that was sent before, or a 500
            if not said:
                return Response(500)
        start, body = said[0], b"".join(message.get("body", b"") for message in said[1:])
        return Response(start["status"], headers=start["headers"], content=b"" if request.method == "HEAD" else body)

    def _scope(self, request: Request) -> dict[str, Any]:
        url = request.url
        return {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "path": unquote(url.path),
            "raw_path": url.raw_path.partition(b"?")[0],
            "root_path": "",
            "scheme": url.scheme,
            "query_string": url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": self._client,
            "server": (url.host, url.port or _PORTS[url.scheme]),
            "state": {},
        }
