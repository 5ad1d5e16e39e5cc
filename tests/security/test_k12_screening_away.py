"""K12: those who are asked before the 250 are dead, slow, or die in the middle of a mail: accepted or deferred as set.

The same for all of them: no exception, no 5xx, and every mail that was answered 250 is in the archive.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maild.archive.database import Database
from maild.config.screening import Blocklists
from maild.dns.answer import Answer, Kind
from maild.intake.spool import Spool
from maild.screening.blocklists import Blocklists as AskedLists
from maild.screening.clamav import Clamav
from maild.screening.rspamd import Rspamd
from maild.screening.screen import Screen
from tests.intake.test_screening import Reception
from tests.needs import require
from tests.scanners import Scanner, clamd_in, rspamd_in
from tests.screening.mails import HAM, SPAM, VIRUS, clamav, envelope, rspamd
from tests.screening.test_blocklists import section

AWAY = "451 4.3.0 This message cannot be examined at the moment, try again later"


@pytest.fixture(scope="module")
def scanners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scanner, Scanner]]:
    require("rspamd")
    require("clamav-daemon")
    pair = rspamd_in(tmp_path_factory.mktemp("rspamd")), clamd_in(tmp_path_factory.mktemp("clamd"))
    for scanner in pair:
        scanner.start()
    yield pair
    for scanner in pair:
        scanner.kill()


def screen(scanners: tuple[Scanner, Scanner], if_unavailable: str, timeout_s: float = 30.0) -> Screen:
    filter_, scanner = scanners
    return Screen(
        [
            Clamav(clamav(scanner.address, if_unavailable=if_unavailable, timeout_s=timeout_s)),
            Rspamd(rspamd(filter_.address, if_unavailable=if_unavailable, timeout_s=timeout_s)),
        ]
    )


class Watched(Spool):
    """A spool that counts how often somebody began to read it."""

    begun = 0

    def pieces(self) -> Iterator[bytes]:
        self.begun += 1
        return super().pieces()


@pytest.mark.parametrize("if_unavailable", ["accept", "defer"])
async def test_both_killed_in_the_middle_of_a_mail(
    scanners: tuple[Scanner, Scanner], if_unavailable: str, sqlite_database: Database, tmp_path: Path
) -> None:
    reception = Reception(sqlite_database, tmp_path, screen(scanners, if_unavailable))
    assert (await reception.give()).startswith("250 ")
    for scanner in scanners:
        if scanner.process is None:  # another test failed after it had killed them
            scanner.start()
        scanner.signal(signal.SIGSTOP)  # the kernel still takes connections for them: the mail is on its way
    spool = Watched(tmp_path)
    spool.write(HAM + b"x" * 500_000)
    under_way = asyncio.create_task(reception.intake.accept(envelope(), spool))
    try:
        async with asyncio.timeout(60):
            while spool.begun < 2:  # noqa: ASYNC110 - the spool tells nobody
                await asyncio.sleep(0.01)
    finally:
        for scanner in scanners:
            scanner.kill()
    reply = str(await under_way)
    assert reply.startswith("250 ") if if_unavailable == "accept" else reply == AWAY
    assert str(await reception.give(HAM + b"2")).startswith("250 " if if_unavailable == "accept" else "451 ")
    for scanner in scanners:
        scanner.start()
    assert (await reception.give(HAM + b"3")).startswith("250 ")
    count, said = reception.kept()
    assert count == (4 if if_unavailable == "accept" else 2)
    assert [sorted({f.verdict for f in s.findings}) for s in said[1:-1]] == [["unavailable"]] * (count - 2)
    assert len(reception.offered) == count


async def test_tools_that_hang_cost_no_more_than_their_time(
    scanners: tuple[Scanner, Scanner], sqlite_database: Database, tmp_path: Path
) -> None:
    for scanner in scanners:
        scanner.signal(signal.SIGSTOP)
    try:
        for if_unavailable, code in (("accept", "250"), ("defer", "451")):
            reception = Reception(sqlite_database, tmp_path, screen(scanners, if_unavailable, timeout_s=0.2))
            async with asyncio.timeout(60):
                assert (await reception.give(HAM + code.encode())).startswith(code)
    finally:
        for scanner in scanners:
            scanner.signal(signal.SIGCONT)
    assert reception.kept()[0] == 1


async def test_what_is_found_is_refused_also_while_the_other_one_is_away(
    scanners: tuple[Scanner, Scanner], sqlite_database: Database, tmp_path: Path
) -> None:
    filter_, scanner = scanners
    nobody = replace(filter_, port=1)
    reception = Reception(sqlite_database, tmp_path, screen((nobody, scanner), "defer"))
    assert (await reception.give(VIRUS)).startswith("554 5.7.1 A virus was found")
    reception = Reception(sqlite_database, tmp_path, screen((filter_, replace(scanner, port=1)), "defer"))
    assert (await reception.give(SPAM)).startswith("554 5.7.1 This message was taken for spam")
    assert reception.kept() == (0, [])


class Silent:
    """A resolver whose every question goes unanswered."""

    async def ask(self, name: str, kind: Kind) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError(name, kind)


async def test_block_lists_that_never_answer_cost_no_more_than_their_time(
    sqlite_database: Database, tmp_path: Path
) -> None:
    settings: Blocklists = section("bl.example", "other.example", timeout_s=0.1)
    for if_unavailable, code in (("accept", "250"), ("defer", "451")):
        lists = AskedLists(replace(settings, if_unavailable=if_unavailable), Silent(), lambda: 0.0)
        reception = Reception(sqlite_database, tmp_path, Screen([lists]))
        async with asyncio.timeout(60):
            assert (await reception.give(HAM + code.encode())).startswith(code)
    assert reception.kept()[0] == 1
