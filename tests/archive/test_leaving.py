"""Somebody leaves: all that they hold goes over in one act, and their access ends on the day."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from maild.archive.absences import By, Marking, mark
from maild.archive.accounts import (
    NewGrant,
    NewUser,
    add_grants,
    add_users,
    find_user,
    grants_of,
    principal,
)
from maild.archive.app_passwords import NewAppPassword, add_app_passwords, app_passwords_of
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.drafts import Editor, Save, save_drafts
from maild.archive.filing import file
from maild.archive.handling import Handling, Work, handle
from maild.archive.holdings import holdings
from maild.archive.leaving import (
    HandedOver,
    HandingOver,
    Staying,
    are_due,
    close_leavers,
    hand_all_over,
    stay,
)
from maild.archive.proposals import NewProposal, proposal, propose
from maild.archive.schema import entries, sessions
from maild.archive.schema_outgoing import drafts, notes
from maild.archive.schema_people import audit
from maild.archive.sessions import Lifetime, NewSession, open_sessions
from maild.archive.succession import PutAway, handovers_to, put_away
from maild.errors import ForbiddenError, MaildError
from maild.policy.grants import visible
from maild.policy.roles import Role
from tests.archive.samples import NOW_MS, acceptance, filing
from tests.web.office import RULES as RULES_TEXT
from tests.web.office import rules

RULES = rules(RULES_TEXT + "  - id: an-anna\n    when: {subject: Anna}\n    then: {assign: anna}\n")
PARENTS = RULES.parents
DAY_MS = 86_400_000
IDS = {"ada": 1, "anna": 2, "ben": 3, "dora": 4, "max": 5}


@pytest.fixture
def staffed(database: Database) -> Database:
    """Anna answers in kita, with Ben and the coordinator Dora; alone in bauamt, which Max manages. Ada administers."""
    held = (
        ("ada", Role.ADMINISTRATOR, None), ("anna", Role.RESPONDER, "kita"), ("ben", Role.RESPONDER, "kita"),
        ("dora", Role.COORDINATOR, "kita"), ("max", Role.MANAGER, "mitglieder"), ("anna", Role.READER, "bauamt"),
        ("anna", Role.RESPONDER, "mitglieder"),
    )  # fmt: skip
    for login in IDS:
        new = NewUser(login=login, name=login.title(), mail=None, password=None, created_ms=0)
        database.writer.submit(add_users, new).result()
    for login, role, team in held:
        grant = NewGrant(login=login, role=role, team=team, from_ms=0, until_ms=None, granted_by="test")
        database.writer.submit(add_grants, grant).result()
    return database


def _talk(database: Database, number: int, team: str = "kita", state: str = "open") -> int:
    accepted = database.writer.submit(accept, acceptance(number)).result()
    filed = database.writer.submit(file, filing(accepted.message_id, teams=(team,))).result()
    assert filed is not None
    handling = Handling(
        conversation_id=filed.conversation_id, team=team, assignee=IDS["anna"], state=state,
        returns_ms=NOW_MS + DAY_MS if state == "waiting" else None,
    )  # fmt: skip
    database.writer.submit(handle, Work(by="dora", at_ms=NOW_MS, handlings=(handling,))).result()
    return filed.conversation_id


def _draft(database: Database, number: int, team: str) -> None:
    database.writer.submit(save_drafts, Save(
        id=number, by=Editor(login="anna"), team=team, kind="new", conversation_id=None, answers_id=None, seen_id=None,
        fields={"text": "x"}, at_ms=NOW_MS,
    )).result()  # fmt: skip


def _asked(by: str = "ada", **how: Any) -> HandingOver:
    asked = HandingOver(
        by=by, by_id=IDS.get(by), login="anna", to={}, leaves_ms=NOW_MS + DAY_MS, note="Anna geht.", rules=RULES,
        at_ms=NOW_MS,
    )  # fmt: skip
    return replace(asked, **how)


def _hand(database: Database, by: str = "ada", **how: Any) -> HandedOver:
    return database.writer.submit(hand_all_over, _asked(by, **how)).result()


def _holders(database: Database) -> dict[int, tuple[int | None, str, int | None]]:
    with database.read() as connection:
        rows = connection.execute(select(entries))
        return {row.conversation_id: (row.assignee, row.state, row.returns_ms) for row in rows}


def _seen(database: Database, now_ms: int) -> frozenset[str]:
    with database.read() as connection:
        return visible(grants_of(connection, IDS["anna"]), PARENTS, now_ms).teams


def test_what_somebody_holds_is_listed_with_a_proposal_for_each_inbox(staffed: Database) -> None:
    _talk(staffed, 1)
    _talk(staffed, 2, state="waiting")
    _talk(staffed, 3, state="closed")
    _draft(staffed, 71, "mitglieder")
    by = By(login="operator", user_id=None, parents=PARENTS, at_ms=NOW_MS)
    staffed.writer.submit(mark, Marking(by=by, login="ben", from_ms=NOW_MS, deputy="anna")).result()
    with staffed.read() as connection:
        found = holdings(connection, "anna", RULES, NOW_MS)
    assert [(each.state, each.returns_ms) for each in found.conversations] == [
        ("open", None), ("waiting", NOW_MS + DAY_MS),
    ]  # fmt: skip
    assert [each.team for each in found.drafts] == ["mitglieder"]
    assert (found.stands_in_for, found.rules, found.alone_in) == (("Ben",), ("an-anna",), ("bauamt",))
    assert {each.role for each in found.grants} == {Role.RESPONDER, Role.READER}
    proposed = {inbox: each.login if each else "" for inbox, each in found.proposed.items()}
    assert proposed == {"kita": "", "mitglieder": ""}  # Ben is away; Dora and Max are of another rank
    with staffed.read() as connection:
        later = holdings(connection, "anna", RULES, NOW_MS - 1)
    assert later.proposed["kita"] is not None
    assert later.proposed["kita"].login == "ben"


def test_one_act_hands_all_over_tells_the_successors_and_closes_the_account_on_the_day(staffed: Database) -> None:
    waiting, mine, closed = _talk(staffed, 1, state="waiting"), _talk(staffed, 2), _talk(staffed, 3, state="closed")
    lone = _talk(staffed, 4, team="mitglieder")
    _draft(staffed, 71, "kita")
    _draft(staffed, 72, "mitglieder")
    session = NewSession(digest=b"x" * 32, user_id=IDS["anna"], client="x", at_ms=NOW_MS, lifetime=Lifetime())
    staffed.writer.submit(open_sessions, session).result()
    password = NewAppPassword(login="anna", name="Outlook", password="$argon2id$", at_ms=NOW_MS)
    staffed.writer.submit(add_app_passwords, password).result()
    leaves_ms = NOW_MS + DAY_MS
    assert _hand(staffed) == HandedOver(conversations=3, drafts=2, grants=3, closes=True)
    assert _holders(staffed) == {
        waiting: (IDS["ben"], "waiting", NOW_MS + DAY_MS), mine: (IDS["ben"], "open", None),
        closed: (IDS["anna"], "closed", None), lone: (None, "open", None),
    }  # fmt: skip
    with staffed.read() as connection:
        rows = connection.execute(select(drafts.c.author, drafts.c.state).order_by(drafts.c.id)).all()
        assert [tuple(row) for row in rows] == [("ben", "writing"), ("anna", "held")]
        assert connection.scalar(select(func.count()).where(notes.c.text == "Anna geht.")) == 3
        (handover,) = handovers_to(connection, IDS["ben"], {"kita"})
        assert (handover.from_name, len(handover.got)) == ("Anna", 2)
        assert handovers_to(connection, IDS["ben"], set())[0].got == ()
        (act,) = connection.execute(select(audit).where(audit.c.act == "left")).all()
        assert (act.actor, act.about, json.loads(act.details)["leaves_ms"]) == ("ada", "anna", leaves_ms)
        assert not are_due(connection, leaves_ms - 1)
        assert are_due(connection, leaves_ms)
    staffed.writer.submit(put_away, PutAway(id=handover.id, user_id=IDS["dora"], at_ms=NOW_MS)).result()
    staffed.writer.submit(put_away, PutAway(id=handover.id, user_id=IDS["ben"], at_ms=NOW_MS)).result()
    # A5: up to the last moment, and not a moment longer; whether the account is closed yet does not matter.
    assert "kita" in _seen(staffed, leaves_ms - 1)
    assert _seen(staffed, leaves_ms) == frozenset()
    assert staffed.writer.submit(close_leavers, leaves_ms - 1).result() == 0
    assert staffed.writer.submit(close_leavers, leaves_ms).result() == 1
    assert staffed.writer.submit(close_leavers, leaves_ms).result() == 0
    with staffed.read() as connection:
        assert principal(connection, IDS["anna"]) is None
        assert app_passwords_of(connection, "anna") == ()
        assert connection.scalar(select(func.count()).select_from(sessions)) == 0
        assert handovers_to(connection, IDS["ben"], {"kita"}) == ()


def test_it_ends_at_once_where_no_later_day_is_said(staffed: Database) -> None:
    _hand(staffed, leaves_ms=NOW_MS)
    with staffed.read() as connection:
        assert find_user(connection, "anna").disabled_ms == NOW_MS
    assert _seen(staffed, NOW_MS) == frozenset()


def test_who_goes_on_is_chosen_among_those_who_may_answer_there(staffed: Database) -> None:
    talk = _talk(staffed, 1)
    for login in ("max", "niemand", "anna"):
        with pytest.raises(MaildError):
            _hand(staffed, to={"kita": login})
    assert _holders(staffed)[talk][0] == IDS["anna"]
    _hand(staffed, to={"kita": "dora"})
    assert _holders(staffed)[talk][0] == IDS["dora"]


def test_a_manager_clears_the_own_teams_and_closes_no_account_and_nobody_their_own(staffed: Database) -> None:
    kita, lent = _talk(staffed, 1), _talk(staffed, 2, team="mitglieder")
    done = _hand(staffed, by="max", leaves_ms=NOW_MS)
    assert done == HandedOver(conversations=1, drafts=0, grants=1, closes=False)
    assert (_holders(staffed)[kita][0], _holders(staffed)[lent][0]) == (IDS["anna"], None)
    assert _seen(staffed, NOW_MS) == {"kita", "bauamt"}
    with staffed.read() as connection:
        assert not are_due(connection, NOW_MS)
    with pytest.raises(ForbiddenError):
        _hand(staffed, by="anna")


def test_who_stays_after_all_keeps_the_account(staffed: Database) -> None:
    _hand(staffed)
    staying = Staying(by="ada", login="anna", at_ms=NOW_MS + 1)
    assert staffed.writer.submit(stay, staying).result()
    assert not staffed.writer.submit(stay, staying).result()
    assert staffed.writer.submit(close_leavers, NOW_MS + 2 * DAY_MS).result() == 0


def test_changes_of_the_rules_that_wait_go_to_another_editor_where_one_is_left_to_decide(staffed: Database) -> None:
    change = NewProposal(base_digest="x", source="version: 1", author="anna", reason="Kita Süd", made_ms=NOW_MS)
    (number,) = [staffed.writer.submit(propose, change).result()]

    def proposed() -> tuple[tuple[int, ...], list[str], str]:
        with staffed.read() as connection:
            found = holdings(connection, "anna", RULES, NOW_MS)
        heir = found.proposed_editor
        return found.proposals, [each.login for each in found.editors], "" if heir is None else heir.login

    assert proposed() == ((number,), [], "")
    for login, told in (("max", ""), ("dora", "dora")):  # of two others, one can decide on what is the other's
        grant = NewGrant(login=login, role=Role.RULE_EDITOR, team=None, from_ms=0, until_ms=None, granted_by="test")
        staffed.writer.submit(add_grants, grant).result()
        assert proposed()[2] == told
    with pytest.raises(MaildError):
        _hand(staffed, proposals_to="ben")
    _hand(staffed, by="max", leaves_ms=NOW_MS + DAY_MS)  # a manager hands over what is of the own teams alone
    assert _author(staffed, number) == "anna"
    _hand(staffed)
    assert _author(staffed, number) == "dora"
    with staffed.read() as connection:
        rows = connection.execute(select(audit.c.about, audit.c.details).where(audit.c.act == "rules")).all()
    acts = [(row.about, json.loads(row.details)) for row in rows]
    assert [(about, told["to"]) for about, told in acts if "to" in told] == [(f"proposal {number}", "dora")]


def _author(database: Database, number: int) -> str:
    with database.read() as connection:
        return proposal(connection, number).author
