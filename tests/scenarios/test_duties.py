"""What a rule asks for beyond a place, through the whole program: by SMTP in, seen, released, and sent on."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path

from tests.delivery.sink import Sink
from tests.scenarios.site import RULES, Site
from tests.scenarios.wire import Peer

LETTER = b"From: petra@citizen.example\r\nSubject: Neues Konto\r\n\r\nx\r\n"
KITA = "kita.platzvergabe@musterstadt.example"
ASKING = (
    RULES.replace("title: Kita-Platzvergabe}", "title: Kita-Platzvergabe, acknowledge: eingang}")
    + """templates: {eingang: {text: da}}
rules:
  - {id: kasse, when: {subject: konto}, then: {forward: kasse@kreis.example, assign: admin}}
  - {id: halt, when: {subject: neues konto}, then: {hold: Bitte zurückrufen}}
"""
)


async def test_a_held_letter_is_seen_released_and_sent_on(tmp_path: Path) -> None:
    async with Sink() as sink:
        await asyncio.to_thread(_released, tmp_path, sink)
    (mail,) = sink.mails
    assert mail.recipients == ["kasse@kreis.example"]
    assert mail.octets.endswith(LETTER)
    assert b"Received: from " in mail.octets.removesuffix(LETTER)


def _released(tmp_path: Path, sink: Sink) -> None:
    site = Site(tmp_path)
    settings = site.directory / "maild.toml"
    settings.write_text(f'{settings.read_text()}\n[outbound]\nsmarthost = "127.0.0.1:{sink.port}"\n')
    (site.directory / "rules.yaml").write_text(ASKING)
    site.maild("grant", "admin", "kita", "responder")
    site.start()
    try:
        with Peer(site.smtp_port) as peer:
            number = peer.send(LETTER, to=KITA)
        browser = site.browser()
        deadline = time.monotonic() + 20
        while (answer := browser.get(f"/m/{number}")).status_code == 404:
            assert time.monotonic() < deadline, "the mail was not filed"
            time.sleep(0.02)
        waiting = [json.loads(line) for line in site.maild("queue", "list", "--json").splitlines()]
        assert sorted((duty["kind"], duty["target"], duty["held"]) for duty in waiting) == [
            ("acknowledge", "eingang", True),
            ("forward", "kasse@kreis.example", True),
            ("hold", "Bitte zurückrufen", False),
        ]
        form = answer.text.partition(f'action="/m/{number}/release"')[2].partition("</form>")[0]
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
        assert browser.post(f"/m/{number}/release", data=fields).headers["location"] == f"/m/{number}#m-{number}"
        while len(left := [json.loads(line) for line in site.maild("queue", "list", "--json").splitlines()]) > 1:
            assert time.monotonic() < deadline + 40, left
        assert [(duty["kind"], duty["held"]) for duty in left] == [("acknowledge", False)]
        assert site.maild("queue", "list", "--failed") == b""
        assert 'class="assignee"' in browser.get("/inbox/kita").text
    finally:
        site.stop()
