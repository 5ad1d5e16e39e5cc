"""Words among few messages: those of a small team, or with a rare tag.

What else is asked of them is asked first. Then all that have the words are read from the index, down to the oldest of
the few, and compared with them: a tenth of a microsecond for each. To make a list of them first would take four times
as long, and to ask the index for each of the few a hundred microseconds and more.

Invariant: the few are found, with all that makes them visible, in the statement that compares them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, case, except_, func, select, true
from sqlalchemy.sql.selectable import Select

from maild.archive.schema import filings
from maild.archive.search_filter import Asking, Range, asks_of_filings, condition, is_visible, within
from maild.archive.search_query import And, Not, Or, Query, has_words
from maild.archive.search_text import is_absent_text, is_among, is_text, text_select

VERY_FEW = 2_000  # so few that it is worth while to find out before anything else is tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """Messages that the whole answer is among, and how the words are looked for there, should they be few."""

    ids: Select[int]  # of visible `filings`; one message may be there more than once
    found: Select[int]  # what has the words
    key: ColumnElement[int]
    absent: bool  # the words must be absent
    rest: tuple[Query, ...]


def divided(items: tuple[Query, ...]) -> tuple[Query | None, tuple[Query, ...]]:
    """Divide a query into what the index answers, all at once, and the rest; nothing without a word to be found."""
    words = tuple(i for i in items if is_text(i))
    if not words:
        return None, items
    words += tuple(i for i in items if is_absent_text(i))
    return words[0] if len(words) == 1 else And(items=words), tuple(i for i in items if i not in words)


def narrowed(items: tuple[Query, ...], asking: Asking, ids: Select[int]) -> Narrow | None:
    """Return how the words of a query are looked for among these messages of `filings`; None when it has none."""
    text, rest = divided(items)
    absent = text is None
    if text is None:
        words = tuple(i.item for i in items if isinstance(i, Not) and is_text(i.item))
        if not words:
            return None
        text, rest = Or(items=words), tuple(i for i in items if not is_absent_text(i))
    found, key = text_select(text, everything=asking.everything, dialect=asking.dialect)
    return Narrow(ids=ids, found=found, key=key, absent=absent, rest=rest)


def left(ids: Select[int], limits: Range) -> Select[int]:
    """Return those messages of `filings` that lie in a range."""
    return ids.where(within(filings.c.message_id, limits.low, limits.high))


def newest_among(
    connection: Connection, asking: Asking, narrow: Narrow, *, limits: Range, asked: Range, limit: int
) -> list[int]:
    """Return what meets the query among few messages, newest first.

    Args:
        connection: as `search` has it.
        asking: who asks.
        narrow: the few, and the words.
        limits: what is left of the range.
        asked: the range of the query itself. To compare each message that has the words with how far the walk has got
            would cost a tenth more, and is said of the few already.
        limit: how many at most.
    """
    few = left(narrow.ids, limits).subquery("few")
    plain = [i for i in narrow.rest if not has_words(i)]
    # A case, so that PostgreSQL asks it of each of the few: by a join it would first find all others that meet it.
    asked_of_each = conditions(asking, plain, few.c.message_id, limits, seen=True)
    them = select(few.c.message_id).where(case((and_(true(), *asked_of_each), 1)) == 1)
    counted = them.subquery()
    many, low = connection.execute(select(func.count(), func.min(counted.c.message_id))).one()
    if not many:
        return []
    found = narrow.found.where(within(narrow.key, low, asked.high))
    wordy = [i for i in narrow.rest if has_words(i)]
    among = is_among(narrow.key, them, dialect=asking.dialect)
    if narrow.absent:
        # Each message that has the words is struck off the list of the few: on SQLite quicker than to look it up there,
        # unless an order is asked for, in which it would sort them all.
        met = them.where(*conditions(asking, wordy, few.c.message_id, limits, them, seen=True))
        found = found if asking.dialect == "sqlite" else found.where(among)
        return sorted(connection.scalars(except_(met, found)), reverse=True)[:limit]
    found = found.where(among, *conditions(asking, wordy, narrow.key, limits, them, seen=True))
    if many > limit:
        found = found.order_by(narrow.key.desc()).limit(limit)
    # From the oldest on, FTS5 reads in two thirds of the time: that is the order where no limit can end it.
    return sorted(connection.scalars(found), reverse=True)


def conditions(
    asking: Asking,
    rest: Collection[Query],
    key: ColumnElement[int],
    window: Range,
    them: Select[int] | None = None,
    *,
    seen: bool = False,
) -> Iterator[ColumnElement[bool]]:
    """Yield what is asked of each candidate, the quickest to refuse first.

    Args:
        asking: who asks.
        rest: what of the query remains to be asked.
        key: the id of the candidate.
        window: where the candidates lie.
        them: all candidates, if words are asked for.
        seen: whether they are known to be visible.
    """  # fmt: skip

    def in_index(words: Query, message_id: ColumnElement[int]) -> ColumnElement[bool]:
        found, row = text_select(words, everything=asking.everything, dialect=asking.dialect)
        among = [] if them is None else [is_among(row, them, dialect=asking.dialect)]
        return message_id.in_(found.where(within(row, window.low, window.high), *among))

    if not seen and (asking.everything or not any(map(asks_of_filings, rest))):
        yield is_visible(asking, key)
    for item in rest:
        yield condition(item, asking, key, in_index)
