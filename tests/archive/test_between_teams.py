"""A conversation goes from team to team, and comes back; the letters of the citizen follow it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, select, update

from maild.archive.between_teams import Handed, Handing, also_in, hand, to_and_fro, ways_of
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import Filed, file
from maild.archive.notes import notes_of
from maild.archive.queries import Conversation, Entry, conversation
from maild.archive.schema import conversations, entries, filings
from maild.archive.schema_people import audit
from maild.errors import NotFoundError
from maild.policy.visible import OPERATOR, Visible
from maild.rules.duties import HOLD, Duty
from tests.archive.samples import NOW_MS, acceptance, filing


def _letter(database: Database, number: int, **how: Any) -> Filed:
    direction = how.get("direction", "in")
    accepted = database.writer.submit(accept, acceptance(number, direction=direction)).result()
    made = filing(accepted.message_id, **{"teams": ("kita",), "key": f"{number}@x", **how})
    filed = database.writer.submit(file, made).result()
    assert filed is not None
    return filed


def _hand(database: Database, talk_id: int, team: str, to_team: str, way: str = "over", **how: Any) -> Handed:
    asked = {"by": "petra", "at_ms": NOW_MS, "shown": None, "reason": f"{way} {to_team}", **how}
    handing = Handing(conversation_id=talk_id, team=team, to_team=to_team, way=way, **asked)
    return database.writer.submit(hand, handing).result()


def _talk(database: Database, talk_id: int, *teams: str) -> Conversation:
    with database.read() as connection:
        reference = connection.scalar(select(conversations.c.reference).where(conversations.c.id == talk_id)) or ""
        visible = Visible(teams=frozenset(teams)) if teams else OPERATOR
        return conversation(connection, visible=visible, reference=reference)


def _entry(database: Database, talk_id: int, team: str) -> Entry:
    (entry,) = _talk(database, talk_id, team).entries
    return entry


def _places(database: Database, filed: Filed) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(select(filings.c.team).where(filings.c.message_id == filed.message_id)))


def test_the_receiver_has_all_of_it_and_the_giver_what_he_has_had(database: Database) -> None:
    first, _ = _letter(database, 1), _letter(database, 2, refers=("1@x",))
    talk = first.conversation_id
    assert _hand(database, talk, "kita", "bauamt") == Handed(inbox="bauamt")
    assert len(_talk(database, talk, "bauamt").messages) == len(_talk(database, talk, "kita").messages) == 2
    given, had = _entry(database, talk, "bauamt"), _entry(database, talk, "kita")
    assert (given.state, given.unseen, given.assignee, had.state) == ("open", True, None, "closed")
    assert given.waiting_since_ms is not None
    later = _letter(database, 3, refers=("1@x",))
    assert (later.conversation_id, later.teams) == (talk, ("bauamt",))
    assert _places(database, later) == {"bauamt"}
    assert _entry(database, talk, "kita").state == "closed"
    with database.read() as connection:
        (note,) = notes_of(connection, visible=Visible(teams=frozenset({"bauamt"})), conversation_id=talk)
        assert (note.author, note.text) == ("petra", "over bauamt")
        acts = connection.execute(select(audit.c.act, audit.c.team, audit.c.actor)).all()
        assert {tuple(act) for act in acts} == {
            ("handed-over", "kita", "petra"), ("handed-over", "bauamt", "petra"), ("noted", "bauamt", "petra"),
        }  # fmt: skip


def test_a_giver_who_keeps_nothing_reads_nothing_and_later_letters_still_find_the_receiver(database: Database) -> None:
    talk = _letter(database, 1, tags=("eilt",)).conversation_id
    _hand(database, talk, "kita", "bauamt", keep=False)
    with pytest.raises(NotFoundError):
        _talk(database, talk, "kita")
    assert _letter(database, 2, refers=("1@x",)).teams == ("bauamt",)
    _hand(database, talk, "bauamt", "kita", "back")
    assert len(_talk(database, talk, "kita").messages) == 2


@pytest.mark.parametrize(
    ("ways", "holder"),
    [
        ([("kita", "bauamt", "over")], "bauamt"),
        ([("kita", "bauamt", "over"), ("bauamt", "kita", "back")], "kita"),
        ([("kita", "bauamt", "over"), ("bauamt", "amt", "over")], "amt"),
        ([("kita", "bauamt", "over"), ("bauamt", "amt", "over"), ("amt", "bauamt", "back")], "bauamt"),
        ([("kita", "bauamt", "over"), ("bauamt", "amt", "over"), ("amt", "kita", "over")], "kita"),
        ([("kita", "bauamt", "over"), ("bauamt", "amt", "over"), ("kita", "kita", "fetched")], "kita"),
        ([("kita", "bauamt", "over"), ("kita", "amt", "over")], "amt"),
        ([("kita", "bauamt", "over"), ("bauamt", "kita", "over"), ("kita", "bauamt", "over")], "bauamt"),
    ],
)
def test_a_letter_of_the_citizen_goes_to_who_has_the_conversation(
    database: Database, ways: list[tuple[str, str, str]], holder: str
) -> None:
    talk = _letter(database, 1).conversation_id
    for team, to_team, way in ways:
        assert _hand(database, talk, team, to_team, way).inbox == (to_team if way != "fetched" else team)
    assert _letter(database, 2, refers=("1@x",)).teams == (holder,)
    assert _entry(database, talk, holder).state == "open"


def test_what_the_giver_writes_all_the_same_is_seen_by_both(database: Database) -> None:
    talk = _letter(database, 1).conversation_id
    _hand(database, talk, "kita", "bauamt")
    ours = _letter(database, 2, refers=("1@x",), direction="out", author="kita@musterstadt.example", people=())
    assert _places(database, ours) == {"kita", "bauamt"}


def test_what_is_held_for_the_giver_is_released_by_the_receiver(database: Database) -> None:
    talk = _letter(database, 1).conversation_id
    _hand(database, talk, "kita", "bauamt")
    hold = Duty(team="kita", kind=HOLD, target="", rule="r")
    _letter(database, 2, refers=("1@x",), duties=(hold,))
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT team, kind FROM duties").all() == [("bauamt", "hold")]


def test_a_confidential_exchange_stays_confidential_in_the_other_team(database: Database) -> None:
    talk = _letter(database, 1, teams=("kita:confidential",)).conversation_id
    assert _hand(database, talk, "kita:confidential", "bauamt").inbox == "bauamt:confidential"
    with pytest.raises(NotFoundError):
        _talk(database, talk, "bauamt")
    assert _letter(database, 2, refers=("1@x",), teams=("kita",)).teams == ("bauamt:confidential",)


def test_fetching_back_brings_what_came_since_and_nothing_that_the_other_team_had_of_its_own(
    database: Database,
) -> None:
    talk = _letter(database, 1, teams=("kita", "bauamt")).conversation_id
    own = _letter(database, 2, refers=("1@x",), teams=("bauamt",))
    assert own.conversation_id == talk
    at_ms = NOW_MS + 2 * 3600 * 1000
    _hand(database, talk, "kita", "bauamt", at_ms=at_ms)
    _hand(database, talk, "bauamt", "amt", at_ms=at_ms + 1)
    accepted = database.writer.submit(accept, acceptance(3, at_ms=at_ms + 2)).result()
    since = database.writer.submit(
        file, filing(accepted.message_id, teams=("kita",), key="3@x", refers=("1@x",))
    ).result()
    assert since is not None
    assert _places(database, since) == {"amt"}
    assert _hand(database, talk, "kita", "kita", "fetched", at_ms=at_ms + 3).inbox == "kita"
    assert "kita" in _places(database, since)
    assert _places(database, own) == {"bauamt", "amt"}


def test_nobody_fetches_out_of_a_confidential_inbox_but_the_other_team_gives_it_back(database: Database) -> None:
    talk = _letter(database, 1, teams=("kita", "bauamt:confidential")).conversation_id
    secret = _letter(database, 2, refers=("1@x",), teams=("bauamt:confidential",))
    assert _hand(database, talk, "kita", "bauamt").inbox == "bauamt:confidential"
    later = _letter(database, 3, refers=("1@x",), teams=("bauamt:confidential",))
    assert _hand(database, talk, "kita", "kita", "fetched").inbox is None
    assert _entry(database, talk, "bauamt:confidential").state == "open"
    assert _hand(database, talk, "bauamt:confidential", "kita", "back").inbox == "kita:confidential"
    assert not any("kita" in _places(database, each) for each in (secret, later))


def test_handing_over_what_has_changed_meanwhile_does_nothing(database: Database) -> None:
    talk = _letter(database, 1).conversation_id
    with database.writing.begin() as connection:
        connection.execute(update(entries).values(revision=3))
    assert _hand(database, talk, "kita", "bauamt", shown=2).inbox is None
    assert _hand(database, talk, "bauamt", "kita", shown=None).inbox is None
    assert [entry.team for entry in _talk(database, talk).entries] == ["kita"]
    assert _hand(database, talk, "kita", "bauamt", shown=3).inbox == "bauamt"


def test_who_sees_one_of_the_teams_sees_to_whom_it_went_and_who_else_has_a_letter(database: Database) -> None:
    talk = _letter(database, 1, teams=("kita", "amt", "rat:confidential")).conversation_id
    _letter(database, 2, refers=("1@x",), teams=("archiv",))  # a letter that kita never had
    _hand(database, talk, "kita", "bauamt")
    with database.read() as connection:
        for teams, ways in (("kita", 1), ("bauamt", 1), ("amt", 0)):
            visible = Visible(teams=frozenset({teams}))
            assert len(ways_of(connection, visible=visible, conversation_id=talk)) == ways
        visible = Visible(teams=frozenset({"kita"}))
        assert also_in(connection, visible=visible, conversation_id=talk) == {"amt", "bauamt"}


def test_to_and_fro_more_than_three_times_is_told_to_both(database: Database) -> None:
    talk = _letter(database, 1, subject="Hin und her").conversation_id
    for number in range(4):
        with database.read() as connection:
            assert to_and_fro(connection, teams=frozenset({"kita"})) == ()
        pair = ("kita", "bauamt") if number % 2 == 0 else ("bauamt", "kita")
        _hand(database, talk, *pair, "over" if number % 2 == 0 else "back")
    with database.read() as connection:
        for team in ("kita", "bauamt"):
            (found,) = to_and_fro(connection, teams=frozenset({team}))
            assert (found.subject, found.count, found.teams) == ("Hin und her", 4, ("bauamt", "kita"))
        assert to_and_fro(connection, teams=frozenset({"amt"})) == ()
    with database.writing.begin() as connection:
        connection.execute(update(entries).values(state="closed"))
    with database.read() as connection:
        assert to_and_fro(connection, teams=frozenset({"kita"})) == ()


def test_what_goes_to_and_fro_is_found_without_a_look_at_each_entry_of_a_long_inbox(sqlite_database: Database) -> None:
    asked: list[tuple[str, Any]] = []

    def keep(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        asked.append((statement, values))

    with sqlite_database.read() as connection:
        event.listen(connection, "before_cursor_execute", keep)
        assert to_and_fro(connection, teams=frozenset({"kita"})) == ()
        statement, values = asked[0]
        plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any("handed_conversation" in step for step in plan), plan
    assert not any("entries_list" in step for step in plan), plan
