from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from ipaddress import ip_network

import pytest
from sqlalchemy import delete, func, select, update

from maild.archive.commit import Addressee, accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.schema import chain_head, content, messages, recipients
from maild.errors import TemporaryError
from maild.mail.authentication import TrustedRelays
from maild.router.comparing import Fate
from maild.router.rehearsal import Kind, Rehearsal, Report
from maild.rules.loader import load
from maild.rules.model import Ruleset
from tests.archive.samples import NOW_MS, acceptance, filing

DAY_MS = 86_400_000
RULES = """\
version: 1
organisation: {name: X, timezone: Europe/Berlin}
domains: [musterstadt.example]
teams:
  poststelle: {name: Poststelle}
  kita: {name: Kita}
  leitung: {name: Leitung}
fallback: poststelle
unknown_recipient: reject
addresses:
  info: {team: poststelle}
  kita: {team: kita}
  alt: {team: leitung}
rules:
  - id: eilt
    when: {subject: eilt}
    then: {copy: leitung, tag: eilt}
"""
KITA = ("kita@musterstadt.example",)


def rules(text: str) -> Ruleset:
    ruleset, found = load(text, "rules.yaml", today=date(2026, 1, 1))
    assert ruleset is not None, found
    return ruleset


def put(database: Database, number: int, subject: str, *to: str, days_ago: int = 0, octets: bytes = b"") -> int:
    letter = acceptance(
        number,
        octets=octets or f"Subject: {subject}\r\n\r\n{number}\r\n".encode(),
        to=to or ("info@musterstadt.example",),
        at_ms=NOW_MS - days_ago * DAY_MS,
    )
    return database.writer.submit(accept, letter).result().message_id


def rehearse(database: Database, old: str, new: str, *, days: int = 365) -> Report:
    seen: list[int] = []
    rehearsal = Rehearsal(database, rules(old), rules(new))
    span = NOW_MS - days * DAY_MS, NOW_MS + DAY_MS
    report = rehearsal.run(*span, seen.append)
    assert sum(seen) == report.messages == rehearsal.count(*span)
    return report


def test_what_would_go_elsewhere_is_counted_by_rule_and_team(database: Database) -> None:
    for number in range(5):
        put(database, number, "Es eilt sehr", *KITA)
    put(database, 7, "Ruhig", *KITA)
    last = put(database, 8, "eilt", "info@musterstadt.example", *KITA)
    report = rehearse(database, RULES, RULES.replace("copy: leitung", "copy: poststelle"))
    assert (report.messages, report.recipients, report.changed, report.by_envelope) == (7, 8, 7, 0)
    kita = Kind(
        Fate(("kita", "leitung"), claimed=True), Fate(("kita", "poststelle"), claimed=True), ("eilt",)
    )  # fmt: skip
    info = Kind(Fate(("leitung", "poststelle"), claimed=True), Fate(("poststelle",), claimed=True), ("eilt",))
    assert {kind: changes.count for kind, changes in report.kinds.items()} == {kita: 6, info: 1}
    assert len(report.kinds[kita].examples) == 3
    assert report.kinds[kita].examples[-1] == (last, NOW_MS, KITA[0])
    assert (report.before, report.after) == (
        {"kita": 7, "leitung": 7, "poststelle": 1},
        {"kita": 7, "poststelle": 7},
    )


@pytest.mark.parametrize(("unknown", "refused"), [("reject", True), ("fallback", False)])
def test_mail_that_no_address_would_claim_is_named(database: Database, unknown: str, refused: bool) -> None:
    put(database, 1, "eilt", "alt@musterstadt.example")
    put(database, 2, "x", "Alt+7@musterstadt.example")
    put(database, 3, "x", "nie@musterstadt.example")  # nobody claimed it before, either
    now = RULES.replace("unknown_recipient: reject", f"unknown_recipient: {unknown}")
    report = rehearse(database, now, now.replace("  alt: {team: leitung}\n", ""))
    assert report.unmatched == {("alt@musterstadt.example", refused): 2}
    teams = () if refused else ("poststelle",)
    assert {kind.new.teams for kind in report.kinds} == ({teams} if refused else {teams, ("leitung", "poststelle")})
    assert report.changed == 2


def test_what_stays_as_it_is_makes_no_other_sort_of_change(database: Database) -> None:
    put(database, 1, "eilt", *KITA)
    put(database, 2, "x", *KITA)
    report = rehearse(database, RULES.replace("copy: leitung, ", ""), RULES.replace(
        "copy: leitung, ", "").replace("kita: {team: kita}", "kita: {team: leitung}"))  # fmt: skip
    ((kind, changes),) = report.kinds.items()
    assert (kind.old.tags, kind.new.tags, kind.rules, changes.count) == ((), (), (), 2)


def test_mail_that_would_be_sent_on_or_held_fares_differently(sqlite_database: Database) -> None:
    put(sqlite_database, 1, "eilt")
    put(sqlite_database, 2, "ruhig")
    before = RULES.replace("tag: eilt", "forward: a@b.example")
    report = rehearse(sqlite_database, before, RULES.replace("tag: eilt", "forward: c@d.example, hold: true"))
    ((kind, changes),) = report.kinds.items()
    assert (kind.old.asks, kind.new.asks, changes.count) == (
        ("forward a@b.example",),
        ("forward c@d.example", "hold"),
        1,
    )


def test_only_mail_of_the_time_that_the_rules_were_asked_about_counts(database: Database) -> None:
    put(database, 1, "eilt", days_ago=40)
    put(database, 2, "eilt")
    twin = put(database, 2, "eilt")  # the same octets, sender and recipient: a duplicate
    past = acceptance(3, octets=b"Subject: eilt\r\n\r\nx")
    past = replace(past, addressees=(Addressee(address="", address_key="", team="kita"),))
    database.writer.submit(accept, past).result()
    database.writer.submit(accept, acceptance(4, octets=b"Subject: eilt\r\n\r\ny", direction="out")).result()
    report = rehearse(database, RULES, RULES.replace("tag: eilt", "tag: rot"), days=30)
    assert (report.messages, report.recipients, report.changed) == (3, 1, 1)
    ((kind, changes),) = report.kinds.items()
    assert (kind.old.tags, kind.new.tags) == (("eilt",), ("rot",))
    assert changes.examples[0].message_id != twin


def test_a_rehearsal_changes_nothing_in_the_archive(database: Database) -> None:
    put(database, 1, "eilt")
    before = _state(database)
    assert rehearse(database, RULES, RULES.replace("tag: eilt", "tag: rot")).changed == 1
    assert _state(database) == before


def _state(database: Database) -> list[object]:
    with database.read() as connection:
        return [
            connection.execute(select(chain_head)).all(),
            connection.execute(select(recipients)).all(),
            connection.scalar(select(func.count()).select_from(content)),
        ]


def test_mail_of_any_size_is_read_and_mail_that_cannot_be_is_told_by_its_envelope(database: Database) -> None:
    padding = b"0123456789\r\n" * 150_000
    for number, octets in enumerate((b"Subject: eilt\r\n\r\n", b"Subject: eilt 2\r\n\r\n" + padding)):
        put(database, number, "", octets=octets)
    rotten = (b"Subject: eilt 3\r\n\r\n", b"Subject: eilt 4\r\n\r\n" + padding)
    for number, octets in enumerate(rotten, start=3):
        put(database, number, "", *KITA, octets=octets)
    gone, damaged = (acceptance(1, octets=octets).content.digest for octets in rotten)
    with database.writing.begin() as connection:
        connection.execute(delete(content).where(content.c.digest == gone))
        connection.execute(update(content).where(content.c.digest == damaged).values(octets=b"rotten"))
    new = RULES.replace("tag: eilt", "tag: rot").replace("kita: {team: kita}", "kita: {team: leitung}")
    report = rehearse(database, RULES, new)
    assert (report.messages, report.by_envelope, report.changed) == (4, 2, 4)
    assert {(k.rules, k.new.teams): c.count for k, c in report.kinds.items()} == {
        (("eilt",), ("leitung", "poststelle")): 2,
        ((), ("leitung",)): 2,
    }


def test_workers_that_always_die_give_no_result(sqlite_database: Database) -> None:
    put(sqlite_database, 1, "eilt")
    rehearsal = Rehearsal(sqlite_database, rules(RULES), rules(RULES))
    ended = threading.Event()

    def run() -> None:
        try:
            rehearsal.run(0, NOW_MS + DAY_MS, lambda _: None)
        finally:
            ended.set()

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run)
        while not ended.wait(0.001):
            for worker in tuple(rehearsal.workers):
                worker.interrupt()
        with pytest.raises(TemporaryError, match="nothing was compared"):
            running.result()


def test_verdicts_and_replies_come_from_the_relay_and_the_archive(sqlite_database: Database) -> None:
    stamp = b"Authentication-Results: mx.town.example; spf=fail\r\nReceived: x\r\n"
    for number, peer in enumerate(("10.0.0.7", "192.0.2.7")):
        message_id = put(sqlite_database, number, "", octets=b"%bX: %d\r\n\r\n" % (stamp, number))
        with sqlite_database.writing.begin() as connection:
            values = {"envelope": json.dumps({"ip": peer})}
            connection.execute(update(messages).where(messages.c.id == message_id).values(values))
    for number, refers in ((2, ()), (3, ("2@c.example",))):
        named = b"In-Reply-To: <2@c.example>\r\n" if refers else b""
        message_id = put(sqlite_database, number, "", octets=b"%bX: %d\r\n\r\n" % (named, number))
        letter = filing(message_id, key=f"{number}@c.example", refers=refers)
        sqlite_database.writer.submit(file, letter).result()
    more = "  - {id: failed, when: {spf: fail}, then: {tag: failed}}\n"
    more += "  - {id: answers, when: {reply: true}, then: {tag: answer}}\n"
    relays = TrustedRelays(networks=(ip_network("10.0.0.0/8"),), authserv_ids=("mx.town.example",))
    report = Rehearsal(sqlite_database, rules(RULES), rules(RULES + more), relays).run(
        0, NOW_MS + DAY_MS, lambda _: None
    )
    assert {kind.rules: changes.count for kind, changes in report.kinds.items()} == {("failed",): 1, ("answers",): 1}


def test_mail_that_a_rule_would_refuse_is_counted_as_refused_by_it(sqlite_database: Database) -> None:
    put(sqlite_database, 1, "eilt", *KITA)
    put(sqlite_database, 2, "ruhig", *KITA)
    report = rehearse(sqlite_database, RULES, RULES.replace("{copy: leitung, tag: eilt}", "{reject: Nein}"))
    ((kind, changes),) = report.kinds.items()
    assert (kind.old.teams, kind.new, kind.rules) == (("kita", "leitung"), Fate((), claimed=True), ("eilt",))
    assert (changes.count, report.unmatched) == (1, {})


def test_the_newest_mail_comes_first_when_there_may_be_enough(database: Database) -> None:
    for number in range(150):
        put(database, number, "eilt", days_ago=150 - number)
    new = RULES.replace("copy: leitung", "copy: kita")
    rehearsal = Rehearsal(database, rules(RULES), rules(new))
    report = rehearsal.run(0, NOW_MS, lambda _: None, enough=lambda taken: taken >= 100)
    assert 100 <= report.messages < 150
    (changes,) = report.kinds.values()
    assert changes.count == report.messages
    newest = [NOW_MS - days * DAY_MS for days in (3, 2, 1)]
    assert [example.received_ms for example in changes.examples] == newest
