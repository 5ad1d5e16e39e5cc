"""Roles given and taken back: decided within the transaction, recorded, and told to who manages the team."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from maild.archive.accounts import NewGrant, NewUser, Revocation, add_grants, add_users, find_user
from maild.archive.database import Database
from maild.archive.rights import Asker, Giving, Noted, Taking, endings, give, notices, people, take, take_note
from maild.errors import ForbiddenError, NotFoundError
from maild.policy.granting import Teams
from maild.policy.roles import Role

TEAMS = Teams(parents={"kita": None, "kita.nord": "kita", "rat": None}, closed=frozenset({"rat"}))
NOW_MS = 1_000_000


@pytest.fixture
def staffed(database: Database) -> Database:
    for login in ("ada", "petra", "max"):
        new = NewUser(login=login, name=login.title(), mail=None, password=None, created_ms=0)
        database.writer.submit(add_users, new).result()
    for login, role, team in (("ada", Role.ADMINISTRATOR, None), ("petra", Role.MANAGER, "kita")):
        database.writer.submit(add_grants, _grant(login, role, team)).result()
    return database


def _grant(login: str, role: Role, team: str | None, until_ms: int | None = None) -> NewGrant:
    return NewGrant(login=login, role=role, team=team, from_ms=0, until_ms=until_ms, granted_by="test")


def _asker(database: Database, login: str) -> Asker:
    with database.read() as connection:
        return Asker(actor=login, user_id=find_user(connection, login).id, teams=TEAMS, at_ms=NOW_MS)


def _give(database: Database, by: str, login: str, role: Role, team: str | None) -> None:
    database.writer.submit(give, Giving(by=_asker(database, by), grant=_grant(login, role, team))).result()


def _log(database: Database) -> list[tuple[str, str, str, str, object]]:
    with database.read() as connection:
        rows = connection.execute(text("SELECT actor, act, team, about, details FROM audit ORDER BY sequence")).all()
    return [(r.actor, r.act, r.team, r.about, json.loads(r.details).get("role")) for r in rows]


def test_what_is_given_and_taken_back_stands_in_the_log(staffed: Database) -> None:
    _give(staffed, "petra", "MAX", Role.RESPONDER, "kita.nord")
    old = Revocation(login="max", role=Role.RESPONDER, team="kita.nord", revoked_ms=NOW_MS)
    taking = Taking(by=_asker(staffed, "petra"), revocation=old)
    assert staffed.writer.submit(take, taking).result() == 1
    assert staffed.writer.submit(take, taking).result() == 0
    assert _log(staffed) == [
        ("petra", "granted", "kita.nord", "max", "responder"),
        ("petra", "revoked", "kita.nord", "max", "responder"),
    ]


@pytest.mark.parametrize(
    ("by", "login", "role", "team"),
    [
        ("petra", "petra", Role.MANAGER, "kita"),
        ("petra", "max", Role.ADMINISTRATOR, None),
        ("petra", "max", Role.READER, "rat"),
        ("ada", "ada", Role.AUDITOR, None),
        ("ada", "ada", Role.READER, "rat"),
        ("max", "max", Role.READER, "kita"),
    ],
)
def test_the_unit_of_work_refuses_what_policy_does_and_changes_nothing(
    staffed: Database, by: str, login: str, role: Role, team: str | None
) -> None:
    with pytest.raises(ForbiddenError):
        _give(staffed, by, login, role, team)
    assert _log(staffed) == []
    with staffed.read() as connection:
        assert len([g for p in people(connection, None, NOW_MS) for g in p.grants]) == 2


def test_a_right_that_ended_a_moment_ago_gives_nothing_any_more(staffed: Database) -> None:
    asker = _asker(staffed, "petra")
    old = Revocation(login="petra", role=Role.MANAGER, team="kita", revoked_ms=NOW_MS)
    staffed.writer.submit(take, Taking(by=_asker(staffed, "ada"), revocation=old)).result()
    with pytest.raises(ForbiddenError):
        staffed.writer.submit(give, Giving(by=asker, grant=_grant("max", Role.READER, "kita"))).result()


def test_nobody_is_given_a_role_who_is_not_there(staffed: Database) -> None:
    with pytest.raises(NotFoundError):
        _give(staffed, "petra", "niemand", Role.READER, "kita")


def test_managers_are_told_of_what_an_administrator_gives_in_their_team_until_they_have_seen_it(
    staffed: Database,
) -> None:
    _give(staffed, "ada", "ada", Role.READER, "kita")
    _give(staffed, "petra", "max", Role.READER, "kita")
    inboxes = frozenset({"kita"})
    with staffed.read() as connection:
        (told,) = notices(connection, inboxes, "petra", 9)
        assert (told.login, told.role, told.given_by) == ("ada", "reader", "ada")
        assert notices(connection, inboxes, "ada", 9) == []
        assert notices(connection, frozenset({"rat"}), "petra", 9) == []
    # Who let themselves in cannot take the notice away.
    for login, gone in (("ada", 0), ("petra", 1), ("petra", 0)):
        noted = Noted(login=login, inboxes=inboxes, up_to=told.id, at_ms=NOW_MS)
        assert staffed.writer.submit(take_note, noted).result() == gone


def test_a_manager_sees_the_people_and_the_roles_of_their_teams_alone(staffed: Database) -> None:
    _give(staffed, "petra", "max", Role.READER, "kita.nord")
    staffed.writer.submit(add_grants, _grant("max", Role.MANAGER, "rat")).result()
    staffed.writer.submit(add_grants, _grant("max", Role.READER, "kita", until_ms=NOW_MS)).result()
    with staffed.read() as connection:
        found = people(connection, frozenset({"kita", "kita.nord"}), NOW_MS)
    shown = [(p.user.login, [(str(g.role), g.team) for g in p.grants]) for p in found]
    assert shown == [("max", [("reader", "kita.nord")]), ("petra", [("manager", "kita")])]


def test_managers_hear_of_roles_that_end_soon(staffed: Database) -> None:
    staffed.writer.submit(add_grants, _grant("max", Role.READER, "kita", until_ms=NOW_MS + 500)).result()
    staffed.writer.submit(add_grants, _grant("max", Role.READER, "rat", until_ms=NOW_MS + 500)).result()
    with staffed.read() as connection:
        (found,) = endings(connection, frozenset({"kita"}), NOW_MS, 600)
        assert (found.login, found.name, found.grant.team) == ("max", "Max", "kita")
        assert endings(connection, frozenset({"kita"}), NOW_MS, 400) == []
