"""W4: no other site changes anything: not by a form, not by a link, not by a socket. Crawls the route table."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from maild.archive.app_passwords import NewAppPassword, add_app_passwords
from maild.policy.roles import Role
from maild.web.gate import Access, Page
from tests.security.crawling import FORMS, Objects, pages, small_office
from tests.web.office import Office, own_token, token_in

TABLES = ("entries", "users", "grants", "filings", "summaries", "tags", "joins", "conversations", "duties",
          "drafts", "draft_files", "notes",
          "outgoing", "deliveries", "app_passwords", "invitations", "totp", "recovery_codes",
          "passkeys", "sign_in_notices")  # fmt: skip

# What answers with a page: a link that is shown once, one that does not open, a passkey that is none.
OTHERWISE = {"/invitations": 200, "/welcome/{token}": 404, "/login/passkey": 403}


def _state(office: Office) -> list[object]:
    with office.database.read() as connection:
        rows = [connection.exec_driver_sql(f"SELECT * FROM {table}").all() for table in TABLES]
        # That somebody has read a page, or has a file of it, is no act upon it.
        acts = "SELECT * FROM audit WHERE act NOT IN ('read', 'searched', 'exported')"
        rows.append(connection.exec_driver_sql(acts).all())
        rows.append(
            connection.exec_driver_sql("SELECT digest, user_id, created_ms, way, confirmed_ms FROM sessions").all()
        )
    return [sorted(map(repr, found)) for found in rows]


def _posts(office: Office) -> list[Page]:
    return [page for page in pages(office) if "POST" in page.methods]


def _form(page: Page, objects: Objects, token: str | None) -> dict[str, str]:
    form = {"team": objects.team, **FORMS[page.path]}
    return form if token is None else {**form, "token": token}


def test_every_form_of_the_site_is_known_here(office: Office) -> None:
    assert {page.path for page in _posts(office)} == set(FORMS)
    assert all(page.methods in ({"GET"}, {"POST"}) for page in pages(office, endless=True))


ATTACKS: dict[str, dict[str, str]] = {
    "no token": {},
    "wrong token": {"token": "0" * 64},
    "empty token": {"token": ""},
    "token of another session": {"token": "other"},
    "cross-site": {"token": "own", "header:sec-fetch-site": "cross-site"},
    "same-site, other host": {"token": "own", "header:sec-fetch-site": "same-site"},
    "foreign origin": {"token": "own", "header:origin": "https://evil.example"},
    "foreign origin that begins alike": {"token": "own", "header:origin": "https://post.musterstadt.example.evil"},
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_form_from_elsewhere_changes_nothing(office: Office, attack: str) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    new = NewAppPassword(login="petra", name="Outlook", password="$argon2id$", at_ms=office.clock.ms)
    assert (
        f"{office.database.writer.submit(add_app_passwords, new).result()}"
        == FORMS["/sessions/mail-programs"]["password"]
    )
    kita, _ = small_office(office)
    with office.client("petra") as client, office.client("petra") as other:
        tokens = {"own": token_in(client.get("/sessions").text), "other": token_in(other.get("/sessions").text)}
        said = ATTACKS[attack]
        token = tokens.get(said.get("token", ""), said.get("token"))
        headers = {name[7:]: value for name, value in said.items() if name.startswith("header:")}
        before = _state(office)
        for page in _posts(office):
            answer = client.post(kita.path(page), data=_form(page, kita, token), headers=headers)
            assert answer.status_code == 403, (page.path, attack)
        assert _state(office) == before


# Of people, links and letters that are not there, and what only an administrator does.
_ANSWERED = {"/people/grants": 400, "/people/revocations": 404, "/people/accounts": 403, "/people/state": 403,
             "/queue/{number}": 403, "/audit/requests": 403, "/audit/decisions": 404, "/absences": 400,
             "/absences/end": 404, "/person/{number}/handover": 400,
             "/invitations/agreements": 404, "/c/{reference}/merge": 404,
             "/c/{reference}/split": 404}  # fmt: skip


def test_the_same_forms_from_our_own_pages_work(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    office.user("leser", (Role.READER, "kita"))
    kita, _ = small_office(office)
    for headers in (
        {"sec-fetch-site": "same-origin"},
        {"origin": "https://post.musterstadt.example"},
        {"origin": "null"},
        {},
    ):
        with office.client("petra") as client:
            assert own_token(client) == token_in(client.get("/sessions").text)
            for page in _posts(office):
                if page.path in {"/logout", "/login"}:
                    continue
                answer = client.post(kita.path(page), data=_form(page, kita, own_token(client)), headers=headers)
                # A manager of a team edits no rules: tests/security/test_r5_rules_pages.py has who may.
                expected = OTHERWISE.get(
                    page.path, 403 if page.access is Access.RULES else _ANSWERED.get(page.path, 303)
                )
                assert answer.status_code == expected, (page.path, headers)


def test_another_site_cannot_sign_a_reader_in_or_out(office: Office) -> None:
    office.user("petra")
    with office.client() as client:
        client.get("/login")
        answer = client.post(
            "/login", data={"login": "petra", "password": "x"}, headers={"sec-fetch-site": "cross-site"}
        )
        assert answer.status_code == 403
    with office.client("petra") as client:
        assert client.get("/logout").status_code == 200
        assert client.get("/sessions").status_code == 200


def test_a_link_from_another_site_changes_nothing(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    kita, _ = small_office(office)
    with office.client("petra") as client:
        before = _state(office)
        for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "none", "sec-purpose": "prefetch"}):
            for page in pages(office):
                if "GET" in page.methods:
                    assert client.get(kita.path(page), headers=headers).status_code in {200, 303, 403, 404}
            assert _state(office) == before
        client.get(f"/c/{kita.reference}", headers={"sec-fetch-site": "same-origin"})
        assert _state(office) != before


def test_no_address_takes_an_act_by_get_or_a_page_by_post(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    kita, _ = small_office(office)
    with office.client("petra") as client:
        token = token_in(client.get("/sessions").text)
        gets = {page.path for page in pages(office) if "GET" in page.methods}
        for page in pages(office):
            if "POST" in page.methods and page.path not in gets:
                assert client.get(kita.path(page)).status_code == 405
            for method in ("PUT", "DELETE", "PATCH"):
                assert client.request(method, kita.path(page), data={"token": token}).status_code == 405


def test_no_other_site_opens_a_socket(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    with office.client("petra") as client:
        for path in ("/events", "/", "/inbox/kita"):
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(path):
                pass


def test_a_form_that_is_no_form_is_refused(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        token = token_in(client.get("/sessions").text)
        _refused(client, token)


def _refused(client: TestClient, token: str) -> None:
    for content, kind, status in (
        (f'{{"token": "{token}"}}', "application/json", 415),
        (f"token={token}", "text/plain", 415),
        (f"token={token}", "multipart/form-data; boundary=x", 415),
        ("token=" + "x" * 70_000, "application/x-www-form-urlencoded", 413),
        ("&".join(f"a{n}=1" for n in range(60)), "application/x-www-form-urlencoded", 400),
        (b"token=\xff\xfe", "application/x-www-form-urlencoded", 400),
    ):
        answer = client.post("/language", content=content, headers={"content-type": kind})
        assert answer.status_code == status, (kind, content[:20])
