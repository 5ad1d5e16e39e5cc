"""Pictures of every page, for the documents and for looking at: `python -m tests.browser.screenshots FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from maild.policy.roles import Role
from tests.browser.chromium import launch
from tests.browser.samples import furnish
from tests.browser.serving import serving
from tests.web.office import PASSWORD

WIDTHS = {"wide": (1280, 860), "narrow": (390, 844)}
Scheme = Literal["light", "dark"]


RULES_PAGES = {
    "rules": "/rules",
    "rules-form": "/rules/rule/eilt",
    "rules-edit": "/rules/edit",
}
MISTAKES = """\
  - id: presse
    when: {to: pressestelle, subjekt: Anfrage}
    then: {deliver: presse}
"""
_IN_DOCS = ("rules", "rules-form")  # of these: wide and light alone


def sign_in(page: Page, base: str, login: str = "petra") -> None:
    """Sign in as a person does."""
    page.goto(f"{base}/login")
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.click("main button.primary")
    page.wait_for_url(lambda url: "/login" not in url)


def pages_of(references: dict[str, str]) -> dict[str, str]:
    """Return the pages to look at, by the name of their picture."""
    return {
        "inbox": "/inbox/kita",
        "inbox-empty": "/inbox/mitglieder",
        "conversation": f"/c/{references['attached']}",
        "conversation-html": f"/c/{references['html']}",
        "conversation-long": f"/c/{references['long']}",
        "conversation-source-only": f"/c/{references['deep']}",
        "reply": f"/c/{references['attached']}/reply?kind=answer-all",
        "write": "/write",
        "drafts": "/drafts",
        "message": f"/m/{references['message']}",
        "source": f"/m/{references['message']}/source",
        "why": f"/m/{references['message']}/why",
        "search": "/search?q=kita+platz*",
        "search-help": "/search",
        "search-fault": "/search?q=kita+(platz",
        "sessions": "/sessions",
        "directory": "/directory",
        "reports": "/reports",
        "people": "/people",
        "audit": "/audit",
        "statistics": "/statistics",
        "handbook": "/handbook/kita",
        "templates": "/templates/kita",
        "welcome": "/welcome",
        "hand-over": f"/c/{references['attached']}/hand?team=kita",
        "not-found": "/c/0000-0000",
        **RULES_PAGES,
    }


_WHOLE = ("sessions",)  # not what fits a screen alone
_ALSO_DARK = ("login", "inbox", "conversation", "conversation-html", "search", "why")


def shoot(browser: Browser, base: str, references: dict[str, str], folder: Path) -> None:
    """Take the pictures: each page in both languages and widths, the busiest ones in the dark as well."""
    for language, (width, (x, y)), scheme in product(("de", "en"), WIDTHS.items(), ("light", "dark")):
        if (language, scheme) == ("en", "dark"):
            continue
        context = browser.new_context(viewport={"width": x, "height": y}, locale=language, color_scheme=_scheme(scheme))
        page = context.new_page()
        pages = {"login": "/login", "sign-in": "", **pages_of(references)}
        for name, path in pages.items():
            if name == "sign-in":
                sign_in(page, base)
            elif name in RULES_PAGES:
                continue
            elif scheme == "light" or name in _ALSO_DARK:
                page.goto(base + path)
                picture = folder / f"{name}-{language}-{width}{'-dark' * (scheme == 'dark')}.png"
                page.screenshot(path=picture, full_page=name in _WHOLE)
        if (width, scheme) == ("wide", "light"):
            _shoot_rules(page, base, folder, language)
        context.close()


def go_to_review(page: Page, base: str) -> None:
    """Have a rule observe a change: its form, filled in, and on to the review."""
    page.goto(f"{base}/rules/rule/eilt")
    page.select_option("select[name=f_copy1]", "poststelle")
    page.fill("#f_subject", "dringend\nfrist")
    page.click("main button.primary")
    page.wait_for_selector("#rehearsal-title")


def make_mistakes(page: Page, base: str) -> None:
    """Put three mistakes into the rules' text, and wait until they are listed."""
    page.goto(base + RULES_PAGES["rules-edit"])
    text = page.input_value("#text")
    page.fill("#text", text.replace("tests:\n", f"{MISTAKES}tests:\n"))
    page.wait_for_selector("#found li.error >> nth=2")


def _shoot_rules(page: Page, base: str, folder: Path, language: str) -> None:
    for name in _IN_DOCS:
        page.goto(base + RULES_PAGES[name])
        page.screenshot(path=folder / f"{name}-{language}-wide.png")
    page.set_viewport_size({"width": WIDTHS["wide"][0], "height": 1180})  # all of it: its end is what matters
    make_mistakes(page, base)
    page.screenshot(path=folder / f"rules-edit-{language}-wide.png")
    go_to_review(page, base)
    page.screenshot(path=folder / f"rules-review-{language}-wide.png")


def _scheme(name: str) -> Scheme:
    return "dark" if name == "dark" else "light"


def main(folder: Path) -> None:
    """Serve an office, look at it, write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as store, serving(Path(store), "localhost") as (base, office):
        references = furnish(office)
        office.user("ben", (Role.RESPONDER, "bauamt"), name="Ben Bauer")  # no alarm in every picture
        with sync_playwright() as playwright:
            browser = launch(playwright)
            shoot(browser, base, references, folder)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
