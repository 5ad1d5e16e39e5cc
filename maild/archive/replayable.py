"""Archived mail that the rules can be asked about once more: with its envelope, and the route it took before.

Left out is what the rules never decided: mail that was sent from here, that an import put into a team's inbox, that is
a duplicate, or that the router has yet to reach.

Nothing here is shown to people by team: it is for who runs maild.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, exists, func, select

from maild.archive.as_read import Place
from maild.archive.compression import DamagedError, decompress
from maild.archive.examinations import evidence_of
from maild.archive.schema import messages, recipients, summaries
from maild.mail.authentication import Verdicts
from maild.mail.evidence import Evidence
from maild.mail.ids import message_id_at
from maild.rules.recorded import Recorded
from maild.rules.recorded_places import placements, recorded_routes
from maild.rules.route import Placement

IMPORT = "import"
Places = dict[str, Place]  # by team


class Replayable(NamedTuple):
    """A filed message, and the recipients that the rules decided about."""

    message_id: int
    received_ms: int
    reverse_path: str | None
    digest: bytes
    size: int
    addresses: tuple[str, ...]
    imported: bool
    trace: bytes
    peer_ip: str | None
    reply: bool  # whether it joined a conversation with an older message
    verdicts: Verdicts | None


class Chosen(NamedTuple):
    """Which mail: of a time, and when `ids` are given only these, in their order."""

    since_ms: int
    until_ms: int
    ids: tuple[int, ...] | None = None


def kept_routes(trace: bytes) -> tuple[Recorded, ...] | None:
    """Return the routes that a message took; None when not all of them can be read."""
    try:
        return recorded_routes(json.loads(decompress(trace)))
    except (DamagedError, ValueError):
        return None


def places_in(trace: bytes, *, imported: bool) -> Places | None:
    """Return where the kept routes put a message; None when they cannot be read."""
    routes = kept_routes(trace)
    return None if routes is None else places_of(placements(routes), imported=imported)


def places_of(found: Sequence[Placement], *, imported: bool) -> Places:
    """Return placements as filings know them. Imported mail lies with the closed, whatever a rule says."""
    return {
        p.inbox: Place(
            team=p.inbox, state="closed" if imported else str(p.state), priority=int(p.priority), tags=p.tags
        )
        for p in found
    }


def replayable_count(connection: Connection, chosen: Chosen) -> int:
    """Count what `replayable` will go through, at the most."""
    if chosen.ids is not None:
        return len(chosen.ids)
    return connection.scalar(_rows(func.count()).where(*_within(chosen))) or 0


def replayable(connection: Connection, chosen: Chosen, page: int) -> Iterator[list[Replayable]]:
    """Yield the messages, oldest first, at most `page` at once."""
    m, s = messages.c, summaries.c
    columns = (m.id, m.received_ms, m.reverse_path, m.digest, m.size, m.origin, m.envelope, s.trace, s.conversation_id)
    statement = _rows(*columns).where(*_within(chosen)).order_by(m.id)
    for where in _pages(connection, chosen, page):
        rows = connection.execute(statement.where(where).limit(page)).all()
        found = addressed(connection, [row.id for row in rows])
        evidence = evidence_of(connection, found)
        yield [_replayable(row, found[row.id], evidence.get(row.id)) for row in rows if row.id in found]


def _replayable(row: Row[Any], addresses: tuple[str, ...], evidence: Evidence | None) -> Replayable:
    return Replayable(
        message_id=row.id,
        received_ms=row.received_ms,
        reverse_path=row.reverse_path,
        digest=bytes(row.digest),
        size=row.size,
        addresses=addresses,
        imported=row.origin == IMPORT,
        trace=bytes(row.trace),
        peer_ip=json.loads(row.envelope).get("ip"),
        reply=row.conversation_id < row.id,
        verdicts=None if evidence is None else evidence.verdicts,
    )


def _pages(connection: Connection, chosen: Chosen, page: int) -> Iterator[ColumnElement[bool]]:
    if chosen.ids is not None:
        for start in range(0, len(chosen.ids), page):
            yield messages.c.id.in_(chosen.ids[start : start + page])
        return
    after = message_id_at(chosen.since_ms, 0) - 1
    while True:
        following = _rows(messages.c.id).where(*_within(chosen), messages.c.id > after).order_by(messages.c.id)
        ids = connection.scalars(following.limit(page)).all()
        if not ids:
            return
        yield messages.c.id.between(ids[0], ids[-1])
        after = ids[-1]


def _rows(*columns: Any) -> Any:
    return select(*columns).join_from(messages, summaries, summaries.c.message_id == messages.c.id)


def _within(chosen: Chosen) -> tuple[ColumnElement[bool], ...]:
    low, high = message_id_at(chosen.since_ms, 0), message_id_at(chosen.until_ms, 0)
    by_hand = exists().where(recipients.c.message_id == messages.c.id, recipients.c.team.is_not(None))
    return (messages.c.id >= low, messages.c.id < high, messages.c.direction == "in", ~by_hand)


def addressed(connection: Connection, ids: list[int]) -> dict[int, tuple[str, ...]]:
    """Return the recipients of messages that the rules decided about, as they were given."""
    found: dict[int, tuple[str, ...]] = {}
    for message_id, address in connection.execute(
        select(recipients.c.message_id, recipients.c.address)
        .where(
            recipients.c.message_id.in_(ids), recipients.c.state.in_(("filed", "problem")), recipients.c.address != ""
        )
        .order_by(recipients.c.message_id, recipients.c.position)
    ):
        found[message_id] = (*found.get(message_id, ()), address)
    return found
