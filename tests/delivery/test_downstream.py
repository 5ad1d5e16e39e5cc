"""Whatever the next hop does, in whichever step: the delivery ends as the table says, and no mail is lost."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace

import pytest
import trustme

from maild.archive.database import Database
from maild.delivery.smtp_courier import Smarthost
from maild.delivery.tls import Contexts, Level
from maild.delivery.worker import Limits
from tests.delivery.post import DAY_MS, LETTER, THERE, Post, asking, leases, out
from tests.delivery.sink import Sink

A, B = f"a@{THERE}", f"b@{THERE}"
DEFERRED, FAILED, DELIVERED = "deferred", "failed", "delivered"


@dataclass(frozen=True)
class Case:
    """A fault in a stage, and what comes of it.

    `states` of the two recipients after the first try; `doubtful`: it may have arrived twice; `copies`: how often the
    first recipient has it when all is over.
    """

    at: str
    fault: str
    states: tuple[str, str] = (DEFERRED, DEFERRED)
    doubtful: bool = False
    copies: int = 1
    tls: str = ""  # "": none; opportunistic; verify; auth: the smarthost's


def table() -> list[Case]:
    cases = [Case("connect", fault) for fault in ("refused", "reset", "hang")]
    replies = ("4xx", "5xx", "421")
    broken = ("hang", "reset", "slow", "noise")
    for at in ("banner", "ehlo", "mail", "rcpt", "data"):
        cases += [Case(at, fault) for fault in (*broken, "4xx", "421")]
    # HELO is tried after a refused EHLO; what is refused twice is the host's fault, and no reason to give mail up.
    cases += [Case("banner", "5xx"), Case("ehlo", "5xx")]
    cases += [Case(at, "5xx", (FAILED, FAILED), copies=0) for at in ("mail", "data", "dot")]
    # Of the recipients, only the first is refused.
    cases = [c for c in cases if (c.at, c.fault) != ("rcpt", "4xx")]
    cases += [Case("rcpt", "4xx", (DEFERRED, DELIVERED)), Case("rcpt", "5xx", (FAILED, DELIVERED), copies=0)]
    cases += [Case("content", fault) for fault in ("reset", "hang")]
    cases += [Case("dot", "4xx"), Case("dot", "421")]
    cases += [Case("dot", fault, doubtful=True) for fault in broken]
    cases += [Case("after", fault, doubtful=True, copies=2) for fault in broken]
    # It keeps the mail and says that it does not: what it says counts, and the copy is its own doing.
    cases += [Case("after", fault, copies=2) for fault in ("4xx", "421")]
    cases += [Case("after", "5xx", (FAILED, FAILED), copies=1)]
    # Opportunistic TLS that fails is no reason not to send.
    for at, fault in [("starttls", f) for f in (*broken, "4xx", "5xx")] + [("handshake", f) for f in broken]:
        cases.append(Case(at, fault, (DELIVERED, DELIVERED), tls="opportunistic"))
        cases.append(Case(at, fault, tls="verify"))
    cases += [Case("starttls", "421", tls=level) for level in ("opportunistic", "verify")]
    cases += [Case("auth", fault, tls="auth") for fault in (*broken, *replies, "tls")]
    # TLS that breaks later on is a connection that breaks, and never a reason to go on in the clear.
    cases += [Case(at, "tls", tls=level) for at in ("ehlo", "mail") for level in ("opportunistic", "verify")]
    cases += [Case(at, "tls", tls="verify") for at in ("rcpt", "data")]
    cases += [
        Case("dot", "tls", doubtful=True, tls="verify"),
        Case("after", "tls", doubtful=True, copies=2, tls="verify"),
    ]
    return cases


STAGES = ("connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot", "after")
FAULTS = ("4xx", "5xx", "421", "hang", "reset", "slow", "tls")
# Before the banner nothing is said, and before STARTTLS there is no TLS; the handshake is a stage of its own.
NOWHERE = {("connect", fault) for fault in ("4xx", "5xx", "421", "slow", "tls")} | {
    ("banner", "tls"), ("starttls", "tls"),
}  # fmt: skip


def identity(case: Case) -> str:
    return "-".join(filter(None, (case.fault, "at", case.at, case.tls)))


def test_the_table_has_every_fault_in_every_stage() -> None:
    assert len({identity(case) for case in table()}) == len(table()) >= 90
    cells = {(case.at, case.fault) for case in table()}
    wanted = {(at, fault) for at in STAGES for fault in FAULTS} - NOWHERE
    assert wanted - cells == set()
    assert {("handshake", fault) for fault in ("hang", "reset", "slow", "noise")} <= cells


FORWARD_S = 25.0  # longer than any wait of who is PATIENT


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "mx.there.example").configure_cert(context)
    return context


@pytest.mark.parametrize("case", table(), ids=identity)
async def test_each_fault_ends_as_the_table_says(case: Case, sqlite_database: Database, authority: trustme.CA) -> None:
    # What does not fit into the buffers of both kernels is not sent before the fault comes.
    letter = LETTER + (b"y" * 998 + b"\r\n") * 6_000 if case.at == "content" else LETTER
    message_id = out(sqlite_database, (A, B), octets=letter)
    tls = server_context(authority) if case.tls else None
    async with Sink(fault=case.fault, at=case.at, tls=tls, auth="PLAIN LOGIN", forward_s=FORWARD_S) as sink:
        smarthost = Smarthost(host="127.0.0.1", port=sink.port, login="maild", password="secret")
        post = Post(
            sqlite_database,
            port=sink.port,
            contexts=Contexts(authority.cert_pem.bytes().decode()),
            policy=asking(Level.VERIFY if case.tls == "verify" else Level.OPPORTUNISTIC),
            smarthost=smarthost if case.tls == "auth" else None,
        )
        if case.fault == "refused":
            assert sink._server is not None
            sink._server.close()
        await post.turn()
        first, second = post.deliveries(message_id)
        assert (first.state, second.state) == case.states, first.outcome
        assert first.doubtful == case.doubtful
        assert first.outcome
        assert first.attempts == 1
        assert leases(sqlite_database) == 0
        if case.fault == "refused":
            return
        sink.heal()
        post = replace(post, now_ms=post.now_ms + DAY_MS)
        await post.turn()
        expected = [FAILED if state == FAILED else DELIVERED for state in case.states]
        assert post.states(message_id) == expected, post.deliveries(message_id)[0].outcome
        assert sum(A in mail.recipients for mail in sink.mails) == case.copies
        assert sum(B in mail.recipients for mail in sink.mails) == (
            case.copies if case.at == "after" else 1 - (expected[1] == FAILED)
        )
        assert {mail.octets for mail in sink.mails} <= {letter}


BEHIND = ("mail", "rcpt", "data", "content", "dot", "after")


@pytest.mark.parametrize("case", [c for c in table() if c.at in BEHIND and not c.tls], ids=identity)
async def test_a_fault_at_the_second_message_of_a_connection_ends_alike(case: Case, sqlite_database: Database) -> None:
    # Here all of its envelope goes at once, DATA with it.
    letter = LETTER + (b"y" * 998 + b"\r\n") * 6_000 if case.at == "content" else LETTER
    first = out(sqlite_database, (A,), number=1)
    message_id = out(sqlite_database, (A, B), number=2, octets=letter)
    offers = ("PIPELINING", "8BITMIME", "SIZE 35000000", "DSN")
    async with Sink(fault=case.fault, at=case.at, spared=1, offers=offers, forward_s=FORWARD_S) as sink:
        limits = Limits(connections=1, per_hop=1)
        post = Post(sqlite_database, port=sink.port, limits=limits)
        await post.turn()
        assert post.states(first) == [DELIVERED]
        one, other = post.deliveries(message_id)
        assert (one.state, other.state) == case.states, one.outcome
        assert (one.doubtful, one.attempts, len(post.tries(one.id))) == (case.doubtful, 1, 1)
        assert post.tries(one.id)[0].ended_ms
        assert leases(sqlite_database) == 0
        sink.heal()
        post = replace(post, now_ms=post.now_ms + DAY_MS)
        await post.turn()
        expected = [FAILED if state == FAILED else DELIVERED for state in case.states]
        assert post.states(message_id) == expected, post.deliveries(message_id)[0].outcome
        assert sum(A in mail.recipients for mail in sink.mails[1:]) == case.copies
