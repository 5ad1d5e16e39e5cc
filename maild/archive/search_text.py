"""The words of a query, as each database understands them.

Where a word is looked for depends on who asks: the envelope's recipients may name teams that a reader does not know
of, so only the operator's words are compared with them.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, ColumnElement, MetaData, Table, Text, cast, select
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.sql.selectable import Select

from maild.archive.documents import FIELDS
from maild.archive.index import PREFIXES, postgres_index
from maild.archive.search_query import And, Not, Or, Query, Words

_SHARED = tuple(f for f in FIELDS if f != "envelope")
_FIELDS_OF = {
    "subject": ("subject",),
    "from": ("sender",),
    "to": ("recipients",),
    "cc": ("cc",),
    "filename": ("filenames",),
    "body": ("body",),
    "any": _SHARED,
}

# The index of SQLite, attached beside the archive. FTS5 has a column of the table's name to be matched.
sqlite_index = Table(
    "search_index",
    MetaData(),
    Column("rowid", BigInteger, primary_key=True),
    Column("search_index", Text),
    schema="idx",
)


def is_text(query: Query) -> bool:
    """Tell whether the index alone can answer: words, and not only words that must be absent."""
    match query:
        case Words():
            return True
        case Or():
            return all(map(is_text, query.items))
        case And():
            return any(map(is_text, query.items)) and all(is_text(i) or is_absent_text(i) for i in query.items)
        case _:
            return False


def is_absent_text(query: Query) -> bool:
    """Tell whether a query only says which words must be absent."""
    return isinstance(query, Not) and is_text(query.item)


def has_prefix(query: Query) -> bool:
    """Tell whether a text query has a `word*`, for which every word that begins so has to be merged first."""
    match query:
        case Words():
            return query.prefix
        case And() | Or():
            return any(map(has_prefix, query.items))
        case Not():
            return has_prefix(query.item)
        case _:
            return False


def fields_of(words: Words, *, everything: bool) -> tuple[str, ...]:
    """Return the fields of the index in which these words are looked for."""
    fields = _FIELDS_OF[words.field]
    return (*fields, "envelope") if everything and words.field in {"any", "to"} else fields


def _fts5_words(words: Words, *, everything: bool) -> str:
    fields = fields_of(words, everything=everything)
    where = "" if len(fields) == len(FIELDS) else f"{{{' '.join(fields)}}} : "
    return f'{where}"{" ".join(words.tokens)}"{" *" if words.prefix else ""}'


def fts5(query: Query, *, everything: bool) -> str:
    """Write a text query for FTS5. Its NOT has two sides: what must be absent comes last."""
    match query:
        case Words():
            return _fts5_words(query, everything=everything)
        case Or():
            return "(" + " OR ".join(fts5(i, everything=everything) for i in query.items) + ")"
        case And():
            wanted = " AND ".join(fts5(i, everything=everything) for i in query.items if not isinstance(i, Not))
            absent = [fts5(i.item, everything=everything) for i in query.items if isinstance(i, Not)]
            return f"(({wanted}) NOT ({' OR '.join(absent)}))" if absent else f"({wanted})"
        case _:
            raise AssertionError(f"{query} is not text")


def _tsquery_words(words: Words, *, everything: bool) -> str:
    prefix = ":*" if words.prefix else ""
    leads: tuple[str, ...] = ("",)
    weight = ""
    if words.field == "any":
        leads = ("", "e:") if everything else ("",)
    elif words.field == "body":
        weight = "D"
    else:
        leads = tuple(PREFIXES[f] for f in fields_of(words, everything=everything))
    middle = f":{weight}" if weight else ""
    last = f"{prefix}{weight}" if prefix else middle
    phrases = [
        " <-> ".join(f"'{lead}{t}'{last if i == len(words.tokens) else middle}" for i, t in enumerate(words.tokens, 1))
        for lead in leads
    ]
    return "(" + " | ".join(f"({p})" for p in phrases) + ")"


def tsquery(query: Query, *, everything: bool) -> str:
    """Write a text query for PostgreSQL. Tokens hold neither quotes nor backslashes."""
    match query:
        case Words():
            return _tsquery_words(query, everything=everything)
        case Or() | And():
            glue = " | " if isinstance(query, Or) else " & "
            return "(" + glue.join(tsquery(i, everything=everything) for i in query.items) + ")"
        case Not():
            return "!" + tsquery(query.item, everything=everything)
        case _:
            raise AssertionError(f"{query} is not text")


def text_select(query: Query, *, everything: bool, dialect: str) -> tuple[Select[int], ColumnElement[int]]:
    """Return a select of the ids of the messages in which a text query is found, and its id column."""
    if dialect == "sqlite":
        key: ColumnElement[int] = sqlite_index.c.rowid
        found = sqlite_index.c.search_index.op("MATCH")(fts5(query, everything=everything))
    else:
        key = postgres_index.c.message_id
        found = postgres_index.c.document.op("@@")(cast(tsquery(query, everything=everything), TSQUERY))
    return select(key).where(found), key


def is_among(key: ColumnElement[int], few: Select[int], *, dialect: str) -> ColumnElement[bool]:
    """Tell in SQL whether a message that the index found is one of these.

    FTS5 would look for the words in each of them in turn, which takes a hundred microseconds; reading on to the next
    message that has the words takes a tenth of one. So the key is made an expression that it does not know.
    """
    return (key + 0 if dialect == "sqlite" else key).in_(few)


def _stands_in(words: Words, tokens: list[str]) -> bool:
    *before, last = words.tokens
    for end in range(len(before), len(tokens)):
        here = tokens[end].startswith(last) if words.prefix else tokens[end] == last
        if here and tokens[end - len(before) : end] == before:
            return True
    return False


def matches(words: Words, fields: Mapping[str, str], *, everything: bool) -> bool:
    """Look for words in a few analysed fields, as the index would: for messages that are not in it yet."""
    return any(
        _stands_in(words, fields[field].split()) for field in fields_of(words, everything=everything) if field in fields
    )
