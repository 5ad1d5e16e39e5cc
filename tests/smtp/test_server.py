from __future__ import annotations

import asyncio
import os
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from maild.smtp.limits import Limits
from maild.smtp.server import Server, serve
from maild.smtp.tls import TlsFiles, TlsSource
from tests.smtp.conftest import Serve
from tests.smtp.room import Room, Wire, eventually, serving

BRIEF = Limits(linger_s=0.2)  # for who stays to read the last word


async def test_drain_ends_idle_sessions_with_421_and_stops_listening(start: Serve) -> None:
    server = await start(BRIEF)
    async with Wire.open(server) as wire:
        await wire.say("EHLO x")
        await server.drain(60)
        assert await wire.reply() == "421 4.3.2 Shutting down, try again later"
        assert await wire.rest() == b""
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_drain_lets_a_message_finish_that_is_on_its_way(start: Serve, room: Room) -> None:
    server = await start(BRIEF)
    async with Wire.open(server) as wire:
        await wire.begin()
        await wire.send(b"first half\r\n")
        draining = asyncio.ensure_future(server.drain(60))
        await asyncio.sleep(0)
        await wire.send(b"second half\r\n.\r\n")
        assert (await wire.reply()).startswith("250 ")
        assert await wire.reply() == "421 4.3.2 Shutting down, try again later"
        await draining
    assert [s.content for s in room.stored] == [b"first half\r\nsecond half\r\n"]


async def test_drain_waits_for_a_message_that_is_being_stored(start: Serve, room: Room) -> None:
    server = await start(BRIEF)
    room.gate = asyncio.Event()
    async with Wire.open(server) as wire:
        await wire.begin()
        await wire.send(b"x\r\n.\r\n")
        await eventually(lambda: room.accepting == 1)
        draining = asyncio.ensure_future(server.drain(60))
        await asyncio.sleep(0)
        room.gate.set()
        assert (await wire.reply()).startswith("250 ")
        assert (await wire.reply()).startswith("421 ")
        await draining


async def test_drain_cuts_what_has_not_ended_by_its_deadline(server: Server, room: Room) -> None:
    async with Wire.open(server) as wire:
        await wire.begin()
        await server.drain(0.05)
        await eventually(lambda: server.connection_count == 0)
    assert room.stored == []
    assert room.spools[0].discarded


async def test_serve_takes_a_socket_that_someone_else_has_bound(room: Room) -> None:
    inherited = socket.create_server(("127.0.0.1", 0))
    inherited.setblocking(False)
    server = await serve(socket.socket(fileno=os.dup(inherited.fileno())), room, Limits(), "mx.us.example", None)
    assert server.port == inherited.getsockname()[1]
    async with Wire.open(server):
        pass
    await server.close()
    inherited.close()
    await eventually(lambda: server.connection_count == 0)


async def test_accepted_sockets_send_without_delay(server: Server) -> None:
    async with Wire.open(server):
        (connection,) = server._connections
        assert connection._wire is not None
        peer = connection._wire.get_extra_info("socket")
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_serve_says_that_a_port_is_in_use(server: Server, room: Room) -> None:
    with pytest.raises(OSError, match="in use"):
        await serve(f"127.0.0.1:{server.port}", room, Limits(), "mx.us.example", None)


async def test_serve_listens_on_ipv6(room: Room) -> None:
    server = await serve("[::1]:0", room, Limits(), "mx.us.example", None)
    async with Wire.open(server, host="::1") as wire:
        await wire.begin()
        await wire.say(".")
    await server.close()
    assert room.stored[0].envelope.peer.ip == "::1"


async def test_a_new_certificate_serves_without_a_restart(start: Serve, tls_files: TlsFiles) -> None:
    server = await start(tls=tls_files)
    other = trustme.CA()
    cert = other.issue_cert("us.example")
    cert.private_key_pem.write_to_path(str(tls_files.key_file))
    cert.cert_chain_pems[0].write_to_path(str(tls_files.cert_file))
    context = ssl.create_default_context()
    other.configure_trust(context)
    async with Wire.open(server) as wire:
        await wire.say("EHLO x")
        await wire.start_tls(context)
        assert (await wire.say("NOOP")).startswith("250 ")


def test_a_broken_certificate_leaves_the_last_good_one_serving(tls_files: TlsFiles) -> None:
    source = TlsSource(tls_files)
    good = source.context()
    tls_files.cert_file.write_text("not a certificate")
    with capture_logs() as logs:
        assert source.context() is good
        assert source.context() is good
    assert [entry["event"] for entry in logs] == ["tls.reload_failed"]


def test_a_certificate_that_is_missing_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TlsSource(TlsFiles(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem"))


PROXIED = Limits(trusted_proxies=(ip_network("127.0.0.1/32"),), linger_s=0.2)


async def test_a_trusted_proxy_says_who_is_there(start: Serve, room: Room) -> None:
    server = await start(PROXIED)
    async with Wire.open(server, greet=False) as wire:
        await wire.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\nEHLO x\r\n")
        assert (await wire.reply()).startswith("220 ")
        assert (await wire.reply()).startswith("250-")
        await wire.begin()
        await wire.say(".")
    peer = room.stored[0].envelope.peer
    assert (peer.ip, peer.port) == ("192.0.2.7", 40_000)


@pytest.mark.parametrize("octets", [b"EHLO x\r\n", b"", b"PROXY TCP4 1 2 3 4\r\n"], ids=["ehlo", "silence", "wrong"])
async def test_a_trusted_proxy_that_names_nobody_is_not_served(start: Serve, octets: bytes) -> None:
    server = await start(replace(PROXIED, handshake_s=0.2))
    async with Wire.open(server, greet=False) as wire:
        with suppress(ConnectionError):
            await wire.send(octets)
        try:
            said = await wire.rest()
        except ConnectionError:
            said = b""
        assert said in {b"", b"421 4.4.2 Timeout, closing the connection\r\n"}
    await eventually(lambda: server.connection_count == 0)


async def test_a_finished_session_leaves_no_cycle_for_the_collector(room: Room) -> None:
    import gc
    import weakref

    async with serving(room) as server:
        gc.collect()
        gc.disable()
        try:
            async with Wire.open(server) as wire:
                await wire.begin()
                sessions = [weakref.ref(session) for session in server._connections]
                await wire.say(".")
                await wire.say("QUIT")
                await wire.rest()
            assert len(sessions) == 1
            await eventually(lambda: server.connection_count == 0)
            await eventually(lambda: sessions[0]() is None)
        finally:
            gc.enable()


async def test_logs_name_the_refused_and_never_the_content(server: Server, room: Room) -> None:
    with capture_logs() as logs:
        async with Wire.open(server) as wire:
            await wire.say("EHLO x")
            await wire.say("MAIL FROM:<a@there.example>")
            await wire.say("RCPT TO:<nobody@us.example>")
            await wire.say("RCPT TO:<kita@us.example>")
            await wire.say("DATA")
            await wire.send(b"Received: x\r\n" * 50 + b"Subject: canary\r\n\r\ncanary\r\n.\r\n")
            await wire.reply()
    refused = [entry for entry in logs if entry["event"] == "recipient.refused"]
    assert [(e["recipient"], e["sender"]) for e in refused] == [("nobody@us.example", "a@there.example")]
    assert [e["reply"][:9] for e in logs if e["event"] == "message.refused"] == ["554 5.4.6"]
    assert "canary" not in str(logs)
    assert room.stored == []
