"""What tests do to get in: links, apps, acts that are asked for again."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

from starlette.testclient import TestClient

from maild.archive.invitations import NewInvitation, invite
from maild.archive.sessions import digest_of, new_token
from maild.policy.totp import code_of, step_at
from tests.web.office import PASSWORD, Office, token_in


def link_for(office: Office, login: str, by: str = "operator") -> str:
    """Have a link made; returns its path."""
    token = new_token()
    new = NewInvitation(digest=digest_of(token), login=login, by=by, at_ms=office.clock.ms)
    office.database.writer.submit(invite, new).result()
    return f"/welcome/{token}"


def press(client: TestClient, path: str, page: str = "", **fields: str) -> tuple[int, str, str]:
    """Fill in the form of a page; returns status, where it leads, and the text."""
    token = token_in(client.get(page or path).text)
    answer = client.post(path, data={"token": token, **fields})
    return answer.status_code, answer.headers.get("location", ""), answer.text


def set_up_app(office: Office, client: TestClient) -> tuple[bytes, list[str]]:
    """Set up an app for who is signed in; returns its secret and the codes on paper."""
    page = client.get("/sessions/second-factor").text
    found = re.search(r'name="secret" value="([A-Z2-7]{32})"', page)
    assert found is not None
    secret = base64.b32decode(found[1])
    fields = {"token": token_in(page), "do": "set", "secret": found[1], "code": code_now(office, secret)}
    answer = client.post("/sessions/second-factor", data=fields)
    assert answer.status_code == 200, answer.text
    return secret, re.findall(r"<code>([a-z2-9-]{19})</code>", answer.text)


def code_now(office: Office, secret: bytes, off: int = 0) -> str:
    """Return what an app shows."""
    return code_of(secret, step_at(office.clock.ms) + off)


def password_step(client: TestClient, login: str, password: str = PASSWORD) -> str:
    """Go through the first step; returns the page that asks for the second."""
    status, _, text = press(client, "/login", login=login, password=password)
    assert status == 200, text
    assert 'action="/login/second"' in text
    return text


def ticket_in(page: str) -> str:
    found = re.search(r'name="ticket" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def asking_for(office: Office, setting: str) -> None:
    """Change who must have a second factor."""
    settings = replace(office.services.settings, second_factor=setting)
    office.services = replace(office.services, settings=settings)


def acts(office: Office, act: str) -> list[tuple[str, str, str]]:
    """Return what the audit log has of an act: who, about whom, details."""
    with office.database.read() as connection:
        rows = connection.exec_driver_sql(
            f"SELECT actor, about, details FROM audit WHERE act = '{act}' ORDER BY sequence"
        )
        return [(row.actor, row.about, row.details) for row in rows]
