from __future__ import annotations

from maild.archive.database import Database
from maild.archive.sts_policies import Promise, forget_expired, keep, promise_of, promises_to_renew
from maild.mail.sts import Policy
from tests.archive.samples import NOW_MS

DAY_MS = 86_400_000
WEEK = Policy("enforce", ("mx.there.example", "*.there.example"), 7 * 86_400)


def kept(database: Database, *promises: Promise) -> None:
    for each in promises:
        database.writer.submit(keep, each).result()


def test_a_promise_is_found_until_its_time_is_over(database: Database) -> None:
    promise = Promise("there.example", "1", WEEK, NOW_MS, NOW_MS)
    kept(database, promise)
    with database.read() as connection:
        assert promise_of(connection, "there.example", promise.expires_ms - 1) == promise
        assert promise_of(connection, "there.example", promise.expires_ms) is None
        assert promise_of(connection, "elsewhere.example", NOW_MS) is None
    database.writer.submit(forget_expired, promise.expires_ms).result()
    with database.read() as connection:
        assert promise_of(connection, "there.example", NOW_MS) is None


def test_the_newest_promise_takes_the_place_of_the_one_before(database: Database) -> None:
    newer = Promise("there.example", "2", WEEK._replace(mode="none", mx=()), NOW_MS + 1, NOW_MS)
    kept(database, Promise("there.example", "1", WEEK, NOW_MS, NOW_MS), newer)
    with database.read() as connection:
        assert promise_of(connection, "there.example", NOW_MS + 2) == newer


def test_what_is_old_and_in_use_is_to_be_renewed(database: Database) -> None:
    def promise(domain: str, policy: Policy = WEEK, age_ms: int = 2 * DAY_MS, used_ms: int = NOW_MS) -> Promise:
        return Promise(domain, "1", policy, NOW_MS - age_ms, used_ms)

    kept(
        database,
        promise("fresh.example", age_ms=1_000),
        promise("old.example"),
        promise("short.example", WEEK._replace(max_age_s=600), age_ms=400_000),
        promise("unused.example", used_ms=NOW_MS - 100 * DAY_MS),
        promise("taken-back.example", WEEK._replace(mode="none")),
        promise("over.example", age_ms=8 * DAY_MS),
    )
    with database.read() as connection:
        due = promises_to_renew(connection, NOW_MS, NOW_MS - 92 * DAY_MS)
    assert [each.domain for each in due] == ["short.example", "old.example"]
