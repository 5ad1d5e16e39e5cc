"""What somebody holds, and the one act that hands all of it over when they leave. The archive stays as it is.

The page says of conversations only where they are, by their references: who manages people needs no letter for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from maild.archive.absences import away_now
from maild.archive.accounts import Disabling, User, disable_users, find_user, grants_of, open_grants, principal
from maild.archive.app_passwords import Withdrawal, app_passwords_of, revoke_app_passwords
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.drafts import OPEN, RELEASE
from maild.archive.handling import NOBODY, Handling, Work, handle
from maild.archive.notes import NewNote, add_notes
from maild.archive.proposals import hand_on, waiting_of
from maild.archive.readers import teams_of, unread_inboxes
from maild.archive.schema import conversations, entries, grants, users
from maild.archive.schema_absences import absences, handovers, leavings
from maild.archive.schema_outgoing import drafts
from maild.errors import ForbiddenError, MaildError
from maild.mail.acts import Act
from maild.policy.granting import managed
from maild.policy.grants import Grant, may, teams_with
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HandingOver:
    """Somebody leaves at `leaves_ms`. `to` names by inbox the login of who goes on there; "" is the team.

    `by_id` None is the operator at the command line. `note` is written at each conversation.
    """

    by: str
    by_id: int | None
    login: str
    to: Mapping[str, str]
    leaves_ms: int
    note: str
    rules: Ruleset
    at_ms: int
    proposals_to: str | None = None  # a login; "": they stay, for others to decide; None: as proposed


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """How much went over, and whether the account closes (for an administrator), or only roles end (for a manager)."""

    conversations: int
    drafts: int
    grants: int
    closes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Staying:
    """Somebody stays after all."""

    by: str
    login: str
    at_ms: int


def holdings(connection: Connection, login: str, rules: Ruleset, now_ms: int, inboxes: Inboxes = None) -> Holdings:
    """Return what somebody holds, in some inboxes or in all. Raises NotFoundError."""
    user = find_user(connection, login)
    parents, held = teams_of(rules).parents, open_grants(connection)
    talks = _conversations(connection, user.id, inboxes)
    written = _drafts(connection, user.login, inboxes)
    own = tuple(g for g in grants_of(connection, user.id) if _lives(g, now_ms) and _within(g.team, inboxes))
    touched = {each.team for each in (*talks, *written)}
    absent = away_now(connection, now_ms)
    others = _people(connection, held, user.id)
    colleagues = colleagues_in(touched, others, parents, absent, now_ms)
    waiting = waiting_of(connection, user.login) if inboxes is None else ()
    editors = rule_editors(others, absent, now_ms) if waiting else ()
    assigns = teams_with(own, Permission.ASSIGN, parents, now_ms)
    deputy = _deputy(connection, user.id)
    lost = unread_inboxes({**held, user.id: ()}, rules, now_ms) - unread_inboxes(held, rules, now_ms)
    return Holdings(
        user=user, conversations=talks, drafts=written, stands_in_for=_stands_in_for(connection, user.id, now_ms),
        grants=own, rules=_rules_naming(rules, user.login),
        alone_in=tuple(sorted(team for team in lost & rules.teams.keys() if _within(team, inboxes))),
        colleagues=colleagues,
        proposed={inbox: successor(them, deputy, assigns=inbox in assigns) for inbox, them in colleagues.items()},
        leaves_ms=connection.scalar(select(leavings.c.leaves_ms).where(leavings.c.user_id == user.id)),
        proposals=waiting, editors=editors, proposed_editor=next_author(editors),
    )  # fmt: skip


def _within(team: str | None, inboxes: Inboxes) -> bool:
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
        if _within(r.team, inboxes)
    )


def _drafts(connection: Connection, login: str, inboxes: Inboxes) -> tuple[Held, ...]:
    rows = connection.execute(
        select(drafts.c.id, drafts.c.team, conversations.c.reference)
        .outerjoin(conversations, conversations.c.id == drafts.c.conversation_id)
        .where(drafts.c.author == login, drafts.c.state.in_(OPEN))
        .order_by(drafts.c.team, drafts.c.id)
    )
    return tuple(Held(id=r.id, team=r.team, reference=r.reference or "") for r in rows if _within(r.team, inboxes))


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


def _standing_in(user_id: int, now_ms: int) -> tuple[Any, ...]:
    lasting = or_(absences.c.until_ms.is_(None), absences.c.until_ms > now_ms)
    return (absences.c.deputy_id == user_id, absences.c.ended_ms.is_(None), lasting)


def _stands_in_for(connection: Connection, user_id: int, now_ms: int) -> tuple[str, ...]:
    name = func.coalesce(func.nullif(users.c.name, ""), users.c.login)
    asked = select(name).join(absences, absences.c.user_id == users.c.id).where(*_standing_in(user_id, now_ms))
    return tuple(sorted(set(connection.scalars(asked))))


def _rules_naming(rules: Ruleset, login: str) -> tuple[str, ...]:
    return tuple(
        rule.id for rule in rules.rules if any(isinstance(do, Assign) and do.login == login for do in rule.then)
    )


# --- units of work ------------------------------------------------------------------------------------------------


def hand_all_over(connection: Connection, arguments: list[HandingOver]) -> list[HandedOver]:
    """Hand over what people hold who leave. Raises NotFoundError, ForbiddenError and MaildError."""
    return [_hand_over(connection, asked) for asked in arguments]


def _hand_over(connection: Connection, asked: HandingOver) -> HandedOver:
    lock_head(connection)
    scope = _scope(connection, asked)
    found = holdings(connection, asked.login, asked.rules, asked.at_ms, scope)
    if asked.by_id == found.user.id:
        raise ForbiddenError("somebody else says when one's own time is over")
    to = {inbox: _chosen(found, inbox, asked.to.get(inbox)) for inbox in found.inboxes}
    _assign(connection, asked, found, to)
    _give_drafts(connection, asked, found, to)
    if found.proposals and (heir := _editor(found, asked.proposals_to)) is not None:
        hand_on(connection, found.proposals, heir.login, asked.by, asked.at_ms)
    if scope is None:
        connection.execute(update(absences).where(*_standing_in(found.user.id, asked.at_ms)).values(deputy_id=None))
    ended = _end_grants(connection, asked, found.user.id, scope)
    done = HandedOver(
        conversations=len(found.conversations), drafts=len(found.drafts), grants=ended, closes=scope is None
    )
    _tell(connection, asked, found, to)
    record(connection, [Record(
        at_ms=asked.at_ms, actor=asked.by, act=Act.LEFT, about=found.user.login,
        details={
            "leaves_ms": asked.leaves_ms, "conversations": done.conversations, "drafts": done.drafts,
            "grants": ended, "closes": done.closes,
        },
    )])  # fmt: skip
    if scope is None:
        connection.execute(delete(leavings).where(leavings.c.user_id == found.user.id))
        connection.execute(insert(leavings).values(user_id=found.user.id, leaves_ms=asked.leaves_ms, by=asked.by))
        _close_due(connection, asked.at_ms)
    return done


def _scope(connection: Connection, asked: HandingOver) -> Inboxes:
    """Return whose inboxes are theirs to clear: of an administrator all, of a manager those of the own teams."""
    if asked.by_id is None:
        return None
    who = principal(connection, asked.by_id)
    if who is None:
        raise ForbiddenError("the account was closed")
    if may(who, Permission.PEOPLE, now_ms=asked.at_ms):
        return None
    own = managed(who, teams_of(asked.rules), asked.at_ms)
    if not own:
        raise ForbiddenError("handing over for others is for who manages them")
    return own


def _chosen(found: Holdings, inbox: str, login: str | None) -> Colleague | None:
    if login is None:
        return found.proposed[inbox]
    known = {each.login: each for each in found.colleagues[inbox]}
    if login and login not in known:
        raise MaildError(f"{login} may not answer in {inbox}")
    return known.get(login)


def _editor(found: Holdings, login: str | None) -> Colleague | None:
    if login is None:
        return found.proposed_editor
    known = {each.login: each for each in found.editors}
    if login and login not in known:
        raise MaildError(f"{login} may not edit the rules")
    return known.get(login)


def _assign(connection: Connection, asked: HandingOver, found: Holdings, to: Mapping[str, Colleague | None]) -> None:
    handlings = tuple(
        Handling(conversation_id=each.id, team=each.team, assignee=_id(to[each.team])) for each in found.conversations
    )
    handle(connection, [Work(by=asked.by, at_ms=asked.at_ms, handlings=handlings)])
    add_notes(connection, [
        NewNote(conversation_id=each.id, team=each.team, author=asked.by, at_ms=asked.at_ms, text=asked.note)
        for each in found.conversations
    ])  # fmt: skip


def _id(colleague: Colleague | None) -> int:
    return NOBODY if colleague is None else colleague.user_id


def _give_drafts(
    connection: Connection, asked: HandingOver, found: Holdings, to: Mapping[str, Colleague | None]
) -> None:
    """Make drafts the successor's; where the team goes on, they wait to be released by who may send for it."""
    for each in found.drafts:
        heir = to[each.team]
        values = {"state": "held", "why": RELEASE} if heir is None else {"author": heir.login}
        connection.execute(update(drafts).where(drafts.c.id == each.id).values(changed_ms=asked.at_ms, **values))


def _end_grants(connection: Connection, asked: HandingOver, user_id: int, scope: Inboxes) -> int:
    rows = connection.execute(select(grants).where(grants.c.user_id == user_id, grants.c.revoked_ms.is_(None))).all()
    ended = 0
    for row in rows:
        if not _within(row.team, scope) or (row.until_ms is not None and row.until_ms <= asked.leaves_ms):
            continue
        later = row.from_ms >= asked.leaves_ms
        values = {"revoked_ms": asked.at_ms} if later else {"until_ms": asked.leaves_ms}
        connection.execute(update(grants).where(grants.c.id == row.id).values(**values))
        ended += 1
    return ended


def _tell(connection: Connection, asked: HandingOver, found: Holdings, to: Mapping[str, Colleague | None]) -> None:
    """Write to each successor what they got."""
    got: dict[int, list[tuple[int, str]]] = {}
    for each in found.conversations:
        if (heir := to[each.team]) is not None:
            got.setdefault(heir.user_id, []).append((each.id, each.team))
    rows = [
        {"user_id": user_id, "from_login": found.user.login, "at_ms": asked.at_ms, "got": json.dumps(them)}
        for user_id, them in sorted(got.items())
    ]
    if rows:
        connection.execute(insert(handovers), rows)


def stay(connection: Connection, arguments: list[Staying]) -> list[bool]:
    """Call a leaving off, so that the account stays open; roles that were to end are given anew. A unit of work."""
    return [_stay(connection, asked) for asked in arguments]


def _stay(connection: Connection, asked: Staying) -> bool:
    user = find_user(connection, asked.login)
    gone: Any = connection.execute(
        delete(leavings).where(leavings.c.user_id == user.id, leavings.c.closed_ms.is_(None))
    )
    if gone.rowcount:
        record(connection, [Record(
            at_ms=asked.at_ms, actor=asked.by, act=Act.LEFT, about=user.login, details={"called_off": True},
        )])  # fmt: skip
    return bool(gone.rowcount)


def are_due(connection: Connection, now_ms: int) -> bool:
    """Tell whether the day of somebody who leaves has come."""
    due = (leavings.c.closed_ms.is_(None), leavings.c.leaves_ms <= now_ms)
    return connection.scalar(select(leavings.c.user_id).where(*due).limit(1)) is not None


def close_leavers(connection: Connection, arguments: list[int]) -> list[int]:
    """Close the accounts of those whose day has come; returns how many. A unit of work."""
    lock_head(connection)
    return [_close_due(connection, now_ms) for now_ms in arguments]


def _close_due(connection: Connection, now_ms: int) -> int:
    due = connection.execute(
        select(leavings.c.user_id, users.c.login)
        .join(users, users.c.id == leavings.c.user_id)
        .where(leavings.c.closed_ms.is_(None), leavings.c.leaves_ms <= now_ms)
    ).all()
    for row in due:
        disable_users(connection, [Disabling(login=row.login, disabled_ms=now_ms)])
        for each in app_passwords_of(connection, row.login):
            revoke_app_passwords(connection, [Withdrawal(login=row.login, id=each.id, at_ms=now_ms, by="")])
        connection.execute(update(leavings).where(leavings.c.user_id == row.user_id).values(closed_ms=now_ms))
        record(connection, [Record(at_ms=now_ms, actor="", act=Act.DISABLED, about=row.login, details={"open": False})])
    return len(due)
