"""A browser, and an office with letters that it can look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from maild.archive.accounts import find_user
from maild.archive.sessions import Lifetime, NewSession, digest_of, new_token, open_sessions
from maild.web.visit import cookie_name
from tests.browser.chromium import PATIENCE_MS, launch
from tests.browser.samples import furnish
from tests.browser.serving import serving
from tests.web.office import Office

# In how long an open page shows what has come. A second is usual; a page that nobody looks at is given ten.
BY_ITSELF_MS = 9_000


@dataclass
class Visited:
    """A served office, a browser, and the references of its samples."""

    base: str
    office: Office
    references: dict[str, str]
    browser: Browser

    def context(self, *, width: int = 1280, language: str = "de", **options: object) -> BrowserContext:
        """Open a browser window of its own."""
        return self.browser.new_context(
            viewport={"width": width, "height": 860},
            locale=language,
            **options,  # type: ignore[arg-type]  # Playwright's options by name
        )

    def page(self, login: str | None = "petra", *, width: int = 1280, language: str = "de", **options: object) -> Page:
        """Open a page, whose visitor is signed in."""
        page = self.context(width=width, language=language, **options).new_page()
        page.set_default_timeout(PATIENCE_MS)
        if login is not None:
            self.let_in(page, login)
        return page

    def let_in(self, page: Page, login: str) -> None:
        """Open a session in the store: signing in by the form, which has tests of its own, costs two pages."""
        services, token = self.office.services, new_token()
        with self.office.database.read() as connection:
            user_id = find_user(connection, login).id
        session = NewSession(
            digest=digest_of(token), user_id=user_id, client="Chromium", at_ms=self.office.clock(), lifetime=Lifetime()
        )
        self.office.database.writer.submit(open_sessions, session).result()
        page.context.add_cookies([{"name": cookie_name(services, "session"), "value": token, "url": self.base}])


@pytest.fixture(scope="module")  # a driver that lives leaves an event loop running, which tests of others cannot bear
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def visited(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visited]:
    """An office with sample letters, for one module of tests."""
    folder: Path = tmp_path_factory.mktemp("office")
    with serving(folder) as (base, office):
        yield Visited(base=base, office=office, references=furnish(office), browser=chromium)
