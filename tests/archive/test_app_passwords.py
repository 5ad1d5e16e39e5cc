from __future__ import annotations

import pytest

from maild.archive.accounts import Disabling, NewUser, add_users, disable_users
from maild.archive.app_passwords import (
    AppPassword,
    Found,
    NewAppPassword,
    Used,
    Withdrawal,
    add_app_passwords,
    app_passwords_of,
    find_app_password,
    new_secret,
    parted,
    revoke_app_passwords,
    shown,
    touch_app_passwords,
)
from maild.archive.database import Database
from maild.errors import MaildError, NotFoundError
from tests.archive.samples import NOW_MS


def person(database: Database, login: str = "jonas") -> None:
    new = NewUser(login=login, name="", mail=None, password=None, created_ms=NOW_MS)
    database.writer.submit(add_users, new).result()


def add(database: Database, *, login: str = "jonas", name: str = "Outlook") -> int:
    new = NewAppPassword(login=login, name=name, password="$argon2id$", at_ms=NOW_MS)
    return database.writer.submit(add_app_passwords, new).result()


def found(database: Database, login: str, password_id: int | None) -> Found | None:
    with database.read() as connection:
        return find_app_password(connection, login, password_id)


def listed(database: Database, login: str = "jonas") -> tuple[AppPassword, ...]:
    with database.read() as connection:
        return app_passwords_of(connection, login)


@pytest.mark.parametrize("number", [1, 22, 23, 279_840, 279_841, (1 << 63) - 1])
def test_a_password_names_its_row_however_it_is_typed(number: int) -> None:
    secret = new_secret()
    whole = shown(number, secret)
    assert all(len(group) == 4 for group in whole.split(" "))
    for typed in (whole, whole.replace(" ", ""), whole.upper(), f" {whole}\t"):
        assert parted(typed) == (number, secret)


@pytest.mark.parametrize("typed", ["", "x", "a" * 24, "a" * 49, "z" * 48, "ööööaaaaaaaaaaaaaaaaaaaaaaaa", "1234" * 7])
def test_what_is_no_password_of_ours_names_no_row(typed: str) -> None:
    assert parted(typed)[0] is None


def test_a_secret_has_a_hundred_bits_of_chance() -> None:
    assert {len(new_secret()) for _ in range(50)} == {24}
    assert len({new_secret() for _ in range(50)}) == 50


def test_a_password_is_found_for_its_owner_alone_and_while_the_account_is_open(database: Database) -> None:
    person(database)
    person(database, "petra")
    number = add(database)
    same = found(database, " JONAS ", number)
    assert same is not None
    assert (same.id, same.login, same.password) == (number, "jonas", "$argon2id$")
    assert found(database, "petra", number) is None
    assert found(database, "jonas", number + 1) is None
    assert found(database, "jonas", None) is None
    database.writer.submit(disable_users, Disabling(login="jonas", disabled_ms=NOW_MS)).result()
    assert found(database, "jonas", number) is None


def test_a_revoked_password_is_gone_and_only_its_owner_revokes_it(database: Database) -> None:
    person(database)
    person(database, "petra")
    first, second = add(database, name="Outlook"), add(database, name=" Thunderbird ")
    with pytest.raises(NotFoundError):
        database.writer.submit(revoke_app_passwords, Withdrawal(login="petra", id=first, at_ms=NOW_MS)).result()
    database.writer.submit(revoke_app_passwords, Withdrawal(login="jonas", id=first, at_ms=NOW_MS)).result()
    assert found(database, "jonas", first) is None
    assert [(each.id, each.name) for each in listed(database)] == [(second, "Thunderbird")]
    with pytest.raises(NotFoundError):
        database.writer.submit(revoke_app_passwords, Withdrawal(login="jonas", id=first, at_ms=NOW_MS)).result()


def test_the_last_use_is_remembered_to_the_minute(database: Database) -> None:
    person(database)
    number = add(database)
    for at_ms in (NOW_MS, NOW_MS + 30_000):
        database.writer.submit(touch_app_passwords, Used(id=number, at_ms=at_ms)).result()
    assert [each.used_ms for each in listed(database)] == [NOW_MS]
    database.writer.submit(touch_app_passwords, Used(id=number, at_ms=NOW_MS + 90_000)).result()
    assert [each.used_ms for each in listed(database)] == [NOW_MS + 90_000]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 81])
def test_a_device_has_a_name_in_one_line(database: Database, name: str) -> None:
    person(database)
    with pytest.raises(MaildError, match="name the device"):
        add(database, name=name)


def test_a_stranger_gets_no_password(database: Database) -> None:
    with pytest.raises(NotFoundError):
        add(database, login="nobody")
