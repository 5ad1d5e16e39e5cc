"""Mail that brings reports about our domains: read behind the router, in a worker, and only what is about us."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import select
from structlog.testing import capture_logs

from maild.archive.database import Database
from maild.archive.examinations import keep_evidence
from maild.archive.schema import summaries
from maild.archive.schema_senders import dmarc_reports, dmarc_sources, tls_reports
from maild.confinement import BOUNDS, Bounds, Pool
from maild.mail.evidence import Dmarc, Evidence, to_json
from maild.router.reports import ReportReader
from tests.archive.samples import NOW_MS
from tests.mail.dmarc_samples import BEGIN, END, NAME, dmarc_mail, feedback, mail, record, tls, tls_mail
from tests.router.filed import file_mail
from tests.web.office import Book, rules


@asynccontextmanager
async def reading(database: Database, bounds: Bounds = BOUNDS) -> AsyncIterator[ReportReader]:
    pool = Pool(1, bounds=bounds, preload=("maild.mail.reports",))
    book: Any = Book(rules())
    try:
        yield ReportReader(database=database, rulebook=book, pool=pool, now_ms=lambda: NOW_MS)
    finally:
        await pool.close()


def domains(database: Database) -> tuple[list[str], list[str]]:
    with database.read() as connection:
        dmarc = connection.scalars(select(dmarc_reports.c.domain).order_by(dmarc_reports.c.id))
        return list(dmarc), list(connection.scalars(select(tls_reports.c.domain).order_by(tls_reports.c.id)))


async def test_reports_that_are_offered_are_read_and_the_letter_stays(sqlite_database: Database) -> None:
    dmarc, first = file_mail(sqlite_database, 1, dmarc_mail())
    tls_id, second = file_mail(sqlite_database, 2, tls_mail())
    assert (first, second) == (True, True)
    assert not file_mail(sqlite_database, 3, b"Subject: Frage\r\n\r\nx")[1]
    async with reading(sqlite_database) as reader:
        assert [await reader.attempt(each) for each in (dmarc, tls_id, dmarc)] == [1, 1, 0]
    assert domains(sqlite_database) == (["musterstadt.example"], ["musterstadt.example"])
    with sqlite_database.read() as connection:
        assert connection.scalar(select(dmarc_sources.c.messages)) == 3


async def test_a_stranger_who_guesses_the_number_of_a_report_does_not_keep_it_out(sqlite_database: Database) -> None:
    forged, _ = file_mail(sqlite_database, 1, dmarc_mail(feedback(record(number=99))))
    true, _ = file_mail(sqlite_database, 2, dmarc_mail())
    reporter = author_domain(sqlite_database, true)
    good = Evidence(NOW_MS, dmarc=Dmarc("pass", reporter, dkim_aligned=True))
    bad = Evidence(NOW_MS, dmarc=Dmarc("fail", reporter))
    with sqlite_database.writing.begin() as connection:
        keep_evidence(connection, {forged: to_json(bad), true: to_json(good)})
    async with reading(sqlite_database) as reader:
        assert [await reader.attempt(each) for each in (forged, true, true)] == [1, 1, 0]
    with sqlite_database.read() as connection:
        assert sorted(connection.scalars(select(dmarc_sources.c.messages))) == [3, 99]


def author_domain(database: Database, message_id: int) -> str:
    """Return the domain of the author."""
    with database.read() as connection:
        asked = select(summaries.c.from_mail).where(summaries.c.message_id == message_id)
        return str(connection.scalar(asked)).rpartition("@")[2]


async def test_at_its_start_the_reader_finds_what_was_left(sqlite_database: Database) -> None:
    file_mail(sqlite_database, 1, dmarc_mail())
    async with reading(sqlite_database) as reader:
        running = asyncio.create_task(reader.run())
        async with asyncio.timeout(60):
            while not domains(sqlite_database)[0]:  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
            offered, _ = file_mail(sqlite_database, 2, tls_mail())
            reader.offer(offered)
            while not domains(sqlite_database)[1]:  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
        running.cancel()


async def test_only_domains_of_ours_and_names_below_them_count(sqlite_database: Database) -> None:
    others = [
        feedback(record(), domain=domain, report=domain)
        for domain in ("fremd.example", "example", "nicht-musterstadt.example", "kita.musterstadt.example")
    ]
    octets = mail(*[("application/gzip", f"{NAME}!{n}.xml.gz", gzip.compress(each)) for n, each in enumerate(others)])
    said = tls()
    said["policies"] += tls(policy={"policy-type": "sts", "policy-domain": "fremd.example"})["policies"]
    dmarc, _ = file_mail(sqlite_database, 1, octets)
    two, _ = file_mail(sqlite_database, 2, tls_mail(said))
    async with reading(sqlite_database) as reader:
        assert [await reader.attempt(dmarc), await reader.attempt(two)] == [1, 1]
    assert domains(sqlite_database) == (["kita.musterstadt.example"], ["musterstadt.example"])


async def test_a_report_of_the_future_is_left_out(sqlite_database: Database) -> None:
    ahead = 10 * 86_400
    octets = dmarc_mail(feedback(record(), begin=BEGIN + ahead, end=END + ahead))
    message_id, _ = file_mail(sqlite_database, 1, octets)
    async with reading(sqlite_database) as reader:
        assert await reader.attempt(message_id) == 0
    assert domains(sqlite_database) == ([], [])


async def test_a_large_report_is_streamed_to_its_reader_and_what_is_gone_is_passed_over(
    sqlite_database: Database,
) -> None:
    filler = f"<!--{random.Random(1).randbytes(1_000_000).hex()}-->"
    large, _ = file_mail(sqlite_database, 1, dmarc_mail(feedback(record(), report="large") + filler.encode()))
    async with reading(sqlite_database) as reader:
        assert [await reader.attempt(each) for each in (12345, large)] == [0, 1]


async def test_a_report_that_takes_too_long_is_given_up_and_the_next_one_read(sqlite_database: Database) -> None:
    slow, _ = file_mail(sqlite_database, 1, dmarc_mail(feedback(*[record()] * 20_000)))
    good, _ = file_mail(sqlite_database, 2, dmarc_mail())
    async with reading(sqlite_database, Bounds(wall_s=0.05)) as reader:
        with capture_logs() as said:
            assert await reader.attempt(slow) == 0
        assert said[0]["problems"] == ["wall"]
        reader._pool.bounds = Bounds()
        assert await reader.attempt(good) == 1
