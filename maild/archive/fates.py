"""Every fate of a mail, for who runs maild: from the reply its sender got to the inboxes it lies in.

This is the operator's view of the whole archive, without regard to teams; nothing here may be offered in a browser.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from maild.archive.examinations import evidence_of
from maild.archive.provenance import routes_in
from maild.archive.schema import (
    conversations,
    entries,
    filings,
    message_refs,
    messages,
    recipients,
    rules_versions,
    summaries,
)
from maild.archive.threading import target_of
from maild.errors import ForbiddenError
from maild.mail.evidence import Evidence
from maild.mail.ids import message_id_at
from maild.policy.visible import Visible

LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which mail: all that is given must agree. `since_ms` bounds the date."""

    message_id: int | None = None
    message_key: str | None = None
    sender: str | None = None  # an address, in From or the envelope
    recipient_key: str | None = None
    since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientFate:
    """What became of one recipient. `duplicate_of` names the message that was routed in its stead."""

    address: str
    team: str | None
    state: str
    duplicate_of: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxFate:
    """One inbox it lies in."""

    team: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What is known of one acceptance. `routes` is the stored trace, a value for each recipient; empty until routed."""

    id: int
    origin: str
    direction: str
    received_ms: int
    reverse_path: str | None
    size: int
    digest: bytes
    peer: str
    recipients: tuple[RecipientFate, ...]
    subject: str
    reference: str | None
    rules_digest: str | None
    rules_number: int | None
    problem: str | None
    source_only: str | None
    inboxes: tuple[InboxFate, ...]
    routes: tuple[dict[str, Any], ...]
    from_mail: str
    evidence: Evidence | None  # None: nobody has looked who sent it


def fates(connection: Connection, *, visible: Visible, wanted: Wanted) -> list[Fate]:
    """Return the fates of at most LIMIT messages, newest first."""
    if not visible.everything:
        raise ForbiddenError("only who runs maild may trace mail")
    rows = connection.execute(_statement(wanted)).all()
    ids = [row.id for row in rows]
    by_recipient = _recipients(connection, ids)
    by_inbox = _inboxes(connection, ids)
    evidence = evidence_of(connection, ids)
    return [_fate(row, by_recipient.get(row.id, ()), by_inbox.get(row.id, ()), evidence.get(row.id)) for row in rows]


def _statement(wanted: Wanted) -> Select[Any]:
    number = (
        select(func.max(rules_versions.c.number))
        .where(rules_versions.c.digest == summaries.c.rules_version)
        .scalar_subquery()
    )
    columns = (messages, summaries, conversations.c.reference, number.label("rules_number"))
    statement = (
        select(*columns)
        .outerjoin_from(messages, summaries, summaries.c.message_id == messages.c.id)
        .outerjoin(conversations, conversations.c.id == summaries.c.conversation_id)
        .order_by(messages.c.id.desc())
        .limit(LIMIT)
    )
    if wanted.message_id is not None:
        statement = statement.where(messages.c.id == wanted.message_id)
    if wanted.since_ms is not None:
        statement = statement.where(messages.c.id >= message_id_at(wanted.since_ms, 0))
    if wanted.message_key is not None:
        carried = select(message_refs.c.message_id).where(
            message_refs.c.target == target_of(wanted.message_key), message_refs.c.position == 0
        )
        statement = statement.where(messages.c.id.in_(carried))
    if wanted.sender is not None:
        sender = wanted.sender.lower()
        statement = statement.where(
            or_(func.lower(messages.c.reverse_path) == sender, func.lower(summaries.c.from_mail) == sender)
        )
    if wanted.recipient_key is not None:
        received = select(recipients.c.message_id).where(recipients.c.address_key == wanted.recipient_key)
        statement = statement.where(messages.c.id.in_(received))
    return statement


def _recipients(connection: Connection, ids: list[int]) -> dict[int, tuple[RecipientFate, ...]]:
    found: dict[int, tuple[RecipientFate, ...]] = {}
    for row in connection.execute(
        select(recipients)
        .where(recipients.c.message_id.in_(ids))
        .order_by(recipients.c.message_id, recipients.c.position)
    ):
        fate = RecipientFate(address=row.address, team=row.team, state=row.state, duplicate_of=row.duplicate_of)
        found[row.message_id] = (*found.get(row.message_id, ()), fate)
    return found


def _inboxes(connection: Connection, ids: list[int]) -> dict[int, tuple[InboxFate, ...]]:
    found: dict[int, tuple[InboxFate, ...]] = {}
    for row in connection.execute(
        select(filings.c.message_id, filings.c.team, entries.c.state)
        .outerjoin_from(
            filings,
            entries,
            (entries.c.conversation_id == filings.c.conversation_id) & (entries.c.team == filings.c.team),
        )
        .where(filings.c.message_id.in_(ids))
        .order_by(filings.c.message_id, filings.c.team)
    ):
        found[row.message_id] = (*found.get(row.message_id, ()), InboxFate(team=row.team, state=row.state or ""))
    return found


def _fate(
    row: Row[Any],
    recipients_: tuple[RecipientFate, ...],
    inboxes: tuple[InboxFate, ...],
    evidence: Evidence | None,
) -> Fate:
    envelope = json.loads(row.envelope)
    return Fate(
        id=row.id,
        origin=row.origin,
        direction=row.direction,
        received_ms=row.received_ms,
        reverse_path=row.reverse_path,
        size=row.size,
        digest=bytes(row.digest),
        peer=envelope.get("ip") or envelope.get("imported") or "",
        recipients=recipients_,
        subject=row.subject or "",
        reference=row.reference,
        rules_digest=row.rules_version,
        rules_number=row.rules_number,
        problem=row.problem,
        source_only=row.source_only,
        inboxes=inboxes,
        routes=() if row.trace is None else tuple(routes_in(bytes(row.trace))),
        from_mail=row.from_mail or "",
        evidence=evidence,
    )
