"""The moment of responsibility: content, envelope, work items and chain in one transaction.

When `accept` has been committed, the mail is ours. Nothing here parses mail or waits for anyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from maild.archive.chain import Link, extend
from maild.archive.content import Content, store
from maild.archive.examinations import keep_evidence
from maild.archive.prepared import Prepared, PreparedIn
from maild.archive.schema import chain_head, messages, recipients

DUPLICATE_WINDOW_MS = 7 * 24 * 3600 * 1000
_RUN = 256  # ids looked at in one go where many mails carry the same date


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """One work item. `team` files the mail there without asking the rules; `dsn` is JSON."""

    address: str
    address_key: str
    dsn: str | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What is to be made durable. `message_id` is moved to the next free number where it is taken."""

    message_id: int
    direction: str
    origin: str
    content: Content
    received_ms: int
    reverse_path: str | None
    envelope: str  # JSON
    addressees: tuple[Addressee, ...]
    evidence: str | None = None  # JSON; None: the router looks who sent it


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of it. `to_route` is False when every recipient is a duplicate."""

    message_id: int
    sequence: int
    duplicate_of: int | None
    to_route: bool


def lock_head(connection: Connection) -> tuple[int, bytes, int]:
    """Serialise with every other writer; return the newest sequence, chain and revision."""
    ((sequence, chain, revision),) = _HEAD.rows(connection)
    return sequence, bytes(chain), revision


_HEAD = Prepared(select(chain_head.c.sequence, chain_head.c.chain, chain_head.c.revision).with_for_update())
_MOVE_HEAD = Prepared(update(chain_head).values(sequence=bindparam("new_sequence"), chain=bindparam("new_chain")))
_INSERT_MESSAGES = Prepared(insert(messages))
_INSERT_RECIPIENTS = Prepared(insert(recipients))
_TAKEN = PreparedIn(lambda ids: select(messages.c.id).where(messages.c.id.in_(ids)))
_EARLIER = PreparedIn(
    lambda digests: (
        select(messages.c.digest, messages.c.reverse_path, recipients.c.address_key, recipients.c.team, messages.c.id)
        .join_from(messages, recipients, recipients.c.message_id == messages.c.id)
        .where(
            messages.c.digest.in_(digests),
            messages.c.received_ms >= bindparam("since"),
            recipients.c.duplicate_of.is_(None),
        )
        .order_by(messages.c.sequence)
    )
)


def accept(connection: Connection, acceptances: list[Acceptance]) -> Sequence[Accepted]:
    """Store messages with one work item for each recipient. A unit of work.

    The same octets, reverse-path and recipient within seven days become a work item in state `duplicate`:
    archived, and not routed again.
    """
    sequence, chain, _ = lock_head(connection)
    ids = _Ids(connection, [a.message_id for a in acceptances])
    earlier = _earlier(connection, acceptances)
    message_rows: list[dict[str, object]] = []
    recipient_rows: list[dict[str, object]] = []
    results: list[Accepted] = []
    for acceptance in acceptances:
        message_id = ids.take(acceptance.message_id)
        sequence += 1
        chain = extend(chain, _link(acceptance, message_id, sequence))
        message_rows.append(_message_row(acceptance, message_id, sequence, chain))
        originals = []
        for position, addressee in enumerate(acceptance.addressees):
            key = (acceptance.content.digest, acceptance.reverse_path, addressee.address_key, addressee.team)
            original = earlier.setdefault(key, message_id)
            originals.append(None if original == message_id else original)
            recipient_rows.append(_recipient_row(addressee, message_id, position, originals[-1]))
        results.append(
            Accepted(
                message_id=message_id,
                sequence=sequence,
                duplicate_of=next((o for o in originals if o is not None), None),
                to_route=None in originals,
            )
        )
    store(connection, [a.content for a in acceptances])
    _INSERT_MESSAGES.run(connection, message_rows)
    _INSERT_RECIPIENTS.run(connection, recipient_rows)
    keep_evidence(
        connection,
        {done.message_id: a.evidence for done, a in zip(results, acceptances, strict=True) if a.evidence is not None},
    )
    _MOVE_HEAD.run(connection, {"new_sequence": sequence, "new_chain": chain})
    return results


class _Ids:
    """Finds free message ids: the wanted one, or the next that nobody has."""

    def __init__(self, connection: Connection, wanted: list[int]) -> None:
        self._connection = connection
        self._checked = set(wanted)
        self._taken = {message_id for (message_id,) in _TAKEN.rows(connection, wanted)}

    def take(self, wanted: int) -> int:
        while wanted in self._taken:
            wanted += 1
            if wanted not in self._checked:
                run = range(wanted, wanted + _RUN)
                self._checked.update(run)
                found = select(messages.c.id).where(messages.c.id.between(run.start, run.stop - 1))
                self._taken.update(self._connection.scalars(found))
        self._taken.add(wanted)
        return wanted


Key = tuple[bytes, str | None, str, str | None]


def _earlier(connection: Connection, acceptances: list[Acceptance]) -> dict[Key, int]:
    since = min(a.received_ms for a in acceptances) - DUPLICATE_WINDOW_MS
    digests = {a.content.digest for a in acceptances}
    rows = _EARLIER.rows(connection, list(digests), {"since": since})
    found: dict[Key, int] = {}
    for digest, reverse_path, address_key, team, message_id in rows:
        found.setdefault((bytes(digest), reverse_path, address_key, team), message_id)
    return found


def _link(acceptance: Acceptance, message_id: int, sequence: int) -> Link:
    return Link(
        sequence=sequence,
        message_id=message_id,
        received_ms=acceptance.received_ms,
        size=acceptance.content.size,
        digest=acceptance.content.digest,
        direction=acceptance.direction,
        origin=acceptance.origin,
        reverse_path=acceptance.reverse_path,
        envelope=acceptance.envelope,
        recipients=tuple(a.address for a in acceptance.addressees),
    )


def _message_row(acceptance: Acceptance, message_id: int, sequence: int, chain: bytes) -> dict[str, object]:
    return {
        "id": message_id,
        "sequence": sequence,
        "chain": chain,
        "direction": acceptance.direction,
        "origin": acceptance.origin,
        "digest": acceptance.content.digest,
        "size": acceptance.content.size,
        "received_ms": acceptance.received_ms,
        "reverse_path": acceptance.reverse_path,
        "envelope": acceptance.envelope,
    }


def _recipient_row(addressee: Addressee, message_id: int, position: int, original: int | None) -> dict[str, object]:
    return {
        "message_id": message_id,
        "position": position,
        "address": addressee.address,
        "address_key": addressee.address_key,
        "dsn": addressee.dsn,
        "team": addressee.team,
        "state": "accepted" if original is None else "duplicate",
        "duplicate_of": original,
    }
