"""Who really sent this, the whole way: a peer, the daemon, a DNS with faults; what is refused, kept, and routed by."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from maild.authentication.signing import SigningKey, sign
from maild.mail.evidence import Evidence, from_json
from maild.mail.ids import parse_id
from tests.dns_server import DnsServer
from tests.scenarios.site import RULES, Site
from tests.scenarios.wire import Peer, stuffed

INFO = "info@musterstadt.example"
KEY = Ed25519PrivateKey.generate()
REFUSING = """rules:
  - {id: gesperrt, when: {from: "@sperre.example", spf: fail}, then: {reject: Nicht von dort}}
  - {id: geprueft, when: {dmarc: pass}, then: {tag: geprueft}}
"""
T = TypeVar("T")
SETTINGS = """
[authentication]
own_networks = []
limit_s = 6
[dns]
resolvers = ["127.0.0.1:{port}"]
timeout_s = 30
"""
OURS = "v=spf1 ip4:127.0.0.1 -all"
OTHERS = "v=spf1 ip4:192.0.2.1 -all"


def signing_key(domain: str) -> SigningKey:
    return SigningKey(domain, "s1", KEY)


def zone() -> dict[str, dict[str, list[str]]]:
    def domain(name: str, spf: str, policy: str | None) -> dict[str, dict[str, list[str]]]:
        found = {name: {"TXT": [f'"{spf}"']}, f"s1._domainkey.{name}": {"TXT": [f'"{signing_key(name).record}"']}}
        return found | ({} if policy is None else {f"_dmarc.{name}": {"TXT": [f'"v=DMARC1; p={policy}"']}})

    return (
        domain("stadtwerke.example", OURS, "reject")
        | domain("bank.example", OTHERS, "reject")
        | domain("laden.example", OTHERS, "quarantine")
        | domain("verein.example", OURS, None)
        | domain("sperre.example", OTHERS, None)
        | domain("langsam.example", OTHERS, "reject")
        | domain("kaputt.example", OTHERS, "reject")
    )


@pytest.fixture(scope="module")
def names() -> Iterator[DnsServer]:
    """A DNS server in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = DnsServer(zone(), faults={"_dmarc.langsam.example": "silence", "kaputt.example": "servfail"})
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        yield server
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, names: DnsServer) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("senders"))
    (site.directory / "rules.yaml").write_text(RULES + REFUSING, encoding="utf-8")
    settings = site.directory / "maild.toml"
    settings.write_text(settings.read_text() + SETTINGS.format(port=names.address.port))
    site.start()
    yield site
    assert site.stop() == 0


def letter(author: str, subject: str, *fields: str, signer: str | None = None) -> bytes:
    octets = "\r\n".join([*fields, f"From: {author}", f"To: {INFO}", f"Subject: {subject}", "", "Guten Tag", ""])
    content = octets.encode()
    if signer is None:
        return content
    return sign(content, signing_key(signer), now_s=int(time.time())) + content


def send(site: Site, octets: bytes, *, sender: str) -> str:
    with Peer(site.smtp_port) as peer:
        assert peer.say(f"MAIL FROM:<{sender}>".encode()).startswith("250")
        assert peer.say(f"RCPT TO:<{INFO}>".encode()).startswith("250")
        assert peer.say(b"DATA").startswith("354")
        peer._socket.sendall(stuffed(octets) + b".\r\n")
        return peer.reply()


def refused(site: Site, octets: bytes, *, sender: str) -> str:
    """Send until it is refused: what is not found out in time, or not judged, is accepted. Return the refusal."""
    deadline = time.monotonic() + 60
    while not (reply := send(site, octets, sender=sender)).startswith("5"):
        assert reply.startswith("250 ")
        assert time.monotonic() < deadline, "never refused"
    return reply


def until(found: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + 60
    while (value := found()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def ask(site: Site, statement: str, reply: str) -> list[str | None]:
    """Return a column of what the archive has of an accepted letter."""
    assert reply.startswith("250 2.0.0 Ok: stored as "), reply
    with sqlite3.connect(site.directory / "var" / "maild.sqlite3") as connection:
        rows = connection.execute(statement, (parse_id(reply.rsplit(maxsplit=1)[-1]),))
        return [row[0] for row in rows]


def kept(site: Site, reply: str) -> Evidence:
    """Return what is kept about the sender of an accepted letter."""

    def found() -> Evidence | None:
        texts = ask(site, "SELECT evidence FROM examinations WHERE message_id = ?", reply)
        return from_json(texts[0]) if texts and texts[0] is not None else None

    return until(found)


def tags(site: Site, reply: str) -> list[str | None]:
    """Return the tags of a letter, once it is filed."""
    until(lambda: ask(site, "SELECT 'filed' FROM summaries WHERE message_id = ?", reply) or None)
    return ask(site, "SELECT tag FROM tags JOIN summaries USING (conversation_id) WHERE message_id = ?", reply)


def test_a_signed_letter_is_proven_and_routed_by_it(site: Site) -> None:
    octets = letter("Werke <info@stadtwerke.example>", "Rechnung", signer="stadtwerke.example")
    reply = send(site, octets, sender="bounce@stadtwerke.example")
    evidence = kept(site, reply)
    assert evidence.verdicts == ("pass", "pass", "pass")
    assert evidence.dmarc.dkim_aligned
    assert evidence.dmarc.spf_aligned
    assert evidence.dkim[0].selector == "s1"
    assert tags(site, reply) == ["geprueft"]


def test_a_letter_whose_domain_asks_for_its_refusal_is_refused(site: Site) -> None:
    reply = refused(site, letter("vorstand@bank.example", "Konto"), sender="x@anderswo.example")
    assert reply.startswith("550 5.7.26 ")
    assert "bank.example" in reply


def test_a_letter_of_a_domain_that_asks_for_care_is_accepted_with_a_mark(site: Site) -> None:
    reply = send(site, letter("shop@laden.example", "Angebot"), sender="x@anderswo.example")
    evidence = kept(site, reply)
    assert evidence.dmarc.result == "fail"
    assert evidence.dmarc.policy == "quarantine"
    assert tags(site, reply) == ["verdacht"]


def test_a_domain_without_policy_is_measured_all_the_same(site: Site) -> None:
    evidence = kept(site, send(site, letter("post@verein.example", "Beitrag"), sender="post@verein.example"))
    assert evidence.verdicts == ("pass", "none", "none")


def test_a_rule_that_refuses_is_told_who_sent_it(site: Site) -> None:
    reply = refused(site, letter("a@sperre.example", "Hallo"), sender="a@sperre.example")
    assert reply == "550 5.7.1 Nicht von dort"


@pytest.mark.parametrize("domain", ["langsam.example", "kaputt.example"])
def test_a_dns_that_does_not_answer_refuses_nobody(site: Site, domain: str) -> None:
    evidence = kept(site, send(site, letter(f"a@{domain}", "Eilt"), sender=f"a@{domain}"))
    assert evidence.verdicts.dmarc == "temperror" or evidence.verdicts.spf == "temperror"


def test_a_letter_with_two_authors_is_never_proven(site: Site) -> None:
    octets = letter("info@stadtwerke.example", "Zwei", "From: vorstand@bank.example", signer="stadtwerke.example")
    evidence = kept(site, send(site, octets, sender="bounce@stadtwerke.example"))
    assert evidence.dmarc.result == "permerror"


def test_what_is_in_flight_at_a_kill_is_examined_after_the_restart(site: Site) -> None:
    reply = send(site, letter("post@verein.example", "Vor dem Ende"), sender="post@verein.example")
    assert site.process is not None
    site.process.kill()
    site.process.wait()
    site.start()
    assert kept(site, reply).spf.result == "pass"
