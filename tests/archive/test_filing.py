from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from sqlalchemy import select

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import Filed, file
from maild.archive.schema import conversations, entries, filings, joins, recipients, summaries, tags
from tests.archive.samples import acceptance, filing

OUR_ADDRESS = "info@musterstadt.example"


def _accepted(database: Database, number: int, direction: str = "in") -> int:
    return database.writer.submit(accept, acceptance(number, direction=direction)).result().message_id


def _file(database: Database, number: int, **how: Any) -> Filed:
    filed = database.writer.submit(
        file, filing(_accepted(database, number, how.get("direction", "in")), **how)
    ).result()
    assert filed is not None
    return filed


def _entry(database: Database, conversation_id: int, team: str = "poststelle") -> Any:
    with database.read() as connection:
        return connection.execute(
            select(entries).where(entries.c.conversation_id == conversation_id, entries.c.team == team)
        ).one()


def _partition(database: Database) -> frozenset[frozenset[str]]:
    """Which Message-IDs are together."""
    groups: dict[int, set[str]] = {}
    with database.read() as connection:
        for conversation_id, key in connection.execute(select(summaries.c.conversation_id, summaries.c.message_key)):
            groups.setdefault(conversation_id, set()).add(key)
    return frozenset(frozenset(g) for g in groups.values())


def test_filing_closes_the_work_item_and_opens_an_entry(database: Database) -> None:
    filed = _file(database, 1, tags=("eilt",))
    with database.read() as connection:
        assert connection.scalar(select(recipients.c.state)) == "filed"
        assert connection.scalar(select(tags.c.tag)) == "eilt"
        assert connection.scalar(select(filings.c.team)) == "poststelle"
    entry = _entry(database, filed.conversation_id)
    assert (entry.state, entry.newest_id, entry.seen_ms) == ("open", filed.message_id, None)
    assert entry.waiting_since_ms is not None


@pytest.mark.parametrize("apart", [True, False])
def test_what_answers_a_confidential_letter_is_confidential_for_that_team_alone(
    database: Database, apart: bool
) -> None:
    _file(database, 1, key="a", teams=("kita:confidential",))
    answers = [
        filing(_accepted(database, 2), key="b", refers=("a",), teams=("kita", "poststelle")),
        filing(_accepted(database, 3), key="c", refers=("b",), teams=("kita",)),
        filing(_accepted(database, 4), key="d", refers=("a",), teams=("kita",), author="fremd@x.example"),
    ]
    if apart:
        done = [database.writer.submit(file, answer).result() for answer in answers]
    else:
        with database.writing.begin() as connection:
            done = list(file(connection, answers))
    assert [d.teams for d in done if d] == [("poststelle", "kita:confidential"), ("kita:confidential",), ("kita",)]
    with database.read() as connection:
        found = connection.execute(select(filings.c.message_id, filings.c.team, filings.c.conversation_id)).all()
    inner = {row.conversation_id for row in found if row.team == "kita:confidential"}
    assert len(inner) == 1
    assert sorted(row.team for row in found if row.message_id == answers[0].message_id) == [
        "kita:confidential",
        "poststelle",
    ]


def test_filing_twice_files_once(database: Database) -> None:
    message_id = _accepted(database, 1)
    first = database.writer.submit(file, filing(message_id))
    second = database.writer.submit(file, filing(message_id))
    results = [first.result(), second.result()]
    assert sum(r is not None for r in results) == 1
    with database.read() as connection:
        assert len(connection.execute(select(summaries)).all()) == 1


def test_an_answer_joins_the_conversation_of_its_parent(database: Database) -> None:
    first = _file(database, 1, key="a@citizen.example")
    second = _file(database, 2, key="b@citizen.example", refers=("a@citizen.example",))
    assert second.conversation_id == first.conversation_id


def test_a_parent_that_comes_late_joins_its_children(database: Database) -> None:
    child = _file(database, 1, key="b@c.example", refers=("a@c.example",))
    parent = _file(database, 2, key="a@c.example")
    assert parent.conversation_id == child.conversation_id


def test_a_message_that_links_two_conversations_merges_them_and_the_reference_of_both_leads_on(
    database: Database,
) -> None:
    one = _file(database, 1, key="a@c.example")
    two = _file(database, 2, key="b@c.example", state="closed")
    assert one.conversation_id != two.conversation_id
    link = _file(database, 3, key="c@c.example", refers=("a@c.example", "b@c.example"))
    assert link.conversation_id == one.conversation_id
    with database.read() as connection:
        emptied = connection.execute(select(conversations).where(conversations.c.id == two.conversation_id)).one()
        assert emptied.merged_into == one.conversation_id
        journal = connection.execute(select(joins).where(joins.c.kind == "merged")).one()
        assert json.loads(journal.message_ids) == [two.message_id]
        assert connection.scalars(select(filings.c.conversation_id).distinct()).all() == [one.conversation_id]
        assert len(connection.execute(select(entries)).all()) == 1


def test_merging_within_one_group_of_units_is_the_same(database: Database) -> None:
    ids = [_accepted(database, n) for n in range(3)]
    how: list[dict[str, Any]] = [
        {"key": "a@c.example"},
        {"key": "b@c.example"},
        {"key": "c@c.example", "refers": ("a@c.example", "b@c.example")},
    ]
    # Held back by a slow unit, the three reach the writer together.
    futures = [database.writer.submit(file, filing(i, **h)) for i, h in zip(ids, how, strict=True)]
    assert all(f.result() is not None for f in futures)
    assert _partition(database) == frozenset({frozenset({"a@c.example", "b@c.example", "c@c.example"})})


def test_a_stranger_who_knows_a_message_id_opens_a_conversation_of_his_own(database: Database) -> None:
    victim = _file(database, 1, key="a@citizen.example")
    stranger = _file(database, 2, author="eve@evil.example", key="x@evil.example", refers=("a@citizen.example",))
    assert stranger.conversation_id != victim.conversation_id
    with database.read() as connection:
        suggestion = connection.execute(select(joins)).one()
        assert (suggestion.kind, suggestion.from_id, suggestion.into_id) == (
            "suggested",
            stranger.conversation_id,
            victim.conversation_id,
        )


def test_a_stranger_who_puts_the_victim_in_copy_gains_nothing(database: Database) -> None:
    victim = _file(database, 1, key="a@citizen.example")
    people = ("eve@evil.example", "petra@citizen.example")
    stranger = _file(
        database, 2, author="eve@evil.example", people=people, key="x@evil.example", refers=("a@citizen.example",)
    )
    assert stranger.conversation_id != victim.conversation_id


def test_an_answer_to_another_team_is_not_merged_across(database: Database) -> None:
    kita = _file(database, 1, key="a@c.example", teams=("kita",))
    other = _file(database, 2, key="b@c.example", refers=("a@c.example",), teams=("poststelle",))
    assert other.conversation_id != kita.conversation_id


def test_the_same_message_by_two_addresses_is_one_conversation_with_two_entries(database: Database) -> None:
    kita = _file(database, 1, key="a@c.example", teams=("kita",))
    post = _file(database, 2, key="a@c.example", teams=("poststelle",))
    assert kita.conversation_id == post.conversation_id
    assert _entry(database, kita.conversation_id, "kita").newest_id == kita.message_id
    assert _entry(database, kita.conversation_id, "poststelle").newest_id == post.message_id


def test_a_reused_message_id_of_another_author_is_not_the_same(database: Database) -> None:
    one = _file(database, 1, key="a@c.example")
    two = _file(database, 2, key="a@c.example", author="hans@other.example")
    assert one.conversation_id != two.conversation_id


def test_answers_of_different_people_to_one_circular_stay_apart(database: Database) -> None:
    one = _file(database, 1, key="a@c.example", refers=("circular@party.example",))
    two = _file(database, 2, author="hans@other.example", key="b@other.example", refers=("circular@party.example",))
    assert one.conversation_id != two.conversation_id


THREAD: tuple[dict[str, Any], ...] = (
    {"key": "1@c", "people": ("petra@citizen.example", "hans@x.example")},
    {
        "key": "2@x",
        "author": "hans@x.example",
        "people": ("hans@x.example", "petra@citizen.example"),
        "refers": ("1@c",),
    },
    {"key": "3@c", "refers": ("1@c", "2@x"), "people": ("petra@citizen.example", "hans@x.example")},
    {"key": "4@evil", "author": "eve@evil.example", "refers": ("1@c", "3@c")},
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_conversations_do_not_depend_on_the_order_of_arrival(sqlite_database: Database, order: tuple[int, ...]) -> None:
    for step, which in enumerate(order):
        _file(sqlite_database, step, **THREAD[which])
    assert _partition(sqlite_database) == frozenset({frozenset({"1@c", "2@x", "3@c"}), frozenset({"4@evil"})})


def test_a_new_letter_reopens_and_a_report_does_not(database: Database) -> None:
    first = _file(database, 1, key="a@c.example", state="closed")
    _file(database, 2, key="b@c.example", refers=("a@c.example",), automatic=2)
    assert _entry(database, first.conversation_id).state == "closed"
    _file(database, 3, key="c@c.example", refers=("a@c.example",))
    assert _entry(database, first.conversation_id).state == "open"


def test_an_answer_of_ours_ends_the_waiting(database: Database) -> None:
    first = _file(database, 1, key="a@c.example")
    answer: dict[str, Any] = {"key": "b@us", "author": OUR_ADDRESS, "people": ("petra@citizen.example",)}
    out = _file(database, 2, **answer, refers=("a@c.example",), direction="out")
    assert out.conversation_id == first.conversation_id
    assert _entry(database, first.conversation_id).waiting_since_ms is None
    back = _file(database, 3, key="c@c.example", refers=("b@us",))
    assert back.conversation_id == first.conversation_id
    assert _entry(database, first.conversation_id).waiting_since_ms is not None


def test_two_conversations_never_share_a_reference(database: Database) -> None:
    for number in range(5):
        _file(database, number, reference_bits=42)
    with database.read() as connection:
        assert len(set(connection.scalars(select(conversations.c.reference)))) == 5


def test_a_message_id_that_everybody_refers_to_stays_cheap(database: Database) -> None:
    from maild.archive.schema import message_refs

    for number in range(230):
        _file(database, number, key=f"{number}@c.example", author=f"{number}@c.example", refers=("root@list.example",))
    with database.read() as connection:
        rows = connection.execute(select(message_refs).where(message_refs.c.position > 0)).all()
    assert len(rows) == 200
