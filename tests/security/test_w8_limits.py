"""W8: floods and slow senders: each is cut off at a limit, and others are served."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from starlette.testclient import TestClient

from maild.archive.passwords import Cost, Verifier
from maild.policy.roles import Role
from maild.web import events
from maild.web.proofs import Proofs
from maild.web.site import create_site
from tests.web.office import Office
from tests.web.ways_in import press


def _status(client: TestClient, **request: Any) -> int:
    return client.request(request.pop("method", "POST"), request.pop("path", "/language"), **request).status_code


def test_what_is_larger_than_any_form_is_refused_before_it_is_read(office: Office) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    with office.client() as client:
        for length in ("65537", "99999999999999999999", "-1", "1e3", "x"):
            assert _status(client, headers={**form, "content-length": length}, content=b"a=1") == 413, length
        chunks = (b"a" * 1_000 for _ in range(1_000))
        assert _status(client, headers=form, content=chunks) == 413
        assert _status(client, headers=form, content=b"a=1&" * 16_000) == 400


def test_a_type_of_content_that_never_ends_is_read_no_further(office: Office) -> None:
    with office.client() as client:
        for kind in (
            "multipart/form-data; boundary=" + "x" * 20_000,
            "application/x-www-form-urlencoded" + ";" * 20_000,
        ):
            assert _status(client, headers={"content-type": kind}, content=b"a=1") in {403, 415}


def test_long_addresses_and_many_header_lines_are_refused(office: Office) -> None:
    with office.client() as client:
        assert client.get("/search", params={"q": "x" * 5_000}).status_code == 414
        assert client.get("/static/" + "a" * 1_500).status_code == 414
        assert client.get("/login", headers={"x-long": "x" * 40_000}).status_code == 431
        assert client.get("/login", headers={f"x-{n}": "y" for n in range(150)}).status_code == 431
        assert client.get("/login").status_code == 200


def test_a_nul_reaches_no_query_of_the_database(office: Office) -> None:
    office.user("petra", (Role.RESPONDER, "kita"), (Role.AUDITOR, None))
    with office.client("petra") as client:
        for path in ("/audit?person=a%00", "/search?q=a%00b"):
            assert client.get(path).status_code == 400, path
    with office.client() as client:
        text = press(client, "/login", login="a\0b", password="x")[2]
        assert 'value="a b"' in text


async def test_a_form_that_comes_a_byte_at_a_time_is_given_up(office: Office) -> None:
    quick = replace(office.services.settings, body_timeout_s=0.2)
    site = create_site(replace(office.services, settings=quick))
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"a", "more_body": True}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/language", "raw_path": b"/language", "query_string": b"",
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")], "client": ("192.0.2.1", 1),
        "server": ("post.musterstadt.example", 443), "scheme": "https", "http_version": "1.1", "root_path": "",
        "asgi": {"version": "3.0"},
    }  # fmt: skip
    async with asyncio.timeout(60):
        await site(scope, receive, send)
    assert sent[0]["status"] == 408


def test_a_person_opens_only_so_many_streams() -> None:
    streams = events.Streams()
    streams._open = {1: events._MAX_OF_ONE}
    assert streams.is_full(1)
    assert not streams.is_full(2)
    streams._open = dict.fromkeys(range(events._MAX_STREAMS), 1)
    assert streams.is_full(events._MAX_STREAMS + 1)


async def test_new_passwords_are_computed_two_at_once_and_not_in_the_threads_of_all_pages(office: Office) -> None:
    cost = Cost(memory_kib=8_192, iterations=1)
    dear = replace(office.services, settings=replace(office.services.settings, password_cost=cost))
    proofs = Proofs(dear)
    tasks = [asyncio.ensure_future(proofs.hashed(f"sieben Zwerge {number}")) for number in range(60)]
    most = 0
    while not all(task.done() for task in tasks):
        most = max(most, proofs._threads.borrowed_tokens)
        assert current_default_thread_limiter().borrowed_tokens == 0
        await asyncio.sleep(0.001)
    stored = [task.result() for task in tasks]
    assert most == 2
    assert [bool(each) for each in stored] == [True] * 40 + [False] * 20  # who is told to come again
    assert Verifier(cost).verify(stored[0], "sieben Zwerge 0")
