from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import structlog

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.lessons import Taught, waiting_lessons
from maild.router.teaching import Teacher
from maild.screening.rspamd import Rspamd
from tests.archive.handled import act_on
from tests.archive.samples import acceptance, filing
from tests.screening.mails import rspamd
from tests.screening.scripted import http, serving

OK = http(b'{"success":true}')
DECLINED = http(b'{"error":"cannot learn"}', "404 cannot learn")
KNOWN = http(b'{"error":"<x> has been already learned as spam, ignore it"}', "404 x")
WRONG_PASSWORD = http(b"{}", "401 Unauthorized")
NO_FILES = http(b'{"error":"cannot find statfile backend to learn spam in default classifier"}', "404 x")


class Controller:
    """A controller that answers as it is told, and keeps what it was asked."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.poison: bytes | None = None
        self.paths: list[bytes] = []
        self.contents: list[bytes] = []
        self.passwords: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        self.contents.append(await reader.readexactly(int(fields[b"Content-Length"])))
        self.passwords.append(fields[b"Password"])
        self.paths.append(head.split(b" ")[1])
        fails = self.poison is not None and self.poison in self.contents[-1]
        writer.write(http(b"{}", "500 x") if fails else self.answer)
        await writer.drain()


def put(database: Database, number: int, octets: bytes, state: str = "spam", at_ms: int = 1) -> int:
    accepted = database.writer.submit(accept, acceptance(number, octets=octets)).result()
    filed = database.writer.submit(file, filing(accepted.message_id)).result()
    assert filed is not None
    say(database, accepted.message_id, state, at_ms)
    return accepted.message_id


def say(database: Database, number: int, state: str, at_ms: int) -> None:
    assert act_on(database, number, "poststelle", at_ms=at_ms, state=state, taught=Taught("petra", at_ms))


def count(database: Database) -> int:
    with database.read() as connection:
        return len(waiting_lessons(connection, 100))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)


@asynccontextmanager
async def teaching(database: Database, controller: Controller) -> AsyncIterator[Teacher]:
    async with serving(controller) as address:
        teacher = Teacher(database, Rspamd(rspamd("", controller=address, password="pw")), lambda: 99, look_s=0.01)
        running = asyncio.create_task(teacher.run())
        try:
            yield teacher
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_lessons_are_taught_with_the_octets_as_they_came(sqlite_database: Database) -> None:
    put(sqlite_database, 1, b"Subject: a\r\n\r\nx\r\n")
    controller = Controller(OK)
    async with teaching(sqlite_database, controller) as teacher:
        await until(lambda: count(sqlite_database) == 0)
        say(sqlite_database, acceptance(1).message_id, "open", 2)
        await until(lambda: teacher.taught_count == 2 and count(sqlite_database) == 0)
    assert controller.paths == [b"/learnspam", b"/learnham"]
    assert controller.contents == [b"Subject: a\r\n\r\nx\r\n"] * 2
    assert controller.passwords == [b"pw"] * 2


async def test_what_is_known_or_cannot_be_learnt_is_done_all_the_same(sqlite_database: Database) -> None:
    for answer, learnt in ((KNOWN, 1), (DECLINED, 0)):
        put(sqlite_database, learnt + 1, b"Subject: %d\r\n\r\nx\r\n" % learnt)
        async with teaching(sqlite_database, Controller(answer)) as teacher:
            await until(lambda: count(sqlite_database) == 0)
            assert teacher.taught_count == learnt


async def test_a_mail_too_large_to_learn_from_is_not_sent(sqlite_database: Database) -> None:
    put(sqlite_database, 1, b"Subject: a\r\n\r\n" + b"x" * 10_000_001)
    controller = Controller(OK)
    async with teaching(sqlite_database, controller):
        await until(lambda: count(sqlite_database) == 0)
    assert controller.paths == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (WRONG_PASSWORD, "wrong password"),
        (NO_FILES, "it could not open the files that it learns into when it was started"),
    ],
)
async def test_a_lesson_waits_for_a_filter_that_refuses_us_or_cannot_learn_anything(
    sqlite_database: Database, answer: bytes, error: str
) -> None:
    put(sqlite_database, 1, b"Subject: a\r\n\r\nx\r\n")
    controller = Controller(answer)
    with structlog.testing.capture_logs() as logs:
        async with teaching(sqlite_database, controller):
            await until(lambda: len(controller.paths) >= 2)
            assert count(sqlite_database) == 1
            controller.answer = OK
            await until(lambda: count(sqlite_database) == 0)
    failures = [entry for entry in logs if entry["event"] == "lessons.failed"]
    assert failures
    assert {entry["error"] for entry in failures} == {error}


async def test_a_word_that_comes_while_the_other_is_taught_is_taught_too(sqlite_database: Database) -> None:
    number = put(sqlite_database, 1, b"Subject: a\r\n\r\nx\r\n")

    class Slow(Controller):
        async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not self.paths:
                await asyncio.to_thread(say, sqlite_database, number, "open", 5)
            await super().__call__(reader, writer)

    controller = Slow(OK)
    async with teaching(sqlite_database, controller):
        await until(lambda: count(sqlite_database) == 0)
    assert controller.paths == [b"/learnspam", b"/learnham"]


async def test_a_letter_on_which_the_filter_fails_keeps_no_other_from_being_taught(sqlite_database: Database) -> None:
    for number in range(1, 5):
        put(sqlite_database, number, b"Subject: poison\r\n\r\n" if number == 1 else b"Subject: %d\r\n\r\n" % number)
    controller = Controller(OK)
    controller.poison = b"poison"
    async with teaching(sqlite_database, controller):
        await until(lambda: count(sqlite_database) == 1)
        controller.poison = None
        await until(lambda: count(sqlite_database) == 0)
