"""Whichever way leads through the archive, the answer is the same: that of its parts, put together as sets."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache, partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from maild.archive import search_walk
from maild.archive.search import count, search
from maild.archive.search_few import VERY_FEW
from maild.archive.search_language import parse
from maild.archive.search_query import And, Not, Or, Query, compose
from maild.policy.visible import OPERATOR, Visible
from tests.archive.shelf import NOW_MS, Letter, Shelf, postgres_shelf, sqlite_shelf
from tests.postgres import fresh_database

LETTERS = 400
ANNA = 7
READERS = {
    "operator": OPERATOR,
    "a large team": Visible(teams=frozenset({"poststelle"})),
    "a small team": Visible(teams=frozenset({"kita"})),
    "both": Visible(teams=frozenset({"kita", "poststelle"})),
    "many": Visible(teams=frozenset({"kita", "rat", *(f"amt{n}" for n in range(9))})),
    "a small team and what is assigned": Visible(
        teams=frozenset({"kita"}), assigned=frozenset({"poststelle"}), user_id=ANNA
    ),
}
# Never the few; the few only of the smallest teams and rarest tags; the few wherever they may be.
BOUNDS = (-1, 20, VERY_FEW)


@pytest.fixture(scope="module", params=("sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))))
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Letters of teams of all sizes, with common and rare words and tags; the newest are not in the index yet."""
    if request.param == "sqlite":
        with sqlite_shelf(tmp_path_factory.mktemp("ways")) as made:
            yield _filled(made)
    else:
        with fresh_database(request.getfixturevalue("postgresql_server")) as url, postgres_shelf(url) as made:
            yield _filled(made)


def _filled(shelf: Shelf) -> Shelf:
    chance = random.Random(15)
    letters = [_letter(chance, age_ms=(LETTERS - n) * 3_600_000) for n in range(LETTERS)]
    shelf.put(*letters[:-5])
    shelf.put(*letters[-5:], indexed=False)
    return shelf


def _letter(chance: random.Random, *, age_ms: int) -> Letter:
    often = [word for word, share in (("aa", 0.9), ("bb", 0.5), ("abc", 0.1), ("cc", 0.02)) if chance.random() < share]
    chance.shuffle(often)
    tags = [tag for tag, share in (("viel", 0.4), ("selten", 0.02)) if chance.random() < share]
    chosen = chance.random()
    teams = ("poststelle",) if chosen < 0.8 else ("kita",) if chosen < 0.85 else (f"amt{chance.randrange(9)}", "rat")
    return Letter(
        subject=" ".join(often[:2]), text=" ".join(often), teams=(*teams, "kita") if chance.random() < 0.01 else teams,
        tags=tuple(tags), direction=chance.choice(("in", "out")), files=("f",) if chance.random() < 0.1 else (),
        state=chance.choice(("open", "closed", "closed")), assignee=ANNA if chance.random() < 0.05 else None,
        envelope=("aa@stadt.example",) if chance.random() < 0.1 else ("info@stadt.example",), age_ms=age_ms,
    )  # fmt: skip


LEAVES = (
    "aa", "bb", "cc", "nie", '"aa bb"', '"bb aa"', "aa*", "ab*", "subject:aa", "from:petra", "to:aa",
    "tag:viel", "tag:selten", "tag:nie", "team:kita", "team:rat", "is:open", "is:unanswered", "is:out",
    "has:attachment", "after:200h", "before:400h", "smaller:5kB",
)  # fmt: skip
NESTED = st.one_of(
    st.sampled_from(LEAVES),
    st.sampled_from(LEAVES).map("-{}".format),
    st.lists(st.sampled_from(LEAVES), min_size=2, max_size=3).map(lambda q: f"({' OR '.join(q)})"),
    st.lists(st.sampled_from(LEAVES), min_size=2, max_size=3).map(lambda q: f"-({' '.join(q)})"),
)
QUERIES = st.lists(NESTED, min_size=1, max_size=4).map(" ".join)


Asked = Callable[[str], frozenset[int]]


def _of_parts(query: Query, asked: Asked) -> frozenset[int]:
    """Answer a query by what is found for each of its conditions alone."""
    match query:
        case And():
            return asked("").intersection(*(_of_parts(item, asked) for item in query.items))
        case Or():
            return frozenset().union(*(_of_parts(item, asked) for item in query.items))
        case Not():
            return asked("") - _of_parts(query.item, asked)
        case _:
            return asked(compose(query))


@pytest.fixture(scope="module")
def alone(shelf: Shelf) -> Callable[[str, str], frozenset[int]]:
    """Find all that meets one condition, for a reader, without a look at the few."""

    @cache
    def asked(reader: str, query: str) -> frozenset[int]:
        with shelf.read() as connection, pytest.MonkeyPatch.context() as patch:
            patch.setattr(search_walk, "VERY_FEW", BOUNDS[0])
            hits = search(connection, READERS[reader], parse(query), limit=2 * LETTERS, now_ms=NOW_MS)
            return frozenset(hit.message_id for hit in hits)

    return asked


@given(query=QUERIES, reader=st.sampled_from(sorted(READERS)), limit=st.sampled_from((1, 7, 50, 2 * LETTERS)),
       below=st.one_of(st.none(), st.integers(0, LETTERS - 1)))  # fmt: skip
@example(query="tag:selten aa", reader="operator", limit=50, below=None)
@example(query="tag:selten aa bb OR tag:viel", reader="a large team", limit=7, below=600)
@example(query="-aa -bb", reader="a small team", limit=50, below=None)
@example(query='"aa bb" is:open', reader="a small team", limit=7, below=None)
@example(query="ab* -cc", reader="many", limit=50, below=None)
@example(query="tag:nie aa", reader="both", limit=50, below=None)
@example(query="-aa tag:viel bb OR is:out", reader="a small team and what is assigned", limit=50, below=None)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_every_way_leads_to_the_same_answer(
    shelf: Shelf, alone: Callable[[str, str], frozenset[int]], *,
    query: str, reader: str, limit: int, below: int | None,
) -> None:  # fmt: skip
    universe = sorted(alone(reader, ""))
    before_id = None if below is None else universe[below % len(universe)]
    wanted = sorted(_of_parts(parse(query), partial(alone, reader)), reverse=True)
    page = [i for i in wanted if before_id is None or i < before_id][:limit]
    with shelf.read() as connection, pytest.MonkeyPatch.context() as patch:
        for bound in BOUNDS:
            patch.setattr(search_walk, "VERY_FEW", bound)
            asked = parse(query)
            hits = search(connection, READERS[reader], asked, limit=limit, before_id=before_id, now_ms=NOW_MS)
            assert [hit.message_id for hit in hits] == page, bound
            assert count(connection, READERS[reader], asked, most=limit, now_ms=NOW_MS) == len(wanted[:limit]), bound


@pytest.mark.parametrize("query", ["tag:viel aa", "aa is:open", "-aa", '"aa bb"', "ab*", "-aa -bb tag:viel"])
def test_among_few_messages_the_index_is_read_once(shelf: Shelf, query: str) -> None:
    asked: list[str] = []
    with shelf.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2]))
        assert search(connection, READERS["a small team"], parse(query), limit=2 * LETTERS, now_ms=NOW_MS)
    assert sum(" MATCH " in each or "@@" in each for each in asked) == 1
