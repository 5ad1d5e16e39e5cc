from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update

from maild.archive.schema import conversations, filings, users
from maild.archive.search import Hit, count, search
from maild.archive.search_language import parse
from maild.mail.ids import format_id, format_reference
from maild.policy.visible import NOTHING, OPERATOR, Visible
from tests.archive.shelf import DAY_MS, NOW_MS, Letter, Shelf, aged, postgres_shelf, sqlite_shelf
from tests.postgres import fresh_database

KITA = Visible(teams=frozenset({"kita"}))
POST = Visible(teams=frozenset({"poststelle"}))
BOTH = Visible(teams=frozenset({"kita", "poststelle"}))


Whole = list[tuple[Visible, list[int]]]
BOTH_DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql")))


@contextmanager
def _empty(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Shelf]:
    if kind == "sqlite":
        with sqlite_shelf(folder) as made:
            yield made
    else:
        server = request.getfixturevalue("postgresql_server")
        with fresh_database(server) as url, postgres_shelf(url) as made:
            yield made


@pytest.fixture(params=BOTH_DATABASES)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    """An empty archive."""
    with _empty(request.param, request, tmp_path) as made:
        yield made


@pytest.fixture(scope="module", params=BOTH_DATABASES)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A few letters of each kind, only to be read."""
    with _empty(request.param, request, tmp_path_factory.mktemp("library")) as made:
        _library(made)
        yield made


@pytest.fixture(scope="module", params=BOTH_DATABASES)
def canaries(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Letters of two teams, only to be read."""
    with _empty(request.param, request, tmp_path_factory.mktemp("canaries")) as made:
        _canaries(made)
        yield made


@pytest.fixture(scope="module", params=BOTH_DATABASES)
def mixture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Letters with every combination of a few properties, only to be read."""
    with _empty(request.param, request, tmp_path_factory.mktemp("mixture")) as made:
        _mixture(made)
        yield made


@pytest.fixture(scope="module")
def whole(mixture: Shelf) -> Whole:
    """What each may see of the mixture."""
    return [
        (visible, [h.message_id for h in ask(mixture, "", visible, limit=100)])
        for visible in (KITA, POST, BOTH, OPERATOR)
    ]


def ask(shelf: Shelf, query: str, visible: Visible = OPERATOR, **how: Any) -> list[Hit]:
    with shelf.read() as connection:
        return search(connection, visible, parse(query), **({"now_ms": NOW_MS} | how))


def subjects(shelf: Shelf, query: str, visible: Visible = OPERATOR, **how: Any) -> list[str]:
    return [hit.subject for hit in ask(shelf, query, visible, **how)]


def number(shelf: Shelf, query: str, visible: Visible) -> int:
    with shelf.read() as connection:
        return count(connection, visible, parse(query), now_ms=NOW_MS)


def _library(shelf: Shelf) -> None:
    ended: dict[str, Any] = {"state": "closed", "waiting": False}
    shelf.put(
        aged(Letter(subject="alt", text="Antrag auf einen Kitaplatz", teams=("kita",), **ended), 40),
        aged(Letter(subject="mittel", text="Kitaplatz in der Müllerstraße", teams=("kita",), tags=("eilt",)), 5),
        aged(Letter(subject="Rechnung", files=("Rechnung März.pdf",), size=6_000_000, text="anbei der Kitaplatz"), 3),
        aged(Letter(subject="Frage", sender=("Jörg Weiß", "j.weiss@verein.example"), text="Platz der Kita?"), 2),
        aged(Letter(subject="Antwort", direction="out", waiting=False, cc=(("Chefin", "c@x.example"),)), 1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Antwort", "Frage", "Rechnung", "mittel", "alt"]),
        ("kitaplatz", ["Rechnung", "mittel", "alt"]),
        ("KITAPLATZ antrag", ["alt"]),
        ("kitaplatz -antrag", ["Rechnung", "mittel"]),
        ("antrag OR muellerstrasse", ["mittel", "alt"]),
        ("kitaplatz antrag OR rechnung", ["Rechnung", "alt"]),
        ("Mullerstraße", ["mittel"]),
        ('"der kita"', ["Frage"]),
        ('"kita der"', []),
        ('"in der muel"*', ["mittel"]),
        ("kita*", ["Frage", "Rechnung", "mittel", "alt"]),
        ("-kita*", ["Antwort"]),
        ("-kitaplatz", ["Antwort", "Frage"]),
        ("subject:rechnung", ["Rechnung"]),
        ("subject:kitaplatz", []),
        ("body:rechnung", []),
        ("body:kita*", ["Frage", "Rechnung", "mittel", "alt"]),
        ("from:weiss", ["Frage"]),
        ("from:j.weiss@verein.example", ["Frage"]),
        ("from:(weiss OR petra) rechnung", ["Rechnung"]),
        ("to:poststelle -kita*", ["Antwort"]),
        ("cc:chefin", ["Antwort"]),
        ("filename:maerz", ["Rechnung"]),
        ("filename:*.pdf", ["Rechnung"]),
        ("filename:mar*", ["Rechnung"]),
        ("has:anhang", ["Rechnung"]),
        ("-has:attachment is:in", ["Frage", "mittel", "alt"]),
        ("larger:5MB", ["Rechnung"]),
        ("smaller:6MB kitaplatz", ["mittel", "alt"]),
        ("is:out", ["Antwort"]),
        ("is:closed", ["alt"]),
        ("is:open kitaplatz", ["Rechnung", "mittel"]),
        ("is:unanswered -kitaplatz", ["Frage"]),
        ("is:closed OR is:out", ["Antwort", "alt"]),
        ("-is:unanswered", ["Antwort", "alt"]),
        ("-(kitaplatz OR is:out)", ["Frage"]),
        ("kitaplatz OR is:out", ["Antwort", "Rechnung", "mittel", "alt"]),
        ("kitaplatz OR -is:unanswered", ["Antwort", "Rechnung", "mittel", "alt"]),
        ("tag:eilt", ["mittel"]),
        ("kitaplatz -tag:eilt", ["Rechnung", "alt"]),
        ("team:kita", ["mittel", "alt"]),
        ("team:KITA kita*", ["mittel", "alt"]),
        ("team:kita team:poststelle", []),
        ("after:4d", ["Antwort", "Frage", "Rechnung"]),
        ("before:30d", ["alt"]),
        ("kita* after:10d before:36h", ["Frage", "Rechnung", "mittel"]),
        ("kita* OR after:36h", ["Antwort", "Frage", "Rechnung", "mittel", "alt"]),
        ("on:gestern", ["Antwort"]),
        ("on:2026-09-19", ["Frage"]),
        ("before:2026-09-19", ["Rechnung", "mittel", "alt"]),
        ("after:19.9.2026", ["Antwort", "Frage"]),
        ("on:2026-08", ["alt"]),
        ("-after:4d", ["mittel", "alt"]),
        ("… !", ["Antwort", "Frage", "Rechnung", "mittel", "alt"]),
        ("Kitapl\ufffdtz", ["Rechnung", "mittel", "alt"]),
    ],
)
def test_every_word_of_the_language_finds_what_it_says(library: Shelf, query: str, found: list[str]) -> None:
    assert subjects(library, query) == found
    assert number(library, query, OPERATOR) == len(found)
    assert subjects(library, query, BOTH) == found


def test_messages_are_found_by_their_names(shelf: Shelf) -> None:
    first, second = shelf.put(Letter(subject="erste", message_key="a(b)@c"), Letter(subject="zweite"))
    reference = format_reference(1)
    assert subjects(shelf, f"id:{format_id(second)}") == ["zweite"]
    assert subjects(shelf, f"ref:{reference.lower()}") == ["erste"]
    assert subjects(shelf, "msgid:<a(b)@c>") == ["erste"]
    assert subjects(shelf, "msgid:<a(b)@c> zweite") == []
    assert subjects(shelf, f"-id:{format_id(second)}") == ["erste"]
    assert subjects(shelf, f"id:{format_id(second)} OR ref:{reference}") == ["zweite", "erste"]
    assert [h.message_id for h in ask(shelf, "erste")] == [first]


def test_an_old_reference_leads_to_the_conversation_it_was_merged_into(shelf: Shelf) -> None:
    old, new = shelf.put(Letter(subject="alt"), Letter(subject="neu"))
    with shelf.database.begin() as connection:
        connection.execute(update(conversations).where(conversations.c.id == old).values(merged_into=new))
    assert subjects(shelf, f"ref:{format_reference(1)}") == ["neu", "alt"]
    assert subjects(shelf, f"ref:{format_reference(2)}") == ["neu"]


def test_an_assignee_is_found_by_login(shelf: Shelf) -> None:
    shelf.put(Letter(subject="ihrs", assignee=7), Letter(subject="niemands"))
    with shelf.database.begin() as connection:
        connection.execute(insert(users).values(id=7, login="anna", name="Anna", created_ms=0))
    assert subjects(shelf, "assignee:Anna", POST) == ["ihrs"]
    assert subjects(shelf, "assignee:berta", POST) == []


def test_a_hit_says_what_a_list_needs(shelf: Shelf) -> None:
    letter = Letter(
        subject="Kitaplatz", text="Guten Tag", teams=("kita", "poststelle"), tags=("eilt",), files=("a.pdf",),
        envelope=("kita@stadt.example", "info@stadt.example"), size=5_000, age_ms=DAY_MS,
    )  # fmt: skip
    (message_id,) = shelf.put(letter)
    (hit,) = ask(shelf, "kitaplatz")
    assert hit == Hit(
        message_id=message_id, conversation_id=message_id, reference=format_reference(1), direction="in",
        date_ms=NOW_MS - DAY_MS, from_name="Petra Weber", from_mail="petra@buerger.example",
        to=("kita@stadt.example", "info@stadt.example"), subject="Kitaplatz", teams=("kita", "poststelle"),
        tags=("eilt",), attachments=1, size=5_000, digest=hit.digest, excerpt="Guten Tag",
    )  # fmt: skip
    assert len(hit.digest) == 32
    (seen,) = ask(shelf, "kitaplatz", KITA)
    assert (seen.teams, seen.to) == (("kita",), ())


def test_pages_follow_one_another_without_a_gap(shelf: Shelf) -> None:
    ids = shelf.put(*[Letter(subject=f"{n}", text="gleich" if n % 3 else "anders") for n in range(400)])
    wanted = [i for n, i in reversed(list(enumerate(ids))) if n % 3]
    for query in ("gleich", "-anders", "is:in -anders", "gleich OR tag:x"):
        found: list[int] = []
        while page := ask(shelf, query, POST, limit=60, before_id=found[-1] if found else None):
            found += [hit.message_id for hit in page]
            assert len(page) <= 60
        assert found == wanted, query
    assert number(shelf, "gleich", POST) == len(wanted)


def test_a_day_begins_at_the_midnight_of_ones_own_clock(shelf: Shelf) -> None:
    # 2026-09-20 23:00 UTC is one o'clock of the 21st in Berlin.
    shelf.put(Letter(subject="nachts", age_ms=NOW_MS - 1_789_945_200_000))
    berlin = ZoneInfo("Europe/Berlin")
    assert subjects(shelf, "on:2026-09-21", zone=berlin) == ["nachts"]
    assert subjects(shelf, "on:2026-09-20", zone=berlin) == []
    assert subjects(shelf, "on:2026-09-20") == ["nachts"]
    assert subjects(shelf, "on:heute", zone=berlin) == ["nachts"]


# What is not in the index yet


def test_what_is_filed_and_not_indexed_yet_is_found_by_its_summary(shelf: Shelf) -> None:
    shelf.put(Letter(subject="früher", text="Kitaplatz"))
    shelf.put(Letter(subject="eben", text="Kitaplatz gesucht", teams=("kita",)), indexed=False)
    assert subjects(shelf, "kitaplatz") == ["eben", "früher"]
    assert subjects(shelf, "kitaplatz -gesucht") == ["früher"]
    assert subjects(shelf, "-kitaplatz") == []
    assert subjects(shelf, "subject:eben from:petra kita*", KITA) == ["eben"]
    assert subjects(shelf, "kitaplatz", POST) == ["früher"]
    assert subjects(shelf, "is:open", KITA) == ["eben"]


def test_the_operator_finds_what_the_router_has_not_reached(shelf: Shelf) -> None:
    (message_id,) = shelf.put(Letter(filed=False, envelope=("kita@stadt.example",), sender=("", "eve@x.example")))
    for query in ("", "to:kita", "to:kita@stadt.example", "from:eve", f"id:{format_id(message_id)}", "is:in", "eve"):
        (hit,) = ask(shelf, query)
        assert (hit.message_id, hit.from_mail, hit.to) == (message_id, "eve@x.example", ("kita@stadt.example",))
        assert (hit.conversation_id, hit.reference, hit.teams) == (None, None, ())
        assert subjects(shelf, query, BOTH) == []
    assert subjects(shelf, "to:poststelle") == []
    assert subjects(shelf, "team:kita OR is:open OR tag:x OR has:attachment") == []


def test_an_index_that_knows_messages_which_the_archive_lacks_shows_nothing_of_them(shelf: Shelf) -> None:
    shelf.put(Letter(subject="da"))
    shelf.index.add([shelf.documents[0]._replace(message_id=99, revision=2, subject="weg")])
    assert subjects(shelf, "weg") == []
    assert subjects(shelf, "da") == ["da"]


def test_without_an_index_the_newest_are_found_by_their_summaries(tmp_path: Path) -> None:
    with sqlite_shelf(tmp_path) as shelf:
        shelf.put(Letter(subject="da"), indexed=False)
        with shelf.read() as connection:
            connection.exec_driver_sql("DETACH DATABASE idx")
            assert [h.subject for h in search(connection, POST, parse("da"), now_ms=NOW_MS)] == ["da"]
            connection.exec_driver_sql(f"ATTACH DATABASE '{tmp_path / 'index.sqlite3'}' AS idx")


# Visibility


def _canaries(shelf: Shelf) -> None:
    """Two teams; whatever belongs to the other one alone says so."""
    shelf.put(
        Letter(subject="canary", text="canary common", teams=("rat",), tags=("canary",), assignee=7,
               files=("canary.pdf",), sender=("Canary", "canary@x.example"), message_key="canary@x", size=9_000_000),
        Letter(subject="unser", text="common", teams=("kita",), tags=("unser",)),
        Letter(subject="geteilt", text="common", teams=("kita", "rat"),
               envelope=("kita@stadt.example", "canary@stadt.example")),
        Letter(subject="canary wartet", filed=False, envelope=("canary@stadt.example",)),
    )  # fmt: skip
    shelf.put(Letter(subject="canary", text="canary common", teams=("rat",), message_key="late@x"), indexed=False)
    with shelf.database.begin() as connection:
        connection.execute(insert(users).values(id=7, login="canary", name="Canary", created_ms=0))


CANARY_QUERIES = (
    "canary", "can*", "-nichts", "common", '"canary common"', "from:canary", "to:canary", "filename:canary",
    "subject:canary", "tag:canary", "team:rat", "assignee:canary", "msgid:canary@x", "msgid:late@x", "larger:8MB",
    f"ref:{format_reference(1)}", "", "is:open", "is:unanswered", "is:in", "has:attachment", "common OR tag:canary",
    "-tag:unser", "-team:kita", "after:2d", "-(team:kita)", "tag:unser OR canary", "common team:rat",
)  # fmt: skip


@pytest.mark.parametrize("query", CANARY_QUERIES)
def test_nothing_of_another_team_is_in_hits_or_counts(canaries: Shelf, query: str) -> None:
    hits = ask(canaries, query, KITA)
    assert "canary" not in repr(hits).casefold()
    assert "rat" not in {team for hit in hits for team in hit.teams}
    assert {hit.subject for hit in hits} <= {"unser", "geteilt"}
    assert number(canaries, query, KITA) == len(hits)
    assert ask(canaries, query, NOTHING) == []
    assert number(canaries, query, NOTHING) == 0


@pytest.mark.parametrize("query", ["team:rat", "to:canary", "tag:canary", "assignee:canary"])
def test_a_shared_message_does_not_tell_with_whom(canaries: Shelf, query: str) -> None:
    assert ask(canaries, query, KITA) == []
    assert ask(canaries, query) != []


def test_a_tag_of_another_team_on_a_shared_conversation_is_not_seen(shelf: Shelf) -> None:
    (message_id,) = shelf.put(Letter(subject="geteilt", teams=("kita",), tags=("unser",), state="open"))
    with shelf.database.begin() as connection:
        connection.execute(insert(filings).values(team="rat", message_id=message_id, conversation_id=message_id))
    rat = Visible(teams=frozenset({"rat"}))
    assert subjects(shelf, "geteilt", rat) == ["geteilt"]
    for query in ("tag:unser", "is:open", "is:unanswered", "team:kita"):
        assert ask(shelf, query, rat) == []
    assert ask(shelf, "geteilt", rat)[0].tags == ()


def test_many_teams_are_searched_as_one(shelf: Shelf) -> None:
    many = [f"amt{n}" for n in range(12)]
    shelf.put(*[Letter(subject=team, teams=(team, "amt0")) for team in many if team != "amt0"], Letter(subject="fremd"))
    visible = Visible(teams=frozenset(many))
    for query in ("", "-fremd", "anfrage OR -fremd"):
        assert subjects(shelf, query, visible) == many[:0:-1]


def _mixture(shelf: Shelf) -> None:
    texts = ("aa", "bb", "aa bb", "bb aa", "abc")
    shelf.put(
        *[
            Letter(
                subject=texts[n % 5], text=texts[n // 5 % 5], teams=("kita",) if n % 2 else ("poststelle",),
                tags=("x",) if n % 7 == 0 else (), direction="in" if n % 3 else "out", age_ms=n * 3_600_000,
                files=("f",) if n % 11 == 0 else (),
            )
            for n in range(1, 60)
        ]
    )  # fmt: skip


QUERY = st.recursive(
    st.sampled_from(["aa", "bb", '"aa bb"', "aa*", "ab*", "tag:x", "team:kita", "is:open", "is:out", "has:attachment",
                     "after:12h", "smaller:5kB", "from:petra", "subject:aa"]),
    lambda inner: st.one_of(
        inner.map(lambda q: f"-({q})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda qs: "(" + " ".join(qs) + ")"),
        st.lists(inner, min_size=2, max_size=3).map(lambda qs: "(" + " OR ".join(qs) + ")"),
    ),
    max_leaves=5,
)  # fmt: skip


@given(query=QUERY)
@settings(max_examples=40, deadline=None)
def test_a_query_and_its_negation_divide_what_is_visible(mixture: Shelf, whole: Whole, query: str) -> None:
    for visible, everything in whole:
        with_it = [h.message_id for h in ask(mixture, query, visible, limit=100)]
        without = [h.message_id for h in ask(mixture, f"-({query})", visible, limit=100)]
        assert sorted(with_it + without, reverse=True) == everything
        assert with_it == sorted(with_it, reverse=True)
