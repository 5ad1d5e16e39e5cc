from __future__ import annotations

from pathlib import Path

from sqlalchemy import update

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.schema_outgoing import outgoing
from maild.delivery.outcome import Outcome, Result
from maild.delivery.queue.carrying import TakeUp, finish, own_postmaster, take_up
from maild.delivery.queue.claiming import Claim, claim
from maild.delivery.queue.working import End
from maild.mail.ids import format_id
from maild.rules.duties import Duty
from tests.archive.samples import NOW_MS, acceptance, filing
from tests.cli.shell import Maild
from tests.delivery.post import DAY_MS, letter, out


def fail(database: Database) -> None:
    """Let every delivery that is due fail for good."""
    asked = Claim(now_ms=NOW_MS, lease_ms=NOW_MS + 9, loads=9, per_hop=9)
    for load in database.writer.submit(claim, asked).result().loads:
        for each in load:
            outcome = Outcome(result=Result.FAILED, reply="550 5.1.1 no\x1bbody", host="mx [192.0.2.1]", stage="rcpt")
            end = End(delivery=each, outcome=outcome, started_ms=NOW_MS, at_ms=NOW_MS, jitter=0.5)
            database.writer.submit(finish, end).result()


def opened(site: Path) -> Database:
    database = Database("", site / "var")
    database.start()
    return database


def test_deliveries_stand_beside_what_is_to_be_done(maild: Maild, site: Path) -> None:
    database = opened(site)
    letter(database, Duty("poststelle", "acknowledge", "eingang", ""))
    out(database, ("a@b.example",), number=2)
    database.close()
    listed = maild("queue", "list").out
    assert "acknowledge" in listed
    assert "On its way out:" in listed
    assert next(line for line in listed.splitlines() if line.startswith("D1 ")).split()[-4:-1] == [
        "queued", "a@b.example", "smtp",
    ]  # fmt: skip
    assert [each["id"] for each in maild("queue", "list", "--json").objects] == [1, "D1"]
    assert maild("queue", "show", "1").out.startswith("message")
    shown = maild("queue", "show", "d1")
    assert "a@b.example, by smtp to b.example" in shown.out
    assert "said      nothing yet" in shown.out
    assert maild("queue", "show", "D1", "--json").objects[0]["tries"] == []


def test_a_trace_tells_of_the_deliveries_of_a_letter_and_of_what_was_written_about_it(maild: Maild, site: Path) -> None:
    database = opened(site)
    first = database.writer.submit(accept, acceptance(1)).result().message_id
    sent = out(database, ("a@b.example",), number=2)
    assert "  delivery D1 to a@b.example: queued\n" in maild("show", format_id(sent), "--trace").out
    answers = update(outgoing).where(outgoing.c.message_id == sent).values(answers_id=first)
    database.writer.submit(lambda connection, _: [connection.execute(answers)], None).result()
    database.writer.submit(file, filing(sent, teams=("kita",))).result()
    database.close()
    (told,) = maild("show", format_id(first), "--trace", "--json").objects
    assert told["answers"] == [{"id": format_id(sent), "kind": "answer"}]
    assert told["deliveries"] == []


def test_a_delivery_is_held_released_tried_and_given_up(maild: Maild, site: Path) -> None:
    database = opened(site)
    out(database, ("a@b.example",))
    database.close()
    assert "D1 is held" in maild("queue", "hold", "D1").err
    assert maild("queue", "list", "--json").objects[0]["state"] == "held"
    assert maild("queue", "hold", "D1").code == 1
    assert maild("queue", "release", "D1").code == 0
    assert maild("queue", "retry", "D1").code == 0
    asked = maild("queue", "drop", "D1")
    assert (asked.code, "--yes does it" in asked.err) == (1, True)
    assert maild("queue", "drop", "D1", "--yes").code == 0
    assert maild("queue", "list").err == "nothing waits\n"
    assert " by " in maild("queue", "show", "D1").out.partition("state")[2]


def test_what_failed_is_listed_with_what_was_said_and_tried_again(maild: Maild, site: Path) -> None:
    assert maild("queue", "list", "--failed").err == "no delivery failed\n"
    database = opened(site)
    out(database, ("a@b.example",))
    fail(database)
    database.close()
    assert maild("queue", "list").err == "nothing waits\n"
    failed = maild("queue", "list", "--failed").out
    assert "550 5.1.1 no body" in failed
    assert "\x1b" not in failed
    assert "try 1     " in maild("queue", "show", "D1").out
    assert maild("queue", "retry", "D1").code == 0
    assert maild("queue", "list", "--json").objects[0]["state"] == "queued"


def test_giving_up_a_duty_gives_up_its_deliveries(maild: Maild, site: Path) -> None:
    database = opened(site)
    letter(database, Duty("poststelle", "forward", "a@b.example", "f"))
    asked = TakeUp(now_ms=NOW_MS, lifetime_ms=DAY_MS, reverse_path=own_postmaster, hostname="us.example")
    database.writer.submit(take_up, asked).result()
    database.close()
    assert maild("queue", "drop", "1", "--yes").code == 0
    assert maild("queue", "show", "D1", "--json").objects[0]["state"] == "dropped"


def test_numbers_are_told_apart(maild: Maild, site: Path) -> None:
    assert "D7" in maild("queue", "retry", "7").err
    for wrong in ("D0", "x", "DD1", "-1", "D"):
        result = maild("queue", "show", wrong)
        assert result.code == 2, wrong
    assert maild("queue", "show", "D4711").code == 1
