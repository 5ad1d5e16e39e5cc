"""What is new, by mail: what each person wishes, on the page of their account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.accounts import find_user
from maild.archive.copies import mailbox_outside
from maild.archive.digests import Choice, Choosing, choice_of, choose
from maild.mail.inbox import is_confidential
from maild.mail.local_time import local_time
from maild.policy.digests import HOURS, MODES, OFF, slot_of
from maild.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the page offers and what is chosen. `mailbox` "": there is none to which a digest may go.

    `teams`: id, name, whether the person wants to hear of it. `subjects`: a team of theirs allows subjects.
    """

    mailbox: str
    choice: Choice
    teams: tuple[tuple[str, str, bool], ...]
    subjects: bool
    hours: tuple[int, ...] = HOURS


async def wishes_shown(visit: Visit) -> Wishes:
    """Return what the visitor has chosen, and may choose."""
    return await visit.read(_wishes, visit)


def _wishes(connection: Connection, visit: Visit) -> Wishes:
    rules = visit.services.rulebook.current
    mailbox = mailbox_outside(find_user(connection, visit.person.login).mail, rules.domains)
    choice = choice_of(connection, visit.person.user_id)
    seen = {inbox for inbox in visit.visible.inboxes if not is_confidential(inbox)}
    teams = [team for team in rules.teams.values() if team.id in seen]
    return Wishes(
        mailbox="" if mailbox is None else str(mailbox),
        choice=choice,
        teams=tuple((team.id, team.name, team.id not in choice.silent) for team in teams),
        subjects=any(team.copies for team in teams),
    )


async def save(visit: Visit) -> Response:
    """Write down what the visitor wishes."""
    wishes, form = await wishes_shown(visit), visit.form
    mode, hour = form.get("mode", ""), form.get("hour", "")
    if mode not in MODES or hour not in {str(each) for each in HOURS} or (mode != OFF and not wishes.mailbox):
        raise HTTPException(404)
    choice = Choice(
        user_id=visit.person.user_id,
        mode=mode,
        hour=int(hour),
        subjects=wishes.subjects and form.get("subjects") == "1",
        silent=_silent(wishes, form),
        slot=slot_of(local_time(visit.now_ms, visit.zone), int(hour), works=True),
    )
    asked = Choosing(choice=choice, login=visit.person.login, at_ms=visit.now_ms)
    await visit.write(choose, asked)
    return visit.go("/sessions?said=digest#digest")


def _silent(wishes: Wishes, form: Mapping[str, str]) -> frozenset[str]:
    """Return the teams that were left out; what was before of those that are not on the page stays."""
    offered = {team for team, _, _ in wishes.teams}
    return (wishes.choice.silent - offered) | {team for team in offered if form.get(f"team-{team}") != "1"}
