"""Digests: told once, to who asked, of what is new, and in one mail whatever comes."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from maild.archive.absences import By, Marking, mark
from maild.archive.between_teams import Handing, hand
from maild.archive.database import Database
from maild.archive.entries import Reading, note_readings
from maild.archive.schema import entries, filings, recipients, users
from maild.archive.schema_people import audit
from maild.archive.schema_telling import digest_choices
from maild.archive.verify import verify
from maild.archive.work import waiting_count
from maild.intake.digests import tell_people
from maild.mail.header import newline_of, read_header
from maild.mail.reading import facts_of
from maild.policy.digests import AT_ONCE, OFF, PAUSE_MS
from maild.policy.roles import Role
from tests.intake.copying import BOOK, MEMBER, Exchange
from tests.intake.digesting import DAY_MS, HOUR_MS, URL, Newsroom
from tests.web.office import RULES, rules

TUESDAY = 16 * HOUR_MS  # from the beginning, a Monday at 16:14: 8:14 of the next day


@pytest.fixture
def room(database: Database) -> Newsroom:
    return Newsroom(Exchange(database))


async def test_what_is_new_is_told_once_at_the_hour_that_was_chosen(room: Newsroom) -> None:
    old = room.letter("Alt")
    room.wishes(hour=8, slot="2026-09-21")
    room.later(1_000)
    mine, new = room.letter(), room.letter("Noch einer")
    room.assign(old, mine)
    await room.task().once()
    assert room.octets() == []  # it is not eight yet
    room.later(TUESDAY)
    await asyncio.gather(*(room.task().once() for _ in range(3)))  # as several hosts, and after a kill
    (octets,) = room.octets()
    (told,) = room.texts()
    assert told.count("Ihnen zugewiesen") == 2
    assert told.count("neu, niemand ist zuständig") == 1
    assert told.count(f"{URL}/c/") == 3
    assert "offen 3, niemand zuständig 1, Ihre 2, unbeantwortet 3" in told
    assert "Alt" not in told
    head = read_header(octets, 0, len(octets), newline_of(octets))
    fields = {name: found.raw.strip() for name in ("auto-submitted", "list-unsubscribe", "content-language", "subject")
              if (found := head.first(name)) is not None}  # fmt: skip
    assert fields == {
        "auto-submitted": "auto-generated", "list-unsubscribe": f"<{URL}/sessions#digest>", "content-language": "de",
        "subject": "=?utf-8?B?TmV1OiAzIFZvcmfDpG5nZQ==?=",
    }  # fmt: skip
    assert head.first("list-unsubscribe-post") is None
    (way,) = room.ways()
    assert (way.recipient, way.reverse_path, way.once, way.state) == (MEMBER, None, 1, "queued")
    assert room.sent == 1
    # It lies in no inbox, is no work for the router, and the archive is whole.
    with room.database.read() as connection:
        assert way.message_id not in connection.scalars(select(filings.c.message_id)).all()
        assert way.message_id not in connection.scalars(select(recipients.c.message_id)).all()
        assert waiting_count(connection) == 0
        assert list(verify(connection, full=True, progress=lambda _: None)) == []
    # The next day tells what came since, and nothing when nothing did.
    room.later(DAY_MS)
    await room.task().once()
    assert len(room.octets()) == 1
    room.letter("Am Mittwoch")
    room.later(DAY_MS)
    await room.task().once()
    assert room.texts()[-1].count(f"{URL}/c/") == 1
    assert new


async def test_a_flood_is_one_mail(room: Newsroom) -> None:
    room.wishes(slot="2026-09-21")
    room.later(1_000)
    for number in range(35):
        room.letter(f"Brief {number}")
    room.later(TUESDAY)
    for _ in range(3):
        await room.task().once()
    (told,) = room.texts()
    assert told.count(f"{URL}/c/") == 30
    assert "Und 5 weitere Vorgänge." in told


async def test_what_is_for_one_person_is_told_at_once_and_a_flood_of_it_a_quarter_of_an_hour_later(
    room: Newsroom,
) -> None:
    room.wishes(mode=AT_ONCE)
    room.later(1_000)
    first, second, third = room.letter(), room.letter(), room.letter()
    task = room.task()
    await task.once()
    assert room.octets() == []  # new letters of the team are nobody's own
    room.mention(first, by="kira")
    room.assign(first, by="kira")
    await task.once()
    assert room.octets() == []  # what oneself did is no news
    room.assign(second)
    await task.once()
    room.mention(third)
    for _ in range(3):
        await task.once()
        await room.task().once()
    assert len(room.octets()) == 1
    room.later(PAUSE_MS)
    await task.once()
    told = room.texts()
    assert len(told) == 2
    assert "Ihnen zugewiesen" in told[0]
    assert "Sie sind in einer Notiz genannt" in told[1]
    assert "Stand in" not in told[0]


async def test_what_was_handed_over_and_what_did_not_arrive_is_told(room: Newsroom) -> None:
    room.wishes(slot="2026-09-21")
    talk = room.letter("Bauantrag", to="bauamt@musterstadt.example")
    room.later(1_000)
    handing = Handing(conversation_id=talk, team="bauamt", to_team="kita", way="over", by="bert", at_ms=room.now_ms,
                      shown=None)  # fmt: skip
    room.database.writer.submit(hand, handing).result()
    with room.database.writing.begin() as connection:  # somebody sees to it, so that it is no more than handed over
        connection.exec_driver_sql(f"UPDATE entries SET assignee = {room.exchange.jonas} WHERE team = 'kita'")
    await room.exchange.door.send(team="kita", author="kira", conversation_id=room.letter(), state="waiting")
    with room.database.writing.begin() as connection:
        connection.exec_driver_sql(f"UPDATE deliveries SET state = 'failed', ended_ms = {room.now_ms}")
    room.later(TUESDAY)
    await room.task().once()
    (told,) = room.texts()
    assert "an das Team übergeben" in told
    assert "Ihr Brief kam nicht an" in told


async def test_what_was_looked_at_meanwhile_is_no_news(room: Newsroom) -> None:
    room.wishes(slot="2026-09-21")
    room.later(1_000)
    talk = room.letter()
    seen = Reading(user_id=room.exchange.kira, conversation_id=talk, newest_id=talk)
    room.database.writer.submit(note_readings, seen).result()
    room.later(TUESDAY)
    await room.task().once()
    assert room.octets() == []


async def test_what_is_handed_over_or_given_back_is_told_at_once_while_it_waits_for_somebody(room: Newsroom) -> None:
    room.wishes(mode=AT_ONCE)
    room.later(1_000)

    def handed(talk: int, *, way: str = "over", by: str = "bert", here: str = "bauamt", to: str = "kita") -> None:
        room.later(1_000)
        handing = Handing(conversation_id=talk, team=here, to_team=to, way=way, by=by, at_ms=room.now_ms, shown=None)
        assert room.database.writer.submit(hand, handing).result().inbox == to

    def at_bauamt(subject: str) -> int:
        return room.letter(subject, to="bauamt@musterstadt.example")

    def have(talk: int, **values: int) -> None:
        ours = (entries.c.conversation_id == talk, entries.c.team == "kita")
        with room.database.writing.begin() as connection:
            connection.execute(entries.update().where(*ours).values(**values))

    free, taken, looked_at, own, ours = (at_bauamt(f"Brief {n}") for n in range(5))
    returned = room.letter("Hin und zurück")
    for talk in (free, taken, looked_at):
        handed(talk)
    handed(own, by="kira")
    handed(returned, here="kita", to="bauamt")
    handed(returned, way="back")
    handed(ours)
    have(taken, assignee=room.exchange.jonas)
    have(looked_at, seen_ms=room.now_ms)
    have(ours, assignee=room.exchange.kira)
    await room.task().once()
    (told,) = room.texts()
    assert told.count("an das Team übergeben") == 3  # free, returned, ours
    assert told.count(f"{URL}/c/") == 3
    room.later(PAUSE_MS)
    await room.task().once()
    assert len(room.octets()) == 1


QUIET = ("off", "silent", "no mailbox", "ours", "away", "closed", "holiday", "weekend")


@pytest.mark.parametrize("case", QUIET)
async def test_nothing_is_sent(sqlite_database: Database, case: str) -> None:
    room = Newsroom(Exchange(sqlite_database))
    silent = frozenset({"kita"}) if case == "silent" else frozenset[str]()
    room.wishes(slot="2026-09-21", silent=silent)
    room.later(1_000)
    room.letter()
    mail = {"no mailbox": None, "ours": "info@musterstadt.example"}.get(case, MEMBER)
    with sqlite_database.writing.begin() as connection:
        closed = room.now_ms if case == "closed" else None
        mine = users.c.id == room.exchange.kira
        connection.execute(users.update().where(mine).values(mail=mail, disabled_ms=closed))
    if case == "off":
        room.wishes(mode=OFF)
    if case == "away":
        by = By(login="kira", user_id=None, parents={"kita": None}, at_ms=room.now_ms)
        until_ms = room.now_ms + 2 * DAY_MS
        asked = Marking(by=by, login="kira", from_ms=room.now_ms, until_ms=until_ms)
        sqlite_database.writer.submit(mark, asked).result()
    day = 5 if case == "weekend" else 1
    room.later(TUESDAY + (day - 1) * DAY_MS)
    holiday = RULES.replace("timezone: Europe/Berlin", "timezone: Europe/Berlin, holidays: [2026-09-22]")
    task = room.task(rules(holiday) if case == "holiday" else None)
    await task.once()
    assert room.octets() == []
    if case in {"away", "holiday", "weekend"}:  # it is not lost: the next working day tells it
        room.later(2 * DAY_MS)
        await task.once()
        assert len(room.octets()) == 1


async def test_a_subject_is_told_only_where_person_and_team_want_it(sqlite_database: Database) -> None:
    room = Newsroom(Exchange(sqlite_database))
    room.exchange.grant("kira", Role.READER, "bauamt")
    room.wishes(slot="2026-09-21", subjects=True)
    room.later(1_000)
    room.letter("Über die Kita")
    room.letter("Über den Bau", to="bauamt@musterstadt.example")
    room.later(TUESDAY)
    await room.task().once()
    (told,) = room.texts()
    assert "Über die Kita" in told  # `copies: allowed`
    assert "Über den Bau" not in told
    assert "Bauamt" in told
    room.wishes(subjects=False)
    room.letter("Noch einmal Kita")
    room.later(DAY_MS)
    await room.task().once()
    assert "Noch einmal" not in room.texts()[1]


async def test_it_is_in_the_language_of_the_person(sqlite_database: Database) -> None:
    room = Newsroom(Exchange(sqlite_database))
    with sqlite_database.writing.begin() as connection:
        connection.execute(users.update().values(language="en"))
    room.wishes(slot="2026-09-21")
    room.later(1_000)
    room.letter()
    room.later(TUESDAY)
    await room.task().once()
    assert "new, nobody sees to it, waiting since 2026-09-21" in room.texts()[0]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_kill_before_or_behind_the_commit_leaves_one_digest(
    sqlite_database: Database, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Newsroom(Exchange(sqlite_database))
    room.wishes(slot="2026-09-21")
    room.later(1_000)
    room.letter()
    room.later(TUESDAY)

    def killed(*given: object) -> None:
        if moment == "after":
            tell_people(*given)  # type: ignore[arg-type]  # as the writer calls it
        raise RuntimeError("the unit is rolled back")

    with monkeypatch.context() as patched:
        patched.setattr("maild.intake.digests.tell_people", killed)
        await room.task().once()
    assert room.octets() == []
    await room.task().once()
    await room.task().once()
    assert len(room.octets()) == 1


@pytest.mark.parametrize("begin", [datetime(2027, 3, 26, 12, tzinfo=UTC), datetime(2026, 10, 23, 12, tzinfo=UTC)])
async def test_days_around_a_change_of_the_clocks_have_one_digest_each(
    sqlite_database: Database, begin: datetime
) -> None:
    room = Newsroom(Exchange(sqlite_database))
    zone = BOOK.organisation.timezone
    start = begin.replace(tzinfo=zone)  # a Friday
    room.later(int(start.timestamp() * 1000) - room.now_ms)
    room.wishes(slot=start.date().isoformat(), hour=8)
    days = []
    for hour in range(24 * 5):
        room.later(HOUR_MS)
        if hour % 6 == 0:
            room.letter(f"Brief {hour}")
        before = len(room.octets())
        await room.task().once()
        if len(room.octets()) > before:
            days.append(datetime.fromtimestamp(room.now_ms / 1000, zone))
    monday = start.date() + timedelta(days=3)
    assert [day.date() for day in days] == [monday + timedelta(days=n) for n in range(3)]
    assert {day.hour for day in days} == {8}


def test_a_choice_is_audited_and_says_nothing_of_what_was_there_before(database: Database) -> None:
    room = Newsroom(Exchange(database))
    room.wishes(slot="2026-09-21", silent=frozenset({"kita"}), subjects=True)
    room.later(1_000)
    room.wishes(hour=9, slot="2026-09-22")
    with database.read() as connection:
        row = connection.execute(select(digest_choices)).one()
        assert (row.mode, row.hour, row.slot, row.told_ms) == ("daily", 9, "2026-09-21", room.now_ms - 1_000)
        told = [json.loads(each) for each in connection.scalars(select(audit.c.details)) if "digest" in each]
    assert told == [
        {"digest": "daily", "subjects": True, "silent": ["kita"]}, {"digest": "daily", "subjects": False, "silent": []},
    ]  # fmt: skip


def test_a_digest_is_plain_text_that_every_relay_takes(sqlite_database: Database) -> None:
    room = Newsroom(Exchange(sqlite_database))
    room.wishes(slot="2026-09-21", subjects=True)
    room.later(1_000)
    room.letter("=?utf-8?q?Gr=C3=BC=C3=9Fe=0D=0ABcc:_x=40y.example?= " + "lang" * 200)
    room.later(TUESDAY)
    asyncio.run(room.task().once())
    (octets,) = room.octets()
    assert octets.count(b"\r\n") == octets.count(b"\n")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert b"\r\nBcc" not in octets
    assert facts_of(octets).text.startswith("Guten Tag,\n")
