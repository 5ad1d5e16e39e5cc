from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from maild.archive.database import Database
from maild.archive.schema_people import audit
from maild.archive.versions import (
    BY_HAND,
    Recorded,
    Version,
    ever_served,
    history,
    record,
    recorded,
    sign,
    source_of,
)
from maild.errors import NotFoundError

FIRST = Version(digest="a" * 64, source="eins\r\n", loaded_ms=1_000, author=BY_HAND, reason="")
SECOND = replace(FIRST, digest="b" * 64, source="zwei", loaded_ms=2_000)


def test_every_version_is_listed_and_found_by_its_number(database: Database) -> None:
    for version in (FIRST, SECOND, FIRST):
        database.writer.submit(record, version).result()
    with database.read() as connection:
        assert [(v.number, v.digest[0]) for v in history(connection)] == [(3, "a"), (2, "b"), (1, "a")]
        assert recorded(connection, 2) == Recorded(
            number=2, digest="b" * 64, loaded_ms=2_000, author=BY_HAND, reason=""
        )
        assert source_of(connection, 1) == "eins\r\n"
        assert ever_served(connection, "zwei")
        assert not ever_served(connection, "zwei\n")
        for question in (recorded, source_of):
            with pytest.raises(NotFoundError, match="no version 4"):
                question(connection, 4)


def test_a_version_is_signed_whether_the_daemon_finds_the_file_first_or_last(database: Database) -> None:
    database.writer.submit(record, FIRST).result()
    mine = replace(SECOND, author="petra", reason="rollback to 1: verlorene Post")
    found = replace(SECOND, loaded_ms=2_001)
    for units in ((sign, record), (record, sign)):
        numbers = [
            database.writer.submit(unit, mine if unit is sign else found).result() for unit in units
        ]  # fmt: skip
        with database.read() as connection:
            newest = history(connection)[0]
        assert numbers == [newest.number, newest.number]
        assert (newest.author, newest.reason) == ("petra", "rollback to 1: verlorene Post")
        database.writer.submit(record, replace(FIRST, digest="c" * 64)).result()


def test_rules_that_were_changed_by_hand_stand_in_the_audit_log_with_the_owner_of_the_file(database: Database) -> None:
    versions = (replace(FIRST, account="wartung"), FIRST, replace(SECOND, author="petra"))
    for version in versions:
        database.writer.submit(record, version).result()
    with database.read() as connection:
        rows = connection.execute(select(audit.c.actor, audit.c.about, audit.c.details)).all()
    assert [(row.actor, row.about, json.loads(row.details)["account"]) for row in rows] == [
        ("", FIRST.digest, "wartung")
    ]


def test_nobody_signs_what_another_has_done_before(database: Database) -> None:
    database.writer.submit(record, FIRST).result()
    later = replace(FIRST, loaded_ms=5_000, author="petra", reason="mine")
    assert database.writer.submit(sign, later).result() == 1
    with database.read() as connection:
        assert history(connection)[0].author == BY_HAND
