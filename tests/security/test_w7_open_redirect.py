"""W7: no address of ours leads to another site, whatever it is told to go on with; generated from the route table."""

from __future__ import annotations

from itertools import cycle
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from maild.policy.roles import Role
from maild.web.gate import Page
from tests.security.crawling import FORMS, Objects, pages, small_office
from tests.web.office import Office, sign_in, token_in

ELSEWHERE = (
    "//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
    "\u2028//evil.example", "https:evil.example", "javascript:alert(1)",
)  # fmt: skip
# What pages go on with, by the names that they know, and by those that others have.
NAMES = ("next", "to", "url", "return", "return_to", "redirect", "redirect_uri", "back", "here", "path", "target")
HEADERS = {"referer": "https://evil.example/", "x-forwarded-host": "evil.example", "x-forwarded-prefix": "//evil"}
_ENDS_THE_SESSION = frozenset({"/logout", "/login", "/sessions/password"})


def _stays(location: str, base: str) -> bool:
    """Tell whether a browser that is sent there stays on our site."""
    if location.startswith(base + "/"):
        location = location.removeprefix(base)
    there = urlsplit(location.replace("\\", "/").lstrip("\t\n\r "))
    return location.startswith("/") and not there.scheme and not there.netloc and "\t" not in location


def _ask(client: TestClient, page: Page, objects: Objects, token: str, elsewhere: str) -> str:
    path, names = objects.path(page), dict.fromkeys(NAMES, elsewhere)
    if "GET" in page.methods:
        answer = client.get(path, params=names, headers=HEADERS)
    else:
        form = {**names, **FORMS[page.path], "next": elsewhere, "team": objects.team, "token": token}
        answer = client.post(path, data=form, headers={**HEADERS, "referer": client.base_url.join("/").__str__()})
    return answer.headers.get("location", "")


def test_no_page_and_no_form_sends_its_reader_to_another_site(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"), (Role.ADMINISTRATOR, None))
    kita, _ = small_office(office)
    led, others = 0, cycle(ELSEWHERE)
    with office.client("petra") as client:
        token = token_in(client.get("/sessions").text)
        for page in pages(office):
            if page.path in _ENDS_THE_SESSION:
                continue
            for _ in range(3):
                location = _ask(client, page, kita, token, elsewhere := next(others))
                assert not location or _stays(location, office.services.settings.base_url), (page.path, elsewhere)
                led += bool(location)
    assert led > 60


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_what_ends_or_begins_a_session_leads_nowhere_else_either(office: Office, elsewhere: str) -> None:
    office.user("petra", (Role.READER, "kita"))
    base = office.services.settings.base_url
    with office.client() as client:
        sign_in(client, "petra")
        token = token_in(client.get("/sessions").text)
        signed_out = client.post("/logout", data={"token": token, "next": elsewhere}, headers=HEADERS)
        turned_away = client.get("/inbox/kita", params={"next": elsewhere}, headers=HEADERS)
        signing = client.get("/login", params={"next": elsewhere}, headers=HEADERS)
        assert signing.status_code == 200
        assert f'value="{elsewhere}"' not in signing.text
        for answer in (signed_out, turned_away):
            assert answer.status_code == 303
            assert _stays(answer.headers["location"], base)
        assert turned_away.headers["location"].startswith("/login?next=/inbox/kita")


def test_a_way_back_on_our_own_site_is_gone(office: Office) -> None:
    """What is refused above is what names another site, and not every way back."""
    office.user("petra", (Role.MANAGER, "kita"))
    with office.client("petra") as client:
        token = token_in(client.get("/sessions").text)
        answer = client.post("/handovers", data={"token": token, "letter": "1", "next": "/inbox/kita?state=mine"})
    assert answer.headers["location"] == "/inbox/kita?state=mine"
