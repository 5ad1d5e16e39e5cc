"""What is new to a person, and who wants to be told of it by mail.

Invariant: every row is of an inbox that the asker may see at that moment; of what lies in a confidential one only the
number is given. What the person has looked at since is no news.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, literal_column, or_, select, update

from maild.archive.allowed import allowed
from maild.archive.audit import Record, record
from maild.archive.schema import conversations, duties, entries, filings, messages, summaries, users
from maild.archive.schema_inbox import handed, mentions, seen
from maild.archive.schema_outgoing import deliveries, notes, outgoing
from maild.archive.schema_people import audit
from maild.archive.schema_telling import digest_choices, digest_silent
from maild.mail.acts import Act
from maild.mail.ids import message_id_at
from maild.mail.inbox import is_confidential, team_of
from maild.policy.deputies import NO_COVER, Cover
from maild.policy.digests import OFF, USUAL_HOUR
from maild.policy.visible import Visible

# Why an entry is news, the weightiest first.
ASSIGNED, MENTIONED, FAILED, ANSWERED, HANDED, NEW = REASONS = (
    "assigned", "mentioned", "failed", "answered", "handed", "new",
)  # fmt: skip
_MOST_LOOKED_AT = 10_000
_AT_A_TIME = 500
_IN_WORK = ("open", "waiting")
Key = tuple[int, str]  # of an entry
Named = tuple[str, str]  # an entry, by its reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person wants, and how far they have been told."""

    user_id: int
    mode: str = OFF
    hour: int = USUAL_HOUR
    subjects: bool = False
    silent: frozenset[str] = frozenset()
    slot: str = ""
    told_ms: int = 0
    sent_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnItsWay:
    """A digest that no other server has yet.

    `inboxes` are those that it was allowed to tell of, `lent` those of which what was assigned to the person, `named`
    the entries that stand in it.
    """

    user_id: int
    delivery_id: int
    inboxes: frozenset[str]
    lent: frozenset[str] = frozenset()
    named: frozenset[Named] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosing:
    """A person says what they want. `slot` is the day that is not told of any more."""

    choice: Choice
    login: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks for news, of which inboxes, and since when.

    `personal`: only what is for them alone, and what was handed over to their teams and waits for somebody.
    """

    user_id: int
    login: str
    visible: Visible
    since_ms: int
    until_ms: int
    cover: Cover = NO_COVER
    personal: bool = False
    limit: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An entry that is news. `subject` is of the newest letter in that inbox."""

    reference: str
    team: str
    why: str
    since_ms: int
    waiting: bool  # somebody outside has waited since; else it came then
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is new: entries by weight, how many more there are, and how many in confidence."""

    items: tuple[Item, ...] = ()
    more: int = 0
    confidential: int = 0

    @property
    def count(self) -> int:
        """How much is new."""
        return len(self.items) + self.more + self.confidential


# --- choices ------------------------------------------------------------------------------------------------


def choice_of(connection: Connection, user_id: int) -> Choice:
    """Return what a person has chosen; without a choice, nothing is sent."""
    return next(iter(_choices(connection, user_id)), Choice(user_id=user_id))


def wishes(connection: Connection) -> tuple[Choice, ...]:
    """Return the choices of all who want to be told, and whose account is open."""
    return tuple(each for each in _choices(connection, None) if each.mode != OFF)


def _choices(connection: Connection, user_id: int | None) -> Iterator[Choice]:
    quiet: dict[int, set[str]] = {}
    one = digest_silent.c.user_id == user_id if user_id is not None else digest_silent.c.user_id.is_not(None)
    for each, team in connection.execute(select(digest_silent.c.user_id, digest_silent.c.team).where(one)):
        quiet.setdefault(each, set()).add(team)
    table = digest_choices.c
    who = table.user_id == user_id if user_id is not None else users.c.disabled_ms.is_(None)
    joined = select(digest_choices).join(users, users.c.id == table.user_id).where(who).order_by(table.user_id)
    for row in connection.execute(joined).mappings():
        kept = {name: row[name] for name in ("user_id", "mode", "hour", "slot", "told_ms", "sent_ms")}
        silent = frozenset(quiet.get(row["user_id"], ()))
        yield Choice(**kept, subjects=bool(row["subjects"]), silent=silent)


def choose(connection: Connection, arguments: list[Choosing]) -> list[None]:
    """Write down what people want. A unit of work."""
    for asked in arguments:
        _choose(connection, asked)
    return [None] * len(arguments)


def _choose(connection: Connection, asked: Choosing) -> None:
    wanted, before = asked.choice, choice_of(connection, asked.choice.user_id)
    # What was there before it was turned on is no news; nor is the hour that has passed today.
    told_ms, slot = (asked.at_ms, wanted.slot) if before.mode == OFF else (before.told_ms, before.slot)
    values = {
        "mode": wanted.mode, "hour": wanted.hour, "subjects": int(wanted.subjects), "told_ms": told_ms, "slot": slot,
    }  # fmt: skip
    mine = digest_choices.c.user_id == wanted.user_id
    changed: Any = connection.execute(update(digest_choices).where(mine).values(**values))
    if not changed.rowcount:
        connection.execute(insert(digest_choices).values(user_id=wanted.user_id, **values))
    connection.execute(delete(digest_silent).where(digest_silent.c.user_id == wanted.user_id))
    if wanted.silent:
        rows = [{"user_id": wanted.user_id, "team": team} for team in sorted(wanted.silent)]
        connection.execute(insert(digest_silent), rows)
    details = {"digest": wanted.mode, "subjects": wanted.subjects, "silent": sorted(wanted.silent)}
    record(connection, [Record(at_ms=asked.at_ms, actor=asked.login, act=Act.ACCOUNT, about=asked.login,
                               details=details)])  # fmt: skip


def note_told(
    connection: Connection, user_id: int, *, slot: str, told_ms: int, message_id: int | None, visible: Visible,
    named: Iterable[Named],
) -> None:  # fmt: skip
    """Write down how far a person has been told, and of what, in the unit of work that queues the mail."""
    sent: dict[str, Any] = {}
    if message_id is not None:
        inboxes = json.dumps([sorted(visible.teams), sorted(visible.assigned), sorted(named)])
        sent = {"message_id": message_id, "sent_ms": told_ms, "inboxes": inboxes, "before_ms": digest_choices.c.told_ms}
    connection.execute(
        update(digest_choices)
        .where(digest_choices.c.user_id == user_id)
        .values(told_ms=told_ms, **({"slot": slot} if slot else {}), **sent)
    )


def on_their_way(connection: Connection, user_id: int | None = None) -> tuple[OnItsWay, ...]:
    """Return the digests that wait to be sent, or to be tried again: of one person, or of all."""
    d, c = deliveries.c, digest_choices.c
    waiting: list[Any] = [literal_column("'queued'"), literal_column("'deferred'")]
    rows = connection.execute(
        select(c.user_id, d.id, c.inboxes)
        .join_from(digest_choices, deliveries, d.message_id == c.message_id)
        .where(d.state.in_(waiting), c.user_id == user_id if user_id is not None else c.user_id.is_not(None))
    )
    return tuple(_on_its_way(row.user_id, row.id, json.loads(row.inboxes or "[]")) for row in rows)


def _on_its_way(user_id: int, delivery_id: int, told: list[Any]) -> OnItsWay:
    if not told or isinstance(told[0], str):  # one list, or two: of a version before
        told = [told]
    whole, lent, named = (*told, [], [])[:3]
    return OnItsWay(
        user_id=user_id, delivery_id=delivery_id, inboxes=frozenset(whole), lent=frozenset(lent),
        named=frozenset((reference, inbox) for reference, inbox in named),
    )  # fmt: skip


def note_recalled(connection: Connection, user_id: int) -> None:
    """Write down that the last digest was told to nobody, within the unit of work that drops it."""
    told_ms = func.coalesce(digest_choices.c.before_ms, digest_choices.c.told_ms)
    connection.execute(
        update(digest_choices)
        .where(digest_choices.c.user_id == user_id)
        .values(told_ms=told_ms, slot="", sent_ms=None, message_id=None)
    )


# --- what is new --------------------------------------------------------------------------------------------


def news(connection: Connection, asked: Asking) -> News:
    """Return what is new to a person."""
    why: dict[Key, str] = {}
    for reason, keys in _found(connection, asked):
        for key in keys:
            why.setdefault(key, reason)
    items = sorted(_items(connection, asked, why), key=lambda each: (REASONS.index(each.why), -each.since_ms))
    told = [each for each in items if not is_confidential(each.team)]
    shown = tuple(told[: asked.limit])
    return News(items=shown, more=len(told) - len(shown), confidential=len(items) - len(told))


def _found(connection: Connection, asked: Asking) -> Iterator[tuple[str, Iterable[Key]]]:
    yield ASSIGNED, [*_assigned(connection, asked), *_assigned_by_rules(connection, asked)]
    yield MENTIONED, _mentioned(connection, asked)
    yield FAILED, _failed(connection, asked)
    if not asked.personal:
        yield from _came(connection, asked)
    yield HANDED, _handed(connection, asked)


def _assigned(connection: Connection, asked: Asking) -> list[Key]:
    a = audit.c
    rows = connection.execute(
        select(a.conversation_id, a.team, a.details).where(
            # Written out, not bound: otherwise no database sees that the index has them all.
            a.act == literal_column("'assigned'"), a.at_ms > asked.since_ms, a.at_ms <= asked.until_ms,
            a.actor != asked.login,
        )
    )  # fmt: skip
    return [(row.conversation_id, row.team) for row in rows if json.loads(row.details).get("to") == asked.login]


def _assigned_by_rules(connection: Connection, asked: Asking) -> list[Key]:
    d = duties.c
    rows = connection.execute(
        select(filings.c.conversation_id, d.team)
        .join_from(duties, filings, and_(filings.c.message_id == d.message_id, filings.c.team == d.team))
        .where(
            d.message_id >= message_id_at(asked.since_ms, 0), d.kind == "assign", d.target == asked.login,
            d.state == "done", d.ended_ms > asked.since_ms, d.ended_ms <= asked.until_ms,
        )
    )  # fmt: skip
    return [(row.conversation_id, row.team) for row in rows]


def _mentioned(connection: Connection, asked: Asking) -> list[Key]:
    rows = connection.execute(
        select(mentions.c.conversation_id, mentions.c.team)
        .join_from(mentions, notes, notes.c.id == mentions.c.note_id)
        .where(
            mentions.c.user_id == asked.user_id, mentions.c.seen_ms.is_(None), notes.c.author != asked.login,
            notes.c.at_ms > asked.since_ms, notes.c.at_ms <= asked.until_ms,
        )
    )  # fmt: skip
    return [(row.conversation_id, row.team) for row in rows]


def _failed(connection: Connection, asked: Asking) -> list[Key]:
    """Return where letters of the person's own will not arrive."""
    d = deliveries.c
    states: list[Any] = [literal_column("'failed'"), literal_column("'expired'")]
    rows = connection.execute(
        select(filings.c.conversation_id, filings.c.team)
        .join_from(deliveries, outgoing, outgoing.c.message_id == d.message_id)
        .join(filings, filings.c.message_id == d.message_id)
        .where(d.state.in_(states), d.ended_ms > asked.since_ms, d.ended_ms <= asked.until_ms,
               outgoing.c.author == asked.login)
    )  # fmt: skip
    return [(row.conversation_id, row.team) for row in rows]


def _came(connection: Connection, asked: Asking) -> list[tuple[str, list[Key]]]:
    """Return where letters came: in what is the person's, and in what is nobody's."""
    e = entries.c
    gone = _gone(connection)
    rows = connection.execute(
        select(e.conversation_id, e.team, e.assignee)
        .join_from(entries, messages, messages.c.id == e.newest_id)
        .outerjoin(seen, and_(seen.c.conversation_id == e.conversation_id, seen.c.user_id == asked.user_id))
        .where(
            allowed(e.team, asked.visible, e.conversation_id), e.state == "open",
            e.newest_id >= message_id_at(asked.since_ms, 0), e.newest_id < message_id_at(asked.until_ms + 1, 0),
            messages.c.direction == "in",
            or_(seen.c.newest_id.is_(None), seen.c.newest_id < e.newest_id),
        )
        .limit(_MOST_LOOKED_AT)
    )  # fmt: skip
    found: dict[str, list[Key]] = {ANSWERED: [], NEW: []}
    for row in rows:
        if why := _concern(asked, gone, row.team, row.assignee):
            found[why].append((row.conversation_id, row.team))
    return list(found.items())


def _handed(connection: Connection, asked: Asking) -> list[Key]:
    """Return what other teams handed over or gave back; at once only what nobody has looked at and nobody else has."""
    h, e = handed.c, entries.c
    rows = connection.execute(
        select(h.conversation_id, h.to_team, e.assignee, e.seen_ms)
        .join(entries, and_(e.conversation_id == h.conversation_id, e.team == h.to_team))
        .where(
            h.at_ms > asked.since_ms, h.at_ms <= asked.until_ms, h.by != asked.login,
            or_(h.ended_ms.is_(None), h.way == "back"), allowed(h.to_team, asked.visible, h.conversation_id),
        )
    )  # fmt: skip
    if not asked.personal:
        return [(row.conversation_id, row.to_team) for row in rows]
    gone = _gone(connection)
    return [
        (row.conversation_id, row.to_team)
        for row in rows
        if row.seen_ms is None and _concern(asked, gone, row.to_team, row.assignee)
    ]


def _concern(asked: Asking, gone: frozenset[int], team: str, assignee: int | None) -> str:
    """Return why letters in an entry are somebody's concern: it is theirs (ANSWERED), nobody's (NEW), or not ""."""
    if assignee == asked.user_id or assignee in asked.cover.whom(team, asked.user_id):
        return ANSWERED
    return NEW if assignee is None or assignee in gone or assignee in asked.cover.whom(team, None) else ""


def _gone(connection: Connection) -> frozenset[int]:
    return frozenset(connection.scalars(select(users.c.id).where(users.c.disabled_ms.is_not(None))))


def _items(connection: Connection, asked: Asking, why: Mapping[Key, str]) -> Iterator[Item]:
    ids = sorted({conversation_id for conversation_id, _ in why})
    e = entries.c
    for start in range(0, len(ids), _AT_A_TIME):
        rows = connection.execute(
            select(
                e.conversation_id, e.team, e.assignee, e.waiting_since_ms, conversations.c.reference,
                summaries.c.subject, messages.c.received_ms,
            )
            .join_from(entries, conversations, conversations.c.id == e.conversation_id)
            .join(summaries, summaries.c.message_id == e.newest_id)
            .join(messages, messages.c.id == e.newest_id)
            .where(
                e.conversation_id.in_(ids[start : start + _AT_A_TIME]), e.state.in_(_IN_WORK),
                allowed(e.team, asked.visible, e.conversation_id),
            )
        )  # fmt: skip
        for row in rows:
            reason = why.get((row.conversation_id, row.team))
            if reason is None or (reason == ASSIGNED and row.assignee != asked.user_id):
                continue
            since_ms = row.received_ms if row.waiting_since_ms is None else row.waiting_since_ms
            yield Item(
                reference=row.reference, team=row.team, why=reason, since_ms=since_ms,
                waiting=row.waiting_since_ms is not None, subject=row.subject,
            )  # fmt: skip


def shown_inboxes(visible: Visible, silent: frozenset[str]) -> Visible:
    """Return the inboxes of which a person wants to hear."""
    heard, lent = (
        frozenset(inbox for inbox in inboxes if team_of(inbox) not in silent)
        for inboxes in (visible.teams, visible.assigned)
    )
    return replace(visible, teams=heard, assigned=lent)
