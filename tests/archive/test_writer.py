from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from maild.archive.database import Database, StoreLock, check_durability, writing_engine
from maild.errors import StorageError, TemporaryError


def _insert(connection: Connection, values: list[int]) -> list[int]:
    for value in values:
        if value < 0:
            raise ValueError("no negative tags")
        connection.execute(text("INSERT INTO tags (conversation_id, team, tag) VALUES (:c, 't', 'x')"), {"c": value})
    return values


def _numbers(database: Database) -> set[int]:
    with database.read() as connection:
        return set(connection.scalars(text("SELECT conversation_id FROM tags")))


def test_units_that_wait_together_share_a_transaction(sqlite_database: Database) -> None:
    begun, gate, sizes = threading.Event(), threading.Event(), []

    def slow(_: Connection, arguments: list[int]) -> list[int]:
        begun.set()
        gate.wait(60)
        return arguments

    def counted(connection: Connection, arguments: list[int]) -> list[int]:
        sizes.append(len(arguments))
        return _insert(connection, arguments)

    first = sqlite_database.writer.submit(slow, 0)
    assert begun.wait(60)  # or some of the others would go with it
    futures = [sqlite_database.writer.submit(counted, n) for n in range(50)]
    gate.set()
    first.result()
    assert [f.result() for f in futures] == list(range(50))
    assert sizes == [50]


def test_a_bad_unit_fails_alone(database: Database) -> None:
    gate = threading.Event()

    def hold(_: Connection, arguments: list[int]) -> list[int]:
        gate.wait(60)
        return arguments

    first = database.writer.submit(hold, 0)
    futures = {n: database.writer.submit(_insert, n) for n in (1, -1, 2)}
    gate.set()
    first.result()
    assert futures[1].result() == 1
    assert futures[2].result() == 2
    with pytest.raises(ValueError, match="negative"):
        futures[-1].result()
    assert _numbers(database) == {1, 2}


def test_what_a_refused_row_holds_is_neither_logged_nor_taken_for_a_fault_of_the_disk(database: Database) -> None:
    row = text("INSERT INTO tags (conversation_id, team, tag) VALUES (1, 'my inbox is full, no space', NULL)")
    with capture_logs() as logs, pytest.raises(IntegrityError):
        database.writer.submit(lambda connection, units: [connection.execute(row) for _ in units], 0).result()
    assert [log["event"] for log in logs] == ["storage.unit_failed"]
    assert "inbox" not in str(logs)
    assert "null" in logs[0]["text"].lower()


async def test_a_cancelled_wait_does_not_undo_the_unit(database: Database) -> None:
    future = database.writer.run(_insert, 7)
    future.cancel()
    assert await database.writer.run(_insert, 8) == 8
    assert _numbers(database) == {7, 8}


async def test_many_waits_in_the_loop_are_resolved(database: Database) -> None:
    results = await asyncio.gather(*[database.writer.run(_insert, n) for n in range(500)])
    assert results == list(range(500))


def test_after_a_storage_failure_nothing_is_trusted_until_the_check_passes(sqlite_database: Database) -> None:
    writer = sqlite_database.writer
    broken = True

    def check() -> None:
        if broken:
            raise StorageError("still broken")

    writer._check = check

    def fail(_: Connection, arguments: list[int]) -> list[int]:
        raise StorageError("disk I/O error")

    with pytest.raises(StorageError):
        writer.submit(fail, 1).result()
    assert not writer.trusted
    with pytest.raises(StorageError, match="still broken"):
        writer.submit(_insert, 2).result()
    broken = False
    assert writer.submit(_insert, 3).result() == 3
    assert writer.trusted
    assert _numbers(sqlite_database) == {3}


def test_a_locked_database_is_a_temporary_failure_and_loses_nothing(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    monkeypatch.setattr("maild.archive.database.BUSY_MS", 50)
    other = sqlite3.connect(sqlite_database.data_dir / "maild.sqlite3", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TemporaryError) as caught:
        sqlite_database.writer.submit(_insert, 1).result()
    assert not isinstance(caught.value, StorageError)
    other.execute("ROLLBACK")
    other.close()
    assert sqlite_database.writer.submit(_insert, 2).result() == 2


def test_storage_that_would_lose_mail_is_refused(tmp_path: Path) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    with pytest.raises(StorageError, match="power cut"):
        check_durability(engine)
    engine.dispose()
    good = writing_engine(f"sqlite:///{tmp_path / 'y.sqlite3'}")
    check_durability(good)
    good.dispose()


def test_a_second_daemon_on_one_store_is_refused_and_a_stale_lock_is_not(tmp_path: Path) -> None:
    lock = StoreLock(tmp_path)
    with pytest.raises(TemporaryError, match="already running"):
        StoreLock(tmp_path)
    lock.release()
    StoreLock(tmp_path).release()


def test_who_gives_up_waiting_does_not_end_the_writer(sqlite_database: Database) -> None:
    gate = threading.Event()

    def hold(_: Connection, arguments: list[int]) -> list[int]:
        gate.wait(60)
        return arguments

    first, given_up = sqlite_database.writer.submit(hold, 0), sqlite_database.writer.submit(_insert, 1)
    assert given_up.cancel()
    gate.set()
    first.result()
    assert sqlite_database.writer.submit(_insert, 2).result() == 2
    assert _numbers(sqlite_database) == {1, 2}


async def test_when_the_writer_ends_of_a_fault_nobody_waits_for_ever(sqlite_database: Database) -> None:
    writer, gate, faults = sqlite_database.writer, threading.Event(), list[BaseException]()
    writer.on_fault.append(faults.append)

    def fatal(_: Connection, arguments: list[int]) -> list[int]:
        gate.wait(60)
        raise SystemExit

    waiting = [writer.submit(fatal, 0), writer.submit(_insert, 1)]
    in_loop = [writer.run(_insert, 2)]
    gate.set()
    for each in waiting:
        with pytest.raises(StorageError, match="has ended"):
            each.result(60)
    in_loop.append(writer.run(_insert, 3))  # too late
    for future in in_loop:
        with pytest.raises(StorageError, match="has ended"):
            await asyncio.wait_for(future, 60)
    assert [type(fault) for fault in faults] == [SystemExit]
    assert not writer.trusted
    assert _numbers(sqlite_database) == set()
