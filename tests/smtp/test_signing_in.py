"""The dialogue with mail programs, on both event loops: signing in, TLS from the start, and what needs an account."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network

import pytest

from maild.mail.address import Address
from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.smtp.limits import Limits
from maild.smtp.reception import SpoolLike
from maild.smtp.server import Server, serve
from maild.smtp.signing_in import Account, SubmissionSession
from maild.smtp.tls import TlsFiles
from tests.smtp.room import STORED, MemorySpool, Room, Wire, eventually
from tests.smtp.test_dialogues import play

OK = Reply(code=250, enhanced="2.1.5", text="Ok")
WRONG = Reply(code=535, enhanced="5.7.8", text="Wrong login or application password")
GOOD = b64encode(b"\0jonas\0geheim").decode()


@dataclass(frozen=True)
class Person:
    login: str


@dataclass
class Counter:
    """A desk that knows `jonas` with the password `geheim`; keeps who was tried, and what came."""

    tried: list[tuple[str, str, str]] = field(default_factory=list)
    stored: list[tuple[str, tuple[str, ...], bytes]] = field(default_factory=list)
    broken: bool = False

    async def sign_in(self, ip: str, login: str, password: str) -> Account | Reply:
        self.tried.append((ip, login, password))
        if self.broken:
            raise RuntimeError
        return Person(login) if (login, password) == ("jonas", "geheim") else WRONG

    def admit(self, account: Account, address: Address) -> Reply:
        assert account.login == "jonas"
        return OK if address.domain != "us.example" else WRONG

    async def submit(self, account: Account, envelope: Envelope, spool: SpoolLike) -> Reply:
        assert isinstance(spool, MemorySpool)
        to = tuple(str(recipient.address) for recipient in envelope.recipients)
        self.stored.append((account.login, to, bytes(spool.octets)))
        return STORED


@pytest.fixture
def counter() -> Counter:
    return Counter()


@asynccontextmanager
async def listening(
    counter: Counter, tls: TlsFiles | None = None, *, tls_first: bool = False, limits: Limits | None = None
) -> AsyncIterator[Server]:
    session = partial(SubmissionSession, desk=counter, tls_first=tls_first)
    server = await serve("127.0.0.1:0", Room(), limits or Limits(), "mx.us.example", tls, session=session)
    try:
        yield server
    finally:
        await server.close()
        await eventually(lambda: server.connection_count == 0)


WHOLE = f"""\
S: 220 mx.us.example ESMTP maild
C: AUTH PLAIN {GOOD}
S: 503 5.5.1 Say EHLO first
C: EHLO pc
S: 250-mx.us.example
S: 250-PIPELINING
S: 250-SIZE 35000000
S: 250-8BITMIME
S: 250-ENHANCEDSTATUSCODES
S: 250-CHUNKING
S: 250-AUTH PLAIN LOGIN
S: 250 HELP
C: MAIL FROM:<jonas@there.example>
S: 530 5.7.0 Sign in first
C: AUTH
S: 504 5.5.4 Only PLAIN and LOGIN are offered
C: AUTH CRAM-MD5
S: 504 5.5.4 Only PLAIN and LOGIN are offered
C: AUTH PLAIN not-base64
S: 501 5.5.2 Not base64, or not UTF-8
C: AUTH PLAIN {b64encode(b"jonas").decode()}
S: 501 5.5.2 PLAIN wants a login and a password
C: AUTH PLAIN {b64encode(b"petra" + bytes(1) + b"jonas" + bytes(1) + b"geheim").decode()}
S: 501 5.5.2 PLAIN wants a login and a password
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: *
S: 501 5.0.0 Cancelled
C: AUTH PLAIN
S: 334{" "}
C: {b64encode(bytes(1) + b"jonas" + bytes(1) + b"falsch").decode()}
S: 535 5.7.8 Wrong login or application password
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: am9uYXM=
S: 334 UGFzc3dvcmQ6
C: Z2VoZWlt
S: 235 2.7.0 Signed in
C: AUTH PLAIN {GOOD}
S: 503 5.5.1 Not now
C| MAIL FROM:<jonas@there.example>
C| RCPT TO:<kita@us.example>
C| RCPT TO:<petra@citizen.example>
C: DATA
S: 250 2.1.0 Ok
S: 535 5.7.8 Wrong login or application password
S: 250 2.1.5 Ok
S: 354 End data with <CR><LF>.<CR><LF>
C| Guten Tag
C: .
S: 250 2.0.0 Ok: stored as 0000000000000
C: QUIT
S: 221 2.0.0 Bye
S: <closed>
"""


async def test_a_mail_program_signs_in_and_writes_to_strangers(counter: Counter) -> None:
    async with listening(counter) as server, Wire.open(server, greet=False) as wire:
        await play(WHOLE, wire)
    assert counter.tried == [("127.0.0.1", "jonas", "falsch"), ("127.0.0.1", "jonas", "geheim")]
    assert counter.stored == [("jonas", ("petra@citizen.example",), b"Guten Tag\r\n")]


async def test_login_takes_the_name_with_the_command_and_lines_in_one_packet(counter: Counter) -> None:
    async with listening(counter) as server, Wire.open(server) as wire:
        await wire.say("EHLO pc")
        await wire.send(b"AUTH LOGIN am9uYXM=\r\nZ2VoZWlt\r\nNOOP\r\n")
        assert [(await wire.reply())[:3] for _ in range(3)] == ["334", "235", "250"]


async def test_tls_is_first_where_it_is_from_the_start(
    counter: Counter, tls_files: TlsFiles, tls_client: ssl.SSLContext
) -> None:
    async with listening(counter, tls_files, tls_first=True) as server:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=tls_client, server_hostname="us.example"
        )
        wire = Wire(reader, writer)
        assert (await wire.reply()).startswith("220 ")
        assert "STARTTLS" not in await wire.say("EHLO pc")
        assert (await wire.say(f"AUTH PLAIN {GOOD}")).startswith("235 ")
        await wire.close()


async def test_who_speaks_in_the_clear_where_tls_is_first_is_cut_off(counter: Counter, tls_files: TlsFiles) -> None:
    async with listening(counter, tls_files, tls_first=True) as server:
        async with Wire.open(server, greet=False) as wire:
            await wire.send(b"EHLO pc\r\n")
            assert b"250" not in await wire.rest()
        await eventually(lambda: server.connection_count == 0)
    assert counter.tried == []


async def test_a_password_is_not_taken_in_the_clear(
    counter: Counter, tls_files: TlsFiles, tls_client: ssl.SSLContext
) -> None:
    limits = Limits(trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with listening(counter, tls_files, limits=limits) as server, Wire.open(server, greet=False) as wire:
        await wire.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 1024 587\r\n")
        assert (await wire.reply()).startswith("220 ")
        assert "AUTH" not in await wire.say("EHLO pc")
        for said in (f"AUTH PLAIN {GOOD}", "AUTH PLAIN", "AUTH LOGIN"):
            assert (await wire.say(said)).startswith("538 5.7.11 ")
        await wire.start_tls(tls_client)
        assert "AUTH PLAIN LOGIN" in await wire.say("EHLO pc")
        assert (await wire.say(f"AUTH PLAIN {GOOD}")).startswith("235 ")
    assert counter.tried == [("192.0.2.7", "jonas", "geheim")]


async def test_a_fault_of_ours_is_no_refusal(counter: Counter) -> None:
    counter.broken = True
    async with listening(counter) as server, Wire.open(server) as wire:
        await wire.say("EHLO pc")
        assert (await wire.say(f"AUTH PLAIN {GOOD}")).startswith("451 4.3.0 ")
        assert (await wire.say("MAIL FROM:<a@there.example>")).startswith("530 ")


async def test_many_wrong_passwords_end_the_session(counter: Counter) -> None:
    async with listening(counter, limits=Limits(max_errors=3)) as server, Wire.open(server) as wire:
        await wire.say("EHLO pc")
        wrong = b64encode(b"\0jonas\0x").decode()
        said = [await wire.say(f"AUTH PLAIN {wrong}") for _ in range(3)]
        assert [each[:3] for each in said] == ["535", "535", "535"]
        assert (await wire.reply()).startswith("421 ")


async def test_what_comes_in_the_clear_behind_starttls_is_forgotten_and_signs_nobody_in(
    counter: Counter, tls_files: TlsFiles, tls_client: ssl.SSLContext
) -> None:
    async with listening(counter, tls_files) as server, Wire.open(server) as wire:
        await wire.say("EHLO pc")
        assert (await wire.say(f"AUTH PLAIN {GOOD}")).startswith("235 ")  # on this machine, in the clear
        await wire.send(f"STARTTLS\r\nEHLO pc\r\nAUTH PLAIN {GOOD}\r\nMAIL FROM:<a@there.example>\r\n".encode())
        assert (await wire.reply()).startswith("220 ")
        await wire.writer.start_tls(tls_client, server_hostname="us.example")
        assert (await wire.say("MAIL FROM:<a@there.example>")).startswith("530 ")
        assert (await wire.say("DATA")).startswith("503 ")
    assert len(counter.tried) == 1


async def test_without_a_certificate_nobody_is_heard_where_tls_is_first(counter: Counter) -> None:
    async with listening(counter, tls_first=True) as server, Wire.open(server, greet=False) as wire:
        with suppress(ConnectionResetError):
            assert await wire.rest() == b""
        await eventually(lambda: server.connection_count == 0)
