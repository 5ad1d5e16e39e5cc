"""M3: what a stranger writes into any field of a header is text, in every view; tried in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import ConsoleMessage, Dialog, Page, Request, sync_playwright

from maild.policy.roles import Role
from tests.browser.chromium import launch
from tests.browser.screenshots import sign_in
from tests.browser.serving import serving
from tests.web.office import Office, shown_id

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]

CANARY = "http://canary.example"
POLYGLOTS = (
    f"<script>console.log(1337)</script><img src={CANARY}/a onerror=console.log(1337)>",
    f"\"'><svg/onload=console.log(1337)><iframe src={CANARY}/b></iframe>",
    "jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */oNcliCk=console.log(1337) )//%0D%0A</stYle/</titLe/</teXtarEa/--!>",
    "</scRipt/--!>\\x3csVg/<sVg/oNloAd=console.log(1337)//>\\x3e",
    f"</title></textarea></style><base href={CANARY}/><link rel=stylesheet href={CANARY}/c>",
    "{{7*7}} {% raw %} ${7*7} #{7*7} %(x)s {0} <!--",
    '" autofocus onfocus=console.log(1337) x=" style="background:url(//canary.example/d)',
    "\u202e\u2066gnp.tpircs\u2069 \ufeff\u200b \u0000 \U0001f600 e\u0301\u0301\u0301",
)  # fmt: skip


def _encoded(text: str) -> str:
    return "=?utf-8?q?" + "".join(f"={octet:02X}" for octet in text.encode("utf-8", "replace")) + "?="


def _mail(vector: str, number: int) -> bytes:
    raw = vector.replace("\n", " ")
    word = _encoded(vector)
    name = quote(vector, safe="")
    lines = [
        f"From: {word} <{'a' * 3}@evil.example>",
        f"Sender: {word} <other@evil.example>",
        f"Reply-To: {raw[:80]} <reply@evil.example>",
        f"To: {word} <kita.platzvergabe@musterstadt.example>, {raw[:80]}",
        f'Cc: "{raw[:60]}" <cc@evil.example>',
        f"Subject: {word} {raw}",
        f"Message-ID: <{number}{raw[:40]}@evil.example>",
        f"Date: {raw[:40]}",
        f"X-{number}: {raw}",
        f"List-Unsubscribe: <{raw}>",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="b"',
        "",
        "--b",
        f'Content-Type: text/plain; charset="{raw[:30]}"',
        "",
        f"{vector}",
        "--b",
        f'Content-Type: {raw[:60]}; name="{raw[:60]}"',
        f"Content-Disposition: attachment; filename*=utf-8''{name}",
        "",
        "x",
        "--b--",
        "",
    ]
    return "\r\n".join(lines).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Office, list[int]]]:
    folder: Path = tmp_path_factory.mktemp("office")
    with serving(folder) as (base, office):
        office.user("petra", (Role.MANAGER, "kita"), name=POLYGLOTS[0])
        numbers = [office.mail(_mail(vector, number)) for number, vector in enumerate(POLYGLOTS)]
        yield base, office, numbers


def _views(office: Office, numbers: list[int]) -> list[str]:
    paths = ["/inbox/kita", "/sessions", "/logout"]
    for number in numbers:
        shown = shown_id(number)
        paths += [f"/c/{office.reference(number)}", f"/m/{shown}", f"/m/{shown}/source"]
    paths += [f"/search?q={quote(vector)}" for vector in POLYGLOTS]
    paths += [f"/login?next={quote(vector)}" for vector in POLYGLOTS[:3]]
    paths += [f"/c/{quote(vector, safe='')}" for vector in POLYGLOTS[:3]]
    paths += [f"/inbox/kita?state={quote(vector)}" for vector in POLYGLOTS[:3]]
    return [*paths, "/search?q=kita", f"/c/{office.reference(numbers[0])}?open={quote(POLYGLOTS[1])}&team=kita"]


def test_nothing_that_a_header_holds_runs_loads_or_becomes_an_element(stage: tuple[str, Office, list[int]]) -> None:
    base, office, numbers = stage
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(locale="en")
        seen = _watched(page, base)
        sign_in(page, base)
        for path in _views(office, numbers):
            page.goto(base + path)
            assert _intruders(page) == [], path
            for summary in page.locator("details:not([open]) > summary").all()[:5]:
                if summary.is_visible():
                    summary.click()
        assert seen == []
        browser.close()


def _watched(page: Page, base: str) -> list[str]:
    """Gather what a letter must not bring about: dialogs, words on the console, requests to elsewhere."""
    seen: list[str] = []

    def dialog(shown: Dialog) -> None:
        seen.append("dialog")
        shown.dismiss()

    def console(message: ConsoleMessage) -> None:
        if "Failed to load resource" not in message.text:
            seen.append(message.text)

    def request(asked: Request) -> None:
        if not asked.url.startswith(base):
            seen.append(asked.url)

    page.on("dialog", dialog)
    page.on("console", console)
    page.on("request", request)
    return seen


def _intruders(page: Page) -> list[str]:
    """Return what no template of ours writes: elements with handlers, of other kinds, or with other addresses."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('*')].filter(e =>
            [...e.attributes].some(a => a.name.startsWith('on') || a.name === 'style'
              || (['src', 'href', 'action', 'formaction'].includes(a.name)
                  && !/^(\\/|#|mailto:|https?:\\/\\/canary\\.example\\/[a-d]?)/.test(a.value) && a.value !== ''))
            || ['SVG', 'BASE', 'OBJECT', 'EMBED', 'IMG', 'FORM'].includes(e.tagName.toUpperCase())
               && !e.matches('form[action^="/"], form[method=dialog]')
            || e.tagName === 'SCRIPT' && !e.src.startsWith(location.origin + '/static/')
            || e.tagName === 'LINK' && !e.href.startsWith(location.origin + '/static/')
            || e.tagName === 'IFRAME' && !new URL(e.src).pathname.startsWith('/m/')
        ).map(e => e.outerHTML.slice(0, 300))"""
    )
    return found


def test_what_programs_read_is_escaped_as_well(stage: tuple[str, Office, list[int]]) -> None:
    _, office, numbers = stage
    with office.client("petra") as client:
        for number in numbers:
            for path in (f"/m/{shown_id(number)}/part/2", f"/m/{shown_id(number)}/raw"):
                answer = client.get(path)
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert not answer.headers["content-type"].startswith(("text/html", "image/svg", "text/xml"))
                assert re.fullmatch(r"[\x20-\x7e]*", answer.headers["content-disposition"])
                assert "sandbox" in answer.headers["content-security-policy"]
