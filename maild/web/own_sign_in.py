"""One's own ways in: sessions, password, second factor, mail programs; listed, changed and ended by their owner."""

from __future__ import annotations

from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.accounts import NewPassword, set_passwords, stored_password
from maild.archive.app_passwords import Withdrawal, app_passwords_of, revoke_app_passwords
from maild.archive.passwords import objection
from maild.archive.second_factors import factors_of
from maild.archive.sessions import Ending, end_sessions, handle_of, list_sessions
from maild.archive.sign_in_notices import PutAway, put_away
from maild.errors import NotFoundError
from maild.web.copies import copies_shown
from maild.web.digests import wishes_shown
from maild.web.forms import own_path
from maild.web.password_words import OBJECTIONS
from maild.web.problems import problem
from maild.web.proofs import BUSY_RETRY_S, Proofs
from maild.web.visit import Visit


async def overview(visit: Visit) -> Response:
    """List sessions, mail programs and what else opens the account."""
    return await _page(visit)


async def _page(visit: Visit, *, objection: str = "", status: int = 200) -> Response:
    found = await visit.read(list_sessions, visit.person.user_id, visit.services.settings.lifetime, visit.now_ms)
    own = handle_of(visit.session.digest) if visit.session is not None else ""
    _, stored = await visit.read(stored_password, visit.person.login)
    return visit.page(
        "sessions.html",
        status=status,
        sessions=found,
        own=own,
        passwords=await visit.read(app_passwords_of, visit.person.login),
        factors=await visit.read(factors_of, visit.person.user_id),
        has_password=stored is not None,
        copies=await copies_shown(visit),
        digest=await wishes_shown(visit),
        said=visit.request.query_params.get("said", ""),
        objection=objection,
    )


async def end(visit: Visit) -> Response:
    """End one of one's sessions, or all others."""
    keep = visit.session.digest if visit.session is not None else None
    handle = visit.form.get("handle")
    ending = Ending(
        user_id=visit.person.user_id, at_ms=visit.now_ms, handle=handle or None, keep=None if handle else keep
    )
    await visit.write(end_sessions, ending)
    return visit.go("/sessions")


async def revoke(visit: Visit) -> Response:
    """Take back the password of one of one's own mail programs."""
    number = visit.number("password")
    if number is None:
        raise HTTPException(404)
    login = visit.person.login
    with suppress(NotFoundError):  # pressed twice: it is gone, as was asked for
        await visit.write(revoke_app_passwords, Withdrawal(login=login, id=number, at_ms=visit.now_ms, by=login))
    return visit.go("/sessions")


async def change_password(proofs: Proofs, visit: Visit) -> Response:
    """Set a new password; all other sessions end."""
    person, password = visit.person, visit.form.get("new", "")
    organisation = visit.services.rulebook.current.organisation.name
    wrong = objection(password, login=person.login, name=person.name, organisation=organisation)
    if wrong is None and password != visit.form.get("again"):
        wrong = "differs"
    if wrong is not None:
        return await _page(visit, objection=OBJECTIONS[wrong], status=400)
    stored = await proofs.hashed(password)
    if not stored:
        return problem(visit.request, visit.services, 429, retry_after_s=BUSY_RETRY_S)
    keep = visit.session.digest if visit.session is not None else b""
    await visit.write(
        set_passwords, NewPassword(login=person.login, password=stored, at_ms=visit.now_ms, by=person.login, keep=keep)
    )
    return visit.go("/sessions")


async def put_notices_away(visit: Visit) -> Response:
    """Note that one has read what was told of one's own ways in."""
    number = visit.number("up_to")
    if number is None:
        raise HTTPException(404)
    await visit.write(put_away, PutAway(user_id=visit.person.user_id, up_to=number, at_ms=visit.now_ms))
    return visit.go(own_path(visit.form.get("next", "/")))
