"""Rules made, refused, corrected, saved and taken back by a person with a keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from maild.policy.roles import Role
from tests.browser.accessible import faults_of
from tests.browser.conftest import Visited
from tests.browser.serving import serving
from tests.web.office import letter

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def town(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visited]:
    """An office of three relevant letters, and somebody who may edit its rules and read them."""
    with serving(tmp_path_factory.mktemp("town")) as (base, office):
        office.user("rita", (Role.RULE_EDITOR, None), (Role.READER, "kita"), name="Rita Roth")
        for number in range(3):
            office.mail(letter(f"Beitrag {number}", key=f"b{number}@x"), age_s=600 - number)
        office.mail(letter("Etwas anderes", key="other@x"), age_s=60)
        yield Visited(base=base, office=office, references={}, browser=chromium)


class Keys:
    """A person who has no mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def to(self, selector: str) -> None:
        """Tab until the element has the focus."""
        for _ in range(80):
            if self.page.evaluate("s => document.activeElement?.matches(s)", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key does not lead to {selector}")

    def press(self, selector: str) -> None:
        """Go to something, and press it."""
        self.to(selector)
        self.page.keyboard.press("Enter")

    def follow(self, selector: str) -> None:
        """Press what leads to another page, and wait for that."""
        self.to(selector)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def write(self, selector: str, text: str) -> None:
        self.to(selector)
        self.page.keyboard.type(text)


def test_with_the_keyboard_a_rule_is_made_refused_corrected_saved_and_taken_back(town: Visited) -> None:
    page = town.page("rita")
    keys = Keys(page)
    page.goto(f"{town.base}/inbox/kita")
    keys.press(".menu summary")
    keys.follow('.menu a[href="/rules"]')
    page.wait_for_url(re.compile("/rules$"))
    keys.follow('a[href="/rules/new"]')
    page.wait_for_url(re.compile("/rules/new$"))
    keys.write("#f_id", "beitrag")
    keys.write("#f_subject", "beitrag")
    keys.to("select[name=f_copy1]")
    page.keyboard.type("Zentrale")
    keys.follow("main button.primary")

    # The rehearsal shows the three letters, and links them: they may be read.
    expect(page.locator(".shifts > li")).to_have_count(1)
    expect(page.locator(".shifts > li")).to_contain_text("3 Briefe: Kita-Platzvergabe → Kita-Platzvergabe, Zentrale")
    expect(page.locator(".shifts a")).to_have_count(3)
    assert faults_of(page) == []

    # A test that contradicts the rule: told, and nothing to save with.
    keys.follow("button[formaction='/rules/edit']")
    page.wait_for_url(re.compile("/rules/edit$"))
    keys.to("#text")
    page.keyboard.press("Control+End")
    line = "  - {name: Beitrag, mail: {from: a@b.example, to: kita@musterstadt.example, subject: Beitrag}, "
    page.keyboard.type(line + "expect: {teams: [kita]}}\n")
    expect(page.locator("#found .findings .error")).to_contain_text("erwartet wird teams [kita]")  # as one types
    keys.follow("form.textform button.primary")
    page.wait_for_url(re.compile("/rules/review$"))
    expect(page.locator("#found .notice.grave")).to_contain_text("1 Fehler")
    expect(page.locator(".shifts > li")).to_contain_text("3 Briefe")
    expect(page.locator("#reason")).to_have_count(0)
    assert faults_of(page) == []

    # Corrected, with a link that leads to the line; then saved.
    keys.follow("button[formaction='/rules/edit']")
    keys.press(".findings a[data-line]")
    assert page.evaluate("document.activeElement.id") == "text"
    selected = page.evaluate("(e => e.value.slice(e.selectionStart, e.selectionEnd))(document.activeElement)")
    assert selected.startswith("{name: Beitrag")
    page.keyboard.type(line.removeprefix("  - ") + "expect: {teams: [kita, poststelle]}}")
    expect(page.locator("#found .notice.fine")).to_contain_text("Alle 2 Tests sind bestanden.")
    keys.follow("form.textform button.primary")
    keys.write("#reason", "Die Poststelle zählt Beiträge")
    keys.follow("form button.primary")
    page.wait_for_url(re.compile(r"/rules\?saved=2$"))
    expect(page.locator(".notice.fine")).to_contain_text("Gespeichert als Fassung 2. Sie gilt ab sofort.")
    expect(page.locator("#rule-beitrag")).to_contain_text("Kopie an: Zentrale Poststelle")
    assert "beitrag" in [rule.id for rule in town.office.services.rulebook.current.rules]
    assert faults_of(page) == []

    # And back.
    keys.follow('a[href="/rules/history"]')
    keys.follow('a[href="/rules/history/1"]')
    keys.follow("main form button.primary")
    page.wait_for_url(re.compile("/back$"))
    expect(page.locator("#reason")).to_have_value("Zurück zu Fassung 1: ")
    keys.follow("form button.primary")
    page.wait_for_url(re.compile(r"/rules\?saved=3$"))
    expect(page.locator("#rule-beitrag")).to_have_count(0)
    page.context.close()


@pytest.mark.parametrize(("width", "language"), [(390, "en"), (390, "de")])
def test_on_a_telephone_and_without_script_a_change_is_made_and_nothing_sticks_out(
    town: Visited, width: int, language: str
) -> None:
    page = town.page("rita", width=width, language=language, java_script_enabled=False)
    page.goto(f"{town.base}/rules/rule/newsletter")
    page.fill("#f_note", f"Note in {language}")
    page.locator("main button.primary").click()
    expect(page.locator("h1")).to_have_text("Review of the change" if language == "en" else "Durchsicht der Änderung")
    expect(page.locator(".difference ins")).to_contain_text([f"Note in {language}"])
    page.fill("#reason", "x")
    page.locator("form button.primary").click()
    page.wait_for_url(re.compile(r"/rules\?saved="))
    expect(page.locator("#rule-newsletter")).to_contain_text(f"Note in {language}")
    page.context.close()
    page = town.page("rita", width=width, language=language)
    for path in ("/rules", "/rules/edit", "/rules/new", "/rules/history", "/rules/history/1"):
        page.goto(town.base + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.context.close()


def test_nothing_of_the_office_on_disk_is_left_half_written(town: Visited) -> None:
    folder: Path = town.office.services.rulebook.path.parent
    assert sorted(path.name for path in folder.iterdir()) == ["rules.last-good.json", "rules.yaml"]
