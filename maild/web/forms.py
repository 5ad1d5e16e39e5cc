"""Forms: read within limits, and believed only when a page of ours sent them.

Two proofs are asked for. The browser says where a request comes from (Sec-Fetch-Site, Origin), and the form
carries a token that only our page could know.
Source: OWASP ASVS 5.0 §3.5; the Fetch Standard for Sec-Fetch-Site and for the Origin `null` of pages without referrer
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from maild.web.services import WebSettings

MAX_FIELDS = 50


async def read_form(
    request: Request, settings: WebSettings, max_body_bytes: int | None = None, max_fields: int = MAX_FIELDS
) -> Mapping[str, str]:
    """Return the fields of an urlencoded form; raises HTTPException 400, 408, 413 or 415."""
    most = settings.max_body_bytes if max_body_bytes is None else max_body_bytes
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            body = await _body(request, most)
    except TimeoutError:
        raise HTTPException(408) from None
    try:
        if len(body) > settings.max_body_bytes:
            return await run_in_threadpool(_fields, body, max_fields)
        return _fields(body, max_fields)
    except ValueError:
        raise HTTPException(400) from None


def _fields(body: bytes, max_fields: int) -> Mapping[str, str]:
    return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=max_fields))


async def _body(request: Request, max_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or int(declared[:12]) > max_bytes:
        raise HTTPException(413)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > max_bytes:
            raise HTTPException(413)
    return bytes(body)


def require_own_form(request: Request, form: Mapping[str, str], form_token: str, settings: WebSettings) -> None:
    """Refuse a form that another site sent; raises HTTPException 403."""
    if not _from_here(request, settings) or not hmac.compare_digest(
        form.get("token", "").encode("utf-8", "surrogatepass"), form_token.encode()
    ):
        raise HTTPException(403)


def _from_here(request: Request, settings: WebSettings) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    # Interop: without HTTPS browsers send no Sec-Fetch-Site, and as our pages send no referrer, the Origin of our
    # own forms is `null`. The token decides then.
    if origin is None or origin == "null":
        return True
    return origin.lower() in {settings.origin, f"http://{request.headers.get('host', '')}".lower()}


def own_path(text: str) -> str:
    """Return `text` when it is a path on this site, else `/`: never a way to another one."""
    # Security: `//host`, `/\host` and control characters before them lead elsewhere in browsers.
    is_own = text.startswith("/") and not text.startswith(("//", "/\\"))
    is_plain = len(text) <= 1_000 and text.isprintable() and "\\" not in text and " " not in text
    return text if is_own and is_plain and not text.startswith(("/login", "/logout")) else "/"


def whole_number(text: str, *, digits: int = 18) -> int | None:
    """Return the number that a form or an address names; None for what is none, or has more digits.

    Security: numbers of 18 digits fit into the columns of both databases.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
