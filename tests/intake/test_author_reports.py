"""What authors in mail programs are told of their deliveries: what they asked for, once, and nothing in confidence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from maild.archive import content
from maild.archive.accounts import Disabling, Revocation, disable_users, revoke_grants
from maild.archive.database import Database
from maild.archive.outgoing import answers_since, written_to
from maild.archive.schema import entries, filings, messages, users
from maild.archive.schema_outgoing import deliveries, outgoing
from maild.archive.schema_telling import author_reports
from maild.delivery.deliveries import Delivery, Dsn
from maild.delivery.outcome import Outcome, Result
from maild.delivery.queue.carrying import finish
from maild.delivery.queue.working import End
from maild.intake.author_reports import AuthorReports
from maild.intake.mail_programs import Account
from maild.intake.spool import Spool
from maild.intake.submission import Submission
from maild.mail.address import parse_address
from maild.mail.dsn_reading import report_of
from maild.mail.envelope import Envelope, Peer, Recipient
from maild.mail.header import newline_of, read_header
from maild.mail.inbox import confidential
from maild.mail.reading import facts_of
from maild.policy.roles import Role
from maild.policy.visible import OPERATOR
from tests.delivery.post import DAY_MS, Post
from tests.delivery.sink import Sink
from tests.intake.programs import KITA, PETRA, Programs

HOME = "jonas@rathaus.example"
THERE = "max@there.example"
TEXT = f"Message-ID: <own@us.example>\nFrom: Kita <{KITA}>\nTo: {THERE}\nSubject: Der Bescheid\n\nGeheim\n"
FAILED = Outcome(
    result=Result.FAILED, reply="550 5.1.1 no such user", host="mx.there.example [127.0.0.1]", stage="rcpt"
)
TAKEN = Outcome(result=Result.DELIVERED, reply="250 2.0.0 ok", host="mx.there.example [127.0.0.1]", stage="end")


class Office:
    """A desk, its author `jonas` with a mailbox outside, and what became of a letter."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.programs = Programs(database, directory)
        self.number = 0
        self.tasks = [self.task() for _ in range(2)]

    def task(self) -> AuthorReports:
        return AuthorReports(
            database=self.database, rules=lambda: self.programs.rulebook.current,
            submitter=self.programs.desk._submitter, hostname="mx.us.example",
            base_url="https://post.us.example", now_ms=lambda: self.programs.now_ms,
        )  # fmt: skip

    async def author(self, mail: str = HOME, login: str = "jonas") -> Account:
        password = self.programs.person(login, "kita")
        with self.database.writing.begin() as connection:
            connection.execute(users.update().values(mail=mail))
        found = await self.programs.desk.sign_in("192.0.2.1", login, password)
        assert isinstance(found, Account)
        return found

    async def hand_in(
        self, account: Account, *notify: str, text: str = TEXT, to: tuple[str, ...] = (THERE,), ret: str | None = None,
        null: bool = False,
    ) -> None:  # fmt: skip
        spool = Spool(self.programs.directory)
        spool.write(text.replace("\n", "\r\n").encode())
        envelope = Envelope(
            reverse_path=None if null else parse_address(KITA), ret=ret, envid="QQ+2B1",
            recipients=tuple(
                Recipient(address=parse_address(each), notify=frozenset(notify), orcpt="rfc822;moritz@there.example")
                for each in to
            ),
            peer=Peer(ip="192.0.2.1", port=1, helo="pc", protocol="ESMTPS"),
        )  # fmt: skip
        assert (await self.programs.desk.submit(account, envelope, spool)).code == 250

    def ends(self, outcome: Outcome, *, to: str = THERE, started: int = 0) -> None:
        """Record how a try ended, as the worker does."""
        (row,) = (row for row in self.programs.rows(deliveries) if row.recipient == to and row.state != "failed")
        tried = Delivery(
            id=row.id, message_id=row.message_id, kind=row.kind, recipient=row.recipient, reverse_path=KITA,
            next_hop=row.next_hop, dsn=Dsn.from_json(row.dsn), once=bool(row.once), attempts=row.attempts,
            made_ms=row.made_ms, expires_ms=row.expires_ms, lease_ms=row.lease_ms,
        )  # fmt: skip
        at_ms = self.programs.now_ms + started
        end = End(delivery=tried, outcome=outcome, started_ms=at_ms, at_ms=at_ms, jitter=0.5)
        self.database.writer.submit(finish, end).result()

    def notices(self) -> list[bytes]:
        numbers = [row.message_id for row in self.programs.rows(outgoing) if row.kind == "notice"]
        digests = {row.id: row.digest for row in self.programs.rows(messages)}
        with self.database.read() as connection:
            return [content.read(connection, digests[number]) for number in numbers]

    def fates(self) -> list[tuple[str, str, str]]:
        return [(row.action, row.state, row.why) for row in self.programs.rows(author_reports)]


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path)


async def test_a_letter_that_fails_is_told_to_its_author_once_and_to_nobody_as_an_automat(office: Office) -> None:
    await office.hand_in(await office.author())
    office.ends(FAILED)
    await asyncio.gather(*(task.once() for task in office.tasks))  # two hosts at once
    await office.task().once()
    (octets,) = office.notices()
    (told,) = (report_of(octets) or pytest.fail("no report")).recipients
    assert (told.recipient, told.action, told.code) == (THERE, "failed", "5.1.1")
    head = read_header(octets, 0, len(octets), newline_of(octets))
    assert head.first("auto-submitted").raw.strip() == "auto-replied"  # type: ignore[union-attr]
    for part in (b"Original-Envelope-Id: QQ+1", b"rfc822;moritz@there.example", b"Reporting-MTA: dns; mx.us.example",
                 b"Remote-MTA: dns; mx.there.example\r\n"):  # fmt: skip
        assert part in octets
    assert b"Geheim" not in octets
    way = next(row for row in office.programs.rows(deliveries) if row.recipient == HOME)
    assert (way.reverse_path, way.once, way.state) == (None, 1, "queued")
    # It lies in the letter's conversation, and answers nobody there.
    assert len({row.conversation_id for row in office.programs.rows(filings)}) == 1
    assert [row.state for row in office.programs.rows(entries)] == ["open"]
    assert office.fates() == [("failed", "told", "")]
    # No colleague has answered past anybody, and the author's mailbox is none that the exchange is with.
    (letter,) = (row for row in office.programs.rows(filings) if row.message_id == row.conversation_id)
    with office.database.read() as connection:
        where = {"visible": OPERATOR, "conversation_id": letter.conversation_id}
        assert answers_since(connection, since_id=letter.message_id, **where) == ()
        assert written_to(connection, **where) == frozenset({THERE})
    # What becomes of the report itself is told to nobody.
    office.ends(FAILED, to=HOME)
    await office.task().once()
    assert len(office.notices()) == 1


NOTIFY = {
    (): {"failed", "delayed"}, ("NEVER",): set(), ("SUCCESS",): {"relayed"}, ("FAILURE",): {"failed"},
    ("DELAY",): {"delayed"}, ("FAILURE", "DELAY"): {"failed", "delayed"},
    ("SUCCESS", "FAILURE", "DELAY"): {"failed", "delayed", "relayed"},
}  # fmt: skip


LATER = Outcome(result=Result.DEFERRED, reply="451 4.3.0 later")
ENDS = {
    "failed": [FAILED],
    "relayed": [TAKEN],
    "reported": [Outcome(result=Result.DELIVERED, reply="250 ok", reports=True)],  # the next hop reports itself
    "delayed": [LATER] * 9,  # one notice, however long it takes
}


@pytest.mark.parametrize("notify", NOTIFY)
async def test_the_author_is_told_what_was_asked_for(
    sqlite_database: Database, tmp_path: Path, notify: tuple[str, ...]
) -> None:
    office = Office(sqlite_database, tmp_path)
    account = await office.author()
    for case, ends in ENDS.items():
        to = f"{case}@there.example"
        await office.hand_in(account, *notify, text=TEXT.replace("<own@", f"<{case}@"), to=(to,))
        for hour, end in enumerate(ends):
            office.ends(end, to=to, started=hour * DAY_MS // 24)
            await office.task().once()
    assert {row.action for row in office.programs.rows(author_reports)} == NOTIFY[notify]
    assert len(office.notices()) == len(NOTIFY[notify])


class Killed(Exception):  # noqa: N818 - what the test does to the task
    pass


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_kill_before_or_behind_the_commit_leaves_exactly_one_report(
    office: Office, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.hand_in(await office.author())
    office.ends(FAILED)
    submitter = office.programs.desk._submitter
    submit = submitter.submit

    async def killed(asked: Submission) -> None:
        if moment == "after":
            await submit(asked)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(submitter, "submit", killed)
        await office.task().once()
    assert len(office.notices()) == int(moment == "after")
    await office.task().once()
    assert len(office.notices()) == 1


async def test_one_report_tells_of_all_recipients_and_waits_a_minute_for_them(office: Office) -> None:
    others = ("a@there.example", "b@there.example")
    await office.hand_in(await office.author(), to=(THERE, *others))
    for each in (THERE, others[0]):
        office.ends(FAILED, to=each)
    await office.task().once()
    assert office.notices() == []
    office.ends(TAKEN, to=others[1])
    await office.task().once()
    (octets,) = office.notices()
    assert sorted(each.recipient for each in (report_of(octets) or pytest.fail("none")).recipients) == [
        others[0],
        THERE,
    ]


async def test_the_whole_letter_comes_back_only_where_it_was_asked_for(office: Office) -> None:
    await office.hand_in(await office.author(), ret="FULL")
    office.ends(FAILED)
    await office.task().once()
    assert b"Geheim" in office.notices()[0]


UNTOLD = {
    "an address of ours": "no-mailbox", "closed": "no-right", "no right": "no-right", "automatic": "automatic",
    "null": "", "tried again": "over",
}  # fmt: skip


@pytest.mark.parametrize("case", UNTOLD)
async def test_nobody_is_told(sqlite_database: Database, tmp_path: Path, case: str) -> None:
    office = Office(sqlite_database, tmp_path)
    account = await office.author("info@musterstadt.example" if case == "an address of ours" else HOME)
    text = TEXT.replace("Subject:", "Auto-Submitted: auto-generated\nSubject:") if case == "automatic" else TEXT
    await office.hand_in(account, text=text, null=case == "null")
    office.ends(FAILED)
    now_ms, writer = office.programs.now_ms, sqlite_database.writer
    if case == "closed":
        writer.submit(disable_users, Disabling(login="jonas", disabled_ms=now_ms)).result()
    elif case == "no right":
        gone = Revocation(login="jonas", role=Role.RESPONDER, team="kita", revoked_ms=now_ms)
        writer.submit(revoke_grants, gone).result()
    elif case == "tried again":
        with sqlite_database.writing.begin() as connection:
            connection.execute(deliveries.update().values(state="queued"))
    await office.task().once()
    assert office.notices() == []
    assert office.fates() == ([("failed", "dropped", UNTOLD[case])] if UNTOLD[case] else [])
    if case == "tried again":  # it fails after all
        office.ends(FAILED)
        await office.task().once()
        assert len(office.notices()) == 1


async def test_of_a_confidential_letter_a_report_says_to_whom_and_why_and_no_more(office: Office) -> None:
    await office.hand_in(await office.author(), ret="FULL")
    with office.database.writing.begin() as connection:
        connection.execute(outgoing.update().values(team=confidential("kita")))
    office.programs.person("kim", "kita", role=Role.MANAGER)
    with office.database.writing.begin() as connection:
        connection.execute(outgoing.update().values(author="kim"))
        connection.execute(users.update().values(mail=HOME))
    said = Outcome(result=Result.FAILED, reply="550 5.1.1 Der Bescheid: nobody", host="mx.there.example", stage="rcpt")
    office.ends(said)
    await office.task().once()
    (octets,) = office.notices()
    assert b"Bescheid" not in octets
    assert b"Geheim" not in octets
    (told,) = (report_of(octets) or pytest.fail("none")).recipients
    assert (told.recipient, told.code) == (THERE, "5.1.1")
    assert facts_of(octets).references == ("own@us.example",)


async def test_who_was_slower_than_a_colleague_is_told_how_to_let_the_letter_go(office: Office) -> None:
    office.programs.letter()
    slow, quick = await office.author(), await office.author(login="lea")
    text = TEXT.replace("Subject:", "In-Reply-To: <frage@citizen.example>\nSubject:")
    await office.hand_in(quick, text=text.replace("own@", "quick@"))
    await office.hand_in(slow, text=text)
    assert [row.state for row in office.programs.rows(deliveries)] == ["queued", "held"]
    await asyncio.gather(*(task.once() for task in office.tasks))
    (octets,) = office.notices()
    assert b"https://post.us.example/c/" in octets
    assert b"Bescheid" not in octets
    # What somebody lets go, and then fails, is told besides.
    with office.database.writing.begin() as connection:
        connection.execute(deliveries.update().where(deliveries.c.state == "held").values(state="queued", due_ms=0))
        connection.execute(deliveries.update().where(deliveries.c.once == 0).values(recipient=deliveries.c.id))
    office.ends(FAILED, to="2")
    assert {row.action for row in office.programs.rows(author_reports)} == {"held", "failed"}


async def test_a_worker_and_its_next_hop_lead_to_a_report_that_leaves(office: Office) -> None:
    await office.hand_in(await office.author())
    async with Sink() as sink:
        sink.refused = frozenset({THERE})
        post = Post(office.database, port=sink.port)
        post.now_ms = office.programs.now_ms
        await post.turn()
    await office.task().once()
    assert office.fates() == [("failed", "told", "")]
    assert PETRA not in str(office.notices())
