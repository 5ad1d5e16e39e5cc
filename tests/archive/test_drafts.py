"""Drafts and notes: whose they are, who learns of them, and that they go along when conversations are joined."""

from __future__ import annotations

import pytest

from maild.archive.commit import accept
from maild.archive.content import held
from maild.archive.database import Database
from maild.archive.drafts import (
    RELEASE,
    Draft,
    Editor,
    NewFile,
    Removal,
    Save,
    Writing,
    add_files,
    being_written,
    draft,
    remove,
    save_drafts,
)
from maild.archive.filing import file
from maild.archive.notes import NewNote, Note, add_notes, notes_of
from maild.errors import NotFoundError
from maild.policy.visible import OPERATOR, Visible
from tests.archive.samples import NOW_MS, acceptance, filing

KITA = Visible(teams=frozenset({"kita"}))
BAUAMT = Visible(teams=frozenset({"bauamt"}))
PETRA, JONAS = Editor(login="petra"), Editor(login="jonas", releasing=frozenset({"kita"}))


def _letter(database: Database, number: int, key: str = "", refers: tuple[str, ...] = ()) -> int:
    message_id = database.writer.submit(accept, acceptance(number)).result().message_id
    item = filing(message_id, teams=("kita",), key=key or None, refers=refers)
    filed = database.writer.submit(file, item).result()
    assert filed is not None
    return filed.conversation_id


def _save(database: Database, text: str, *, about: int | None = None, by: Editor = PETRA, **more: str | None) -> str:
    save = Save(
        id=77, by=by, team="kita", kind="answer", conversation_id=about, answers_id=about, seen_id=about,
        fields={"text": text, "subject": "Re: Frage"}, at_ms=NOW_MS, why=more.get("why"),
    )  # fmt: skip
    return database.writer.submit(save_drafts, save).result()


def _open(database: Database, by: Editor = PETRA, visible: Visible = KITA) -> Draft:
    with database.read() as connection:
        return draft(connection, visible=visible, by=by, draft_id=77)


def _written(database: Database, by: Editor, about: int | None = None, visible: Visible = KITA) -> list[Writing]:
    with database.read() as connection:
        return list(being_written(connection, visible=visible, by=by, conversation_id=about))


def test_a_draft_is_its_authors_and_the_newest_word_counts(database: Database) -> None:
    talk = _letter(database, 1)
    assert [_save(database, text, about=talk) for text in ("eins", "zwei ß")] == ["writing", "writing"]
    assert _open(database).fields["text"] == "zwei ß"
    for by, visible in ((JONAS, KITA), (PETRA, BAUAMT), (JONAS, OPERATOR)):
        with pytest.raises(NotFoundError):
            _open(database, by, visible)
    with pytest.raises(NotFoundError):
        _save(database, "übermalt", about=talk, by=JONAS)
    assert _open(database).fields["text"] == "zwei ß"


def test_colleagues_learn_that_somebody_writes_and_no_word_of_it(database: Database) -> None:
    talk = _letter(database, 1)
    _save(database, "geheim", about=talk)
    (seen,) = _written(database, JONAS, talk)
    assert (seen.author, seen.may_open, seen.subject) == ("petra", False, "")
    assert _written(database, JONAS) == []
    assert _written(database, JONAS, talk, BAUAMT) == []
    assert [each.subject for each in _written(database, PETRA)] == ["Re: Frage"]


def test_what_is_given_for_release_is_for_those_who_may_send(database: Database) -> None:
    talk = _letter(database, 1)
    assert _save(database, "bitte senden", about=talk, why=RELEASE) == "held"
    assert _open(database, JONAS).fields["text"] == "bitte senden"
    with pytest.raises(NotFoundError):
        _open(database, Editor(login="dora"))
    assert _save(database, "gebessert", about=talk, by=JONAS) == "held"
    assert (_open(database).author, _open(database).fields["text"]) == ("petra", "gebessert")


def test_what_was_given_up_is_changed_by_nothing(database: Database) -> None:
    _save(database, "weg")
    database.writer.submit(remove, Removal(draft_id=77, by=PETRA, at_ms=NOW_MS)).result()
    assert _save(database, "doch") == "discarded"
    assert _open(database).fields["text"] == "weg"
    assert _written(database, PETRA) == []


def test_files_come_and_go_within_the_room_there_is(database: Database) -> None:
    _save(database, "anbei")

    def add(name: str, octets: bytes) -> bool:
        new = NewFile(draft_id=77, by=PETRA, name=name, media_type="text/plain", content=held(octets), max_bytes=10)
        return database.writer.submit(add_files, new).result()

    assert [add("a", b"12345"), add("b", b"12345"), add("c", b"1")] == [True, True, False]
    database.writer.submit(remove, Removal(draft_id=77, by=PETRA, at_ms=NOW_MS, position=1)).result()
    assert add("c", b"1")
    assert [(each.position, each.name) for each in _open(database).files] == [(2, "b"), (3, "c")]
    stranger = NewFile(draft_id=77, by=JONAS, name="x", media_type="", content=held(b""), max_bytes=10)
    with pytest.raises(NotFoundError):
        database.writer.submit(add_files, stranger).result()


def _notes(database: Database, talk: int, visible: Visible) -> tuple[Note, ...]:
    with database.read() as connection:
        return notes_of(connection, visible=visible, conversation_id=talk)


def test_notes_and_drafts_go_along_when_conversations_are_joined(database: Database) -> None:
    first, second = _letter(database, 1, "a@x"), _letter(database, 2, "c@x", ("b@x",))
    assert first != second
    for talk, text in ((second, "zwei"), (first, "eins")):
        note = NewNote(conversation_id=talk, team="kita", author="petra", at_ms=NOW_MS - len(text), text=text)
        database.writer.submit(add_notes, note).result()
    _save(database, "angefangen", about=second)
    assert _letter(database, 3, "b@x", ("a@x",)) == first  # the link between the two
    assert {note.text for note in _notes(database, first, KITA)} == {"eins", "zwei"}
    assert _notes(database, second, KITA) == _notes(database, first, BAUAMT) == ()
    assert [each.conversation_id for each in _written(database, PETRA, first)] == [first]
    # A page that was open before the two were joined.
    late = NewNote(conversation_id=second, team="kita", author="petra", at_ms=NOW_MS, text="drei")
    database.writer.submit(add_notes, late).result()
    assert "drei" in {note.text for note in _notes(database, first, KITA)}
