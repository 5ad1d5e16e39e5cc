"""Who is away, who stands in, what that shows, and what happened meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from maild.archive.absences import AbsenceError, By, Ending, Marking, cover, end, mark, noted
from maild.archive.accounts import (
    Disabling,
    NewGrant,
    NewUser,
    Revocation,
    add_grants,
    add_users,
    disable_users,
    principal,
    revoke_grants,
)
from maild.archive.commit import accept
from maild.archive.counts import team_counts
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.handling import Handling, Work, handle
from maild.archive.lists import inbox, longest_free
from maild.archive.readers import find_orphans, stood_in_for
from maild.archive.return_home import Choice, Return, Settling, returned, settle
from maild.archive.schema import entries
from maild.archive.schema_people import audit
from maild.archive.team_cover import Covering, answering, has_changed, note_covers, with_cover
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.inbox import confidential
from maild.policy.deputies import Cover
from maild.policy.grants import visible
from maild.policy.roles import Role
from maild.policy.visible import Visible
from tests.archive.samples import NOW_MS, acceptance, filing
from tests.web.office import RULES as RULES_TEXT
from tests.web.office import rules

RULES = rules(RULES_TEXT.replace("kita:\n", "kita:\n    deputy: poststelle\n"))
PARENTS = RULES.parents
KITA = Visible(teams=frozenset({"kita"}))
DAY_MS = 86_400_000


@pytest.fixture
def staffed(database: Database) -> Database:
    """Anna and Ben answer in kita, Carl reads there, Dora coordinates; Erik sits in the post room."""
    held = {
        "anna": (Role.RESPONDER, "kita"), "ben": (Role.RESPONDER, "kita"), "carl": (Role.READER, "kita"),
        "dora": (Role.COORDINATOR, "kita"), "erik": (Role.RESPONDER, "poststelle"),
    }  # fmt: skip
    for login, (role, team) in held.items():
        new = NewUser(login=login, name=login.title(), mail=None, password=None, created_ms=0)
        database.writer.submit(add_users, new).result()
        grant = NewGrant(login=login, role=role, team=team, from_ms=0, until_ms=None, granted_by="test")
        database.writer.submit(add_grants, grant).result()
    return database


IDS = {"anna": 1, "ben": 2, "carl": 3, "dora": 4, "erik": 5}


def _by(login: str, at_ms: int = NOW_MS) -> By:
    return By(login=login, user_id=IDS.get(login), parents=PARENTS, at_ms=at_ms)


def _mark(database: Database, by: str, login: str, *, at_ms: int = NOW_MS, **how: Any) -> int:
    asked = Marking(by=_by(by, at_ms), login=login, **{"from_ms": at_ms, **how})
    return database.writer.submit(mark, asked).result()


def _cover(database: Database, now_ms: int = NOW_MS) -> Cover:
    with database.read() as connection:
        return cover(connection, {"kita", "bauamt"}, PARENTS, now_ms)


def _letter(database: Database, number: int, assignee: int | None = None) -> int:
    accepted = database.writer.submit(accept, acceptance(number)).result()
    filed = database.writer.submit(file, filing(accepted.message_id, teams=("kita",))).result()
    assert filed is not None
    if assignee is not None:
        _do(database, "dora", NOW_MS - 5, Handling(conversation_id=filed.conversation_id, team="kita",
                                                   assignee=assignee))  # fmt: skip
    return filed.conversation_id


def _do(database: Database, by: str, at_ms: int, handling: Handling) -> None:
    database.writer.submit(handle, Work(by=by, at_ms=at_ms, handlings=(handling,))).result()


def _log(database: Database) -> list[tuple[str, str, str, dict[str, Any]]]:
    with database.read() as connection:
        rows = connection.execute(select(audit).where(audit.c.act.in_(("absent", "returned"))).order_by("sequence"))
        return [(row.actor, row.act, row.about or row.team, json.loads(row.details)) for row in rows]


def test_a_colleague_marks_another_absent_a_reader_and_a_stranger_cannot(staffed: Database) -> None:
    for login in ("carl", "erik"):
        with pytest.raises(NotFoundError):
            _mark(staffed, login, "anna")
    with pytest.raises(ForbiddenError):
        _mark(staffed, "ben", "anna", from_ms=NOW_MS + DAY_MS)
    number = _mark(staffed, "ben", "anna", deputy="dora")
    assert _log(staffed) == [
        ("ben", "absent", "anna", {"from_ms": NOW_MS, "until_ms": None, "deputy": "dora"}),
    ]
    with staffed.read() as connection:
        (told,) = noted(connection, {1}, NOW_MS)
    assert (told.name, told.deputy, told.marked_by) == ("Anna", "Dora", "ben")
    for login in ("carl", "erik"):
        with pytest.raises(NotFoundError):
            staffed.writer.submit(end, Ending(by=_by(login), id=number)).result()
    assert staffed.writer.submit(end, Ending(by=_by("anna", NOW_MS + 9), id=number)).result() == 1
    assert staffed.writer.submit(end, Ending(by=_by("anna", NOW_MS + 9), id=number)).result() == 0
    assert _log(staffed)[1:] == [("anna", "returned", "anna", {"absence": number, "begun": True})]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"from_ms": NOW_MS + 9, "until_ms": NOW_MS + 9}, "past"),
        ({"from_ms": 0, "until_ms": NOW_MS}, "past"),
        ({"deputy": "anna"}, "deputy"),
        ({"deputy": "erik"}, "deputy"),
        ({"deputy": "carl"}, "deputy"),
        ({"deputy": "niemand"}, "deputy"),
        ({"from_ms": NOW_MS + 2 * DAY_MS, "until_ms": NOW_MS + 9 * DAY_MS}, "overlap"),
    ],
)
def test_an_absence_that_makes_no_sense_is_refused(staffed: Database, how: dict[str, Any], why: str) -> None:
    planned = {"from_ms": NOW_MS + DAY_MS, "until_ms": NOW_MS + 3 * DAY_MS}
    _mark(staffed, "anna", "anna", **planned)
    with pytest.raises(AbsenceError) as raised:
        _mark(staffed, "anna", "anna", **how)
    assert raised.value.why == why
    assert len(_log(staffed)) == 1


def test_who_falls_ill_before_a_planned_holiday_is_away_and_the_plan_stays(staffed: Database) -> None:
    _mark(staffed, "anna", "anna", from_ms=NOW_MS + DAY_MS, until_ms=NOW_MS + 3 * DAY_MS)
    ill = _mark(staffed, "ben", "anna")
    staffed.writer.submit(end, Ending(by=_by("anna", NOW_MS + 9), id=ill)).result()
    assert _cover(staffed, NOW_MS + 9).acting == {}
    assert _cover(staffed, NOW_MS + DAY_MS).acting["kita"] == {1: None}


def test_the_deputy_has_what_is_of_who_is_away_then_the_deputys_deputy_then_the_team(staffed: Database) -> None:
    _letter(staffed, 1, assignee=1)

    def lists() -> tuple[int, ...]:
        found = _cover(staffed, NOW_MS + 5)
        with staffed.read() as connection:
            mine = [
                len(inbox(connection, visible=KITA, team="kita", state="mine", user_id=n, cover=found).rows)
                for n in (2, 4)
            ]
            counts = [team_counts(connection, visible=KITA, user_id=n, cover=found)["kita"].mine for n in (2, 4)]
            free = inbox(connection, visible=KITA, team="kita", state="unassigned", cover=found).rows
            assert team_counts(connection, visible=KITA, cover=found)["kita"].unassigned == len(free)
        return (*mine, *counts, len(free))

    assert lists() == (0, 0, 0, 0, 0)
    _mark(staffed, "anna", "anna", deputy="ben", until_ms=NOW_MS + DAY_MS)
    assert lists() == (1, 0, 1, 0, 0)
    assert _cover(staffed).name("kita", 1) == "Ben"
    _mark(staffed, "dora", "ben", deputy="dora")
    assert lists() == (0, 1, 0, 1, 0)
    _mark(staffed, "ben", "dora", deputy="anna")
    assert lists() == (0, 0, 0, 0, 1)
    assert _cover(staffed).name("kita", 1) == ""
    assert _cover(staffed, NOW_MS + DAY_MS).name("kita", 1) is None


def test_what_is_of_a_closed_account_is_nobodys(staffed: Database) -> None:
    _letter(staffed, 1, assignee=1)
    staffed.writer.submit(disable_users, Disabling(login="anna", disabled_ms=NOW_MS)).result()
    with staffed.read() as connection:
        assert len(inbox(connection, visible=KITA, team="kita", state="unassigned").rows) == 1
        assert team_counts(connection, visible=KITA)["kita"].unassigned == 1


def test_what_somebody_has_who_may_answer_there_no_more_is_the_teams(staffed: Database) -> None:
    for number in (3, 5):  # a reader, and somebody whose team covered this one
        _letter(staffed, number, assignee=number)
    kept = _letter(staffed, 1, assignee=1)

    def free(now_ms: int) -> list[int]:
        with staffed.read() as connection:
            found = Cover(answering=answering(connection, ["kita"], RULES, now_ms))
            rows = inbox(connection, visible=KITA, team="kita", state="unassigned", cover=found).rows
            offered = longest_free(connection, visible=KITA, cover=found)
            counts = team_counts(connection, visible=KITA, user_id=5, cover=found)["kita"]
        assert {each.conversation_id for each in offered} == {row.conversation_id for row in rows}
        assert (counts.unassigned, counts.mine, counts.open) == (len(rows), 1, 3)
        assert all(found.may_not("kita", row.assignee_id) for row in rows)
        return [row.conversation_id for row in rows]

    assert len(free(NOW_MS)) == 2
    assert kept not in free(NOW_MS)
    for login in ("anna", "ben", "dora"):
        _mark(staffed, "dora", login)
    assert len(free(NOW_MS)) == 1  # while the team is away, who covers it may answer
    staffed.writer.submit(revoke_grants, Revocation(login="anna", role=Role.RESPONDER, team="kita",
                                                    revoked_ms=NOW_MS + 5)).result()  # fmt: skip
    assert kept in free(NOW_MS + 5)


def _return(database: Database, user_id: int, now_ms: int) -> Return | None:
    with database.read() as connection:
        return returned(connection, visible=KITA, user_id=user_id, parents=PARENTS, now_ms=now_ms)


def test_who_comes_back_is_told_what_happened_and_takes_back_or_leaves_it(staffed: Database) -> None:
    kept, closed, given, other = (_letter(staffed, number, assignee=1) for number in range(1, 5))
    _letter(staffed, 5, assignee=2)
    _mark(staffed, "dora", "anna", deputy="ben", until_ms=NOW_MS + DAY_MS)
    assert _return(staffed, 1, NOW_MS + 9) is None
    _do(staffed, "ben", NOW_MS + 5, Handling(conversation_id=closed, team="kita", state="closed"))
    _do(staffed, "ben", NOW_MS + 6, Handling(conversation_id=given, team="kita", assignee=2))
    _do(staffed, "ben", NOW_MS + 6, Handling(conversation_id=other, team="kita", assignee=4))
    found = _return(staffed, 1, NOW_MS + DAY_MS)
    assert found is not None
    assert (found.marked_by, found.until_ms) == ("dora", NOW_MS + DAY_MS)
    told = {item.conversation_id: (item.told, item.assignee, item.stood_in) for item in found.items}
    assert told[closed][0] == ("new", "closed") or told[closed][0] == ("closed",)
    assert told[given][1:] == (2, 2)
    assert "handed-over" in told[given][0]
    assert told[kept][1:] == (1, 2)
    assert set(told) == {kept, closed, given, other}
    settling = Settling(
        user_id=1, login="anna", absence_id=found.id, visible=KITA, parents=PARENTS, at_ms=NOW_MS + DAY_MS,
        inboxes=frozenset({"kita"}), choices=(
            Choice(conversation_id=kept, team="kita", take_back=False),
            Choice(conversation_id=given, team="kita", take_back=True),
            Choice(conversation_id=other, team="kita", take_back=False),
            Choice(conversation_id=999, team="kita", take_back=True),
        ),
    )  # fmt: skip
    worked = staffed.writer.submit(settle, settling).result()
    assert {key[0] for key in worked.done} == {kept, given}
    with staffed.read() as connection:
        holders = {row.conversation_id: row.assignee for row in connection.execute(select(entries))}
    assert (holders[kept], holders[given], holders[other]) == (2, 1, 4)
    assert _return(staffed, 1, NOW_MS + DAY_MS) is None
    assert staffed.writer.submit(settle, settling).result().done == ()
    assert [line[1] for line in _log(staffed)] == ["absent", "returned"]


def _seen_by(database: Database, login: str, now_ms: int) -> frozenset[str]:
    with database.read() as connection:
        who = principal(connection, IDS[login])
        assert who is not None
        return visible(with_cover(connection, who, RULES, now_ms).grants, PARENTS, now_ms).teams


def _orphans(database: Database, now_ms: int, asked: Any = RULES) -> dict[str, bool]:
    with database.read() as connection:
        return {orphan.team.id: orphan.away for orphan in find_orphans(connection, asked, now_ms)}


def test_a_team_that_is_away_is_covered_by_its_deputy_team_for_so_long_and_the_log_says_so(staffed: Database) -> None:
    until = NOW_MS + DAY_MS
    assert _seen_by(staffed, "erik", NOW_MS) == {"poststelle"}
    for login in ("anna", "ben", "dora"):
        assert _seen_by(staffed, "erik", NOW_MS) == {"poststelle"}
        _mark(staffed, login, login, until_ms=until)
    covering = Covering(rules=RULES, at_ms=NOW_MS)
    assert _seen_by(staffed, "erik", NOW_MS) == {"poststelle", "kita"}
    assert _seen_by(staffed, "erik", until - 1) == {"poststelle", "kita"}
    assert _seen_by(staffed, "erik", until) == {"poststelle"}
    assert staffed.writer.submit(note_covers, covering).result() == {"kita"}
    assert staffed.writer.submit(note_covers, covering).result() == frozenset()
    with staffed.read() as connection:
        assert not has_changed(connection, covering)
        assert has_changed(connection, Covering(rules=RULES, at_ms=until))
    staffed.writer.submit(note_covers, Covering(rules=RULES, at_ms=until)).result()
    assert _log(staffed)[-2:] == [
        ("", "absent", "kita", {"deputy": "poststelle"}),
        ("", "returned", "kita", {"deputy": "poststelle"}),
    ]


def test_what_is_closed_or_confidential_waits_for_those_who_are_away(staffed: Database) -> None:
    text = RULES_TEXT.replace("{name: Bauamt, office: Amt 63}", "{name: Personalrat, closed: true}")
    guarded = "  - {id: schutz, when: {subject: schutz}, then: {confidential: true}}\n"
    council = rules(text.replace("rules:\n", f"rules:\n{guarded}"))

    def found() -> dict[str, tuple[bool, bool]]:
        with staffed.read() as connection:
            orphans = find_orphans(connection, council, NOW_MS)
        stands_in = stood_in_for(orphans)
        return {each.inbox: (each.away, each.inbox in stands_in) for each in orphans}

    for login, role, team in (("ben", Role.MANAGER, "bauamt"), ("anna", Role.MANAGER, "kita")):
        given = NewGrant(login=login, role=role, team=team, from_ms=0, until_ms=None, granted_by="operator")
        staffed.writer.submit(add_grants, given).result()
    assert {"bauamt", "kita", confidential("kita"), confidential("bauamt")}.isdisjoint(found())
    for login in ("anna", "ben", "dora", "carl"):
        _mark(staffed, "operator", login, until_ms=NOW_MS + DAY_MS)
    told = found()
    assert (told["bauamt"], told[confidential("kita")], told[confidential("bauamt")]) == ((True, False),) * 3
    assert told["kita"] == (True, True)  # any other team's mail is seen by somebody meanwhile
    assert told["mitglieder.by"] == (False, True)


def test_a_team_all_of_whose_readers_are_absent_is_an_orphan_unless_another_covers_it(staffed: Database) -> None:
    plain = rules()
    assert "kita" not in _orphans(staffed, NOW_MS, plain)
    for login in ("anna", "ben", "dora", "carl"):
        _mark(staffed, "operator", login, until_ms=NOW_MS + DAY_MS)
    assert _orphans(staffed, NOW_MS, plain) == {"kita": True, "bauamt": False, "mitglieder.by": False}
    assert "kita" not in _orphans(staffed, NOW_MS)
    assert "kita" not in _orphans(staffed, NOW_MS + DAY_MS, plain)
    _mark(staffed, "erik", "erik")
    assert _orphans(staffed, NOW_MS)["kita"]
