"""The handbook: every version kept, none overwritten unseen; model answers that lie where their readers may look."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from maild.archive import handbook as book
from maild.archive.accounts import NewUser, add_users
from maild.archive.audit import broken_records
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.handbook import Marking, Save, Welcome
from maild.archive.schema import conversations, filings
from maild.archive.schema_people import audit
from maild.errors import NotFoundError
from maild.policy.visible import NOTHING, Visible
from tests.archive.samples import NOW_MS, acceptance, filing

KITA = Visible(teams=frozenset({"kita"}))
BAU = Visible(teams=frozenset({"bauamt"}))


def _save(database: Database, base: int = 0, *, team: str = "kita", page: str = "frist", **values: str) -> bool:
    usual = {"title": "Fristen", "address": "", "text": "Bis März.", "author": "kira"}
    save = Save(team=team, page=page, base=base, at_ms=NOW_MS, **(usual | values))
    kept: bool = database.writer.submit(book.save_pages, save).result()
    return kept


def _ask(database: Database, question: Any, **how: Any) -> Any:
    with database.read() as connection:
        return question(connection, **how)


def _talk(database: Database, number: int, *, teams: tuple[str, ...] = ("kita",), key: str | None = None) -> int:
    message_id = database.writer.submit(accept, acceptance(number)).result().message_id
    item = filing(message_id, teams=teams, subject=f"Frage {number}", key=key, reference_bits=number)
    filed = database.writer.submit(file, item).result()
    assert filed is not None
    return filed.conversation_id


def _mark(database: Database, conversation_id: int, why: str = "klar", team: str = "kita") -> None:
    marking = Marking(team=team, conversation_id=conversation_id, why=why, author="kira", at_ms=NOW_MS)
    database.writer.submit(book.mark_models, marking).result()


def test_each_version_stays_and_the_newest_is_the_page(database: Database) -> None:
    new = NewUser(login="kira", name="Kira Klar", mail=None, password=None, created_ms=0)
    database.writer.submit(add_users, new).result()
    assert _save(database)
    assert _save(database, 1, text="Bis April.", author="jon")
    (page,) = _ask(database, book.pages, visible=KITA)
    assert (page.version, page.text, page.author_name) == (2, "Bis April.", "jon")
    newest, oldest = _ask(database, book.versions, visible=KITA, team="kita", page="frist")
    assert (newest.version, oldest.text, oldest.author_name) == (2, "Bis März.", "Kira Klar")
    with database.read() as connection:
        acts = connection.execute(select(audit.c.actor, audit.c.act, audit.c.about, audit.c.details)).all()
        assert list(broken_records(connection)) == []
    assert [(act.actor, act.about, json.loads(act.details)["version"]) for act in acts] == [
        ("kira", "frist", 1), ("jon", "frist", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("base", [0, 1, 3])
def test_a_page_that_somebody_saved_since_is_not_overwritten(database: Database, base: int) -> None:
    _save(database)
    _save(database, 1, text="Bis April.")
    assert not _save(database, base, text="Bis Mai.")
    (page,) = _ask(database, book.pages, visible=KITA)
    assert page.text == "Bis April."
    with database.read() as connection:
        assert len(connection.execute(select(audit.c.sequence)).all()) == 2


def test_a_removed_page_is_in_no_list_and_keeps_its_versions_and_its_name(database: Database) -> None:
    _save(database)
    assert _save(database, 1, text="")
    assert _ask(database, book.pages, visible=KITA) == ()
    assert len(_ask(database, book.versions, visible=KITA, team="kita", page="frist")) == 2
    assert _ask(database, book.is_taken, visible=KITA, team="kita", page="frist")


@pytest.mark.parametrize(("query", "found"), [("fristen", 1), ("FRIST märz", 1), ("maerz", 1), ("april", 0), ("", 2)])
def test_pages_are_found_by_their_words(database: Database, query: str, found: int) -> None:
    _save(database)
    _save(database, page="straße", title="Straße", text="Anfahrt")
    _save(database, team="bauamt", text="Fristen im März")
    assert len(_ask(database, book.pages, visible=KITA, query=query)) == found


def test_who_does_not_read_the_team_reads_none_of_its_handbook(database: Database) -> None:
    _save(database)
    _mark(database, _talk(database, 1))
    for visible in (BAU, NOTHING):
        assert _ask(database, book.pages, visible=visible) == ()
        assert _ask(database, book.model_answers, visible=visible) == ()
        for question, how in ((book.pages, {}), (book.model_answers, {}), (book.versions, {"page": "frist"}),
                              (book.is_taken, {"page": "frist"})):  # fmt: skip
            with pytest.raises(NotFoundError):
                _ask(database, question, visible=visible, team="kita", **how)
    for page in ("gibt-es-nicht", "a\0"):
        with pytest.raises(NotFoundError):
            _ask(database, book.versions, visible=Visible(teams=frozenset({"kita"})), team="kita", page=page)


def test_a_model_is_shown_by_the_team_that_marked_it_and_taken_back(database: Database) -> None:
    number = _talk(database, 1, teams=("kita", "bauamt"))
    _mark(database, number, "alt")
    _mark(database, number, "weil es freundlich ist")
    (model,) = _ask(database, book.model_answers, visible=KITA, conversation_id=number)
    assert (model.subject, model.why) == ("Frage 1", "weil es freundlich ist")
    assert _ask(database, book.model_answers, visible=BAU) == ()
    _mark(database, number, "")
    assert _ask(database, book.model_answers, visible=KITA) == ()


def test_a_model_follows_its_conversation_into_another(database: Database) -> None:
    first, second = _talk(database, 1), _talk(database, 2)
    _mark(database, second)
    with database.writing.begin() as connection:
        connection.execute(update(conversations).where(conversations.c.id == second).values(merged_into=first))
        connection.execute(update(filings).where(filings.c.conversation_id == second).values(conversation_id=first))
    (model,) = _ask(database, book.model_answers, visible=KITA, conversation_id=first)
    assert model.conversation_id == first
    _mark(database, first, "")
    assert _ask(database, book.model_answers, visible=KITA) == ()


def test_a_model_that_lies_in_the_inbox_no_more_is_not_shown(database: Database) -> None:
    number = _talk(database, 1, teams=("kita", "bauamt"))
    _mark(database, number)
    with database.writing.begin() as connection:
        connection.execute(delete(filings).where(filings.c.team == "kita"))
    assert _ask(database, book.model_answers, visible=KITA, team="kita") == ()


def test_the_first_page_is_put_away_once_for_good(database: Database) -> None:
    new = NewUser(login="neu", name="", mail=None, password=None, created_ms=0)
    user_id = database.writer.submit(add_users, new).result()
    assert not _ask(database, book.is_welcomed, user_id=user_id)
    for _ in range(2):
        database.writer.submit(book.end_welcomes, Welcome(user_id=user_id, at_ms=NOW_MS)).result()
    assert _ask(database, book.is_welcomed, user_id=user_id)
