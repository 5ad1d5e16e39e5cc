"""K14: a connection that is cut after any number of octets.

Expected: no half message is ever handed on; a message is handed on exactly when its end was received, and then it
is whole, whether or not the peer still reads the reply; nothing is left behind by the session.
"""

from __future__ import annotations

import pytest

from maild.smtp.server import Server
from tests.smtp.room import Room, Wire, eventually, serving

CONTENT = b"From: a@there.example\r\nSubject: cut\r\n\r\n..stuffed\r\n" + b"line of text\r\n" * 4
FIRST = b"EHLO there.example\r\nMAIL FROM:<a@there.example> SIZE=200\r\nRCPT TO:<kita@us.example>\r\n"
DATA = FIRST + b"DATA\r\n" + CONTENT + b".\r\n"
CHUNKS = FIRST + b"BDAT %d\r\n" % len(CONTENT) + CONTENT + b"BDAT 3 LAST\r\nend"
WHOLE = {"data": CONTENT.replace(b"\r\n.", b"\r\n"), "bdat": CONTENT + b"end"}


async def cut(server: Server, octets: bytes, *, reset: bool) -> None:
    async with Wire.open(server) as wire:
        await wire.send(octets)
        if not reset:
            wire.writer.write_eof()
            await wire.rest()


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(("way", "session"), [("data", DATA), ("bdat", CHUNKS)], ids=["data", "bdat"])
async def test_a_cut_leaves_a_whole_message_or_none(way: str, session: bytes, *, reset: bool) -> None:
    room = Room()
    async with serving(room) as server:
        for length in range(len(session)):
            await cut(server, session[:length], reset=reset)
        await eventually(lambda: server.connection_count == 0)
        assert room.stored == []
        assert all(spool.discarded for spool in room.spools)
        await cut(server, session, reset=False)
        await eventually(lambda: server.connection_count == 0)
    assert [s.content for s in room.stored] == [WHOLE[way]]


async def test_a_second_message_that_is_cut_does_not_harm_the_first() -> None:
    room = Room()
    second = DATA.partition(b"\r\n")[2]
    async with serving(room) as server:
        for length in range(0, len(second), 7):
            await cut(server, DATA + second[:length], reset=False)
        await eventually(lambda: server.connection_count == 0)
    assert {s.content for s in room.stored} == {WHOLE["data"]}
    assert len(room.stored) == len(range(0, len(second), 7))
