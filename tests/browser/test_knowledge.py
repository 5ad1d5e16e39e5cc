"""Statistics, the handbook and the first page of a new member, as people see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from maild.policy.roles import Role
from tests.browser.conftest import Visited
from tests.browser.serving import serving
from tests.web.office import letter

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(120)]
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def small(chromium: Browser, tmp_path: Path) -> Iterator[Visited]:
    """An office with one letter."""
    with serving(tmp_path / "office") as (base, office):
        number = office.mail(
            letter("Frage zum Kitaplatz, mit einem Betreff, der länger ist als die Zeile eines Telefons")
        )
        yield Visited(base=base, office=office, references={"letter": office.reference(number)}, browser=chromium)


def test_a_new_colleague_finds_and_writes_the_handbook_at_any_width(small: Visited) -> None:
    visited, office, violations = small, small.office, list[str]()
    for number in range(4):
        office.user(f"kollege{number}", (Role.RESPONDER, "kita"), name=f"Kollege {number}")
    office.user("nele", name="Nele Neu")
    office.grant("nele", Role.RESPONDER, "kita", from_ms=office.clock() - 1_000)
    page = visited.page("nele", width=390, color_scheme="dark")
    expect(page.locator("h1")).to_have_text("Willkommen, Nele Neu")
    page.get_by_role("link", name="Handbuch", exact=True).last.click()
    page.get_by_role("link", name="Neue Seite").click()
    page.get_by_label("Titel").fill("Donaudampfschifffahrtsgesellschaftskapitänsmützenfristenverlängerung")
    page.get_by_label("Text").fill("# Frist\n- bis **März**\n- [Liste](/handbook/kita)")
    page.get_by_role("button", name="Speichern").click()
    expect(page.locator(".handbooktext li").first).to_have_text("bis März")
    written = page.url.removeprefix(visited.base)
    page.goto(f"{visited.base}/c/{visited.references['letter']}")
    page.get_by_text("Gute Antwort, Handbuch").click()
    page.get_by_label("weil (in wenigen Worten)").fill("freundlich und kurz")
    page.locator(".model button").first.click()
    expect(page.locator("main .story")).to_contain_text("freundlich und kurz")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 860})
        for path in ("/welcome", "/handbook", "/handbook/kita", written, f"{written}?edit=1", "/statistics?by=day"):
            page.goto(visited.base + path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
            if width == 390 and "edit" not in path and path != "/welcome":
                continue  # by axe each page once, and those with a form or a long list at both widths
            found = Axe().run(page, options={"runOnly": _RULES}).response["violations"]
            violations += [f"{path} {width} {each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]
    assert violations == []
    expect(page.locator(".lines .line")).to_have_count(2)
    page.goto(f"{visited.base}/welcome")
    page.get_by_role("button", name="Zum Posteingang").click()
    page.wait_for_url("**/inbox/kita")
    page.context.close()
