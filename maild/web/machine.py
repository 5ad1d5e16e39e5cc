"""What machines ask for: health, readiness, metrics, stylesheet and script."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from maild.web.pages import STATIC, VERSIONS
from maild.web.visit import Visit

_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


async def alive(_visit: Visit) -> Response:
    """Say that the process lives."""
    return PlainTextResponse("ok\n")


async def ready(visit: Visit) -> Response:
    """Say whether mail can be stored durably and the newest rules serve; else name what is wrong, in a word each."""
    reasons = await run_in_threadpool(visit.services.readiness)
    if reasons:
        return PlainTextResponse(f"not ready: {' '.join(reasons)}\n", status_code=503)
    return PlainTextResponse("ready\n")


async def metrics(visit: Visit) -> Response:
    """Return the metrics in the Prometheus text format."""
    text = await run_in_threadpool(visit.services.metrics)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def static(visit: Visit) -> Response:
    """Return one of our own files; anything else does not exist, whatever the path says."""
    name = visit.request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404)
    tag = f'"{VERSIONS[name]}"'
    headers = {"etag": tag, "cache-control": "public, max-age=31536000, immutable"}
    if visit.request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(STATIC[name], headers=headers, media_type=_KINDS[name.rpartition(".")[2]])
