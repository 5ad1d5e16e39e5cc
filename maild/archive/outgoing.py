"""What we wrote: whose it is, what it answers, whom it went to. Recorded with the message, read by those who may."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, insert, select

from maild.archive.accounts import name_or
from maild.archive.allowed import allowed_filing
from maild.archive.questions import Question, Sight
from maild.archive.schema import conversations, filings, message_refs, messages, recipients, users
from maild.archive.schema_outgoing import outgoing
from maild.archive.threading import target_of
from maild.policy.visible import Visible

_MAX_MERGES = 64  # a chain of merges longer than this is a circle
_BY_NOBODY = ("automatic", "notice")  # what maild sends of its own accord is no answer, and nobody else's mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message of ours. `author` is a login, "" for maild itself; `author_name` is how people know them."""

    message_id: int
    kind: str  # answer | new | forward | automatic | notice | copy | digest
    team: str
    author: str
    author_name: str = ""
    answers_id: int | None = None
    duty_id: int | None = None
    at_ms: int = 0
    by_mail: bool = False  # its author is told by mail what becomes of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A message that somebody answers, and where it is filed."""

    message_id: int
    conversation_id: int
    team: str


def keep_written(connection: Connection, written: Written) -> None:
    """Record whose a message is: within the transaction that accepts it."""
    names = ("message_id", "kind", "team", "author", "answers_id", "duty_id")
    row = {name: getattr(written, name) for name in names}
    connection.execute(insert(outgoing).values(**row, by_mail=int(written.by_mail)))


def written_of(connection: Connection, *, visible: Visible, message_ids: Iterable[int]) -> dict[int, Written]:
    """Return whose messages are, of those that left in the name of a visible team."""
    return {
        each.message_id: each
        for each in _written(connection, visible, outgoing.c.message_id.in_(sorted(set(message_ids))))
    }


def sent_to(connection: Connection, *, visible: Visible, message_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return whom letters of ours went to, of those that left in the name of an inbox that is seen.

    Security: an envelope names blind copies, too. Who reads the author's inbox sees where they went, and nobody else.
    """
    rows = _SENT_TO.rows(connection, visible, messages=frozenset(message_ids))
    found: dict[int, tuple[str, ...]] = {}
    for number, address in rows:
        found[number] = (*found.get(number, ()), address)
    return found


def _sent(sight: Sight) -> Select[Any]:
    r = recipients.c
    own = and_(filings.c.message_id == outgoing.c.message_id, filings.c.team == outgoing.c.team)
    return (
        select(r.message_id, r.address)
        .join_from(recipients, outgoing, outgoing.c.message_id == r.message_id)
        .join(filings, own)
        .where(r.message_id.in_(bindparam("messages", expanding=True)), allowed_filing(sight))
        .order_by(r.message_id, r.position)
    )


_SENT_TO = Question(_sent)


def answers_to(connection: Connection, *, visible: Visible, message_ids: Iterable[int]) -> dict[int, list[Written]]:
    """Return what was written about messages, oldest first: answers, letters sent on, what maild sent by itself."""
    found: dict[int, list[Written]] = {}
    for each in _written(connection, visible, outgoing.c.answers_id.in_(sorted(set(message_ids)))):
        found.setdefault(each.answers_id or 0, []).append(each)
    return found


def answers_since(
    connection: Connection, *, visible: Visible, conversation_id: int, since_id: int
) -> tuple[Written, ...]:
    """Return what people wrote in a conversation after one of its messages, oldest first."""
    return _written(
        connection, visible, filings.c.conversation_id == conversation_id, messages.c.id > since_id,
        messages.c.direction == "out", func.coalesce(outgoing.c.kind, "").not_in(_BY_NOBODY),
    )  # fmt: skip


def written_to(connection: Connection, *, visible: Visible, conversation_id: int) -> frozenset[str] | None:
    """Return the keys of whom the newest letter of ours in a conversation went to; None: nobody ever wrote."""
    newest = connection.scalar(
        select(func.max(messages.c.id))
        .join_from(filings, messages, messages.c.id == filings.c.message_id)
        .outerjoin(outgoing, outgoing.c.message_id == messages.c.id)
        .where(
            filings.c.conversation_id == conversation_id,
            messages.c.direction == "out",
            func.coalesce(outgoing.c.kind, "").not_in(_BY_NOBODY),
            allowed_filing(visible),
        )
    )
    if newest is None:
        return None
    found = connection.scalars(select(recipients.c.address_key).where(recipients.c.message_id == newest))
    return frozenset(key for key in found if key)


def repeated_to(connection: Connection, message_id: int) -> frozenset[str]:
    """Return the keys of recipients whom the same octets were submitted for before, within the week."""
    r = recipients.c
    found = select(r.address_key).where(r.message_id == message_id, r.duplicate_of.is_not(None))
    return frozenset(connection.scalars(found))


def answered_by(connection: Connection, *, visible: Visible, references: Sequence[str]) -> Answered | None:
    """Return the nearest message that an answer refers to, of those that a visible team has; ids oldest first."""
    targets = {target_of(key): nearness for nearness, key in enumerate(references)}
    rows = connection.execute(
        select(message_refs.c.target, filings.c.message_id, filings.c.conversation_id, filings.c.team)
        .join_from(message_refs, filings, filings.c.message_id == message_refs.c.message_id)
        .where(message_refs.c.target.in_(list(targets)), message_refs.c.position == 0, allowed_filing(visible))
    ).all()
    if not rows:
        return None
    # Of several with one Message-ID the newest; of inboxes the team's own goes before the confidential one.
    row = max(sorted(rows, key=lambda r: r.team), key=lambda r: (targets[bytes(r.target)], r.message_id))
    return Answered(message_id=row.message_id, conversation_id=row.conversation_id, team=row.team)


def survivor_of(connection: Connection, conversation_id: int) -> int:
    """Return the conversation that one was merged into, or itself."""
    for _ in range(_MAX_MERGES):
        into = connection.scalar(select(conversations.c.merged_into).where(conversations.c.id == conversation_id))
        if into is None:
            return conversation_id
        conversation_id = into
    raise AssertionError("a circle of merges")


def _written(connection: Connection, visible: Visible, *conditions: object) -> tuple[Written, ...]:
    name = func.coalesce(name_or(outgoing.c.author), "")
    columns = ("kind", "team", "author", "answers_id", "duty_id")
    rows = connection.execute(
        select(messages.c.id, messages.c.received_ms, name.label("author_name"), *(outgoing.c[c] for c in columns))
        .join_from(filings, messages, messages.c.id == filings.c.message_id)
        # What was imported as ours has no row here, and is an answer all the same.
        .outerjoin(outgoing, outgoing.c.message_id == messages.c.id)
        .outerjoin(users, users.c.login == outgoing.c.author)
        .where(*conditions, allowed_filing(visible))  # type: ignore[arg-type]  # conditions of SQLAlchemy
        .order_by(messages.c.id)
        .distinct()
    )
    return tuple(
        Written(
            message_id=row.id,
            kind=row.kind or "",
            team=row.team or "",
            author=row.author or "",
            author_name=row.author_name,
            answers_id=row.answers_id,
            duty_id=row.duty_id,
            at_ms=row.received_ms,
        )
        for row in rows
    )
