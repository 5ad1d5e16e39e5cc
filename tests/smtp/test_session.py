from __future__ import annotations

from maild.smtp.server import Server
from tests.smtp.room import Room, Wire, eventually


async def test_session_stores_what_was_sent(wire: Wire, room: Room) -> None:
    await wire.begin()
    await wire.send(b"Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n")
    assert await wire.reply() == "250 2.0.0 Ok: stored as 0000000000000"
    assert [s.content for s in room.stored] == [b"Subject: x\r\n\r\n.dot\r\nend\r\n"]
    assert await wire.say("QUIT") == "221 2.0.0 Bye"
    assert await wire.rest() == b""


async def test_session_ends_when_the_peer_goes(server: Server, room: Room) -> None:
    wire = await Wire.connect(server.port)
    await wire.begin()
    await wire.send(b"half a mail\r\n")
    await wire.close()
    await eventually(lambda: server.connection_count == 0)
    assert room.stored == []
    assert room.spools[0].discarded
