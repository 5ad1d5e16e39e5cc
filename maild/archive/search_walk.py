"""The ways to walk through the archive, newest first, and the choice among them.

A *way* leads through messages in descending order of their ids: those in which the words are found, those filed to
the visible teams, those with a tag. Whichever is taken, all that meets the query down to where it has got is found;
so ways can be changed in mid-walk. Which is quickest depends on counts that nobody keeps (a common word for the
reader of a small team; a rare tag in a common search), so each is tried for a few steps, and the walk goes on by the
one that gets furthest for its cost.

Where a small team or a rare tag leaves few messages, they are counted, up to a bound, and the answer is looked for
among them: all that have the words are read from the index, which costs 0.1 µs each, and compared with these few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Text, and_, case, cast, func, select, union_all
from sqlalchemy import true as sql_true
from sqlalchemy.sql.selectable import Select

from maild.archive.schema import entries, filings, message_refs, messages, tags
from maild.archive.search_few import VERY_FEW, Narrow, conditions, divided, left, narrowed, newest_among
from maild.archive.search_filter import STATES, Asking, Range, id_range, message_key_target, visible_filings, within
from maild.archive.search_query import And, ByDate, ById, Facet, Query, has_words
from maild.archive.search_text import has_prefix, text_select
from maild.mail.ids import message_id_at

_FEW_TEAMS = 8
_FEW = 20_000  # messages whose ids are put into a set in a few milliseconds
_GROWTH = 3.0
_LITTLE = 15_000.0  # microseconds, as costs are counted below: to find out about another way takes as long


Source = Callable[[Range, int], Select[int]]


@dataclass(slots=True, kw_only=True)
class Way:
    """One way: where its ids come from, what of the query remains to be asked of each, and what a step costs.

    Costs are in microseconds, measured once at 100,000 messages; only their proportions matter.
    """

    source: Source
    rest: tuple[Query, ...]
    once: float = 500.0
    each: float = 3.0
    first: int = 256  # candidates of the first step
    density: float | None = None  # candidates for each id between the first and the last, once it was tried
    teams: tuple[str, ...] = ()  # of candidates from the index: the teams to which they have to be filed
    among: bool = False  # the teams have so few messages that these are made a set beforehand
    narrow: Narrow | None = None  # asked before the first step
    hoped: bool = False  # it promised the rest once, and did not keep it if it is asked again

    @property
    def price(self) -> float:
        """What getting on costs, for each id. A way that was not tried yet comes first."""
        return -1.0 if self.density is None else (self.each + self.once / 10_000) * self.density


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


def _text_way(items: tuple[Query, ...], asking: Asking) -> Way | None:
    text, rest = divided(items)
    if text is None:
        return None
    ids, key = text_select(text, everything=asking.everything, dialect=asking.dialect)
    # Every step of a `word*` first merges all words that begin so: fewer, longer steps.
    once, first = (20_000.0, 4_096) if has_prefix(text) else (500.0, 256)
    return Way(
        source=_descending(ids, key), rest=rest, once=once, each=1.0 + 2.0 * len(rest), first=first,
        teams=tuple(_teams(items, asking)), narrow=_of_few_teams(items, asking),
    )  # fmt: skip


def _of_few_teams(items: tuple[Query, ...], asking: Asking) -> Narrow | None:
    teams = _teams(items, asking)
    # Security: of who sees entries only while they are theirs, the team of a message says too little.
    if not teams or asking.visible.assigned:
        return None
    return narrowed(items, asking, select(filings.c.message_id).where(filings.c.team.in_(teams)))


def _exact_way(items: tuple[Query, ...], asking: Asking) -> Way | None:
    for item in items:
        if isinstance(item, Facet) and item.field == "msgid":
            key = message_refs.c.message_id
            named = select(key).where(
                message_refs.c.target == message_key_target(item.value), message_refs.c.position == 0
            )
            return Way(source=_descending(named, key), rest=items)
        if isinstance(item, Facet) and item.field == "ref":
            key = filings.c.message_id
            of_reference = filings.c.conversation_id.in_(asking.conversations.get(item.value, ()))
            filed = select(key).distinct().where(visible_filings(asking), of_reference)
            return Way(source=_descending(filed, key), rest=items, first=1_024)
        if isinstance(item, ById):
            return _all_way(items)
    return None


def _of_entries(item: Facet, asking: Asking) -> tuple[Select[int], Select[int]] | None:
    """Return the messages of conversations that have a tag or an uncommon state, in two ways.

    The first is for all of them in order: the conversations at once. The second is for the few that there may be: one
    conversation after the other, so that it may stop early.
    """
    match item.field:
        case "tag":
            table, chosen = tags, tags.c.tag == item.value
        case "is" if item.value in STATES - {"closed"}:
            table, chosen = entries, entries.c.state == item.value
        case "is" if item.value == "unanswered":
            table, chosen = entries, entries.c.waiting_since_ms.is_not(None)
        case _:
            return None
    mine = sql_true() if asking.everything else table.c.team.in_(sorted(asking.visible.inboxes))
    of_these = filings.c.conversation_id.in_(select(table.c.conversation_id).where(chosen, mine))
    found = select(filings.c.message_id).where(visible_filings(asking))
    each = found.join_from(table, filings, filings.c.conversation_id == table.c.conversation_id).where(chosen, mine)
    return found.distinct().where(of_these), each


def _facet_ways(items: tuple[Query, ...], asking: Asking) -> Iterable[Way]:
    for item in items:
        if isinstance(item, Facet) and (found := _of_entries(item, asking)) is not None:
            ids, each = found
            yield Way(
                source=_descending(ids, filings.c.message_id), rest=items, once=2_000.0, first=2_048,
                narrow=narrowed(items, asking, each),
            )  # fmt: skip


def _all_way(items: tuple[Query, ...]) -> Way:
    return Way(source=_descending(select(messages.c.id), messages.c.id), rest=items)


def _teams(items: tuple[Query, ...], asking: Asking) -> list[str]:
    asked = {i.value for i in items if isinstance(i, Facet) and i.field == "team"}
    if asking.everything:
        return sorted(asked)[:1]
    inboxes = asking.visible.inboxes
    return sorted(inboxes & asked if asked else inboxes)


def _filings_way(items: tuple[Query, ...], asking: Asking) -> Way | None:
    """Walk what is filed to the teams that come into question; None when those are all."""
    teams = _teams(items, asking)
    if not teams:
        return None
    key, visible = filings.c.message_id, asking.visible
    whole = teams if asking.everything else [team for team in teams if team in visible.teams]
    if len(whole) > _FEW_TEAMS:
        # In the order of the messages, comparing the team of each: all teams at once would have to be sorted.
        sources = [_descending(select(key).distinct().where(filings.c.team.concat("").in_(whole)), key)]
    else:
        sources = [_descending(select(key).where(filings.c.team == team), key) for team in whole]
    if len(whole) < len(teams):
        own = select(entries.c.conversation_id).where(
            entries.c.assignee == visible.user_id, entries.c.team.in_(sorted(visible.assigned))
        )
        found = select(key).distinct().where(filings.c.conversation_id.in_(own), visible_filings(asking))
        sources.append(_descending(found, key))
    return Way(source=_of_each(sources), rest=items, narrow=_of_few_teams(items, asking))


def ways(query: Query, asking: Asking) -> list[Way]:
    """Return the ways that lead to the answer; each of them alone does. None where the answer is nothing."""
    items = _items(query)
    if not (asking.everything or _teams(items, asking)):
        return []
    if exact := _exact_way(items, asking):
        return [exact]
    chosen = list(_facet_ways(items, asking))
    if text := _text_way(items, asking):
        return [text, *chosen]
    walk = _filings_way(items, asking) or _all_way(items)
    return [walk, *chosen]


class Walk:
    """Goes through the archive from the newest message down, by whichever way is quickest."""

    def __init__(self, connection: Connection, asking: Asking, limits: Range) -> None:
        self._connection = connection
        self._asking = asking
        self._asked = self._limits = limits
        self._top = limits.high if limits.high is not None else message_id_at(asking.now_ms, 0)
        self._spent = 0.0
        self._found: list[int] = []

    def newest(self, chosen: Sequence[Way], limit: int) -> list[int]:
        """Return the ids of the newest messages that meet the query, at most `limit`, newest first."""
        while chosen and len(self._found) < limit:
            near = next((way for way in chosen if self._is_near(way, limit)), None)
            way = near or min(chosen, key=lambda way: way.price)
            narrow, way.narrow = way.narrow, None
            if narrow and self._count(narrow.ids, VERY_FEW) <= VERY_FEW:
                self._found += newest_among(
                    self._connection, self._asking, narrow,
                    limits=self._limits, asked=self._asked, limit=limit - len(self._found),
                )  # fmt: skip
                break
            if near:
                near.hoped = True
            elif way.density is not None:
                self._reconsider(way)
            if not self._step(way, self._length(way, limit)):
                break
        return self._found[:limit]

    def _count(self, ids: Select[int], bound: int) -> int:
        """Count messages of `filings` that are left to be looked at; beyond the bound no further."""
        bounded = left(ids, self._limits).limit(bound + 1).subquery()
        return self._connection.scalar(select(func.count()).select_from(bounded)) or 0

    def _is_near(self, way: Way, limit: int) -> bool:
        """Tell whether a way promises the rest for less than it costs to try others."""
        tried = way.density is not None and bool(self._found)
        return tried and not way.hoped and way.once + way.each * self._needed(way, limit) < _LITTLE

    def _needed(self, way: Way, limit: int) -> int:
        """Return how many candidates promise to be enough, by what was found so far."""
        covered = self._top - (self._limits.high or 0)
        return int(1.3 * (way.density or 0.0) * covered * (limit / len(self._found) - 1))

    def _length(self, way: Way, limit: int) -> int:
        """Return how many candidates to look at: more than so far, unless less promises to be enough."""
        if way.density is None:
            return way.first
        longest = int((_GROWTH * self._spent - way.once) / way.each)
        if self._found:
            longest = min(longest, self._needed(way, limit))
        return max(min(way.first, int(way.once / way.each)), longest)  # what costs as much as the beginning

    def _reconsider(self, way: Way) -> None:
        """Before a second step among what has the words: see whether the readers' messages are few."""
        # Security: as in `_of_few_teams`.
        if way.among or not way.teams or self._asking.visible.assigned:
            return
        few = self._count(select(filings.c.message_id).where(filings.c.team.in_(way.teams)), _FEW)
        if few <= _FEW:
            way.among, way.each, way.once = True, 0.4, way.once + 0.2 * few
        way.teams = way.teams if way.among else ()

    def _step(self, way: Way, length: int) -> bool:
        """Look at the next candidates of a way; False when it has come to its end."""
        source = way.source(self._limits, length)
        window = self._limits
        if any(map(has_words, way.rest)):
            ids = source.subquery()
            lowest = self._connection.scalar(select(func.min(ids.c.id)))
            if lowest is None:
                return False
            window = window.narrowed(lowest, None)
        candidates = source.cte("candidate")
        key = candidates.c.id
        # Among many, to look each up that has the words takes longer than to make a list of them.
        them = select(candidates.alias("again").c.id) if length <= VERY_FEW else None
        theirs = [self._of_teams(way, key, window)] if way.among else []
        asked = conditions(self._asking, way.rest, key, window, them, seen=way.among)
        met = case((and_(*theirs, *asked), cast(key, Text)))
        columns = (func.count(), func.min(key), func.aggregate_strings(met, ","))
        examined, lowest, found = self._connection.execute(select(*columns).select_from(candidates)).one()
        if found:
            self._found += sorted(map(int, found.split(",")), reverse=True)
        self._spent += way.once + way.each * examined
        if examined < length:
            return False
        start = self._limits.high if self._limits.high is not None else max(self._top, lowest + 1)
        way.density = examined / max(start - lowest, 1)
        self._limits = self._limits.narrowed(None, lowest)
        return True

    def _of_teams(self, way: Way, key: ColumnElement[int], window: Range) -> ColumnElement[bool]:
        filed = filings.c.message_id
        theirs = filings.c.team.in_(way.teams)
        return key.in_(select(filed).where(theirs, within(filed, window.low, window.high)))
