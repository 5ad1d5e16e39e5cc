"""Members answer copies: what goes out, what is kept, and who gets copies at all."""

from __future__ import annotations

import asyncio

import pytest

from maild.archive.accounts import Disabling, disable_users
from maild.archive.database import Database
from maild.archive.drafts import Editor, draft
from maild.archive.parting import reference_of
from maild.archive.team_texts import Save, save_texts
from maild.errors import MaildError
from maild.mail.evidence import Evidence
from maild.mail.facts import Facts
from maild.mail.reading import facts_of
from maild.policy.roles import Role
from maild.policy.visible import OPERATOR
from tests.intake.copying import BOOK, CITIZEN, KITA, LETTER, MEMBER, Exchange, proven, written
from tests.mail.test_own_words import image, pictured


@pytest.fixture
def exchange(database: Database) -> Exchange:
    return Exchange(database)


def facts(exchange: Exchange) -> Facts:
    (sent,) = exchange.to_citizens()
    return facts_of(sent.content)


async def test_the_members_own_words_go_to_the_citizen_under_the_offices_address(exchange: Exchange) -> None:
    letter = await exchange.letter()
    signature = Save(team="kita", name="", base=0, text="{user.name}\nTelefon 1", author="x", at_ms=1)
    assert await exchange.database.writer.run(save_texts, signature)
    address = exchange.address(letter)
    text = (
        f"Ja, Ihnen.\r\n\r\nAm 3.11.2026 schrieb Petra über Kita <{address}>:\r\n> Ist ein Platz frei?\r\n-- \r\nKira"
    )
    filed = await exchange.answer(address, written(text, to=address))
    found = facts(exchange)
    assert found.text.split() == ["Ja,", "Ihnen.", "--", "Kira", "Telefon", "1"]
    assert [box.mail for box in found.senders] == [KITA]
    assert [box.mail for box in found.to] == [CITIZEN]
    assert found.references == ("frage@citizen.example",)
    assert found.subject == "Re: Ein Platz"
    (sent,) = exchange.to_citizens()
    assert (sent.author, sent.team, sent.answers_id, sent.conversation_id) == ("kira", "kita", letter, letter)
    assert exchange.fate(filed.message_id) == ("done", "maild")
    assert ("kira", "answered", '{"by":"mail"}') in exchange.acts()
    (note,) = exchange.notes(letter)
    assert "Zeilen Zitat: 2, Zeilen Signatur oder Fußzeile: 1" in note.text
    assert exchange.drafts() == exchange.drafts("kira") == []
    assert exchange.lies(filed.message_id) == ["kita"]
    assert filed.conversation_id == filed.message_id
    # Once, whoever else looks, and after a crash.
    await asyncio.gather(exchange.answers.once(), exchange.task().once())
    assert exchange.outgoing() == ["answer"]


async def test_an_answer_by_mail_takes_the_reference_out_of_the_citizens_subject(exchange: Exchange) -> None:
    first = await exchange.letter()
    with exchange.database.read() as connection:
        reference = reference_of(connection, first)
    again = LETTER.replace("Ein Platz", f"AW: Ein Platz [{reference}]").replace("<frage@", "<zwei@")
    again = again.replace("\r\nTo:", "\r\nIn-Reply-To: <frage@citizen.example>\r\nTo:")
    letter = await exchange.letter(again)
    address = exchange.address(letter)
    await exchange.answer(address, written("Ja", to=address))
    assert exchange.to_citizens()[0].conversation_id == first
    assert facts(exchange).subject == "Re: Ein Platz"


async def test_pictures_within_the_text_reach_the_citizen_as_attachments(exchange: Exchange) -> None:
    address = exchange.address(await exchange.letter())
    body = pictured(
        f"<p>Sehen Sie: {image('plan.png')}</p><blockquote>{image('alt.png')}</blockquote>", "plan.png", "alt.png"
    )
    kind, _, rest = body.partition(b"\r\n")
    head, _, _ = written("", to=address).partition(b"Content-Type:")
    await exchange.answer(address, head + kind + b"\r\n" + rest)
    found = facts(exchange)
    assert found.text.split() == ["Sehen", "Sie:", "[plan.png]"]
    assert [(file.name, file.media_type) for file in found.attachments] == [("plan.png", "image/png")]
    ((note),) = exchange.notes(exchange.to_citizens()[0].conversation_id or 0)
    assert "Bilder in Zitat oder Signatur: 1" in note.text


REFUSALS = {
    "expired": ("expired", 1),
    "revoked": ("revoked", 1),
    "disabled": ("right", 1),
    "collision": ("collision", 1),
    "reply-to": ("recipients", 1),
    "nothing but a quotation": ("empty", 1),
    "two addresses": ("several", 1),
    "unproven": ("unproven", 0),
    "from elsewhere": ("sender", 0),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_an_answer_that_is_refused_is_kept_as_a_draft(exchange: Exchange, case: str) -> None:
    why, notices = REFUSALS[case]
    octets = LETTER.replace("\r\nTo:", "\r\nReply-To: eve@evil.example\r\nTo:") if case == "reply-to" else LETTER
    letter = await exchange.letter(octets)
    address, evidence, author = exchange.address(letter), proven(), MEMBER
    also: tuple[str, ...] = ()
    text = "> zitiert" if why == "empty" else "Mein Text"
    match case:
        case "expired":
            exchange.door.now_ms += 31 * 24 * 3600 * 1000
        case "revoked":
            exchange.choose("kira", on=False)
        case "disabled":
            exchange.database.writer.submit(disable_users, Disabling(login="kira", disabled_ms=1)).result()
        case "collision":
            await exchange.door.send(team="kita", author="jonas", conversation_id=letter, answers_id=letter)
        case "two addresses":
            also = (str(exchange.address(letter, user_id=exchange.jonas)),)
        case "unproven":
            evidence = Evidence(checked_ms=1)
        case "from elsewhere":
            evidence, author = proven("evil.example"), "kira@evil.example"
    before = len(exchange.to_citizens())
    filed = await exchange.answer(address, written(text, author=author, to=address), evidence=evidence, also=also)
    assert len(exchange.to_citizens()) == before
    assert exchange.fate(filed.message_id) == ("dropped", f"maild: {why}")
    opener = "kira" if case == "collision" else "jonas"
    assert exchange.drafts(opener) == [("kira", why)]
    with exchange.database.read() as connection:
        by = Editor(login=opener, releasing=frozenset({"kita"}))
        kept = draft(connection, visible=OPERATOR, by=by, draft_id=filed.message_id)
    assert kept.fields["text"].strip() == ("" if why == "empty" else "Mein Text")
    assert (kept.conversation_id, kept.answers_id, kept.seen_id) == (letter, letter, letter)
    assert [each.recipients[0].key for each in exchange.notices()] == [MEMBER] * notices
    assert [(actor, act) for actor, act, _ in exchange.acts()][-1:] == [("kira", "refused")]
    assert f'"why":"{why}"' in exchange.acts()[-1][2]


async def test_a_second_answer_of_the_same_member_is_no_collision(exchange: Exchange) -> None:
    address = exchange.address(await exchange.letter())
    for text in ("Erstens", "Zweitens"):
        await exchange.answer(address, written(text, to=address))
    assert len(exchange.to_citizens()) == 2


async def test_a_mail_whose_sender_is_not_looked_up_yet_waits(exchange: Exchange) -> None:
    address = exchange.address(await exchange.letter())
    filed = exchange.came(written("Ja", to=address), (str(address),), sender=MEMBER)
    await exchange.answers.once()
    assert exchange.fate(filed.message_id) == ("waiting", None)
    exchange.door.now_ms += 16 * 60 * 1000
    await exchange.answers.once()
    assert exchange.fate(filed.message_id) == ("dropped", "maild: unproven")


ABSENCES = {
    "auto-submitted": (("Auto-Submitted: auto-replied",), MEMBER),
    "precedence": (("Precedence: bulk",), MEMBER),
    "null path": ((), None),
    "outlook": (("Subject: Automatische Antwort: Ein Platz",), MEMBER),
    "report": (("Content-Type: multipart/report; boundary=x",), None),
}


@pytest.mark.parametrize("case", ABSENCES)
async def test_what_no_person_wrote_is_filed_quietly(exchange: Exchange, case: str) -> None:
    fields, sender = ABSENCES[case]
    address = exchange.address(await exchange.letter())
    octets = written("Ich bin im Urlaub.", *fields, to=address)
    if "Subject" in " ".join(fields):
        octets = octets.replace(b"Subject: AW: Ein Platz\r\n", b"")
    filed = await exchange.answer(address, octets, sender=sender)
    assert exchange.fate(filed.message_id) is None
    assert exchange.outgoing() == []
    assert exchange.drafts() == []
    assert exchange.lies(filed.message_id) == ["kita"]
    assert len(exchange.subjects("closed")) == 1
    assert exchange.subjects("open") == ["Ein Platz"]


async def test_the_same_signed_answer_sent_once_more_is_no_second_one(exchange: Exchange) -> None:
    address = exchange.address(await exchange.letter())
    octets = written("Ja", to=address)
    await exchange.answer(address, octets)
    filed = await exchange.answer(address, b"X-Added: 1\r\n" + octets, sender="eve@evil.example")
    assert exchange.fate(filed.message_id) == ("dropped", "maild: again")
    assert exchange.outgoing() == ["answer"]


async def test_a_copy_is_made_once_for_who_wants_it(exchange: Exchange) -> None:
    await exchange.letter()
    await exchange.copying.once()
    assert exchange.copies() == [(MEMBER, None, "queued")]


NO_COPIES = {
    "automatic": LETTER.replace("\r\nTo:", "\r\nAuto-Submitted: auto-generated\r\nTo:"),
    "list": LETTER.replace("\r\nTo:", "\r\nList-Id: <x.example>\r\nTo:"),
    "ours": LETTER.replace(f"<{CITIZEN}>", "<info@musterstadt.example>"),
}


@pytest.mark.parametrize("case", [*NO_COPIES, "suspicious", "no right", "off", "mailbox became ours"])
async def test_no_copy_is_made(exchange: Exchange, case: str) -> None:
    mark = "verdacht" if case == "suspicious" else ""
    if case == "no right":
        exchange.withdraw("kira", Role.RESPONDER, 1)
    if case == "off":
        exchange.choose("kira", on=False)
    filed = exchange.came(NO_COPIES.get(case, LETTER).encode(), (KITA,), sender=CITIZEN, mark=mark)
    if case == "mailbox became ours":
        from dataclasses import replace

        exchange.book = replace(BOOK, domains=BOOK.domains | {"rathaus.example"})
    await exchange.copying.once()
    assert exchange.copies() == []
    expected = ("dropped", "maild: no copy") if case == "mailbox became ours" else None
    assert exchange.fate(filed.message_id) == expected


def test_copies_are_for_those_who_read_the_team_elsewhere(exchange: Exchange) -> None:
    exchange.person("ohne", None, Role.READER)
    exchange.person("hier", "info@musterstadt.example", Role.READER)
    exchange.person("fremd", "fremd@rathaus.example", Role.READER, team="bauamt")
    for login in ("ohne", "hier", "fremd"):
        with pytest.raises(MaildError):
            exchange.choose(login, on=True)
    with pytest.raises(MaildError, match="the rules allow no copies"):
        exchange.choose("kira", on=True, team="bauamt")
    assert not exchange.choose("kira", on=True)
