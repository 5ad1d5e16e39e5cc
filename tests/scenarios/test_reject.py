"""Mail that rules refuse, over a real socket: at RCPT, at the end of DATA and of BDAT, for all and for some."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.site import RULES, Site
from tests.scenarios.wire import Peer, stuffed

KITA, INFO = "kita.platzvergabe@musterstadt.example", "info@musterstadt.example"
POSTMASTER = "postmaster@musterstadt.example"
REFUSING = """rules:
  - {id: sperre, when: {sender: "@spam.example"}, then: {reject: "Für uns: nein"}}
  - {id: nicht-kita, when: {to: kita.platzvergabe, subject: angebot}, then: {reject: Keine Angebote}}
  - {id: falsch, when: {dmarc: fail}, then: {reject: Absender nicht bestaetigt}}
  - {id: kopie, when: {to: info, subject: angebot}, then: {copy: kita}}
"""
TRUST = '[smtp]\ntrusted_relays = ["127.0.0.0/8"]\ntrusted_authserv_ids = ["mx.musterstadt.example"]\n'
SPAM_SENDER = "x@spam.example"


def letter(subject: str, *fields: str, body: str = "x") -> bytes:
    return "\r\n".join([*fields, f"Subject: {subject}", "From: a@b.example", "", body, ""]).encode()


def by_data(peer: Peer, octets: bytes) -> str:
    assert peer.say(b"DATA").startswith("354")
    peer._socket.sendall(stuffed(octets) + b".\r\n")
    return peer.reply()


def by_bdat(peer: Peer, octets: bytes) -> str:
    half = len(octets) // 3
    peer._socket.sendall(b"BDAT %d\r\n%b" % (half, octets[:half]))
    assert peer.reply().startswith("250")
    peer._socket.sendall(b"BDAT %d LAST\r\n%b" % (len(octets) - half, octets[half:]))
    return peer.reply()


WAYS = {"DATA": by_data, "BDAT": by_bdat}


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition with a deadline."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("reject"))
    (site.directory / "rules.yaml").write_text(RULES + REFUSING, encoding="utf-8")
    settings = site.directory / "maild.toml"
    settings.write_text(settings.read_text().replace("[smtp]\n", TRUST, 1))
    site.start()
    try:
        until(lambda: bool(said(site, "daemon.ready")))
        with Peer(site.smtp_port) as peer:
            refused(peer, by_data, "bereit?")
        yield site
    finally:
        site.stop()


@pytest.fixture
def peer(site: Site) -> Iterator[Peer]:
    with Peer(site.smtp_port) as peer:
        yield peer


def begin(peer: Peer, *to: str, sender: str = "a@b.example") -> list[str]:
    """Begin a transaction; return what each recipient was answered."""
    assert peer.say(f"MAIL FROM:<{sender}>".encode()).startswith("250")
    return [peer.say(f"RCPT TO:<{address}>".encode()) for address in to]


def refused(peer: Peer, send: Callable[[Peer, bytes], str], subject: str, *fields: str, body: str = "x") -> str:
    """Send offers until one is refused: while the workers start, or are slow, the door accepts. Return its subject."""
    deadline, number = time.monotonic() + 60, 0
    while True:
        begin(peer, KITA)
        name = f"Angebot {subject} {number}"
        if (reply := send(peer, letter(name, *fields, body=body))) == "550 5.7.1 Keine Angebote":
            return name
        assert reply.startswith("250")
        assert time.monotonic() < deadline, "never refused"
        number += 1


def stored_id(reply: str) -> str:
    assert reply.startswith("250 2.0.0 Ok: stored as "), reply
    return reply.rsplit(maxsplit=1)[-1]


def routed(site: Site, message_id: str) -> dict[str, Any]:
    """Wait until the message is filed; return what the log says of it."""

    def found() -> list[str]:
        return [line for line in said(site, "message.routed") if message_id in line]

    until(lambda: bool(found()))
    return dict(json.loads(found()[0]))


def said(site: Site, event: str) -> list[str]:
    """Return the lines of the log with an event."""
    return [line for line in (site.directory / "log").read_text().splitlines() if f'"{event}"' in line]


def test_the_envelope_is_enough_at_rcpt(peer: Peer) -> None:
    assert begin(peer, KITA, INFO, POSTMASTER, sender=SPAM_SENDER) == [
        "550 5.7.1 Fuer uns: nein",
        "550 5.7.1 Fuer uns: nein",
        "250 2.1.5 Ok",
    ]


@pytest.mark.parametrize("way", WAYS)
def test_a_mail_that_all_recipients_refuse_is_refused_at_its_end_and_not_stored(
    site: Site, peer: Peer, way: str
) -> None:
    before = len(said(site, "message.accepted"))
    name = refused(peer, WAYS[way], way, body="x" * 9_000)
    assert len(said(site, "message.accepted")) == before + int(name.split()[-1])
    # The session goes on as if nothing had been.
    assert begin(peer, KITA, f"{KITA.replace('@', '+x@')}") == ["250 2.1.5 Ok"] * 2
    assert routed(site, stored_id(WAYS[way](peer, letter(f"Frage {way}"))))["teams"] == ["kita"]


def test_a_large_mail_is_judged_by_its_header(peer: Peer) -> None:
    refused(peer, by_data, "groß", body="0123456789\r\n" * 200_000)


def test_a_mail_that_some_refuse_is_accepted_for_all_and_held_for_them(site: Site, peer: Peer) -> None:
    assert begin(peer, INFO, KITA) == ["250 2.1.5 Ok"] * 2
    found = routed(site, stored_id(by_data(peer, letter("Angebot für manche"))))
    assert found["teams"] == ["kita", "poststelle"]
    assert found["problem"] == "rejected by rule nicht-kita for this recipient, held"


def test_what_a_trusted_relay_says_reaches_the_rules(site: Site, peer: Peer) -> None:
    stamp = ("Authentication-Results: mx.musterstadt.example; dmarc=fail", "Received: from x by mx.musterstadt.example")
    forged = (stamp[1], stamp[0].replace("mx.", "mx2."))
    replies = []
    for fields in (stamp, forged):
        begin(peer, INFO)
        replies.append(by_data(peer, letter("x", *fields)))
    if not replies[0].startswith("550 5.7.1 Absender nicht bestaetigt"):  # it was not told in time
        assert routed(site, stored_id(replies[0]))["problem"] == "rejected by rule falsch for this recipient, held"
    assert routed(site, stored_id(replies[1]))["problem"] is None


def test_imported_mail_that_a_rule_refuses_is_held(site: Site, tmp_path: Path) -> None:
    (tmp_path / "old.eml").write_bytes(letter("Altes Angebot"))
    before = len(said(site, "message.routed"))
    site.maild("import", str(tmp_path / "old.eml"), "--to", KITA)
    until(lambda: len(said(site, "message.routed")) > before)
    assert (
        json.loads(said(site, "message.routed")[-1])["problem"]
        == "rejected by rule nicht-kita for this recipient, held"
    )


def test_the_log_names_the_rule_and_no_subject(site: Site, peer: Peer) -> None:
    refused(peer, by_data, "geheim4711")
    log = (site.directory / "log").read_text()
    assert '"rule": "nicht-kita"' in log
    assert "geheim4711" not in log
