"""Real mail through the whole program: in by SMTP and by import, out octet for octet, in an inbox, on a page."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.scenarios.site import Site
from tests.scenarios.wire import Peer

_ID = re.compile(r"/m/([0-9A-Z]{13})")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("corpus"))
    site.start()
    yield site
    assert site.stop() == 0
    log = (site.directory / "log").read_text()
    assert '"level": "error"' not in log, log[-3000:]


def _mails(corpus: Path) -> list[Path]:
    return sorted(p for p in corpus.rglob("*.eml") if p.is_file())


def _as_sent(octets: bytes) -> bytes:
    """What arrives of a file: DATA ends with CRLF, so one that does not gets it. The only change of transport."""
    return octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"


@pytest.mark.timeout(400)
def test_every_mail_sent_over_smtp_comes_back_octet_for_octet_and_has_a_page(site: Site, corpus: Path) -> None:
    mails = _mails(corpus)
    assert len(mails) > 500
    sent: dict[str, bytes] = {}
    with Peer(site.smtp_port) as peer:
        for number, path in enumerate(mails):
            octets = _as_sent(path.read_bytes())
            to = ("info", "kita.platzvergabe")[number % 2] + "@musterstadt.example"
            sent[peer.send(octets, to=to, sender=f"mail{number}@citizen.example")] = octets
            if number % 90 == 89:  # another connection, as the limit of a session wants
                peer.say(b"RSET")
    browser = site.browser()
    _wait_until_all_are_filed(site)
    letters = 0
    for message_id, octets in sent.items():
        raw = browser.get(f"/m/{message_id}/raw")
        assert raw.status_code == 200
        assert raw.content == octets, message_id
        page = browser.get(f"/m/{message_id}", follow_redirects=True)
        assert page.status_code == 200, message_id
        framed = f"/m/{message_id}/letter"
        if framed in page.text:
            letters += 1
            assert browser.get(framed).status_code == 200, message_id
    assert letters > 50
    by_command = next(iter(sent))
    assert site.maild("show", by_command, "--raw") == sent[by_command]


def _wait_until_all_are_filed(site: Site) -> None:
    deadline = time.monotonic() + 120
    while json.loads(site.maild("status", "--json"))["waiting"]:
        assert time.monotonic() < deadline, "mail is still waiting to be filed"
        time.sleep(0.2)


@pytest.mark.timeout(300)
def test_every_mail_imported_from_an_mbox_comes_back_octet_for_octet(site: Site, corpus: Path, tmp_path: Path) -> None:
    # What an mbox cannot carry byte-exact: lines that begin with "From " are quoted by whoever wrote it.
    mails = [
        octets
        for octets in (p.read_bytes() for p in _mails(corpus))
        if octets.endswith(b"\n")
        and b"\nFrom " not in octets
        and b"\r\r" not in octets
        and not octets.startswith(b"From ")
    ]
    assert len(mails) > 300
    mbox = tmp_path / "old.mbox"
    mbox.write_bytes(b"".join(b"From x@y Mon Jan  1 00:00:00 2024\n" + octets + b"\n" for octets in mails))
    site.maild("import", str(mbox), "--team", "kita")
    _wait_until_all_are_filed(site)
    found = site.maild("search", "team:kita", "--json", "--limit", "5000")
    digests = {json.loads(line)["digest"] for line in found.splitlines()}
    missing = [octets[:80] for octets in mails if hashlib.sha256(octets).hexdigest() not in digests]
    assert missing == []
    site.maild("import", str(mbox), "--team", "kita")
    _wait_until_all_are_filed(site)
    assert len(site.maild("search", "team:kita", "--json", "--limit", "5000").splitlines()) == len(found.splitlines())


def test_a_page_of_the_inbox_shows_the_mail(site: Site, corpus: Path) -> None:
    browser: httpx2.Client = site.browser()
    page = browser.get("/inbox/kita")
    assert page.status_code == 200
    assert len(re.findall(r"/c/[0-9A-Z]{4}-[0-9A-Z]{4}", page.text)) >= 10
