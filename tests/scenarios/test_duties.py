"""What a rule asks for beyond a place, through the whole program: by SMTP in, seen, released, and sent on."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from tests.delivery.sink import Sink
from tests.dns_server import DnsServer
from tests.scenarios.site import RULES, Site
from tests.scenarios.wire import Peer

LETTER = b"From: petra@citizen.example\r\nSubject: Neues Konto\r\nMessage-ID: <konto@citizen.example>\r\n\r\nx\r\n"
KITA = "kita.platzvergabe@musterstadt.example"
ASKING = (
    RULES.replace("title: Kita-Platzvergabe}", "title: Kita-Platzvergabe, acknowledge: eingang}")
    + """templates: {eingang: {text: da}}
rules:
  - {id: kasse, when: {subject: konto}, then: {forward: kasse@kreis.example, assign: admin}}
  - {id: halt, when: {subject: neues konto}, then: {hold: Bitte zurückrufen}}
"""
)


# Who wrote is proven, or nobody would be answered.
ZONE = {
    "citizen.example": {"TXT": ['"v=spf1 ip4:127.0.0.1 -all"']},
    "_dmarc.citizen.example": {"TXT": ['"v=DMARC1; p=reject"']},
}
SETTINGS = """
[outbound]
smarthost = "127.0.0.1:{sink}"
[authentication]
own_networks = []
[dns]
resolvers = ["127.0.0.1:{names}"]
"""


async def test_a_held_letter_is_seen_released_sent_on_and_acknowledged(tmp_path: Path) -> None:
    async with Sink() as sink, DnsServer(ZONE) as names:
        await asyncio.to_thread(_released, tmp_path, SETTINGS.format(sink=sink.port, names=names.address.port))
    assert len(sink.mails) == 4
    sent = {mail.recipients[0]: mail for mail in reversed(sink.mails)}
    assert sent.keys() == {"petra@citizen.example", "max@citizen.example", "kasse@kreis.example"}
    mail = sent["kasse@kreis.example"]
    assert mail.octets.endswith(LETTER)
    assert b"Received: from " in mail.octets.removesuffix(LETTER)
    answer = message_from_bytes(sent["petra@citizen.example"].octets, policy=policy.default)
    assert sent["petra@citizen.example"].sender.startswith("MAIL FROM:<>")
    assert (answer["Auto-Submitted"], answer["In-Reply-To"]) == ("auto-replied", "<konto@citizen.example>")
    assert answer["From"].addresses[0].addr_spec == KITA
    assert answer.get_content().strip() == "da"


def _released(tmp_path: Path, more: str) -> None:
    site = Site(tmp_path)
    settings = site.directory / "maild.toml"
    settings.write_text(settings.read_text() + more)
    (site.directory / "rules.yaml").write_text(ASKING)
    site.maild("grant", "admin", "kita", "responder")
    site.start()
    try:
        with Peer(site.smtp_port) as peer:
            number = peer.send(LETTER, to=KITA)
        browser = site.browser()
        deadline = time.monotonic() + 60
        while (answer := browser.get(f"/m/{number}")).status_code == 404:
            assert time.monotonic() < deadline, "the mail was not filed"
            time.sleep(0.02)
        assert sorted((duty["kind"], duty["target"], duty["held"]) for duty in _waiting(site)) == [
            ("acknowledge", "eingang", True),
            ("forward", "kasse@kreis.example", True),
            ("hold", "Bitte zurückrufen", False),
        ]
        form = answer.text.partition(f'action="/m/{number}/release"')[2].partition("</form>")[0]
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
        assert browser.post(f"/m/{number}/release", data=fields).headers["location"] == f"/m/{number}#m-{number}"
        _wait_until_through(site)
        _release_another_by_command(site)
        assert site.maild("queue", "list", "--failed") == b""
        assert 'class="assignee"' in browser.get("/inbox/kita").text
    finally:
        site.stop()


def _release_another_by_command(site: Site) -> None:
    other = LETTER.replace(b"petra@", b"max@").replace(b"<konto@", b"<anderes@")
    with Peer(site.smtp_port) as peer:
        peer.send(other, to=KITA, sender="max@citizen.example")
    deadline = time.monotonic() + 60
    while not (held := [duty for duty in _waiting(site) if duty["kind"] == "hold"]):
        assert time.monotonic() < deadline, "the mail was not held"
        time.sleep(0.02)
    site.maild("queue", "release", str(held[0]["id"]))
    _wait_until_through(site)


def _waiting(site: Site) -> list[dict[str, Any]]:
    return [json.loads(line) for line in site.maild("queue", "list", "--json").splitlines()]


def _wait_until_through(site: Site) -> None:
    """Wait for less than the round of any task: who lets something go wakes those who carry it out."""
    deadline = time.monotonic() + 8
    while left := _left(site):
        assert time.monotonic() < deadline, f"{left} are left, though they were released"
        time.sleep(0.05)


def _left(site: Site) -> int:
    """Count the duties that wait, and the deliveries that are on their way."""
    with closing(sqlite3.connect(f"file:{site.directory / 'var' / 'maild.sqlite3'}?mode=ro", uri=True)) as connection:
        (duties,) = connection.execute("SELECT count(*) FROM duties WHERE state = 'waiting'").fetchone()
        (letters,) = connection.execute("SELECT count(*) FROM deliveries WHERE state != 'delivered'").fetchone()
    return int(duties + letters)
