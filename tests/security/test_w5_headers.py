"""W5: every response of every route, whatever its status, carries the headers that keep other sites out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from maild.archive.database import Database
from maild.errors import StorageError
from maild.policy.roles import Role
from tests.security.crawling import NOWHERE, pages, small_office
from tests.web.office import HTML_LETTER, Office, shown_id, token_in

pytestmark = pytest.mark.timeout(300)


def _check(answer: Response, *, framed: bool = False) -> None:
    where = f"{answer.request.method} {answer.request.url} {answer.status_code}"
    policy = {
        directive.split()[0]: directive.split()[1:]
        for directive in answer.headers["content-security-policy"].split(";")
        if directive.strip()
    }
    assert policy["default-src"] == ["'none'"], where
    assert policy["frame-ancestors"] == (["'self'"] if framed else ["'none'"]), where
    for sources in policy.values():
        assert not {"*", "'unsafe-eval'", "'strict-dynamic'"} & set(sources), where
    scripts = policy.get("script-src", [])
    assert all(source.startswith("'nonce-") for source in scripts), where
    if not framed:
        assert all("unsafe-inline" not in source for sources in policy.values() for source in sources), where
    if framed or not answer.headers.get("content-type", "").startswith("text/html"):
        assert "sandbox" in policy, where
        assert "allow-scripts" not in policy["sandbox"], where
        assert "allow-same-origin" not in policy["sandbox"], where
    assert answer.headers["x-content-type-options"] == "nosniff", where
    assert answer.headers["referrer-policy"] == "no-referrer", where
    assert answer.headers["cross-origin-opener-policy"] == "same-origin", where
    is_for_all = answer.request.url.path == "/directory.json" and answer.status_code in {200, 304}
    origin = "cross-origin" if is_for_all else "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == origin, where
    assert ("access-control-allow-origin" in answer.headers) is is_for_all, where
    assert "camera=()" in answer.headers["permissions-policy"], where
    assert answer.headers["strict-transport-security"].startswith("max-age="), where
    assert answer.headers["x-frame-options"] == ("SAMEORIGIN" if framed else "DENY"), where
    is_static = answer.request.url.path.startswith("/static/") and answer.status_code in {200, 304}
    assert ("immutable" if is_static else "no-cache" if is_for_all else "no-store") in answer.headers[
        "cache-control"
    ], where
    assert "server" not in answer.headers, where


def _break(office: Office, monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def refuse(_self: Database) -> object:
        raise error("canary-of-the-error")

    monkeypatch.setattr(Database, "read", refuse)


def test_every_route_at_every_status_has_them(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.user("petra", (Role.RESPONDER, "kita"), (Role.ADMINISTRATOR, None))
    kita, bauamt = small_office(office)
    statuses: set[int] = set()

    def see(answer: Response) -> None:
        _check(answer)
        statuses.add(answer.status_code)

    with office.client("petra") as client, office.client("petra") as steady, office.client() as stranger:
        token = token_in(client.get("/sessions").text)
        for page in pages(office):
            for objects in (kita, bauamt, NOWHERE):
                path = objects.path(page)
                if page.path.endswith("/letter") and objects is kita:
                    continue  # a plain letter has none; the framed one has a test of its own
                if "GET" in page.methods:
                    see(client.get(path))
                    see(client.head(path))
                    see(stranger.get(path))
                    see(client.post(path))
                    see(client.get(path, headers={"accept": "application/json"}))
                else:
                    see(client.post(path))
                    see(stranger.post(path))
                    see(client.post(path, data={"token": token, "team": objects.team, "state": "nonsense"}))
                    see(client.get(path))
        tag = client.get("/static/maild.css").headers["etag"]
        see(client.get("/static/maild.css", headers={"if-none-match": tag}))
        see(client.get("/inbox/kita", params={"state": "x" * 5_000}))
        see(client.get("/" + "x" * 2_000))
        see(client.get("/inbox/kita", headers={f"x-{n}": "1" for n in range(120)}))
        see(client.get("/search?q=("))
        see(client.get("/no/such/page"))
        see(
            client.post(
                "/language", content=b"x" * 80_000, headers={"content-type": "application/x-www-form-urlencoded"}
            )
        )
        see(client.post("/language", content=b"{}", headers={"content-type": "application/json"}))
        for _ in range(12):
            see(
                stranger.post(
                    "/login", data={"token": token_in(stranger.get("/login").text), "login": "x", "password": "y"}
                )
            )
        office.ready.append("storage")
        see(client.get("/readyz"))
        for error in (RuntimeError, StorageError):
            with monkeypatch.context() as patch:
                _break(office, patch, error)
                answer = steady.get("/inbox/kita")
                see(answer)
                assert "canary" not in answer.text
    assert statuses >= {200, 303, 304, 400, 403, 404, 405, 413, 414, 415, 429, 431, 500, 503}


def test_the_letters_own_document_may_be_framed_by_us_and_runs_nothing(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    number = shown_id(office.mail(HTML_LETTER))
    with office.client("petra") as client:
        answer = client.get(f"/m/{number}/letter")
        _check(answer, framed=True)
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "http:" not in answer.headers["content-security-policy"]
        page = client.get(f"/m/{number}").text
        assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page


def test_pictures_from_elsewhere_need_the_word_that_only_our_page_of_this_letter_has(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    first, second = shown_id(office.mail(HTML_LETTER)), shown_id(office.mail(HTML_LETTER + "\n"))
    with office.client("petra") as client:
        words = [client.get(f"/m/{n}").text.partition("?images=")[2][:32] for n in (first, second)]
        for word in ("1", "true", "", words[1]):
            answer = client.get(f"/m/{first}/letter?images={word}")
            assert "http:" not in answer.headers["content-security-policy"]
            assert "pixel.gif" not in answer.text
        consented = client.get(f"/m/{first}/letter?images={words[0]}")
        assert "img-src data: https: http:" in consented.headers["content-security-policy"]


def test_the_nonce_is_new_each_time_and_in_no_style_or_script_but_ours(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    office.mail(HTML_LETTER)
    with office.client("petra") as client:
        policies = {client.get("/inbox/kita").headers["content-security-policy"] for _ in range(5)}
        assert len(policies) == 5
        text = client.get("/inbox/kita").text
    assert text.count("<script") == 1
    assert " style=" not in text
    assert "onclick" not in text


def test_without_https_nothing_promises_it(office: Office) -> None:
    plain = replace(office.services.settings, base_url="http://127.0.0.1:8080")
    office.services = replace(office.services, settings=plain)
    with office.client() as client:
        assert "strict-transport-security" not in client.get("/login").headers


def _raw(client: TestClient, headers: dict[str, str]) -> Response:
    return client.get("/login", headers=headers)


def test_no_address_is_made_from_the_host_that_a_request_names(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    with office.client("petra") as client:
        for path in ("/", "/inbox/kita", "/login", "/login?next=//evil.example", "/login?next=https://evil.example"):
            answer = client.get(path, headers={"host": "evil.example"})
            assert "evil.example" not in answer.headers.get("location", "")
            assert "evil.example" not in answer.text
        assert "evil" not in _raw(client, {"x-forwarded-host": "evil.example"}).text


def test_the_directory_alone_may_be_framed_and_only_where_it_says_so(office: Office) -> None:
    office.user("petra", (Role.RESPONDER, "kita"), (Role.ADMINISTRATOR, None))
    kita, _ = small_office(office)
    with office.client("petra") as client:
        embedded = client.get("/directory?embed=1")
        assert "frame-ancestors *" in embedded.headers["content-security-policy"]
        assert "x-frame-options" not in embedded.headers
        assert "petra" not in embedded.text.lower()
        assert "<button" in embedded.text
        assert 'method="post"' not in embedded.text
        for page in (page for page in pages(office) if "GET" in page.methods):
            for more in ("?embed=1", "") if page.path != "/directory" else ("", "?embed=0", "?embed=11", "?Embed=1"):
                answer = client.get(kita.path(page) + more)
                policy = answer.headers["content-security-policy"]
                assert "frame-ancestors *" not in policy, page.path
                assert answer.headers["x-frame-options"] in {"DENY", "SAMEORIGIN"}, page.path


def test_the_policy_of_the_embedded_page_is_as_strict_as_any_but_for_who_frames_it(office: Office) -> None:
    with office.client() as client:
        policies = [
            client.get(path).headers["content-security-policy"] for path in ("/directory", "/directory?embed=1")
        ]
    own, embedded = ([d.strip().split("nonce-")[0] for d in policy.split(";")] for policy in policies)
    assert [d for d in own if "ancestors" not in d] == [d for d in embedded if "ancestors" not in d]
