from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maild.archive.analysis import analyse
from maild.archive.search_language import FIELDS, MAX_TOKENS, QueryError, parse
from maild.archive.search_query import (
    EVERYTHING,
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
    compose,
)


def words(*tokens: str, field: Any = "any", prefix: bool = False) -> Words:
    return Words(field=field, tokens=tokens, prefix=prefix)


A, B, C = words("a"), words("b"), words("c")


@pytest.mark.parametrize(
    ("source", "query"),
    [
        ("", EVERYTHING),
        ("*", EVERYTHING),
        ("… !! -", EVERYTHING),
        ("Müller", words("muller")),
        ("a b", And(items=(A, B))),
        ("a AND b", And(items=(A, B))),
        ("a or b", And(items=(A, words("or"), B))),
        ("a OR b", Or(items=(A, B))),
        ("c a OR b", And(items=(C, Or(items=(A, B))))),
        ("(c a) OR b", Or(items=(And(items=(C, A)), B))),
        ("-a OR -b", Or(items=(Not(item=A), Not(item=B)))),
        ("a - b", And(items=(A, B))),
        ('-"a b"', Not(item=words("a", "b"))),
        ("„freier Platz“", words("freier", "platz")),
        ("platzverg*", words("platzverg", prefix=True)),
        ('"a pla"*', words("a", "pla", prefix=True)),
        ("max@stadt.de", words("max", "stadt", "de")),
        ("from:max@stadt.de", words("max", "stadt", "de", field="from")),
        ("SUBJECT:(a OR b)", Or(items=(words("a", field="subject"), words("b", field="subject")))),
        ("filename:*.pdf", words("pdf", field="filename")),
        ("is:offen", Facet(field="is", value="open")),
        ("IS:Unbeantwortet", Facet(field="is", value="unanswered")),
        ("has:Anhang", Facet(field="has", value="attachment")),
        ("tag:Eilt", Facet(field="tag", value="eilt")),
        ('tag:"sehr eilig"', Facet(field="tag", value="sehr eilig")),
        ("after:30d", ByDate(relation="after", moment=Ago(count=30, unit="d"))),
        ("on:gestern", ByDate(relation="on", moment=DayBack(days=1))),
        ("before:2026-05-31", ByDate(relation="before", moment=Span(year=2026, month=5, day=31))),
        ("before:31.5.2026", ByDate(relation="before", moment=Span(year=2026, month=5, day=31))),
        ("on:2026-12", ByDate(relation="on", moment=Span(year=2026, month=12))),
        ("larger:1,5MB", BySize(relation="larger", octets=1_500_000)),
        ("smaller:500kB", BySize(relation="smaller", octets=500_000)),
        ("id:0000000000001", ById(message_id=1)),
        ("ref:7k3f9q2a", Facet(field="ref", value="7K3F-9Q2A")),
        ("msgid:<a(b)@c> a", And(items=(Facet(field="msgid", value="a(b)@c"), A))),
        ("msgid:x@y", Facet(field="msgid", value="x@y")),
        ("Re: a", And(items=(words("re"), A))),
        ("https://a.b", words("https", "a", "b")),
        ("12:30", words("12", "30")),
    ],
)
def test_a_query_is_read_as_people_mean_it(source: str, query: Query) -> None:
    assert parse(source) == query


@pytest.mark.parametrize(
    ("source", "query"),
    [
        ("Stra\ufffde a", And(items=(words("stra", prefix=True), A))),
        ("Stra\udcdfe", words("stra", prefix=True)),
        ("M\ufffdller a", A),
        ("a -gr\ufffdn", A),
        ("a OR \ufffd", A),
        ("sub\x00ject", words("sub", prefix=True)),
        ("a \x00 b", And(items=(A, B))),
    ],
)
def test_a_broken_character_never_narrows_the_result_to_nothing(source: str, query: Query) -> None:
    assert parse(source) == query


@pytest.mark.parametrize(
    ("source", "position", "code"),
    [
        ('a "b', 2, "unbalanced"),
        ("a (b", 2, "unbalanced"),
        ("a b)", 3, "unbalanced"),
        ("OR a", 0, "lonely-or"),
        ("a OR", 2, "lonely-or"),
        ("a OR OR b", 2, "lonely-or"),
        ("a OR )", 2, "lonely-or"),
        ("a subjekt:b", 2, "unknown-field"),
        ("from:", 0, "no-value"),
        ("a tag: b", 2, "no-value"),
        ("is:neat", 3, "bad-value"),
        ("after:2026-02-30", 6, "bad-date"),
        ("after:1492", 6, "bad-date"),
        ("larger:big", 7, "bad-size"),
        ("id:12", 3, "bad-id"),
        ("ref:12", 4, "bad-reference"),
        ("Ki*ta", 0, "no-star"),
        ("tag:a*", 4, "no-star"),
        ("a*", 0, "short-prefix"),
        ("(" * 20 + "a" + ")" * 20, 16, "too-deep"),
        ("x " * (MAX_TOKENS + 1), MAX_TOKENS * 2, "too-long"),
        ("x" * 2_001, 2_000, "too-long"),
    ],
)
def test_a_query_that_cannot_be_read_says_where(source: str, position: int, code: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(source)
    assert (caught.value.position, caught.value.code) == (position, code)
    assert str(position + 1) in str(caught.value)


def test_a_misspelt_field_names_the_nearest() -> None:
    with pytest.raises(QueryError, match="subject"):
        parse("subjct:x")


FRAGMENTS = (*(f"{f}:" for f in FIELDS), "(", ")", "-", '"', "„", " OR ", " AND ", "*", "<", ">", "\ufffd", "\ud800")
VALUES = ("30d", "2026-05", "5MB", "open", "Straße", "0000000000001", "7K3F-9Q2A", " ", "a", "é", "@", ".")
LINES = st.lists(st.sampled_from(FRAGMENTS + VALUES) | st.text(max_size=3), max_size=12).map("".join)


@given(LINES)
@example("msgid:>subject:")
@settings(max_examples=500, deadline=None)
def test_whatever_is_typed_is_read_or_refused_in_place(source: str) -> None:
    try:
        query = parse(source)
    except QueryError as error:
        refused_at = error.position
    else:
        assert parse(compose(query)) == query
        return
    assert 0 <= refused_at <= len(source)


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(analyse(text).split())


WORDS = st.builds(
    Words,
    field=st.sampled_from(["any", "subject", "from", "to", "cc", "body", "filename"]),
    tokens=st.text(min_size=2, max_size=10).map(_tokens).filter(lambda t: bool(t) and len(t[-1]) > 1),
    prefix=st.booleans(),
)
NAMES = st.text(alphabet="abc -(ä.", min_size=1, max_size=8).map(str.strip).filter(bool)
FACETS = st.one_of(
    st.builds(Facet, field=st.sampled_from(["team", "tag", "assignee"]), value=NAMES),
    st.sampled_from(
        [
            Facet(field="is", value="waiting"),
            Facet(field="has", value="attachment"),
            Facet(field="ref", value="7K3F-9Q2A"),
        ]
    ),
    st.builds(Facet, field=st.just("msgid"), value=NAMES),
    st.builds(ById, message_id=st.integers(0, 2**63 - 1)),
    st.builds(BySize, relation=st.sampled_from(["larger", "smaller"]), octets=st.integers(0, 10**12 - 1)),
    st.builds(
        ByDate,
        relation=st.sampled_from(["before", "after", "on"]),
        moment=st.one_of(
            st.builds(Ago, count=st.integers(0, 999_999), unit=st.sampled_from("hdwmy")),
            st.builds(DayBack, days=st.sampled_from([0, 1])),
            st.builds(Span, year=st.integers(1970, 2099), month=st.integers(1, 12), day=st.integers(1, 28)),
            st.builds(Span, year=st.integers(1970, 2099), month=st.integers(1, 12)),
            st.builds(Span, year=st.integers(1970, 2099)),
        ),
    ),
)
MANY = st.recursive(
    WORDS | FACETS,
    lambda inner: st.one_of(
        st.builds(Not, item=inner),
        st.builds(And, items=st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, items=st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(MANY)
@settings(max_examples=300, deadline=None)
def test_what_is_composed_reads_back_the_same(query: Query) -> None:
    assert parse(compose(query)) == query
