"""Several messages on one connection: what comes after a 250 is said only when that is on the disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from maild.archive.database import Database
from maild.delivery.deliveries import LMTP, SMTP, Delivery, Dsn
from maild.delivery.lanes import AHEAD, Lanes
from maild.delivery.worker import Limits
from tests.archive.samples import NOW_MS
from tests.delivery.post import Post, out
from tests.delivery.sink import Sink

ONE = Limits(connections=1, per_hop=1)
PIPELINING = ("PIPELINING", "8BITMIME", "DSN")


def verbs(sink: Sink) -> list[str]:
    return [line[:4] for line in sink.said]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the sink sets no event
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("offers", [("DSN",), PIPELINING])
async def test_messages_to_one_hop_share_a_connection(sqlite_database: Database, offers: tuple[str, ...]) -> None:
    sent = [out(sqlite_database, ("a@there.example", "b@there.example"), number=n) for n in range(3)]
    async with Sink(offers=offers, refused=frozenset({"nobody@there.example"})) as sink:
        post = Post(sqlite_database, port=sink.port, limits=ONE)
        await post.turn()
        assert [post.states(each) for each in sent] == [["delivered"] * 2] * 3
        assert sink.connections == 1
        assert verbs(sink) == ["EHLO", *["MAIL", "RCPT", "RCPT", "DATA"] * 3, "QUIT"]
        refused = out(sqlite_database, ("nobody@there.example", "a@there.example"), number=9)
        await post.turn()
        assert post.states(refused) == ["failed", "delivered"]
        assert sink.mails[-1].recipients == ["a@there.example"]


@pytest.mark.parametrize("offers", [("DSN",), PIPELINING])
async def test_a_connection_that_was_closed_meanwhile_is_no_failure(
    sqlite_database: Database, offers: tuple[str, ...]
) -> None:
    sent = [out(sqlite_database, number=n) for n in range(4)]
    async with Sink(offers=offers, most=1) as sink:
        post = Post(sqlite_database, port=sink.port, limits=ONE)
        await post.turn()
        assert len(sink.mails) == len(sent)
    for each in sent:
        (found,) = post.deliveries(each)
        assert (found.state, found.attempts, found.doubtful) == ("delivered", 1, False)


@pytest.mark.parametrize("once", [False, True])
async def test_the_envelope_of_a_further_message_goes_at_once_unless_it_must_not_be_sent_twice(
    sqlite_database: Database, *, once: bool
) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = b"220 there\r\n"
        while True:
            writer.write(answer)
            if not (octets := await reader.read(65_536)) or octets.startswith(b"QUIT"):
                writer.close()
                return
            heard.append(octets)
            if octets.endswith(b"\r\n.\r\n"):
                answer = b"250 kept\r\n"
            elif octets.startswith(b"EHLO"):
                answer = b"250-there\r\n250 PIPELINING\r\n"
            else:
                answer = b"250 ok\r\n" * octets.count(b"<") + b"354 go on\r\n" * octets.endswith(b"DATA\r\n")

    sent = [out(sqlite_database, number=number, once=once) for number in range(3)]
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        post = Post(sqlite_database, port=server.sockets[0].getsockname()[1], limits=ONE)
        await post.turn()
    assert [post.states(each) for each in sent] == [["delivered"]] * 3
    assert [b"DATA" in each for each in heard if each.startswith(b"MAIL")] == [False, not once, not once]


async def test_who_takes_data_without_a_recipient_gets_nothing(sqlite_database: Database) -> None:
    out(sqlite_database, number=1)
    refused = out(sqlite_database, ("nobody@there.example",), number=2)
    async with Sink(offers=PIPELINING, refused=frozenset({"nobody@there.example"})) as sink:
        post = Post(sqlite_database, port=sink.port, limits=ONE)
        await post.turn()
        await until(lambda: verbs(sink)[-1] == "QUIT")
    assert post.states(refused) == ["failed"]
    assert (sink.mails[-1].recipients, sink.mails[-1].wire) == ([], b".\r\n")


async def test_data_does_not_follow_a_message_that_could_not_be_recorded(sqlite_database: Database) -> None:
    sent = [out(sqlite_database, number=number) for number in range(2)]
    with sqlite_database.writing.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE UPDATE OF state ON deliveries WHEN NEW.state = 'delivered' "
            "BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    async with Sink(offers=PIPELINING) as sink:
        post = Post(sqlite_database, port=sink.port, limits=ONE)
        turn = asyncio.create_task(post.turn())
        await until(lambda: len(sink.mails) == 2)
        assert (sink.connections, verbs(sink).count("DATA"), "QUIT" in verbs(sink)) == (2, 2, False)
        with sqlite_database.writing.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER broken")
        await turn
    assert [(found.state, found.attempts) for each in sent for found in post.deliveries(each)] == [("delivered", 1)] * 2


@pytest.mark.parametrize("kind", [SMTP, LMTP])
async def test_neither_data_nor_quit_is_said_before_what_became_of_a_message_is_recorded(
    sqlite_database: Database, kind: str
) -> None:
    count = 2 if kind == SMTP else 1  # by LMTP a connection ends with its message
    go_on = threading.Event()

    def stall(_connection: Connection, arguments: list[None]) -> list[None]:
        go_on.wait(60)
        return arguments

    async with Sink(fault="slow", at="dot", pace_s=0.02, lmtp=kind == LMTP) as sink:
        hop = f"127.0.0.1:{sink.port}" if kind == LMTP else "there.example"
        sent = [out(sqlite_database, number=number, kind=kind, next_hop=hop) for number in range(count)]
        post = Post(sqlite_database, port=sink.port, limits=ONE)
        turn = asyncio.create_task(post.turn())
        await until(lambda: "DATA" in verbs(sink))
        sqlite_database.writer.submit(stall, None)
        await until(lambda: verbs(sink).count("RCPT") == count and (count > 1 or not post.worker._lanes.in_hand))
        await asyncio.sleep(0.05)
        assert verbs(sink)[-1] != "QUIT"
        assert verbs(sink).count("DATA") == 1
        go_on.set()
        await turn
        await until(lambda: verbs(sink)[-1] == "QUIT")
    assert [post.states(each) for each in sent] == [["delivered"]] * count


def load(number: int) -> tuple[Delivery, ...]:
    only = Delivery(
        id=number, message_id=number, kind="smtp", recipient="a@x.example", reverse_path=None, next_hop="x.example",
        dsn=Dsn(), once=False, attempts=0, made_ms=NOW_MS, expires_ms=NOW_MS, lease_ms=NOW_MS,
    )  # fmt: skip
    return (only, replace(only, id=-number))


def test_lanes_take_turns_and_none_has_more_than_its_places() -> None:
    lanes, large, small = Lanes(3, 2), ("smtp", "large"), ("smtp", "small")
    for number in range(10):
        lanes.put(large, load(number))
    lanes.put(small, load(99))
    assert [taken[0] for _ in range(4) if (taken := lanes.take())] == [large, small, large]
    assert (lanes.room, lanes.per_hop, lanes.in_hand) == (3 * AHEAD - 11, 2 * AHEAD, {large: 10, small: 1})
    lanes.ended(small)
    assert lanes.take() is None  # the other has its two places
    lanes.ended(large)
    assert lanes.take() == (large, load(2))
    assert len(lanes.clear()) == 7
    assert lanes.take() is None
