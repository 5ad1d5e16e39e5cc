"""Automatic answers are written once, to those who are proven to have written, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select

from maild.archive import automatic
from maild.archive.automatic import DAY_MS, HOUR_MS
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.duties import Release, duties_of, release
from maild.archive.examinations import keep_evidence
from maild.archive.filing import file
from maild.archive.schema import messages
from maild.archive.schema_outgoing import deliveries, outgoing
from maild.intake.answers import NO_TEMPLATE, NOBODY, OFTEN, SUSPECT, TOO_LATE, UNPROVEN, Answers
from maild.intake.submission import Submission
from maild.intake.usual_answer import FEWEST, sentence
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf, to_json
from maild.mail.facts import Facts
from maild.mail.reading import facts_of
from maild.policy.visible import OPERATOR
from maild.rules.duties import Duty
from tests.archive.samples import NOW_MS, acceptance, filing
from tests.intake.test_submit import Door
from tests.web.office import RULES, rules

BOOK = rules(
    RULES.replace(
        "rules:\n",
        'templates: {eingang: {subject: "Eingang {conversation.reference}", '
        'text: "Guten Tag {sender.name}, Ihr Brief ist da. {address.mail} {team.usual_answer}"}}\nrules:\n',
    )
)
KITA = "kita.platzvergabe@musterstadt.example"
PETRA = "petra@citizen.example"
ACKNOWLEDGE = Duty("kita", "acknowledge", "eingang", "")
LETTER = (
    b"From: Petra <petra@citizen.example>\r\nMessage-ID: <frage@citizen.example>\r\n"
    b"References: <vor@citizen.example>\r\nSubject: Geheimes\r\n\r\nNur hier\r\n"
)


def proven(domain: str = "citizen.example", **values: Any) -> Evidence:
    return Evidence(checked_ms=1, dmarc=Dmarc(result="pass", domain=domain, dkim_aligned=True), **values)


class Office:
    """A door with the task behind it, driven by hand."""

    def __init__(self, database: Database) -> None:
        self.door = Door(database)
        self.database = database
        self.answers = self.task()

    def task(self, read: Callable[[bytes], Awaitable[Facts]] | None = None) -> Answers:
        async def read_here(octets: bytes) -> Facts:
            return facts_of(octets)

        return Answers(
            database=self.database, rules=lambda: BOOK, submitter=self.door.submitter, read=read or read_here,
            now_ms=lambda: self.door.now_ms,
        )  # fmt: skip

    def letter(self, number: int, evidence: Evidence | None, *duties: Duty, sender: str | None = PETRA,
               author: str = PETRA, to: str = KITA, **how: Any) -> int:  # fmt: skip
        arrived = acceptance(number, octets=LETTER + b"%d" % number, sender=sender, to=(to,), at_ms=self.door.now_ms)
        message_id = self.database.writer.submit(accept, arrived).result().message_id
        item = filing(message_id, teams=("kita",), author=author, duties=duties or (ACKNOWLEDGE,), **how)
        self.database.writer.submit(file, item._replace(at_ms=self.door.now_ms)).result()
        if evidence is not None:
            with self.database.writing.begin() as connection:
                keep_evidence(connection, {message_id: to_json(evidence)})
        return message_id

    def fates(self, message_id: int) -> list[tuple[str, str | None]]:
        with self.database.read() as connection:
            found = duties_of(connection, visible=OPERATOR, message_ids=[message_id])
        return [(duty.state, duty.ended_by) for duty in found.get(message_id, ()) if duty.kind != "hold"]

    def sent(self) -> list[Any]:
        with self.database.read() as connection:
            return list(
                connection.execute(
                    select(deliveries, outgoing.c.kind.label("what"), outgoing.c.duty_id, messages.c.reverse_path)
                    .join_from(deliveries, outgoing, outgoing.c.message_id == deliveries.c.message_id)
                    .join(messages, messages.c.id == outgoing.c.message_id)
                    .order_by(deliveries.c.id)
                )
            )


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


async def test_a_proven_sender_is_told_once_that_the_letter_has_come(office: Office) -> None:
    content: list[bytes] = []
    submit = office.door.submitter.submit

    async def seen(asked: Submission) -> Any:
        content.append(asked.content)
        return await submit(asked)

    office.door.submitter.submit = seen  # type: ignore[method-assign]
    number = office.letter(1, proven())
    # Two hosts at the same moment, and each of them again.
    await asyncio.gather(office.answers.once(), office.task().once())
    await office.answers.once()
    (sent,) = office.sent()
    assert office.fates(number) == [("done", "maild")]
    assert (sent.recipient, sent.reverse_path, sent.once, sent.what) == (PETRA, None, 1, "automatic")
    facts = facts_of(content[0])
    assert [box.mail for box in facts.senders] == [KITA]
    assert facts.references == ("vor@citizen.example", "frage@citizen.example")
    assert facts.auto_submitted
    assert b"\r\nAuto-Submitted: auto-replied\r\n" in content[0]
    assert b"\r\nX-Auto-Response-Suppress: All\r\n" in content[0]
    assert facts.text.strip() == f"Guten Tag Petra, Ihr Brief ist da. {KITA}"
    assert facts.subject.startswith("Eingang ")
    assert b"Nur hier" not in content[0]


async def test_an_acknowledgement_says_how_long_an_answer_usually_takes(office: Office) -> None:
    content: list[bytes] = []
    submit = office.door.submitter.submit

    async def seen(asked: Submission) -> Any:
        content.append(asked.content)
        return await submit(asked)

    async def acknowledged(number: int) -> str:
        office.door.now_ms += 1
        office.letter(number, proven(), sender=f"x{number}@citizen.example", author=f"x{number}@citizen.example")
        await office.answers.once()
        return facts_of(content[-1]).text.strip()

    for number in range(FEWEST):
        letter = office.letter(number, None, Duty("kita", "tag", "x", ""))
        office.door.now_ms += 30 * HOUR_MS
        await office.door.send(team="kita", conversation_id=letter, answers_id=letter)
        if number == 1:
            office.door.submitter.submit = seen  # type: ignore[method-assign]
            assert "Meist" not in await acknowledged(100)  # of two nothing can be said
            office.door.submitter.submit = submit  # type: ignore[method-assign]
    office.door.submitter.submit = seen  # type: ignore[method-assign]
    assert (await acknowledged(101)).endswith(f"{KITA} Meist antworten wir innerhalb von 2 Tagen.")


SAID = {None: "", 1: "innerhalb eines Tages", DAY_MS: "eines Tages", DAY_MS + 1: "von 2 Tagen", 14 * DAY_MS: "14 Tagen",
        15 * DAY_MS: "von 3 Wochen"}  # fmt: skip


@pytest.mark.parametrize("took_ms", SAID)
def test_how_long_it_takes_is_said_rounded_up(took_ms: int | None) -> None:
    said = sentence(took_ms, "de")
    assert SAID[took_ms] in said
    assert bool(said) is (took_ms is not None)
    assert bool(sentence(took_ms, "fr")) is (took_ms is not None)


SPF_ONLY = Evidence(checked_ms=1, spf=Spf(result="pass", domain="citizen.example"))
CASES: dict[str, tuple[Evidence | None, dict[str, Any], str | None]] = {
    "dmarc": (proven(), {}, None),
    "spf without a policy": (SPF_ONLY, {}, None),
    "dkim without a policy": (Evidence(checked_ms=1, dkim=(Dkim(result="pass", domain="citizen.example"),)), {}, None),
    "bounce domain proven by spf": (
        proven(spf=Spf(result="pass", domain="b.citizen.example")), {"sender": "x@b.citizen.example"}, None),
    "nothing": (Evidence(checked_ms=1), {}, UNPROVEN),
    "forged": (Evidence(checked_ms=1, dmarc=Dmarc(result="fail", domain="citizen.example", policy="reject")), {},
               UNPROVEN),
    "vouched for only": (
        Evidence(checked_ms=1, arc=Arc(result="pass"), dmarc=Dmarc(result="fail", domain="citizen.example")), {},
        UNPROVEN),
    "a victim in the reverse-path": (proven(), {"sender": "victim@elsewhere.example"}, UNPROVEN),
    "a neighbour of the author in the reverse-path": (proven(), {"sender": "victim@citizen.example"}, UNPROVEN),
    "a neighbour by a domain that lets any machine pass": (
        proven(spf=Spf(result="pass", domain="citizen.example", everybody=True)), {"sender": "victim@citizen.example"},
        UNPROVEN),
    "another mailbox of the author's machines": (
        proven(spf=Spf(result="pass", domain="citizen.example")), {"sender": "bounce-7@citizen.example"}, None),
    "a victim below the proven domain": (proven(), {"sender": "victim@tenant.citizen.example"}, UNPROVEN),
    "proof of another author": (proven("evil.example"), {}, UNPROVEN),
    "spf of another domain": (Evidence(checked_ms=1, spf=Spf(result="pass", domain="evil.example")), {}, UNPROVEN),
    "spam": (proven(), {"state": "spam"}, SUSPECT),
    "suspicious": (proven(), {"tags": ("verdacht",)}, SUSPECT),
    "no address of the team": (proven(), {"to": "info@musterstadt.example"}, NOBODY),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_only_who_is_proven_to_have_written_is_answered(office: Office, case: str) -> None:
    evidence, how, why = CASES[case]
    number = office.letter(1, evidence, **how)
    await office.answers.once()
    assert office.fates(number) == [("done", "maild") if why is None else ("dropped", why)]
    assert len(office.sent()) == (why is None)


async def test_what_is_not_known_yet_is_waited_for_and_then_given_up(office: Office) -> None:
    number = office.letter(1, None)
    later = office.letter(2, None, author="b@b.example", sender="b@b.example")
    await office.answers.once()
    assert office.fates(number) == [("waiting", None)]
    with office.database.writing.begin() as connection:
        keep_evidence(connection, {number: to_json(proven())})
    office.door.now_ms += HOUR_MS
    await office.answers.once()
    assert office.fates(number) == [("done", "maild")]
    assert office.fates(later) == [("dropped", UNPROVEN)]


async def test_what_has_waited_for_days_and_what_has_no_template_is_given_up(office: Office) -> None:
    old = office.letter(1, proven())
    office.door.now_ms += 6 * DAY_MS
    nameless = office.letter(2, proven(), Duty("kita", "reply", "fehlt", "r"))
    await office.answers.once()
    assert (office.fates(old), office.fates(nameless)) == ([("dropped", TOO_LATE)], [("dropped", NO_TEMPLATE)])
    assert office.sent() == []


async def test_what_is_held_is_answered_after_its_release(office: Office) -> None:
    number = office.letter(1, proven(), ACKNOWLEDGE, Duty("kita", "hold", "", "h"))
    await office.answers.once()
    assert office.fates(number) == [("waiting", None)]
    let_go = Release(message_id=number, team="kita", by="petra", at_ms=NOW_MS)
    office.database.writer.submit(release, let_go).result()
    await office.answers.once()
    assert office.fates(number) == [("done", "maild")]


async def test_two_machines_that_answer_each_other_end_after_the_first_answer(office: Office) -> None:
    # The other one says nothing of being a machine, and begins a conversation with each answer.
    fates = []
    for number in range(1, 5):
        letter = office.letter(number, proven())
        await office.answers.once()
        fates += office.fates(letter)
        office.door.now_ms += 1_000
    assert fates == [("done", "maild"), *[("dropped", OFTEN)] * 3]
    office.door.now_ms += DAY_MS
    again = office.letter(9, proven())
    await office.answers.once()
    assert office.fates(again) == [("done", "maild")]


async def test_what_is_beyond_a_hundred_an_hour_waits(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic, "MOST_AN_HOUR", 2)
    letters = [
        office.letter(n, proven(f"d{n}.example"), sender=f"a@d{n}.example", author=f"a@d{n}.example")
        for n in range(1, 4)
    ]
    await office.answers.once()
    assert [office.fates(each)[0][0] for each in letters] == ["done", "done", "waiting"]
    office.door.now_ms += HOUR_MS + 60_000
    await office.answers.once()
    assert office.fates(letters[2])[0][0] == "done"


async def test_a_letter_that_nobody_can_read_keeps_no_other_from_being_answered(office: Office) -> None:
    async def breaks(octets: bytes) -> Facts:
        if octets.endswith(b"\n1"):
            raise RuntimeError("a worker died")
        return facts_of(octets)

    first = office.letter(1, proven())
    second = office.letter(2, proven("b.example"), sender="a@b.example", author="a@b.example")
    await office.task(breaks).once()
    assert (office.fates(first)[0][0], office.fates(second)[0][0]) == ("waiting", "done")
