from __future__ import annotations

from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from maild.app.readers import Readers
from maild.archive.absences import By, Marking, mark
from maild.archive.accounts import Disabling, disable_users
from maild.mail.inbox import confidential, unled
from maild.policy.roles import Role
from tests.web.office import NOW_MS, RULES, Book, office_in, rules


def test_readers_are_known_anew_for_other_rules_at_once_and_for_other_grants_after_a_refresh(tmp_path: Path) -> None:
    with office_in(tmp_path / "office") as office:
        office.user("petra", (Role.READER, "poststelle"), (Role.READER, "kita"), (Role.READER, "mitglieder"))
        book: Any = Book(rules())
        readers = Readers(office.database, book, lambda: NOW_MS)
        assert readers.unread(book.current) == frozenset()  # nothing is known yet
        with capture_logs() as logged:
            readers.refresh()
            assert readers.unread(book.current) == {"bauamt"}
            book.current = rules(
                RULES.replace("info: {team: poststelle", "bau: {team: bauamt}\n  info: {team: kreis").replace(
                    "  bauamt: {name", "  kreis: {name: Kreis}\n  bauamt: {name"
                )
            )
            assert readers.unread(book.current) == {"bauamt", "kreis"}
            readers.tell(book.current)
            office.grant("petra", Role.READER, "bauamt")
            office.grant("petra", Role.READER, "kreis")
            assert readers.unread(book.current) == {"bauamt", "kreis"}
            readers.refresh()
            readers.refresh()
        assert readers.unread(book.current) == frozenset()
    assert [(e["event"], e.get("teams"), e.get("fallback")) for e in logged] == [
        ("teams.unread", ["bauamt"], False),
        ("teams.unread", ["bauamt", "kreis"], False),
        ("teams.read_again", None, None),
    ]


def test_what_is_closed_is_an_alarm_while_its_people_are_away_and_goes_nowhere_else(tmp_path: Path) -> None:
    closed = rules(RULES.replace("{name: Bauamt, office: Amt 63}", "{name: Personalrat, closed: true}"))
    with office_in(tmp_path / "office") as office:
        office.user("petra", *((Role.READER, team) for team in ("poststelle", "kita", "mitglieder")))
        office.user("karl", (Role.MANAGER, "bauamt"))
        readers = Readers(office.database, Book(closed), lambda: NOW_MS)  # type: ignore[arg-type]
        by = By(login="karl", user_id=None, parents={}, at_ms=NOW_MS)
        office.database.writer.submit(mark, Marking(by=by, login="karl", from_ms=NOW_MS)).result()
        with capture_logs() as logged:
            readers.refresh()
            assert readers.alarm(closed) == {"bauamt"}
            assert readers.unread(closed) == frozenset()
            office.database.writer.submit(disable_users, Disabling(login="karl", disabled_ms=NOW_MS)).result()
            readers.refresh()
            assert readers.alarm(closed) == readers.waiting(closed) == {"bauamt"}
            assert readers.unread(closed) == frozenset()  # who closes accounts opens nothing
            office.grant("petra", Role.MANAGER, "bauamt")
            readers.refresh()
        assert [(each["event"], each.get("waiting")) for each in logged] == [
            ("teams.unread", ["bauamt"]),
            ("teams.read_again", None),
        ]


def test_a_team_of_whose_leads_nobody_is_there_is_named_for_mail_that_only_looks_confidential(tmp_path: Path) -> None:
    with office_in(tmp_path / "office") as office:
        book: Any = Book(rules())
        readers = Readers(office.database, book, lambda: NOW_MS)
        # As long as nothing is known, everybody of a team is to see what comes.
        assert readers.unread_now(book.current) == frozenset(map(unled, book.current.teams))
        office.user("lena", (Role.MANAGER, "kita"))
        office.user("paul", (Role.COORDINATOR, "poststelle"), (Role.READER, confidential("bauamt")))
        readers.refresh()
        found = readers.unread_now(book.current)
        assert {unled(team) for team in book.current.teams} & found == {
            unled("poststelle"), unled("mitglieder"), unled("mitglieder.by"),
        }  # fmt: skip
        by = By(login="lena", user_id=None, parents={}, at_ms=NOW_MS)
        office.database.writer.submit(mark, Marking(by=by, login="lena", from_ms=NOW_MS)).result()
        readers.refresh()
        assert unled("kita") in readers.unread_now(book.current)
