from __future__ import annotations

from sqlalchemy import func, select

from maild.archive.commit import Acceptance, Addressee, accept
from maild.archive.content import held
from maild.archive.database import Database
from maild.archive.greylist import PASS_MS, Meeting, Pruning, has_passed, is_written_to, meet, prune
from maild.archive.schema_senders import greylist

DELAY_MS, WINDOW_MS = 300_000, 172_800_000
ONE, TWO = b"1" * 16, b"2" * 16


def come(database: Database, now_ms: int, *keys: bytes) -> int:
    meeting = Meeting(keys=keys or (ONE,), now_ms=now_ms, delay_ms=DELAY_MS, window_ms=WINDOW_MS)
    return database.writer.submit(meet, meeting).result()


def passed(database: Database, now_ms: int, *keys: bytes) -> bool:
    with database.read() as connection:
        return has_passed(connection, Meeting(keys or (ONE,), now_ms, DELAY_MS, WINDOW_MS))


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(greylist)) or 0


def test_a_stranger_waits_and_may_come_in_when_it_comes_again_in_time(database: Database) -> None:
    assert come(database, 1_000) == DELAY_MS
    assert come(database, 101_000) == DELAY_MS - 100_000
    assert not passed(database, 101_000)
    assert come(database, 1_000 + DELAY_MS) == 0
    assert passed(database, 400_000)


def test_a_stranger_that_comes_too_late_is_one_anew(database: Database) -> None:
    come(database, 0)
    assert come(database, WINDOW_MS) == DELAY_MS
    assert come(database, WINDOW_MS + DELAY_MS) == 0


def test_who_has_passed_is_known_for_35_days_after_each_mail(database: Database) -> None:
    come(database, 0)
    come(database, DELAY_MS)
    monthly = DELAY_MS + PASS_MS - 1
    assert not passed(database, monthly)  # to be written down again
    assert come(database, monthly) == 0
    assert come(database, monthly + PASS_MS - 1) == 0
    assert come(database, monthly + 2 * PASS_MS) == DELAY_MS


def test_a_mail_may_come_in_when_one_of_its_keys_may_and_takes_the_others_along(database: Database) -> None:
    come(database, 0, ONE)
    come(database, DELAY_MS, ONE)
    assert come(database, DELAY_MS + 1, ONE, TWO) == 0
    assert come(database, DELAY_MS + 2, TWO) == 0


def test_what_is_of_no_use_is_forgotten_and_of_too_many_the_oldest_strangers_first(database: Database) -> None:
    come(database, 0, ONE)
    come(database, DELAY_MS, ONE)
    for number in range(5):
        come(database, DELAY_MS + number, bytes([number]) * 16)
    assert database.writer.submit(prune, Pruning(now_ms=DELAY_MS + 9, window_ms=WINDOW_MS)).result() == 0
    assert database.writer.submit(prune, Pruning(DELAY_MS + 9, WINDOW_MS, most_rows=3)).result() == 3
    assert passed(database, DELAY_MS + 10)
    assert come(database, 2 * DELAY_MS + 4, bytes([4]) * 16) == 0
    assert come(database, 2 * DELAY_MS + 4, bytes([0]) * 16) == DELAY_MS
    database.writer.submit(prune, Pruning(now_ms=PASS_MS * 2, window_ms=WINDOW_MS)).result()
    assert count(database) == 0


def test_only_who_was_written_to_is_known_and_not_who_pretends_to_be_one_of_us(database: Database) -> None:
    for number, (direction, to) in enumerate([("out", "petra@citizen.example"), ("in", "kita@musterstadt.example")]):
        database.writer.submit(
            accept,
            Acceptance(
                message_id=number + 1,
                direction=direction,
                origin="smtp",
                content=held(b"x" * (number + 1)),
                received_ms=1,
                reverse_path=None,
                envelope="{}",
                addressees=(Addressee(address=to, address_key=to),),
            ),
        ).result()
    with database.read() as connection:
        assert is_written_to(connection, "petra@citizen.example")
        assert not is_written_to(connection, "kita@musterstadt.example")
        assert not is_written_to(connection, "nobody@citizen.example")
