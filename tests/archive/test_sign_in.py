from __future__ import annotations

import pytest

from maild.archive.accounts import NewUser, add_users, grants_of, stored_password
from maild.archive.database import Database
from maild.archive.identities import Vouched, welcome
from maild.archive.invitations import FIRST_MS, NewInvitation, Redemption, invite, invited, open_invitation, redeem
from maild.archive.sealed import Seal
from maild.archive.second_factors import (
    NewTotp,
    Paper,
    Step,
    code_digest,
    factors_of,
    new_codes,
    set_totp,
    use_paper,
    use_step,
)
from maild.archive.sessions import Lifetime, NewSession, digest_of, open_sessions
from maild.errors import NotFoundError
from maild.policy.granting import Teams
from maild.policy.roles import Role

NOW_MS = 1_790_000_000_000
TEAMS = Teams(parents={"kita": None})


def _user(database: Database, login: str = "petra") -> int:
    new = NewUser(login=login, name="Petra", mail=None, password=None, created_ms=NOW_MS)
    return database.writer.submit(add_users, new).result()


def _invite(database: Database, token: str, login: str = "petra") -> int:
    new = NewInvitation(digest=digest_of(token), login=login, by="operator", at_ms=NOW_MS)
    return database.writer.submit(invite, new).result()


def test_a_link_opens_once_until_it_ends_and_sets_the_password(database: Database) -> None:
    user_id = _user(database)
    assert _invite(database, "eins") == NOW_MS + FIRST_MS
    with database.read() as connection:
        assert open_invitation(connection, "eins", TEAMS, NOW_MS + FIRST_MS) is None
        assert invited(connection, NOW_MS) == {user_id: NOW_MS + FIRST_MS}
    first, second = (
        database.writer.submit(redeem, Redemption(token="eins", password=f"$phc{n}", teams=TEAMS, at_ms=NOW_MS))
        for n in (1, 2)
    )
    found = first.result()
    assert found is not None
    assert (found.user_id, found.login) == (user_id, "petra")
    assert second.result() is None
    with database.read() as connection:
        assert stored_password(connection, "petra") == (user_id, "$phc1")
        assert open_invitation(connection, "eins", TEAMS, NOW_MS) is None
    with pytest.raises(NotFoundError):
        _invite(database, "zwei", "nobody")


def test_a_step_is_taken_once_even_by_two_at_the_same_moment(database: Database) -> None:
    user_id, codes = _user(database), new_codes()
    session = NewSession(digest=b"", user_id=user_id, client="", at_ms=NOW_MS, lifetime=Lifetime())
    assert database.writer.submit(open_sessions, session).result()
    new = NewTotp(
        user_id=user_id, login="petra", secret=b"sealed", step=7, codes=tuple(map(code_digest, codes)), session=b"",
        at_ms=NOW_MS,
    )  # fmt: skip
    database.writer.submit(set_totp, new).result()
    tries = [database.writer.submit(use_step, Step(user_id=user_id, step=step)) for step in (7, 8, 8, 6, 9)]
    assert [each.result() for each in tries] == [False, True, False, False, True]
    paper = Paper(user_id=user_id, login="petra", code=codes[0], at_ms=NOW_MS)
    assert [database.writer.submit(use_paper, paper).result() for _ in range(2)] == [True, False]
    with database.read() as connection:
        factors = factors_of(connection, user_id)
    assert (factors.secret, factors.last_step, factors.codes_left) == (b"sealed", 9, 9)


def test_grants_of_groups_are_kept_renewed_and_taken_back(database: Database) -> None:
    def vouched(at_ms: int, *grants: tuple[str | None, Role]) -> Vouched:
        return Vouched(
            issuer="https://sso.example", subject="1", login="vera", name="Vera\n", grants=frozenset(grants),
            at_ms=at_ms, until_ms=at_ms + 100,
        )  # fmt: skip

    kita, bau = ("kita", Role.READER), ("bauamt", Role.READER)
    held = []
    for at_ms, grants in ((1_000, [kita]), (1_050, [kita, bau]), (1_060, [bau, (None, Role.AUDITOR)])):
        person = database.writer.submit(welcome, vouched(at_ms, *grants)).result()
        with database.read() as connection:
            found = grants_of(connection, person.id)
        held.append({(g.team, g.until_ms) for g in found if g.holds(at_ms)})
    assert held == [{("kita", 1_100)}, {("kita", 1_150), ("bauamt", 1_150)}, {("bauamt", 1_160), (None, 1_160)}]
    assert person.name == "Vera"


def test_a_seal_opens_for_its_person_and_its_key_alone() -> None:
    seal = Seal(b"k" * 32)
    closed = seal.close(1, b"secret")
    assert seal.open(1, closed) == b"secret"
    assert seal.open(2, closed) is None
    assert Seal(b"l" * 32).open(1, closed) is None
    assert seal.open(1, closed[:-1]) is None
    assert seal.open(1, b"") is None
