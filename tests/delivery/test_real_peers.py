"""Postfix as the next hop, and Dovecot behind its LMTP: what others wrote, by the same standards."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.material import DOMAIN, mailbox
from bench.peers import PostfixDovecot
from maild.archive.database import Database
from maild.authentication.own_keys import OwnKeys
from maild.delivery.deliveries import LMTP, Dsn
from maild.delivery.sending_on import SendingOn
from maild.delivery.signatures import Signer
from maild.delivery.worker import Limits
from maild.dns.answer import Kind
from maild.mail.evidence import Evidence, Spf
from maild.rules.duties import Duty
from tests.authentication.zone import Zone
from tests.delivery.post import Post, letter, out, prove

pytestmark = [
    pytest.mark.needs("postfix", "dovecot-lmtpd"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix and Dovecot start as root only"),
]
ZONE = Zone({DOMAIN: {Kind.MX: [(10, "post.example")]}, "post.example": {Kind.A: ["127.0.0.1"]}})
ODD = b"Subject: odd\r\n\r\n.\r\n..\r\nfirst\n.\nMAIL FROM:<evil@x.example>\r\n\xc3\xa4\r\n" + b"x" * 998 + b"\r\n"


@pytest.fixture(scope="module")
def peer() -> Iterator[PostfixDovecot]:
    # Outside pytest's folders, which only their owner may enter: their programs do not run as root.
    home = Path(tempfile.mkdtemp(prefix="maild-peer-"))
    home.chmod(0o755)
    made = PostfixDovecot(home / "p")
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(home, ignore_errors=True)


def kept(peer: PostfixDovecot, number: int) -> list[bytes]:
    """Return what a mailbox has."""
    new = peer._mail_directory() / mailbox(number).partition("@")[0]
    return [path.read_bytes() for path in sorted(Path(new).rglob("new/*"))]


async def test_postfix_takes_what_we_send_and_refuses_whom_it_does_not_know(
    peer: PostfixDovecot, sqlite_database: Database
) -> None:
    dsn = Dsn(notify=("FAILURE",), ret="HDRS", envid="x")
    to = (mailbox(0), f"nobody@{DOMAIN}", mailbox(1))
    message_id = out(sqlite_database, to, octets=ODD, sender="petra@citizen.example", dsn=dsn)
    post = Post(sqlite_database, port=peer.port, resolver=ZONE)
    await post.turn()
    found = post.deliveries(message_id)
    assert [each.state for each in found] == ["delivered", "failed", "delivered"], [each.outcome for each in found]
    assert found[0].outcome.startswith("250 2.0.0 Ok: queued as")
    assert found[1].outcome.startswith("550 5.1.1")


async def test_postfix_takes_one_message_after_another_and_refuses_those_to_nobody(
    peer: PostfixDovecot, sqlite_database: Database
) -> None:
    """The envelope of each further one goes at once, DATA with it."""
    nobody = f"nobody@{DOMAIN}"
    to = [(mailbox(3),), (mailbox(3), nobody), (nobody,), (mailbox(3),), (mailbox(3),)]
    sent = [out(sqlite_database, each, octets=ODD, number=number) for number, each in enumerate(to)]
    post = Post(sqlite_database, port=peer.port, resolver=ZONE, limits=Limits(connections=1, per_hop=1))
    await post.turn()
    for message_id, each in zip(sent, to, strict=True):
        found = {delivery.recipient: delivery for delivery in post.deliveries(message_id)}
        expected = {recipient: "failed" if recipient == nobody else "delivered" for recipient in each}
        assert {recipient: delivery.state for recipient, delivery in found.items()} == expected
        assert nobody not in found or found[nobody].outcome.startswith("550 5.1.1")


async def test_dovecot_takes_a_letter_by_lmtp_for_each_recipient(
    peer: PostfixDovecot, sqlite_database: Database
) -> None:
    socket = str(peer.directory / "run" / "lmtp")
    to = (mailbox(7), mailbox(8))
    message_id = out(sqlite_database, to, octets=ODD, sender=None, kind=LMTP, next_hop=socket)
    post = Post(sqlite_database)
    await post.turn()
    found = post.deliveries(message_id)
    assert [each.state for each in found] == ["delivered"] * 2, [each.outcome for each in found]
    for number in (7, 8):
        (octets,) = kept(peer, number)
        body = octets.replace(b"\r\n", b"\n").partition(b"Subject: odd\n\n")[2]
        assert body == ODD.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")


def waited(peer: PostfixDovecot, number: int) -> list[bytes]:
    """Return what a mailbox has as soon as it has something."""
    until = time.monotonic() + 60
    while not (there := kept(peer, number)) and time.monotonic() < until:
        time.sleep(0.05)
    return there


async def test_postfix_takes_what_is_sent_on_with_its_seal(
    peer: PostfixDovecot, sqlite_database: Database, tmp_path: Path
) -> None:
    keys = OwnKeys(tmp_path)
    keys.make("musterstadt.example", "s1", "rsa")
    octets = b"From: a@citizen.example\r\n" + ODD
    message_id = letter(sqlite_database, Duty("poststelle", "forward", mailbox(9), "f"), octets=octets)

    prove(sqlite_database, message_id, Evidence(checked_ms=1, spf=Spf(result="pass", domain="x.example")))
    sign = Signer(keys, now_s=lambda: 1)
    sends_on = SendingOn(keys, authserv_id="mx.musterstadt.example", sign=sign, now_s=lambda: 1)
    post = Post(sqlite_database, port=peer.port, resolver=ZONE, sends_on=sends_on)
    await post.turn()
    assert post.states(message_id) == ["delivered"], post.deliveries(message_id)[0].outcome
    (content,) = await asyncio.to_thread(waited, peer, 9)
    assert content.count(b"ARC-Seal: a=rsa-sha256;") == 1
    assert b"spf=pass smtp.mailfrom=x.example" in content
