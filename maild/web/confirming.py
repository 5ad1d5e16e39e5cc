"""Asking again who sits there, before an act that is dangerous in the wrong hands: once in ten minutes.

The act waits on the page that asks, with everything that was filled in, and goes on from there as it was. What is asked
for travels in fields of the same form, which no endpoint sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from starlette.responses import Response

from maild.archive.accounts import stored_password
from maild.archive.second_factors import factors_of
from maild.archive.sessions import Confirmation, confirm_sessions
from maild.web.forms import own_path
from maild.web.passkeys import FIELD
from maild.web.problems import problem
from maild.web.proofs import Proofs, Tried
from maild.web.visit import Visit

FRESH_MS = 600_000
_PREFIX = "confirm-"  # of the names of our own fields
_MAX_FIELD = 300


class Confirming:
    """Stands between the gate and what is dangerous."""

    def __init__(self, proofs: Proofs) -> None:
        """Check by `proofs`."""
        self._proofs = proofs

    async def before(self, visit: Visit) -> Visit | Response:
        """Return the visit that may go on, or the page that asks."""
        if visit.session is None or is_fresh(visit):
            return replace(visit, form=_without(visit.form))
        if visit.request.method in {"GET", "HEAD"}:
            return visit.go(f"/confirm?next={quote(_here(visit), safe='/')}")
        if not any(name.startswith(_PREFIX) for name in visit.form):
            return await self._ask(visit, _here(visit), failed=False)
        tried = await self._try(visit)
        if tried.retry_after_s:
            return problem(visit.request, visit.services, 429, retry_after_s=tried.retry_after_s)
        if tried.user_id is None:
            return await self._ask(visit, _here(visit), failed=True)
        return replace(visit, form=_without(visit.form))

    async def show(self, visit: Visit) -> Response:
        """Ask on behalf of a page."""
        wanted = own_path(visit.request.query_params.get("next", "/"))
        if is_fresh(visit):
            return visit.go(wanted)
        return await self._ask(replace(visit, form={"next": wanted}), "/confirm", failed=False)

    async def confirm(self, visit: Visit) -> Response:
        """Check, and go on to the page."""
        if is_fresh(visit):  # by another tab, meanwhile
            return visit.go(own_path(visit.form.get("next", "/")))
        tried = await self._try(visit)
        if tried.retry_after_s:
            return problem(visit.request, visit.services, 429, retry_after_s=tried.retry_after_s)
        if tried.user_id is None:
            return await self._ask(visit, "/confirm", failed=True)
        return visit.go(own_path(visit.form.get("next", "/")))

    async def _try(self, visit: Visit) -> Tried:
        person, code = visit.person, visit.form.get(f"{_PREFIX}code", "")[:_MAX_FIELD]
        if visit.form.get(_PREFIX + FIELD):
            proved = await self._proofs.passkeys.again(visit, _PREFIX)
            user_id = None if proved.problem else proved.user_id
            tried = Tried(user_id=user_id, retry_after_s=proved.retry_after_s)
        elif code:
            tried = await self._proofs.code(visit, person.user_id, person.login, code)
        else:
            tried = await self._proofs.password(visit, person.login, visit.form.get(f"{_PREFIX}password", ""))
        if tried.user_id == person.user_id and visit.session is not None:
            await visit.write(confirm_sessions, Confirmation(digest=visit.session.digest, at_ms=visit.now_ms))
            return tried
        return replace(tried, user_id=None)

    async def _ask(self, visit: Visit, action: str, *, failed: bool) -> Response:
        person = visit.person
        _, stored = await visit.read(stored_password, person.login)
        factors = await visit.read(factors_of, person.user_id)
        return visit.page(
            "confirm.html",
            status=403 if failed else 200,
            action=action,
            kept={name: value for name, value in _without(visit.form).items() if name != "token"},
            has_password=stored is not None,
            has_app=factors.secret is not None,
            passkey=await self._proofs.passkeys.ask_again(visit) if stored is not None else None,
            house=visit.services.settings.oidc,
            failed=failed,
        )


def is_fresh(visit: Visit) -> bool:
    """Tell whether the person has proved to be there within the last ten minutes."""
    return visit.session is not None and 0 <= visit.now_ms - visit.session.confirmed_ms < FRESH_MS


def _here(visit: Visit) -> str:
    url = visit.request.url
    return f"{url.path}?{url.query}" if url.query else url.path


def _without(form: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in form.items() if not name.startswith(_PREFIX)}
