"""Which teams nobody can read, though mail comes to them: the alarm that no address is an orphan.

A reader is an open account with a grant that holds now, on the team or on one above it. Of the alarm, who is absent is
none; a team that another one covers has its readers. Where people ask who would be left to read a team, before they
take a role back, the absent count: they return.

Security: what is confidential, or closed to administrators, waits for those who come back. Else the works council's
mail would lie in the inbox for everybody's while its one member is on holiday, or is noted to be. What comes to a
closed team waits also where there is nobody who could come back: else who closes accounts would open it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, select

from maild.archive.absences import away_now
from maild.archive.accounts import open_grants
from maild.archive.questions import Question
from maild.archive.schema import entries
from maild.mail.inbox import confidential
from maild.policy.deputies import covers
from maild.policy.granting import Teams
from maild.policy.grants import Grant, unread
from maild.rules.model import Ruleset, Team
from maild.rules.reach import confiding, receiving

Held = Mapping[int, tuple[Grant, ...]]  # by the id of the person: see `open_grants`


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An inbox that mail comes to and nobody can read; `addresses` are the names of those that lead there.

    `away`: there are people who could, and all of them are absent. `waits`: its mail is put nowhere else meanwhile, and
    nobody sees it until they are back, or somebody is appointed. `sealed`: no administrator gives roles there.
    """

    team: Team
    addresses: tuple[str, ...]
    is_fallback: bool
    confidential: bool = False
    away: bool = False
    waits: bool = False
    sealed: bool = False

    @property
    def inbox(self) -> str:
        """The name of the inbox."""
        return confidential(self.team.id) if self.confidential else self.team.id


def orphans(
    held: Held,
    rules: Ruleset,
    now_ms: int,
    absent: frozenset[int] = frozenset(),
    lying: frozenset[str] = frozenset(),
) -> tuple[Orphan, ...]:
    """Return the inboxes that mail comes to and nobody can read, in the order of the rules, confidential ones last.

    `absent` are people who are away. `lying` are confidential inboxes where mail waits for an answer, though no rule
    sends any: it came while somebody was there.
    """
    present = {user_id: grants for user_id, grants in held.items() if user_id not in absent}
    missing, reached = unread_inboxes(present, rules, now_ms) - _covered(present, rules, now_ms), receiving(rules)
    staffed = missing - unread_inboxes(held, rules, now_ms)
    found = [
        Orphan(team=rules.teams[team], addresses=addresses, is_fallback=team == rules.fallback)
        for team, addresses in reached.items()
        if team in missing
    ]
    inner = {team for team in confiding(rules) if confidential(team) in missing}
    if inner and confidential(rules.fallback) in missing:
        inner.add(rules.fallback)  # which would stand in for them
    left = {team for team in rules.teams if confidential(team) in missing & lying} - inner
    found += [
        Orphan(team=team, addresses=reached.get(team.id, ()), is_fallback=team.id == rules.fallback, confidential=True)
        for team in rules.teams.values()
        if team.id in inner | left
    ]
    teams = teams_of(rules)
    return tuple(
        replace(
            each,
            away=each.inbox in staffed,
            waits=(each.confidential and each.team.id in left) or _waits(each, teams, away=each.inbox in staffed),
            sealed=teams.sealed(each.inbox),
        )
        for each in found
    )


def _waits(orphan: Orphan, teams: Teams, *, away: bool) -> bool:
    return teams.is_closed(orphan.team.id) or (away and teams.sealed(orphan.inbox))


def stood_in_for(found: Iterable[Orphan]) -> frozenset[str]:
    """Return the inboxes whose mail the fallback gets as well, of those that nobody can read."""
    return frozenset(orphan.inbox for orphan in found if not orphan.waits)


def teams_of(rules: Ruleset) -> Teams:
    """Return the teams of rules as policy asks for them."""
    return Teams(parents=rules.parents, closed=rules.closed)


def _covered(present: Held, rules: Ruleset, now_ms: int) -> frozenset[str]:
    """Return the teams that others cover, which have readers of their own."""
    deputies = {team.id: team.deputy for team in rules.teams.values()}
    return frozenset(covers(deputies, _all(present.values()), teams_of(rules), now_ms))


def unled_teams(held: Held, rules: Ruleset, now_ms: int, absent: frozenset[int] = frozenset()) -> frozenset[str]:
    """Return the teams of the rules of which nobody is there who reads the confidential inbox.

    Neither absent people nor the leads of a team that covers it count: this is of mail that looks confidential only.
    """
    present = {user_id: grants for user_id, grants in held.items() if user_id not in absent}
    missing = unread_inboxes(present, rules, now_ms)
    return frozenset(team for team in rules.teams if confidential(team) in missing)


def unread_teams(held: Held, rules: Ruleset, now_ms: int) -> frozenset[str]:
    """Return all teams of the rules that nobody can read, whether or not mail comes to them."""
    return unread_inboxes(held, rules, now_ms) & rules.teams.keys()


def unread_inboxes(held: Held, rules: Ruleset, now_ms: int) -> frozenset[str]:
    """Return all inboxes of teams of the rules that nobody can read, confidential ones as well."""
    return unread(_all(held.values()), rules.parents, now_ms)


def find_orphans(connection: Connection, rules: Ruleset, now_ms: int) -> tuple[Orphan, ...]:
    """Return the teams that mail comes to and nobody can read, by the grants of this moment."""
    held, absent = open_grants(connection), frozenset(away_now(connection, now_ms))
    return orphans(held, rules, now_ms, absent, lying_in(connection, unled_teams(held, rules, now_ms, absent)))


def lying_in(connection: Connection, teams: Iterable[str]) -> frozenset[str]:
    """Return the confidential inboxes of these teams in which mail waits for an answer."""
    inboxes = [confidential(team) for team in teams]
    return frozenset(_LYING.scalars(connection, inboxes=inboxes) if inboxes else ())


_LYING = Question(
    lambda: (
        select(entries.c.team)
        .where(entries.c.team.in_(bindparam("inboxes", expanding=True)), entries.c.state.in_(("open", "waiting")))
        .distinct()
    )
)


def find_unled(connection: Connection, rules: Ruleset, now_ms: int) -> frozenset[str]:
    """Return `unled_teams` by the grants of this moment."""
    return unled_teams(open_grants(connection), rules, now_ms, frozenset(away_now(connection, now_ms)))


def _all(grants: Iterable[tuple[Grant, ...]]) -> list[Grant]:
    return [grant for of_one in grants for grant in of_one]
