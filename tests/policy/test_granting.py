"""Who may give which role where: managers, administrators, and teams that are closed to these."""

from __future__ import annotations

import pytest

from maild.policy.granting import Teams, ending, may_grant, may_revoke
from maild.policy.grants import Grant, Principal
from maild.policy.roles import TEAM_ROLES, Role

TEAMS = Teams(
    parents={"amt": None, "kita": "amt", "kita.nord": "kita", "haus": None, "rat": "haus", "rat.buero": "rat"},
    closed=frozenset({"rat"}),
)
DAY_MS = 86_400_000


def _who(*held: tuple[Role, str | None], login: str = "petra") -> Principal:
    grants = tuple(Grant(role=role, team=team, from_ms=0, until_ms=100) for role, team in held)
    return Principal(user_id=1, login=login, name="", grants=grants)


def _may(who: Principal, role: Role, team: str | None, *, to: str = "max", now_ms: int = 50) -> bool:
    return may_grant(who, to, role, team, teams=TEAMS, now_ms=now_ms)


@pytest.mark.parametrize("role", sorted(TEAM_ROLES))
def test_a_manager_gives_the_roles_of_a_team_in_it_and_below_it(role: Role) -> None:
    manager = _who((Role.MANAGER, "kita"))
    given = {team for team in TEAMS.parents if _may(manager, role, team)}
    assert given == {"kita", "kita.nord"}
    assert _may(manager, role, "kita:confidential")
    assert not _may(manager, role, "kita", now_ms=100)


@pytest.mark.parametrize("role", sorted(TEAM_ROLES - {Role.MANAGER}))
def test_nobody_below_a_manager_gives_anything(role: Role) -> None:
    assert not any(_may(_who((role, "kita")), given, "kita") for given in Role)


def test_a_manager_gives_nothing_to_themselves_and_no_role_without_a_team() -> None:
    manager = _who((Role.MANAGER, "kita"))
    assert not any(_may(manager, role, "kita", to="petra") for role in Role)
    assert not any(_may(manager, role, None) for role in Role)


def test_an_administrator_gives_roles_in_every_team_through_which_no_closed_one_is_read() -> None:
    ada = _who((Role.ADMINISTRATOR, None))
    assert {team for team in TEAMS.parents if _may(ada, Role.READER, team)} == {"amt", "kita", "kita.nord"}
    assert not _may(ada, Role.READER, "kita:confidential")
    assert _may(_who((Role.MANAGER, "rat")), Role.READER, "rat.buero")


def test_nobody_gives_themselves_a_role_without_a_team() -> None:
    ada = _who((Role.ADMINISTRATOR, None))
    for role in sorted(set(Role) - TEAM_ROLES):
        assert _may(ada, role, None)
        assert not _may(ada, role, None, to="petra")
        assert not _may(ada, role, "kita")


def test_who_both_manages_and_administers_does_not_prolong_their_own_role() -> None:
    both = _who((Role.ADMINISTRATOR, None), (Role.MANAGER, "kita"))
    assert not _may(both, Role.MANAGER, "kita", to="petra")
    assert _may(both, Role.COORDINATOR, "amt", to="petra")  # as an administrator, of which its managers are told


def test_an_administrator_does_not_become_a_manager_by_their_own_word_who_reads_what_is_confidential() -> None:
    ada = _who((Role.ADMINISTRATOR, None))
    assert not _may(ada, Role.MANAGER, "kita", to="petra")
    assert _may(ada, Role.MANAGER, "kita")


def test_roles_are_taken_back_by_who_could_give_them() -> None:
    ada, manager = _who((Role.ADMINISTRATOR, None)), _who((Role.MANAGER, "kita"))
    for role, team, by_ada, by_manager in (
        (Role.READER, "kita.nord", True, True),
        (Role.READER, "amt", True, False),
        (Role.READER, "rat", False, False),
        (Role.READER, "kita:confidential", False, True),
        (Role.AUDITOR, None, True, False),
    ):
        assert may_revoke(ada, role, team, teams=TEAMS, now_ms=50) is by_ada
        assert may_revoke(manager, role, team, teams=TEAMS, now_ms=50) is by_manager


@pytest.mark.parametrize(
    ("until_ms", "following", "soon"),
    [
        (7 * DAY_MS, None, True),
        (7 * DAY_MS + 1, None, False),
        (None, None, False),
        (0, None, False),
        (DAY_MS, Grant(role=Role.MANAGER, team="kita", from_ms=DAY_MS), False),
        (DAY_MS, Grant(role=Role.MANAGER, team="kita", from_ms=DAY_MS + 1), True),
        (DAY_MS, Grant(role=Role.READER, team="kita", from_ms=0), True),
        (DAY_MS, Grant(role=Role.MANAGER, team="amt", from_ms=0), True),
        (DAY_MS, Grant(role=Role.MANAGER, team="kita", from_ms=0, revoked_ms=9 * DAY_MS), True),
    ],
)
def test_what_ends_within_a_week_and_is_not_followed_is_said(
    until_ms: int | None, following: Grant | None, soon: bool
) -> None:
    held = Grant(role=Role.RESPONDER, team="kita", from_ms=0, until_ms=until_ms)
    found = ending([held] if following is None else [held, following], 0, 7 * DAY_MS)
    assert found == ((held,) if soon else ())
