"""Signing in through the provider of the house (OpenID Connect, code flow with PKCE)."""

from __future__ import annotations

import hmac
import secrets

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from maild.archive.accounts import LoginTakenError
from maild.archive.identities import UnusableLoginError, Vouched, user_of, welcome
from maild.archive.sessions import Confirmation, Way, confirm_sessions
from maild.errors import ForbiddenError
from maild.policy.roles import Role
from maild.web.edge import client_ip
from maild.web.forms import own_path
from maild.web.provider import Claims, Provider, ProviderError, UnreachableError
from maild.web.services import Services
from maild.web.signing import Desk
from maild.web.tickets import Tickets
from maild.web.visit import Visit, cookie_name, remember

RETURN = "/login/provider/return"
_COOKIE = "provider"
_LASTS_S = 600
_AGAIN_S = 60
_log = structlog.get_logger()


def _(text: str) -> str:
    """Mark words for translation; the template translates them."""
    return text


_REFUSED = _(
    "The answer did not fit what was asked. Somebody may have tampered with it, or the page was open too long."
)
_WORDS = {
    "again": _("The sign-in of the house did not ask who you are once more, or another person answered."),
    "closed": _("Your account here is closed. Ask an administrator."),
    "groups": _("You are in no group that opens anything here. Ask whoever manages your groups."),
    "login": _("The sign-in of the house does not say by which name you are known. Ask an administrator."),
    "taken": _(
        "An account of your name exists here already, and is not tied to the sign-in of the house. "
        "An administrator can tie it."
    ),
    "declined": _("The sign-in of the house was broken off there."),
    "unreachable": _(
        "The sign-in of the house cannot be reached, or does not answer as it should. Try again in a minute."
    ),
}


class House:
    """The way in through the provider; there is none without settings."""

    def __init__(self, services: Services, desk: Desk) -> None:
        """Let people in by `desk`."""
        self._desk = desk
        self._redirect_uri = services.settings.base_url + RETURN
        settings = services.settings.oidc
        self._provider = Provider(settings, services.now_ms) if settings is not None else None
        self._tickets = Tickets(services.key("tickets"), "provider", lasts_ms=_LASTS_S * 1000)

    async def begin(self, visit: Visit) -> Response:
        """Send the browser to the provider, with a ticket that only this browser can bring back.

        By GET: a form that is led on to another site would need a policy (CSP) that lets forms go there.
        """
        if self._provider is None:
            raise HTTPException(404)
        if not visit.is_own_navigation:  # another site must not begin what signs somebody in
            return visit.go("/login")
        asked = visit.request.query_params
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        again = asked.get("again") == "yes" and visit.session is not None
        try:
            url = await self._provider.authorization_url(
                state=state, nonce=nonce, verifier=verifier, redirect_uri=self._redirect_uri, again=again
            )
        except ProviderError as error:
            return self._refuse(visit, error)
        response = RedirectResponse(url, status_code=303)
        ticket = self._tickets.issue(
            visit.token, visit.now_ms, state=state, nonce=nonce, verifier=verifier, again=again,
            begun=visit.now_ms // 1000, next=own_path(asked.get("next", "/")),
        )  # fmt: skip
        secure = visit.services.settings.secure
        remember(response, cookie_name(visit.services, _COOKIE), ticket, secure=secure, max_age_s=_LASTS_S)
        if visit.session is None:
            remember(response, cookie_name(visit.services, "visit"), visit.token, secure=secure, max_age_s=_LASTS_S)
        return response

    async def back(self, visit: Visit) -> Response:
        """Take the provider's answer."""
        if self._provider is None:
            raise HTTPException(404)
        name = cookie_name(visit.services, _COOKIE)
        try:
            said = self._tickets.read(visit.token, visit.request.cookies.get(name, ""), visit.now_ms)
            response = await self._take(visit, self._provider, said)
        except ProviderError as error:
            response = self._refuse(visit, error)
        # A ticket opens once, whatever came of it.
        response.delete_cookie(name, secure=visit.services.settings.secure, httponly=True, samesite="lax")
        return response

    async def _take(self, visit: Visit, provider: Provider, said: dict[str, str] | None) -> Response:
        asked = visit.request.query_params
        if said is None or not hmac.compare_digest(asked.get("state", "").encode(), said["state"].encode()):
            raise ProviderError("state")
        issuer = asked.get("iss")
        # Security: RFC 9207: an answer of another provider, passed off as one of ours (mix-up).
        if issuer != provider.settings.issuer and (issuer is not None or (await provider.describe()).says_issuer):
            raise ProviderError("mix-up")
        if "error" in asked:
            raise ProviderError("declined")
        if len(asked.getlist("code")) != 1 or len(asked.getlist("state")) != 1:
            raise ProviderError("parameters")
        claims = await provider.redeem(
            code=asked["code"], verifier=said["verifier"], redirect_uri=self._redirect_uri, nonce=said["nonce"]
        )
        if said["again"]:
            return await self._confirm(visit, provider, claims, int(said["begun"]), said["next"])
        return await self._admit(visit, provider, claims, said["next"])

    async def _admit(self, visit: Visit, provider: Provider, claims: Claims, wanted: str) -> Response:
        settings = provider.settings
        brought = {each for group, given in settings.groups if group in claims.groups for each in given}
        vouched = Vouched(
            issuer=settings.issuer,
            subject=claims.subject,
            login=claims.login,
            name=claims.name,
            grants=frozenset((team, Role(role)) for team, role in brought),
            at_ms=visit.now_ms,
            until_ms=visit.now_ms + settings.grants_days * 86_400_000,
        )
        # Security: who is in no group any more is known still by mail programs and copies; what groups brought ends.
        if not brought and await visit.read(user_of, vouched.issuer, vouched.subject) is None:
            raise ProviderError("groups")
        try:
            person = await visit.write(welcome, vouched)
        except LoginTakenError:
            raise ProviderError("taken") from None
        except UnusableLoginError:
            raise ProviderError("login") from None
        except ForbiddenError:
            raise ProviderError("closed") from None
        if not brought:
            raise ProviderError("groups")
        return await self._desk.admit(visit, person.id, person.login, wanted, Way("provider"))

    async def _confirm(self, visit: Visit, provider: Provider, claims: Claims, begun_s: int, wanted: str) -> Response:
        owner = await visit.read(user_of, provider.settings.issuer, claims.subject)
        is_new = claims.signed_in_s is not None and claims.signed_in_s >= begun_s - _AGAIN_S
        if visit.session is None or owner != visit.session.principal.user_id or not is_new:
            raise ProviderError("again")
        await visit.write(confirm_sessions, Confirmation(digest=visit.session.digest, at_ms=visit.now_ms))
        return visit.go(wanted)

    def _refuse(self, visit: Visit, error: ProviderError) -> Response:
        is_away = isinstance(error, UnreachableError)
        _log.warning("login.provider_refused", client=client_ip(visit.request), reason=error.reason)
        words = _WORDS["unreachable"] if is_away else _WORDS.get(error.reason, _REFUSED)
        return visit.page("house_refused.html", status=503 if is_away else 403, words=words)
