"""The stream of changes: to whom what is told, and until when."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Route, expect

from maild.archive.accounts import Disabling, Revocation, disable_users, revoke_grants
from maild.policy.roles import Role
from tests.browser.screenshots import sign_in
from tests.browser.serving import serving
from tests.web.office import PASSWORD, Office, letter, token_in


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Office]]:
    with serving(tmp_path / "office") as found:
        yield found


@contextmanager
def _listening(base: str, login: str) -> Iterator[Iterator[str]]:
    with httpx2.Client(base_url=base, timeout=60) as client:
        token = token_in(client.get("/login").text)
        client.post("/login", data={"token": token, "login": login, "password": PASSWORD})
        with client.stream("GET", "/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            lines = answer.iter_lines()
            assert next(lines).startswith("retry:")
            yield lines


def _next(lines: Iterator[str]) -> tuple[str, object]:
    """Return what comes next: an event, or the sign of life of a stream that has nothing to tell."""
    kind = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            return kind, json.loads(line[6:])
        elif line == ": still here":
            return "still here", None
    raise AssertionError("it ended without a word")


def test_a_change_is_told_to_those_who_may_see_the_team_and_names_no_other(served: tuple[str, Office]) -> None:
    base, office = served
    office.user("petra", (Role.READER, "kita"))
    both = ("kita.platzvergabe@musterstadt.example", "bauamt@musterstadt.example")
    with _listening(base, "petra") as lines:
        office.mail(letter("nur Bauamt", key="a@x"), "bauamt@musterstadt.example", age_s=0)
        office.mail(letter("beide", key="b@x"), both, age_s=0)
        assert _next(lines) == ("inbox", {"teams": ["kita"]})


@pytest.mark.parametrize("how", ["revoked", "disabled"])
def test_a_right_that_ends_ends_in_the_open_stream(
    served: tuple[str, Office], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, office = served
    monkeypatch.setattr("maild.web.events.LOOK_S", 0.1)  # there are fifteen looks between two signs of life
    office.user("petra", (Role.READER, "kita"))
    with _listening(base, "petra") as lines:
        now_ms = int(time.time() * 1000)
        if how == "disabled":
            office.database.writer.submit(disable_users, Disabling(login="petra", disabled_ms=now_ms)).result()
            assert _next(lines) == ("end", {})
            return
        gone = Revocation(login="petra", role=Role.READER, team="kita", revoked_ms=now_ms)
        office.database.writer.submit(revoke_grants, gone).result()
        office.mail(letter("danach", key="c@x"), age_s=0)
        assert _next(lines) == ("still here", None)


@pytest.mark.needs("chromium")
def test_a_letter_that_comes_before_the_stream_is_open_shows_by_itself(
    chromium: Browser, served: tuple[str, Office]
) -> None:
    base, office = served
    office.user("petra", (Role.READER, "kita"))
    page = chromium.new_page(locale="de")
    late = letter("Kam dazwischen", key="late@x")

    def come_first(route: Route) -> None:
        office.mail(late, age_s=0)
        route.continue_()

    page.route("**/events?*", come_first, times=1)
    sign_in(page, base, "petra")
    expect(page.locator("#list .row")).to_contain_text("Kam dazwischen")
    page.close()
