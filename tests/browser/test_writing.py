"""Two people who answer the same letter, in two browsers, by the keyboard alone; the daemon is killed between.

One of them reads German, the other English; what does not arrive is the first thing that is seen afterwards.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from maild.archive.accounts import NewGrant, NewUser, add_grants, add_users
from maild.archive.database import Database
from maild.archive.passwords import Cost, hash_password
from maild.policy.roles import Role
from tests.browser.accessible import faults_of
from tests.browser.chromium import PATIENCE_MS
from tests.delivery.sink import Sink
from tests.scenarios.site import PASSWORD, Site
from tests.scenarios.wire import Peer

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
KITA = "kita.platzvergabe@musterstadt.example"
NOBODY = "max@citizen.example"
LETTER = (
    f"From: Lea Licht <lea@citizen.example>\r\nTo: {KITA}\r\nSubject: Frage zum Platz\r\n"
    "Message-ID: <frage@citizen.example>\r\n\r\nWann wird entschieden?\r\n"
)


@contextmanager
def _listening() -> Iterator[Sink]:
    """Run a mail server in a thread of its own."""
    sink, started, loop = Sink(refused=frozenset({NOBODY})), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with sink:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert started.wait(60)
    try:
        yield sink
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()


def _settle(site: Site) -> None:
    database = Database("", site.directory / "var")
    database.start()
    password = hash_password(PASSWORD, Cost(memory_kib=64, iterations=1))
    for login, name in (("petra", "Petra Maurer"), ("jonas", "Jonas Weiß")):
        new = NewUser(login=login, name=name, mail=None, password=password, created_ms=1)
        database.writer.submit(add_users, new).result()
        grant = NewGrant(login=login, role=Role.RESPONDER, team="kita", from_ms=0, until_ms=None, granted_by="test")
        database.writer.submit(add_grants, grant).result()
    database.close()


def _signed_in(browser: Browser, site: Site, login: str, language: str = "de", **options: object) -> Page:
    context = browser.new_context(locale=language, **options)  # type: ignore[arg-type]  # Playwright's options by name
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{site.url}/login")
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/inbox/kita"))
    return page


def _reload_until(page: Page, selector: str) -> None:
    for _ in range(100):
        page.reload()
        if page.locator(selector).count():
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"{selector} is not there")


def _begin(page: Page, text: str) -> None:
    """Open the letter and begin an answer, with keys alone."""
    expect(page.locator("#list .row")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/c/"))
    page.keyboard.press("r")
    page.wait_for_url(re.compile("/reply"))
    expect(page.locator("#w-text")).to_be_focused()
    page.keyboard.type(text)


def _go_to(page: Page, place: Locator) -> None:
    """Go to a link, a field or a button of a page, from one to the next."""
    for _ in range(120):
        if place.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not come to {place}")


def _press(page: Page, place: Locator) -> None:
    _go_to(page, place)
    page.keyboard.press("Enter")


def _send_by_keys(page: Page) -> None:
    _press(page, page.locator("button[value=send]"))


def test_two_people_answer_and_nothing_is_sent_past_each_other_or_lost(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _listening() as sink:
        monkeypatch.setenv("MAILD_OUTBOUND__SMARTHOST", f"127.0.0.1:{sink.port}")
        monkeypatch.setenv("MAILD_WEB__UNDO_S", "86400")  # nobody has to hurry; _let_go ends it
        site = Site(tmp_path, read_by_admin=())
        _settle(site)
        site.start()
        try:
            with Peer(site.smtp_port) as peer:
                peer.send(LETTER.encode(), to=KITA, sender="lea@citizen.example")
            _answer_twice(chromium, site)
            _write_to_nobody(chromium, site)
            _let_go(site)
            _wait_for_mail(site, chromium, sink)
            _see_what_failed(chromium, site)
        finally:
            site.stop()


def _answer_twice(chromium: Browser, site: Site) -> None:
    petra = _signed_in(chromium, site, "petra")
    jonas = _signed_in(chromium, site, "jonas", "en", viewport={"width": 390, "height": 844}, color_scheme="dark")
    for page in (petra, jonas):
        _reload_until(page, ".row")
    _begin(petra, "Von Petra: nächste Woche.")
    _begin(jonas, "Von Jonas: im Juni.")
    expect(jonas.locator("#there")).to_contain_text("Petra")
    violations = faults_of(jonas)
    _send_by_keys(jonas)
    expect(jonas.locator(".letter.out")).to_contain_text("sent to lea@citizen.example")
    violations += faults_of(jonas)
    expect(petra.locator("#fresh")).to_contain_text("etwas gekommen oder gesendet")
    _send_by_keys(petra)
    expect(petra.locator("#collision")).to_have_text("Nicht gesendet: Jemand anderes hat schon geantwortet.")
    expect(petra.locator("[aria-labelledby=collision]")).to_contain_text("Jonas Weiß hat geschrieben")
    violations += faults_of(petra)
    assert petra.input_value("#w-text").startswith("Von Petra: nächste Woche.")
    # She goes on writing; the tab is closed and the daemon killed as soon as the page says that it is kept.
    petra.locator("#w-text").focus()
    petra.keyboard.type("Nachtrag. ")
    petra.wait_for_selector("form[data-kept=yes]")
    again = petra.context.new_page()
    petra.close()
    _kill(site)
    site.start()
    again.goto(f"{site.url}/drafts")
    _press(again, again.get_by_role("link", name="Re: Frage zum Platz"))
    expect(again.locator("#w-text")).to_have_value(re.compile("Nachtrag. "))
    _press(again, again.get_by_role("button", name="Trotzdem senden").first)
    expect(again.locator(".letter.out")).to_have_count(2)
    violations += faults_of(again)
    _press(again, again.get_by_role("button", name="Zurücknehmen").last)
    expect(again.locator("main .notice.fine")).to_contain_text("Zurückgenommen: Es wurde nichts gesendet.")
    assert "Nachtrag. " in again.input_value("#w-text")
    jonas.context.close()
    again.context.close()
    assert violations == []


def _write_to_nobody(chromium: Browser, site: Site) -> None:
    page = _signed_in(chromium, site, "jonas", "en")
    page.goto(f"{site.url}/inbox/kita")
    expect(page.locator("#failures .alarm")).to_have_count(0)
    _press(page, page.get_by_role("link", name="New letter"))
    page.wait_for_url(re.compile("/write"))
    for field, text in (("to", NOBODY), ("subject", "An invitation to the information evening"), ("text", "Dear Max")):
        _go_to(page, page.locator(f"#w-{field}"))
        page.keyboard.type(text)
    _send_by_keys(page)
    expect(page.locator(".letter.out")).to_contain_text(f"sent to {NOBODY}")
    page.context.close()


def _let_go(site: Site) -> None:
    """Have what waits to be taken back leave now."""
    waiting = [json.loads(line) for line in site.maild("queue", "list", "--json").splitlines()]
    assert sorted(each["recipient"] for each in waiting) == ["lea@citizen.example", NOBODY]
    for each in waiting:
        site.maild("queue", "retry", each["id"])


def _see_what_failed(chromium: Browser, site: Site) -> None:
    """Whoever signs in sees it on the first page, and is led to the reason."""
    for language, told, why in (
        ("en", "1 letter was not delivered", f"Not delivered to {NOBODY}"),
        ("de", "1 Brief wurde nicht zugestellt", f"Nicht zugestellt an {NOBODY}"),
    ):
        page = _signed_in(chromium, site, "petra", language)
        if language == "en":
            _reload_until(page, "#failures .alarm")
        expect(page.locator("#failures")).to_contain_text(told)
        assert faults_of(page) == []
        _press(page, page.locator("#failures a"))
        expect(page.locator(".letter.out")).to_contain_text(why)
        page.context.close()


def _kill(site: Site) -> None:
    assert site.process is not None
    site.process.kill()
    site.process.wait(60)


def _wait_for_mail(site: Site, chromium: Browser, sink: Sink) -> None:
    page = _signed_in(chromium, site, "jonas")
    page.goto(f"{site.url}/inbox/kita?state=open")
    _press(page, page.locator("#list .row a.subject", has_text="Frage zum Platz"))
    page.wait_for_url(re.compile("/c/"))
    deadline = time.monotonic() + 60
    while not sink.mails:  # only then is the page worth asking again and again
        assert time.monotonic() < deadline, "nothing was sent"
        page.wait_for_timeout(200)
    _reload_until(page, "text=Zugestellt an lea@citizen.example.")
    expect(page.get_by_text("Zurückgenommen von petra")).to_have_count(1)
    page.context.close()
    (mail,) = sink.mails  # that of Jonas; what was taken back never left, and a kill doubled nothing
    assert mail.recipients == ["lea@citizen.example"]
    assert b"Von Jonas: im Juni." in mail.octets
    assert mail.sender.startswith("MAIL FROM:<bounces+r1.")  # what comes back is known by it
