"""What people do with the pages, in a browser."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessible import faults_of
from tests.browser.conftest import BY_ITSELF_MS, Visited
from tests.browser.samples import plain
from tests.browser.screenshots import pages_of, sign_in
from tests.web.office import PASSWORD

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]


@dataclass
class Walk:
    """What was found on a walk over every page."""

    violations: list[str] = field(default_factory=list)
    broad: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def look(self, page: Page, widths: tuple[int, ...]) -> None:
        self.violations += faults_of(page)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 860})
            if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
                self.broad.append(f"{page.url} at {width}")


@pytest.fixture(scope="module", params=[("de", (900, 1280), "light"), ("en", (390,), "dark")], ids=["de", "en"])
def walk(visited: Visited, request: pytest.FixtureRequest) -> Walk:
    """Load every page once and look at it in every way; each test tells of one of them."""
    language, widths, scheme = request.param
    found, said = Walk(), list[str]()
    page = visited.page(None, width=widths[-1], language=language, color_scheme=scheme)
    page.on("request", lambda request: found.asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{visited.base}/login")
    found.look(page, widths)
    page.fill("#login", "petra")
    page.fill("#password", "falsch")
    page.click("main button.primary")
    found.look(page, widths)
    sign_in(page, visited.base)
    others = (
        "/sessions/second-factor",
        "/invitations",
        f"/c/{visited.references['long']}/join?team=kita",
        "/welcome/x",
    )
    for path in (*pages_of(visited.references).values(), *others):
        said.clear()
        answer = page.goto(visited.base + path, wait_until="load")
        assert page.locator("html").get_attribute("lang") == language
        found.said += [text for text in said if answer is None or f"{answer.status} (" not in text or answer.ok]
        found.look(page, widths)
    page.context.close()
    return found


def test_axe_finds_nothing_on_any_page(walk: Walk) -> None:
    assert walk.violations == []


def test_nothing_sticks_out_to_the_side_on_any_page(walk: Walk) -> None:
    """WCAG 1.4.10, on the desk, on the telephone and between."""
    assert walk.broad == []


def test_nothing_is_loaded_from_elsewhere_and_nothing_breaks_its_own_policy(visited: Visited, walk: Walk) -> None:
    assert f"{visited.base}/inbox/kita" in walk.asked
    assert [url for url in walk.asked if not url.startswith(visited.base)] == []
    assert walk.said == []


def test_a_letter_that_comes_is_in_the_open_page_by_itself(visited: Visited) -> None:
    page = visited.page()
    page.goto(f"{visited.base}/inbox/kita")
    page.wait_for_selector("html[data-live=yes]")
    before = int(page.locator("#teams a[aria-current] .count").inner_text().split()[0])
    visited.office.mail(plain("Gerade eben gekommen", "Lea Licht", "schnell?", key="live@b"), age_s=0)
    expect(page.locator("#list .row").first).to_contain_text("Gerade eben gekommen", timeout=BY_ITSELF_MS)
    expect(page.locator("#teams a[aria-current] .count")).to_contain_text(str(before + 1))
    expect(page.locator("#said")).to_have_text("Die Liste hat sich geändert.")
    page.context.close()


def test_a_letter_into_the_open_conversation_is_announced_and_moves_nothing(visited: Visited) -> None:
    first = visited.office.mail(plain("Laufend", "Lea Licht", "eins", key="run1@b"), age_s=60)
    page = visited.page()
    page.goto(f"{visited.base}/c/{visited.office.reference(first)}")
    page.wait_for_selector("html[data-live=yes]")
    visited.office.mail(plain("Re: Laufend", "Lea Licht", "zwei", key="run2@b", parent="run1@b"), age_s=0)
    expect(page.locator("#fresh")).to_be_visible(timeout=BY_ITSELF_MS)
    assert page.locator(".letter").count() == 1
    page.click("#fresh a")
    expect(page.locator(".letter")).to_have_count(2)
    page.context.close()


def test_a_colleagues_act_is_seen_by_the_others(visited: Visited) -> None:
    number = visited.office.mail(plain("Wer macht das", "Lea Licht", "bitte", key="who@b"), age_s=1)
    reference = visited.office.reference(number)
    petra, jonas = visited.page("petra"), visited.page("jonas")
    jonas.goto(f"{visited.base}/inbox/kita")
    jonas.wait_for_selector("html[data-live=yes]")
    petra.goto(f"{visited.base}/c/{reference}")
    petra.get_by_role("button", name="Übernehmen").click()
    expect(jonas.locator(".row", has_text="Wer macht das")).to_contain_text("zuständig: Petra Maurer")
    petra.get_by_role("button", name="Erledigt").click()
    expect(petra.locator(".entry")).to_contain_text("erledigt")
    expect(jonas.locator(".row", has_text="Wer macht das")).to_have_count(0)
    petra.context.close()
    jonas.context.close()


def test_the_keyboard_goes_through_the_list_and_to_search_and_help(visited: Visited) -> None:
    page = visited.page()
    page.goto(f"{visited.base}/inbox/kita")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    focused = page.evaluate("document.activeElement.textContent")
    assert focused == page.locator("#list .row a.subject").first.inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/c/"))
    first = page.url
    page.keyboard.press("j")
    page.wait_for_url(lambda url: url != first)
    expect(page.locator("#list .row.current")).to_have_count(1)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("jk?s")
    assert page.input_value("#q") == "jk?s"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.context.close()


def test_an_older_letter_opens_in_place_and_by_its_link_without_script(visited: Visited) -> None:
    path = f"{visited.base}/c/{visited.references['long']}"
    page = visited.page()
    page.goto(path)
    page.locator(".older > summary").click()
    old = page.locator(".older .letter").nth(5)
    old.locator("summary").first.click()
    expect(old.locator(".text")).to_contain_text("unsere 5. Nachfrage")
    page.context.close()
    plain_page = visited.page(java_script_enabled=False)
    plain_page.goto(path)
    plain_page.locator(".older > summary").click()
    plain_page.locator(".older .letter").nth(7).locator("summary").first.click()
    plain_page.locator(".older .letter").nth(7).get_by_role("link", name="Diesen Brief öffnen").click()
    expect(plain_page.locator(".older .letter").nth(7).locator(".text")).to_contain_text("unsere 7. Nachfrage")
    plain_page.context.close()


def test_everything_works_without_script(visited: Visited) -> None:
    page = visited.page(None, java_script_enabled=False)
    page.goto(f"{visited.base}/inbox/kita")
    page.fill("#login", "petra")
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/inbox/kita"))
    page.locator("#list .row a.subject", has_text="Belegung").first.click()
    assert "Betriebsplätze 2027" in page.frame_locator("iframe.frame").locator("h2").inner_text()
    page.get_by_role("button", name="Wartet auf Antwort").click()
    expect(page.locator(".entry")).to_contain_text("wartet auf Antwort")
    page.get_by_role("button", name="Wieder öffnen").click()
    page.fill("#q", "Unterlagen has:attachment")
    page.get_by_role("button", name="Suchen").click()
    expect(page.locator(".found .row")).to_have_count(1)
    page.locator(".menu summary").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("h1")).to_contain_text("Search")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Deutsch").click()
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Abmelden").click()
    page.wait_for_url(re.compile("/login"))
    page.context.close()


def test_on_a_telephone_the_way_leads_from_list_to_letter_and_back_to_the_place(visited: Visited) -> None:
    page = visited.page(width=390, has_touch=True)
    page.goto(f"{visited.base}/inbox/kita")
    page.get_by_role("link", name="Ältere").tap()
    page.wait_for_url(re.compile("before="))
    place = page.url
    page.locator("#list .row a.subject").nth(3).tap()
    page.wait_for_url(re.compile("/c/"))
    expect(page.locator("section.list")).to_be_hidden()
    acts = page.get_by_role("button", name="Erledigt").bounding_box()
    assert acts is not None
    assert acts["y"] > 700
    assert acts["height"] >= 44
    page.locator(".back a").tap()
    page.wait_for_url(re.compile(re.escape(place) + "#r-"))  # at the row where one was
    page.locator(".drawer summary").tap()
    page.locator("#drawer a", has_text="Zentrale Poststelle").tap()
    page.wait_for_url(re.compile("/inbox/poststelle"))
    page.context.close()


def test_the_skip_link_is_first_and_focus_is_always_visible(visited: Visited) -> None:
    page = visited.page()
    page.goto(f"{visited.base}/inbox/kita")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(20):
        page.keyboard.press("Tab")
        drawn = page.evaluate(
            """() => { const e = document.activeElement; const r = e.closest('.row') || e;
            return [e, r].some(x => getComputedStyle(x).outlineStyle !== 'none'
              && parseFloat(getComputedStyle(x).outlineWidth) >= 2) }"""
        )
        assert drawn, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    page.context.close()


def test_who_asked_for_no_motion_gets_none(visited: Visited) -> None:
    for motion, still in (("reduce", True), ("no-preference", False)):
        page = visited.page(reduced_motion=motion)
        page.goto(f"{visited.base}/inbox/kita")
        longest = page.evaluate(
            "Math.max(...[...document.querySelectorAll('*')].map(e => "
            "Math.max(...getComputedStyle(e).transitionDuration.split(',').map(parseFloat))))"
        )
        assert longest == 0 if still else 0 < longest <= 0.12
        page.context.close()


def test_in_print_there_is_the_letter_and_the_full_date(visited: Visited) -> None:
    page = visited.page()
    page.goto(f"{visited.base}/c/{visited.references['attached']}")
    page.emulate_media(media="print")
    expect(page.locator(".bar")).to_be_hidden()
    expect(page.locator("section.list")).to_be_hidden()
    expect(page.locator(".letter .text").first).to_be_visible()
    after = page.locator("time").last.evaluate("e => getComputedStyle(e, '::after').content")
    assert re.search(r"20\d\d", after)
    page.context.close()


@pytest.mark.parametrize(("width", "script"), [(1280, True), (390, False)])
def test_from_a_letter_one_learns_why_it_is_here_and_comes_back(visited: Visited, width: int, script: bool) -> None:
    page = visited.page(width=width, java_script_enabled=script)
    page.goto(f"{visited.base}/m/{visited.references['message']}")
    page.get_by_role("link", name="Warum liegt das hier?").click()
    page.wait_for_url(re.compile("/why$"))
    expect(page.locator("h1")).to_have_text("Warum liegt das hier?")
    matched = page.locator(".rule", has_text="eilt").first
    expect(matched.locator(".asked tbody tr")).to_contain_text(["Betreff enthält dringend"])
    whole = matched.locator(".whole")
    expect(whole.locator("> bdi")).to_be_hidden()
    whole.locator("summary").click()
    expect(whole.locator("> bdi")).to_contain_text("Impfbescheinigung")
    folded = page.locator(".rule", has_text="newsletter")
    expect(folded.locator("table")).to_be_hidden()
    folded.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(folded.locator("table")).to_contain_text("Von einem Verteiler: ja")
    page.locator(".back a").click()
    page.wait_for_url(re.compile(f"/m/{visited.references['message']}$"))
    page.context.close()
