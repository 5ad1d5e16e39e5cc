"""What a team's work comes to, counted: letters that came, answers that left, and how long an answer took.

Each figure is of a team, never of a person; docs/statistics.md says how it is counted. All of them are read from the
archive as it is: one walk over a range of a team's filings, whose ids are their times.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Exists,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from maild.archive.accounts import open_grants
from maild.archive.allowed import require_team
from maild.archive.schema import entries, filings, messages, recipients, summaries, tags
from maild.archive.schema_outgoing import outgoing, returns
from maild.mail.dsn import FAILED
from maild.mail.facts import Automatic
from maild.mail.ids import id_ms, message_id_at
from maild.policy.grants import teams_with
from maild.policy.roles import Permission
from maild.policy.visible import Visible

AGES = (1, 3, 7, 30)  # days: up to one, one to three …, and beyond the last
_DAY_MS = 86_400_000
_SLOT_MS = 900_000  # days begin at a full quarter of an hour in every zone
_ID_BITS = 21  # of chance, below the milliseconds: see `maild.mail.ids`
_TAGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What happened within a time. `first_answers_ms`: how long each first answer took, shortest first."""

    received: int = 0
    automatic: int = 0
    answered: int = 0
    returned: int = 0
    first_answers_ms: tuple[int, ...] = ()

    @property
    def median_ms(self) -> int | None:
        """Half of the first answers took no longer."""
        return rank(self.first_answers_ms, 50)

    @property
    def slow_ms(self) -> int | None:
        """Nine of ten first answers took no longer."""
        return rank(self.first_answers_ms, 90)


def rank(ordered: Sequence[int], percent: int) -> int | None:
    """Return the smallest value that `percent` of all do not exceed (nearest rank); None of nothing."""
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1] if ordered else None


def writers(connection: Connection, teams: Mapping[str, str | None], now_ms: int) -> Counter[str]:
    """Return how many people write in each inbox now: readers who at least draft, by whatever grant."""
    held = open_grants(connection).values()
    return Counter(team for grants in held for team in teams_with(grants, Permission.DRAFT, teams, now_ms))


def periods(
    connection: Connection,
    *,
    visible: Visible,
    team: str,
    edges_ms: Sequence[int],
    keys: Collection[str] | None = None,
) -> tuple[Period, ...]:
    """Return what happened in a team's inbox between each two edges, which rise; raises NotFoundError.

    With `keys`, only letters that came by one of these addresses, and what is in their conversations.
    """
    require_team(team, visible)
    counted = _counted(connection, team, edges_ms, keys)
    returned = _returned(connection, team, edges_ms, keys)
    took = first_answers(connection, visible=visible, team=team, since_ms=edges_ms[0], until_ms=edges_ms[-1], keys=keys)
    waits: dict[int, list[int]] = {}
    for answered_ms, took_ms in took:
        waits.setdefault(bisect_right(edges_ms, answered_ms) - 1, []).append(took_ms)
    return tuple(
        Period(
            **{name: counted[number, name] for name in ("received", "automatic", "answered")},
            returned=returned[number],
            first_answers_ms=tuple(sorted(waits.get(number, ()))),
        )
        for number in range(len(edges_ms) - 1)
    )


def received(connection: Connection, *, visible: Visible, team: str, spans_ms: Sequence[tuple[int, int]],
             keys: Collection[str] | None = None) -> tuple[int, ...]:  # fmt: skip
    """Return how many letters people wrote to a team within each span; raises NotFoundError."""
    require_team(team, visible)
    what = _kind()
    return tuple(
        connection.scalar(
            _walk(team, since, until, keys).with_only_columns(func.count()).where(what == "received")
        ) or 0
        for since, until in spans_ms
    )  # fmt: skip


def _between(since_ms: int, until_ms: int) -> ColumnElement[bool]:
    """Return the condition that a message is of a time: of the key of `filings` alone."""
    return and_(filings.c.message_id >= message_id_at(since_ms, 0), filings.c.message_id < message_id_at(until_ms, 0))


def _is_answer(team: str) -> ColumnElement[bool]:
    """Return the condition that a message is an answer that people of a team wrote.

    What was imported as ours has no row in `outgoing`: it answers where it does not open its conversation.
    """
    imported = and_(outgoing.c.message_id.is_(None), filings.c.conversation_id < filings.c.message_id)
    return and_(
        messages.c.direction == "out", or_(imported, and_(outgoing.c.kind == "answer", outgoing.c.team == team))
    )


def _kind() -> ColumnElement[str]:
    person = summaries.c.automatic == int(Automatic.PERSON)
    return case((messages.c.direction == "out", "answered"), (person, "received"), else_="automatic")


def _walk(team: str, since_ms: int, until_ms: int, keys: Collection[str] | None) -> Select[Any]:
    """Return the letters and answers of a time, without what lies in spam."""
    is_letter = messages.c.direction == "in"
    found = (
        select(filings.c.message_id)
        .join_from(filings, messages, messages.c.id == filings.c.message_id)
        .join(summaries, summaries.c.message_id == filings.c.message_id)
        .outerjoin(outgoing, outgoing.c.message_id == filings.c.message_id)
        .outerjoin(
            entries,
            and_(entries.c.conversation_id == filings.c.conversation_id, entries.c.team == filings.c.team),
        )
        .where(filings.c.team == team, _between(since_ms, until_ms), or_(is_letter, _is_answer(team)))
        .where(func.coalesce(entries.c.state, "") != "spam")
    )
    if keys is None:
        return found
    r = recipients.alias()
    itself = filings.c.message_id.in_(
        select(r.c.message_id).where(
            r.c.address_key.in_(sorted(keys)),
            r.c.message_id >= message_id_at(since_ms, 0),
            r.c.message_id < message_id_at(until_ms, 0),
        )
    )
    return found.where(or_(and_(is_letter, itself), and_(~is_letter, _came_by(filings.c.conversation_id, team, keys))))


def _came_by(conversation_id: ColumnElement[int], team: str, keys: Collection[str]) -> Exists:
    """Return the condition that a conversation has a letter that came by one of these addresses."""
    f, r = filings.alias(), recipients.alias()
    # Not by the index of addresses, which SQLite would choose: it would read all mail of an address for each row.
    given = func.coalesce(r.c.address_key, "")
    return exists().where(
        f.c.conversation_id == conversation_id, f.c.team == team,
        r.c.message_id == f.c.message_id, given.in_(sorted(keys)),
    )  # fmt: skip


def _counted(
    connection: Connection, team: str, edges_ms: Sequence[int], keys: Collection[str] | None
) -> Counter[tuple[int, str]]:
    slot = (filings.c.message_id // (_SLOT_MS << _ID_BITS)).label("slot")
    kind = _kind().label("kind")
    each = _walk(team, edges_ms[0], edges_ms[-1], keys).with_only_columns(slot, kind).subquery().c
    grouped = select(each.slot, each.kind, func.count().label("many")).group_by(each.slot, each.kind)
    counted: Counter[tuple[int, str]] = Counter()
    for row in connection.execute(grouped):
        counted[bisect_right(edges_ms, row.slot * _SLOT_MS) - 1, row.kind] += row.many
    return counted


def _returned(connection: Connection, team: str, edges_ms: Sequence[int], keys: Collection[str] | None) -> Counter[int]:
    """Return how many recipients were reported as not reached."""
    r = returns.c
    found = select(r.at_ms).where(r.team == team, r.action == FAILED, r.at_ms >= edges_ms[0], r.at_ms < edges_ms[-1])
    if keys is not None:
        sent = summaries.c.message_id == r.about_id
        found = found.join_from(returns, summaries, sent).where(func.lower(summaries.c.from_mail).in_(sorted(keys)))
    return Counter(bisect_right(edges_ms, at_ms) - 1 for at_ms in connection.scalars(found))


def first_answers(
    connection: Connection,
    *,
    visible: Visible,
    team: str,
    since_ms: int,
    until_ms: int,
    keys: Collection[str] | None = None,
) -> list[tuple[int, int]]:
    """Return when each first answer of a time left, and how long its conversation had waited; raises NotFoundError.

    Conversations that began with a letter of ours have none.
    """
    require_team(team, visible)
    concerned = (
        _walk(team, since_ms, until_ms, keys)
        .with_only_columns(filings.c.conversation_id)
        .where(messages.c.direction == "out")
    )
    by_person = and_(messages.c.direction == "in", summaries.c.automatic == int(Automatic.PERSON))
    written = func.min(case((_is_answer(team), filings.c.message_id))).label("answer")
    letter = func.min(case((by_person, filings.c.message_id))).label("letter")
    found = (
        select(letter, written)
        .join_from(filings, messages, messages.c.id == filings.c.message_id)
        .join(summaries, summaries.c.message_id == filings.c.message_id)
        .outerjoin(outgoing, outgoing.c.message_id == filings.c.message_id)
        .where(filings.c.team == team, filings.c.conversation_id.in_(concerned))
        .group_by(filings.c.conversation_id)
    )
    return [
        (id_ms(row.answer), id_ms(row.answer) - id_ms(row.letter))
        for row in connection.execute(found)
        if row.letter is not None and row.letter < row.answer and since_ms <= id_ms(row.answer) < until_ms
    ]


def usual_answer_ms(
    connection: Connection, *, visible: Visible, team: str, since_ms: int, until_ms: int, fewest: int = 1
) -> int | None:
    """Return within which time nine of ten first answers of a time came; None: there were fewer than `fewest`.

    Raises NotFoundError.
    """
    took = first_answers(connection, visible=visible, team=team, since_ms=since_ms, until_ms=until_ms)
    return rank(sorted(each for _, each in took), 90) if len(took) >= fewest else None


def open_by_age(
    connection: Connection, *, visible: Visible, team: str, now_ms: int, keys: Collection[str] | None = None
) -> tuple[int, ...]:
    """Return how many conversations are open now, by how long they wait, as AGES divides them; raises NotFoundError.

    What waits for nobody's answer is as old as its newest letter.
    """
    require_team(team, visible)
    newest_ms = entries.c.newest_id // (1 << _ID_BITS)
    age_ms = literal(now_ms, BigInteger()) - func.coalesce(entries.c.waiting_since_ms, newest_ms)
    found = select(age_ms).where(entries.c.team == team, entries.c.state == "open")
    if keys is not None:
        found = found.where(_came_by(entries.c.conversation_id, team, keys))
    counted = Counter(bisect_right(AGES, age // _DAY_MS) for age in connection.scalars(found))
    return tuple(counted[number] for number in range(len(AGES) + 1))


def oldest_open(connection: Connection, *, visible: Visible, team: str) -> int | None:
    """Return since when the oldest letter of an open conversation waits, None when none does; raises NotFoundError."""
    require_team(team, visible)
    waiting = entries.c.waiting_since_ms
    found: int | None = connection.scalar(
        select(func.min(waiting)).where(entries.c.team == team, entries.c.state == "open")
    )
    return found


def by_tag(connection: Connection, *, visible: Visible, team: str, since_ms: int, until_ms: int,
           keys: Collection[str] | None = None) -> tuple[tuple[str, int], ...]:  # fmt: skip
    """Return the commonest tags of conversations in which a letter came within a time; raises NotFoundError."""
    require_team(team, visible)
    concerned = (
        _walk(team, since_ms, until_ms, keys)
        .with_only_columns(filings.c.conversation_id)
        .where(messages.c.direction == "in")
    )
    many = func.count().label("many")
    found = (
        select(tags.c.tag, many)
        .where(tags.c.team == team, tags.c.conversation_id.in_(concerned))
        .group_by(tags.c.tag)
        .order_by(many.desc(), tags.c.tag)
        .limit(_TAGS)
    )
    return tuple((row.tag, row.many) for row in connection.execute(found))


def by_address(connection: Connection, *, visible: Visible, team: str, since_ms: int, until_ms: int) -> dict[str, int]:
    """Return by which recipients' addresses people's letters of a time came, as they were given; raises NotFoundError.

    A letter to two addresses counts for both.
    """
    require_team(team, visible)
    walked = _walk(team, since_ms, until_ms, None).where(_kind() == "received")
    found = (
        walked.join(recipients, recipients.c.message_id == filings.c.message_id)
        .with_only_columns(recipients.c.address_key, func.count().label("many"))
        .where(recipients.c.address_key != "")
        .group_by(recipients.c.address_key)
    )
    return {row.address_key: row.many for row in connection.execute(found)}
