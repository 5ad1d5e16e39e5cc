from __future__ import annotations

import pytest

from maild.mail.inbox import confidential
from maild.policy.credentials import (
    AGREES_AFTER_MS,
    may_agree,
    may_invite,
    second_factor_asked,
    takes_two,
    told_of_link,
)
from maild.policy.granting import Teams
from maild.policy.grants import Grant, Principal
from maild.policy.roles import Role

NOW = 1_000
TEAMS = Teams(
    parents={"kita": None, "kita.nord": "kita", "bauamt": None, "rat": None, "rat.buero": "rat"},
    closed=frozenset({"rat"}),
)


def _grant(role: Role, team: str | None, until: int | None = None, revoked: int | None = None, start: int = 0) -> Grant:
    return Grant(role=role, team=team, from_ms=start, until_ms=until, revoked_ms=revoked)


def _who(*grants: Grant) -> Principal:
    return Principal(user_id=1, login="chefin", name="", grants=grants)


MANAGER = _who(_grant(Role.MANAGER, "kita"))
ADMINISTRATOR = _who(_grant(Role.ADMINISTRATOR, None))


@pytest.mark.parametrize(
    ("who", "theirs", "may"),
    [
        (MANAGER, [_grant(Role.READER, "kita")], True),
        (MANAGER, [_grant(Role.MANAGER, "kita.nord")], True),
        (MANAGER, [_grant(Role.READER, "kita"), _grant(Role.READER, "bauamt")], False),
        (MANAGER, [_grant(Role.READER, "kita"), _grant(Role.READER, "bauamt", until=NOW)], True),
        (MANAGER, [_grant(Role.READER, "kita"), _grant(Role.READER, "bauamt", revoked=5)], True),
        (MANAGER, [_grant(Role.READER, "kita"), _grant(Role.READER, "bauamt", start=NOW + 9)], False),
        (MANAGER, [_grant(Role.READER, "kita"), _grant(Role.AUDITOR, None)], False),
        (MANAGER, [_grant(Role.READER, confidential("kita"))], True),
        (MANAGER, [_grant(Role.READER, confidential("bauamt"))], False),
        (MANAGER, [], False),
        (_who(_grant(Role.COORDINATOR, "kita")), [_grant(Role.READER, "kita")], False),
        (_who(_grant(Role.MANAGER, "kita", until=NOW)), [_grant(Role.READER, "kita")], False),
        (_who(_grant(Role.MANAGER, "kita.nord")), [_grant(Role.READER, "kita")], False),
        (ADMINISTRATOR, [], True),
        (ADMINISTRATOR, [_grant(Role.READER, "bauamt")], True),
        (ADMINISTRATOR, [_grant(Role.AUDITOR, None), _grant(Role.READER, "kita")], True),
        (ADMINISTRATOR, [_grant(Role.READER, "kita"), _grant(Role.READER, "rat")], False),
        (ADMINISTRATOR, [_grant(Role.READER, "rat.buero", start=NOW + 9)], False),
        (ADMINISTRATOR, [_grant(Role.READER, "rat", until=NOW)], True),
        (ADMINISTRATOR, [_grant(Role.READER, confidential("kita"))], False),
        (_who(_grant(Role.MANAGER, "rat")), [_grant(Role.READER, "rat.buero")], True),
        (_who(_grant(Role.RULE_EDITOR, None)), [_grant(Role.READER, "kita")], False),
    ],
)
def test_a_link_is_made_by_who_could_do_all_that_it_opens(who: Principal, theirs: list[Grant], may: bool) -> None:
    assert may_invite(who, 2, theirs, TEAMS, NOW) is may


def test_nobody_makes_a_link_for_oneself() -> None:
    assert not may_invite(ADMINISTRATOR, 1, [], TEAMS, NOW)


def test_a_second_factor_is_asked_of_those_whom_the_setting_names() -> None:
    auditor, reader = [_grant(Role.AUDITOR, None)], [_grant(Role.READER, "kita")]
    assert [second_factor_asked(word, reader, NOW) for word in ("optional", "administrators", "required")] == [
        False, False, True,
    ]  # fmt: skip
    assert second_factor_asked("administrators", auditor, NOW)
    assert not second_factor_asked("administrators", [_grant(Role.AUDITOR, None, until=NOW)], NOW)


@pytest.mark.parametrize(
    ("who", "theirs", "two"),
    [
        (ADMINISTRATOR, [], False),
        (ADMINISTRATOR, [_grant(Role.COORDINATOR, "kita")], False),
        (ADMINISTRATOR, [_grant(Role.MANAGER, "kita")], True),
        (ADMINISTRATOR, [_grant(Role.MANAGER, "kita", until=NOW)], False),
        (ADMINISTRATOR, [_grant(Role.MANAGER, "kita", start=NOW + 9)], True),
        (ADMINISTRATOR, [_grant(Role.RULE_EDITOR, None)], True),
        (ADMINISTRATOR, [_grant(Role.ADMINISTRATOR, None, revoked=5)], False),
        (MANAGER, [_grant(Role.MANAGER, "kita.nord")], False),
        (MANAGER, [_grant(Role.MANAGER, "kita")], True),
        (MANAGER, [_grant(Role.COORDINATOR, "kita")], False),
        (_who(_grant(Role.MANAGER, "kita.nord")), [_grant(Role.MANAGER, "kita.nord")], True),
        (_who(_grant(Role.ADMINISTRATOR, None), _grant(Role.MANAGER, "kita")), [_grant(Role.MANAGER, "kita")], True),
    ],
)
def test_a_link_to_what_nobody_is_to_have_alone_takes_two(who: Principal, theirs: list[Grant], two: bool) -> None:
    assert takes_two(who, theirs, TEAMS, NOW) is two


@pytest.mark.parametrize(
    ("who", "theirs", "told"),
    [
        (MANAGER, [_grant(Role.READER, "kita")], set()),
        (MANAGER, [_grant(Role.MANAGER, "kita"), _grant(Role.READER, "kita.nord")], {"kita"}),
        (MANAGER, [_grant(Role.MANAGER, "kita.nord"), _grant(Role.MANAGER, "kita", until=NOW)], set()),
        (ADMINISTRATOR, [_grant(Role.READER, "kita"), _grant(Role.READER, "bauamt", start=NOW + 9)], {"kita"}),
    ],
)
def test_managers_are_told_of_a_link_that_is_not_theirs_or_opens_the_account_of_an_equal(
    who: Principal, theirs: list[Grant], told: set[str]
) -> None:
    assert told_of_link(who, theirs, TEAMS, NOW) == told


@pytest.mark.parametrize(
    ("number", "grant", "agrees"),
    [
        (3, _grant(Role.ADMINISTRATOR, None), True),
        (3, _grant(Role.ADMINISTRATOR, None, start=1), False),
        (3, _grant(Role.ADMINISTRATOR, None, revoked=AGREES_AFTER_MS), False),
        (3, _grant(Role.MANAGER, "kita"), True),
        (3, _grant(Role.MANAGER, "kita", start=1), False),
        (3, _grant(Role.COORDINATOR, "kita"), False),
        (3, _grant(Role.MANAGER, "bauamt"), False),
        (3, _grant(Role.AUDITOR, None), False),
        (2, _grant(Role.ADMINISTRATOR, None), False),
        (1, _grant(Role.ADMINISTRATOR, None), False),
    ],
)
def test_another_one_who_has_been_that_for_a_week_agrees(number: int, grant: Grant, agrees: bool) -> None:
    second = Principal(user_id=number, login="zweite", name="", grants=(grant,))
    theirs = [_grant(Role.MANAGER, "kita")]
    assert may_agree(second, ADMINISTRATOR, 2, theirs, teams=TEAMS, now_ms=AGREES_AFTER_MS) is agrees


@pytest.mark.parametrize(("role", "team"), [(Role.ADMINISTRATOR, None), (Role.MANAGER, "kita")])
@pytest.mark.parametrize(
    ("ended", "begun", "agrees"), [(50, 60, False), (50, 50, True), (60, 50, True), (None, 60, True)]
)
def test_who_was_that_a_week_ago_and_is_again_since_a_moment_does_not_agree(
    role: Role, team: str | None, ended: int | None, begun: int, agrees: bool
) -> None:
    for early in (_grant(role, team, until=ended), _grant(role, team, revoked=ended)):
        grants = (early, _grant(role, team, start=begun))
        second = Principal(user_id=3, login="zweite", name="", grants=grants)
        theirs = [_grant(Role.MANAGER, "kita")]
        assert may_agree(second, ADMINISTRATOR, 2, theirs, teams=TEAMS, now_ms=AGREES_AFTER_MS) is agrees
