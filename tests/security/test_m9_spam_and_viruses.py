"""M9: spam and viruses with rspamd and ClamAV of the system, through the whole program: refused, or held and seen."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.needs import require
from tests.scanners import PASSWORD, Scanner, clamd_in, rspamd_in
from tests.scenarios.site import Site
from tests.scenarios.wire import Peer
from tests.screening.mails import HAM, SPAM, VIRUS
from tests.web.office import token_in

KITA = "kita.platzvergabe@musterstadt.example"


@pytest.fixture(scope="module")
def scanners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scanner, Scanner]]:
    require("rspamd")
    require("clamav-daemon")
    pair = rspamd_in(tmp_path_factory.mktemp("rspamd")), clamd_in(tmp_path_factory.mktemp("clamd"))
    for scanner in pair:
        scanner.start()
    yield pair
    for scanner in pair:
        scanner.kill()


def configured(site: Site, rspamd: Scanner, clamd: Scanner) -> None:
    """Have spam and viruses filed, and rspamd taught."""
    (site.directory / "controller-password").write_text(PASSWORD)
    with (site.directory / "maild.toml").open("a") as settings:
        settings.write(
            f'\n[rspamd]\naddress = "{rspamd.address}"\naction = "file"\n'
            f'controller = "{rspamd.controller}"\npassword_file = "controller-password"\n'
            f'[clamav]\naddress = "{clamd.socket}"\naction = "hold"\n'
        )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_spam_and_viruses_are_accepted_and_lie_where_somebody_sees_them(
    tmp_path: Path, scanners: tuple[Scanner, Scanner]
) -> None:
    site = Site(tmp_path, read_by_admin=())
    site.maild("grant", "admin", "kita", "manager")
    configured(site, *scanners)
    site.start()
    log = site.directory / "log"
    try:
        browser = site.browser()
        with Peer(site.smtp_port) as peer:
            spam, virus, _ham = (peer.send(octets, to=KITA) for octets in (SPAM, VIRUS, HAM))
        until(lambda: log.read_text().count('"message.routed"') == 3)
        page = html.unescape(browser.get(f"/m/{spam}", follow_redirects=True).text)
        assert "Dieser Brief wurde als Spam abgelegt: rspamd 15 (GTUBE)" in page
        assert ">virus<" in browser.get("/inbox/kita?state=spam").text
        assert "nichts davon wird herausgegeben" in browser.get(f"/m/{virus}").text
        assert [browser.get(f"/m/{virus}/{path}").status_code for path in ("raw", "part/2")] == [404, 404]
        assert site.maild("show", virus, "--raw") == VIRUS  # who runs maild has it whole
        told = site.maild("trace", "--message-id", spam).decode()
        assert "  spam, says rspamd 15 (GTUBE)\n" in told
        assert "  filed in spam (spam), whatever the rules say\n" in told
        (form,) = set(re.findall(r"/c/([0-9A-Z]{4}-[0-9A-Z]{4})", page))
        fields = {"token": token_in(browser.get(f"/c/{form}").text), "team": "kita", "state": "open"}
        assert browser.post(f"/c/{form}/state", data=fields).status_code in (302, 303)
        until(lambda: "lessons.taught" in log.read_text())
    finally:
        site.stop()
    events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    (lesson,) = [event for event in events if event["event"] == "lessons.taught"]
    assert (lesson["id"], lesson["spam"], lesson["outcome"]) == (spam, False, "learnt")
    assert [e["verdict"] for e in events if e["event"] == "screening.filed"] == ["spam", "virus"]
