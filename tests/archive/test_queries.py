"""What staff read, and above all what they do not."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, update

from maild.archive.accounts import NewUser, add_users
from maild.archive.commit import accept
from maild.archive.counts import team_counts
from maild.archive.database import Database
from maild.archive.entries import Look, StateChange, mark_seen, set_states
from maild.archive.filing import Filed, file
from maild.archive.lists import changes, inbox, newest_revision
from maild.archive.queries import conversation, duplicates, message
from maild.archive.schema import conversations, joins
from maild.errors import NotFoundError
from maild.policy.visible import NOTHING, OPERATOR, Visible
from tests.archive.handled import act_on
from tests.archive.samples import NOW_MS, acceptance, filing

KITA = Visible(teams=frozenset({"kita"}))
BAU = Visible(teams=frozenset({"bauamt"}))
BOTH = Visible(teams=frozenset({"kita", "bauamt"}))


def _file(database: Database, number: int, *, octets: bytes | None = None, **how: Any) -> Filed:
    arrival = acceptance(number, octets=octets, direction=how.get("direction", "in"))
    accepted = database.writer.submit(accept, arrival).result()
    filed = database.writer.submit(file, filing(accepted.message_id, **how)).result()
    assert filed is not None
    return filed


def _reference(database: Database, filed: Filed) -> str:
    with database.read() as connection:
        return str(
            connection.exec_driver_sql(
                f"SELECT reference FROM conversations WHERE id = {filed.conversation_id}"
            ).scalar_one()
        )


def test_a_list_shows_only_its_team_newest_first_a_page_at_a_time(database: Database) -> None:
    for number in range(1, 8):
        _file(database, number, teams=("kita",), subject=f"Brief {number}", tags=("eilt",) if number == 7 else ())
    _file(database, 8, teams=("bauamt",), subject="fremd")
    with database.read() as connection:
        first = inbox(connection, visible=KITA, team="kita", limit=3)
        second = inbox(connection, visible=KITA, team="kita", limit=3, before=first.older)
        third = inbox(connection, visible=KITA, team="kita", limit=3, before=second.older)
    assert [row.subject for row in (*first.rows, *second.rows, *third.rows)] == [f"Brief {n}" for n in range(7, 0, -1)]
    assert third.older is None
    assert first.rows[0].tags == ("eilt",)
    assert first.rows[0].unseen
    assert first.rows[0].waiting_since_ms is not None


@pytest.mark.parametrize("team", ["bauamt", "nirgends", ""])
def test_a_list_that_may_not_be_seen_is_a_list_that_is_not_there(database: Database, team: str) -> None:
    _file(database, 1, teams=("bauamt",))
    texts = set()
    for visible in (KITA, NOTHING):
        with database.read() as connection, pytest.raises(NotFoundError) as caught:
            inbox(connection, visible=visible, team=team)
        texts.add(str(caught.value))
    with database.read() as connection, pytest.raises(NotFoundError) as missing:
        conversation(connection, visible=KITA, reference="0000-0000")
    assert texts == {str(missing.value)}


def test_lists_follow_state_and_assignee(database: Database) -> None:
    user = database.writer.submit(
        add_users, NewUser(login="petra", name="Petra", mail=None, password=None, created_ms=NOW_MS)
    ).result()
    filed = [_file(database, n, teams=("kita",), subject=f"B{n}") for n in range(1, 6)]
    for which, state in ((0, "closed"), (1, "waiting"), (2, "spam")):
        change = StateChange(conversation_id=filed[which].conversation_id, team="kita", state=state)
        assert database.writer.submit(set_states, change).result()
    for which in (1, 3):
        assert act_on(database, filed[which].conversation_id, "kita", assignee=user)
    wanted = {
        "open": ["B5", "B4"],
        "waiting": ["B2"],
        "closed": ["B1"],
        "spam": ["B3"],
        "mine": ["B4", "B2"],
        "unassigned": ["B5"],
    }
    with database.read() as connection:
        for state, subjects in wanted.items():
            page = inbox(connection, visible=KITA, team="kita", state=state, user_id=user)
            assert [row.subject for row in page.rows] == subjects, state
        with pytest.raises(NotFoundError):
            inbox(connection, visible=KITA, team="kita", state="everything")
        count = team_counts(connection, visible=KITA, user_id=user)["kita"]
        assert inbox(connection, visible=KITA, team="kita", state="mine", user_id=user).rows[0].assignee == "Petra"
    assert (count.open, count.waiting, count.unassigned, count.mine, count.unseen) == (2, 1, 1, 2, 2)


def test_counts_hold_nothing_of_other_teams(database: Database) -> None:
    _file(database, 1, teams=("bauamt",))
    _file(database, 2, teams=("bauamt", "kita"))
    with database.read() as connection:
        assert team_counts(connection, visible=KITA).keys() == {"kita"}
        assert team_counts(connection, visible=NOTHING) == {}
        assert team_counts(connection, visible=OPERATOR).keys() == {"kita", "bauamt"}


def test_a_conversation_shows_the_letters_of_visible_teams_only_and_no_subject_of_others(database: Database) -> None:
    secret = _file(database, 1, teams=("bauamt",), subject="GEHEIM", key="a@x", tags=("geheim",))
    shared = _file(database, 2, teams=("kita", "bauamt"), subject="Offen", key="b@x", refers=("a@x",))
    assert secret.conversation_id == shared.conversation_id
    reference = _reference(database, secret)
    with database.read() as connection:
        mine = conversation(connection, visible=KITA, reference=reference)
        all_of_it = conversation(connection, visible=BOTH, reference=reference)
        row = inbox(connection, visible=KITA, team="kita").rows[0]
    assert [m.id for m in mine.messages] == [shared.message_id]
    assert [e.team for e in mine.entries] == ["kita"]
    assert mine.messages[0].teams == ("kita",)
    assert "GEHEIM" not in repr(mine) + repr(row)
    assert "geheim" not in repr(mine) + repr(row)
    assert [m.id for m in all_of_it.messages] == [secret.message_id, shared.message_id]
    assert all_of_it.subject == "GEHEIM"
    assert all_of_it.messages[1].teams == ("bauamt", "kita")


@pytest.mark.parametrize("visible", [KITA, NOTHING])
def test_a_message_of_another_team_is_not_there(database: Database, visible: Visible) -> None:
    filed = _file(database, 1, teams=("bauamt",))
    reference = _reference(database, filed)
    with database.read() as connection:
        for question in (
            lambda: message(connection, visible=visible, message_id=filed.message_id),
            lambda: duplicates(connection, visible=visible, message_id=filed.message_id),
            lambda: conversation(connection, visible=visible, reference=reference),
        ):
            with pytest.raises(NotFoundError):
                question()
        assert message(connection, visible=BAU, message_id=filed.message_id).subject == "Frage"
        assert message(connection, visible=OPERATOR, message_id=filed.message_id).subject == "Frage"


def test_an_old_reference_leads_to_where_the_conversation_went_and_a_circle_ends(database: Database) -> None:
    old, new = _file(database, 1, teams=("kita",)), _file(database, 2, teams=("kita",))
    names = _reference(database, old), _reference(database, new)

    def merge(connection: Any, arguments: list[tuple[int, int]]) -> list[None]:
        for from_id, into_id in arguments:
            connection.execute(update(conversations).where(conversations.c.id == from_id).values(merged_into=into_id))
        return [None] * len(arguments)

    database.writer.submit(merge, (old.conversation_id, new.conversation_id)).result()
    with database.read() as connection:
        found = conversation(connection, visible=KITA, reference=names[0])
    assert found.reference == names[1]
    database.writer.submit(merge, (new.conversation_id, old.conversation_id)).result()
    with database.read() as connection, pytest.raises(NotFoundError):
        conversation(connection, visible=KITA, reference=names[0])


def test_what_may_belong_together_is_shown_only_when_both_may_be_seen(database: Database) -> None:
    mine = _file(database, 1, teams=("kita",), subject="Meins")
    other = _file(database, 2, teams=("bauamt",), subject="GEHEIM")

    def suggest(connection: Any, arguments: list[None]) -> list[None]:
        connection.execute(
            insert(joins).values(
                kind="suggested",
                from_id=mine.conversation_id,
                into_id=other.conversation_id,
                message_ids="[]",
                at_ms=NOW_MS,
            )
        )
        return [None] * len(arguments)

    database.writer.submit(suggest, None).result()
    reference = _reference(database, mine)
    with database.read() as connection:
        assert conversation(connection, visible=KITA, reference=reference).related == ()
        seen = conversation(connection, visible=BOTH, reference=reference).related
    assert [r.subject for r in seen] == ["GEHEIM"]


def test_an_identical_resend_is_known_to_those_who_see_every_place_of_the_first(database: Database) -> None:
    octets = b"Subject: zweimal\r\n\r\nx\r\n"
    first = _file(database, 1, octets=octets, teams=("kita", "bauamt"))
    again = database.writer.submit(accept, acceptance(2, octets=octets, at_ms=NOW_MS + 1)).result()
    assert again.duplicate_of == first.message_id
    with database.read() as connection:
        assert duplicates(connection, visible=BOTH, message_id=first.message_id) == [again.message_id]
        assert duplicates(connection, visible=KITA, message_id=first.message_id) == []
        resend = message(connection, visible=BOTH, message_id=again.message_id)
        assert (resend.id, resend.duplicate_of, resend.subject) == (again.message_id, first.message_id, "Frage")
        with pytest.raises(NotFoundError):
            message(connection, visible=KITA, message_id=again.message_id)


def test_what_no_team_holds_yet_is_the_operators_alone(database: Database) -> None:
    waiting = database.writer.submit(accept, acceptance(1)).result().message_id
    with database.read() as connection:
        assert message(connection, visible=OPERATOR, message_id=waiting).teams == ()
        for visible in (BOTH, OPERATOR):
            with pytest.raises(NotFoundError):
                message(connection, visible=visible, message_id=waiting + (visible is OPERATOR))


def test_looking_marks_what_was_seen_and_not_what_came_meanwhile(database: Database) -> None:
    first = _file(database, 1, teams=("kita", "bauamt"), key="a@x")
    look = Look(
        conversation_id=first.conversation_id, teams=frozenset({"kita"}), newest_id=first.message_id, at_ms=NOW_MS
    )
    assert database.writer.submit(mark_seen, look).result()
    assert not database.writer.submit(mark_seen, look).result()
    with database.read() as connection:
        assert not inbox(connection, visible=KITA, team="kita").rows[0].unseen
        assert inbox(connection, visible=BAU, team="bauamt").rows[0].unseen
    _file(database, 2, teams=("kita",), key="b@x", refers=("a@x",))
    assert not database.writer.submit(mark_seen, look).result()
    with database.read() as connection:
        assert inbox(connection, visible=KITA, team="kita").rows[0].unseen


def test_a_change_of_an_entry_that_is_gone_says_so(database: Database) -> None:
    gone = StateChange(conversation_id=1, team="kita", state="closed")
    assert not database.writer.submit(set_states, gone).result()


def test_changes_name_visible_teams_only(database: Database) -> None:
    with database.read() as connection:
        assert newest_revision(connection) == 0
    first = _file(database, 1, teams=("kita",))
    _file(database, 2, teams=("bauamt",))
    with database.read() as connection:
        assert changes(connection, visible=KITA, after=0) == {"kita"}
        assert changes(connection, visible=KITA, after=first.revision) == frozenset()
        assert changes(connection, visible=NOTHING, after=0) == frozenset()
        assert newest_revision(connection) > first.revision
