from __future__ import annotations

import asyncio
import ssl

import pytest

from maild.mail.address import Address
from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.smtp.limits import Limits
from maild.smtp.server import Server
from tests.smtp.conftest import Serve
from tests.smtp.room import Room, Wire, eventually


async def deliver(wire: Wire, content: bytes = b"Subject: x\r\n\r\nx\r\n") -> str:
    await wire.begin()
    await wire.send(content + b".\r\n")
    return await wire.reply()


def only(room: Room) -> Envelope:
    assert len(room.stored) == 1
    return room.stored[0].envelope


async def test_session_stores_what_was_sent_without_its_dots(wire: Wire, room: Room) -> None:
    await wire.begin()
    await wire.send(b"Subject: x\r\n\r\n..dot\r\n.one\r\nend\r\n.\r\n")
    assert await wire.reply() == "250 2.0.0 Ok: stored as 0000000000000"
    assert [s.content for s in room.stored] == [b"Subject: x\r\n\r\n.dot\r\none\r\nend\r\n"]


async def test_session_keeps_the_whole_envelope(wire: Wire, room: Room) -> None:
    await wire.say("EHLO client.there.example")
    await wire.say("MAIL FROM:<a@there.example> RET=hdrs ENVID=QQ+2B1 BODY=8BITMIME SIZE=7 AUTH=<>")
    await wire.say("RCPT TO:<kita+platz@us.example> NOTIFY=success,Delay ORCPT=rfc822;Kita+2B@us.example")
    await wire.say("RCPT TO:<postmaster>")
    await wire.say("RCPT TO:<postmaster>")
    await wire.say("DATA")
    assert (await wire.say(".")).startswith("250 ")
    envelope = only(room)
    assert envelope.reverse_path == Address(local="a", domain="there.example")
    assert [str(r.address) for r in envelope.recipients] == ["kita+platz@us.example", "postmaster"]
    assert envelope.recipients[0].notify == {"SUCCESS", "DELAY"}
    assert envelope.recipients[0].orcpt == "rfc822;Kita+2B@us.example"
    assert (envelope.ret, envelope.envid, envelope.eight_bit, envelope.smtputf8) == ("HDRS", "QQ+2B1", True, False)
    peer = envelope.peer
    assert (peer.ip, peer.helo, peer.protocol, peer.tls) == ("127.0.0.1", "client.there.example", "ESMTP", None)
    assert room.stored[0].content == b""


async def test_session_takes_internationalised_addresses_when_announced(wire: Wire, room: Room) -> None:
    await wire.say("EHLO x")
    assert (await wire.say("MAIL FROM:<jürgen@gießen.example> SMTPUTF8")).startswith("250")
    assert (await wire.say("RCPT TO:<grüße@us.example>")).startswith("250")
    await wire.say("DATA")
    await wire.say(".")
    assert str(only(room).reverse_path) == "jürgen@xn--gieen-nqa.example"
    assert only(room).peer.protocol == "UTF8SMTP"


async def test_session_takes_the_null_reverse_path(wire: Wire, room: Room) -> None:
    await wire.say("HELO x")
    await wire.say("MAIL FROM:<>")
    await wire.say("RCPT TO:<kita@us.example>")
    await wire.say("DATA")
    await wire.say(".")
    assert only(room).reverse_path is None
    assert only(room).peer.protocol == "SMTP"


async def test_session_joins_the_chunks_of_bdat_byte_for_byte(wire: Wire, room: Room) -> None:
    await wire.say("EHLO x")
    await wire.send(
        b"MAIL FROM:<a@there.example>\r\nRCPT TO:<kita@us.example>\r\n"
        b"BDAT 11\r\na\n.\r\nb\0\r\n.\rBDAT 5 LAST\r\n\n.\r\nzMAIL FROM:<b@there.example>\r\n"
    )
    replies = [await wire.reply() for _ in range(5)]
    assert [r[:3] for r in replies] == ["250"] * 5
    assert room.stored[0].content == b"a\n.\r\nb\0\r\n.\r\n.\r\nz"


async def test_session_goes_over_to_tls_and_says_so_in_the_envelope(
    wire: Wire, room: Room, tls_client: ssl.SSLContext
) -> None:
    assert "STARTTLS" in await wire.say("EHLO x")
    await wire.start_tls(tls_client)
    assert (await wire.say("MAIL FROM:<a@there.example>")).startswith("503")
    assert "STARTTLS" not in await wire.say("EHLO x")
    assert (await deliver(wire)).startswith("250")
    peer = only(room).peer
    assert peer.protocol == "ESMTPS"
    assert peer.tls is not None
    assert peer.tls.version.startswith("TLSv1.")
    assert await wire.say("QUIT") == "221 2.0.0 Bye"


async def test_session_survives_a_failed_handshake(server: Server) -> None:
    async with Wire.open(server) as wire:
        await wire.say("EHLO x")
        assert (await wire.say("STARTTLS")).startswith("220")
        await wire.send(b"this is no handshake\r\n" * 20)
        await wire.rest()
    await eventually(lambda: server.connection_count == 0)


async def test_session_refuses_by_size_while_content_comes_and_goes_on(start: Serve, room: Room) -> None:
    server = await start(Limits(max_message_bytes=1_000))
    async with Wire.open(server) as wire:
        assert await deliver(wire, b"x" * 998 + b"\r\n") == "250 2.0.0 Ok: stored as 0000000000000"
        assert await deliver(wire, b"x" * 999 + b"\r\n") == "552 5.3.4 The message is larger than accepted here"
        assert room.spools[1].discarded
        assert (await deliver(wire)).startswith("250")
    assert len(room.stored) == 2


async def test_session_hangs_up_on_a_message_far_beyond_the_limit(start: Serve, room: Room) -> None:
    server = await start(Limits(max_message_bytes=1_000))
    async with Wire.open(server) as wire:
        await wire.begin()
        await wire.send(b"x" * 70_000)
        assert (await wire.reply()).startswith("552 5.3.4")
        assert await wire.rest() == b""
    assert room.stored == []


async def test_session_hangs_up_on_a_chunk_far_beyond_the_limit(start: Serve) -> None:
    server = await start(Limits(max_message_bytes=1_000))
    async with Wire.open(server) as wire:
        await wire.say("EHLO x")
        await wire.say("MAIL FROM:<a@there.example>")
        await wire.say("RCPT TO:<kita@us.example>")
        await wire.send(b"BDAT 99999999999999999999 LAST\r\n" + b"x" * 70_000)
        assert (await wire.reply()).startswith("552 5.3.4")
        assert await wire.rest() == b""


async def test_session_refuses_a_message_that_goes_in_a_circle(wire: Wire, room: Room) -> None:
    field = b"Received: from a by b\r\n"
    assert (await deliver(wire, field * 49 + b"\r\nReceived: in the text\r\n")).startswith("250")
    assert await deliver(wire, b"received: x\r\n" + field * 49 + b"\r\n") == (
        "554 5.4.6 The message has passed too many servers: a mail loop"
    )
    assert len(room.stored) == 1


async def test_session_takes_100_recipients_and_asks_for_the_rest_later(wire: Wire, room: Room) -> None:
    await wire.say("EHLO x")
    await wire.say("MAIL FROM:<a@there.example>")
    await wire.send(b"".join(b"RCPT TO:<many.%d@us.example>\r\n" % n for n in range(350)))
    replies = [await wire.reply() for _ in range(350)]
    assert replies[99] == "250 2.1.5 Ok"
    assert set(replies[100:]) == {"452 4.5.3 Too many recipients, send the rest separately"}
    await wire.say("DATA")
    await wire.say(".")
    assert len(only(room).recipients) == 100


async def test_session_says_451_for_what_we_do_wrong(wire: Wire, room: Room) -> None:
    room.broken = RuntimeError("secret /path of a bug")
    reply = await deliver(wire)
    assert reply.startswith("451 4.3.0 Try again later (id ")
    assert "secret" not in reply
    assert "Error" not in reply
    room.broken = None
    assert (await deliver(wire)).startswith("250")


@pytest.mark.parametrize(
    ("error", "reply"),
    [(OSError(28, "No space left on device"), "452 4.3.1"), (ValueError("bug"), "451 4.3.0")],
)
async def test_session_says_4xx_when_the_spool_fails(wire: Wire, room: Room, error: Exception, reply: str) -> None:
    room.spool_error = error
    assert (await deliver(wire)).startswith(reply)
    assert room.stored == []
    room.spool_error = None
    assert (await deliver(wire)).startswith("250")


@pytest.mark.parametrize("size", [100, 600_000])
async def test_session_hangs_up_rather_than_read_on_past_a_hole_in_the_content(
    wire: Wire, room: Room, size: int
) -> None:
    room.spool_error, room.discard_error = OSError(5, "Input/output error"), OSError(5, "Input/output error")
    await wire.begin()
    await wire.send(b"Subject: x\r\n\r\n" + b"x" * size + b"\r\n")
    replies = await wire.rest()
    assert replies.startswith(b"451 4.3.0 ")
    assert replies.count(b"\r\n") == 1
    assert room.stored == []


async def test_session_refuses_for_now_when_there_is_no_room(wire: Wire, room: Room) -> None:
    await wire.say("EHLO x")
    await wire.say("MAIL FROM:<a@there.example>")
    await wire.say("RCPT TO:<kita@us.example>")
    room.refusal = Reply(code=452, enhanced="4.3.1", text="No room")
    assert await wire.say("DATA") == "452 4.3.1 No room"
    assert await wire.say("MAIL FROM:<a@there.example>") == "452 4.3.1 No room"
    room.refusal = None
    assert (await deliver(wire)).startswith("250")


async def test_session_stores_although_the_peer_left_before_the_reply(server: Server, room: Room) -> None:
    room.gate = asyncio.Event()
    async with Wire.open(server) as wire:
        await wire.begin()
        await wire.send(b"x\r\n.\r\n")
        await eventually(lambda: room.accepting == 1)
    room.gate.set()
    await eventually(lambda: server.connection_count == 0)
    assert [s.content for s in room.stored] == [b"x\r\n"]
    assert not room.spools[0].discarded


async def test_session_answers_a_peer_that_closed_its_side_already(server: Server, room: Room) -> None:
    async with Wire.open(server) as wire:
        await wire.send(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<kita@us.example>\r\nDATA\r\nx\r\n.\r\n")
        wire.writer.write_eof()
        assert b"250 2.0.0 Ok: stored" in await wire.rest()
    assert len(room.stored) == 1


async def test_session_ends_after_too_many_errors(wire: Wire) -> None:
    await wire.send(b"WIZ\r\n" * 20)
    replies = (await wire.rest()).decode().splitlines()
    assert replies == ["500 5.5.2 Command not recognized"] * 20 + ["421 4.7.0 Too many errors, closing the connection"]


async def test_session_ends_after_100_commands_without_a_message(wire: Wire) -> None:
    await wire.send(b"NOOP\r\n" * 101)
    replies = (await wire.rest()).decode().splitlines()
    assert replies == ["250 2.0.0 Ok"] * 100 + ["421 4.7.0 Too many commands without a message"]


async def test_session_goes_on_as_long_as_messages_come(wire: Wire, room: Room) -> None:
    for _ in range(60):
        assert (await deliver(wire)).startswith("250")
    assert len(room.stored) == 60


async def test_session_ends_after_100_unknown_recipients(wire: Wire) -> None:
    await wire.say("EHLO x")
    await wire.say("MAIL FROM:<a@there.example>")
    await wire.send(b"RCPT TO:<nobody@us.example>\r\n" * 101)
    replies = (await wire.rest()).decode().splitlines()
    assert len(replies) == 101
    assert replies[-1].startswith("421 4.7.0")


async def test_session_takes_lines_of_any_length_in_content(wire: Wire, room: Room) -> None:
    content = b"Subject: long\r\n\r\n" + b"x" * 300_000 + b"\r\n"
    assert (await deliver(wire, content)).startswith("250")
    assert room.stored[0].content == content
