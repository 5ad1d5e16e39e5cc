"""Signing in and out, and the list of one's sessions."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from contextlib import suppress
from dataclasses import replace

import structlog
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.accounts import Preference, fold_login, set_preferences, stored_password
from maild.archive.app_passwords import Withdrawal, app_passwords_of, revoke_app_passwords
from maild.archive.passwords import Verifier
from maild.archive.sessions import (
    Ending,
    NewSession,
    digest_of,
    end_sessions,
    handle_of,
    list_sessions,
    new_token,
    open_sessions,
)
from maild.errors import NotFoundError
from maild.mail.acts import Act
from maild.policy.throttle import Throttle
from maild.web.edge import client_ip
from maild.web.forms import own_path
from maild.web.gate import cookie_name
from maild.web.language import LANGUAGES
from maild.web.problems import LANGUAGE_COOKIE, problem
from maild.web.recording import remember_act
from maild.web.services import Services
from maild.web.visit import Visit, remember

_DEVICE_S = 180 * 86_400
_LANGUAGE_S = 400 * 86_400
_WAITING = 40  # tries in hand at once; known browsers have as many of their own
_BUSY_RETRY_S = 10.0
_MAX_FIELD = 200
_MAX_DIGITS = 19
_BROWSERS = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = ("Windows", "Android", "iPhone", "iPad", "Mac OS X", "Linux")
_log = structlog.get_logger()


class Desk:
    """Where passwords are checked. One for a site: it remembers failures, and knows browsers by its own key."""

    def __init__(self, services: Services) -> None:
        """Open the desk."""
        self._verifier = Verifier(services.settings.password_cost)
        self._throttle = Throttle()
        self._key = secrets.token_bytes(32)
        self._threads = CapacityLimiter(2)
        self._in_hand = {False: 0, True: 0}

    async def show(self, visit: Visit) -> Response:
        """Show the form."""
        wanted = own_path(visit.request.query_params.get("next", "/"))
        if visit.session is not None:
            return visit.go(wanted)
        return visit.page("login.html", next=wanted, login="", failed=False)

    async def sign_in(self, visit: Visit) -> Response:
        """Check a password and open a session."""
        login = visit.form.get("login", "")[:_MAX_FIELD]
        wanted = own_path(visit.form.get("next", "/"))
        ip, device = client_ip(visit.request), self._is_known_device(visit, login)
        verdict = self._throttle.begin(ip, fold_login(login), time.monotonic(), device=device)
        if verdict.retry_after_s or self._in_hand[device] >= _WAITING:
            wait_s = verdict.retry_after_s or _BUSY_RETRY_S
            _log.info("login.refused", client=ip)
            return problem(visit.request, visit.services, 429, retry_after_s=wait_s)
        self._in_hand[device] += 1
        try:
            await asyncio.sleep(verdict.delay_s)
            user_id, exists = await self._check(visit, login, visit.form.get("password", ""))
        finally:
            self._in_hand[device] -= 1
        if user_id is None:
            _log.info("login.failed", client=ip)
            if exists:  # what is typed there by mistake may be a password
                refused = visit.acted(Act.REFUSED, about=fold_login(login), client=ip)
                remember_act(visit, replace(refused, actor=""))
            return visit.page("login.html", status=403, next=wanted, login=login, failed=True)
        self._throttle.succeeded(ip, fold_login(login), time.monotonic(), device=device)
        return await self._open(visit, user_id, login, wanted)

    async def _check(self, visit: Visit, login: str, password: str) -> tuple[int | None, bool]:
        """Return whose password it is, and whether there is an account of that login that may sign in."""
        user_id, stored = await visit.read(stored_password, login)
        matched = await run_sync(self._verifier.verify, stored, password, limiter=self._threads)
        return (user_id if matched else None), user_id is not None

    async def _open(self, visit: Visit, user_id: int, login: str, wanted: str) -> Response:
        token = new_token()
        await visit.write(
            open_sessions,
            NewSession(
                digest=digest_of(token),
                user_id=user_id,
                client=browser_of(visit.request.headers.get("user-agent", "")),
                at_ms=visit.now_ms,
                lifetime=visit.services.settings.lifetime,
                ends=visit.session.digest if visit.session is not None else None,
            ),
            replace(visit.acted(Act.SIGNED_IN), actor=fold_login(login)),
        )
        _log.info("login.succeeded", user=user_id, client=client_ip(visit.request))
        response = visit.go(wanted)
        secure = visit.services.settings.secure
        remember(response, cookie_name(visit.services, "session"), token, secure=secure)
        remember(
            response,
            cookie_name(visit.services, "device"),
            self._device(login),
            secure=secure,
            max_age_s=_DEVICE_S,
        )
        return response

    def _device(self, login: str) -> str:
        return hmac.new(self._key, fold_login(login).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def _is_known_device(self, visit: Visit, login: str) -> bool:
        shown = visit.request.cookies.get(cookie_name(visit.services, "device"), "")
        return hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), self._device(login).encode())


async def ask_sign_out(visit: Visit) -> Response:
    """Ask before signing out: a link from elsewhere must not do it."""
    return visit.page("logout.html")


async def sign_out(visit: Visit) -> Response:
    """End this session."""
    if visit.session is not None:
        own = handle_of(visit.session.digest)
        ending = Ending(user_id=visit.person.user_id, handle=own)
        await visit.write(end_sessions, ending, visit.acted(Act.SIGNED_OUT))
    response = visit.go("/login")
    response.delete_cookie(
        cookie_name(visit.services, "session"), secure=visit.services.settings.secure, httponly=True, samesite="lax"
    )
    return response


async def sessions(visit: Visit) -> Response:
    """List one's sessions."""
    found = await visit.read(list_sessions, visit.person.user_id, visit.services.settings.lifetime, visit.now_ms)
    passwords = await visit.read(app_passwords_of, visit.person.login)
    own = handle_of(visit.session.digest) if visit.session is not None else ""
    return visit.page("sessions.html", sessions=found, own=own, passwords=passwords)


async def end(visit: Visit) -> Response:
    """End one of one's sessions, or all others."""
    keep = visit.session.digest if visit.session is not None else None
    handle = visit.form.get("handle")
    ending = Ending(user_id=visit.person.user_id, handle=handle or None, keep=None if handle else keep)
    await visit.write(end_sessions, ending, visit.acted(Act.SIGNED_OUT, what="another session"))
    return visit.go("/sessions")


async def revoke(visit: Visit) -> Response:
    """Take back the password of one of one's own mail programs."""
    number = visit.form.get("password", "")
    if not (number.isascii() and number.isdigit() and len(number) < _MAX_DIGITS):
        raise HTTPException(404)
    asked = Withdrawal(login=visit.person.login, id=int(number), at_ms=visit.now_ms)
    with suppress(NotFoundError):  # pressed twice: it is gone, as was asked for
        taken = visit.acted(Act.CREDENTIAL, about=visit.person.login, kind="mail program", revoked=asked.id)
        await visit.write(revoke_app_passwords, asked, taken)
    return visit.go("/sessions")


async def choose_language(visit: Visit) -> Response:
    """Switch the language of pages, for this browser and this person."""
    language = visit.form.get("language", "")
    if language not in LANGUAGES:
        raise HTTPException(400)
    if visit.principal is not None:
        await visit.write(set_preferences, Preference(user_id=visit.principal.user_id, language=language))
    response = visit.go(own_path(visit.form.get("next", "/")))
    remember(response, LANGUAGE_COOKIE, language, secure=visit.services.settings.secure, max_age_s=_LANGUAGE_S)
    return response


def browser_of(user_agent: str) -> str:
    """Return a browser in a word or two, for the list of sessions."""
    name = next((word for mark, word in _BROWSERS if mark in user_agent), "")
    system = next((word for word in _SYSTEMS if word in user_agent), "")
    plain = re.sub(r"[^\w ./()-]", "", user_agent)[:40]
    return " · ".join(word for word in (name, system.replace("Mac OS X", "macOS")) if word) or plain or "?"
