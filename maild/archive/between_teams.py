"""A conversation goes from one team to another, and comes back.

The receiver gets every letter that the giver had, and from then on what comes for the giver in it. Who fetches it back
gets what came since then: what the other team had before, and what is confidential there, is that team's to give. The
giver's entry is closed; he goes on reading what he has had, unless he asked not to. The citizen notices nothing: one
conversation, one address. A confidential exchange goes into the other team's confidential inbox. What lies in one only
because it looked as if it handed over an account can be opened to the team (`maild.archive.account_mail`).

Whether the person may do it was decided by `policy` before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, exists, func, insert, or_, select, text, update

from maild.archive.account_mail import may_be_opened
from maild.archive.allowed import allowed, allowed_filing
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.handling import entry_row
from maild.archive.notes import NewNote, add_notes
from maild.archive.questions import Question, Sight
from maild.archive.schema import conversations, entries, filings, summaries, tags
from maild.archive.schema_inbox import handed
from maild.archive.ways import end_of, forwards, open_ways
from maild.mail.acts import Act
from maild.mail.ids import message_id_at
from maild.mail.inbox import confidential, is_confidential, team_of
from maild.policy.visible import Visible

OFTEN = 3  # a conversation that went to and fro more often than this is somebody's business
_MOST_ALARMS = 5
_UNDERWAY_MS = 3600 * 1000  # a letter that was received before, and filed after it was handed over, has gone along


@dataclass(frozen=True, slots=True, kw_only=True)
class Handing:
    """Somebody hands a conversation over, hands it back, or fetches it back.

    `way` is over | back | fetched. `shown` is the revision of the entry in `team` that the page showed. `reason` is
    read by the receiver as an internal note. `keep`: the giver goes on reading what he has had. `opens`: from a team's
    confidential inbox into its own.
    """

    conversation_id: int
    team: str
    to_team: str
    way: str
    by: str
    at_ms: int
    shown: int | None
    reason: str = ""
    keep: bool = True
    opens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """Where the conversation lies now; None: nothing was done, because somebody was quicker."""

    inbox: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a conversation went from a team, or came from to it. `way` as in `Handing`; `is_open`: it still holds."""

    from_team: str
    to_team: str
    way: str
    at_ms: int
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAndFro:
    """A conversation that teams hand to each other again and again."""

    reference: str
    subject: str
    count: int
    teams: tuple[str, ...]


def hand(connection: Connection, arguments: list[Handing]) -> list[Handed]:
    """Carry out what people hand over. A unit of work."""
    lock_head(connection)
    return [_hand(connection, handing) for handing in arguments]


def hand_all(connection: Connection, arguments: list[tuple[Handing, ...]]) -> list[tuple[Handed, ...]]:
    """Hand several conversations over in one transaction, all of them or none. A unit of work."""
    return [tuple(hand(connection, list(handings))) for handings in arguments]


def _hand(connection: Connection, handing: Handing) -> Handed:
    number = handing.conversation_id
    giver = _holder(connection, number, handing.team) if handing.way == "fetched" else handing.team
    row = entry_row(connection, number, handing.team)
    if row is None or (handing.shown is not None and row.revision != handing.shown):
        return Handed(inbox=None)
    target = handing.team if handing.way == "fetched" else _inbox_of(connection, handing)
    if handing.opens:
        # Security: what a rule made confidential is not opened; the routes are looked at under the lock.
        if not may_be_opened(connection, number, giver):
            return Handed(inbox=None)
        target = team_of(giver)
    if giver == target or entry_row(connection, number, giver) is None:
        return Handed(inbox=None)
    since_ms = 0
    if handing.way == "fetched":
        if is_confidential(giver) and not is_confidential(target):
            return Handed(inbox=None)
        since_ms = _given_ms(connection, number, target) - _UNDERWAY_MS
    _end_ways(connection, handing, giver, target)
    _note_way(connection, handing, giver, target)
    _file(connection, number, giver, target, since_ms)
    _open(connection, number, giver, target)
    if handing.reason:
        add_notes(connection, [NewNote(
            conversation_id=number, team=target, author=handing.by, at_ms=handing.at_ms, text=handing.reason,
        )])  # fmt: skip
    _audit(connection, handing, giver, target)
    if handing.way != "fetched" and not handing.keep:
        _forget(connection, number, giver)
    return Handed(inbox=target)


def _holder(connection: Connection, conversation_id: int, team: str) -> str:
    """Return who has what a team gave away, through as many hands as it went."""
    return end_of(open_ways(connection, conversation_id), team)


def _inbox_of(connection: Connection, handing: Handing) -> str:
    """Return the receiver's inbox: the confidential one, when the exchange is that here, or already there."""
    team = team_of(handing.to_team)
    inner = confidential(team)
    if is_confidential(handing.team):
        return inner
    there = select(filings.c.team).where(filings.c.conversation_id == handing.conversation_id, filings.c.team == inner)
    return inner if connection.execute(there.limit(1)).first() is not None else team


def _end_ways(connection: Connection, handing: Handing, giver: str, target: str) -> None:
    """End what leads away from the receiver, where it lies again; of what comes back also all that lay between."""
    ended = {giver, target}
    if handing.way != "over":
        ways, team = open_ways(connection, handing.conversation_id), target
        while team in ways and ways[team] not in ended:
            team = ways[team]
            ended.add(team)
    connection.execute(
        update(handed)
        .where(
            handed.c.conversation_id == handing.conversation_id,
            handed.c.ended_ms.is_(None),
            handed.c.from_team.in_(sorted(ended)),
        )
        .values(ended_ms=handing.at_ms)
    )


def _note_way(connection: Connection, handing: Handing, giver: str, target: str) -> None:
    connection.execute(
        insert(handed).values(
            conversation_id=handing.conversation_id,
            from_team=giver,
            to_team=target,
            way=handing.way,
            by=handing.by,
            at_ms=handing.at_ms,
            kept=int(handing.keep),
            # What comes for a team that had it in between goes on to who has it; what came back goes nowhere else.
            ended_ms=None if handing.way == "over" else handing.at_ms,
        )
    )


def _given_ms(connection: Connection, conversation_id: int, team: str) -> int:
    """Return when a team handed over what it has not got back."""
    where = (handed.c.conversation_id == conversation_id, handed.c.from_team == team, handed.c.ended_ms.is_(None))
    return connection.scalar(select(func.max(handed.c.at_ms)).where(*where)) or 0


def _file(connection: Connection, conversation_id: int, giver: str, target: str, since_ms: int) -> None:
    """Give the receiver the letters that the giver has, from a time on."""
    of = filings.alias("of")
    there = exists().where(of.c.message_id == filings.c.message_id, of.c.team == target)
    found = connection.scalars(
        select(filings.c.message_id).where(
            filings.c.conversation_id == conversation_id,
            filings.c.team == giver,
            ~there,
            filings.c.message_id >= message_id_at(since_ms, 0),
        )
    ).all()
    rows = [{"team": target, "message_id": number, "conversation_id": conversation_id} for number in found]
    if rows:
        connection.execute(insert(filings), rows)


def _open(connection: Connection, conversation_id: int, giver: str, target: str) -> None:
    """Open the receiver's entry, unseen and nobody's, and close the giver's."""
    given = entry_row(connection, conversation_id, giver)
    before = entry_row(connection, conversation_id, target)
    if given is None:
        return
    waits = [row.waiting_since_ms for row in (given, before) if row is not None and row.waiting_since_ms is not None]
    values = {
        "state": "open",
        "assignee": None if before is None else before.assignee,
        "priority": given.priority if before is None else max(given.priority, before.priority),
        "newest_id": given.newest_id if before is None else max(given.newest_id, before.newest_id),
        "waiting_since_ms": min(waits, default=None),
        "seen_ms": None,
        "returns_ms": None,
    }
    if before is None:
        connection.execute(insert(entries).values(conversation_id=conversation_id, team=target, revision=0, **values))
    else:
        connection.execute(
            update(entries)
            .where(entries.c.conversation_id == conversation_id, entries.c.team == target)
            .values(revision=before.revision + 1, **values)
        )
    connection.execute(
        update(entries)
        .where(entries.c.conversation_id == conversation_id, entries.c.team == giver)
        .values(state="closed", assignee=None, returns_ms=None, revision=given.revision + 1)
    )


def _forget(connection: Connection, conversation_id: int, team: str) -> None:
    """Take the conversation from a team that does not want to go on reading it."""
    for table in (filings, entries, tags):
        connection.execute(delete(table).where(table.c.conversation_id == conversation_id, table.c.team == team))


def _audit(connection: Connection, handing: Handing, giver: str, target: str) -> None:
    act = Act.HANDED_OVER if handing.way == "over" else Act.HANDED_BACK
    act = Act.CONFIDENTIAL if handing.opens else act
    rows = {team: entry_row(connection, handing.conversation_id, team) for team in (giver, target)}
    record(connection, [
        Record(
            at_ms=handing.at_ms, actor=handing.by, act=act, team=team, conversation_id=handing.conversation_id,
            details={
                "from": giver, "to": target, "way": handing.way, "keep": handing.keep,
                "revision": 0 if row is None else row.revision,
            },
        )
        for team, row in rows.items()
    ])  # fmt: skip


# --- what people see of it ----------------------------------------------------------------------------------------


def also_in(connection: Connection, *, visible: Visible, conversation_id: int) -> frozenset[str]:
    """Return the other teams that have a letter of a conversation which a visible team has, too."""
    found = _ALSO_IN.scalars(connection, visible, conversation=conversation_id)
    # Security: that something lies in a confidential inbox is itself confidential.
    return frozenset(team for team in found if not is_confidential(team))


def _elsewhere(sight: Sight) -> Select[Any]:
    other = filings.alias("other")
    return (
        select(other.c.team)
        .join_from(filings, other, other.c.message_id == filings.c.message_id)
        .where(
            filings.c.conversation_id == bindparam("conversation"),
            allowed_filing(sight),
            ~allowed(other.c.team, sight, other.c.conversation_id),
        )
        .distinct()
    )


_ALSO_IN = Question(_elsewhere)


def lent(connection: Connection, *, conversation_id: int, inboxes: frozenset[str]) -> dict[str, str]:
    """Return the teams under whose addresses these inboxes go on with a conversation, each with the inbox."""
    ways = forwards(connection, [conversation_id]).get(conversation_id, {})
    return {team_of(team): holder for team, holder in ways.items() if holder in inboxes}


def ways_of(connection: Connection, *, visible: Visible, conversation_id: int) -> tuple[Way, ...]:
    """Return where a conversation went from visible teams and came from to them, oldest first."""
    rows = _WAYS.rows(connection, visible, conversation=conversation_id)
    return tuple(
        Way(
            from_team=row.from_team, to_team=row.to_team, way=row.way, at_ms=row.at_ms, is_open=row.ended_ms is None
        )
        for row in rows
    )  # fmt: skip


def _ways(sight: Sight) -> Select[Any]:
    either = (allowed(team, sight, handed.c.conversation_id) for team in (handed.c.from_team, handed.c.to_team))
    asked = handed.c.conversation_id == bindparam("conversation")
    return select(handed).where(asked, or_(*either)).order_by(handed.c.id)


_WAYS = Question(_ways)


def to_and_fro(connection: Connection, *, teams: frozenset[str]) -> tuple[ToAndFro, ...]:
    """Return what went to and fro too often between teams, of which one is among these, and is still open somewhere."""
    rows = _TO_AND_FRO.rows(connection, teams=teams)
    return tuple(
        ToAndFro(
            reference=row.reference,
            subject=connection.scalar(select(summaries.c.subject).where(summaries.c.message_id == row.n)) or "",
            count=row.times,
            teams=_teams_between(connection, row.id),
        )
        for row in rows
    )


def _often() -> Select[Any]:
    often = (
        select(handed.c.conversation_id)
        .group_by(handed.c.conversation_id)
        .having(func.count() > text(str(OFTEN)))
    )  # fmt: skip
    times = select(func.count()).where(handed.c.conversation_id == conversations.c.id).scalar_subquery().label("times")
    # From the few that went often to their entries: joined, each open entry of a long inbox would be looked up.
    return (
        select(conversations.c.id, conversations.c.reference, times, func.max(entries.c.newest_id).label("n"))
        .join_from(conversations, entries, entries.c.conversation_id == conversations.c.id)
        .where(
            entries.c.conversation_id.in_(often),
            entries.c.team.in_(bindparam("teams", expanding=True)),
            _is_open_somewhere(),
        )
        .group_by(conversations.c.id, conversations.c.reference)
        .order_by(times.desc(), conversations.c.id)
        .limit(_MOST_ALARMS)
    )


_TO_AND_FRO = Question(_often)


def _is_open_somewhere() -> Any:
    other = entries.alias("other")
    return exists().where(other.c.conversation_id == conversations.c.id, other.c.state.in_(("open", "waiting")))


def _teams_between(connection: Connection, conversation_id: int) -> tuple[str, ...]:
    where = handed.c.conversation_id == conversation_id
    pairs = connection.execute(select(handed.c.from_team, handed.c.to_team).where(where)).all()
    return tuple(sorted({team for pair in pairs for team in pair}))
