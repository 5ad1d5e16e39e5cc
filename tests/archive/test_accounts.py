from __future__ import annotations

import pytest

from maild.archive.accounts import (
    Disabling,
    LoginTakenError,
    NewGrant,
    NewPassword,
    NewUser,
    Preference,
    Revocation,
    add_grants,
    add_users,
    disable_users,
    find_user,
    grants_of,
    last_path,
    list_users,
    names,
    people_granted,
    principal,
    revoke_grants,
    set_passwords,
    set_preferences,
    stored_password,
)
from maild.archive.database import Database
from maild.archive.sessions import (
    Ending,
    Lifetime,
    NewSession,
    Seen,
    digest_of,
    end_sessions,
    find_session,
    handle_of,
    list_sessions,
    new_token,
    open_sessions,
    touch_sessions,
)
from maild.errors import MaildError, NotFoundError
from maild.policy.roles import Role

NOW_MS = 1_790_000_000_000
LIFETIME = Lifetime(idle_s=1800, absolute_s=43_200)


def _user(database: Database, login: str = "petra", name: str = "Petra") -> int:
    new = NewUser(login=login, name=name, mail=None, password="$phc", created_ms=NOW_MS)
    return database.writer.submit(add_users, new).result()


def _grant(database: Database, login: str, role: Role, team: str | None, until_ms: int | None = None) -> None:
    new = NewGrant(login=login, role=role, team=team, from_ms=NOW_MS, until_ms=until_ms, granted_by="cli")
    database.writer.submit(add_grants, new).result()


def _session(database: Database, user_id: int, at_ms: int = NOW_MS, ends: bytes | None = None) -> str:
    token = new_token()
    new = NewSession(
        digest=digest_of(token), user_id=user_id, client="Firefox", at_ms=at_ms, lifetime=LIFETIME, ends=ends
    )
    database.writer.submit(open_sessions, new).result()
    return token


def _opens(database: Database, token: str, now_ms: int = NOW_MS) -> bool:
    with database.read() as connection:
        return find_session(connection, token, LIFETIME, now_ms) is not None


def test_a_login_is_found_whatever_its_case_and_is_given_once(database: Database) -> None:
    number = _user(database, "Petra.Müller")
    with database.read() as connection:
        assert find_user(connection, " PETRA.MÜLLER ").id == number
        assert [user.login for user in list_users(connection)] == ["petra.müller"]
    with pytest.raises(LoginTakenError):
        _user(database, "petra.MÜLLER")


def test_a_taken_login_in_a_group_does_not_spoil_the_others(database: Database) -> None:
    _user(database, "petra")
    futures = [
        database.writer.submit(add_users, NewUser(login=login, name="", mail=None, password=None, created_ms=NOW_MS))
        for login in ("anna", "petra", "bert")
    ]
    assert isinstance(futures[1].exception(), LoginTakenError)
    assert futures[0].result() != futures[2].result()


def test_who_is_unknown_disabled_or_has_no_password_has_nothing_to_check_against(database: Database) -> None:
    number = _user(database)
    with database.read() as connection:
        assert stored_password(connection, "petra") == (number, "$phc")
        assert stored_password(connection, "nobody") == (None, None)
    database.writer.submit(disable_users, Disabling(login="petra", disabled_ms=NOW_MS)).result()
    with database.read() as connection:
        assert stored_password(connection, "petra") == (None, None)
        assert principal(connection, number) is None


def test_grants_are_read_back_with_their_dates_and_end_when_revoked(database: Database) -> None:
    number = _user(database)
    _grant(database, "petra", Role.READER, "kita", until_ms=NOW_MS + 5)
    _grant(database, "petra", Role.ADMINISTRATOR, None)
    with database.read() as connection:
        found = grants_of(connection, number)
    assert [(g.role, g.team, g.until_ms) for g in found] == [
        (Role.READER, "kita", NOW_MS + 5),
        (Role.ADMINISTRATOR, None, None),
    ]
    gone = Revocation(login="petra", role=Role.READER, team="kita", revoked_ms=NOW_MS + 1)
    assert database.writer.submit(revoke_grants, gone).result() == 1
    assert database.writer.submit(revoke_grants, gone).result() == 0
    with database.read() as connection:
        assert not grants_of(connection, number)[0].holds(NOW_MS + 1)
        assert grants_of(connection, number)[1].holds(NOW_MS + 1)


@pytest.mark.parametrize(("role", "team"), [(Role.READER, None), (Role.ADMINISTRATOR, "kita")])
def test_a_grant_that_means_nothing_is_refused(database: Database, role: Role, team: str | None) -> None:
    _user(database)
    with pytest.raises(MaildError):
        _grant(database, "petra", role, team)


def test_what_concerns_an_unknown_login_is_refused(database: Database) -> None:
    with pytest.raises(NotFoundError):
        _grant(database, "nobody", Role.READER, "kita")
    with pytest.raises(NotFoundError):
        database.writer.submit(set_passwords, NewPassword(login="nobody", password="x", at_ms=1)).result()
    with database.read() as connection, pytest.raises(NotFoundError):
        find_user(connection, "nobody")


def test_those_who_may_be_given_work_are_those_with_a_grant_that_holds(database: Database) -> None:
    for login in ("anna", "bert", "cleo", "dora"):
        _user(database, login, login.title())
    _grant(database, "anna", Role.RESPONDER, "kita")
    _grant(database, "bert", Role.READER, "kita")
    _grant(database, "cleo", Role.RESPONDER, "kita", until_ms=NOW_MS + 1)
    _grant(database, "dora", Role.RESPONDER, "bauamt")
    with database.read() as connection:
        found = people_granted(connection, {"kita"}, {Role.RESPONDER}, NOW_MS + 1)
        assert [user.login for user in found] == ["anna"]
        assert names(connection, {found[0].id}) == {found[0].id: "Anna"}


def test_preferences_are_remembered_one_by_one(database: Database) -> None:
    number = _user(database)
    database.writer.submit(set_preferences, Preference(user_id=number, language="en")).result()
    database.writer.submit(set_preferences, Preference(user_id=number, last_path="/inbox/kita")).result()
    with database.read() as connection:
        assert find_user(connection, "petra").language == "en"
        assert last_path(connection, number) == "/inbox/kita"


def test_the_database_holds_no_token(database: Database) -> None:
    token = _session(database, _user(database))
    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT digest, client FROM sessions").all()
    assert len(token) >= 43
    assert all(token.encode() not in bytes(row[0]) and token not in row[1] for row in rows)
    assert _opens(database, token)
    assert not _opens(database, token + "x")
    assert not _opens(database, "")


@pytest.mark.parametrize(
    ("seen_ms", "now_ms", "alive"),
    [
        (NOW_MS, NOW_MS + 1_799_999, True),
        (NOW_MS, NOW_MS + 1_800_000, False),
        (NOW_MS + 43_100_000, NOW_MS + 43_199_999, True),
        (NOW_MS + 43_100_000, NOW_MS + 43_200_000, False),
        (NOW_MS, NOW_MS - 86_400_000, True),
    ],
)
def test_a_session_ends_when_idle_and_at_the_latest_after_its_day(
    database: Database, seen_ms: int, now_ms: int, alive: bool
) -> None:
    token = _session(database, _user(database))
    database.writer.submit(touch_sessions, Seen(digest=digest_of(token), at_ms=seen_ms)).result()
    assert _opens(database, token, now_ms) is alive


def test_a_new_password_and_a_closed_account_end_every_session(database: Database) -> None:
    number = _user(database)
    token = _session(database, number)
    assert _opens(database, token)
    database.writer.submit(set_passwords, NewPassword(login="petra", password="$new", at_ms=1)).result()
    assert not _opens(database, token)
    token = _session(database, number)
    database.writer.submit(disable_users, Disabling(login="petra", disabled_ms=NOW_MS)).result()
    database.writer.submit(disable_users, Disabling(login="petra", disabled_ms=None)).result()
    assert not _opens(database, token)


def test_one_ends_ones_own_sessions_and_nobody_elses(database: Database) -> None:
    petra, anna = _user(database, "petra"), _user(database, "anna")
    first, second, other = _session(database, petra), _session(database, petra), _session(database, anna)
    foreign = Ending(user_id=petra, at_ms=NOW_MS, handle=handle_of(digest_of(other)))
    assert database.writer.submit(end_sessions, foreign).result() == 0
    assert (
        database.writer.submit(
            end_sessions, Ending(user_id=petra, at_ms=NOW_MS, handle=handle_of(digest_of(first)))
        ).result()
        == 1
    )
    assert [_opens(database, token) for token in (first, second, other)] == [False, True, True]
    third = _session(database, petra)
    assert (
        database.writer.submit(end_sessions, Ending(user_id=petra, at_ms=NOW_MS, keep=digest_of(third))).result() == 1
    )
    assert [_opens(database, token) for token in (second, third, other)] == [False, True, True]


def test_signing_in_again_replaces_the_session_and_forgets_those_that_ran_out(database: Database) -> None:
    number = _user(database)
    old = _session(database, number, at_ms=NOW_MS - 2_000_000)
    first = _session(database, number)
    second = _session(database, number, ends=digest_of(first))
    assert [_opens(database, token) for token in (first, second)] == [False, True]
    with database.read() as connection:
        assert [s.handle for s in list_sessions(connection, number, LIFETIME, NOW_MS)] == [handle_of(digest_of(second))]
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one() == 1
    assert not _opens(database, old, NOW_MS - 2_000_000)
