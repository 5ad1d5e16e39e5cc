"""O2: somebody between us and a mail host strips TLS, shows another certificate, or lies about what was promised.

Expected: where a domain has promised TLS (MTA-STS with `enforce`, or TLSA records with DNSSEC), its mail waits: not one
command of it, nor its recipient, is said to the wrong host or in the clear. Where nothing was promised, TLS is used
where it is offered, and mail goes on.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import trustme
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from maild.archive.database import Database
from maild.delivery.promises import Promises
from maild.delivery.protection import Protection
from maild.delivery.tls import Contexts
from maild.dns.answer import Kind
from tests.archive.samples import NOW_MS
from tests.authentication.zone import Zone
from tests.delivery.post import THERE, Post, out
from tests.delivery.sink import Sink

HOST = f"mx.{THERE}"
TO = f"a@{THERE}"
STRANGER = trustme.CA()


class Host:
    """The host that mail is meant for: its certificates, one of them the wrong name's, one a stranger's."""

    def __init__(self, authority: trustme.CA) -> None:
        self.good, self.digest = _context(authority, HOST)
        self.wrong_name, _ = _context(authority, "elsewhere.example")
        self.stranger, _ = _context(STRANGER, HOST)

    def sink(self, attack: str) -> Sink:
        tls = {"wrong-name": self.wrong_name, "stranger": self.stranger, "stripped": None}.get(attack, self.good)
        faults = {"refused": ("5xx", "starttls"), "broken": ("reset", "handshake"), "noise": ("noise", "starttls")}
        fault, at = faults.get(attack, ("", ""))
        return Sink(tls=tls, fault=fault, at=at)


def _context(authority: trustme.CA, name: str) -> tuple[ssl.SSLContext, bytes]:
    context, made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), authority.issue_cert(name)
    made.configure_cert(context)
    own = x509.load_pem_x509_certificate(made.cert_chain_pems[0].bytes())
    return context, hashlib.sha256(own.public_bytes(Encoding.DER)).digest()


@dataclass
class Promised:
    """What the domain has published, and who is believed."""

    database: Database
    authority: trustme.CA
    sts: str = ""
    tlsa: Sequence[object] | str = ()
    secure: bool = True
    tlsa_secure: bool = True
    mx: str = HOST

    def post(self, sink: Sink) -> Post:
        tlsa = f"_{sink.port}._tcp.{HOST}"
        text = [b"v=STSv1; id=1"] if self.sts else []
        zone = Zone(
            {
                THERE: {Kind.MX: [(10, self.mx)]},
                self.mx: {Kind.A: ["127.0.0.1"]},
                f"_mta-sts.{THERE}": {Kind.TXT: text},
                tlsa: {Kind.TLSA: self.tlsa},
            },
            secure=[THERE, self.mx, *[tlsa] * self.tlsa_secure] if self.secure else [],
        )

        async def fetch(_domain: str) -> tuple[str | None, str]:
            return f"version: STSv1\nmode: {self.sts}\nmx: {HOST}\nmax_age: 86400\n", ""

        promises = Promises(self.database, zone, fetch, now_ms=lambda: NOW_MS, clock=time.monotonic)
        return Post(
            self.database,
            port=sink.port,
            resolver=zone,
            policy=Protection(zone, promises),
            contexts=Contexts(self.authority.cert_pem.bytes().decode()),
        )


ATTACKS = ("stripped", "refused", "broken", "noise", "wrong-name", "stranger")


@pytest.mark.parametrize("promise", ["sts", "dane"])
async def test_what_was_promised_is_had_or_the_mail_waits(
    sqlite_database: Database, authority: trustme.CA, promise: str
) -> None:
    host = Host(authority)
    tlsa = [(3, 0, 1, host.digest)] if promise == "dane" else []
    world = Promised(sqlite_database, authority, sts="enforce" if promise == "sts" else "", tlsa=tlsa)
    waiting = []
    for number, attack in enumerate(ATTACKS):
        message_id = out(sqlite_database, (TO,), number=number)
        async with host.sink(attack) as sink:
            post = world.post(sink)
            await post.turn()
            (found,) = post.deliveries(message_id)
            assert (found.state, sink.mails) == ("deferred", []), (attack, found.outcome)
            assert [line for line in sink.said if line[:4] not in ("EHLO", "STAR", "QUIT")] == [], attack
        waiting.append(found)
    async with host.sink("") as sink:
        post = world.post(sink)
        post.later()
        await post.turn()
        assert [mail.tls for mail in sink.mails] == [True] * len(ATTACKS)
        assert {post.tries(each.id)[-1].tls for each in waiting} == {f"TLSv1.3 {promise}"}


@pytest.mark.parametrize("promise", ["nothing", "testing", "dane-unproven", "dane-unproven-host"])
async def test_where_nothing_is_promised_mail_goes_on(
    sqlite_database: Database, authority: trustme.CA, promise: str
) -> None:
    host = Host(authority)
    world = Promised(sqlite_database, authority, sts="testing" if promise == "testing" else "", secure=False)
    if promise.startswith("dane"):
        world.tlsa = [(3, 0, 1, bytes(32))]
        world.secure, world.tlsa_secure = promise == "dane-unproven", promise != "dane-unproven"
    for number, attack in enumerate(ATTACKS):
        message_id = out(sqlite_database, (TO,), number=number)
        async with host.sink(attack) as sink:
            post = world.post(sink)
            with capture_logs() as logs:
                await post.turn()
        assert post.states(message_id) == ["delivered"], attack
        assert [mail.tls for mail in sink.mails] == [attack in ("wrong-name", "stranger")]
        told = [each["host"] for each in logs if each["event"] == "sts.would_defer"]
        assert told == ([f"{HOST} [127.0.0.1]"] if promise == "testing" else []), attack


@pytest.mark.parametrize(("mode", "state"), [("enforce", "deferred"), ("testing", "delivered"), ("none", "delivered")])
async def test_a_host_that_the_policy_does_not_name_gets_nothing_of_a_domain_that_enforces_it(
    sqlite_database: Database, authority: trustme.CA, mode: str, state: str
) -> None:
    message_id = out(sqlite_database, (TO,))
    tls, _ = _context(authority, "mx.attacker.example")
    async with Sink(tls=tls) as sink:
        post = Promised(sqlite_database, authority, sts=mode, mx="mx.attacker.example").post(sink)
        with capture_logs() as logs:
            await post.turn()
        (found,) = post.deliveries(message_id)
        assert (found.state, bool(sink.connections)) == (state, state == "delivered")
    assert ("sts.would_defer" in [each["event"] for each in logs]) == (mode == "testing")
    if mode == "enforce":
        assert found.outcome == "4.7.5 the domain's policy (MTA-STS) does not name this host"


async def test_a_tlsa_record_that_the_dns_keeps_back_keeps_the_mail_back(
    sqlite_database: Database, authority: trustme.CA
) -> None:
    message_id = out(sqlite_database, (TO,))
    async with Host(authority).sink("") as sink:
        post = Promised(sqlite_database, authority, tlsa="servfail").post(sink)
        await post.turn()
        (found,) = post.deliveries(message_id)
        assert (found.state, sink.connections) == ("deferred", 0)
        assert "(servfail)" in found.outcome
        # A zone without DNSSEC promises nothing, whatever its servers do with such a question.
        other = out(sqlite_database, (TO,), number=2)
        post = Promised(sqlite_database, authority, tlsa="servfail", secure=False).post(sink)
        await post.turn()
        assert post.states(other) == ["delivered"]


@pytest.mark.parametrize(("attack", "state"), [("stripped", "deferred"), ("stranger", "delivered")])
async def test_records_that_cannot_be_checked_still_promise_tls(
    sqlite_database: Database, authority: trustme.CA, attack: str, state: str
) -> None:
    message_id = out(sqlite_database, (TO,))
    async with Host(authority).sink(attack) as sink:
        post = Promised(sqlite_database, authority, tlsa=[(1, 1, 1, bytes(32))]).post(sink)
        await post.turn()
    assert post.states(message_id) == [state]
    assert all(mail.tls for mail in sink.mails)


async def test_dane_goes_before_a_policy(sqlite_database: Database, authority: trustme.CA) -> None:
    host = Host(authority)
    message_id = out(sqlite_database, (TO,))
    async with host.sink("") as sink:  # a certificate that MTA-STS would believe
        post = Promised(sqlite_database, authority, sts="enforce", tlsa=[(3, 0, 1, bytes(32))]).post(sink)
        await post.turn()
    assert (post.states(message_id), sink.mails) == (["deferred"], [])


def test_what_dane_asks_for_is_seen_in_the_event_loop_of_the_daemon(
    sqlite_database: Database, authority: trustme.CA
) -> None:
    host = Host(authority)

    async def send(attack: str, number: int) -> list[str]:
        message_id = out(sqlite_database, (TO,), number=number)
        async with host.sink(attack) as sink:
            post = Promised(sqlite_database, authority, tlsa=[(3, 0, 1, host.digest)]).post(sink)
            await post.turn()
            return post.states(message_id)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(send("", 1)) == ["delivered"]
        assert runner.run(send("stranger", 2)) == ["deferred"]
