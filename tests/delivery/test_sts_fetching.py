"""Policies come over HTTPS from a host whose certificate is good, and from nowhere inside."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
import trustme

from maild.delivery.sts_fetching import Fetching
from maild.delivery.tls import Contexts
from maild.dns.answer import Kind
from tests.authentication.zone import Zone

HOST = "mta-sts.there.example"
ZONE = Zone({HOST: {Kind.A: ["127.0.0.1"]}, "mta-sts.mute.example": "timeout"})
POLICY = b"version: STSv1\nmode: none\nmax_age: 1\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"


@contextlib.asynccontextmanager
async def website(authority: trustme.CA, answer: bytes, name: str = HOST) -> AsyncIterator[tuple[int, list[bytes]]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
        writer.close()

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
        (OK + b"\r\n" + b"x" * 64_001, "64,000 octets"),
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
