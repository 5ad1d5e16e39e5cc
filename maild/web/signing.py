"""Signing in and out: a password, then the second factor of those who have one; or a passkey, which is both."""

from __future__ import annotations

import re
from hashlib import sha256

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.accounts import Preference, set_preferences, stored_password
from maild.archive.second_factors import factors_of
from maild.archive.sessions import Ending, NewSession, Way, digest_of, end_sessions, handle_of, new_token, open_sessions
from maild.web.edge import client_ip
from maild.web.forms import own_path
from maild.web.language import LANGUAGES
from maild.web.passkeys import FIELD
from maild.web.problems import LANGUAGE_COOKIE, problem
from maild.web.proofs import Proofs
from maild.web.services import Services
from maild.web.tickets import Tickets
from maild.web.visit import Visit, cookie_name, remember

_DEVICE_S = 180 * 86_400
_LANGUAGE_S = 400 * 86_400
_MAX_FIELD = 200
_BROWSERS = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = ("Windows", "Android", "iPhone", "iPad", "Mac OS X", "Linux")
_log = structlog.get_logger()


class Desk:
    """Where people sign in."""

    def __init__(self, services: Services, proofs: Proofs) -> None:
        """Open the desk."""
        self._proofs = proofs
        self._tickets = Tickets(services.key("tickets"), "second step")

    async def show(self, visit: Visit) -> Response:
        """Show the form."""
        wanted = own_path(visit.request.query_params.get("next", "/"))
        if visit.session is not None:
            return visit.go(wanted)
        return self._form(visit, wanted, "")

    async def sign_in(self, visit: Visit) -> Response:
        """Check a password; open a session, or ask for the second factor."""
        login = visit.form.get("login", "")[:_MAX_FIELD]
        wanted = own_path(visit.form.get("next", "/"))
        tried = await self._proofs.password(visit, login, visit.form.get("password", ""))
        if tried.retry_after_s:
            return problem(visit.request, visit.services, 429, retry_after_s=tried.retry_after_s)
        if tried.user_id is None:
            return self._form(visit, wanted, login, failed=True)
        return await self.after_password(visit, tried.user_id, login, tried.stored, wanted)

    async def after_password(self, visit: Visit, user_id: int, login: str, stored: str, wanted: str) -> Response:
        """Let somebody in whose password is right, or ask for the second factor. `stored` is the hash that matched."""
        if not (await visit.read(factors_of, user_id)).any:
            return await self.admit(visit, user_id, login, wanted, Way("password", stored=stored))
        ticket = self._tickets.issue(visit.token, visit.now_ms, login=login, hash=_of(stored))
        return await self._second_step(visit, user_id, wanted, ticket)

    async def second(self, visit: Visit) -> Response:
        """Check the second factor and open a session."""
        wanted, ticket = own_path(visit.form.get("next", "/")), visit.form.get("ticket", "")
        said = self._tickets.read(visit.token, ticket, visit.now_ms)
        if said is None:
            return visit.go("/login")
        user_id, stored = await visit.read(stored_password, said["login"])
        # Security: a password that was changed meanwhile, or an account that was closed, opens nothing any more.
        if user_id is None or stored is None or _of(stored) != said["hash"]:
            return visit.go("/login")
        if visit.form.get(FIELD):
            proved = await self._proofs.passkeys.second(visit, user_id, said["login"])
            if proved.retry_after_s:
                return problem(visit.request, visit.services, 429, retry_after_s=proved.retry_after_s)
            if proved.problem:
                return await self._second_step(visit, user_id, wanted, ticket, problem=proved.problem)
            way = Way("passkey-second", stored=stored, passkey_id=proved.passkey_id)
            return await self.admit(visit, user_id, said["login"], wanted, way)
        tried = await self._proofs.code(visit, user_id, said["login"], visit.form.get("code", "")[:_MAX_FIELD])
        if tried.retry_after_s:
            return problem(visit.request, visit.services, 429, retry_after_s=tried.retry_after_s)
        if not tried.way:
            return await self._second_step(visit, user_id, wanted, ticket, problem="code")
        return await self.admit(visit, user_id, said["login"], wanted, Way(tried.way, stored=stored))

    async def _second_step(
        self, visit: Visit, user_id: int, wanted: str, ticket: str, *, problem: str = ""
    ) -> Response:
        return visit.page(
            "second_step.html",
            status=403 if problem else 200,
            next=wanted,
            ticket=ticket,
            problem=problem,
            has_app=(await visit.read(factors_of, user_id)).secret is not None,
            passkey=await self._proofs.passkeys.ask_second(visit, user_id),
        )

    async def by_passkey(self, visit: Visit) -> Response:
        """Let somebody in whose passkey stands for login, password and second factor."""
        wanted = own_path(visit.form.get("next", "/"))
        proved = await self._proofs.passkeys.alone(visit)
        if proved.retry_after_s:
            return problem(visit.request, visit.services, 429, retry_after_s=proved.retry_after_s)
        if proved.problem:
            return self._form(visit, wanted, "", problem=proved.problem)
        way = Way("passkey", passkey_id=proved.passkey_id)
        return await self.admit(visit, proved.user_id, proved.login, wanted, way)

    async def admit(self, visit: Visit, user_id: int, login: str, wanted: str, way: Way) -> Response:
        """Open a session for somebody who has proved who they are, and know the browser from now on."""
        token = new_token()
        is_open: bool = await visit.write(
            open_sessions,
            NewSession(
                digest=digest_of(token),
                user_id=user_id,
                client=browser_of(visit.request.headers.get("user-agent", "")),
                at_ms=visit.now_ms,
                lifetime=visit.services.settings.lifetime,
                ends=visit.session.digest if visit.session is not None else None,
                way=way,
            ),
        )
        if not is_open:  # what was shown ended while it was looked at
            return visit.go("/login")
        _log.info("login.succeeded", user=user_id, client=client_ip(visit.request))
        response = visit.go(wanted)
        secure = visit.services.settings.secure
        remember(response, cookie_name(visit.services, "session"), token, secure=secure)
        name = cookie_name(visit.services, "device")
        device = self._proofs.devices.remember(visit.request.cookies.get(name, ""), login)
        remember(response, name, device, secure=secure, max_age_s=_DEVICE_S)
        return response

    def _form(self, visit: Visit, wanted: str, login: str, *, failed: bool = False, problem: str = "") -> Response:
        return visit.page(
            "login.html",
            status=403 if failed or problem else 200,
            next=wanted,
            login=login,
            failed=failed,
            problem=problem,
            passkey=self._proofs.passkeys.ask_alone(visit),
            house=visit.services.settings.oidc,
        )


def _of(stored: str) -> str:
    return sha256(stored.encode()).hexdigest()


async def ask_sign_out(visit: Visit) -> Response:
    """Ask before signing out: a link from elsewhere must not do it."""
    return visit.page("logout.html")


async def sign_out(visit: Visit) -> Response:
    """End this session."""
    if visit.session is not None:
        own = handle_of(visit.session.digest)
        await visit.write(end_sessions, Ending(user_id=visit.person.user_id, at_ms=visit.now_ms, handle=own))
    response = visit.go("/login")
    response.delete_cookie(
        cookie_name(visit.services, "session"), secure=visit.services.settings.secure, httponly=True, samesite="lax"
    )
    return response


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
