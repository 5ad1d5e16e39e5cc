"""Who acts for whom while people are away, and which team covers which."""

from __future__ import annotations

import pytest

from maild.policy.deputies import (
    Absence,
    Cover,
    acting,
    away_at,
    covers,
    lent_by_cover,
    may_mark_absent,
    may_plan_absence,
)
from maild.policy.granting import Teams
from maild.policy.grants import Grant, Principal, teams_with
from maild.policy.roles import Permission, Role

ANN, BEN, CEM, DOT = 1, 2, 3, 4
PARENTS = {"kita": None, "kita.nord": "kita", "post": None, "rat": None}


def _away(**deputies: int | None) -> dict[int, Absence]:
    who = {"ann": ANN, "ben": BEN, "cem": CEM, "dot": DOT}
    return away_at(
        [Absence(user_id=who[name], from_ms=10, until_ms=20, deputy_id=to) for name, to in deputies.items()], 15
    )


@pytest.mark.parametrize(
    ("away", "ready", "closed", "expected"),
    [
        (_away(ann=BEN), {BEN}, (), BEN),
        (_away(ann=None), {BEN}, (), None),
        (_away(ann=BEN), set(), (), None),
        (_away(ann=BEN, ben=CEM), {BEN, CEM}, (), CEM),
        (_away(ann=BEN, ben=None), {BEN, CEM}, (), None),
        (_away(ann=BEN, ben=CEM), {CEM}, (), None),
        (_away(ann=BEN, ben=ANN), {ANN, BEN}, (), None),
        (_away(ann=BEN, ben=CEM, cem=BEN), {BEN, CEM}, (), None),
        (_away(ann=BEN), {BEN}, (BEN,), None),
        (_away(ann=BEN, ben=CEM), {CEM}, (BEN,), CEM),
        (_away(ann=BEN, ben=CEM, cem=DOT), {BEN, CEM, DOT}, (), DOT),
    ],
)
def test_what_is_of_who_is_away_goes_to_the_deputy_the_next_deputy_or_the_team(
    away: dict[int, Absence], ready: set[int], closed: tuple[int, ...], expected: int | None
) -> None:
    assert acting(ANN, away, ready, closed) == expected


@pytest.mark.parametrize(("now_ms", "is_away"), [(9, False), (10, True), (19, True), (20, False)])
def test_an_absence_holds_from_its_first_moment_and_no_longer_at_its_end(now_ms: int, *, is_away: bool) -> None:
    assert (ANN in away_at([Absence(user_id=ANN, from_ms=10, until_ms=20)], now_ms)) is is_away


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "meets"),
    [(0, 10, False), (0, 11, True), (20, None, False), (19, None, True), (0, None, True), (12, 13, True)],
)
def test_absences_of_one_time_overlap(from_ms: int, until_ms: int | None, *, meets: bool) -> None:
    other = Absence(user_id=ANN, from_ms=from_ms, until_ms=until_ms)
    one = Absence(user_id=ANN, from_ms=10, until_ms=20)
    assert one.overlaps(other) is other.overlaps(one) is meets


def test_a_cover_names_who_acts_the_team_and_nobody_for_who_is_there() -> None:
    cover = Cover(acting={"kita": {ANN: BEN, CEM: None}}, names={BEN: "Ben"})
    assert (cover.name("kita", ANN), cover.name("kita", CEM), cover.name("kita", BEN)) == ("Ben", "", None)
    assert (cover.name("post", ANN), cover.name("kita", None)) == (None, None)
    assert (cover.whom("kita", BEN), cover.whom("kita", None), cover.whom("post", BEN)) == ((ANN,), (CEM,), ())


def _grant(role: Role, team: str) -> Grant:
    return Grant(role=role, team=team, from_ms=0)


def _who(user_id: int, *held: tuple[Role, str]) -> Principal:
    return Principal(user_id=user_id, login=str(user_id), name="", grants=tuple(_grant(*each) for each in held))


@pytest.mark.parametrize(
    ("role", "team", "marks", "plans"),
    [
        (Role.DRAFTER, "kita", False, False),
        (Role.RESPONDER, "kita", True, False),
        (Role.RESPONDER, "kita.nord", False, False),
        (Role.COORDINATOR, "kita", True, True),
        (Role.MANAGER, "post", False, False),
    ],
)
def test_colleagues_of_a_common_team_note_an_absence_and_coordinators_plan_one(
    role: Role, team: str, *, marks: bool, plans: bool
) -> None:
    theirs, who = (_grant(Role.READER, "kita" if team != "kita.nord" else "post"),), _who(BEN, (role, team))
    assert may_mark_absent(who, theirs, PARENTS, 5) is marks
    assert may_plan_absence(who, ANN, theirs, PARENTS, 5) is plans
    assert may_plan_absence(who, BEN, (), PARENTS, 5)


DEPUTIES = {"kita": "post", "kita.nord": None, "post": "rat", "rat": "kita"}


@pytest.mark.parametrize(
    ("present", "closed", "expected"),
    [
        ([("responder", "kita"), ("responder", "post"), ("responder", "rat")], (), {}),
        ([("responder", "post"), ("responder", "rat")], (), {"kita": "post"}),
        ([("reader", "kita"), ("responder", "post"), ("responder", "rat")], (), {"kita": "post"}),
        ([("responder", "rat")], (), {"kita": "rat", "post": "rat"}),
        ([("responder", "post")], (), {"kita": "post", "rat": "post"}),
        ([("responder", "post")], ("rat",), {"kita": "post"}),
        ([], (), {}),
    ],
)
def test_a_team_of_which_nobody_is_there_is_covered_by_its_deputy_or_that_ones_deputy(
    present: list[tuple[str, str]], closed: tuple[str, ...], expected: dict[str, str]
) -> None:
    grants = [_grant(Role(role), team) for role, team in present]
    assert covers(DEPUTIES, grants, Teams(parents=PARENTS, closed=frozenset(closed)), 5) == expected


@pytest.mark.parametrize(
    ("role", "lent"),
    [(Role.READER, Role.READER), (Role.RESPONDER, Role.RESPONDER), (Role.MANAGER, Role.COORDINATOR)],
)
def test_who_covers_a_team_may_there_what_is_theirs_at_home_but_not_below_it_nor_say_who_belongs_to_it(
    role: Role, lent: Role
) -> None:
    (grant,) = lent_by_cover([_grant(role, "post")], {"kita": "post", "rat": "kita"}, PARENTS, 5)
    assert (grant.role, grant.team) == (lent, "kita")
    assert teams_with([grant], Permission.READ, PARENTS, 5) == {"kita"}
    assert lent_by_cover([Grant(role=role, team="post", from_ms=0, until_ms=5)], {"kita": "post"}, PARENTS, 5) == ()
