"""Somebody leaves: what they hold, to whom it goes, and the day on which their account closes."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.holdings import holdings
from maild.archive.leaving import HandingOver, Staying, hand_all_over, stay
from maild.archive.rights import Person
from maild.archive.standing import at_that_moment
from maild.archive.succession import Handover, PutAway, handovers_to, put_away
from maild.errors import ForbiddenError, MaildError
from maild.mail.local_time import day_end_ms
from maild.policy.roles import Permission
from maild.web.forms import own_path
from maild.web.language import catalogue
from maild.web.people import inboxes_managed, last_day, person_seen
from maild.web.people_words import ROLES
from maild.web.shell import shell_of, team_name
from maild.web.times import moment
from maild.web.visit import Visit


async def form(visit: Visit) -> Response:
    """Show what somebody holds, with a proposal for each inbox."""
    return await _show(visit, await person_seen(visit, visit.request.path_params["number"]))


async def hand_over(visit: Visit) -> Response:
    """Hand all of it over, or call it off."""
    person = await person_seen(visit, visit.request.path_params["number"])
    if visit.form.get("do") == "stay":
        if not visit.may(Permission.PEOPLE):
            raise HTTPException(403)
        staying = Staying(by=visit.person.login, login=person.user.login, at_ms=visit.services.now_ms())
        await visit.write(stay, staying, needs=((Permission.PEOPLE, None),))
        return visit.go(f"/person/{person.user.id}/handover")
    leaves_ms = _leaves_ms(visit)
    if leaves_ms is None:
        return await _show(visit, person, "date")
    rules = visit.services.rulebook.current
    _ = catalogue(rules.organisation.language).gettext
    asked = HandingOver(
        by=visit.person.login,
        by_id=visit.person.user_id,
        login=person.user.login,
        to={name.removeprefix("to-"): value for name, value in visit.form.items() if name.startswith("to-")},
        leaves_ms=leaves_ms,
        note=_("%(name)s leaves. This conversation was handed over to whom it is assigned now.")
        % {"name": person.user.name or person.user.login},
        rules=rules,
        at_ms=visit.services.now_ms(),
        proposals_to=visit.form.get("proposals"),
    )
    try:
        await visit.write(hand_all_over, asked, narrowed=at_that_moment)
    except ForbiddenError:
        raise HTTPException(403) from None
    except MaildError:
        return await _show(visit, person, "successor")
    visit.services.feed.publish()
    return visit.go(f"/person/{person.user.id}?said=left")


def _leaves_ms(visit: Visit) -> int | None:
    """Return when the account closes: after the last day, or at once; None for a day that is none, or over."""
    text = visit.form.get("last", "").strip()
    if not text:
        return visit.services.now_ms()
    try:
        found = day_end_ms(date.fromisoformat(text), visit.zone)
    except (ValueError, OverflowError):
        return None
    return found if found > visit.now_ms else None


async def _show(visit: Visit, person: Person, fault: str = "") -> Response:
    rules, scope = visit.services.rulebook.current, None if visit.may(Permission.PEOPLE) else inboxes_managed(visit)
    found = await visit.read(holdings, person.user.login, rules, visit.now_ms, scope)
    return visit.page(
        "leaving.html",
        status=400 if fault else 200,
        shell=await shell_of(visit),
        person=person.user,
        found=found,
        places=[
            (
                inbox,
                team_name(visit, inbox),
                [each for each in found.conversations if each.team == inbox],
                sum(each.team == inbox for each in found.drafts),
                found.colleagues[inbox],
                found.proposed[inbox],
            )
            for inbox in found.inboxes
        ],
        roles=[(str(g.role), team_name(visit, g.team) if g.team else "") for g in found.grants],
        role_names=ROLES,
        alone_in=[(team, team_name(visit, team)) for team in found.alone_in],
        leaves=last_day(visit, found.leaves_ms) if found.leaves_ms is not None else "",
        closes=scope is None,
        own=person.user.id == visit.person.user_id,
        fault=fault,
        today=visit.today.isoformat(),
        last=visit.form.get("last", "") if fault else _last_day(visit, found.leaves_ms),
    )


def _last_day(visit: Visit, leaves_ms: int | None) -> str:
    """Return the day that the form begins with: the one that was settled, else today; nothing ends by a mere press."""
    return (visit.today if leaves_ms is None else moment(leaves_ms - 1, visit.zone).date()).isoformat()


async def handed_to(visit: Visit) -> list[tuple[Handover, list[tuple[str, str]]]]:
    """Return what the visitor got from people who leave, with the names of the inboxes."""
    found = await visit.read(_handed_to, visit)
    return [(each, [(reference, team_name(visit, team)) for reference, team in each.got]) for each in found]


def _handed_to(connection: Connection, visit: Visit) -> tuple[Handover, ...]:
    return handovers_to(connection, visit.person.user_id, visit.visible.inboxes)


async def seen(visit: Visit) -> Response:
    """Put such a letter away."""
    read = PutAway(id=visit.number("letter") or 0, user_id=visit.person.user_id, at_ms=visit.now_ms)
    await visit.write(put_away, read)
    return visit.go(own_path(visit.form.get("next", "/")))
