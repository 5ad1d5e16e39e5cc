"""What is said to other servers, and what of it depends on what they offer."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
import uvloop

from maild.archive.database import Database
from maild.delivery.deliveries import LMTP, Dsn
from maild.delivery.smtp_courier import Smarthost
from maild.delivery.tls import Contexts, Level
from maild.dns.answer import Kind
from tests.authentication.zone import Zone
from tests.delivery.post import LETTER, THERE, Post, asking, out
from tests.delivery.sink import Sink

A, B = f"a@{THERE}", f"b@{THERE}"
UMLAUT = f"jürgen@{THERE}"
EIGHT = b"Subject: x\r\n\r\n\xc3\xa4\r\n"


def context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(made)
    return made


def said(sink: Sink, verb: str) -> list[str]:
    return [line for line in sink.said if line.startswith(verb)]


async def test_recipients_at_one_host_share_a_transaction(sqlite_database: Database) -> None:
    message_id = out(sqlite_database, (A, B, f"c@{THERE}"))
    async with Sink(refused=frozenset({B})) as sink:
        post = Post(sqlite_database, port=sink.port)
        await post.turn()
    assert (sink.connections, len(sink.mails)) == (1, 1)
    assert post.states(message_id) == ["delivered", "failed", "delivered"]
    assert sink.mails[0].octets == LETTER
    refused = post.deliveries(message_id)[1]
    assert refused.outcome == "550 5.1.1 no such user"
    (one,) = post.tries(refused.id)
    assert (one.outcome, one.host, one.tls) == ("failed", "mx.there.example [127.0.0.1]", "")


async def test_report_parameters_are_passed_on_where_they_are_offered(sqlite_database: Database) -> None:
    dsn = Dsn(notify=("FAILURE", "DELAY"), orcpt=f"rfc822;{A}", ret="HDRS", envid="x+2By")
    for number, offers in enumerate((("DSN", "SIZE"), ())):
        out(sqlite_database, (A,), dsn=dsn, number=number)
        async with Sink(offers=offers) as sink:
            await Post(sqlite_database, port=sink.port).turn()
        size = f" SIZE={len(LETTER)}" if offers else ""
        more = " RET=HDRS ENVID=x+2By" if offers else ""
        assert said(sink, "MAIL") == [f"MAIL FROM:<kita@musterstadt.example>{size}{more}"]
        more = f" NOTIFY=FAILURE,DELAY ORCPT=rfc822;{A}" if offers else ""
        assert said(sink, "RCPT") == [f"RCPT TO:<{A}>{more}"]


OFFERS = [
    (EIGHT, A, "k@us.example", ("8BITMIME",), "BODY=8BITMIME", ""),
    (EIGHT, A, "k@us.example", (), "", "5.6.3"),
    (LETTER, UMLAUT, "k@us.example", ("SMTPUTF8",), "SMTPUTF8", ""),
    (LETTER, UMLAUT, "k@us.example", (), "", "5.6.7"),
    (LETTER, A, "kä@us.example", ("SMTPUTF8",), "SMTPUTF8", ""),
    (LETTER, A, "kä@us.example", (), "", "5.6.7"),
    (LETTER, A, "k@us.example", ("SIZE 10",), "", "5.3.4"),
    (LETTER, A, "k@us.example", ("SIZE 0",), f"SIZE={len(LETTER)}", ""),
    (LETTER, A, None, (), "MAIL FROM:<>", ""),
]


@pytest.mark.parametrize("case", OFFERS)
async def test_what_a_host_does_not_offer_is_not_asked_of_it(
    sqlite_database: Database, case: tuple[bytes, str, str | None, tuple[str, ...], str, str]
) -> None:
    octets, to, sender, offers, said_to_mail, code = case
    message_id = out(sqlite_database, (to,), octets=octets, sender=sender)
    async with Sink(offers=offers) as sink:
        post = Post(sqlite_database, port=sink.port)
        await post.turn()
    (found,) = post.deliveries(message_id)
    assert (found.state, found.outcome[: len(code)]) == ("failed" if code else "delivered", code)
    if not code:
        assert said_to_mail in said(sink, "MAIL")[0]
        assert sink.mails[0].octets == octets


async def test_a_line_that_no_server_need_take_is_held_and_not_sent(sqlite_database: Database) -> None:
    message_id = out(sqlite_database, (A,), octets=b"Subject: x\r\n\r\n" + b"x" * 999 + b"\r\n")
    async with Sink() as sink:
        post = Post(sqlite_database, port=sink.port)
        await post.turn()
        assert (post.states(message_id), sink.connections) == (["held"], 0)


async def test_a_large_message_leaves_octet_for_octet(sqlite_database: Database) -> None:
    octets = b"Subject: x\r\n\r\n" + b"".join(b".%d%s\r\n" % (n, b"x" * (n % 900)) for n in range(3_000))
    out(sqlite_database, (A,), octets=octets)
    async with Sink() as sink:
        await Post(sqlite_database, port=sink.port).turn()
    assert sink.mails[0].octets == octets


async def test_an_old_server_is_greeted_as_such(sqlite_database: Database) -> None:
    message_id = out(sqlite_database, (A,))

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 old\r\n")
        replies = {b"EHLO": b"502 what", b"DATA": b"354 go", b"QUIT": b"221 bye"}
        async for line in reader:
            heard.append(line[:4])
            if line == b".\r\n" or b": " not in line[4:20]:
                writer.write(replies.get(line[:4], b"250 ok") + b"\r\n") if line[
                    :1
                ].isupper() or line == b".\r\n" else None
        writer.close()

    heard: list[bytes] = []
    server = await asyncio.start_server(old, "127.0.0.1", 0)
    async with server:
        post = Post(sqlite_database, port=server.sockets[0].getsockname()[1])
        await post.turn()
    assert heard[:3] == [b"EHLO", b"HELO", b"MAIL"]
    assert post.states(message_id) == ["delivered"]


# --- TLS and signing in ---------------------------------------------------------------------------------------


async def test_opportunistic_tls_takes_any_certificate(sqlite_database: Database, authority: trustme.CA) -> None:
    message_id = out(sqlite_database, (A,))
    async with Sink(tls=context(authority, "elsewhere.example")) as sink:
        post = Post(sqlite_database, port=sink.port)
        await post.turn()
    assert sink.mails[0].tls
    (one,) = post.tries(post.deliveries(message_id)[0].id)
    assert one.tls == "TLSv1.3 unverified"


@pytest.mark.parametrize(
    ("name", "believed", "state"),
    [("mx.there.example", True, "delivered"), ("mx.there.example", False, "deferred"), ("x.example", True, "deferred")],
)
async def test_verified_tls_wants_a_good_certificate_of_that_name(
    sqlite_database: Database, authority: trustme.CA, name: str, *, believed: bool, state: str
) -> None:
    message_id = out(sqlite_database, (A,))
    contexts = Contexts(authority.cert_pem.bytes().decode()) if believed else Contexts()
    async with Sink(tls=context(authority, name)) as sink:
        post = Post(sqlite_database, port=sink.port, contexts=contexts, policy=asking(Level.VERIFY))
        await post.turn()
    assert post.states(message_id) == [state]
    assert len(sink.mails) == (state == "delivered")


async def test_verified_tls_that_is_not_offered_sends_nothing_in_the_clear(sqlite_database: Database) -> None:
    message_id = out(sqlite_database, (A,))
    async with Sink() as sink:
        post = Post(sqlite_database, port=sink.port, policy=asking(Level.VERIFY))
        await post.turn()
    assert (post.states(message_id), said(sink, "MAIL")) == (["deferred"], [])


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "LOGIN PLAIN", "CRAM-MD5"])
async def test_a_smarthost_is_signed_in_to_over_tls(
    sqlite_database: Database, authority: trustme.CA, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message_id = out(sqlite_database, (A, "b@elsewhere.example"))
    async with Sink(tls=context(authority, "127.0.0.1"), auth=way) as sink:
        post = Post(
            sqlite_database,
            contexts=Contexts(authority.cert_pem.bytes().decode()),
            smarthost=Smarthost(host="127.0.0.1", port=sink.port, login="maild", password="geheim"),
        )
        await post.turn()
    secrets = {"AG1haWxkAGdlaGVpbQ==", "Z2VoZWlt", "geheim"}
    if way == "CRAM-MD5":
        assert post.states(message_id) == ["deferred", "deferred"]
        assert not any(secret in line for line in sink.said for secret in secrets)
        return
    assert post.states(message_id) == ["delivered", "delivered"]
    assert len(sink.mails) == 1  # one transaction: they have one next hop
    assert any(secret in line for line in sink.said for secret in secrets)
    assert not any(secret in capsys.readouterr().out for secret in secrets)
    assert "geheim" not in repr(post.smarthost)


async def test_no_password_is_said_to_a_smarthost_without_tls(sqlite_database: Database) -> None:
    message_id = out(sqlite_database, (A,))
    async with Sink(auth="PLAIN") as sink:
        smarthost = Smarthost(host="127.0.0.1", port=sink.port, login="maild", password="geheim")
        post = Post(sqlite_database, smarthost=smarthost)
        await post.turn()
    assert (post.states(message_id), said(sink, "AUTH"), said(sink, "MAIL")) == (["deferred"], [], [])


@pytest.mark.parametrize("injected", [b"250 ok\r\n", b"x"])
async def test_what_is_said_in_the_clear_behind_starttls_is_no_reply(
    sqlite_database: Database, injected: bytes
) -> None:
    message_id = out(sqlite_database, (A,))

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        async for line in reader:
            if line.startswith(b"EHLO"):
                writer.write(b"250-x\r\n250 STARTTLS\r\n")
            elif line.startswith(b"STARTTLS"):
                writer.write(b"220 go on\r\n" + injected)
            else:
                heard.append(line)
        writer.close()

    heard: list[bytes] = []
    server = await asyncio.start_server(between, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        post = Post(sqlite_database, port=port, policy=asking(Level.VERIFY))
        await post.turn()
    assert (post.states(message_id), heard) == (["deferred"], [])
    assert "before TLS began" in post.deliveries(message_id)[0].outcome


@pytest.mark.parametrize("level", [Level.OPPORTUNISTIC, Level.VERIFY])
def test_tls_works_in_the_event_loop_of_the_daemon(
    sqlite_database: Database, authority: trustme.CA, level: Level
) -> None:
    message_id = out(sqlite_database, (A,), octets=LETTER + b"x" * 900 + b"\r\n" + (b"y" * 900 + b"\r\n") * 400)

    async def send() -> None:
        async with Sink(tls=context(authority, "mx.there.example")) as sink:
            contexts = Contexts(authority.cert_pem.bytes().decode())
            post = Post(sqlite_database, port=sink.port, contexts=contexts, policy=asking(level))
            await post.turn()
            assert post.states(message_id) == ["delivered"], post.deliveries(message_id)[0].outcome
            assert [mail.tls for mail in sink.mails] == [True]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(send())


# --- hosts ---------------------------------------------------------------------------------------------------


async def test_a_host_that_is_down_is_passed_over(sqlite_database: Database) -> None:
    message_id = out(sqlite_database, (A,))
    zone = Zone({
        THERE: {Kind.MX: [(10, "down.example"), (20, "up.example")]},
        "down.example": {Kind.A: ["127.0.0.2"]},
        "up.example": {Kind.A: ["127.0.0.1"]},
    })  # fmt: skip
    async with Sink() as sink:
        post = Post(sqlite_database, port=sink.port, resolver=zone)
        await post.turn()
    (found,) = post.deliveries(message_id)
    assert (found.state, found.attempts) == ("delivered", 1)
    assert post.tries(found.id)[0].host == "up.example [127.0.0.1]"


# --- LMTP ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["socket", "port"])
async def test_lmtp_has_a_reply_for_each_recipient(sqlite_database: Database, tmp_path: Path, way: str) -> None:
    path = str(tmp_path / "lmtp") if way == "socket" else ""
    async with Sink(lmtp=True, fault="4xx", at="dot", path=path) as sink:
        next_hop = path or f"127.0.0.1:{sink.port}"
        message_id = out(sqlite_database, (A, B), kind=LMTP, next_hop=next_hop)
        post = Post(sqlite_database)
        await post.turn()
        assert sink.said[0] == "LHLO mx.musterstadt.example"
        assert post.states(message_id) == ["deferred", "delivered"]
        sink.heal()
        post.later()
        await post.turn()
    assert post.states(message_id) == ["delivered", "delivered"]
    assert [mail.recipients for mail in sink.mails] == [[B], [A]]


async def test_lmtp_that_breaks_between_replies_leaves_only_the_rest_in_doubt(sqlite_database: Database) -> None:
    async with Sink(lmtp=True, fault="reset", at="dot") as sink:
        message_id = out(sqlite_database, (A, B), kind=LMTP, next_hop=f"127.0.0.1:{sink.port}")
        post = Post(sqlite_database)
        await post.turn()
    assert [(each.state, each.doubtful) for each in post.deliveries(message_id)] == [("deferred", True)] * 2


async def test_a_mail_store_that_is_down_is_tried_again(sqlite_database: Database, tmp_path: Path) -> None:
    message_id = out(sqlite_database, (A,), kind=LMTP, next_hop=str(tmp_path / "nothing"))
    post = Post(sqlite_database)
    await post.turn()
    assert post.states(message_id) == ["deferred"]
