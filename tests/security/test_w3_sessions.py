"""W3: fixation, prediction, and use after the end."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlencode

import pytest
from httpx2 import Response

from maild.archive.accounts import Disabling, NewPassword, Revocation, disable_users, revoke_grants, set_passwords
from maild.policy.roles import Role
from maild.web.site import create_site
from tests.web.office import PASSWORD, Office, letter, sign_in, token_in

COOKIE = "__Host-maild-session"


def _cookie_line(answer: Response, name: str) -> str:
    return next(line for line in answer.headers.get_list("set-cookie") if line.startswith(name + "="))


def test_the_cookie_belongs_to_this_host_alone_and_no_script_reads_it(office: Office) -> None:
    office.user("petra")
    with office.client() as client:
        token = token_in(client.get("/login").text)
        answer = client.post("/login", data={"token": token, "login": "petra", "password": PASSWORD})
    line = _cookie_line(answer, COOKIE).lower()
    for attribute in ("secure", "httponly", "samesite=lax", "path=/"):
        assert attribute in line
    assert "domain" not in line
    assert "max-age" not in line


def test_a_session_is_new_at_every_sign_in_and_one_set_before_is_not_taken_over(office: Office) -> None:
    office.user("petra")
    seen = set()
    for _ in range(3):
        with office.client() as client:
            client.cookies.set(COOKIE, "chosen-by-the-attacker")
            token = token_in(client.get("/login").text)
            answer = client.post("/login", data={"token": token, "login": "petra", "password": PASSWORD})
            seen.add(_cookie_line(answer, COOKIE).partition("=")[2].partition(";")[0])
    assert len(seen) == 3
    assert all(len(value) >= 43 for value in seen)
    with office.client() as client:
        client.cookies.set(COOKIE, "chosen-by-the-attacker")
        assert client.get("/inbox/kita").headers["location"].startswith("/login")


def test_signing_in_again_ends_the_session_before(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    with office.client("petra") as client, office.client() as other:
        old = client.cookies[COOKIE]
        client.post(
            "/login", data={"token": token_in(client.get("/sessions").text), "login": "petra", "password": PASSWORD}
        )
        assert client.get("/inbox/kita").status_code == 200
        other.cookies.set(COOKIE, old)
        assert other.get("/inbox/kita").status_code == 303


def test_a_token_in_the_address_opens_nothing(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    with office.client("petra") as client, office.client() as other:
        token = client.cookies[COOKIE]
        for query in (f"{COOKIE}={token}", f"session={token}", f"token={token}"):
            assert other.get(f"/inbox/kita?{query}").status_code == 303


@pytest.mark.parametrize("act", ["sign out", "end", "end others", "disable", "password", "idle", "absolute"])
def test_after_its_end_a_session_opens_nothing(office: Office, act: str) -> None:
    office.user("petra", (Role.READER, "kita"))
    with office.client("petra") as client, office.client("petra") as second:
        assert client.get("/inbox/kita").status_code == 200
        stolen = client.cookies[COOKIE]
        page = client.get("/sessions").text
        match act:
            case "sign out":
                client.post("/logout", data={"token": token_in(page)})
            case "end":
                own = re.search(r'this|diese</span>.*?value="([0-9a-f]{16})"', page, re.DOTALL)
                assert own is not None
                assert client.post("/sessions", data={"token": token_in(page), "handle": own[1]}).status_code == 303
            case "end others":
                others = second.get("/sessions").text
                second.post("/sessions", data={"token": token_in(others)})
            case "disable":
                office.database.writer.submit(disable_users, Disabling(login="petra", disabled_ms=1)).result()
            case "password":
                office.database.writer.submit(
                    set_passwords, NewPassword(login="petra", password="$x", at_ms=1)
                ).result()
            case "idle":
                office.clock.ms += 30 * 60 * 1000
            case _:
                for _ in range(24):
                    office.clock.ms += 29 * 60 * 1000
                    assert client.get("/inbox/kita").status_code == 200
                office.clock.ms += 29 * 60 * 1000
        with office.client() as thief:
            thief.cookies.set(COOKIE, stolen)
            assert thief.get("/inbox/kita").headers.get("location", "").startswith("/login")
        if act == "end others":
            assert second.get("/inbox/kita").status_code == 200


def test_a_right_that_ends_ends_at_once_in_open_sessions(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    reference = office.reference(office.mail(letter()))
    with office.client("petra") as client:
        assert client.get(f"/c/{reference}").status_code == 200
        gone = Revocation(login="petra", role=Role.READER, team="kita", revoked_ms=office.clock.ms)
        office.database.writer.submit(revoke_grants, gone).result()
        assert client.get(f"/c/{reference}").status_code == 404
        assert client.get("/inbox/kita").status_code == 404


@pytest.mark.parametrize(("act", "status"), [("revoked", 404), ("closed", 303), ("nothing", 303)])
async def test_a_form_that_is_held_back_until_the_right_has_ended_does_nothing(
    office: Office, act: str, status: int
) -> None:
    office.user("petra", (Role.RESPONDER, "kita"))
    path = f"/c/{office.reference(office.mail(letter()))}"
    with office.client("petra") as client:
        token, cookie = token_in(client.get(path).text), client.cookies[COOKIE]
    body = urlencode({"token": token, "team": "kita", "note": "spaet"}).encode()
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        if act == "revoked":
            gone = Revocation(login="petra", role=Role.RESPONDER, team="kita", revoked_ms=office.clock.ms)
            office.database.writer.submit(revoke_grants, gone).result()
        elif act == "closed":
            office.database.writer.submit(disable_users, Disabling(login="petra", disabled_ms=1)).result()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": f"{path}/note", "raw_path": f"{path}/note".encode(),
        "query_string": b"", "client": ("203.0.113.9", 1), "server": ("post.musterstadt.example", 443),
        "headers": [(b"content-type", b"application/x-www-form-urlencoded"),
                    (b"cookie", f"{COOKIE}={cookie}".encode())],
        "scheme": "https", "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip
    await create_site(office.services)(scope, receive, send)
    assert sent[0]["status"] == status
    with office.database.read() as connection:
        written = connection.exec_driver_sql("SELECT count(*) FROM notes").scalar_one()
    assert written == (1 if act == "nothing" else 0)


def test_nobody_ends_or_sees_another_persons_session(office: Office) -> None:
    office.user("petra")
    office.user("karin")
    with office.client("petra") as petra, office.client("karin") as karin:
        handle = re.search(r'name="handle" value="([0-9a-f]{16})"', petra.get("/sessions").text)
        assert handle is not None
        page = karin.get("/sessions").text
        assert handle[1] not in page
        karin.post("/sessions", data={"token": token_in(page), "handle": handle[1]})
        assert petra.get("/sessions").status_code == 200


def test_a_stream_that_stays_open_keeps_no_session_alive(office: Office) -> None:
    # The stream's own test is in tests/browser; here: asking for pages does, and only once a minute writes.
    office.user("petra", (Role.READER, "kita"))
    with office.client("petra") as client:
        office.clock.ms += 20 * 60 * 1000
        client.get("/inbox/kita")
        office.clock.ms += 20 * 60 * 1000
        assert client.get("/inbox/kita").status_code == 200


def test_plain_http_has_cookies_without_the_prefix_so_that_a_browser_keeps_them(office: Office) -> None:
    from dataclasses import replace

    plain = replace(office.services.settings, base_url="http://127.0.0.1:8080")
    office.services = replace(office.services, settings=plain)
    office.user("petra", (Role.READER, "kita"))
    with office.client() as client:
        sign_in(client, "petra")
        assert "maild-session" in client.cookies
        assert client.get("/inbox/kita").status_code == 200
