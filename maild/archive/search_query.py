"""What is asked of the archive: the tree that `search_language.parse` reads and `search` answers.

Invariant: `parse(compose(query)) == query` for every query that `parse` returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, assert_never

from maild.mail.ids import format_id

TextField = Literal["any", "subject", "from", "to", "cc", "body", "filename"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Analysed tokens that stand side by side; of a `prefix` the last token may go on."""

    field: TextField = "any"
    tokens: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A property with a name: `team` `tag` `assignee`, `is`, `has`, `ref`, `msgid`. The value is in canonical form."""

    field: Literal["team", "tag", "assignee", "is", "has", "ref", "msgid"]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ById:
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BySize:
    relation: Literal["larger", "smaller"]
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The days of a year, of a month, or one day."""

    year: int
    month: int | None = None
    day: int | None = None

    def days(self) -> tuple[date, date]:
        """Return the first day, and the first day that is not in it any more."""
        first = date(self.year, self.month or 1, self.day or 1)
        if self.day is not None:
            return first, first + timedelta(days=1)
        if self.month is not None:
            return first, date(self.year + self.month // 12, self.month % 12 + 1, 1)
        return first, date(self.year + 1, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ago:
    """So long before now."""

    count: int
    unit: Literal["h", "d", "w", "m", "y"]

    @property
    def hours(self) -> int:
        return self.count * {"h": 1, "d": 24, "w": 168, "m": 720, "y": 8760}[self.unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBack:
    """Today (0) or yesterday (1), from midnight to midnight."""

    days: Literal[0, 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByDate:
    relation: Literal["before", "after", "on"]
    moment: Span | Ago | DayBack


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    item: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    """All of the items; of none, everything."""

    items: tuple[Query, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    items: tuple[Query, ...]


Query = Words | Facet | ById | BySize | ByDate | Not | And | Or
EVERYTHING = And(items=())


def leaves(query: Query) -> Iterator[Query]:
    """Yield the conditions of a query, whatever joins or negates them."""
    match query:
        case And() | Or():
            for item in query.items:
                yield from leaves(item)
        case Not():
            yield from leaves(query.item)
        case _:
            yield query


def has_words(query: Query) -> bool:
    """Tell whether a query asks for words, or for their absence."""
    return any(isinstance(leaf, Words) for leaf in leaves(query))


QUOTES = '"“”„«»'
PLAIN = re.compile(rf"[^\s(){QUOTES}]+")  # what needs no quotation marks


def _compose_moment(moment: Span | Ago | DayBack) -> str:
    match moment:
        case Ago():
            return f"{moment.count}{moment.unit}"
        case DayBack():
            return "yesterday" if moment.days else "today"
        case Span():
            parts = (f"{moment.year:04}", *(f"{n:02}" for n in (moment.month, moment.day) if n is not None))
            return "-".join(parts)
        case _:
            assert_never(moment)


def _compose_words(words: Words) -> str:
    text = words.tokens[0] if len(words.tokens) == 1 else f'"{" ".join(words.tokens)}"'
    return ("" if words.field == "any" else f"{words.field}:") + text + "*" * words.prefix


def _compose_facet(facet: Facet) -> str:
    if facet.field == "msgid":
        return f"msgid:<{facet.value}>"
    plain = PLAIN.fullmatch(facet.value)
    return f"{facet.field}:{facet.value}" if plain else f'{facet.field}:"{facet.value}"'


def _compose_inside(query: Query) -> str:
    text = compose(query)
    return f"({text})" if isinstance(query, And | Or | Not) else text


def compose(query: Query) -> str:
    """Write a query as one may type it."""
    match query:
        case Words():
            return _compose_words(query)
        case Facet():
            return _compose_facet(query)
        case ById():
            return f"id:{format_id(query.message_id)}"
        case BySize():
            return f"{query.relation}:{query.octets}"
        case ByDate():
            return f"{query.relation}:{_compose_moment(query.moment)}"
        case Not():
            return "-" + _compose_inside(query.item)
        case And():
            return " ".join(map(_compose_inside, query.items))
        case Or():
            return " OR ".join(map(_compose_inside, query.items))
        case _:
            assert_never(query)
