"""Each condition of a query as SQL about one message.

Invariant: whatever a condition reads of a team's own (its filings, entries, tags), it reads through `filings` of a
visible team. A condition never tells a reader anything about another team.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo
from typing import Any, assert_never

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, exists, false, literal, not_, or_, select, true

from maild.archive.questions import Sight
from maild.archive.schema import (
    entries,
    filings,
    message_refs,
    messages,
    summaries,
    tags,
    users,
)
from maild.archive.search_query import (
    Ago,
    And,
    ByDate,
    ById,
    BySize,
    DayBack,
    Facet,
    Not,
    Or,
    Query,
    Span,
    Words,
)
from maild.mail.ids import message_id_at
from maild.mail.local_time import day_start_ms, local_time
from maild.policy.visible import Visible

_HOUR_MS = 3_600_000
_OF_FILINGS = frozenset({"team", "tag", "assignee", "ref"})
STATES = frozenset({"open", "waiting", "closed", "spam"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks, when, where, and of which database."""

    visible: Visible
    now_ms: int
    zone: tzinfo
    dialect: str
    conversations: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # of the references in the query

    @property
    def everything(self) -> bool:
        return self.visible.everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Which ids come into question: from `low` on, below `high`."""

    low: int | None = None
    high: int | None = None

    def narrowed(self, low: int | None, high: int | None) -> Range:
        lows = [n for n in (self.low, low) if n is not None]
        highs = [n for n in (self.high, high) if n is not None]
        return Range(low=max(lows, default=None), high=min(highs, default=None))


def visible_filings(asking: Asking) -> ColumnElement[bool]:
    """Return the condition on `filings` that keeps those of visible teams."""
    return seen_filings(asking.visible)


def seen_filings(visible: Visible | Sight) -> ColumnElement[bool]:
    """Return the same for what is visible, or for the shape of it.

    A message has few filings and a reader may have many teams. So that a database finds the filings by what else is
    asked of them and then compares the team, and not by each team in turn, the team is made an expression that no
    index knows.
    """
    if visible.everything:
        return true()
    whole = filings.c.team.concat("").in_(_given(visible.teams))
    if not visible.has_assigned:
        return whole
    # Of these teams, the entries that are the asker's.
    return or_(whole, _entry(entries.c.team.in_(_given(visible.assigned)), entries.c.assignee == visible.user_id))


def _given(teams: Any) -> Any:
    return sorted(teams) if isinstance(teams, frozenset) else teams


def is_visible(asking: Asking, message_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Tell whether a message may be seen: the operator's must exist, everyone else's be filed to a visible team."""
    if asking.everything:
        return _of_message(message_id, true())
    return _filed(asking, message_id)


def _of_message(message_id: ColumnElement[int], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(literal(1)).select_from(messages).where(messages.c.id == message_id, condition))


def _of_summary(message_id: ColumnElement[int], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(literal(1)).select_from(summaries).where(summaries.c.message_id == message_id, condition))


def _filed(asking: Asking, message_id: ColumnElement[int], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    found = select(literal(1)).select_from(filings)
    return exists(found.where(filings.c.message_id == message_id, visible_filings(asking), *conditions))


def _entry(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(
        select(literal(1))
        .select_from(entries)
        .where(entries.c.conversation_id == filings.c.conversation_id, entries.c.team == filings.c.team, *conditions)
        .correlate(filings)
    )


def _tagged(value: str) -> ColumnElement[bool]:
    return exists(
        select(literal(1))
        .select_from(tags)
        .where(tags.c.conversation_id == filings.c.conversation_id, tags.c.team == filings.c.team, tags.c.tag == value)
        .correlate(filings)
    )


def on_filing(facet: Facet, asking: Asking) -> ColumnElement[bool] | None:
    """Return what a facet asks of a filing and its entry; None when it asks nothing of it."""
    match facet.field:
        case "team":
            return filings.c.team == facet.value
        case "tag":
            return _tagged(facet.value)
        case "assignee":
            user = select(users.c.id).where(users.c.login == facet.value).scalar_subquery()
            return _entry(entries.c.assignee == user)
        case "is" if facet.value == "unanswered":
            return _entry(entries.c.waiting_since_ms.is_not(None))
        case "is" if facet.value in STATES:
            return _entry(entries.c.state == facet.value)
        case "ref":
            return filings.c.conversation_id.in_(asking.conversations.get(facet.value, ()))
        case _:
            return None


def asks_of_filings(query: Query) -> bool:
    """Tell whether a query only holds for messages with a visible filing."""
    if not isinstance(query, Facet):
        return False
    return query.field in _OF_FILINGS or (query.field == "is" and query.value in {*STATES, "unanswered"})


def message_key_target(key: str) -> bytes:
    """Return what `message_refs` knows a Message-ID by."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16]


def _has_message_key(message_id: ColumnElement[int], key: str) -> ColumnElement[bool]:
    refs = message_refs.c
    return exists(
        select(literal(1))
        .select_from(message_refs)
        .where(refs.target == message_key_target(key), refs.message_id == message_id, refs.position == 0)
    )


def _facet(facet: Facet, asking: Asking, message_id: ColumnElement[int]) -> ColumnElement[bool]:
    if (condition := on_filing(facet, asking)) is not None:
        return _filed(asking, message_id, condition)
    match facet.field:
        case "has":
            return _of_summary(message_id, summaries.c.attachments > 0)
        case "is":
            return _of_message(message_id, messages.c.direction == facet.value)
        case "msgid":
            return _has_message_key(message_id, facet.value)
        case _:
            raise AssertionError(f"{facet} has no meaning")


def _days(moment: Span | Ago | DayBack, asking: Asking) -> tuple[date, date]:
    """Return the days of a moment: the first, and the first after."""
    if isinstance(moment, Span):
        return moment.days()
    back_ms = moment.hours * _HOUR_MS if isinstance(moment, Ago) else moment.days * 24 * _HOUR_MS
    then = local_time(max(asking.now_ms - back_ms, 0), asking.zone).date()
    return then, then + timedelta(days=1)


def id_range(query: ByDate, asking: Asking) -> tuple[int | None, int | None]:
    """Return the ids of a stretch of time: the lowest, and the first beyond it; None where it has no end."""
    if isinstance(query.moment, Ago) and query.relation != "on":
        ago = message_id_at(asking.now_ms - query.moment.hours * _HOUR_MS, 0)
        return (None, ago) if query.relation == "before" else (ago, None)
    first, beyond = _days(query.moment, asking)
    low, high = (message_id_at(day_start_ms(day, asking.zone), 0) for day in (first, beyond))
    match query.relation:
        case "before":
            return None, low
        case "after":
            return low, None
        case "on":
            return low, high
        case _:
            assert_never(query.relation)


def id_value(number: int) -> ColumnElement[int]:
    """Return an id as a parameter: in the text of a statement it would make each one new to the cache."""
    return bindparam(None, number, BigInteger, unique=True)


def within(message_id: ColumnElement[int], low: int | None, high: int | None) -> ColumnElement[bool]:
    """Tell whether an id lies in a range whose ends may be open."""
    conditions = [message_id >= id_value(low)] if low is not None else []
    conditions += [message_id < id_value(high)] if high is not None else []
    return and_(true(), *conditions)


TextCondition = Callable[[Query, ColumnElement[int]], ColumnElement[bool]]


def condition(query: Query, asking: Asking, message_id: ColumnElement[int], text: TextCondition) -> ColumnElement[bool]:
    """Return a query as a condition on one message; `text` says what words mean."""

    def inside(item: Query) -> ColumnElement[bool]:
        return condition(item, asking, message_id, text)

    match query:
        case Words():
            return text(query, message_id)
        case Facet():
            return _facet(query, asking, message_id)
        case ById():
            return message_id == id_value(query.message_id)
        case BySize():
            larger = query.relation == "larger"
            size = messages.c.size
            return _of_message(message_id, size > query.octets if larger else size < query.octets)
        case ByDate():
            return within(message_id, *id_range(query, asking))
        case Not():
            return not_(inside(query.item))
        case And():
            return and_(true(), *map(inside, query.items))
        case Or():
            return or_(false(), *map(inside, query.items))
        case _:
            assert_never(query)
