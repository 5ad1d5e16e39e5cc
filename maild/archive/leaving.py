"""Leaving: the one act that hands over all that somebody holds, and the day on which their account closes.

The archive stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from maild.archive.accounts import Disabling, acting_principal, disable_users, find_user
from maild.archive.app_passwords import Withdrawal, app_passwords_of, revoke_app_passwords
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.drafts import RELEASE
from maild.archive.handling import NOBODY, Handling, Work, handle
from maild.archive.holdings import Holdings, Inboxes, holdings, standing_in, within
from maild.archive.notes import NewNote, add_notes
from maild.archive.proposals import hand_on
from maild.archive.readers import teams_of
from maild.archive.schema import grants, users
from maild.archive.schema_absences import absences, leavings
from maild.archive.schema_outgoing import drafts
from maild.archive.succession import tell_successors
from maild.errors import ForbiddenError, MaildError
from maild.mail.acts import Act
from maild.policy.granting import managed
from maild.policy.grants import may
from maild.policy.leaving import Colleague
from maild.policy.roles import Permission
from maild.rules.model import Ruleset


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


def hand_all_over(connection: Connection, arguments: list[HandingOver]) -> list[HandedOver]:
    """Hand over what people hold who leave. Raises NotFoundError, ForbiddenError and MaildError."""
    return [_hand_over(connection, asked) for asked in arguments]


def _hand_over(connection: Connection, asked: HandingOver) -> HandedOver:
    lock_head(connection)
    scope = _scope(connection, asked)
    found = holdings(connection, asked.login, asked.rules, asked.at_ms, scope)
    if asked.by_id == found.user.id:
        raise ForbiddenError("somebody else says when one's own time is over")
    to = {
        inbox: _heir(asked.to.get(inbox), found.colleagues[inbox], found.proposed[inbox], f"answer in {inbox}")
        for inbox in found.inboxes
    }
    _assign(connection, asked, found, to)
    _give_drafts(connection, asked, found, to)
    if found.proposals:
        editor = _heir(asked.proposals_to, found.editors, found.proposed_editor, "edit the rules")
        if editor is not None:
            hand_on(connection, found.proposals, editor.login, asked.by, asked.at_ms)
    if scope is None:
        connection.execute(update(absences).where(*standing_in(found.user.id, asked.at_ms)).values(deputy_id=None))
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
    who = acting_principal(connection, asked.by_id)
    if may(who, Permission.PEOPLE, now_ms=asked.at_ms):
        return None
    own = managed(who, teams_of(asked.rules), asked.at_ms)
    if not own:
        raise ForbiddenError("handing over for others is for who manages them")
    return own


def _heir(
    login: str | None, candidates: Iterable[Colleague], proposed: Colleague | None, what: str
) -> Colleague | None:
    """Return who goes on: whom the login names, nobody in particular for "", and without one as was proposed."""
    if login is None:
        return proposed
    known = {each.login: each for each in candidates}
    if login and login not in known:
        raise MaildError(f"{login} may not {what}")
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
        if not within(row.team, scope) or (row.until_ms is not None and row.until_ms <= asked.leaves_ms):
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
    tell_successors(connection, found.user.login, got, asked.at_ms)


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
