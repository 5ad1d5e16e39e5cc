from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.verify import Finding, verify
from tests.archive.samples import acceptance, filing


def _filled(database: Database) -> list[int]:
    ids = [database.writer.submit(accept, acceptance(n)).result().message_id for n in range(5)]
    for message_id in ids:
        database.writer.submit(file, filing(message_id)).result()
    return ids


def _findings(database: Database, *, full: bool = True) -> list[Finding]:
    with database.read() as connection:
        return list(verify(connection, full=full, progress=lambda _: None))


def _tamper(database: Database, *statements: str) -> None:
    with database.writing.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        if database.is_sqlite:
            raw.execute("PRAGMA foreign_keys=OFF")
        with connection.begin():
            if not database.is_sqlite:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                connection.execute(text(statement))


def test_an_archive_as_it_was_written_has_no_findings(database: Database) -> None:
    _filled(database)
    assert _findings(database) == []


@pytest.mark.parametrize(
    ("tampering", "sequence"),
    [
        (lambda ids: f"UPDATE messages SET reverse_path = 'other@x.example' WHERE id = {ids[1]}", 2),
        (lambda ids: f"UPDATE recipients SET address = 'other@musterstadt.example' WHERE message_id = {ids[2]}", 3),
        (lambda ids: f"UPDATE messages SET received_ms = 1 WHERE id = {ids[3]}", 4),
        (lambda ids: f"DELETE FROM messages WHERE id = {ids[2]}", 3),
        (lambda ids: f"DELETE FROM messages WHERE id = {ids[4]}", 5),
        (lambda ids: f"DELETE FROM content WHERE digest = (SELECT digest FROM messages WHERE id = {ids[0]})", 1),
    ],
)
def test_what_was_changed_or_taken_out_is_named(
    database: Database, tampering: Callable[[list[int]], str], sequence: int
) -> None:
    _tamper(database, tampering(_filled(database)))
    assert [f.sequence for f in _findings(database)] == [sequence]


def test_content_that_was_changed_is_found_by_a_full_verification(sqlite_database: Database) -> None:
    ids = _filled(sqlite_database)
    _tamper(
        sqlite_database,
        "UPDATE content SET octets = (SELECT octets FROM content c JOIN messages m ON m.digest = c.digest "
        f"WHERE m.id = {ids[0]}) WHERE digest = (SELECT digest FROM messages WHERE id = {ids[1]})",
        f"UPDATE content SET octets = x'0102' WHERE digest = (SELECT digest FROM messages WHERE id = {ids[2]})",
    )
    assert [(f.message_id, f.text) for f in _findings(sqlite_database)] == [
        (ids[1], "content was changed"),
        (ids[2], "content cannot be decompressed"),
    ]


def test_a_filed_message_without_an_inbox_is_found(database: Database) -> None:
    ids = _filled(database)
    _tamper(
        database,
        f"DELETE FROM filings WHERE message_id = {ids[0]}",
        f"DELETE FROM summaries WHERE message_id = {ids[0]}",
    )
    assert [f.text for f in _findings(database)] == ["filed, but in no inbox"]
