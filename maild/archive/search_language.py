"""The language of searching: what people type, read into a tree.

    antrag kita OR krippe -from:meier "freier Platz" platzverg* is:open after:30d larger:5MB

Words are ANDed; `OR` binds closer than that (`antrag kita OR krippe` means antrag and one of the two), `-` closest.
Values may be German or English. Dates are `2026-05-31`, `31.5.2026`, `2026-05`, `2026`, `today`, `yesterday`, or an
age: `30d` (h, d, w, m of 30 days, y of 365). `after:` a day includes it, `before:` does not.

Invariant: every text is either read or refused with a QueryError that says where. What is
no letter and no digit is no word, and is passed over; of a word with a character that was broken on its way (U+FFFD,
a lone surrogate, NUL) what stands before it is searched for. So a broken character never empties a result.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

from maild.archive.analysis import analyse
from maild.archive.search_query import (
    EVERYTHING,
    PLAIN,
    QUOTES,
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
    TextField,
    Words,
)
from maild.errors import MaildError
from maild.mail.address import fold
from maild.mail.ids import parse_id, parse_reference

MAX_CHARACTERS = 2_000
MAX_TOKENS = 200
MAX_DEPTH = 16


class QueryError(MaildError):
    """A query that cannot be read. `position` counts characters from 0; `code` is a stable word for translation."""

    def __init__(self, position: int, text: str, *, code: str, word: str = "") -> None:
        super().__init__(f"{text} (at character {position + 1})")
        self.position = position
        self.text = text
        self.code = code
        self.word = word


_TEXT_FIELDS: tuple[TextField, ...] = ("subject", "from", "to", "cc", "body", "filename")
_WORDS_OF: dict[str, dict[str, tuple[str, ...]]] = {
    "is": {
        "open": ("open", "offen"),
        "waiting": ("waiting", "wartend", "wartet"),
        "closed": ("closed", "geschlossen", "erledigt"),
        "spam": ("spam",),
        "unanswered": ("unanswered", "unbeantwortet"),
        "in": ("in", "ein", "eingang"),
        "out": ("out", "aus", "ausgang"),
    },
    "has": {"attachment": ("attachment", "attachments", "anhang", "anhänge", "anlage", "anlagen")},
}
_VALUES = {field: {w: value for value, ws in table.items() for w in ws} for field, table in _WORDS_OF.items()}
_DAYS_BACK: dict[str, Literal[0, 1]] = {"today": 0, "heute": 0, "yesterday": 1, "gestern": 1}
_AGE = re.compile(r"(\d{1,6})([hdwmy])")
_DATES = (
    re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?"),
    re.compile(r"(?:(?P<day>\d{1,2})\.)?(?P<month>\d{1,2})\.(?P<year>\d{4})"),
)
_YEARS = range(1970, 2100)  # what a message id can carry
_SIZE = re.compile(r"(\d{1,12}(?:[.,]\d{1,3})?)(b|kb?|mb?|gb?)?")
_FACTOR = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def _day(value: str) -> Span | None:
    for pattern in _DATES:
        if found := pattern.fullmatch(value):
            numbers = {name: int(digits) for name, digits in found.groupdict().items() if digits}
            span = Span(year=numbers["year"], month=numbers.get("month"), day=numbers.get("day"))
            try:
                span.days()
            except ValueError:
                return None
            return span if span.year in _YEARS else None
    return None


def _moment(value: str, position: int) -> Span | Ago | DayBack:
    word = value.casefold()
    if word in _DAYS_BACK:
        return DayBack(days=_DAYS_BACK[word])
    if (age := _AGE.fullmatch(word)) and word.isascii():
        return Ago(count=int(age[1]), unit=age[2])  # type: ignore[arg-type] # the pattern allows only these
    if word.isascii() and (span := _day(word)):
        return span
    raise QueryError(position, f"{value!r} is not a date such as 2026-05-31 or 30d", code="bad-date", word=value)


def _octets(value: str, position: int) -> int:
    found = _SIZE.fullmatch(value.casefold())
    if found is None or not value.isascii():
        raise QueryError(position, f"{value!r} is not a size such as 500kB or 5MB", code="bad-size", word=value)
    return int(Decimal(found[1].replace(",", ".")) * _FACTOR[(found[2] or "")[:1]])


def _name(field: Literal["team", "tag", "assignee"], value: str, position: int) -> Facet:
    if "*" in value:
        raise QueryError(position, f"{field}: takes a whole name, without *", code="no-star", word=field)
    return Facet(field=field, value=fold(value))


def _choice(field: Literal["is", "has"], value: str, position: int) -> Facet:
    chosen = _VALUES[field].get(value.casefold())
    if chosen is None:
        known = ", ".join(_WORDS_OF[field])
        raise QueryError(position, f"{field}: knows {known}; not {value!r}", code="bad-value", word=value)
    return Facet(field=field, value=chosen)


def _by_id(value: str, position: int) -> ById:
    number = parse_id(value)
    if number is None:
        raise QueryError(position, f"{value!r} is not the id of a message", code="bad-id", word=value)
    return ById(message_id=number)


def _by_reference(value: str, position: int) -> Facet:
    reference = parse_reference(value)
    if reference is None:
        raise QueryError(position, f"{value!r} is not a reference such as 7K3F-9Q2A", code="bad-reference", word=value)
    return Facet(field="ref", value=reference)


def _by_message_key(value: str, position: int) -> Facet:
    key = value.replace("<", "").replace(">", "").strip()  # they enclose an id, and are never part of one
    if not key:
        raise QueryError(position, "msgid: needs a value", code="no-value", word="msgid")
    return Facet(field="msgid", value=key)


_FACETS: dict[str, Callable[[str, int], Query]] = {
    "team": lambda value, at: _name("team", value, at),
    "tag": lambda value, at: _name("tag", value, at),
    "assignee": lambda value, at: _name("assignee", value, at),
    "is": lambda value, at: _choice("is", value, at),
    "has": lambda value, at: _choice("has", value, at),
    "before": lambda value, at: ByDate(relation="before", moment=_moment(value, at)),
    "after": lambda value, at: ByDate(relation="after", moment=_moment(value, at)),
    "on": lambda value, at: ByDate(relation="on", moment=_moment(value, at)),
    "larger": lambda value, at: BySize(relation="larger", octets=_octets(value, at)),
    "smaller": lambda value, at: BySize(relation="smaller", octets=_octets(value, at)),
    "id": _by_id,
    "ref": _by_reference,
    "msgid": _by_message_key,
}
FIELDS = (*_TEXT_FIELDS, *_FACETS)

_SPACE = re.compile(r"\s*")
_FIELD = re.compile(r"([^\W\d_]+):")
_QUOTED = re.compile(rf"[{QUOTES}]([^{QUOTES}]*)[{QUOTES}]")
_BRACKETED = re.compile(r"<[^<>]*>")
_UNSTORABLE = re.compile("[\\x00\ud800-\udfff]")  # neither database takes these
_BROKEN = "\ufffd"


class _Parser:
    """Reads one query from left to right."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.depth = 0
        self.tokens = 0
        self.absent = False  # inside an odd number of minus signs

    def query(self) -> Query:
        found = self._all("any")
        if self.position < len(self.source):
            raise QueryError(self.position, "this ) closes nothing", code="unbalanced")
        return found or EVERYTHING

    def _peek(self) -> str:
        return self.source[self.position : self.position + 1]

    def _skip_space(self) -> None:
        found = _SPACE.match(self.source, self.position)
        self.position = found.end() if found else self.position

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.source, self.position)
        if found:
            self.position = found.end()
        return found

    def _operator(self, word: str) -> bool:
        """Take an operator if one is next: the bare word in capitals."""
        self._skip_space()
        start = self.position
        found = self._take(PLAIN)
        if found and found[0] == word:
            return True
        self.position = start
        return False

    def _all(self, field: str) -> Query | None:
        items: list[Query] = []
        while True:
            self._operator("AND")
            self._skip_space()
            if self._peek() in ("", ")"):
                break
            if item := self._any(field):
                items.append(item)
        return None if not items else items[0] if len(items) == 1 else And(items=tuple(items))

    def _any(self, field: str) -> Query | None:
        start = self.position
        if self._operator("OR"):
            raise QueryError(start, "OR needs a word before it", code="lonely-or")
        items = [self._term(field)]
        while self._operator("OR"):
            start = self.position - 2
            self._skip_space()
            if self._peek() in ("", ")") or self._operator("OR") or self._operator("AND"):
                raise QueryError(start, "OR needs a word after it", code="lonely-or")
            items.append(self._term(field))
        kept = tuple(item for item in items if item is not None)
        return None if not kept else kept[0] if len(kept) == 1 else Or(items=kept)

    def _term(self, field: str) -> Query | None:
        if self._peek() == "-" and self.source[self.position + 1 : self.position + 2].strip():
            self.position += 1
            self.absent = not self.absent
            item = self._positive(field)
            self.absent = not self.absent
            return None if item is None else Not(item=item)
        return self._positive(field)

    def _positive(self, field: str) -> Query | None:
        start = self.position
        if self._peek() == "(":
            return self._group(field)
        named = self._take(_FIELD)
        if named is None:
            return self._value(field, start)
        name = named[1].casefold()
        if name in FIELDS:
            if self._peek() == "(":
                return self._group(name)
            return self._value(name, start)
        following = self._peek()
        if following.strip() and following not in "/)":
            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {near[0]}: ?" if near else 'put it in "quotes" to search for it as text'
            raise QueryError(start, f"there is no field {named[1]}: — {hint}", code="unknown-field", word=named[1])
        self.position = start
        return self._value(field, start)

    def _group(self, field: str) -> Query | None:
        start = self.position
        self.position += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise QueryError(start, "too many parentheses inside each other", code="too-deep")
        inside = self._all(field)
        if self._peek() != ")":
            raise QueryError(start, "this ( is never closed", code="unbalanced")
        self.position += 1
        self.depth -= 1
        return inside

    def _value(self, field: str, start: int) -> Query | None:
        at = self.position
        if field == "msgid" and (bracketed := self._take(_BRACKETED)):
            return _by_message_key(bracketed[0], at)
        if quoted := self._take(_QUOTED):
            value, star = quoted[1], self._peek() == "*"
            self.position += star
        elif self._peek() and self._peek() in QUOTES:
            raise QueryError(at, "this quotation mark has no second one", code="unbalanced")
        else:
            plain = self._take(PLAIN)
            value = plain[0] if plain else ""
            star = value.endswith("*") and field not in _FACETS
            value = value[:-1] if star else value
        if field in _FACETS:
            if not value.strip():
                raise QueryError(start, f"{field}: needs a value", code="no-value", word=field)
            return _FACETS[field](value.strip(), at)
        if field != "any" and self.position == at:
            raise QueryError(start, f"{field}: needs a value", code="no-value", word=field)
        return self._words(field, value, star=star, at=at)

    def _words(self, field: str, value: str, *, star: bool, at: int) -> Words | None:
        value, broken, _lost = value.partition(_BROKEN)
        if broken and self.absent:
            return None  # what begins so may be everything that is looked for
        star = star or bool(broken)
        value = value.removeprefix("*.")  # filename:*.pdf
        if "*" in value:
            raise QueryError(at, "a * may stand only at the end of a word", code="no-star", word=value)
        tokens = tuple(analyse(value).split())
        self.tokens += len(tokens)
        if self.tokens > MAX_TOKENS:
            raise QueryError(at, f"more than {MAX_TOKENS} words", code="too-long")
        if not tokens:
            return None
        if star and tokens[-1].isascii() and len(tokens[-1]) < 2:
            if broken:
                return None
            raise QueryError(at, "a * needs at least two letters before it", code="short-prefix", word=value)
        return Words(field=field, tokens=tokens, prefix=star)  # type: ignore[arg-type] # "any" or of _TEXT_FIELDS


def parse(source: str) -> Query:
    """Read a query; raises nothing but QueryError."""
    if len(source) > MAX_CHARACTERS:
        raise QueryError(MAX_CHARACTERS, f"longer than {MAX_CHARACTERS} characters", code="too-long")
    return _Parser(_UNSTORABLE.sub(_BROKEN, source)).query()
