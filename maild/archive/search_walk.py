"""The ways to walk through the archive, newest first, and the choice among them.

A *way* yields the ids of messages in descending order, in steps: the messages in which the words are found, those
filed to the visible teams, those with a tag. Each step asks, of the next so many, which meet the whole query. One way
may be hopeless where another is immediate (a common word for the reader of a small team; a rare tag in a common
search), and which it is depends on counts that nobody keeps. So the ways take turns, each in steps that grow, and the
first to have found enough, or to come to its end, has the answer: at most a few times the cost of the best way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, Text, and_, case, cast, func, select, union_all
from sqlalchemy import true as sql_true
from sqlalchemy.sql.selectable import Select

from maild.archive.schema import entries, filings, message_refs, messages, tags
from maild.archive.search_filter import (
    STATES,
    Asking,
    TextCondition,
    condition,
    id_range,
    is_visible,
    message_key_target,
    visible_filings,
    within,
)
from maild.archive.search_query import And, ByDate, ById, Facet, Query
from maild.archive.search_text import has_prefix, is_absent_text, is_text, text_select

_FEW_TEAMS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Which ids come into question: from `low` on, below `high`."""

    low: int | None = None
    high: int | None = None

    def narrowed(self, low: int | None, high: int | None) -> Range:
        lows = [n for n in (self.low, low) if n is not None]
        highs = [n for n in (self.high, high) if n is not None]
        return Range(low=max(lows, default=None), high=min(highs, default=None))


Source = Callable[[Range, int], Select[int]]


@dataclass(slots=True, kw_only=True)
class Way:
    """One way: where its ids come from, what of the query remains to be asked of each, and how far it got."""

    source: Source
    rest: tuple[Query, ...]
    range: Range
    step: int = 256
    growth: int = 8
    found: list[int] = field(default_factory=list)
    ended: bool = False


def _descending(ids: Select[int], key: ColumnElement[int]) -> Source:
    def source(limits: Range, count: int) -> Select[int]:
        newest = ids.where(within(key, limits.low, limits.high)).order_by(key.desc()).limit(count)
        return newest.with_only_columns(key.label("id"))

    return source


def _of_each(sources: Sequence[Source]) -> Source:
    """Merge sources: each alone has its order from an index, all at once would have to be sorted."""

    def source(limits: Range, count: int) -> Select[int]:
        parts = [select(each(limits, count).subquery().c.id) for each in sources]
        merged = union_all(*parts).subquery()
        return select(merged.c.id).distinct().order_by(merged.c.id.desc()).limit(count)

    return source if len(sources) > 1 else sources[0]


def _items(query: Query) -> tuple[Query, ...]:
    return query.items if isinstance(query, And) else (query,)


def range_of(query: Query, asking: Asking, before_id: int | None) -> Range:
    """Return the ids that the dates of a query leave."""
    found = Range(high=before_id)
    for item in _items(query):
        if isinstance(item, ByDate):
            found = found.narrowed(*id_range(item, asking))
        elif isinstance(item, ById):
            found = found.narrowed(item.message_id, item.message_id + 1)
    return found


def _text_way(items: tuple[Query, ...], asking: Asking, limits: Range) -> Way | None:
    words = tuple(i for i in items if is_text(i))
    if not words:
        return None
    words += tuple(i for i in items if is_absent_text(i))
    text = words[0] if len(words) == 1 else And(items=words)
    ids, key = text_select(text, everything=asking.everything, dialect=asking.dialect)
    rest = tuple(i for i in items if i not in words)
    # Every step of a `word*` first merges all words that begin so: fewer, longer steps.
    first = 4_096 if has_prefix(text) else 128
    return Way(source=_descending(ids, key), rest=rest, range=limits, step=first)


def _exact_way(items: tuple[Query, ...], asking: Asking, limits: Range) -> Way | None:
    for item in items:
        if isinstance(item, Facet) and item.field == "msgid":
            key = message_refs.c.message_id
            named = select(key).where(
                message_refs.c.target == message_key_target(item.value), message_refs.c.position == 0
            )
            return Way(source=_descending(named, key), rest=items, range=limits)
        if isinstance(item, Facet) and item.field == "ref":
            key = filings.c.message_id
            of_reference = filings.c.conversation_id.in_(asking.conversations.get(item.value, ()))
            filed = select(key).distinct().where(visible_filings(asking), of_reference)
            return Way(source=_descending(filed, key), rest=items, range=limits, step=1_024)
        if isinstance(item, ById):
            return _all_way(items, limits)
    return None


def _of_entries(item: Facet, asking: Asking) -> Select[int] | None:
    """Return the messages of conversations that have a tag or an uncommon state, the conversations first."""
    match item.field:
        case "tag":
            table, chosen = tags, tags.c.tag == item.value
        case "is" if item.value in STATES - {"closed"}:
            table, chosen = entries, entries.c.state == item.value
        case "is" if item.value == "unanswered":
            table, chosen = entries, entries.c.waiting_since_ms.is_not(None)
        case _:
            return None
    same = and_(filings.c.conversation_id == table.c.conversation_id, filings.c.team == table.c.team)
    mine = sql_true() if asking.everything else table.c.team.in_(sorted(asking.visible.teams))
    hinted = filings.join(table, same)
    return (
        select(filings.c.message_id)
        .distinct()
        .select_from(hinted)
        .with_hint(filings, "INDEXED BY filings_conversation", "sqlite")
        .where(chosen, mine)
    )


def _facet_ways(items: tuple[Query, ...], asking: Asking, limits: Range) -> Iterable[Way]:
    for item in items:
        if isinstance(item, Facet) and (ids := _of_entries(item, asking)) is not None:
            yield Way(source=_descending(ids, filings.c.message_id), rest=items, range=limits, step=2_048)


def _all_way(items: tuple[Query, ...], limits: Range) -> Way:
    return Way(source=_descending(select(messages.c.id), messages.c.id), rest=items, range=limits)


def _teams(items: tuple[Query, ...], asking: Asking) -> list[str]:
    asked = {i.value for i in items if isinstance(i, Facet) and i.field == "team"}
    if asking.everything:
        return sorted(asked)[:1]
    return sorted(asking.visible.teams & asked if asked else asking.visible.teams)


def _filings_way(items: tuple[Query, ...], asking: Asking, limits: Range) -> Way | None:
    """Walk what is filed to the teams that come into question; None when those are all."""
    teams = _teams(items, asking)
    if not teams:
        return None
    key = filings.c.message_id
    if len(teams) > _FEW_TEAMS:
        of_all = select(key).distinct().with_hint(filings, "INDEXED BY filings_message", "sqlite")
        source = _descending(of_all.where(filings.c.team.in_(teams)), key)
    else:
        source = _of_each([_descending(select(key).where(filings.c.team == team), key) for team in teams])
    # Looking for words in one message after the other costs thirty times as much as walking does.
    words = any(is_text(i) or is_absent_text(i) for i in items)
    return Way(source=source, rest=items, range=limits, step=64 if words else 256, growth=4 if words else 8)


def ways(query: Query, asking: Asking, limits: Range) -> list[Way]:
    """Return the ways that lead to the answer; each of them alone does. None where the answer is nothing."""
    items = _items(query)
    if not (asking.everything or _teams(items, asking)):
        return []
    if exact := _exact_way(items, asking, limits):
        return [exact]
    text = _text_way(items, asking, limits)
    chosen = [way for way in (text, *_facet_ways(items, asking, limits)) if way]
    if text is None or not any(is_text(i) and has_prefix(i) for i in items):
        walk = _filings_way(items, asking, limits)
        if walk is None and text is None and asking.everything:
            walk = _all_way(items, limits)
        chosen += [walk] if walk else []
    return chosen


class Walk:
    """Takes the ways' turns."""

    def __init__(self, connection: Connection, asking: Asking, text: TextCondition) -> None:
        self._connection = connection
        self._asking = asking
        self._text = text

    def newest(self, chosen: Sequence[Way], limit: int) -> list[int]:
        """Return the ids of the newest messages that meet the query, at most `limit`, newest first."""
        while chosen:
            for way in chosen:
                self._go(way)
                if way.ended or len(way.found) >= limit:
                    return way.found[:limit]
        return []

    def _go(self, way: Way) -> None:
        candidates = way.source(way.range, way.step).subquery("candidate")
        key = candidates.c.id
        rest = [condition(item, self._asking, key, self._text) for item in way.rest]
        met = and_(is_visible(self._asking, key), *rest)
        ids = func.aggregate_strings(case((met, cast(key, Text))), ",")
        row = self._connection.execute(select(func.count(), func.min(key), ids).select_from(candidates)).one()
        examined, lowest, found = row
        if found:
            way.found += sorted(map(int, found.split(",")), reverse=True)
        way.ended = examined < way.step
        way.range = way.range.narrowed(None, lowest)
        way.step *= way.growth
