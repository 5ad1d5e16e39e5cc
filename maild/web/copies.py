"""Copies in one's own mailbox: the switch for each team, on the page of one's account."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.accounts import find_user
from maild.archive.copies import Choice, choose, chosen_teams, mailbox_outside
from maild.errors import MaildError
from maild.rules.model import Ruleset
from maild.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A team whose letters may be copied to the visitor. `name` is the team's."""

    team: str
    name: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What the page offers. `mailbox` "": there is none to which a copy may go."""

    mailbox: str
    switches: tuple[Switch, ...]


async def copies_shown(visit: Visit) -> Copies:
    """Return the switches of the visitor; none where no team of theirs allows copies."""
    rules = visit.services.rulebook.current
    return await visit.read(_copies, visit, rules)


def _copies(connection: Connection, visit: Visit, rules: Ruleset) -> Copies:
    mailbox = mailbox_outside(find_user(connection, visit.person.login).mail, rules.domains)
    on = chosen_teams(connection, visit.person.user_id)
    return Copies(
        mailbox="" if mailbox is None else str(mailbox),
        switches=tuple(
            Switch(team=team.id, name=team.name, on=team.id in on)
            for team in rules.teams.values()
            # What the rules allow no more can still be turned off.
            if (team.copies or team.id in on) and team.id in visit.visible.teams
        ),
    )


async def switch(visit: Visit) -> Response:
    """Turn the copies of a team's letters on or off for oneself."""
    rules = visit.services.rulebook.current
    team, on = visit.form.get("team", ""), visit.form.get("on") == "1"
    if team not in {each.team for each in (await copies_shown(visit)).switches}:
        if not on:
            return visit.go("/sessions#copies")  # it is off, as was asked for
        raise HTTPException(404)
    asked = Choice(
        login=visit.person.login, team=team, on=on, by=visit.person.login, at_ms=visit.now_ms,
        allowed=frozenset(each.id for each in rules.teams.values() if each.copies), domains=rules.domains,
        parents=visit.parents,
    )  # fmt: skip
    try:
        await visit.write(choose, asked)
    except MaildError:
        raise HTTPException(404) from None  # a right or the mailbox has just gone
    return visit.go("/sessions#copies")
