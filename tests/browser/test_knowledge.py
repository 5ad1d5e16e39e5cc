"""Statistics, the handbook and the first page of a new member, as people see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from maild.archive.team_texts import Save, save_texts
from maild.policy.roles import Role
from tests.browser.accessible import faults_of
from tests.browser.conftest import Visited
from tests.browser.serving import serving
from tests.web.office import letter

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(120)]


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
    page.goto(visited.base)
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
            violations += faults_of(page)
    assert violations == []
    expect(page.locator(".lines .line")).to_have_count(2)
    page.goto(f"{visited.base}/welcome")
    page.get_by_role("button", name="Zum Posteingang").click()
    page.wait_for_url("**/inbox/kita")
    page.context.close()


def test_the_signature_follows_the_address_and_a_template_comes_in_at_the_cursor(small: Visited) -> None:
    office = small.office
    office.user("petra", (Role.MANAGER, "kita"), (Role.RESPONDER, "poststelle"), name="Petra Maurer")
    for team, name, words in (("kita", "", "{user.name}, Kita"), ("poststelle", "", "Poststelle"),
                             ("kita", "Frist", "Frist für {Kind}: **Juni** 🙂")):  # fmt: skip
        new = Save(team=team, name=name, base=0, text=words, author="petra", at_ms=office.clock())
        assert office.database.writer.submit(save_texts, new).result()
    page = small.page("petra", width=390, color_scheme="dark")
    page.goto(f"{small.base}/write?team=kita")
    text = page.get_by_label("Text", exact=True)
    expect(text).to_have_value("\n\n-- \nPetra Maurer, Kita\n")
    text.fill("Guten Tag 🙂\n\nGruß\n\n-- \nPetra Maurer, Kita\n")
    text.evaluate("area => area.setSelectionRange(13, 13)")  # below the greeting, in the units of a script
    page.get_by_label("Von", exact=True).select_option(index=0)
    expect(text).to_have_value("Guten Tag 🙂\n\nGruß\n\n-- \nPoststelle\n")
    page.get_by_label("Von", exact=True).select_option("kita.platzvergabe@musterstadt.example")
    page.get_by_label("Vorlage").select_option("Frist")
    page.get_by_role("button", name="Einfügen").click()
    whole = "Guten Tag 🙂\nFrist für {Kind}: **Juni** 🙂\nGruß\n\n-- \nPetra Maurer, Kita\n"
    expect(text).to_have_value(whole)
    page.get_by_label("Mit Formatierung senden").check()
    page.get_by_role("button", name="Vorschau").click()
    expect(page.locator(".formatted strong")).to_have_text("Juni")
    expect(text).to_have_value(whole)
    page.get_by_role("button", name="Senden", exact=True).last.click()
    page.get_by_label("{Kind}").check()
    violations = faults_of(page)
    page.goto(page.url.replace("check=1", "preview=1"))
    violations += faults_of(page)
    assert violations == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.close()
