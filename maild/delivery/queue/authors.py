"""What authors who wrote in a mail program are to hear of their deliveries: recorded with the try that shows it.

A report is noted once for each delivery and action, in the transaction that records the try; it is told once, in the
transaction that queues it. A kill between the two leaves it waiting, and nothing else.

Source: RFC 3461 §4.1 (NOTIFY), §5.2.2 (a next hop that does not know of reports).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, exists, func, literal_column, or_, select, update

from maild.archive.schema import conversations, messages, summaries
from maild.archive.schema_outgoing import deliveries, outgoing
from maild.archive.schema_telling import author_reports
from maild.archive.upserting import inserting
from maild.delivery.deliveries import ENDED_BADLY, SMTP, WAITING, Dsn
from maild.delivery.queue.working import End, Recorded
from maild.errors import MaildError
from maild.mail.dsn import DELAYED, FAILED, RELAYED
from maild.mail.dsn_writing import is_wanted

# For so long it is waited for the other recipients of a letter, so that one report tells of them all.
GATHERING_MS = 60_000
HELD = "held"  # what is told besides the actions of reports: a colleague was quicker
_WAITS = author_reports.c.state == literal_column("'waiting'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What is to be told of one delivery. `stands`: it still is as it was noted."""

    delivery_id: int
    action: str
    recipient: str
    dsn: Dsn
    said: str
    remote: str
    expires_ms: int
    stands: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter whose author is to be told, and what. `team` is the inbox in whose name it left."""

    message_id: int
    author: str
    team: str
    reverse_path: str | None
    conversation_id: int | None
    reference: str
    digest: bytes
    received_ms: int
    noted: tuple[Noted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Reports come to their end: `told`, or `dropped` for a reason in one word."""

    keys: tuple[tuple[int, str], ...]
    state: str
    why: str
    at_ms: int


def note_for_authors(connection: Connection, tries: Iterable[tuple[End, Recorded]]) -> None:
    """Note what authors are to hear of tries, within the unit of work that records them."""
    found = [
        (end, action)
        for end, after in tries
        if (action := _action(end, after)) and is_wanted(action, frozenset(end.delivery.dsn.notify))
    ]
    if not found:
        return
    ids = sorted({end.delivery.message_id for end, _ in found})
    by_mail = frozenset(
        connection.scalars(
            select(outgoing.c.message_id).where(
                outgoing.c.message_id.in_(ids), outgoing.c.by_mail == 1, outgoing.c.author != ""
            )
        )
    )
    rows = [_row(end, action) for end, action in found if end.delivery.message_id in by_mail]
    if rows:
        _note(connection, rows)


def _action(end: End, after: Recorded) -> str:
    if end.delivery.kind != SMTP:
        return ""
    if after.state in ENDED_BADLY:
        return FAILED
    if after.late:
        return DELAYED
    return RELAYED if after.state == "delivered" and not end.outcome.reports else ""


def _row(end: End, action: str) -> dict[str, Any]:
    return {
        "delivery_id": end.delivery.id,
        "action": action,
        "message_id": end.delivery.message_id,
        "said": end.outcome.reply,
        "remote": end.outcome.host,
        "made_ms": end.at_ms,
        "state": "waiting",
        "why": "",
    }


def _note(connection: Connection, rows: list[dict[str, Any]]) -> None:
    put = inserting(author_reports, connection.dialect.name)
    names = ("said", "remote", "made_ms", "state", "why")
    # What was never told because somebody had it tried again is told when it fails after all.
    put = put.on_conflict_do_update(
        index_elements=["delivery_id", "action"],
        set_={name: put.excluded[name] for name in names},
        where=author_reports.c.state == "dropped",
    )
    connection.execute(put, rows)


def note_held(connection: Connection, message_id: int, at_ms: int) -> None:
    """Note that the author of a letter is to hear that it waits, within the unit of work that queues it."""
    ids = connection.scalars(select(deliveries.c.id).where(deliveries.c.message_id == message_id))
    shared = {"message_id": message_id, "said": "", "remote": "", "made_ms": at_ms, "state": "waiting", "why": ""}
    _note(connection, [{"delivery_id": number, "action": HELD, **shared} for number in ids])


def letters_to_tell(connection: Connection, *, now_ms: int, after: int = 0, limit: int = 50) -> list[Letter]:
    """Return letters of which something is to be told, beyond the id `after`: what was tried for each recipient."""
    table, d = author_reports.c, deliveries.c
    untried = exists().where(d.message_id == table.message_id, d.state == "queued", d.attempts == 0)
    ready = or_(~untried, func.min(table.made_ms) <= now_ms - GATHERING_MS)
    ids = list(
        connection.scalars(
            select(table.message_id)
            .where(_WAITS, table.message_id > after)
            .group_by(table.message_id)
            .having(ready)
            .order_by(table.message_id)
            .limit(limit)
        )
    )
    noted = _noted(connection, ids)
    rows = connection.execute(
        select(
            messages.c.id, messages.c.reverse_path, messages.c.digest, messages.c.received_ms, outgoing.c.author,
            outgoing.c.team, summaries.c.conversation_id,
            conversations.c.reference,
        )
        .join_from(messages, outgoing, outgoing.c.message_id == messages.c.id)
        .outerjoin(summaries, summaries.c.message_id == messages.c.id)
        .outerjoin(conversations, conversations.c.id == summaries.c.conversation_id)
        .where(messages.c.id.in_(ids))
        .order_by(messages.c.id)
    )  # fmt: skip
    return [
        Letter(
            message_id=row.id, author=row.author, team=row.team, reverse_path=row.reverse_path,
            conversation_id=row.conversation_id, digest=bytes(row.digest), received_ms=row.received_ms,
            reference=row.reference or "", noted=tuple(noted[row.id]),
        )
        for row in rows
    ]  # fmt: skip


def _noted(connection: Connection, ids: Sequence[int]) -> dict[int, list[Noted]]:
    table, d = author_reports.c, deliveries.c
    found: dict[int, list[Noted]] = {}
    rows = connection.execute(
        select(author_reports, d.recipient, d.dsn, d.expires_ms, d.state.label("now"))
        .join_from(author_reports, deliveries, d.id == table.delivery_id)
        .where(_WAITS, table.message_id.in_(ids))
        .order_by(table.delivery_id, table.action)
    )
    for row in rows:
        each = Noted(
            delivery_id=row.delivery_id, action=row.action, recipient=row.recipient, dsn=Dsn.from_json(row.dsn),
            said=row.said, remote=row.remote, expires_ms=row.expires_ms, stands=_stands(row.action, row.now),
        )  # fmt: skip
        found.setdefault(row.message_id, []).append(each)
    return found


def _stands(action: str, state: str) -> bool:
    match action:
        case "failed":
            return state in ENDED_BADLY
        case "delayed":
            return state in WAITING
        case "held":
            return state == "held"
        case _:
            return state == "delivered"


def tell(connection: Connection, told: Told) -> None:
    """End reports, within the unit of work that queues what tells of them. Raises MaildError where one has ended."""
    for delivery_id, action in told.keys:
        changed: Any = connection.execute(
            update(author_reports)
            .where(author_reports.c.delivery_id == delivery_id, author_reports.c.action == action, _WAITS)
            .values(state=told.state, why=told.why, ended_ms=told.at_ms)
        )
        if not changed.rowcount:
            raise MaildError("somebody else has told it")


def end_reports(connection: Connection, arguments: list[Told]) -> list[None]:
    """End reports that are not told. A unit of work."""
    for each in arguments:
        tell(connection, each)
    return [None] * len(arguments)
