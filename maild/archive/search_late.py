"""Messages that are not in the index yet, looked through one by one.

They are found by what the archive has of them without opening their octets: subject, sender, the beginning of their
text; and by the envelope, which is the operator's alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, exists, select, text, true
from sqlalchemy.exc import OperationalError

from maild.archive.analysis import analyse
from maild.archive.prepared import Prepared
from maild.archive.questions import Question, Sight
from maild.archive.schema import filings, messages, recipients, summaries
from maild.archive.search_filter import Asking, Range, condition, is_visible, seen_filings, within
from maild.archive.search_query import Query, Words
from maild.archive.search_text import matches

MOST = 500  # while the index is being filled there may be more: they are found when it is

Late = Mapping[int, Mapping[str, str]]  # by message id, the analysed text of each field


def watermark(connection: Connection) -> int | None:
    """Return the highest revision that is indexed; None when there is no index to ask."""
    try:
        rows = _WATERMARK.rows(connection)
    except OperationalError:
        if connection.dialect.name == "sqlite":  # not attached: the index has not been made yet
            return None
        raise
    return int(rows[0][0] or 0) if rows else 0


_WATERMARK = Prepared(lambda dialect: text(f"SELECT revision FROM {'idx.' * (dialect == 'sqlite')}search_state"))  # noqa: S608 - a constant


def read_late(connection: Connection, asking: Asking, indexed: int) -> Late:
    """Return the newest messages beyond the watermark that the asker may see."""
    ids = set(_FILED.scalars(connection, asking.visible, indexed=indexed))
    if asking.everything:
        ids.update(_WAITING.scalars(connection))
    if not ids:
        return {}
    addressed = _addressed(connection, ids) if asking.everything else {}
    return {row.id: _texts(row, addressed.get(row.id), asking) for row in connection.execute(_known(ids))}


def _filed(sight: Sight) -> Select[Any]:
    s = summaries.c
    seen = exists().where(filings.c.message_id == s.message_id, seen_filings(sight)).correlate(summaries)
    filed = select(s.message_id).where(s.revision > bindparam("indexed"), true() if sight.everything else seen)
    return filed.order_by(s.revision.desc()).limit(MOST)


def _waiting() -> Select[Any]:
    r = recipients.c
    return select(r.message_id).distinct().where(r.state == "accepted").order_by(r.message_id.desc()).limit(MOST)


_FILED, _WAITING = Question(_filed), Question(_waiting)


def _known(ids: Iterable[int]) -> Any:
    m, s = messages.c, summaries.c
    joined = messages.outerjoin(summaries, s.message_id == m.id)
    columns = (m.id, m.reverse_path, s.subject, s.from_name, s.from_mail, s.excerpt)
    return select(*columns).select_from(joined).where(m.id.in_(sorted(ids)))


def _addressed(connection: Connection, ids: Iterable[int]) -> Mapping[int, list[str]]:
    r = recipients.c
    found: dict[int, list[str]] = defaultdict(list)
    for message_id, address in connection.execute(select(r.message_id, r.address).where(r.message_id.in_(sorted(ids)))):
        found[message_id].append(address)
    return found


def _texts(row: Row[Any], addressed: list[str] | None, asking: Asking) -> Mapping[str, str]:
    # Security: the reverse-path and the recipients of the envelope are not part of what staff are shown.
    sender = [row.from_name or "", row.from_mail or "", row.reverse_path or "" if asking.everything else ""]
    return {
        "subject": analyse(row.subject or ""),
        "sender": analyse("\n".join(sender)),
        "envelope": analyse("\n".join(addressed or ())),
        "body": analyse(row.excerpt or ""),
    }


def find_late(connection: Connection, asking: Asking, query: Query, limits: Range, late: Late) -> list[int]:
    """Return the ids of those that meet a query."""

    def in_texts(words: Query, message_id: ColumnElement[int]) -> ColumnElement[bool]:
        if not isinstance(words, Words):
            raise TypeError(f"{words} are no words")
        found = [i for i, fields in late.items() if matches(words, fields, everything=asking.everything)]
        return message_id.in_(found)

    candidates = select(messages.c.id).where(messages.c.id.in_(sorted(late))).subquery("candidate")
    key = candidates.c.id
    asked = select(key).where(within(key, limits.low, limits.high), is_visible(asking, key))
    return list(connection.scalars(asked.where(condition(query, asking, key, in_texts))))
