"""The site: the table of routes made into an application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maild.errors import ForbiddenError, NotFoundError, TemporaryError
from maild.web.confirming import Confirming
from maild.web.edge import Edge
from maild.web.gate import Gate
from maild.web.pages import Pages
from maild.web.problems import problem
from maild.web.proofs import Proofs
from maild.web.routes import pages_of
from maild.web.services import Services

_STATUS: dict[type[Exception], int] = {NotFoundError: 404, ForbiddenError: 403, TemporaryError: 503}


def create_site(services: Services) -> Starlette:
    """Return the ASGI application of the browser edge."""
    pages = Pages()
    confirming = Confirming(proofs := Proofs(services))
    gates = [(page, Gate(page, services, pages, confirming)) for page in pages_of(services, proofs)]
    site = Starlette(
        routes=[
            Route(page.path, _endpoint(gate), methods=sorted(page.methods), name=page.path) for page, gate in gates
        ],
        middleware=[Middleware(Edge, services=services)],
        exception_handlers={
            HTTPException: _refused(services),
            **{kind: _failed(services, status) for kind, status in _STATUS.items()},
        },
    )
    # A path with a slash too many does not exist: redirecting would trust the Host header.
    site.router.redirect_slashes = False
    site.state.at_end = proofs.record_refusals  # to be awaited when nobody comes any more
    return site


def _endpoint(gate: Gate) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        request.scope["maild.route"] = gate.route_path
        return await gate(request)

    return endpoint


Handler = Callable[[Request, Exception], Awaitable[Response]]


def _refused(services: Services) -> Handler:
    async def handle(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return problem(request, services, status)

    return handle


def _failed(services: Services, status: int) -> Handler:
    async def handle(request: Request, _error: Exception) -> Response:
        return problem(request, services, status)

    return handle
