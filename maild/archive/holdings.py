"""What somebody holds, and who could go on with it: looked at before they leave.

It says of conversations only where they are, by their references: who manages people needs no letter for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from maild.archive.absences import away_now, not_over
from maild.archive.accounts import User, find_user, grants_of, name_or, open_grants
from maild.archive.drafts import OPEN
from maild.archive.proposals import waiting_of
from maild.archive.readers import unread_inboxes
from maild.archive.schema import conversations, entries, users
from maild.archive.schema_absences import absences, leavings
from maild.archive.schema_outgoing import drafts
from maild.policy.grants import Grant, teams_with
from maild.policy.leaving import Colleague, colleagues_in, next_author, rule_editors, successor
from maild.policy.roles import Permission
from maild.rules.model import Ruleset
from maild.rules.requested import Assign

Inboxes = frozenset[str] | None  # None: all


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A conversation or a draft that is somebody's. `returns_ms`: when what waits opens by itself."""

    id: int
    team: str
    reference: str
    state: str = ""
    returns_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """All that somebody holds, and who could go on with it in which inbox."""

    user: User
    conversations: tuple[Held, ...]
    drafts: tuple[Held, ...]
    stands_in_for: tuple[str, ...]  # names
    grants: tuple[Grant, ...]
    rules: tuple[str, ...]  # ids of rules that assign to them
    alone_in: tuple[str, ...]  # inboxes of which they are the last reader
    colleagues: Mapping[str, tuple[Colleague, ...]]
    proposed: Mapping[str, Colleague | None]
    leaves_ms: int | None  # it is settled already
    proposals: tuple[int, ...] = ()  # of rules, that wait for a decision
    editors: tuple[Colleague, ...] = ()  # to whom these could go
    proposed_editor: Colleague | None = None

    @property
    def inboxes(self) -> tuple[str, ...]:
        """The inboxes in which there is something to hand over."""
        return tuple(sorted(self.colleagues))


def holdings(connection: Connection, login: str, rules: Ruleset, now_ms: int, inboxes: Inboxes = None) -> Holdings:
    """Return what somebody holds, in some inboxes or in all. Raises NotFoundError."""
    user = find_user(connection, login)
    held = open_grants(connection)
    talks = _conversations(connection, user.id, inboxes)
    written = _drafts(connection, user.login, inboxes)
    own = tuple(g for g in grants_of(connection, user.id) if _lives(g, now_ms) and within(g.team, inboxes))
    touched = {each.team for each in (*talks, *written)}
    absent = away_now(connection, now_ms)
    others = _people(connection, held, user.id)
    colleagues = colleagues_in(touched, others, rules.parents, absent, now_ms)
    waiting = waiting_of(connection, user.login) if inboxes is None else ()
    editors = rule_editors(others, absent, now_ms) if waiting else ()
    assigns = teams_with(own, Permission.ASSIGN, rules.parents, now_ms)
    deputy = _deputy(connection, user.id)
    lost = unread_inboxes({**held, user.id: ()}, rules, now_ms) - unread_inboxes(held, rules, now_ms)
    return Holdings(
        user=user, conversations=talks, drafts=written, stands_in_for=_stands_in_for(connection, user.id, now_ms),
        grants=own, rules=_rules_naming(rules, user.login),
        alone_in=tuple(sorted(team for team in lost & rules.teams.keys() if within(team, inboxes))),
        colleagues=colleagues,
        proposed={inbox: successor(them, deputy, assigns=inbox in assigns) for inbox, them in colleagues.items()},
        leaves_ms=connection.scalar(select(leavings.c.leaves_ms).where(leavings.c.user_id == user.id)),
        proposals=waiting, editors=editors, proposed_editor=next_author(editors),
    )  # fmt: skip


def within(team: str | None, inboxes: Inboxes) -> bool:
    """Tell whether a team's is among what is looked at."""
    return inboxes is None or team in inboxes


def _lives(grant: Grant, now_ms: int) -> bool:
    return grant.revoked_ms is None and (grant.until_ms is None or now_ms < grant.until_ms)


def _conversations(connection: Connection, user_id: int, inboxes: Inboxes) -> tuple[Held, ...]:
    rows = connection.execute(
        select(entries, conversations.c.reference)
        .join(conversations, conversations.c.id == entries.c.conversation_id)
        .where(entries.c.assignee == user_id, entries.c.state.in_(("open", "waiting")))
        .order_by(entries.c.team, entries.c.newest_id)
    )
    return tuple(
        Held(id=r.conversation_id, team=r.team, reference=r.reference, state=r.state, returns_ms=r.returns_ms)
        for r in rows
        if within(r.team, inboxes)
    )


def _drafts(connection: Connection, login: str, inboxes: Inboxes) -> tuple[Held, ...]:
    rows = connection.execute(
        select(drafts.c.id, drafts.c.team, conversations.c.reference)
        .outerjoin(conversations, conversations.c.id == drafts.c.conversation_id)
        .where(drafts.c.author == login, drafts.c.state.in_(OPEN))
        .order_by(drafts.c.team, drafts.c.id)
    )
    return tuple(Held(id=r.id, team=r.team, reference=r.reference or "") for r in rows if within(r.team, inboxes))


def _people(
    connection: Connection, held: Mapping[int, tuple[Grant, ...]], leaver: int
) -> dict[int, tuple[str, str, tuple[Grant, ...]]]:
    going = set(connection.scalars(select(leavings.c.user_id))) | {leaver}
    rows = connection.execute(select(users.c.id, users.c.login, users.c.name))
    return {r.id: (r.login, r.name or r.login, held[r.id]) for r in rows if r.id in held and r.id not in going}


def _deputy(connection: Connection, user_id: int) -> int | None:
    """Return who stood in for somebody last."""
    where = (absences.c.user_id == user_id, absences.c.deputy_id.is_not(None))
    return connection.scalar(select(absences.c.deputy_id).where(*where).order_by(absences.c.from_ms.desc()).limit(1))


def standing_in(user_id: int, now_ms: int) -> tuple[Any, ...]:
    """Return the condition of an absence in which somebody stands in, or will."""
    return (absences.c.deputy_id == user_id, not_over(now_ms))


def _stands_in_for(connection: Connection, user_id: int, now_ms: int) -> tuple[str, ...]:
    name = name_or(users.c.login)
    asked = select(name).join(absences, absences.c.user_id == users.c.id).where(*standing_in(user_id, now_ms))
    return tuple(sorted(set(connection.scalars(asked))))


def _rules_naming(rules: Ruleset, login: str) -> tuple[str, ...]:
    return tuple(
        rule.id for rule in rules.rules if any(isinstance(do, Assign) and do.login == login for do in rule.then)
    )
