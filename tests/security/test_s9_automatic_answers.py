"""S9: mail that wants to be answered for ever, or to have its answers hit somebody else.

Expected: no automatic answer is even recorded for what a machine wrote, for the null reverse-path, for one of our own
addresses, nor a second one for the same sender in the same conversation; what is forwarded is recorded once. What is
recorded is sent only to who is proven to have written, and an answer is nothing that another machine answers.
"""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from maild.archive.duties import duties_of
from maild.archive.schema import entries
from maild.archive.schema_outgoing import deliveries
from maild.intake.answers import Answers
from maild.mail.evidence import Dmarc, Evidence
from maild.mail.facts import Facts
from maild.mail.reading import facts_of
from maild.policy.roles import Role
from maild.policy.visible import OPERATOR
from tests.web.office import RULES, Office, letter, rules
from tests.web.writer import left

ANSWERING = (
    RULES.replace("title: Kita-Platzvergabe,", "title: Kita-Platzvergabe, acknowledge: eingang,")
    .replace("rules:\n", "templates: {eingang: {text: da}, frist: {text: bald}}\nrules:\n")
    .replace("then: {file: closed, tag: newsletter}", "then: {tag: newsletter}")
    + """  - {id: antwort, then: {reply: frist, forward: rat@kreis.example}}
"""
)
ALL = ["forward rat@kreis.example", "reply frist", "acknowledge eingang"]


def _duties(office: Office, number: int) -> list[str]:
    with office.database.read() as connection:
        found = duties_of(connection, visible=OPERATOR, message_ids=[number]).get(number, ())
    return sorted((f"{duty.kind} {duty.target}" for duty in found), key=ALL.index)


@pytest.fixture
def answering(office: Office) -> Office:
    office.book.current = rules(ANSWERING)
    return office


MACHINES: dict[str, tuple[str, str | None]] = {
    "null reverse-path": ("", None),
    "auto-replied": ("Auto-Submitted: auto-replied (vacation)\n", "a@b.example"),
    "auto-generated": ("auto-submitted: Auto-Generated\n", "a@b.example"),
    "list": ("List-Id: <town.b.example>\n", "a@b.example"),
    "newsletter": ("List-Unsubscribe: <https://b.example/x>\n", "a@b.example"),
    "bulk": ("Precedence: bulk\n", "a@b.example"),
    "list by precedence": ("Precedence: list\n", "a@b.example"),
    "suppressing": ("X-Auto-Response-Suppress: All\n", "a@b.example"),
    "a daemon": ("", "MAILER-DAEMON@b.example"),
    "nobody reads it": ("", "no-reply@b.example"),
    "the owner of a list": ("", "owner-town@b.example"),
    "an address of ours": ("", "Info+x@MUSTERSTADT.example"),
    "forged as ours": ("", "gibt.es.nicht@musterstadt.example"),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_is_not_answered(answering: Office, machine: str) -> None:
    fields, sender = MACHINES[machine]
    number = answering.mail(letter(extra=fields), sender=sender)
    assert _duties(answering, number) == ["forward rat@kreis.example"]


def test_a_delivery_report_is_not_answered_whoever_sent_it(answering: Office) -> None:
    report = (
        "From: a@b.example\nSubject: Undelivered\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nx\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; b.example\n\n--b--\n"
    )
    assert _duties(answering, answering.mail(report, sender="a@b.example")) == ["forward rat@kreis.example"]


def test_a_person_is_answered_once_however_often_he_writes(answering: Office) -> None:
    first = answering.mail(letter(key="0@citizen.example"))
    assert _duties(answering, first) == ALL
    for number in range(1, 20):
        again = answering.mail(letter(key=f"{number}@citizen.example", parent=f"{number - 1}@citizen.example"))
        assert answering.reference(again) == answering.reference(first)
        assert _duties(answering, again) == ["forward rat@kreis.example"]


def test_the_same_octets_again_ask_for_nothing(answering: Office) -> None:
    answering.mail(letter(), age_s=100)
    assert _duties(answering, answering.mail(letter(), age_s=50)) == []


def test_mail_to_many_of_our_addresses_is_sent_on_once(answering: Office) -> None:
    names = tuple(f"{name}@musterstadt.example" for name in ("kita", "Kita+1", "kita.platzvergabe", "KITA+2"))
    assert _duties(answering, answering.mail(letter(), names)) == ALL


def test_a_letter_that_was_never_read_is_not_answered_and_goes_nowhere_unseen(answering: Office) -> None:
    number = answering.mail(letter(), lost=True)
    with answering.database.read() as connection:
        found = duties_of(connection, visible=OPERATOR, message_ids=[number])[number]
    assert [(duty.kind, duty.held) for duty in found] == [("forward", True), ("hold", False)]


@pytest.mark.parametrize(("direction", "origin"), [("out", "submission"), ("in", "import")])
def test_what_was_imported_or_sent_from_here_asks_for_nothing(answering: Office, direction: str, origin: str) -> None:
    assert _duties(answering, answering.mail(letter(), direction=direction, origin=origin)) == []


PROVEN = Evidence(checked_ms=1, dmarc=Dmarc(result="pass", domain="citizen.example", spf_aligned=True))


def _answer(office: Office) -> list[str]:
    """Carry out what is recorded; return to whom answers go."""

    async def read(octets: bytes) -> Facts:
        return facts_of(octets)

    answers = Answers(database=office.database, rules=lambda: office.book.current,
                      submitter=office.services.submitter, read=read, now_ms=office.clock)  # fmt: skip
    asyncio.run(answers.once())
    with office.database.read() as connection:
        return list(connection.scalars(select(deliveries.c.recipient).order_by(deliveries.c.id)))


def test_an_answer_is_none_that_a_machine_answers_and_the_letter_still_waits(answering: Office) -> None:
    number = answering.mail(letter(key="frage@citizen.example"))
    answering.examine(number, PROVEN)
    # Address and rule ask for two: within a day there is one.
    assert _answer(answering) == ["petra.mustermann@citizen.example"]
    (sent,) = left(answering)
    assert answering.reference(sent.id) == answering.reference(number)
    with answering.database.read() as connection:
        (entry,) = connection.execute(select(entries)).all()
    assert (entry.state, entry.waiting_since_ms is not None) == ("open", True)
    # The other side's machine is ours, too: what we have sent comes in there.
    there = answering.mail(sent.octets, sender="kita@elsewhere.example")
    assert _duties(answering, there) == ["forward rat@kreis.example"]


def test_nobody_else_is_hit_by_answers_to_forged_letters(answering: Office) -> None:
    answering.user("petra", (Role.RESPONDER, "kita"))
    victim = answering.mail(letter(), sender="victim@elsewhere.example")
    answering.examine(victim, PROVEN)
    forged = answering.mail(letter(key="2@x.example"))
    answering.examine(forged, Evidence(checked_ms=1, dmarc=Dmarc(result="fail", domain="citizen.example")))
    assert _answer(answering) == []
    with answering.client("petra") as client:
        page = client.get(f"/c/{answering.reference(victim)}").text
        assert "Es ist nicht belegt, dass der Brief von ihm stammt." in page
