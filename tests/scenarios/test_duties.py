"""What a rule asks for beyond a place, through the whole program: by SMTP in, seen, released, and listed."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from tests.scenarios.site import RULES, Site
from tests.scenarios.wire import Peer

KITA = "kita.platzvergabe@musterstadt.example"
ASKING = (
    RULES.replace("title: Kita-Platzvergabe}", "title: Kita-Platzvergabe, acknowledge: eingang}")
    + """templates: {eingang: {text: da}}
rules:
  - {id: kasse, when: {subject: konto}, then: {forward: kasse@kreis.example, assign: admin}}
  - {id: halt, when: {subject: neues konto}, then: {hold: Bitte zurückrufen}}
"""
)


def test_a_held_letter_is_seen_released_and_its_duties_wait_for_sending(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (site.directory / "rules.yaml").write_text(ASKING)
    site.maild("grant", "admin", "kita", "responder")
    site.start()
    try:
        with Peer(site.smtp_port) as peer:
            number = peer.send(b"From: petra@citizen.example\r\nSubject: Neues Konto\r\n\r\nx\r\n", to=KITA)
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
        left = [json.loads(line) for line in site.maild("queue", "list", "--json").splitlines()]
        assert sorted((duty["kind"], duty["held"]) for duty in left) == [("acknowledge", False), ("forward", False)]
        assert 'class="assignee"' in browser.get("/inbox/kita").text
    finally:
        site.stop()
