"""Search: the newest messages that meet a query and that the asker may see.

What is indexed is found through the index; what is not yet (the last seconds, or everything while the index is being
filled) is found by what the archive has of it without opening its octets: subject, sender, the beginning of its text,
and for the operator the envelope.

Invariant: visibility is decided in the database, by `filings`, in the statement that finds; nothing of a message that
may not be seen leaves the database, neither as a hit nor in a count.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, and_, bindparam, select

from maild.archive.questions import Question, Sight
from maild.archive.schema import conversations, filings, messages, recipients, summaries, tags
from maild.archive.search_filter import Asking, Range, seen_filings
from maild.archive.search_late import find_late, read_late, watermark
from maild.archive.search_query import And, Facet, Not, Or, Query, has_words, leaves
from maild.archive.search_walk import Walk, range_of, ways
from maild.mail.ids import id_ms
from maild.policy.visible import Visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A message that was found. `teams` and `tags` are those that the asker may see; `to` is the operator's."""

    message_id: int
    conversation_id: int | None
    reference: str | None
    direction: str
    date_ms: int
    from_name: str
    from_mail: str
    to: tuple[str, ...]
    subject: str
    teams: tuple[str, ...]
    tags: tuple[str, ...]
    attachments: int
    size: int
    digest: bytes
    excerpt: str


def search(
    connection: Connection,
    visible: Visible,
    query: Query,
    *,
    limit: int = 50,
    before_id: int | None = None,
    now_ms: int,
    zone: tzinfo = UTC,
) -> list[Hit]:
    """Return the newest messages that meet a query, newest first.

    Args:
        connection: a reading connection; on SQLite with the index attached as `idx`.
        visible: what the asker may see.
        query: what `search_language.parse` read.
        limit: how many at most.
        before_id: go on below this id, the last of the page before.
        now_ms: what `30d` counts from.
        zone: whose midnight begins a day.
    """
    asking = Asking(visible=visible, now_ms=now_ms, zone=zone, dialect=connection.dialect.name)
    return _hits(connection, asking, _find(connection, asking, query, limit, before_id))


def count(
    connection: Connection, visible: Visible, query: Query, *, most: int = 1_000, now_ms: int, zone: tzinfo = UTC
) -> int:
    """Return how many messages meet a query; from `most` on it does not count further."""
    asking = Asking(visible=visible, now_ms=now_ms, zone=zone, dialect=connection.dialect.name)
    return len(_find(connection, asking, query, most, None))


def _find(connection: Connection, asking: Asking, query: Query, limit: int, before_id: int | None) -> list[int]:
    if limit < 1 or not (asking.everything or asking.visible.inboxes):
        return []
    asking = replace(asking, conversations=_references(connection, query))
    limits = range_of(query, asking, before_id)
    if not has_words(query):
        return _walk(connection, asking, query, limits, limit)
    indexed = watermark(connection)
    late = read_late(connection, asking, indexed or 0)
    found: set[int] = set()
    if indexed is not None:
        found.update(_walk(connection, asking, query, limits, limit + len(late)))
    if late:
        # What is absent from the index is no proof of what is absent from a message that is not in it.
        found = {i for i in found if i not in late} if _has_absent_words(query) else found
        found.update(find_late(connection, asking, query, limits, late))
    return sorted(found, reverse=True)[:limit]


def _has_absent_words(query: Query) -> bool:
    match query:
        case And() | Or():
            return any(map(_has_absent_words, query.items))
        case Not():
            return has_words(query.item)
        case _:
            return False


def _references(connection: Connection, query: Query) -> dict[str, tuple[int, ...]]:
    """Return the conversation that each reference of a query leads to, and those it passes: they may be merged."""
    asked = {leaf.value for leaf in leaves(query) if isinstance(leaf, Facet) and leaf.field == "ref"}
    return {reference: _merged(connection, reference) for reference in asked}


def _merged(connection: Connection, reference: str) -> tuple[int, ...]:
    c = conversations.c
    passed: list[int] = []
    row = connection.execute(select(c.id, c.merged_into).where(c.reference == reference)).first()
    while row and row.id not in passed:
        passed.append(row.id)
        row = connection.execute(select(c.id, c.merged_into).where(c.id == row.merged_into)).first()
    return tuple(passed)


def _walk(connection: Connection, asking: Asking, query: Query, limits: Range, limit: int) -> list[int]:
    return Walk(connection, asking, limits).newest(ways(query, asking), limit)


def _hits(connection: Connection, asking: Asking, ids: list[int]) -> list[Hit]:
    if not ids:
        return []
    filed: dict[int, list[Any]] = defaultdict(list)
    tagged: dict[int, set[str]] = defaultdict(set)
    addressed: dict[int, list[str]] = defaultdict(list)
    for row in _FILED.rows(connection, asking.visible, ids=ids):
        filed[row.message_id].append(row)
    for message_id, tag in _TAGGED.rows(connection, asking.visible, ids=ids):
        tagged[message_id].add(tag)
    # Security: the envelope may name teams that others do not know of (a blind copy); for the operator alone.
    for message_id, address in _ADDRESSED.rows(connection, ids=ids) if asking.everything else ():
        addressed[message_id] += [address] if address else []
    rows = {row.id: row for row in _MESSAGES.rows(connection, ids=ids)}
    return [_hit(rows[i], filed[i], tagged[i], addressed[i]) for i in ids if i in rows]


_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_ADDRESSED = Question(
    lambda: (
        select(recipients.c.message_id, recipients.c.address)
        .where(recipients.c.message_id.in_(_IDS))
        .order_by(recipients.c.position)
    )
)


def _messages() -> Select[Any]:
    m, s = messages.c, summaries.c
    columns = (m.id, m.direction, m.digest, m.size, m.reverse_path)
    summary = (s.subject, s.from_name, s.from_mail, s.attachments, s.excerpt)
    joined = messages.outerjoin(summaries, s.message_id == m.id)
    return select(*columns, *summary).select_from(joined).where(m.id.in_(_IDS))


def _filed(sight: Sight) -> Select[Any]:
    f = filings.c
    return (
        select(f.message_id, f.team, f.conversation_id, conversations.c.reference)
        .join_from(filings, conversations, conversations.c.id == f.conversation_id)
        .where(f.message_id.in_(_IDS), seen_filings(sight))
        .order_by(f.team)
    )


def _tagged(sight: Sight) -> Select[Any]:
    same = and_(tags.c.conversation_id == filings.c.conversation_id, tags.c.team == filings.c.team)
    found = select(filings.c.message_id, tags.c.tag).join_from(filings, tags, same)
    return found.where(filings.c.message_id.in_(_IDS), seen_filings(sight))


_MESSAGES, _FILED, _TAGGED = Question(_messages), Question(_filed), Question(_tagged)


def _hit(row: Any, filed: list[Any], tagged: set[str], addressed: list[str]) -> Hit:
    conversation = filed[0] if filed else None
    return Hit(
        message_id=row.id,
        conversation_id=conversation.conversation_id if conversation else None,
        reference=conversation.reference if conversation else None,
        direction=row.direction,
        date_ms=id_ms(row.id),
        from_name=row.from_name or "",
        from_mail=row.reverse_path or "" if row.from_mail is None else row.from_mail,
        to=tuple(addressed),
        subject=row.subject or "",
        teams=tuple(f.team for f in filed),
        tags=tuple(sorted(tagged)),
        attachments=row.attachments or 0,
        size=row.size,
        digest=bytes(row.digest),
        excerpt=row.excerpt or "",
    )
