"""A2: a digest goes to a mailbox outside, and holds no word of what its reader may not read at that moment.

Every team allows subjects here, and the reader wants them: what is left out is left out for want of a right.
"""

from __future__ import annotations

import pytest

from maild.archive.accounts import NewGrant, Revocation, add_grants, revoke_grants
from maild.archive.between_teams import Handing, hand
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.handling import Handling, Work, handle
from maild.mail.inbox import confidential
from maild.policy.digests import AT_ONCE, DAILY
from maild.policy.roles import Role
from tests.archive.samples import acceptance, filing
from tests.intake.copying import CITIZEN, Exchange
from tests.intake.digesting import HOUR_MS, Newsroom
from tests.web.office import RULES, rules

CANARY = "kanarie7"
BAUAMT = "bauamt@musterstadt.example"
_OPEN = RULES.replace(
    "{name: Bauamt, office: Amt 63}", "{name: Bauamt kanarie7, office: Amt 63, copies: allowed}"
).replace("office: Amt 51, Jugendamt\n", "office: Amt 51, Jugendamt\n    copies: allowed\n")
BOOK = rules(
    _OPEN.replace("rules:\n", "rules:\n  - {id: schutz, when: {subject: schutz}, then: {confidential: true}}\n")
)
TUESDAY = 16 * HOUR_MS


@pytest.fixture
def room(database: Database) -> Newsroom:
    return Newsroom(Exchange(database, book=BOOK))


async def digest(room: Newsroom) -> str:
    """Return what a digest holds now, as it leaves and as it is read; "" when there is none."""
    room.later(TUESDAY)
    await room.task().once()
    octets = b"".join(room.octets()).decode("ascii")
    return (octets + "".join(room.texts())).lower()


def revoke(room: Newsroom, role: Role, team: str) -> None:
    gone = Revocation(login="kira", role=role, team=team, revoked_ms=room.now_ms)
    room.database.writer.submit(revoke_grants, gone).result()


@pytest.mark.parametrize("mode", [DAILY, AT_ONCE])
async def test_a_digest_holds_nothing_of_a_team_that_its_reader_does_not_read(room: Newsroom, mode: str) -> None:
    room.wishes(mode=mode, subjects=True, slot="2026-09-21")
    room.later(1_000)
    own = room.letter("Eigener Brief")
    foreign = room.letter(f"{CANARY} Bauantrag", to=BAUAMT)
    # All that could bring it to kira: assigned, mentioned, handed on, one exchange with two teams.
    room.assign(foreign, team="bauamt")
    room.mention(foreign, team="bauamt", text=f"@kira {CANARY}")
    room.mention(own, text=f"@kira {CANARY}-Notiz")
    octets = f"From: {CANARY} <{CITIZEN}>\r\nTo: {BAUAMT}\r\nSubject: Re: {CANARY}\r\n\r\nx\r\n".encode()
    arrived = room.exchange.came(octets, (BAUAMT,), sender=CITIZEN)
    assert arrived.conversation_id != own
    _join(room, own)
    said = await digest(room)
    assert "eigener brief" in said
    assert CANARY not in said


def _join(room: Newsroom, conversation: int) -> None:
    """File a letter of the other team's into a conversation of ours, as when one exchange goes to two teams."""
    taken = acceptance(900, to=(BAUAMT,), at_ms=room.now_ms)
    message_id = room.database.writer.submit(accept, taken).result().message_id
    item = filing(message_id, teams=("bauamt",), subject=f"{CANARY} nur dort")._replace(into=conversation)
    room.database.writer.submit(file, item).result()


@pytest.mark.parametrize("mode", [DAILY, AT_ONCE])
async def test_of_what_is_confidential_a_digest_says_how_much_and_no_more(room: Newsroom, mode: str) -> None:
    room.exchange.grant("kira", Role.MANAGER, "kita")  # so that kira reads it in the browser
    room.wishes(mode=mode, subjects=True, slot="2026-09-21")
    room.later(1_000)
    secret = room.letter(f"schutz {CANARY}")
    room.assign(secret, team=confidential("kita"))
    room.mention(secret, team=confidential("kita"))
    said = await digest(room)
    assert "eine vertrauliche sache" in said
    assert CANARY not in said
    assert "/c/" not in said
    assert "vertraulich" not in said.replace("eine vertrauliche sache", "")
    # Who does not read it does not even hear of it.
    before = len(room.octets())
    revoke(room, Role.MANAGER, "kita")
    room.later(1_000)
    room.letter(f"schutz {CANARY} zwei")
    room.later(8 * HOUR_MS)
    await digest(room)
    assert all("vertraulich" not in text for text in room.texts()[before:])


@pytest.mark.parametrize("mode", [DAILY, AT_ONCE])
@pytest.mark.parametrize("how", ["revoked", "ended", "handed away", "silent"])
async def test_a_right_that_ended_before_the_mail_is_written_ends_there_too(
    sqlite_database: Database, mode: str, how: str
) -> None:
    room = Newsroom(Exchange(sqlite_database, book=BOOK))
    if how == "ended":
        new = NewGrant(login="kira", role=Role.RESPONDER, team="bauamt", from_ms=0, until_ms=room.now_ms + TUESDAY,
                       granted_by="test")  # fmt: skip
        room.database.writer.submit(add_grants, new).result()
    else:
        room.exchange.grant("kira", Role.RESPONDER, "bauamt")
    room.wishes(mode=mode, subjects=True, slot="2026-09-21")
    room.later(1_000)
    talk, own = room.letter(f"{CANARY} Bauantrag", to=BAUAMT), room.letter("Eigener Brief")
    room.assign(talk, team="bauamt")
    room.assign(own)
    room.mention(talk, team="bauamt")
    match how:
        case "revoked":
            revoke(room, Role.RESPONDER, "bauamt")
        case "handed away":
            away = Handing(conversation_id=talk, team="bauamt", to_team="poststelle", way="over", by="bert",
                           at_ms=room.now_ms, shown=None)  # fmt: skip
            room.database.writer.submit(hand, away).result()
        case "silent":
            room.wishes(mode=mode, subjects=True, silent=frozenset({"bauamt"}))
    said = await digest(room)
    assert "eigener brief" in said
    shown = said.replace("bauamt kanarie7", "") if how == "handed away" else said  # the team's name, which kira reads
    assert CANARY not in shown


async def test_a_right_that_ends_while_the_mail_waits_to_be_sent_takes_it_back(room: Newsroom) -> None:
    room.exchange.grant("kira", Role.RESPONDER, "bauamt")
    room.wishes(subjects=True, slot="2026-09-21")
    room.later(1_000)
    room.letter(f"{CANARY} Bauantrag", to=BAUAMT)
    room.letter("Eigener Brief")
    assert CANARY in await digest(room)
    await room.task().once()
    assert [way.state for way in room.ways()] == ["queued"]
    revoke(room, Role.RESPONDER, "bauamt")
    await room.task().once()
    assert [way.state for way in room.ways()] == ["dropped", "queued"]
    assert "Eigener Brief" in room.texts()[1]
    assert CANARY not in room.texts()[1]
    await room.task().once()
    assert len(room.octets()) == 2


@pytest.mark.parametrize("mode", [DAILY, AT_ONCE])
async def test_who_may_not_see_what_is_handed_over_is_told_nothing_of_it(room: Newsroom, mode: str) -> None:
    room.wishes(mode=mode, subjects=True, slot="2026-09-21")
    room.later(1_000)
    elsewhere, secret = room.letter(f"{CANARY} Bauantrag", to=BAUAMT), room.letter(f"schutz {CANARY}", to=BAUAMT)
    for talk, here, to in ((elsewhere, "bauamt", "poststelle"), (secret, confidential("bauamt"), "kita")):
        away = Handing(
            conversation_id=talk, team=here, to_team=to, way="over", by="bert", at_ms=room.now_ms, shown=None
        )
        assert room.database.writer.submit(hand, away).result().inbox is not None
    assert await digest(room) == ""
    # Who manages the team hears that there is something, and no word of what.
    room.exchange.grant("kira", Role.MANAGER, "kita")
    again = room.letter(f"schutz {CANARY} noch einer", to=BAUAMT)
    room.later(8 * HOUR_MS)
    away = Handing(conversation_id=again, team=confidential("bauamt"), to_team="kita", way="over", by="bert",
                   at_ms=room.now_ms, shown=None)  # fmt: skip
    assert room.database.writer.submit(hand, away).result().inbox == confidential("kita")
    said = await digest(room)
    assert "vertrauliche sache" in said
    assert CANARY not in said


async def test_a_loan_that_ends_while_the_mail_waits_to_be_sent_takes_it_back(room: Newsroom) -> None:
    lent = NewGrant(login="kira", role=Role.RESPONDER, team="bauamt", from_ms=0, until_ms=None, granted_by="test",
                    only_assigned=True)  # fmt: skip
    room.database.writer.submit(add_grants, lent).result()
    room.wishes(mode=AT_ONCE)
    room.later(1_000)
    talk = room.letter("Bauantrag", to=BAUAMT)
    room.assign(talk, team="bauamt")
    assert "ihnen zugewiesen" in await digest(room)
    await room.task().once()
    assert [way.state for way in room.ways()] == ["queued"]
    revoke(room, Role.RESPONDER, "bauamt")
    await room.task().once()
    assert [way.state for way in room.ways()] == ["dropped"]


@pytest.mark.parametrize("how", ["given to another", "handed on", "handed on and kept", "closed"])
async def test_what_is_nobodys_to_read_any_more_is_taken_back_while_the_mail_waits(room: Newsroom, how: str) -> None:
    if how == "given to another":
        lent = NewGrant(login="kira", role=Role.RESPONDER, team="bauamt", from_ms=0, until_ms=None, granted_by="test",
                        only_assigned=True)  # fmt: skip
        room.database.writer.submit(add_grants, lent).result()
    else:
        room.exchange.grant("kira", Role.RESPONDER, "bauamt")
    room.wishes(mode=AT_ONCE, subjects=True)
    room.later(1_000)
    talk = room.letter(f"{CANARY} Bauantrag", to=BAUAMT)
    room.assign(talk, team="bauamt")
    assert CANARY in await digest(room)
    match how:
        case "given to another":
            room.assign(talk, team="bauamt", to=room.exchange.jonas)
        case "closed":
            done = Handling(conversation_id=talk, team="bauamt", state="closed")
            room.database.writer.submit(handle, Work(by="bert", at_ms=room.now_ms, handlings=(done,))).result()
        case _:
            on = Handing(conversation_id=talk, team="bauamt", to_team="poststelle", way="over", by="bert",
                         at_ms=room.now_ms, shown=None, keep=how == "handed on and kept")  # fmt: skip
            room.database.writer.submit(hand, on).result()
    await room.task().once()
    still_read = how in {"handed on and kept", "closed"}
    assert [way.state for way in room.ways()] == ["queued" if still_read else "dropped"]
    assert all(CANARY not in text for text in room.texts()[1:])


async def test_the_canary_is_there_for_who_may_read_it(room: Newsroom) -> None:
    room.exchange.grant("kira", Role.RESPONDER, "bauamt")
    room.wishes(subjects=True, slot="2026-09-21")
    room.later(1_000)
    room.letter(f"{CANARY} Bauantrag", to=BAUAMT)
    assert f"{CANARY} bauantrag" in await digest(room)
