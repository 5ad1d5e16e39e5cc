"""Conversations are merged and split by hand, and it is taken back; no letter undoes what a person has parted."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from sqlalchemy import insert, select

from maild.archive.accounts import NewUser, add_users
from maild.archive.between_teams import Handing, hand
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.entries import Reading, note_readings
from maild.archive.filing import file
from maild.archive.handling import Handling, Undo, Undone, Work, handle
from maild.archive.merging import Merged, Merging, merge
from maild.archive.notes import NewNote, add_notes, mentions_in, notes_of
from maild.archive.queries import Conversation, Entry, conversation
from maild.archive.schema import conversations, joins, summaries
from maild.archive.schema_inbox import seen
from maild.archive.schema_outgoing import drafts
from maild.archive.schema_people import audit
from maild.archive.splitting import Split, Splitting, split
from maild.archive.undoing import undo
from maild.policy.visible import Visible
from tests.archive.samples import NOW_MS, acceptance, filing

KITA = frozenset({"kita"})
PETRA = "petra@citizen.example"
ALL = frozenset({"kita", "bauamt", "kita:confidential", "bauamt:confidential"})


def _letter(database: Database, number: int, **how: Any) -> int:
    """File a letter; returns its id."""
    direction = how.get("direction", "in")
    asked = acceptance(number, direction=direction, at_ms=NOW_MS + number * 1000)
    message_id: int = database.writer.submit(accept, asked).result().message_id
    made = filing(message_id, **{"teams": ("kita",), "key": f"{number}@x", **how})
    assert database.writer.submit(file, made).result() is not None
    return message_id


def _talk_of(database: Database, message_id: int) -> int:
    with database.read() as connection:
        found = connection.scalar(select(summaries.c.conversation_id).where(summaries.c.message_id == message_id))
    assert found is not None
    return int(found)


def _reference(database: Database, talk_id: int) -> str:
    with database.read() as connection:
        return connection.scalar(select(conversations.c.reference).where(conversations.c.id == talk_id)) or ""


def _talk(database: Database, message_id: int, *teams: str) -> Conversation:
    visible = Visible(teams=frozenset(teams or ALL))
    with database.read() as connection:
        return conversation(connection, visible=visible, reference=_reference(database, _talk_of(database, message_id)))


def _ids(talk: Conversation) -> list[int]:
    return [message.id for message in talk.messages]


def _merge(database: Database, one: int, other: int, **how: Any) -> Merged:
    asked = {"by": "petra", "at_ms": NOW_MS, "visible": Visible(teams=ALL), "assigns": ALL, **how}
    pair = (_talk_of(database, one), _talk_of(database, other))
    return database.writer.submit(merge, Merging(one_id=pair[0], other_id=pair[1], **asked)).result()


def _split(database: Database, *letters: int, **how: Any) -> Split:
    asked = {"by": "petra", "at_ms": NOW_MS, "visible": Visible(teams=ALL), "assigns": ALL, "reference_bits": 7, **how}
    talk_id = how.get("conversation_id", _talk_of(database, letters[0]))
    asked |= {"conversation_id": talk_id, "letters": frozenset(letters)}
    return database.writer.submit(split, Splitting(**asked)).result()


def _undo(database: Database, done: Merged | Split, assigns: frozenset[str] = ALL) -> Undone:
    asked = Undo(id=done.undo_id or 0, by="petra", at_ms=NOW_MS + 1, teams=ALL, assigns=assigns)
    return database.writer.submit(undo, asked).result()


def _without(entry: Entry, *names: str) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if name not in {"revision", *names}}


def _exchange(database: Database) -> tuple[int, int, int]:
    """File a letter, an answer of ours and the citizen's next letter."""
    first = _letter(database, 1, tags=("eilt",))
    ours = _letter(database, 2, refers=("1@x",), direction="out", author="kita@musterstadt.example", people=(PETRA,))
    return first, ours, _letter(database, 3, refers=("1@x", "2@x"))


def test_two_conversations_become_one_and_two_again_as_they_were(database: Database) -> None:
    one, other = _letter(database, 1, tags=("eilt",)), _letter(database, 2, author="karl@citizen.example")
    before = [_talk(database, one), _talk(database, other)]
    closing = Handling(conversation_id=_talk_of(database, other), team="kita", state="closed", assignee=7, priority=2)
    database.writer.submit(handle, Work(by="jonas", at_ms=NOW_MS, handlings=(closing,))).result()
    before[1] = _talk(database, other)
    done = _merge(database, other, one)
    assert (done.into_id, done.refused, done.teams) == (_talk_of(database, one), "", KITA)
    talk = _talk(database, one)
    assert _ids(talk) == [one, other]
    (entry,) = talk.entries
    assert (entry.state, entry.assignee, entry.priority, entry.tags) == ("open", 7, 2, ("eilt",))
    with database.read() as connection:
        for each in before:
            led = conversation(connection, visible=Visible(teams=KITA), reference=each.reference)
            assert led.reference == before[0].reference
        kinds = connection.scalars(select(joins.c.kind)).all()
        acts = connection.execute(select(audit.c.act, audit.c.actor, audit.c.team, audit.c.details)).all()
    assert kinds == ["merged"]
    assert tuple(acts[-1])[:3] == ("merged", "petra", "kita")
    ends = [json.loads(acts[-1].details)[name] for name in ("into", "from")]
    assert ends == [each.reference for each in before]
    assert json.loads(acts[-1].details)["revision"] == entry.revision
    assert _undo(database, done).left == 0
    for was, letter in zip(before, (one, other), strict=True):
        now = _talk(database, letter)
        assert (now.reference, _ids(now)) == (was.reference, _ids(was))
        assert [_without(e) for e in now.entries] == [_without(e) for e in was.entries]
    assert _undo(database, done) == Undone()


@pytest.mark.parametrize(
    ("teams", "how", "refused"),
    [
        (("kita", "bauamt"), {"visible": Visible(teams=KITA)}, "missing"),
        (("kita", "bauamt"), {"assigns": KITA}, "rights"),
        (("kita", "kita"), {"assigns": frozenset()}, "rights"),
        (("kita", "kita:confidential"), {}, "confidential"),
        (("kita:confidential", "bauamt:confidential"), {}, ""),
        (("kita", "bauamt"), {}, ""),
    ],
)
def test_merging_needs_the_right_in_both_places_and_mixes_nothing_confidential(
    database: Database, teams: tuple[str, str], how: dict[str, Any], refused: str
) -> None:
    one, other = _letter(database, 1, teams=teams[:1]), _letter(database, 2, teams=teams[1:])
    done = _merge(database, one, other, **how)
    assert (done.refused, done.into_id is None) == (refused, bool(refused))
    assert (_talk_of(database, one) == _talk_of(database, other)) is not bool(refused)
    # Each inbox has the letters that it had, and no other.
    assert all(_ids(_talk(database, each, team)) for each, team in zip((one, other), teams, strict=True))
    if not refused:
        assert len(_talk(database, one, teams[0]).messages) == 1
        assert _merge(database, one, other).refused == "same"


def test_an_inbox_that_one_does_not_see_neither_stops_an_act_nor_is_told_of(database: Database) -> None:
    one = _letter(database, 1, teams=("kita", "bauamt:confidential"))
    other = _letter(database, 2, author="karl@citizen.example")
    eyes = {"visible": Visible(teams=KITA), "assigns": KITA}
    done = _merge(database, one, other, **eyes)
    assert done.refused == ""
    assert _ids(_talk(database, one, "bauamt:confidential")) == [one]
    parted = _split(database, other, **eyes)
    assert parted.refused == ""
    assert _split(database, one, **eyes).refused == "all"


def test_what_was_handed_over_is_the_business_of_who_has_it(database: Database) -> None:
    one, other = _letter(database, 1), _letter(database, 2, author="karl@citizen.example")
    handing = Handing(
        conversation_id=one, team="kita", to_team="bauamt", way="over", by="petra", at_ms=NOW_MS, shown=None
    )
    database.writer.submit(hand, handing).result()
    assert _merge(database, one, other, assigns=KITA).refused == "rights"
    assert _merge(database, one, other, assigns=ALL).refused == ""
    parted = _split(database, one, assigns=ALL)
    assert parted.refused == ""
    # What the citizen writes next still goes to who has it.
    later = _letter(database, 3, refers=("1@x",))
    assert _talk_of(database, later) == _talk_of(database, one)
    assert {entry.team for entry in _talk(database, later).entries} == {"kita", "bauamt"}
    assert later in _ids(_talk(database, one, "bauamt"))
    assert later not in _ids(_talk(database, one, "kita"))


def test_what_was_handed_over_since_a_merge_stays_so_in_both_when_it_is_undone(database: Database) -> None:
    one, other = _letter(database, 1), _letter(database, 2, author="karl@citizen.example")
    done = _merge(database, one, other)
    handing = Handing(
        conversation_id=one, team="kita", to_team="bauamt", way="over", by="petra", at_ms=NOW_MS, shown=None
    )
    database.writer.submit(hand, handing).result()
    assert _undo(database, done).left == 0
    for number, (author, parent) in enumerate((("karl@citizen.example", 2), (PETRA, 1)), start=3):
        later = _letter(database, number, refers=(f"{parent}@x",), author=author)
        assert later in _ids(_talk(database, later, "bauamt"))
        assert later not in _ids(_talk(database, later, "kita"))


def test_letters_become_a_conversation_of_their_own_and_go_back(database: Database) -> None:
    first, ours, last = _exchange(database)
    assert _talk_of(database, first) == _talk_of(database, last)
    before = _talk(database, first)
    done = _split(database, last)
    assert done.refused == ""
    rest, new = _talk(database, first), _talk(database, last)
    assert (_ids(rest), _ids(new)) == ([first, ours], [last])
    assert (rest.reference, new.reference) == (before.reference, done.reference)
    assert rest.entries[0].waiting_since_ms is None  # it is answered
    assert new.entries[0].waiting_since_ms is not None
    assert new.entries[0].tags == ("eilt",)
    assert _undo(database, done).left == 0
    after = _talk(database, first)
    assert (after.reference, _ids(after)) == (before.reference, _ids(before))
    assert [_without(e) for e in after.entries] == [_without(e) for e in before.entries]
    with database.read() as connection:  # an old reference leads on for ever
        led = conversation(connection, visible=Visible(teams=KITA), reference=done.reference)
    assert led.reference == before.reference


@pytest.mark.parametrize(
    ("refers", "half"),
    [(("1@x", "2@x", "3@x"), "new"), (("3@x", "2@x"), "old"), (("1@x", "3@x", "9@x"), "new"), (("3@x", "1@x"), "old")],
)
@pytest.mark.parametrize("way", ["split", "merge undone"])
def test_a_letter_that_names_both_halves_stays_with_that_of_its_newest_parent(
    database: Database, refers: tuple[str, ...], half: str, way: str
) -> None:
    if way == "split":
        first, _, last = _exchange(database)
        _split(database, last)
    else:
        first = _letter(database, 1)
        _letter(database, 2, refers=("1@x",))
        last = _letter(database, 3)
        _undo(database, _merge(database, first, last))
    halves = {"old": _talk_of(database, first), "new": _talk_of(database, last)}
    assert halves["old"] != halves["new"]
    later = _letter(database, 4, refers=refers)
    assert _talk_of(database, later) == halves[half]
    # Nor does one that answers the letter which names both.
    assert _talk_of(database, _letter(database, 5, refers=(*refers, "4@x"))) == halves[half]
    assert halves == {"old": _talk_of(database, first), "new": _talk_of(database, last)}


def test_what_another_conversation_was_merged_into_stays_apart_and_joined_by_hand_is_joined(database: Database) -> None:
    first, _, last = _exchange(database)
    _split(database, last)
    older = _letter(database, 0, author="karl@citizen.example")
    assert _merge(database, older, last).into_id == _talk_of(database, older)
    later = _letter(database, 4, refers=("1@x", "3@x"))
    assert _talk_of(database, later) == _talk_of(database, older) != _talk_of(database, first)
    _merge(database, first, last)
    assert _talk_of(database, _letter(database, 5, refers=("1@x", "3@x"))) == _talk_of(database, first)


def test_an_undone_merge_leaves_what_colleagues_did_since_and_sorts_what_came(database: Database) -> None:
    one, other = _letter(database, 1), _letter(database, 2, author="karl@citizen.example")
    done = _merge(database, one, other)
    answer = _letter(database, 3, refers=("2@x",), author="karl@citizen.example")
    again = _letter(database, 4, refers=("2@x", "3@x"), author="karl@citizen.example")
    stays = _letter(database, 5, refers=("1@x",))
    closing = Handling(conversation_id=_talk_of(database, one), team="kita", state="closed")
    database.writer.submit(handle, Work(by="jonas", at_ms=NOW_MS, handlings=(closing,))).result()
    assert _undo(database, done, frozenset()) == Undone(left=1)
    assert _undo(database, done).left == 0
    assert _ids(_talk(database, one)) == [one, stays]
    assert _ids(_talk(database, other)) == [other, answer, again]
    assert _talk(database, one).entries[0].state == "closed"
    assert _talk(database, other).entries[0].state == "open"


def test_a_merge_that_was_split_since_is_not_undone(database: Database) -> None:
    one, other = _letter(database, 1), _letter(database, 2)
    done = _merge(database, one, other)
    _split(database, other)
    assert _undo(database, done) == Undone(left=1)
    assert _talk_of(database, one) != _talk_of(database, other)


def test_notes_mentions_drafts_and_readings_go_with_their_letters(database: Database) -> None:
    people = [NewUser(login=n, name=n, mail=None, password=None, created_ms=0) for n in ("petra", "jonas")]
    petra, jonas = (database.writer.submit(add_users, each).result() for each in people)
    first, _, last = _exchange(database)
    talk_id = _talk_of(database, first)
    for number, text in ((1, "alt"), (3, "neu")):
        at_ms = NOW_MS + number * 1000 + 500
        note = NewNote(
            conversation_id=talk_id, team="kita", author="petra", at_ms=at_ms, text=text, mentioned=frozenset({jonas})
        )
        database.writer.submit(add_notes, note).result()
    with database.writing.begin() as connection:
        fields = {"author": "petra", "team": "kita", "kind": "answer", "conversation_id": talk_id, "fields": "{}"}
        fields |= {"state": "writing", "why": "", "made_ms": 1, "changed_ms": 1}
        connection.execute(insert(drafts), [fields | {"id": n, "answers_id": n} for n in (first, last)])
    for user_id, upto in ((petra, last), (jonas, first)):
        reading = Reading(user_id=user_id, conversation_id=talk_id, newest_id=upto)
        database.writer.submit(note_readings, reading).result()
    done = _split(database, last)
    new_id = _talk_of(database, last)

    def there(number: int) -> tuple[list[str], list[int], bool]:
        with database.read() as connection:
            texts = [n.text for n in notes_of(connection, visible=Visible(teams=KITA), conversation_id=number)]
            found = select(drafts.c.answers_id).where(drafts.c.conversation_id == number).order_by(drafts.c.id)
            return texts, list(connection.scalars(found)), mentions_in(connection, jonas, number)

    assert there(talk_id) == (["alt"], [first], True)
    assert there(new_id) == (["neu"], [last], True)
    with database.read() as connection:
        read = connection.execute(select(seen.c.user_id, seen.c.newest_id).where(seen.c.conversation_id == new_id))
        assert {tuple(row) for row in read} == {(petra, last), (jonas, first)}
    merged = _merge(database, first, last)
    assert there(talk_id) == (["alt", "neu"], [first, last], True)
    assert _undo(database, merged).left == 0
    assert there(talk_id) == (["alt"], [first], True)
    assert there(new_id) == (["neu"], [last], True)
    assert done.reference == _reference(database, new_id)


def test_who_has_read_one_of_two_has_not_read_what_they_become(database: Database) -> None:
    one, other = _letter(database, 1), _letter(database, 2, author="karl@citizen.example")
    for user_id, letters in ((1, (one, other)), (2, (other,))):
        for letter in letters:
            reading = Reading(user_id=user_id, conversation_id=letter, newest_id=letter)
            database.writer.submit(note_readings, reading).result()
    _merge(database, one, other)
    with database.read() as connection:
        read = connection.execute(select(seen.c.user_id, seen.c.newest_id).where(seen.c.conversation_id == one))
        assert {tuple(row) for row in read} == {(1, other), (2, 0)}
