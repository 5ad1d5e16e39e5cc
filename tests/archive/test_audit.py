from __future__ import annotations

import pytest
from sqlalchemy import text

from maild.archive.audit import Record, broken_records, note_acts
from maild.archive.database import Database
from maild.archive.verify import verify
from maild.mail.acts import Act


def _kept(database: Database) -> None:
    for number in range(4):
        by = Record(at_ms=number, actor="petra", act=Act.STATE, team="kita", conversation_id=7, details={"to": "ä"})
        database.writer.submit(note_acts, by).result()


def _findings(database: Database) -> list[int]:
    with database.read() as connection:
        return [number for number, _ in broken_records(connection)]


def test_a_log_as_it_was_written_has_no_findings(database: Database) -> None:
    assert _findings(database) == []
    _kept(database)
    assert _findings(database) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE audit SET actor = 'max' WHERE sequence = 2", [2]),
        ("UPDATE audit SET details = '{}' WHERE sequence = 4", [4]),
        ("DELETE FROM audit WHERE sequence = 3", [3]),
        ("DELETE FROM audit WHERE sequence = 4", [4]),
        ("UPDATE audit SET sequence = 9 WHERE sequence = 4", [9, 4]),
    ],
)
def test_a_log_that_was_edited_is_found(database: Database, statement: str, found: list[int]) -> None:
    _kept(database)
    with database.writing.begin() as connection:
        connection.execute(text(statement))
    assert _findings(database) == found
    with database.read() as connection:
        finding, *_ = verify(connection, full=False, progress=lambda _: None)
    assert finding.text.startswith(f"audit log, record {found[0]}: ")
