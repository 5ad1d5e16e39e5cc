"""Somebody before a real browser: what people would do there, they do with mouse and keyboard, script and all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, Page

from tests.year.pages import Row
from tests.year.person import Fields, Ledger, Person
from tests.year.town import PASSWORD, PATIENCE_S, Town


class Screens:
    """Chromium, and where pictures of the moments go."""

    def __init__(self, browser: Browser, pictures: Path | None = None) -> None:
        """Begin with no picture."""
        self.browser = browser
        self._pictures = pictures
        self._count = 0

    def picture(self, page: Page, moment: str) -> None:
        """Keep what stands on the screen."""
        self._count += 1
        if self._pictures is not None:
            page.screenshot(path=self._pictures / f"{self._count:02}-{moment}.png")


class Seated(Person):
    """A person who does by Chromium what they do otherwise by forms without script; the rest is as it was."""

    def __init__(self, town: Town, ledger: Ledger, login: str, name: str, screens: Screens) -> None:
        """Open a window."""
        super().__init__(town, ledger, login, name)
        self._screens = screens
        context = screens.browser.new_context(
            base_url=town.url, locale="de", viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
        )
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_S * 1000)

    def go(self, path: str) -> Page:
        """Open a page; sign in where it is asked for."""
        self.page.goto(path)
        if urlsplit(self.page.url).path == "/login":
            self.page.fill("#login", self.login)
            self.page.fill("#password", PASSWORD)
            self._leave(partial(self.page.press, "#password", "Enter"))
            assert urlsplit(self.page.url).path != "/login", self.page.locator("main").inner_text()
            self.did("signed-in", about=self.login)
        return self.page

    def _press(self, button: str, there: Callable[[str], bool], moment: str) -> None:
        """Click, prove again who sits there where that is asked, and see that the page says that it is done."""
        self._screens.picture(self.page, f"{moment}-before")
        self._leave(self.page.locator(button).first.click)
        asked = self.page.locator("[name=confirm-password]")
        if asked.count():
            asked.fill(PASSWORD)
            self._leave(partial(asked.press, "Enter"))
        assert there(self.page.url), (self.login, self.page.url, self.page.locator("main").inner_text()[:500])
        self._screens.picture(self.page, moment)

    def _leave(self, act: Callable[[], None]) -> None:
        """Do what leads to another page, and wait until it is there: also where its address is the same."""
        self.page.evaluate("() => { document.documentElement.dataset.left = 'yes'; }")
        act()
        self.page.wait_for_selector("html:not([data-left])", state="attached")
        self.page.wait_for_load_state()

    # --- what is done -----------------------------------------------------------------------------------------

    def mark_absent(self, login: str, *, first: date | None = None, last: date | None = None, deputy: str = "") -> None:
        page = self.go("/absences")
        page.select_option("#ab-login", login)
        page.select_option("#ab-deputy", deputy)
        for name, day in (("first", first), ("last", last)):
            if day is not None:
                page.fill(f"#ab-{name}", day.isoformat())
        self._press("form.ruleform button.primary", lambda at: "said=marked" in at, f"absent-{login}")
        self.did("absent", about=login)

    def answer(self, reference: str, text: str, *, after: str = "closed", also: Fields | None = None) -> None:
        page = self.go(f"/c/{reference}")
        self._leave(page.locator("a[data-key=r]").click)
        words = page.locator("#w-text")
        words.press("Control+Home")
        words.press_sequentially(f"{text}\n")
        page.select_option("[name=after]", after)
        self._press(
            "button[name=do][value=send]", lambda at: urlsplit(at).path == f"/c/{reference}", f"answered-{self.login}"
        )
        self.did("answered", reference)

    def hand(self, reference: str, team: str, to: str, reason: str) -> None:
        page = self.go(f"/c/{reference}/hand?team={quote(team)}")
        back = page.locator("#hand-to optgroup").first.get_attribute("label") == "Zurück an"
        is_back = back and page.locator("#hand-to optgroup").first.locator(f"option[value='{to}']").count() > 0
        page.select_option("#hand-to", to)
        page.fill("#hand-reason", reason)
        self._press("form.handing button.primary", lambda at: "said=handed" in at, "handed-over")
        self.did("noted", reference)  # the reason
        for _ in (team, to):  # it stands in the log of both
            self.did("handed-back" if is_back else "handed-over", reference)

    def assign(self, reference: str, team: str, login: str) -> None:
        page = self.go(f"/c/{reference}?team={quote(team)}")
        page.locator("section.entry summary[data-key=m]").click()
        page.select_option("#assign-1", login)
        self._press("form:has(#assign-1) button", lambda at: reference in at, "assigned")
        self.did("assigned", reference)

    def select(self, team: str, state: str, rows: Iterable[Row], act: str, **names: str) -> None:
        picked = [row.reference for row in rows]
        if not picked:  # then there is nothing to press
            return
        page = self.go(f"/inbox/{quote(team)}?state={state}")
        for reference in picked:
            page.locator(f"input[name='pick-{reference}']").check()
        self._press(f"#selection button[value='{names['do']}']", lambda at: "undo=" in at, f"selected-{names['do']}")
        assert "left=" not in page.url, page.url
        for reference in picked:
            self.did(act, reference)

    def begin(self) -> None:
        """Come in for the first time, and go on to the inbox."""
        page = self.go("/")
        assert urlsplit(page.url).path == "/welcome", page.url
        self._press("main form[action='/welcome'] button", lambda at: "/inbox/" in at, "first-page")

    def hand_all_over(self, name: str, to: dict[str, str], last: date) -> None:
        """Hand over what somebody holds who leaves: to whom, by inbox."""
        page = self.go("/people")
        self._leave(page.get_by_role("link", name=name).first.click)
        self._leave(page.locator("a[href$='/handover']").first.click)
        for inbox, login in to.items():
            page.select_option(f"[name='to-{inbox}']", login)
        page.fill("#h-last", last.isoformat())
        self._press("main form button.primary", lambda at: "said=left" in at, "handed-all-over")

    # --- what comes by itself ---------------------------------------------------------------------------------

    def watch(self, team: str) -> None:
        """Have a list open, and wait until it hears of changes."""
        self.go(f"/inbox/{quote(team)}").wait_for_selector("html[data-live=yes]")

    def sees(self, subject: str, since: float) -> float:
        """Wait until a subject stands on the open list; returns the seconds since then."""
        self.page.locator("#list a.subject", has_text=subject).first.wait_for()
        passed = time.monotonic() - since
        self._screens.picture(self.page, "came-by-itself")
        return passed
