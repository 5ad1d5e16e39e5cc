"""Passkeys and links that take two, on both databases: what must not happen twice happens once."""

from __future__ import annotations

import pytest

from maild.archive.accounts import (
    Disabling,
    NewGrant,
    NewPassword,
    NewUser,
    add_grants,
    add_users,
    disable_users,
    set_passwords,
)
from maild.archive.agreeing import Agreement, agree, waiting_links
from maild.archive.database import Database
from maild.archive.invitations import NewInvitation, invite, open_invitation, person_of
from maild.archive.passkeys import (
    Added,
    KnownPasskey,
    NewPasskey,
    PasskeyRemoval,
    PasskeyUse,
    Spending,
    Used,
    add_passkeys,
    handle_of_person,
    known_passkey,
    passkeys_of,
    remove_passkeys,
    use_passkeys,
)
from maild.archive.second_factors import factors_of
from maild.archive.sessions import Ending, Lifetime, NewSession, Way, digest_of, end_sessions, open_sessions
from maild.archive.sign_in_notices import PutAway, put_away, told
from maild.errors import ForbiddenError, NotFoundError
from maild.policy.granting import Teams
from maild.policy.roles import Role

NOW_MS = 1_790_000_000_000
TEAMS = Teams(parents={"kita": None})


def _user(database: Database, login: str, role: Role | None = None, team: str | None = None) -> int:
    new = NewUser(login=login, name="", mail=None, password="$phc", created_ms=NOW_MS)
    user_id = database.writer.submit(add_users, new).result()
    session = NewSession(digest=login.encode(), user_id=user_id, client="", at_ms=NOW_MS, lifetime=Lifetime())
    assert database.writer.submit(open_sessions, session).result()
    if role is not None:
        given = NewGrant(login=login, role=role, team=team, from_ms=0, until_ms=None, granted_by="operator")
        database.writer.submit(add_grants, given).result()
    return user_id


def _spending(number: int, at_ms: int = NOW_MS) -> Spending:
    return Spending(digest=bytes([number]) * 32, until_ms=at_ms + 300_000, at_ms=at_ms)


def _add(database: Database, user_id: int, credential: bytes, number: int) -> Added:
    new = NewPasskey(
        user_id=user_id, login="petra", credential=credential, handle=b"h" * 32, public_key=b"\xa0", counter=4,
        name="Schlüssel", codes=(b"c" * 32,), session=b"petra", spending=_spending(number),
    )  # fmt: skip
    return database.writer.submit(add_passkeys, new).result()


def test_a_session_that_ended_leaves_no_way_in_behind(database: Database) -> None:
    user_id = _user(database, "petra")
    database.writer.submit(end_sessions, Ending(user_id=user_id, at_ms=NOW_MS)).result()
    with pytest.raises(ForbiddenError):
        _add(database, user_id, b"eins", 1)
    with database.read() as connection:
        assert not factors_of(connection, user_id).any


def test_what_was_shown_opens_nothing_once_it_holds_no_more(database: Database) -> None:
    user_id, other = _user(database, "petra"), _user(database, "karin")
    _add(database, user_id, b"eins", 1)
    with database.read() as connection:
        known = known_passkey(connection, b"eins")
    assert known is not None

    def opens(way: Way, number: int, of: int = user_id) -> bool:
        digest = bytes([number]) * 32
        new = NewSession(digest=digest, user_id=of, client="", at_ms=NOW_MS, lifetime=Lifetime(), way=way)
        return bool(database.writer.submit(open_sessions, new).result())

    by_password, by_passkey = Way("password", stored="$phc"), Way("passkey", passkey_id=known.id)
    assert [opens(by_password, 1), opens(by_passkey, 2), opens(Way("provider"), 3)] == [True, True, True]
    assert not opens(by_passkey, 4, of=other)
    changed = NewPassword(login="petra", password="$neu", by="petra", at_ms=NOW_MS)
    database.writer.submit(set_passwords, changed).result()
    gone = PasskeyRemoval(user_id=user_id, login="petra", id=known.id, at_ms=NOW_MS)
    database.writer.submit(remove_passkeys, gone).result()
    assert [opens(by_password, 5), opens(by_passkey, 6)] == [False, False]
    database.writer.submit(disable_users, Disabling(login="petra", disabled_ms=NOW_MS)).result()
    assert not opens(Way("provider"), 7)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one() == 1  # karin's


def _use(database: Database, known: KnownPasskey, counter: int, number: int, at_ms: int = NOW_MS) -> Used:
    use = PasskeyUse(id=known.id, counter=counter, spending=_spending(number, at_ms))
    return database.writer.submit(use_passkeys, use).result()


def test_a_passkey_is_added_used_and_removed_and_a_challenge_answered_once(database: Database) -> None:
    user_id = _user(database, "petra")
    assert _add(database, user_id, b"eins", 1) is Added.FIRST
    assert _add(database, user_id, b"zwei", 1) is Added.SPENT
    assert _add(database, user_id, b"eins", 2) is Added.KNOWN
    assert _add(database, user_id, b"zwei", 3) is Added.YES
    with database.read() as connection:
        assert known_passkey(connection, b"drei") is None
        known = known_passkey(connection, b"eins")
        assert known is not None
        assert (known.user_id, known.login, known.handle) == (user_id, "petra", b"h" * 32)
        assert handle_of_person(connection, user_id) == b"h" * 32
        assert (factors_of(connection, user_id).passkeys, factors_of(connection, user_id).codes_left) == (2, 1)
    assert [_use(database, known, counter, number) for counter, number in ((5, 4), (6, 4), (5, 5), (6, 6))] == [
        Used.YES, Used.SPENT, Used.COPIED, Used.YES,
    ]  # fmt: skip
    assert _use(database, known, 7, 4, NOW_MS + 300_001) is Used.YES  # what would have run out is forgotten
    with database.read() as connection:
        (notice,) = told(connection, user_id)
        assert (notice.what, notice.by) == ("copied", "")
        first, second = passkeys_of(connection, user_id)
        assert (first.used_ms, second.used_ms) == (NOW_MS + 300_001, None)
    assert database.writer.submit(put_away, PutAway(user_id=user_id, up_to=notice.id, at_ms=NOW_MS)).result() == 1
    for passkey in (first, second):
        gone = PasskeyRemoval(user_id=user_id, login="petra", id=passkey.id, at_ms=NOW_MS)
        assert database.writer.submit(remove_passkeys, gone).result() is True
        assert database.writer.submit(remove_passkeys, gone).result() is False
    assert _use(database, known, 9, 9) is Used.GONE
    with database.read() as connection:
        assert (told(connection, user_id), factors_of(connection, user_id).codes_left) == ([], 0)


def test_a_link_to_a_manager_opens_when_a_second_person_has_agreed(database: Database) -> None:
    petra = _user(database, "petra", Role.MANAGER, "kita")
    _user(database, "chef", Role.ADMINISTRATOR)
    vize = _user(database, "vize", Role.ADMINISTRATOR)
    new = NewInvitation(digest=digest_of("eins"), login="petra", by="chef", at_ms=NOW_MS, teams=TEAMS)
    database.writer.submit(invite, new).result()
    said = Agreement(user_id=petra, made_ms=NOW_MS, agrees=True, by_id=vize, teams=TEAMS, at_ms=NOW_MS)
    with database.read() as connection:
        assert open_invitation(connection, "eins", TEAMS, NOW_MS) is None
        second = person_of(connection, "vize")
        assert second is not None
        assert [each.made_by for each in waiting_links(connection, second, TEAMS, NOW_MS)] == ["chef"]
        assert [each.by for each in told(connection, petra)] == ["chef"]
    database.writer.submit(agree, said).result()
    with pytest.raises(NotFoundError):
        database.writer.submit(agree, said).result()
    with database.read() as connection:
        assert open_invitation(connection, "eins", TEAMS, NOW_MS) is not None
