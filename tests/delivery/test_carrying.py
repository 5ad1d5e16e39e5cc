"""What rules ask to be sent on: duties become deliveries, once, and end with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from maild.archive.database import Database
from maild.archive.duties import Ending, RecordedDuty, Release, duties_of, release
from maild.archive.schema import duties
from maild.archive.schema_outgoing import deliveries
from maild.delivery.queue.acts import Act, Change
from maild.delivery.queue.carrying import (
    TakenUp,
    TakeUp,
    change_and_settle,
    end_with_deliveries,
    own_postmaster,
    take_up,
)
from maild.delivery.queue.listing import deliveries_of
from maild.delivery.queue.places import asked_by, places_of
from maild.policy.visible import OPERATOR, Visible
from maild.rules.duties import Duty
from tests.archive.samples import NOW_MS
from tests.delivery.post import DAY_MS, THERE, Post, letter
from tests.delivery.sink import Sink

ON = f"chef@{THERE}"
FORWARD = Duty("poststelle", "forward", ON, "f")
HOLD = Duty("poststelle", "hold", "", "h")


def taken(database: Database) -> TakenUp:
    asked = TakeUp(now_ms=NOW_MS, lifetime_ms=5 * DAY_MS, reverse_path=own_postmaster, hostname="mx.us.example")
    return database.writer.submit(take_up, asked).result()


def found(database: Database, message_id: int) -> tuple[RecordedDuty, ...]:
    with database.read() as connection:
        return duties_of(connection, visible=OPERATOR, message_ids=[message_id])[message_id]


def places(database: Database) -> list[tuple[str, str, str, str | None]]:
    table = deliveries.c
    with database.read() as connection:
        rows = connection.execute(
            select(table.kind, table.recipient, table.next_hop, table.reverse_path).order_by(table.id)
        )
        return [tuple(row) for row in rows]


def test_each_kind_of_duty_becomes_deliveries_once(database: Database) -> None:
    letter(
        database,
        FORWARD,
        Duty("kita", "also-deliver", "maildir:/var/mail/kita", ""),
        Duty("kita", "also-deliver", "lmtp:127.0.0.1:24", ""),
        Duty("kita", "also-deliver", "imap:imap://k@h.example:993/Kita", ""),
        Duty("kita", "also-deliver", "forward:a@kreis.example, b@land.example", ""),
        Duty("kita", "forward", ON, "g"),
        Duty("kita", "acknowledge", "eingang", ""),
    )
    assert taken(database).made == 6
    assert taken(database).made == 0
    ours = "postmaster@musterstadt.example"
    assert sorted(places(database)) == sorted([
        ("smtp", ON, THERE, ours),
        ("maildir", "kita@musterstadt.example", "/var/mail/kita", "petra@citizen.example"),
        ("lmtp", "kita@musterstadt.example", "127.0.0.1:24", "petra@citizen.example"),
        ("imap", "kita@musterstadt.example", "imap://k@h.example:993/Kita", "petra@citizen.example"),
        ("smtp", "a@kreis.example", "kreis.example", ours),
        ("smtp", "b@land.example", "land.example", ours),
    ])  # fmt: skip


def test_what_is_held_waits_for_its_release(database: Database) -> None:
    message_id = letter(database, FORWARD, HOLD)
    assert taken(database).made == 0
    let_go = Release(message_id=message_id, team="poststelle", by="petra", at_ms=NOW_MS)
    database.writer.submit(release, let_go).result()
    assert taken(database).made == 1


def test_values_and_sql_agree_on_what_a_duty_asks_for(database: Database) -> None:
    asked = [
        FORWARD,
        Duty("poststelle", "forward", "x@y.example", "f"),
        Duty("poststelle", "also-deliver", "forward:a@kreis.example, aa@kreis.example", ""),
        Duty("poststelle", "also-deliver", "forward:aa@kreis.example", ""),
        Duty("poststelle", "also-deliver", "lmtp:/run/a", ""),
        Duty("poststelle", "also-deliver", "imap:imap://k@h.example:993/Kita", ""),
        Duty("poststelle", "also-deliver", "maildir:/run/a", ""),
        Duty("poststelle", "reply", ON, "r"),
    ]
    letter(database, *asked)
    letter(database, FORWARD, number=2)
    taken(database)
    with database.read() as connection:
        rows = connection.execute(
            select(duties, deliveries.c.id.label("d")).join_from(duties, deliveries, asked_by(deliveries))
        ).mappings()
        by_sql = {(row["message_id"], row["kind"], row["target"], row["d"]) for row in rows}
        everything = connection.execute(select(duties)).mappings().all()
        made = connection.execute(select(deliveries)).mappings().all()
    by_value = {
        (duty["message_id"], duty["kind"], duty["target"], each["id"])
        for duty in everything
        if duty["kind"] in ("forward", "also-deliver")
        for place in places_of(duty["kind"], duty["target"], duty["team"], "musterstadt.example")
        for each in made
        if (each["message_id"], each["kind"], each["recipient"], each["next_hop"]) == (duty["message_id"], *place)
    }
    assert by_sql == by_value
    assert len(by_value) == 9


async def test_a_letter_is_sent_on_as_it_came_and_its_duty_is_done(database: Database) -> None:
    octets = b"From: petra@citizen.example\r\nDKIM-Signature: x\r\nSubject: 1\r\n\r\nGuten Tag\r\n"
    message_id = letter(database, FORWARD, octets=octets)
    async with Sink() as sink:
        post = Post(database, port=sink.port)
        await post.turn()
    (mail,) = sink.mails
    assert mail.sender.startswith("MAIL FROM:<postmaster@musterstadt.example>")
    assert mail.octets.endswith(octets)
    above = mail.octets.removesuffix(octets)
    assert above.startswith(b"Maild-Sent-On: mx.musterstadt.example ")
    assert ON.encode() not in above
    (done,) = found(database, message_id)
    assert (done.state, done.ended_by) == ("done", "maild")


async def test_a_letter_that_comes_back_is_not_sent_on_again(sqlite_database: Database) -> None:
    letter(sqlite_database, FORWARD)
    async with Sink() as sink:
        post = Post(sqlite_database, port=sink.port)
        await post.turn()
        other = Duty("poststelle", "forward", f"other@{THERE}", "f")
        back = letter(sqlite_database, FORWARD, other, number=2, octets=b"Received: x\r\n" + sink.mails[0].octets)
        await post.turn()
    (held, sent) = post.deliveries(back)
    assert (held.state, held.outcome[:5], sent.state) == ("held", "5.4.6", "delivered")
    assert len(sink.mails) == 2
    assert [duty.state for duty in found(sqlite_database, back)] == ["waiting", "done"]


async def test_a_duty_waits_as_long_as_its_delivery_has_failed(sqlite_database: Database) -> None:
    message_id = letter(sqlite_database, FORWARD)
    async with Sink(fault="5xx", at="mail") as sink:
        post = Post(sqlite_database, port=sink.port)
        await post.turn()
        assert post.states(message_id) == ["failed"]
        assert found(sqlite_database, message_id)[0].state == "waiting"
        await post.turn()
        assert sink.connections == 1
        sink.heal()
        again = Change(delivery_id=post.deliveries(message_id)[0].id, act=Act.RETRY, by="petra", at_ms=post.now_ms)
        sqlite_database.writer.submit(change_and_settle, again).result()
        await post.turn()
    assert found(sqlite_database, message_id)[0].state == "done"


def test_giving_up_a_delivery_gives_up_its_duty_and_the_other_way_round(database: Database) -> None:
    first, second = letter(database, FORWARD), letter(database, FORWARD, number=2)
    taken(database)
    with database.read() as connection:
        both = deliveries_of(connection, visible=OPERATOR, message_ids=[first, second])
    drop = Change(delivery_id=both[first][0].id, act=Act.DROP, by="petra", at_ms=NOW_MS)
    database.writer.submit(change_and_settle, drop).result()
    (duty,) = found(database, first)
    assert (duty.state, duty.ended_by) == ("dropped", "petra")
    (duty,) = found(database, second)
    ending = Ending(duty_id=duty.id, state="dropped", by="petra", at_ms=NOW_MS)
    database.writer.submit(end_with_deliveries, ending).result()
    with database.read() as connection:
        both = deliveries_of(connection, visible=OPERATOR, message_ids=[first, second])
    assert [each.state for rows in both.values() for each in rows] == ["dropped", "dropped"]


def test_only_the_team_whose_rule_asked_sees_where_a_letter_was_sent_on(database: Database) -> None:
    message_id = letter(database, FORWARD, Duty("kita", "also-deliver", "maildir:/var/mail/kita", ""))
    taken(database)
    seen = {}
    with database.read() as connection:
        for team in ("poststelle", "kita", "kasse"):
            visible = Visible(teams=frozenset({team}))
            rows = deliveries_of(connection, visible=visible, message_ids=[message_id]).get(message_id, ())
            seen[team] = [each.kind for each in rows]
    assert seen == {"poststelle": ["smtp"], "kita": ["maildir"], "kasse": []}


@pytest.mark.parametrize("sender", [None, "petra@citizen.example"])
def test_the_null_reverse_path_stays_null(sender: str | None) -> None:
    path = own_postmaster(sender, "musterstadt.example", 1)
    assert path == (None if sender is None else "postmaster@musterstadt.example")


async def test_a_copy_comes_into_a_maildir(sqlite_database: Database, tmp_path: Path) -> None:
    mailbox = tmp_path / "kita"
    octets = b"Subject: 1\r\n\r\nGuten Tag\r\nbare\n"
    message_id = letter(sqlite_database, Duty("kita", "also-deliver", f"maildir:{mailbox}", ""), octets=octets)
    post = Post(sqlite_database)
    await post.turn()
    (missing,) = post.deliveries(message_id)
    assert (missing.state, missing.outcome) == ("deferred", "4.2.0 there is no such directory")
    mailbox.mkdir()
    post.later()
    await post.turn()
    (file_,) = (mailbox / "new").iterdir()
    assert file_.read_bytes() == (
        b"Return-Path: <petra@citizen.example>\r\nDelivered-To: kita@musterstadt.example\r\n" + octets
    )
    assert found(sqlite_database, message_id)[0].state == "done"
