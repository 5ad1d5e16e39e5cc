from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from maild.archive import work
from maild.archive.as_read import Question
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.documents import IndexDocument
from maild.archive.examinations import evidence_of
from maild.archive.filing import file
from maild.archive.schema import content, entries, filings, recipients, summaries, tags
from maild.archive.schema_outgoing import deliveries, returns
from maild.authentication.examiner import Examiner, Terms
from maild.confinement import Pool
from maild.dns.answer import Answer, Kind, Status
from maild.mail.authentication import NO_RELAYS, TrustedRelays
from maild.mail.envelope_token import return_address
from maild.mail.inbox import confidential
from maild.router.claims import Claims, Task
from maild.router.reading import Addressed, Order, read_batch, read_one
from maild.router.router import Router
from maild.rules.loader import load
from tests.archive.samples import NOW_MS, acceptance, filing
from tests.scenarios.site import RULES
from tests.web.office import Book

LARGE = (
    b"Subject: %d\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nword%d\r\n"
    b"--b\r\nContent-Type: application/pdf; name=plan.pdf\r\n\r\n" + b"0123456789\r\n" * 150_000
)


class Documents:
    """An index that only keeps what it is given."""

    def __init__(self, pool: Pool) -> None:
        self.found: list[IndexDocument] = []
        self.pool = pool

    def add(self, documents: list[IndexDocument]) -> None:
        self.found += documents


@asynccontextmanager
async def routing(
    database: Database,
    more: str = "",
    *,
    examiner: Examiner | None = None,
    token_key: bytes | None = None,
    relays: TrustedRelays = NO_RELAYS,
) -> AsyncIterator[Documents]:
    """Run a router until everything that waits is filed."""
    ruleset, _ = load(RULES + more, "rules.yaml")
    assert ruleset is not None
    book: Any = Book(ruleset)
    pool = Pool(2, preload=("maild.router.reading",))
    await asyncio.gather(*(pool.run("operator:add", 1, 1) for _ in range(2)))  # both workers are awake
    index: Any = Documents(pool)
    router = Router(
        database=database,
        rulebook=book,
        pool=pool,
        index=index,
        on_filed=lambda _: None,
        chance=lambda _: 7,
        now_ms=lambda: NOW_MS,
        examiner=examiner,
        token_key=token_key,
        relays=relays,
    )
    running = asyncio.create_task(router.run())
    try:
        yield index
        async with asyncio.timeout(60):
            while _open_items(database):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
    finally:
        router.stop()
        await running
        await pool.close()


class Waiting:
    """A DNS that answers about one domain only when everything else is filed."""

    def __init__(self, database: Database, others: int) -> None:
        self._database = database
        self._others = others

    async def ask(self, name: str, kind: Kind) -> Answer:
        while kind is Kind.TXT and "langsam" in name and self._filed() < self._others:  # noqa: ASYNC110 - as below
            await asyncio.sleep(0.01)
        return Answer(Status.NO_NAME)

    def _filed(self) -> int:
        with self._database.read() as connection:
            return len(connection.execute(select(summaries.c.message_id)).all())


def _open_items(database: Database) -> bool:
    with database.read() as connection:
        return connection.scalar(select(recipients.c.message_id).where(recipients.c.state == "accepted")) is not None


def _store(database: Database, number: int, octets: bytes) -> int:
    return database.writer.submit(accept, acceptance(number, octets=octets)).result().message_id


async def test_a_large_mail_is_read_whole_though_nobody_holds_it(sqlite_database: Database) -> None:
    _store(sqlite_database, 1, LARGE % (1, 1) + b"--b\r\n\r\nlastword\r\n--b--\r\n")
    async with routing(sqlite_database) as index:
        pass
    (document,) = index.found
    assert document.body.split() == ["word1", "lastword"]
    with sqlite_database.read() as connection:
        assert connection.execute(select(summaries.c.subject, summaries.c.source_only)).all() == [("1", None)]


async def test_a_mail_that_kills_its_reader_twice_is_filed_by_its_envelope(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = _store(sqlite_database, 1, LARGE % (1, 1))
    died = list[str]()
    async with routing(sqlite_database) as index:
        read = index.pool.run

        async def die(target: str, *arguments: object, bulk: bool = False) -> object:
            if not _open_items(sqlite_database):
                return await read(target, *arguments, bulk=bulk)
            died.append(target)
            return await read("tests.confined:crash", bulk=bulk)  # as if the mail itself had done it

        monkeypatch.setattr(index.pool, "run", die)
        async with asyncio.timeout(60):
            while _open_items(sqlite_database):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
        monkeypatch.undo()
        good = _store(sqlite_database, 2, b"Subject: good\r\n\r\nx")
    assert died == ["maild.router.reading:read_batch"] * 2
    with sqlite_database.read() as connection:
        found = {r[0]: r[1] for r in connection.execute(select(summaries.c.message_id, summaries.c.source_only))}
    assert found == {poison: "crash", good: None}


@pytest.mark.parametrize("late", [None, "waiting_ids", "waiting"])
async def test_a_backlog_is_filed_without_a_pause(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, late: str | None
) -> None:
    """Nor where what a look at the database found is filed before the look ends."""
    if late is not None:
        _let_others_file_after(monkeypatch, late)
    monkeypatch.setattr("maild.router.claims._CLAIM", 4)
    monkeypatch.setattr("maild.router.pace.BATCH", 2)
    monkeypatch.setattr("maild.router.claims._POLL_S", 3600.0)
    for number in range(1, 30):
        _store(sqlite_database, number, b"Subject: %d\r\n\r\nx\r\n" % number)
    async with routing(sqlite_database) as index:
        pass
    assert len(index.found) == 29


def _let_others_file_after(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """After that query the database's thread waits until everything claimed is filed."""
    claiming: list[Claims] = []
    look, query = Claims._read_waiting, getattr(work, name)

    def looking(claims: Claims, after: int) -> Any:
        claiming.append(claims)
        return look(claims, after)

    def late(*arguments: Any) -> Any:
        found = query(*arguments)
        while claiming[-1].count:
            time.sleep(0.001)
        return found

    monkeypatch.setattr(Claims, "_read_waiting", looking)
    monkeypatch.setattr(work, name, late)


async def test_a_batch_has_its_fill_of_octets(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maild.router.pace.BATCH_BYTES", 2_000)
    for number in range(6):
        _store(sqlite_database, number, b"Subject: %d\r\n\r\n" % number + b"0123456789abc\r\n" * 60)
    read: list[int] = []
    async with routing(sqlite_database) as index:
        run = index.pool.run

        async def measured(target: str, *arguments: Any, bulk: bool = False) -> Any:
            _, _, _, _, *contents = arguments
            read.append(sum(map(len, contents)))
            return await run(target, *arguments, bulk=bulk)

        monkeypatch.setattr(index.pool, "run", measured)
    assert len(index.found) == 6
    assert max(read) <= 2_000


async def test_other_mail_does_not_wait_for_large_mail(sqlite_database: Database) -> None:
    for number in range(12):
        _store(sqlite_database, number, LARGE % (number, number))
    small = _store(sqlite_database, 20, b"Subject: small\r\n\r\nx")
    async with routing(sqlite_database) as index:
        pass
    order = [document.message_id for document in index.found]
    assert len(order) == 13
    assert order.index(small) < 9


@pytest.mark.parametrize("octets", [LARGE % (1, 1), b"Subject: small\r\n\r\nx"], ids=["large", "small"])
async def test_a_mail_whose_content_rotted_is_filed_by_its_envelope_and_spoils_no_other(
    sqlite_database: Database, octets: bytes
) -> None:
    rotten = _store(sqlite_database, 1, octets)
    digest = acceptance(1, octets=octets).content.digest
    with sqlite_database.writing.begin() as connection:
        connection.execute(update(content).where(content.c.digest == digest).values(octets=b"rotten"))
    others = [_store(sqlite_database, number, b"Subject: good\r\n\r\n%d" % number) for number in range(2, 5)]
    others.append(_store(sqlite_database, 5, LARGE % (5, 5)))
    async with routing(sqlite_database):
        pass
    with sqlite_database.read() as connection:
        found = {r[0]: r[1] for r in connection.execute(select(summaries.c.message_id, summaries.c.source_only))}
    assert found == {rotten: "missing"} | dict.fromkeys(others)


def _order(message_id: int) -> Order:
    return Order(
        message_id=message_id,
        direction="in",
        received_ms=NOW_MS,
        reverse_path=None,
        addressed=(Addressed(as_given="info@musterstadt.example", team=None),),
        reference_bits=7,
        size=9,
    )


async def test_a_mail_that_cannot_be_filed_as_it_was_read_is_filed_by_its_envelope(sqlite_database: Database) -> None:
    ruleset, _ = load(RULES, "rules.yaml")
    assert ruleset is not None
    message_id = sqlite_database.writer.submit(accept, acceptance(1)).result().message_id
    order = _order(message_id)
    reading = read_one(ruleset, order, b"Subject: x\r\n\r\nx")
    poison = reading._replace(filing=reading.filing._replace(message_key="a@b", author="\ud800", people=("\ud800",)))
    poison = poison._replace(filing=poison.filing._replace(summary=poison.filing.summary._replace(subject="\ud800")))
    nothing: Any = None
    router = Router(
        database=sqlite_database,
        rulebook=nothing,
        pool=nothing,
        index=nothing,
        on_filed=nothing,
        chance=nothing,
        now_ms=nothing,
    )
    ((_, filed),) = await router._file(ruleset, [Task(order)], [poison])
    assert filed is not None
    assert filed.teams == ("poststelle",)
    with sqlite_database.read() as connection:
        assert connection.scalar(select(recipients.c.state)) == "problem"
        assert connection.scalar(select(summaries.c.problem)) == "UnicodeEncodeError in filing"


ASKING = """\
rules:
  - {id: seen, when: {subject: x}, mode: observe, then: {tag: x}}
  - {id: held, when: {to: info}, then: {hold: first, confidential: true}, continue: true}
"""


@pytest.mark.parametrize("table", ["duties", "rule_hits", "observations"])
async def test_a_mail_whose_duties_cannot_be_recorded_is_filed_without_them_and_keeps_nobody_waiting(
    sqlite_database: Database, table: str
) -> None:
    refusal = f"CREATE TRIGGER t BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'refused'); END"
    sqlite_database.writer.submit(lambda c, n: [c.exec_driver_sql(refusal) for _ in n], 0).result()
    async with routing(sqlite_database, ASKING):
        _store(sqlite_database, 1, b"Subject: x\r\n\r\nx")
        _store(sqlite_database, 2, b"Subject: y\r\n\r\ny")
    with sqlite_database.read() as connection:
        found = connection.execute(select(summaries.c.subject, summaries.c.problem).order_by(summaries.c.subject)).all()
        inboxes = set(connection.scalars(select(filings.c.team)))
    assert found[0] == ("x", "IntegrityError in filing")
    assert found[1][0] == "y"
    assert inboxes == {confidential("poststelle")}


REPLY_RULES = "rules:\n  - {id: answers, when: {reply: true}, then: {tag: answer}}\n"


@pytest.mark.parametrize("padding", [b"", b"0123456789\r\n" * 150_000], ids=["small", "large"])
async def test_a_rule_sees_whether_a_letter_belongs_to_a_conversation(
    sqlite_database: Database, padding: bytes
) -> None:
    def letter(number: int, fields: bytes) -> int:
        octets = b"Message-ID: <%d@c.example>\r\n%b\r\n%b" % (number, fields, padding)
        return _store(sqlite_database, number, octets)

    from_petra, to_first = b"From: petra@citizen.example\r\n", b"In-Reply-To: <1@c.example>\r\n"
    async with routing(sqlite_database, REPLY_RULES):
        letter(1, from_petra)
    async with routing(sqlite_database, REPLY_RULES):
        answer = letter(2, from_petra + to_first)
        letter(3, b"From: eve@evil.example\r\n" + to_first)
        letter(4, from_petra + b"References: <never@seen.example>\r\n")
        letter(5, from_petra)
    on = entries.c.conversation_id == tags.c.conversation_id
    with sqlite_database.read() as connection:
        tagged = connection.execute(select(tags.c.tag, entries.c.newest_id).join_from(tags, entries, on)).all()
        filed = {r[0]: r[1] for r in connection.execute(select(summaries.c.message_id, summaries.c.problem))}
    assert tagged == [("answer", answer)]
    assert len(filed) == 5
    assert set(filed.values()) == {None}


@pytest.mark.parametrize(
    ("more", "octets", "told", "asks"),
    [
        (REPLY_RULES, b"In-Reply-To: <a@b.example>\r\n\r\nx", None, True),
        (REPLY_RULES, b"In-Reply-To: <a@b.example>\r\n\r\nx", False, False),  # it was told
        (REPLY_RULES, b"Subject: x\r\n\r\nx", None, False),  # it refers to nothing
        ("", b"In-Reply-To: <a@b.example>\r\n\r\nx", None, False),  # no rule wants to know
    ],
)
def test_the_worker_asks_for_replies_when_a_rule_does(more: str, octets: bytes, told: bool | None, asks: bool) -> None:
    ruleset, _ = load(RULES + more, "rules.yaml")
    assert ruleset is not None
    answers = read_batch(ruleset.version, pickle.dumps(ruleset), frozenset(), [_order(1)._replace(reply=told)], octets)
    assert isinstance(answers, list)
    assert isinstance(answers[0], Question) == asks


def _from_outside(database: Database, number: int, author: str) -> int:
    octets = f"From: {author}\r\nSubject: {number}\r\n\r\n".encode()
    envelope = '{"ip": "192.0.2.1", "helo": "mx.example"}'
    item = replace(acceptance(number, octets=octets, sender=author), envelope=envelope)
    return database.writer.submit(accept, item).result().message_id


async def test_somebodys_slow_dns_keeps_nobody_elses_mail_waiting(sqlite_database: Database) -> None:
    slow = [_from_outside(sqlite_database, n, "a@langsam.example") for n in range(3)]
    quick = [_from_outside(sqlite_database, n, f"a@quick{n}.example") for n in range(3, 40)]
    examiner = Examiner(Waiting(sqlite_database, len(quick)), Terms(limit_s=60))
    async with routing(sqlite_database, examiner=examiner):
        pass
    with sqlite_database.read() as connection:
        found = evidence_of(connection, [*slow, *quick])
    assert set(found) == {*slow, *quick}
    assert all(evidence.verdicts == ("none", "none", "none") for evidence in found.values())


async def test_senders_of_mail_that_was_imported_are_not_asked_about(sqlite_database: Database) -> None:
    stored = _store(sqlite_database, 1, b"From: a@b.example\r\n\r\n")
    async with routing(sqlite_database, examiner=Examiner(Waiting(sqlite_database, 0), Terms())):
        pass
    with sqlite_database.read() as connection:
        assert evidence_of(connection, [stored]) == {}


def _delivered(database: Database) -> tuple[int, int]:
    """Keep a letter of the nursery's that was delivered; return it and its delivery."""
    kept = acceptance(1, direction="out", to=("max@citizen.example",))
    sent = database.writer.submit(accept, kept).result().message_id
    item = filing(sent, direction="out", key="own@musterstadt.example", teams=("kita",))
    database.writer.submit(file, item).result()
    row = {
        "message_id": sent, "kind": "smtp", "recipient": "max@citizen.example", "next_hop": "citizen.example",
        "state": "delivered", "dsn": "{}", "once": 0, "attempts": 1, "made_ms": 0, "due_ms": 0, "expires_ms": 0,
        "outcome": "", "doubtful": 0,
    }  # fmt: skip
    with database.writing.begin() as connection:
        delivery_id = connection.execute(insert(deliveries).values(row).returning(deliveries.c.id)).scalar_one()
    return sent, delivery_id


@pytest.mark.parametrize("genuine", [True, False])
async def test_a_report_to_an_envelope_token_lies_with_the_letter_that_it_is_about(
    sqlite_database: Database, genuine: bool
) -> None:
    key = b"k" * 32
    sent, delivery_id = _delivered(sqlite_database)
    to = str(return_address(delivery_id, "musterstadt.example", key if genuine else b"x" * 32))
    report = (
        b"From: MAILER-DAEMON@x.example\r\nSubject: failure notice\r\n\r\n<max@citizen.example>:\r\nuser unknown\r\n"
    )
    back = acceptance(2, octets=report, to=(to,), sender=None)
    back_id = sqlite_database.writer.submit(accept, back).result().message_id
    async with routing(sqlite_database, token_key=key):
        pass
    with sqlite_database.read() as connection:
        rows = connection.execute(select(returns.c.about_id, returns.c.delivery_id, returns.c.reason)).all()
        where = select(filings.c.team, filings.c.conversation_id).where(filings.c.message_id == back_id)
        (place,) = connection.execute(where).all()
    if genuine:
        assert rows == [(sent, delivery_id, "user-unknown")]
        assert place == ("kita", sent)
    else:
        assert rows == [(None, None, "user-unknown")]
        assert place.conversation_id == back_id


async def test_what_came_to_an_envelope_token_and_to_an_office_lies_with_the_office(sqlite_database: Database) -> None:
    key = b"k" * 32
    _, delivery_id = _delivered(sqlite_database)
    token = str(return_address(delivery_id, "musterstadt.example", key))
    both = acceptance(2, to=(token, "info@musterstadt.example"), sender=None)
    stored = sqlite_database.writer.submit(accept, both).result().message_id
    async with routing(sqlite_database, token_key=key):
        pass
    with sqlite_database.read() as connection:
        teams = connection.scalars(select(filings.c.team).where(filings.c.message_id == stored)).all()
    assert "poststelle" in teams


async def test_what_a_trusted_relay_has_found_out_counts_also_for_mail_that_was_left_waiting(
    sqlite_database: Database,
) -> None:
    octets = b"Authentication-Results: mx.town.example; dmarc=pass header.from=b.example\r\nReceived: x\r\n"
    item = acceptance(1, octets=octets + b"From: a@b.example\r\n\r\n", sender="a@b.example")
    item = replace(item, envelope='{"ip": "192.0.2.1", "helo": "mx.town.example"}')
    stored = sqlite_database.writer.submit(accept, item).result().message_id
    relays = TrustedRelays(networks=(ip_network("192.0.2.0/24"),), authserv_ids=("mx.town.example",))
    examiner = Examiner(Waiting(sqlite_database, 0), Terms())
    async with routing(sqlite_database, examiner=examiner, relays=relays):
        pass
    with sqlite_database.read() as connection:
        evidence = evidence_of(connection, [stored])[stored]
    assert (evidence.relay, evidence.dmarc.result) == ("mx.town.example", "pass")
