"""An open page asks anew for what may have changed: it gets that whole, and no letter is opened for it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from starlette.requests import Request

from maild.policy.roles import Role
from maild.web.events import _events
from maild.web.made_pages import MadePages
from maild.web.pages import Pages
from maild.web.services import Services
from maild.web.standing_in import session_of
from maild.web.visit import Visit, cookie_name
from tests.web.office import NOW_MS, Office, letter

LIVE = {"x-maild-live": "1"}
BOTH = ("kita.platzvergabe@musterstadt.example", "bauamt@musterstadt.example")


def _regions(page: str) -> dict[str, str]:
    """Return what of a page is exchanged, by its id."""
    found = {}
    for begin in re.finditer(r'<(div|nav)[^>]*id="(\w+)"[^>]*data-live[^>]*>', page):
        depth = 1
        for tag in re.finditer(rf"<(/?){begin[1]}\b", page[begin.end() :]):
            depth += -1 if tag[1] else 1
            if not depth:
                found[begin[2]] = page[begin.end() :][: tag.start()]
                break
    fresh = re.search(r'id="fresh"[^>]*data-newest="(\w+)"', page)
    title = re.search(r"<title>.*?</title>", page, re.DOTALL)
    return found | {"newest": fresh[1] if fresh else "", "title": title[0] if title else ""}


def test_what_is_live_is_the_same_and_no_letter_is_opened_for_it(office: Office) -> None:
    office.user("petra", (Role.COORDINATOR, "kita"))
    own = office.reference(office.mail(letter("Spielplatz")))
    to = "To: kita.platzvergabe@musterstadt.example, bauamt@musterstadt.example\n"
    shared = office.reference(
        office.mail(f"From: a@c.example\n{to}Subject: An zwei\n\nText\n", BOTH, sender="a@c.example")
    )
    with office.client("petra") as client:
        for path in (f"/c/{own}", f"/c/{shared}", f"/c/{own}?team=kita&state=mine", "/inbox/kita"):
            client.get(path)
            whole, live = client.get(path).text, client.get(path, headers=LIVE).text
            assert _regions(live) == _regions(whole), path
            assert len(_regions(whole)) >= 6, path
        assert "Bauamt" in _regions(client.get(f"/c/{shared}", headers=LIVE).text)["entries"]
        page, live = client.get(f"/c/{own}").text, client.get(f"/c/{own}", headers=LIVE).text
        assert len(live) < len(page)


def test_a_live_question_is_asked_by_who_may_see_the_page(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    foreign = office.reference(office.mail(letter("Bauantrag"), "bauamt@musterstadt.example"))
    with office.client("petra") as client, office.client() as stranger:
        assert client.get(f"/c/{foreign}", headers=LIVE).status_code == 404
        assert stranger.get(f"/c/{foreign}", headers=LIVE).status_code == 303


def _nothing(office: Office, services: Services) -> None:
    """Let nothing happen."""


def _letter(office: Office, services: Services) -> None:
    office.mail(letter("Noch ein Spielplatz"))


def _foreign(office: Office, services: Services) -> None:
    office.mail(letter("Bauantrag"), "bauamt@musterstadt.example")
    services.feed.publish(frozenset({"bauamt"}))


def _act(office: Office, services: Services) -> None:
    services.feed.publish(frozenset({"kita"}))


def _left(office: Office, services: Services) -> None:
    """The page before is left, of which colleagues are told."""
    services.feed.publish(frozenset({"kita"}), presence_of=1)


def _crowd(office: Office, services: Services) -> None:
    """More happens than the feed remembers."""
    for _ in range(1_001):
        services.feed.publish()


@pytest.mark.parametrize("path", ["/inbox/kita", "/c/{}", "/search?q=spielplatz"])
@pytest.mark.parametrize(
    ("between", "told"),
    [(_nothing, False), (_letter, True), (_foreign, False), (_act, True), (_left, False), (_crowd, True)],
)
async def test_what_comes_between_a_page_and_its_stream_is_told_at_once(
    office: Office, path: str, between: Callable[[Office, Services], None], *, told: bool
) -> None:
    office.user("petra", (Role.READER, "kita"))
    reference = office.reference(office.mail(letter("Spielplatz")))
    with office.client("petra") as client:
        client.get(path.format(reference))  # who sees a letter first has their colleagues told
        office.clock.ms += 1
        page = client.get(path.format(reference)).text
        token = client.cookies[cookie_name(office.services, "session")]
    between(office, office.services)
    assert bool(await _told_first(office, office.services, token, page)) is told


async def test_a_page_of_which_nothing_is_known_any_more_is_told_to_ask(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"), (Role.READER, "poststelle"))
    with office.client("petra") as client:
        page = client.get("/inbox/kita").text
        token = client.cookies[cookie_name(office.services, "session")]
    restarted = replace(office.services, made=MadePages())
    assert await _told_first(office, restarted, token, page) == {"kita", "poststelle"}


async def _told_first(office: Office, services: Services, token: str, page: str) -> frozenset[str]:
    """Open the stream of a page; returns the teams that it names before anything else happens."""
    made = re.search(r'data-made="(\d+)"', page)
    assert made is not None
    cookie = (b"cookie", f"{cookie_name(services, 'session')}={token}".encode())
    scope = {"type": "http", "path": "/events", "query_string": f"made={made[1]}".encode(), "headers": [cookie]}
    with office.database.read() as connection:
        session = session_of(connection, services, token, NOW_MS)
    stream = _events(Visit(
        request=Request(scope), services=services, pages=Pages(), session=session, token=token, form={},
        language="de", now_ms=NOW_MS,
    ))  # fmt: skip
    assert (await anext(stream)).startswith("retry")
    rest = asyncio.create_task(_all(stream))
    await asyncio.sleep(0)  # it looks
    services.feed.close()  # and not once more
    told: set[str] = set()
    for line in (await rest).splitlines():
        if line.startswith("data: "):
            told |= set(json.loads(line.removeprefix("data: "))["teams"])
    return frozenset(told)


async def _all(stream: AsyncIterator[str]) -> str:
    return "".join([event async for event in stream])
