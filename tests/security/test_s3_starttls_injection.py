"""S3: commands in the clear behind STARTTLS, and state that outlives it.

Expected: what came in the clear is forgotten, nothing of it is executed; EHLO and MAIL must be said again; AUTH is
not offered, in the clear or otherwise, where the public hands in mail.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from maild.smtp.server import Server
from maild.smtp.tls import TlsFiles
from tests.smtp.room import Room, Wire, eventually, serving

INJECTED = b"EHLO evil\r\nMAIL FROM:<evil@there.example>\r\nRCPT TO:<kita@us.example>\r\nDATA\r\nx\r\n.\r\n"


@pytest.fixture
def room() -> Room:
    return Room()


@pytest_asyncio.fixture
async def server(room: Room, tls_files: TlsFiles) -> AsyncIterator[Server]:
    async with serving(room, tls=tls_files) as server:
        yield server


async def test_commands_behind_starttls_in_one_packet_are_forgotten(
    server: Server, room: Room, tls_client: ssl.SSLContext
) -> None:
    async with Wire.open(server) as wire:
        await wire.say("EHLO there.example")
        await wire.send(b"STARTTLS\r\n" + INJECTED)
        assert (await wire.reply()).startswith("220 ")
        await wire.writer.start_tls(tls_client, server_hostname="us.example")
        assert await wire.say("NOOP") == "250 2.0.0 Ok"
        assert (await wire.say("DATA")).startswith("503 ")
    assert room.stored == []


async def test_commands_behind_starttls_are_no_handshake(server: Server, room: Room) -> None:
    async with Wire.open(server) as wire:
        await wire.say("EHLO there.example")
        await wire.say("STARTTLS")
        await wire.send(INJECTED)
        assert b"250" not in await wire.rest()
    await eventually(lambda: server.connection_count == 0)
    assert room.stored == []


async def test_a_transaction_does_not_outlive_starttls(server: Server, room: Room, tls_client: ssl.SSLContext) -> None:
    async with Wire.open(server) as wire:
        await wire.say("EHLO there.example")
        await wire.say("MAIL FROM:<evil@there.example>")
        await wire.say("RCPT TO:<kita@us.example>")
        await wire.start_tls(tls_client)
        assert (await wire.say("DATA")).startswith("503 ")
        assert (await wire.say("MAIL FROM:<a@there.example>")).startswith("503 ")
        assert (await wire.say("EHLO there.example")).startswith("250")
        assert (await wire.say("DATA")).startswith("503 ")
    assert room.stored == []


async def test_tls_is_begun_once(server: Server, tls_client: ssl.SSLContext) -> None:
    async with Wire.open(server) as wire:
        await wire.say("EHLO there.example")
        await wire.start_tls(tls_client)
        assert "STARTTLS" not in await wire.say("EHLO there.example")
        assert (await wire.say("STARTTLS")).startswith("503 ")


async def test_auth_is_neither_offered_nor_taken(server: Server, tls_client: ssl.SSLContext) -> None:
    async with Wire.open(server) as wire:
        assert "AUTH" not in await wire.say("EHLO there.example")
        assert (await wire.say("AUTH PLAIN AGFubmEAc2VjcmV0")).startswith("502 ")
        await wire.start_tls(tls_client)
        assert "AUTH" not in await wire.say("EHLO there.example")
        assert (await wire.say("AUTH LOGIN")).startswith("502 ")
