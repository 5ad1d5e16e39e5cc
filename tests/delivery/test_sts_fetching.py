"""Policies come over HTTPS from a host whose certificate is good, and from nowhere inside."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import pytest
import trustme

from maild.delivery.sts_fetching import Fetching
from maild.delivery.tls import Contexts
from maild.dns.answer import Kind
from tests.authentication.zone import Zone
from tests.forward import put_forward, turns

HOST = "mta-sts.there.example"
ZONE = Zone({HOST: {Kind.A: ["127.0.0.1"]}, "mta-sts.mute.example": "timeout"})
POLICY = b"version: STSv1\nmode: none\nmax_age: 1\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"


def shown_by(certificate: trustme.LeafCert, *, whole: bool = True) -> ssl.SSLContext:
    """Return who shows a certificate with the authorities between, or without them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pems = certificate.cert_chain_pems if whole else certificate.cert_chain_pems[:1]
    with (
        certificate.private_key_pem.tempfile() as key,
        trustme.Blob(b"".join(p.bytes() for p in pems)).tempfile() as own,
    ):
        context.load_cert_chain(own, key)
    return context


@contextlib.asynccontextmanager
async def website(
    authority: trustme.CA, answer: bytes, name: str = HOST, *, context: ssl.SSLContext | None = None,
    then: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None,
) -> AsyncIterator[tuple[int, list[bytes]]]:  # fmt: skip
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
            if then is not None:
                await then(writer)
        writer.close()

    context = context or shown_by(authority.issue_cert(name))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def fetching(authority: trustme.CA, port: int, allowed: str = "127.0.0.0/8") -> Fetching:
    contexts = Contexts(authority.cert_pem.bytes().decode())
    return Fetching(ZONE, contexts, allowed=(ip_network(allowed),), port=port)


async def test_a_policy_is_fetched_from_the_host_that_the_name_leads_to(authority: trustme.CA) -> None:
    async with website(authority, OK + b"\r\n" + POLICY) as (port, asked):
        assert await fetching(authority, port)("there.example") == (POLICY.decode(), "")
    (request,) = asked
    assert request.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
    assert b"host: mta-sts.there.example\r\n" in request.lower()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n", "answer is 301"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the answer is 404"),
        (OK.replace(b"plain", b"html") + b"\r\n" + POLICY, "text/plain"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + POLICY, "packed"),
        (b"HTTP/1.1 302 Found\r\nLocation: /mta-sts.txt\r\nContent-Length: 0\r\n\r\n", "answer is 302"),
        (b"HTTP/1.1 308 Moved\r\nLocation: https://mta-sts.there.example/x\r\nContent-Length: 0\r\n\r\n", "is 308"),
        (OK + b"\r\n" + b"x" * 64_001, "64,000 octets"),
        (OK + b"Content-Length: 9999999999\r\n\r\n" + b"x" * 70_000, "64,000 octets"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"fa00\r\n" + b"x" * 64_000 + b"\r\n1\r\nx\r\n", "64,000 octets"),
        (b"220 mx.there.example ESMTP\r\n", ""),
        (b"", ""),
    ],
)
async def test_what_is_no_policy_is_a_reason_and_no_exception(
    authority: trustme.CA, answer: bytes, reason: str
) -> None:
    async with website(authority, answer) as (port, _):
        text, why = await fetching(authority, port)("there.example")
    assert text is None
    assert why
    assert reason in why


async def test_the_certificate_must_be_for_the_name(authority: trustme.CA) -> None:
    async with website(authority, OK + b"\r\n" + POLICY, "there.example") as (port, asked):
        text, why = await fetching(authority, port)("there.example")
        assert (text, asked) == (None, [])
        assert "CERTIFICATE_VERIFY_FAILED" in why.upper()
        stranger = Fetching(ZONE, Contexts(), allowed=(ip_network("127.0.0.0/8"),), port=port)
        assert (await stranger("there.example"))[0] is None


async def test_a_certificate_that_is_over_or_not_there_yet_is_none(authority: trustme.CA) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    for begins, ends in ((now - 2 * day, now - day), (now + day, now + 2 * day)):
        certificate = authority.issue_cert(HOST, not_before=begins, not_after=ends)
        async with website(authority, OK + b"\r\n" + POLICY, context=shown_by(certificate)) as (port, asked):
            text, why = await fetching(authority, port)("there.example")
        assert (text, asked) == (None, [])
        assert "CERTIFICATE_VERIFY_FAILED" in why.upper()


async def test_the_authorities_between_are_to_be_shown(authority: trustme.CA) -> None:
    between = authority.create_child_ca()
    for whole in (True, False):
        context = shown_by(between.issue_cert(HOST), whole=whole)
        async with website(authority, OK + b"\r\n" + POLICY, context=context) as (port, _):
            text, why = await fetching(authority, port)("there.example")
        assert (text is not None) is whole, why


async def test_a_certificate_for_all_hosts_of_the_domain_is_one_for_the_name(authority: trustme.CA) -> None:
    async with website(authority, OK + b"\r\n" + POLICY, "*.there.example") as (port, _):
        assert (await fetching(authority, port)("there.example"))[0] == POLICY.decode()


async def test_an_answer_that_never_ends_is_given_up_in_time(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.delivery.sts_fetching._WITHIN_S", 4.5)  # less than httpx waits for each octet

    async def drip(writer: asyncio.StreamWriter) -> None:
        while True:  # each octet in time, and all of them never
            writer.write(b" ")
            await writer.drain()
            await turns()
            put_forward(0.5)

    async def silent(_writer: asyncio.StreamWriter) -> None:
        await turns()
        put_forward(4.8)
        await asyncio.Event().wait()

    for then, answer in ((drip, OK + b"\r\n" + POLICY), (silent, OK + b"\r\n" + POLICY), (silent, b"HTTP/1.1 200")):
        async with website(authority, answer, then=then) as (port, asked):
            assert await fetching(authority, port)("there.example") == (None, "it did not come in time")
            assert len(asked) == 1


class _Pages(BaseHTTPRequestHandler):
    """A website as its owner sets it up; another program's HTTP."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers["Host"] != HOST or self.path != "/.well-known/mta-sts.txt":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "Text/Plain")
        self.send_header("Content-Length", str(len(POLICY)))
        self.end_headers()
        self.wfile.write(POLICY)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Keep the tests quiet."""


@pytest.fixture
def pages(authority: trustme.CA) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    context = shown_by(authority.create_child_ca().issue_cert("there.example", HOST))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_policy_is_fetched_from_a_web_server_of_others(authority: trustme.CA, pages: int) -> None:
    assert await fetching(authority, pages)("there.example") == (POLICY.decode(), "")


async def test_nobody_is_asked_who_is_not_on_the_public_internet(authority: trustme.CA) -> None:
    async with website(authority, OK + b"\r\n" + POLICY) as (port, asked):
        text, why = await fetching(authority, port, "10.0.0.0/8")("there.example")
    assert (text, asked) == (None, [])
    assert why == "mta-sts.there.example has no address on the public Internet"


@pytest.mark.parametrize("domain", ["x" * 64, "mute.example", "nowhere.example"])
async def test_a_name_that_leads_nowhere_is_a_reason(authority: trustme.CA, domain: str) -> None:
    text, why = await fetching(authority, 1)(domain)
    assert text is None
    assert why
