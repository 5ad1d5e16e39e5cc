"""Dated grants, parents, roles: the table of who may what."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.inbox import is_confidential
from maild.policy.grants import Grant, Principal, holders, may, teams_with, unread, visible
from maild.policy.roles import PERMISSIONS, TEAM_PERMISSIONS, TEAM_ROLES, Permission, Role

TEAMS = {
    "kita": None,
    "mitglieder": None,
    "mitglieder.by": "mitglieder",
    "mitglieder.by.nord": "mitglieder.by",
}


def grant(
    team: str | None = "kita",
    role: Role = Role.READER,
    *,
    from_ms: int = 0,
    until_ms: int | None = None,
    revoked_ms: int | None = None,
) -> Grant:
    return Grant(team=team, role=role, from_ms=from_ms, until_ms=until_ms, revoked_ms=revoked_ms)


def someone(*grants: Grant) -> Principal:
    return Principal(user_id=1, login="petra", name="Petra", grants=grants)


def test_nobody_sees_anything_without_a_grant() -> None:
    assert visible([], TEAMS, 0).teams == frozenset()
    assert not visible([], TEAMS, 0).everything


@pytest.mark.parametrize(
    ("held", "role", "inner"),
    [
        ("kita", Role.COORDINATOR, set()),
        ("kita", Role.MANAGER, {"kita"}),
        ("mitglieder", Role.MANAGER, {"mitglieder", "mitglieder.by", "mitglieder.by.nord"}),
        ("kita:confidential", Role.READER, {"kita"}),
        ("mitglieder:confidential", Role.MANAGER, {"mitglieder"}),
    ],
)
def test_a_confidential_inbox_is_read_by_who_manages_the_team_and_who_is_named(
    held: str, role: Role, inner: set[str]
) -> None:
    seen = visible([grant(held, role)], TEAMS, 0).teams
    assert {team.removesuffix(":confidential") for team in seen if team.endswith(":confidential")} == inner
    assert (held in seen) is True


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "revoked_ms", "now_ms", "seen"),
    [
        (100, None, None, 99, False),
        (100, None, None, 100, True),
        (100, 200, None, 199, True),
        (100, 200, None, 200, False),
        (100, None, 150, 149, True),
        (100, None, 150, 150, False),
        (100, 200, 50, 120, False),
        (100, 120, 150, 130, False),
    ],
)
def test_a_grant_holds_only_between_its_dates(
    from_ms: int, until_ms: int | None, revoked_ms: int | None, now_ms: int, seen: bool
) -> None:
    dated = grant(from_ms=from_ms, until_ms=until_ms, revoked_ms=revoked_ms)
    assert ("kita" in visible([dated], TEAMS, now_ms).teams) is seen


@pytest.mark.parametrize(
    ("team", "teams"),
    [
        ("mitglieder", {"mitglieder", "mitglieder.by", "mitglieder.by.nord"}),
        ("mitglieder.by", {"mitglieder.by", "mitglieder.by.nord"}),
        ("mitglieder.by.nord", {"mitglieder.by.nord"}),
        ("kita", {"kita"}),
    ],
)
def test_a_grant_on_a_parent_holds_below_it_and_never_above_or_beside(team: str, teams: set[str]) -> None:
    assert visible([grant(team)], TEAMS, 0).teams == teams


def test_a_team_whose_name_only_begins_alike_is_not_below() -> None:
    assert visible([grant("mitglieder")], {"mitglieder": None, "mitglieder.xy": None}, 0).teams == {"mitglieder"}


def test_parents_in_a_circle_end() -> None:
    assert visible([grant("a")], {"a": "b", "b": "a", "c": None}, 0).teams == {"a", "b"}


def test_a_team_that_the_rules_dropped_stays_readable_to_those_it_was_granted_to() -> None:
    assert visible([grant("former")], TEAMS, 0).teams == {"former"}


@pytest.mark.parametrize("role", sorted(set(Role) - TEAM_ROLES))
def test_no_role_without_a_team_reads_mail(role: Role) -> None:
    assert visible([grant(None, role)], TEAMS, 0).teams == frozenset()
    assert visible([grant("kita", role)], TEAMS, 0).teams == frozenset()


@pytest.mark.parametrize("role", sorted(TEAM_ROLES))
def test_a_team_role_without_a_team_means_nothing(role: Role) -> None:
    assert visible([grant(None, role)], TEAMS, 0).teams == frozenset()


@pytest.mark.parametrize("role", sorted(Role))
@pytest.mark.parametrize("permission", sorted(Permission))
def test_may_follows_the_table_of_roles(role: Role, permission: Permission) -> None:
    team = "kita" if role in TEAM_ROLES else None
    principal = someone(grant(team, role))
    wanted = permission in PERMISSIONS[role]
    assert may(principal, permission, team="kita", teams=TEAMS, now_ms=0) is wanted
    assert not may(someone(), permission, team="kita", teams=TEAMS, now_ms=0)


def test_a_permission_of_a_team_is_refused_when_no_team_is_named() -> None:
    manager = someone(grant("kita", Role.MANAGER))
    for permission in TEAM_PERMISSIONS:
        assert not may(manager, permission, teams=TEAMS, now_ms=0)
        assert not may(manager, permission, team="mitglieder", teams=TEAMS, now_ms=0)


def test_each_team_role_includes_the_one_before() -> None:
    order = [Role.READER, Role.DRAFTER, Role.RESPONDER, Role.COORDINATOR, Role.MANAGER]
    for lesser, greater in itertools.pairwise(order):
        assert PERMISSIONS[lesser] < PERMISSIONS[greater]


def test_roles_in_different_teams_do_not_mix() -> None:
    principal = someone(grant("kita", Role.READER), grant("mitglieder", Role.MANAGER))
    assert teams_with(principal.grants, Permission.MANAGE, TEAMS, 0) == {
        team + inbox
        for team in ("mitglieder", "mitglieder.by", "mitglieder.by.nord")
        for inbox in ("", ":confidential")
    }


teams_of_chance = st.dictionaries(st.sampled_from("abcdef"), st.none() | st.sampled_from("abcdef"))
grants_of_chance = st.lists(
    st.builds(
        Grant,
        role=st.sampled_from(Role),
        team=st.none() | st.sampled_from("abcdef"),
        from_ms=st.integers(0, 9),
        until_ms=st.none() | st.integers(0, 9),
        revoked_ms=st.none() | st.integers(0, 9),
    ),
    max_size=4,
)


@given(grants=grants_of_chance, teams=teams_of_chance, now_ms=st.integers(0, 9))
def test_what_is_visible_grows_with_grants_and_comes_from_them_alone(
    grants: list[Grant], teams: dict[str, str | None], now_ms: int
) -> None:
    seen = visible(grants, teams, now_ms).teams
    one_by_one = [visible([one], teams, now_ms).teams for one in grants]
    assert seen == frozenset().union(*one_by_one)


@pytest.mark.parametrize(
    ("grants", "missing"),
    [
        ((), set(TEAMS)),
        ((grant("kita"),), set(TEAMS) - {"kita"}),
        ((grant("mitglieder.by"),), {"kita", "mitglieder"}),
        ((grant("mitglieder"), grant("kita", Role.MANAGER)), set()),
        ((grant("mitglieder", until_ms=100), grant("kita", revoked_ms=100)), set(TEAMS)),
        ((grant("mitglieder", from_ms=101), grant("kita", from_ms=100)), set(TEAMS) - {"kita"}),
        ((grant(None, Role.ADMINISTRATOR), grant(None, Role.AUDITOR)), set(TEAMS)),
    ],
)
def test_a_team_is_unread_without_a_grant_that_holds_on_it_or_above(
    grants: tuple[Grant, ...], missing: set[str]
) -> None:
    assert {team for team in unread(grants, TEAMS, 100) if not is_confidential(team)} == missing


@pytest.mark.parametrize("permission", sorted(TEAM_PERMISSIONS))
def test_who_holds_a_permission_in_an_inbox_is_who_has_that_inbox_by_it(permission: Permission) -> None:
    inboxes = [name for team in (*TEAMS, "dropped") for name in (team, f"{team}:confidential")]
    given = [
        grant(team, role, until_ms=until_ms)
        for team in (*inboxes, None) for role in Role for until_ms in (None, 5)
    ]  # fmt: skip
    held = {number: (one, given[number * 7 % len(given)]) for number, one in enumerate(given)}
    found = holders(held, permission, inboxes, TEAMS, 5)
    for inbox in inboxes:
        who = {user_id for user_id, grants in held.items() if inbox in teams_with(grants, permission, TEAMS, 5)}
        assert found[inbox] == who, inbox
