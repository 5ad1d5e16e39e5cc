"""Mail filed anew by other rules: where it comes to lie, what stays as people made it, and the way back."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from maild.archive.commit import Addressee, accept
from maild.archive.content import chunks, read_many
from maild.archive.database import Database
from maild.archive.entries import Look, StateChange, mark_seen, set_states
from maild.archive.filing import file
from maild.archive.refiling import refile
from maild.archive.replay import Beginning, Selection, all_replays, last_refiled, newest_step, replay_to_undo
from maild.archive.replayable import Chosen, Replayable
from maild.archive.schema import (
    chain_head,
    content,
    entries,
    filings,
    messages,
    recipients,
    summaries,
    tags,
    users,
)
from maild.archive.schema_outgoing import returns
from maild.archive.schema_people import audit
from maild.archive.search import search
from maild.archive.search_language import parse
from maild.archive.work import waiting
from maild.errors import NotFoundError, TemporaryError
from maild.mail.screening import Finding, Screening, to_json
from maild.policy.visible import Visible
from maild.router import replaying
from maild.router.reading import Addressed, Order, read_one
from maild.router.replaying import Replaying, Tally, undo
from maild.router.rerouting import reroute_batch
from maild.router.survey import Answer
from maild.rules.loader import load
from maild.rules.model import Ruleset
from tests.archive.handled import act_on
from tests.archive.samples import NOW_MS, acceptance

DAY_MS = 86_400_000
HEAD = """\
version: 1
organisation: {name: X, timezone: Europe/Berlin}
domains: [musterstadt.example]
teams:
  poststelle: {name: Poststelle}
  kita: {name: Kita}
  leitung: {name: Leitung}
fallback: poststelle
addresses:
  info: {team: poststelle}
  kita: {team: kita}
  alt: {team: leitung}
"""
FIRST = (
    HEAD
    + """rules:
  - id: eilt
    when: {subject: eilt}
    then: {copy: leitung, tag: eilt}
"""
)
# What was urgent for the head of the office is urgent for the day-care people alone.
SECOND = FIRST.replace("{copy: leitung, tag: eilt}", "{copy: kita, tag: [eilt, neu], priority: high}")
INFO, KITA = "info@musterstadt.example", "kita@musterstadt.example"
TABLES = (filings, entries, tags, summaries, recipients, chain_head, messages, content)


def rules(text: str) -> Ruleset:
    ruleset, found = load(text, "rules.yaml")
    assert ruleset is not None, found
    return ruleset


class Here(Replaying):
    """Reads in this process: workers take their time to start."""

    def answers(self, pages: Iterator[list[Replayable]]) -> Generator[tuple[int, list[Answer]]]:
        for page in pages:
            for start in range(0, len(page), 32):
                some = page[start : start + 32]
                with self._database.read() as connection:
                    octets = read_many(connection, [message.digest for message in some])
                asked = [self.asked_about(message) for message in some]
                rules_here = pickle.dumps(self.rules)
                found = reroute_batch(self.rules.version, rules_here, asked, *(octets[m.digest] for m in some))
                yield len(some), [Answer(found)]


class Archive:
    """A store with mail that was routed by `text`."""

    def __init__(self, database: Database, text: str = FIRST) -> None:
        self.database = database
        self.rules = rules(text)
        self.unread: frozenset[str] = frozenset()
        self._number = 0

    def mail(self, subject: str, *to: str, origin: str = "smtp", key: str = "", parent: str = "", **more: Any) -> int:
        self._number += 1
        text = f"From: p@b.example\r\nSubject: {subject}\r\n{more.pop('header', '')}"
        text += f"Message-ID: <{key}>\r\n" if key else ""
        text += f"In-Reply-To: <{parent}>\r\n" if parent else ""
        octets = f"{text}\r\nText {self._number}\r\n".encode()
        at_ms = NOW_MS - more.pop("days_ago", 0) * DAY_MS
        screening = more.pop("screening", None)
        taken = acceptance(self._number, octets=octets, to=to or (INFO,), at_ms=at_ms, origin=origin, **more)
        taken = replace(taken, screening=screening)
        message_id = self.database.writer.submit(accept, taken).result().message_id
        self.route(message_id)
        return message_id

    def route(self, message_id: int) -> None:
        """Route as the router does."""
        with self.database.read() as connection:
            (item,) = waiting(connection, [message_id]) or (None,)
            octets = b"".join(_octets(connection, message_id))
        if item is None:
            return
        order = Order(
            message_id=message_id, direction=item.direction, received_ms=item.received_ms,
            reverse_path=item.reverse_path, size=item.size, reference_bits=message_id * 2654435761 % (1 << 40),
            addressed=tuple(Addressed(as_given=i.address, team=i.team) for i in item.items),
            state="closed" if item.origin == "import" else None, screening=item.screening,
        )  # fmt: skip
        reading = read_one(self.rules, order, octets, self.unread)
        self.database.writer.submit(file, reading.filing).result()

    def replay(self, text: str = SECOND, *, since: str = "", workers: bool = False, **chosen: Any) -> Tally:
        beginning = Beginning(
            at_ms=NOW_MS, author="petra", selection=Selection(since=since, query=""), rules_version=rules(text).version
        )
        seen: list[int] = []
        way = Replaying if workers else Here
        _, tally = way(self.database, rules(text)).run(everything(**chosen), beginning, seen.append)
        assert sum(seen) == tally.messages
        return tally

    def undo(self, number: int | None = None) -> replaying.Undone:
        with self.database.read() as connection:
            found = replay_to_undo(connection, number)
        return undo(self.database, found.id, NOW_MS, lambda _: None)

    def rows(self, *tables: Any) -> dict[str, list[Any]]:
        with self.database.read() as connection:
            return {
                table.name: sorted(
                    # How often an entry was changed is no part of how it is.
                    (tuple(row) for row in connection.execute(select(*(c for c in table.c if c.name != "revision")))),
                    key=repr,
                )
                if table is entries
                else sorted(map(tuple, connection.execute(select(table))), key=repr)
                for table in tables or TABLES
            }

    def places(self) -> set[tuple[str, int]]:
        return {(team, message_id) for team, message_id, _ in self.rows(filings)["filings"]}

    def teams(self, message_id: int) -> set[str]:
        with self.database.read() as connection:
            return set(connection.scalars(select(filings.c.team).where(filings.c.message_id == message_id)))

    def entry(self, message_id: int, team: str) -> Any:
        with self.database.read() as connection:
            return connection.execute(
                select(entries)
                .join_from(entries, filings, entries.c.conversation_id == filings.c.conversation_id)
                .where(filings.c.message_id == message_id, entries.c.team == team)
            ).first()

    def tags(self, message_id: int, team: str) -> set[str]:
        with self.database.read() as connection:
            where = (tags.c.conversation_id == filings.c.conversation_id, tags.c.team == filings.c.team)
            found = select(tags.c.tag).where(*where, filings.c.message_id == message_id, filings.c.team == team)
            return set(connection.scalars(found))


def _octets(connection: Any, message_id: int) -> Any:
    digest = connection.scalar(select(messages.c.digest).where(messages.c.id == message_id))
    return chunks(connection, bytes(digest))


def everything(ids: tuple[int, ...] | None = None, days: int = 3650) -> Chosen:
    return Chosen(NOW_MS - days * DAY_MS, NOW_MS + DAY_MS, ids)


@pytest.fixture
def archive(database: Database) -> Archive:
    return Archive(database)


@pytest.fixture
def small(sqlite_database: Database) -> Archive:
    return Archive(sqlite_database)


def test_mail_comes_to_lie_where_the_rules_of_today_put_it_and_back(archive: Archive) -> None:
    urgent, calm = archive.mail("Es eilt"), archive.mail("Ruhig", KITA)
    before = archive.rows()
    assert archive.teams(urgent) == {"poststelle", "leitung"}
    tally = archive.replay(workers=True)
    assert (tally.messages, tally.moved, tally.kept, tally.by_envelope) == (2, 1, 0, 0)
    ((kind, changes),) = tally.kinds.items()
    assert (kind.old.teams, kind.new.teams, kind.rules) == (
        ("leitung", "poststelle"),
        ("kita", "poststelle"),
        ("eilt",),
    )
    assert changes.count == 1
    assert archive.teams(urgent) == {"poststelle", "kita"}
    assert archive.teams(calm) == {"kita"}
    assert archive.entry(urgent, "leitung") is None
    assert archive.tags(urgent, "kita") == archive.tags(urgent, "poststelle") == {"eilt", "neu"}
    assert (archive.entry(urgent, "kita").priority, archive.entry(urgent, "kita").state) == (2, "open")
    assert archive.entry(urgent, "poststelle").priority == 2
    undone = archive.undo()
    assert (undone.restored, undone.left) == (1, [])
    assert archive.rows() == before
    with archive.database.read() as connection:
        found = connection.execute(select(audit.c.details).where(audit.c.act == "rules").order_by(audit.c.sequence))
        told = [json.loads(details) for details in found.scalars()]
    assert [(each["what"], each["replay"]) for each in told] == [
        ("filed mail anew", 1), ("took back what was filed anew", 1),
    ]  # fmt: skip


def test_a_report_about_mail_of_ours_stays_with_it(archive: Archive) -> None:
    report, letter = archive.mail("eilt", INFO), archive.mail("eilt", INFO)
    row = {
        "report_id": report, "position": 0, "recipient": "max@citizen.example", "about_id": letter, "team": "leitung",
        "action": "failed", "code": "5.1.1", "hard": 1, "reason": "user-unknown", "text": "", "mailing": "", "at_ms": 1,
    }  # fmt: skip
    with archive.database.writing.begin() as connection:
        connection.execute(insert(returns).values(row))
    before = archive.teams(report)
    archive.replay()
    assert archive.teams(report) == before
    assert archive.teams(letter) != before


def test_the_index_and_what_is_waiting_to_be_done_are_not_concerned(archive: Archive) -> None:
    archive.mail("Es eilt")
    fixed = (summaries.c.message_id, summaries.c.revision, summaries.c.conversation_id)
    with archive.database.read() as connection:
        before = connection.execute(select(*fixed)).all(), connection.execute(select(chain_head)).all()
    archive.replay()
    with archive.database.read() as connection:
        assert (connection.execute(select(*fixed)).all(), connection.execute(select(chain_head)).all()) == before


def test_a_search_reflects_it_at_once(archive: Archive) -> None:
    urgent = archive.mail("Es eilt")

    def found(team: str, query: str) -> list[int]:
        with archive.database.read() as connection:
            visible = Visible(teams=frozenset({team}))
            return [hit.message_id for hit in search(connection, visible, parse(query), now_ms=NOW_MS + DAY_MS)]

    assert (found("leitung", "tag:eilt"), found("kita", "tag:eilt")) == ([urgent], [])
    archive.replay()
    assert (found("leitung", "tag:eilt"), found("kita", "tag:neu")) == ([], [urgent])
    assert found("kita", "team:kita is:unanswered") == [urgent]


@pytest.mark.parametrize(("filed", "held"), [("spam", set()), ("virus", {"virus"})])
def test_what_a_filter_put_into_spam_comes_to_lie_in_spam_elsewhere(
    archive: Archive, filed: str, held: set[str]
) -> None:
    letter = archive.mail("Es eilt", screening=to_json(Screening((Finding("x", filed),), filed)))
    assert archive.entry(letter, "leitung").state == "spam"
    before = archive.rows()
    archive.replay()
    assert archive.teams(letter) == {"poststelle", "kita"}
    assert archive.entry(letter, "kita").state == "spam"
    assert archive.tags(letter, "kita") == {"eilt", "neu", *held}
    archive.undo()
    assert archive.rows() == before


def test_a_second_replay_changes_nothing(archive: Archive) -> None:
    for number in range(5):
        archive.mail(f"eilt {number}")
    assert archive.replay().moved == 5
    before = archive.rows()
    assert archive.replay().moved == 0
    assert archive.rows() == before
    with archive.database.read() as connection:
        assert [(r.messages, r.ended) for r in all_replays(connection)] == [(0, True), (5, True)]


def test_a_rehearsal_of_it_says_the_same_and_changes_nothing(archive: Archive) -> None:
    urgent = archive.mail("Es eilt")
    archive.database.writer.submit(set_states, _closed(archive, urgent, "leitung")).result()
    before = archive.rows()
    told = Here(archive.database, rules(SECOND)).rehearse(everything(), lambda _: None)
    assert (told.moved, told.kept) == (1, 1)
    assert archive.rows() == before
    done = archive.replay()
    assert (done.moved, done.kept, done.kinds) == (told.moved, told.kept, told.kinds)


def _closed(archive: Archive, message_id: int, team: str) -> StateChange:
    conversation_id = archive.entry(message_id, team).conversation_id
    return StateChange(conversation_id=conversation_id, team=team, state="closed")


def _close(archive: Archive, message_id: int) -> None:
    archive.database.writer.submit(set_states, _closed(archive, message_id, "leitung")).result()


def _take(archive: Archive, message_id: int) -> None:
    entry = archive.entry(message_id, "leitung")

    def unit(connection: Any, _: list[None]) -> list[None]:
        connection.execute(users.insert().values(id=7, login="petra", name="", created_ms=0))
        return [None]

    archive.database.writer.submit(unit, None).result()
    act_on(archive.database, entry.conversation_id, "leitung", assignee=7)


def _tag(archive: Archive, message_id: int) -> None:
    entry = archive.entry(message_id, "leitung")

    def unit(connection: Any, _: list[None]) -> list[None]:
        connection.execute(tags.insert().values(conversation_id=entry.conversation_id, team="leitung", tag="von Hand"))
        return [None]

    archive.database.writer.submit(unit, None).result()


def _answer(archive: Archive, message_id: int) -> None:
    del message_id
    archive._number += 1
    octets = b"From: alt@musterstadt.example\r\nTo: p@b.example\r\nIn-Reply-To: <1@b.example>\r\n\r\nJa\r\n"
    sent = acceptance(archive._number, octets=octets, to=(), direction="out", origin="import")
    sent = _with_team(sent, "leitung")
    archive.route(archive.database.writer.submit(accept, sent).result().message_id)


def _with_team(taken: Any, team: str) -> Any:
    from dataclasses import replace

    return replace(taken, addressees=(Addressee(address="", address_key="", team=team),))


@pytest.mark.parametrize("work", [_close, _take, _tag, _answer])
def test_what_a_person_has_worked_on_stays_and_a_copy_goes(
    archive: Archive, work: Callable[[Archive, int], None]
) -> None:
    urgent = archive.mail("Es eilt", key="1@b.example")
    work(archive, urgent)
    entry, before = archive.entry(urgent, "leitung"), archive.rows()
    assert entry is not None
    tally = archive.replay()
    assert (tally.moved, tally.kept) == (1, 1)
    assert archive.teams(urgent) == {"poststelle", "kita", "leitung"}
    assert archive.entry(urgent, "leitung") == entry
    assert "eilt" in archive.tags(urgent, "leitung")
    assert archive.replay().moved == 0
    assert archive.undo(1).restored == 1
    assert archive.rows() == before


def test_a_state_and_an_assignee_of_a_team_that_keeps_the_letter_stay(archive: Archive) -> None:
    urgent = archive.mail("Es eilt")
    archive.database.writer.submit(set_states, StateChange(
        conversation_id=urgent, team="poststelle", state="waiting")).result()  # fmt: skip
    archive.replay(SECOND.replace("tag: [eilt, neu]", "tag: neu"))
    assert archive.entry(urgent, "poststelle").state == "waiting"
    assert archive.tags(urgent, "poststelle") == {"neu"}


def test_what_the_rules_alone_gave_follows_the_rules(archive: Archive) -> None:
    urgent = archive.mail("Es eilt")
    archive.replay(HEAD + "rules:\n  - {id: zu, when: {subject: eilt}, then: {file: closed}}\n")
    assert (archive.entry(urgent, "poststelle").state, archive.tags(urgent, "poststelle")) == ("closed", set())


def test_a_letter_that_comes_into_a_known_conversation_is_unseen_there_and_nowhere_else(small: Archive) -> None:
    first = small.mail("Hallo", INFO, KITA, key="1@b.example")
    small.mail("Es eilt", INFO, parent="1@b.example")
    look = Look(conversation_id=first, teams=frozenset({"kita", "poststelle"}), newest_id=1 << 62, at_ms=1)
    small.database.writer.submit(mark_seen, look).result()
    assert small.replay().moved == 1
    assert (small.entry(first, "kita").seen_ms, small.entry(first, "poststelle").seen_ms) == (None, 1)


def test_a_tag_that_another_letter_of_the_conversation_has_stays(archive: Archive) -> None:
    first = archive.mail("Es eilt", key="1@b.example")
    second = archive.mail("Es eilt noch", parent="1@b.example", key="2@b.example")
    before = archive.rows()
    archive.replay(SECOND, ids=(first,))
    assert (archive.teams(first), archive.teams(second)) == ({"poststelle", "kita"}, {"poststelle", "leitung"})
    assert archive.tags(second, "poststelle") == {"eilt", "neu"}
    assert archive.entry(second, "leitung").newest_id == second
    archive.replay(SECOND.replace("[eilt, neu]", "rot"))
    assert archive.tags(second, "poststelle") == {"rot"}
    assert archive.undo(2).left == []
    assert archive.undo(1).left == []
    assert archive.rows() == before


def test_sent_mail_mail_put_by_hand_and_duplicates_are_left_alone(archive: Archive) -> None:
    first = archive.mail("Es eilt", days_ago=3)
    by_hand = _with_team(acceptance(90, octets=b"Subject: eilt\r\n\r\nx"), "leitung")
    archive.route(archive.database.writer.submit(accept, by_hand).result().message_id)
    archive.mail("Es eilt", direction="out")
    with archive.database.read() as connection:
        again = acceptance(91, octets=b"".join(_octets(connection, first)), at_ms=NOW_MS)
    twin = archive.database.writer.submit(accept, again).result()
    assert twin.duplicate_of == first
    assert (archive.replay().messages, archive.teams(twin.message_id)) == (1, set())


def test_only_what_is_chosen_is_moved(archive: Archive) -> None:
    old, new = archive.mail("eilt", days_ago=40), archive.mail("eilt", days_ago=1)
    assert archive.replay(days=30).moved == 1
    assert (archive.teams(old), archive.teams(new)) == ({"poststelle", "leitung"}, {"poststelle", "kita"})
    assert archive.replay(ids=(old,)).moved == 1
    assert archive.teams(old) == {"poststelle", "kita"}


def test_imported_mail_stays_among_the_closed(archive: Archive) -> None:
    old = archive.mail("eilt", origin="import")
    archive.replay()
    assert (archive.teams(old), archive.entry(old, "kita").state) == ({"poststelle", "kita"}, "closed")
    assert archive.replay().moved == 0


def test_a_kill_in_the_middle_loses_nothing_and_it_goes_on(small: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [small.mail(f"eilt {number}") for number in range(100)]
    before = small.rows()
    persist, calls = replaying._persist, [0]

    def killed(database: Database, unit: Any, arguments: list[Any]) -> Any:
        calls[0] += unit is refile
        if calls[0] == 3:
            raise KeyboardInterrupt
        return persist(database, unit, arguments)

    monkeypatch.setattr(replaying, "_persist", killed)
    with pytest.raises(KeyboardInterrupt):
        small.replay(workers=True)
    monkeypatch.undo()
    moved = sum("kita" in small.teams(number) for number in numbers)
    with small.database.read() as connection:
        (cut,) = all_replays(connection)
    assert 0 < moved == cut.messages < 100
    assert not cut.ended
    assert small.replay().moved == 100 - moved
    with small.database.read() as connection:
        assert [(r.id, r.messages, r.ended) for r in all_replays(connection)] == [(1, 100, True)]
    assert small.undo().restored == 100
    assert small.rows() == before


def test_one_that_was_cut_off_is_another_one_under_other_rules_or_for_other_mail(
    small: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.mail("eilt")
    monkeypatch.setattr(replaying, "end", lambda connection, ids: [None] * len(ids))
    small.replay()
    small.replay(since="30d")
    small.replay(FIRST, since="30d")
    small.replay(FIRST, since="30d")
    with small.database.read() as connection:
        assert [r.id for r in all_replays(connection)] == [3, 2, 1]


def test_taking_back_leaves_what_somebody_changed_since(archive: Archive) -> None:
    urgent, other = archive.mail("Es eilt"), archive.mail("eilt auch")
    archive.replay()
    archive.database.writer.submit(set_states, StateChange(
        conversation_id=urgent, team="kita", state="closed")).result()  # fmt: skip
    undone = archive.undo()
    assert (undone.restored, undone.left) == (1, [urgent])
    assert (archive.teams(urgent), archive.teams(other)) == ({"poststelle", "kita"}, {"poststelle", "leitung"})
    with archive.database.read() as connection:
        assert [(r.messages, r.taken_back_ms) for r in all_replays(connection)] == [(1, NOW_MS)]
        assert (last_refiled(connection, urgent), last_refiled(connection, other)) == (NOW_MS, None)
        with pytest.raises(NotFoundError):
            replay_to_undo(connection, None)
        with pytest.raises(NotFoundError):
            replay_to_undo(connection, 9)


def test_to_have_looked_is_no_change(archive: Archive) -> None:
    urgent = archive.mail("Es eilt")
    before = archive.rows()
    archive.replay()
    look = Look(conversation_id=urgent, teams=frozenset({"kita", "poststelle"}), newest_id=urgent, at_ms=1)
    archive.database.writer.submit(mark_seen, look).result()
    assert archive.undo().left == []
    assert archive.rows() == before


def test_a_letter_that_came_meanwhile_keeps_the_conversation_where_it_is(archive: Archive) -> None:
    urgent = archive.mail("Es eilt", key="1@b.example")
    archive.replay()
    archive.rules = rules(SECOND)
    archive.mail("Re: Es eilt", parent="1@b.example")
    assert archive.undo().left == [urgent]


def test_open_pages_get_a_mark_that_changes(archive: Archive) -> None:
    marks = set()

    def mark() -> None:
        with archive.database.read() as connection:
            marks.add(newest_step(connection))

    archive.mail("eilt")
    mark()
    archive.replay()
    mark()
    assert len(marks) == 2


def test_a_busy_database_is_tried_again(small: Archive) -> None:
    small.mail("eilt")
    tries = []

    def busy(connection: Any, items: list[int]) -> list[int]:
        tries.append(items)
        if len(tries) < 3:
            raise TemporaryError("the database is busy")
        return items

    assert replaying._persist(small.database, busy, [1, 2]) == [1, 2]
    assert tries == [[1, 2]] * 3


WORDS = ("eilt", "rechnung", "kita", "bau", "frage")
TEAMS = ("poststelle", "kita", "leitung")


def _random_rules(chance: random.Random) -> str:
    text = HEAD + "rules:\n"
    for number in range(chance.randint(1, 5)):
        verb = chance.choice(("deliver: {t}", "copy: {t}", "tag: [{w}]", "priority: {p}", "file: closed"))
        then = verb.format(t=chance.choice(TEAMS), w=chance.choice("abc"), p=chance.choice(("low", "high")))
        more = chance.choice(("", ", stop: true", ", continue: true"))
        text += f"  - {{id: r{number}, when: {{subject: {chance.choice(WORDS)}}}, then: {{{then}}}{more}}}\n"
    return text


@pytest.mark.parametrize("seed", range(8))
def test_replaying_is_routing_afresh_and_undoing_is_as_before(
    seed: int, sqlite_database: Database, database_beside: Database
) -> None:
    chance = random.Random(seed)
    first, second = _random_rules(chance), _random_rules(chance)
    replayed_one, afresh = Archive(sqlite_database, first), Archive(database_beside, second)
    for number in range(25):
        subject = " ".join(chance.sample(WORDS, chance.randint(0, 3)))
        to = tuple(
            f"{name}@musterstadt.example" for name in chance.sample(("info", "kita", "alt"), chance.randint(1, 2))
        )
        header = "Auto-Submitted: auto-generated\r\n" if chance.random() < 0.2 else ""
        origin = "import" if chance.random() < 0.2 else "smtp"
        parent = f"{chance.randrange(number)}@b.example" if number and seed % 2 else ""
        for archive in (replayed_one, afresh):
            archive.mail(subject, *to, header=header, origin=origin, key=f"{number}@b.example", parent=parent)
    before = replayed_one.rows()
    replayed_one.replay(second)
    if seed % 2:  # which letters are one conversation was decided when they came, by the teams of that day
        assert replayed_one.places() == afresh.places()
    else:
        assert replayed_one.rows(filings, entries, tags) == afresh.rows(filings, entries, tags)
    assert replayed_one.replay(second).moved == 0
    assert replayed_one.undo(1).left == []
    assert replayed_one.rows() == before


@pytest.fixture
def database_beside(tmp_path: Any, sqlite_template: Any) -> Any:
    """Another empty store."""
    import shutil

    from maild.archive.database import FILE_NAME

    folder = tmp_path / "beside"
    folder.mkdir()
    shutil.copy(sqlite_template, folder / FILE_NAME)
    database = Database("", folder)
    database.start()
    yield database
    database.close()


CONFIDING = HEAD + "rules:\n  - {id: schutz, when: {subject: schutz}, then: {confidential: true}}\n"


def test_what_becomes_confidential_does_not_stay_open_for_anybodys_work(archive: Archive) -> None:
    number = archive.mail("Schutz", KITA)
    entry = archive.entry(number, "kita")
    with archive.database.writing.begin() as connection:
        of_entry = (entries.c.conversation_id == entry.conversation_id, entries.c.team == "kita")
        connection.execute(update(entries).where(*of_entry).values(state="waiting"))
    before = archive.rows(filings, entries)
    tally = archive.replay(CONFIDING)
    assert (tally.moved, tally.kept, archive.teams(number)) == (1, 0, {"kita:confidential"})
    assert archive.undo().restored == 1
    assert archive.rows(filings, entries) == before


def test_what_answers_a_confidential_letter_does_not_come_into_the_open_inbox_by_a_replay(archive: Archive) -> None:
    archive.rules = rules(CONFIDING)
    first = archive.mail("Schutz", KITA, INFO, key="a@b.example")
    answer = archive.mail("Nachtrag", INFO, parent="a@b.example")
    assert archive.teams(first) == {"kita:confidential", "poststelle:confidential"}
    assert archive.teams(answer) == {"poststelle:confidential"}
    moving = CONFIDING + "  - {id: moved, when: {subject: nachtrag}, then: {deliver: kita}}\n"
    archive.replay(moving)
    assert archive.teams(answer) == {"kita:confidential"}
    assert archive.replay(moving).moved == 0


def test_what_the_fallback_has_for_the_sake_of_others_stays_there(archive: Archive) -> None:
    archive.unread = frozenset({"kita"})
    number = archive.mail("Es eilt", KITA)
    assert archive.teams(number) == {"kita", "poststelle", "leitung"}
    archive.replay()
    assert archive.teams(number) == {"kita", "poststelle"}


def test_the_confidential_stand_in_stays_too(archive: Archive) -> None:
    archive.rules = rules(CONFIDING)
    archive.unread = frozenset({"kita:confidential"})
    number = archive.mail("Schutz", KITA)
    assert archive.teams(number) == {"kita:confidential", "poststelle:confidential"}
    archive.replay(CONFIDING + "  - {id: t, then: {tag: t}}\n")
    assert archive.teams(number) == {"kita:confidential", "poststelle:confidential"}
