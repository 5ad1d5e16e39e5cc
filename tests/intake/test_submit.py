"""What leaves is archived, filed and queued in one transaction, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select, update

from maild.archive import content, queries
from maild.archive.as_read import Filing, Place, Summary
from maild.archive.commit import accept
from maild.archive.compression import compress
from maild.archive.database import Database
from maild.archive.documents import IndexDocument
from maild.archive.drafts import Draft, Editor, Save, draft, save_drafts
from maild.archive.filing import file
from maild.archive.lists import inbox
from maild.archive.outgoing import answers_since, written_of, written_to
from maild.archive.parting import reference_of
from maild.archive.schema import conversations, entries, filings, joins, messages, recipients, summaries
from maild.archive.schema_outgoing import deliveries, outgoing
from maild.archive.threading import move
from maild.errors import MaildError
from maild.intake.subject_references import SubjectReferences, bits_for
from maild.intake.submission import Collision, Sent, Submission
from maild.intake.submit import Order, Submitter
from maild.intake.taking_back import TakeBack, take_back
from maild.mail.address import Address, parse_address
from maild.mail.ids import format_reference, message_id_at
from maild.mail.inbox import confidential
from maild.mail.reading import facts_of
from maild.policy.visible import OPERATOR, Visible
from tests.archive.samples import NOW_MS, acceptance, filing
from tests.web.office import RULES, rules

TEAM = "poststelle"
KITA = parse_address("kita@musterstadt.example")
PETRA = parse_address("petra@citizen.example")
OCTETS = b"From: kita@musterstadt.example\r\nTo: petra@citizen.example\r\n\r\nGuten Tag\r\n"
WANTING = rules(RULES.replace("poststelle: {", "poststelle: {reference_in_subject: true, "))
TABLES: tuple[Table, ...] = (messages, recipients, summaries, filings, conversations, outgoing, deliveries)


@dataclass
class Door:
    """A submitter on a store; what its reader would say is said by the test."""

    database: Database
    submitter: Submitter = field(init=False)
    now_ms: int = NOW_MS + 60_000
    indexed: list[IndexDocument] = field(default_factory=list)
    told: list[frozenset[str]] = field(default_factory=list)
    number: int = 100
    meanwhile: Callable[[], object] = lambda: None  # while a letter is read

    def __post_init__(self) -> None:
        self.submitter = Submitter(
            writer=self.database.writer,
            read=self.read,
            index=self.indexed.extend,
            on_sent=self.told.append,
            is_ours=lambda address: address.domain == "musterstadt.example",
            hostname="mx.musterstadt.example",
            now_ms=lambda: self.now_ms,
            chance=self.chance,
            references=SubjectReferences(database=self.database, rules=lambda: WANTING),
        )

    def chance(self) -> int:
        self.number += 1
        return self.number

    async def read(self, order: Order, _octets: bytes) -> tuple[Filing, IndexDocument]:
        self.meanwhile()
        summary = Summary(None, "Re: Frage", "Kita", "kita@musterstadt.example", "Guten Tag", 0, 0, None)
        read = Filing(
            message_id=order.message_id, direction="out", summary=summary, author="kita@musterstadt.example",
            people=order.recipients, message_key=None, references=(), places=(Place(order.team, "open", 1),),
            reference_bits=order.message_id * 2654435761 % (1 << 40), rules_version="v", trace=compress(b"[]"),
        )  # fmt: skip
        return read, IndexDocument(message_id=order.message_id, subject="Re: Frage")

    async def send(self, **given: Any) -> Sent | Collision:
        self.now_ms += 1_000
        values: dict[str, Any] = {
            "content": b"X-Number: %d\r\n" % self.now_ms + OCTETS,
            "kind": "answer", "team": TEAM, "author": "jonas", "recipients": (PETRA,),
            "reverse_path": KITA, "state": "closed",
        }  # fmt: skip
        return await self.submitter.submit(Submission(**(values | given)))

    def letter(self, number: int = 1) -> int:
        """Have a letter from outside filed; returns its id, which is that of its conversation."""
        message_id = self.database.writer.submit(accept, acceptance(number)).result().message_id
        item = filing(message_id, teams=(TEAM,))
        assert self.database.writer.submit(file, item).result() is not None
        return message_id

    def draft(self, about: int, number: int = 1) -> int:
        save = Save(
            id=message_id_at(NOW_MS, number), by=Editor(login="jonas"), team=TEAM, kind="answer",
            conversation_id=about, answers_id=about, seen_id=about, fields={"text": "Guten Tag"}, at_ms=NOW_MS,
        )  # fmt: skip
        self.database.writer.submit(save_drafts, save).result()
        return save.id

    def of_draft(self, draft_id: int) -> Draft:
        with self.database.read() as connection:
            return draft(connection, visible=OPERATOR, by=Editor(login="jonas"), draft_id=draft_id)

    def counts(self) -> list[int]:
        with self.database.read() as connection:
            return [connection.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES]

    def subject(self, message_id: int) -> str:
        with self.database.read() as connection:
            message = queries.message(connection, visible=OPERATOR, message_id=message_id)
            return facts_of(content.read(connection, message.digest)).subject

    def reference(self, conversation_id: int) -> str:
        with self.database.read() as connection:
            return reference_of(connection, conversation_id)

    def merge(self, emptied: int, into: int) -> None:
        def unit(connection: Any, arguments: list[None]) -> list[None]:
            move(connection, emptied, into)
            row = {"kind": "merged", "from_id": emptied, "into_id": into, "message_ids": "[]", "at_ms": 1}
            connection.execute(insert(joins).values(row))
            return arguments

        self.database.writer.submit(unit, None).result()

    def row(self, table: Table) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(table)).one()


@pytest.fixture
def door(database: Database) -> Door:
    return Door(database)


def sent(done: Sent | Collision) -> Sent:
    assert isinstance(done, Sent)
    return done


async def test_an_answer_is_archived_filed_in_its_conversation_and_queued(door: Door) -> None:
    letter = door.letter()
    done = sent(await door.send(conversation_id=letter, answers_id=letter, seen_id=letter, not_before_ms=NOW_MS * 2))
    assert done.filed is not None
    assert done.filed.conversation_id == letter
    with door.database.read() as connection:
        message = queries.message(connection, visible=Visible(teams=frozenset({TEAM})), message_id=done.message_id)
        assert content.read(connection, message.digest).endswith(OCTETS)
        assert (message.direction, message.conversation_id, message.reverse_path) == ("out", letter, str(KITA))
        (listed,) = inbox(
            connection, visible=OPERATOR, team=TEAM, state="closed", user_id=0, before=None
        ).rows  # nobody waits any more
        assert listed.waiting_since_ms is None
        assert written_to(connection, visible=OPERATOR, conversation_id=letter) == frozenset({PETRA.key})
        ours = written_of(connection, visible=OPERATOR, message_ids=[done.message_id])[done.message_id]
        assert (ours.kind, ours.author, ours.answers_id) == ("answer", "jonas", letter)
    delivery = door.row(deliveries)
    assert (delivery.recipient, delivery.next_hop, delivery.state) == (str(PETRA), "citizen.example", "queued")
    assert (delivery.due_ms, delivery.once) == (NOW_MS * 2, 0)
    assert door.told == [frozenset({TEAM})]
    assert [document.message_id for document in door.indexed] == [done.message_id]


async def test_a_new_letter_opens_a_conversation_of_its_own(door: Door) -> None:
    letter = door.letter()
    done = sent(await door.send(kind="new"))
    assert done.filed is not None
    assert done.filed.conversation_id == done.message_id != letter


# Each is refused by a table: the row of `outgoing`, the entry, the deliveries.
@pytest.mark.parametrize("wrong", [{"kind": None}, {"state": 7j}, {"not_before_ms": 1 << 70}])
async def test_a_failure_at_any_step_leaves_nothing(door: Door, wrong: dict[str, Any]) -> None:
    letter = door.letter()
    number = door.draft(letter)
    before = door.counts()
    with pytest.raises(Exception, match=r"."):
        await door.send(conversation_id=letter, draft_id=number, **wrong)
    assert door.counts() == before
    assert door.of_draft(number).state == "writing"
    sent(await door.send(conversation_id=letter, draft_id=number))
    assert door.counts() != before


async def test_a_draft_is_sent_once_however_often_one_asks(door: Door) -> None:
    letter = door.letter()
    number = door.draft(letter)
    first = sent(await door.send(conversation_id=letter, draft_id=number))
    counted = door.counts()
    again = sent(await door.send(conversation_id=letter, draft_id=number))
    assert (again.message_id, again.again) == (first.message_id, True)
    assert door.counts() == counted
    assert (door.of_draft(number).state, door.of_draft(number).message_id) == ("sent", first.message_id)


async def test_an_answer_that_a_colleague_was_quicker_with_is_stopped_and_kept(door: Door) -> None:
    letter = door.letter()
    mine = door.draft(letter)
    theirs = sent(await door.send(conversation_id=letter, seen_id=letter, author="petra"))
    counted = door.counts()
    stopped = await door.send(conversation_id=letter, seen_id=letter, draft_id=mine)
    assert isinstance(stopped, Collision)
    assert [(other.message_id, other.author) for other in stopped.others] == [(theirs.message_id, "petra")]
    assert door.counts() == counted
    assert (door.of_draft(mine).state, door.of_draft(mine).why) == ("held", "collision")
    # Having seen it, one may.
    sent(await door.send(conversation_id=letter, seen_id=theirs.message_id, draft_id=mine))


async def test_the_same_octets_to_the_same_recipient_are_sent_once(door: Door) -> None:
    first = sent(await door.send(kind="new", content=OCTETS))
    again = sent(await door.send(kind="new", content=OCTETS))
    assert (again.message_id, again.again) == (first.message_id, True)
    assert door.row(deliveries).message_id == first.message_id


async def test_who_has_had_the_same_octets_is_not_sent_them_again_beside_others(door: Door) -> None:
    lea = parse_address("lea@citizen.example")
    first = sent(await door.send(kind="new", content=OCTETS))
    more = sent(await door.send(kind="new", content=OCTETS, recipients=(PETRA, lea)))
    with door.database.read() as connection:
        ways = connection.execute(select(deliveries.c.message_id, deliveries.c.recipient)).all()
    assert sorted(ways) == [(first.message_id, str(PETRA)), (more.message_id, str(lea))]


async def test_a_draft_given_for_release_stays_with_those_who_may_send_it_when_a_colleague_was_quicker(
    door: Door,
) -> None:
    letter = door.letter()
    mine = door.draft(letter)
    given = Save(
        id=mine, by=Editor(login="jonas"), team=TEAM, kind="answer", conversation_id=letter, answers_id=letter,
        seen_id=letter, fields={"text": "Guten Tag"}, at_ms=NOW_MS, why="release",
    )  # fmt: skip
    door.database.writer.submit(save_drafts, given).result()
    sent(await door.send(conversation_id=letter, seen_id=letter, author="petra"))
    assert isinstance(await door.send(conversation_id=letter, seen_id=letter, draft_id=mine, author="lena"), Collision)
    with door.database.read() as connection:
        lena = Editor(login="lena", releasing=frozenset({TEAM}))
        assert draft(connection, visible=OPERATOR, by=lena, draft_id=mine).state == "held"


async def test_an_answer_of_another_team_stops_nobody(door: Door) -> None:
    letter = door.letter()
    sent(await door.send(conversation_id=letter, seen_id=letter, team="kita"))
    sent(await door.send(conversation_id=letter, seen_id=letter))


async def test_an_answer_follows_the_conversation_that_was_merged_meanwhile(door: Door) -> None:
    first, second = door.letter(1), door.letter(2)

    def merge(connection: Any, arguments: list[None]) -> list[None]:
        connection.execute(update(conversations).where(conversations.c.id == second).values(merged_into=first))
        return arguments

    door.database.writer.submit(merge, None).result()
    done = sent(await door.send(conversation_id=second))
    assert done.filed is not None
    assert done.filed.conversation_id == first


WITH_SUBJECT = OCTETS.replace(b"\r\n\r\n", b"\r\nSubject: Re: Frage\r\n\r\n")


@pytest.mark.parametrize(
    ("kind", "team", "bears"),
    [
        ("answer", TEAM, True),
        ("forward", TEAM, True),
        ("automatic", TEAM, True),
        ("answer", confidential(TEAM), True),
        ("notice", TEAM, False),  # to a colleague
        ("copy", TEAM, False),
        ("answer", "kita", False),  # does not want it
        ("answer", "aufgeloest", False),
    ],
)
async def test_a_letter_bears_the_reference_where_its_team_wants_it(
    door: Door, kind: str, team: str, *, bears: bool
) -> None:
    letter = door.letter()
    done = sent(await door.send(kind=kind, team=team, conversation_id=letter, content=WITH_SUBJECT))
    assert door.subject(done.message_id) == f"Re: Frage [{door.reference(letter)}]" if bears else "Re: Frage"


async def test_a_letter_that_opens_a_conversation_bears_its_reference_also_where_another_has_the_first_choice(
    door: Door,
) -> None:
    for content_, number in ((WITH_SUBJECT, 0), (WITH_SUBJECT + b"2", 1)):
        taken = format_reference(bits_for(content_))
        if number:
            row = {"id": 1, "reference": taken, "subject": ""}
            with door.database.writing.begin() as connection:
                connection.execute(insert(conversations).values(row))
        done = sent(await door.send(kind="new", content=content_))
        assert done.filed is not None
        reference = door.reference(done.filed.conversation_id)
        assert (reference == taken) is not bool(number)
        assert door.subject(done.message_id) == f"Re: Frage [{reference}]"
        assert sent(await door.send(kind="new", content=content_)).again is not bool(number)


async def test_of_conversations_that_are_merged_a_letter_bears_the_reference_that_leads_on(door: Door) -> None:
    first, second = door.letter(1), door.letter(2)
    old = door.reference(second)
    door.meanwhile = lambda: door.merge(second, first)  # after it was written down, and before it is stored
    done = sent(await door.send(conversation_id=second, content=WITH_SUBJECT))
    assert done.filed is not None
    assert done.filed.conversation_id == first
    assert door.subject(done.message_id) == f"Re: Frage [{door.reference(first)}]"
    # What the citizen answers to an older letter still bears the other one.
    door.meanwhile = lambda: None
    older = WITH_SUBJECT.replace(b"Frage", f"Frage [{old}]".encode())
    done = sent(await door.send(conversation_id=first, content=older))
    assert door.subject(done.message_id) == f"Re: Frage [{door.reference(first)}]"


@pytest.mark.parametrize("to", [(), (parse_address("bauamt@musterstadt.example"), PETRA)])
async def test_what_leaves_goes_outside(door: Door, to: tuple[Address, ...]) -> None:
    before = door.counts()
    with pytest.raises(MaildError):
        await door.send(recipients=to)
    assert door.counts() == before


async def test_what_nobody_wrote_is_never_tried_twice(door: Door) -> None:
    await door.send(kind="automatic", reverse_path=None, author="", state=None)
    delivery = door.row(deliveries)
    assert (delivery.once, delivery.reverse_path) == (1, None)


async def test_what_was_taken_back_is_not_sent_and_waits_again(door: Door) -> None:
    letter = door.letter()
    number = door.draft(letter)
    done = sent(await door.send(conversation_id=letter, draft_id=number, seen_id=letter))
    with door.database.read() as connection:
        (ours,) = answers_since(connection, visible=OPERATOR, conversation_id=letter, since_id=letter)
    asked = TakeBack(written=ours, conversation_id=letter, by="jonas", at_ms=door.now_ms)
    taken = door.database.writer.submit(take_back, asked).result()
    assert (taken.dropped, taken.left, taken.draft_id) == (1, 0, number)
    assert door.row(deliveries).state == "dropped"
    entry = door.row(entries)
    assert (entry.state, entry.waiting_since_ms) == ("open", letter >> 21)
    found = door.of_draft(number)
    # Its author is not told that somebody has answered: it was this.
    assert (found.state, found.message_id, found.seen_id) == ("writing", None, done.message_id)
    assert door.database.writer.submit(take_back, asked).result().dropped == 0


async def test_what_has_begun_to_leave_is_not_taken_back(door: Door) -> None:
    letter = door.letter()
    number = door.draft(letter)
    await door.send(conversation_id=letter, draft_id=number, recipients=(PETRA, parse_address("lea@citizen.example")))

    def begin(connection: Any, arguments: list[None]) -> list[None]:
        connection.execute(update(deliveries).where(deliveries.c.recipient == str(PETRA)).values(attempts=1))
        return arguments

    door.database.writer.submit(begin, None).result()
    with door.database.read() as connection:
        (ours,) = answers_since(connection, visible=OPERATOR, conversation_id=letter, since_id=letter)
    asked = TakeBack(written=ours, conversation_id=letter, by="jonas", at_ms=door.now_ms)
    taken = door.database.writer.submit(take_back, asked).result()
    assert (taken.dropped, taken.left, taken.draft_id) == (1, 1, None)
    assert door.of_draft(number).state == "sent"
