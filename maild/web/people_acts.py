"""What is done about people: giving and taking back roles, accounts made, closed and opened again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.accounts import (
    Disabling,
    LoginTakenError,
    NewGrant,
    NewUser,
    Revocation,
    disable_users,
    find_user,
    fold_login,
    is_login,
    open_grants,
)
from maild.archive.invitations import Newcomer, add_invited
from maild.archive.readers import unread_teams
from maild.archive.rights import Giving, Noted, Person, Taking, give, take, take_note
from maild.archive.standing import Need, by_whom_then
from maild.errors import AddressError, ForbiddenError, NotFoundError
from maild.mail.acts import Act
from maild.mail.address import parse_address
from maild.mail.inbox import team_of
from maild.mail.local_time import day_end_ms, day_start_ms
from maild.policy.granting import may_grant, may_revoke
from maild.policy.grants import Grant
from maild.policy.roles import LENT, Permission, Role
from maild.rules.model import Ruleset
from maild.web.forms import own_path
from maild.web.inviting import new_link
from maild.web.people import (
    Sure,
    Typed,
    asker,
    inboxes_managed,
    person_seen,
    show_all,
    show_one,
    teams_of,
)
from maild.web.people_words import FAULTS
from maild.web.shell import team_name
from maild.web.visit import Visit

_APPOINTING: tuple[Need, ...] = ((Permission.PEOPLE, None),)


async def grant(visit: Visit) -> Response:
    """Give a role."""
    typed = Typed(**{name: visit.form.get(name, "").strip()[:100] for name in Typed.__dataclass_fields__})
    try:
        user = await visit.read(find_user, typed.login)
    except NotFoundError:
        return await _again(visit, typed, "login")
    role, team = _role(typed.role), typed.team or None
    # Security: asked again by the unit of work; here, so that the page can say it. A team must be one of the rules.
    known = team is None or team_of(team) in visit.services.rulebook.current.teams
    if role is None or not known or not _may_give(visit, user.login, role, team):
        return await _again(visit, typed, "role", 403)
    if typed.only and role not in LENT:
        return await _again(visit, typed, "only")
    dates = _dates(visit, typed)
    if dates is None:
        return await _again(visit, typed, "date")
    from_ms, until_ms = dates
    new = NewGrant(
        login=user.login, role=role, team=team, from_ms=from_ms, until_ms=until_ms, granted_by=visit.person.login,
        only_assigned=bool(typed.only),
    )  # fmt: skip
    try:
        await visit.write(give, Giving(by=asker(visit), grant=new), narrowed=by_whom_then)
    except ForbiddenError:
        return await _again(visit, typed, "role", 403)
    visit.services.feed.publish()
    return visit.go(f"/person/{user.id}?said=granted")


async def revoke(visit: Visit) -> Response:
    """Take a role back; asks first where nobody could read a team then."""
    person, role = await _named(visit), _role(visit.form.get("role", ""))
    team = visit.form.get("team", "") or None
    if role is None or not may_revoke(visit.person, role, team, teams=teams_of(visit), now_ms=visit.now_ms):
        raise ForbiddenError("that role is not theirs to take back")
    is_it = partial(_is, role, team)
    if lost := await _lost(visit, person, is_it):
        return await _ask(visit, person, "/people/revocations", lost, role=str(role), team=team or "")
    old = Revocation(login=person.user.login, role=role, team=team, revoked_ms=visit.services.now_ms())
    await visit.write(take, Taking(by=asker(visit), revocation=old), narrowed=by_whom_then)
    visit.services.feed.publish()
    own_last = person.user.id == visit.person.user_id
    return visit.go("/" if own_last else f"/person/{person.user.id}?said=revoked")


async def account(visit: Visit) -> Response:
    """Make an account, with a link to its first password that is shown once."""
    _require_appointing(visit)
    login, name, mail = (visit.form.get(field, "").strip()[:200] for field in ("login", "name", "mail"))
    fault = "" if is_login(login) else "bad-login"
    try:
        if mail:
            parse_address(mail)
    except AddressError:
        fault = fault or "mail"
    asked = {"login": fold_login(login), "name": " ".join(name.split()), "mail": mail, "fault": FAULTS.get(fault, "")}
    if fault:
        return await show_all(visit, account=asked, status=400)
    link, invitation = new_link(visit, fold_login(login))
    user = NewUser(login=login, name=asked["name"], mail=mail or None, password=None, created_ms=visit.now_ms)
    new = Newcomer(user=user, invitation=invitation)
    try:
        until_ms = await visit.write(
            add_invited, new, visit.acted(Act.ACCOUNT, about=fold_login(login)), needs=_APPOINTING
        )
    except LoginTakenError:
        return await show_all(visit, account=asked | {"fault": FAULTS["taken"]}, status=400)
    return await show_all(
        visit, account=asked | {"link": link}, until_ms=until_ms, typed=Typed(login=fold_login(login))
    )


async def set_open(visit: Visit) -> Response:
    """Close an account, or open it again; asks first where nobody could read a team then."""
    _require_appointing(visit)
    person, closing = await _named(visit), visit.form.get("do") != "open"
    if closing and person.user.id == visit.person.user_id:
        raise ForbiddenError("nobody closes the account in which they sit")
    if closing and (lost := await _lost(visit, person, lambda _: True)):
        return await _ask(visit, person, "/people/state", lost, do="close")
    change = Disabling(login=person.user.login, disabled_ms=visit.services.now_ms() if closing else None)
    await visit.write(
        disable_users, change, visit.acted(Act.DISABLED, about=person.user.login, open=not closing), needs=_APPOINTING
    )
    return visit.go(f"/person/{person.user.id}?said={'closed' if closing else 'opened'}")


async def seen(visit: Visit) -> Response:
    """Take note of roles that others gave in one's teams."""
    noted = Noted(
        login=visit.person.login, inboxes=inboxes_managed(visit), up_to=visit.number("up_to") or 0, at_ms=visit.now_ms
    )
    await visit.write(take_note, noted)
    return visit.go(own_path(visit.form.get("next", "/")))


def _require_appointing(visit: Visit) -> None:
    if not visit.may(Permission.PEOPLE):
        raise HTTPException(403)


def _role(word: str) -> Role | None:
    return Role(word) if word in set(Role) else None


def _may_give(visit: Visit, login: str, role: Role, team: str | None) -> bool:
    return may_grant(visit.person, login, role, team, teams=teams_of(visit), now_ms=visit.now_ms)


def _dates(visit: Visit, typed: Typed) -> tuple[int, int | None] | None:
    """Return from when and until when a role shall hold; None where that is no time to come."""
    try:
        first = day_start_ms(date.fromisoformat(typed.first), visit.zone) if typed.first else visit.now_ms
        last = day_end_ms(date.fromisoformat(typed.last), visit.zone) if typed.last else None
    except (ValueError, OverflowError):
        return None
    if last is not None and last <= max(first, visit.now_ms):
        return None
    return max(first, visit.now_ms), last


async def _again(visit: Visit, typed: Typed, fault: str, status: int = 400) -> Response:
    """Show the form once more, on the page that it came from."""
    if visit.form.get("number"):
        person = await person_seen(visit, visit.form["number"])
        return await show_one(visit, person, typed=typed, fault=FAULTS[fault], status=status)
    return await show_all(visit, typed=typed, fault=FAULTS[fault], status=status)


async def _named(visit: Visit) -> Person:
    return await person_seen(visit, visit.form.get("number", ""))


def _is(role: Role, team: str | None, grant: Grant) -> bool:
    return (grant.role, grant.team) == (role, team)


async def _lost(visit: Visit, person: Person, is_lost: Callable[[Grant], bool]) -> list[str]:
    """Return the teams that would lose their last reader; none where the visitor is sure."""
    if visit.form.get("sure") == "yes" or person.user.disabled_ms is not None:
        return []
    rules = visit.services.rulebook.current
    return await visit.read(_losing, rules, person.user.id, is_lost, visit.now_ms)


def _losing(
    connection: Connection, rules: Ruleset, user_id: int, is_lost: Callable[[Grant], bool], now_ms: int
) -> list[str]:
    held = open_grants(connection)
    kept = tuple(grant for grant in held.get(user_id, ()) if not is_lost(grant))
    lost = unread_teams({**held, user_id: kept}, rules, now_ms) - unread_teams(held, rules, now_ms)
    return [team for team in rules.teams if team in lost]


async def _ask(visit: Visit, person: Person, action: str, lost: list[str], **fields: str) -> Response:
    names, closed = ", ".join(team_name(visit, team) for team in lost), teams_of(visit).is_closed
    waits = frozenset(closed(team) for team in lost)
    sure = Sure(action=action, teams=names, waits=True in waits, goes=False in waits, fields=fields)
    return await show_one(visit, person, typed=Typed(login=person.user.login), sure=sure, status=409)
