from __future__ import annotations

from typing import Any

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.hits import count, date_of, day_of, hits_since, last_hits
from maild.mail.ids import message_id_at
from tests.archive.samples import NOW_MS, acceptance, filing

DAY_MS = 86_400_000
TODAY = day_of(NOW_MS)


def _file(database: Database, number: int, *hits: str, at_ms: int = NOW_MS) -> None:
    message_id = database.writer.submit(accept, acceptance(number, at_ms=at_ms)).result().message_id
    database.writer.submit(file, filing(message_id)._replace(hits=hits)).result()


def test_hits_are_counted_with_the_filing_for_each_recipient_and_day(database: Database) -> None:
    _file(database, 1, "eilt", "eilt", "newsletter")
    _file(database, 2, "eilt")
    _file(database, 3, "eilt", at_ms=NOW_MS - 40 * DAY_MS)
    _file(database, 4)
    with database.read() as connection:
        assert hits_since(connection, TODAY - 30) == {"eilt": 3, "newsletter": 1}
        assert hits_since(connection, 0) == {"eilt": 4, "newsletter": 1}
        assert hits_since(connection, TODAY + 1) == {}
        assert last_hits(connection) == {"eilt": TODAY, "newsletter": TODAY}


def test_a_message_that_was_filed_before_counts_no_second_time(database: Database) -> None:
    message_id = database.writer.submit(accept, acceptance(1)).result().message_id
    twice = filing(message_id)._replace(hits=("eilt",))
    results = [f.result() for f in [database.writer.submit(file, twice), database.writer.submit(file, twice)]]
    assert results.count(None) == 1
    with database.read() as connection:
        assert hits_since(connection, 0) == {"eilt": 1}


def test_a_group_of_messages_is_counted_row_by_row_and_one_without_matches_not_at_all(
    sqlite_database: Database,
) -> None:
    ran: list[Any] = []
    with sqlite_database.writing.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_trace_callback(ran.append)
        count(connection, [(message_id_at(NOW_MS, n), ("a", "b", "a")) for n in range(50)])
        assert len([text for text in ran if "rule_hits" in text]) == 2  # a and b, whatever the number of messages
        ran.clear()
        count(connection, [(message_id_at(NOW_MS, n), ()) for n in range(50)])
        assert ran == []
        driver.set_trace_callback(None)
        assert hits_since(connection, 0) == {"a": 100, "b": 50}


def test_a_day_is_a_date_in_utc() -> None:
    assert date_of(day_of(0)).isoformat() == "1970-01-01"
    assert date_of(day_of(NOW_MS)).isoformat() == "2026-09-21"
