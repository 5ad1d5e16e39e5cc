"""W3: a session that was left open: what is dangerous asks again who sits there, and goes on as it was."""

from __future__ import annotations

import re

from maild.policy.roles import Role
from maild.web.confirming import FRESH_MS
from tests.web.office import PASSWORD, Office, token_in
from tests.web.ways_in import code_now, press, set_up_app

NEW = "sieben Zwerge hinter Bergen"


def _hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))


def test_a_dangerous_act_waits_for_the_password_and_keeps_what_was_filled_in(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        office.clock.ms += FRESH_MS
        status, _, page = press(client, "/sessions/password", page="/sessions", new=NEW, again=NEW)
        assert status == 200
        assert "Sind Sie es noch?" in page
        kept = _hidden(page)
        assert (kept["new"], kept["again"]) == (NEW, NEW)
        wrong = client.post("/sessions/password", data={**kept, "confirm-password": "falsch"})
        assert wrong.status_code == 403
        kept = _hidden(wrong.text)
        assert (kept["new"], kept["again"]) == (NEW, NEW)
        done = client.post("/sessions/password", data={**kept, "confirm-password": PASSWORD})
        assert done.headers["location"] == "/sessions"
        assert press(client, "/sessions/password", page="/sessions", new=PASSWORD, again=PASSWORD)[0] == 303
    with office.client("petra"):
        pass


def test_a_page_waits_too_and_a_code_of_the_app_is_as_good(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        secret, codes = set_up_app(office, client)
        office.clock.ms += FRESH_MS
        asked = client.get("/sessions/second-factor").headers["location"]
        assert asked == "/confirm?next=/sessions/second-factor"
        page = client.get(asked).text
        right = {**_hidden(page), "confirm-code": code_now(office, secret)}
        assert client.post("/confirm", data=right).headers["location"] == "/sessions/second-factor"
        assert client.get("/sessions/second-factor").status_code == 200
        office.clock.ms += FRESH_MS
        replayed = client.post("/confirm", data={**right, "confirm-code": codes[0]})
        assert replayed.status_code == 303
        office.clock.ms += FRESH_MS
        assert client.post("/confirm", data={**right, "confirm-code": codes[0]}).status_code == 403


def test_nobody_confirms_with_the_password_of_another_or_from_another_site(office: Office) -> None:
    office.user("petra", (Role.ADMINISTRATOR, None))
    office.user("karin")
    with office.client("petra") as client:
        office.clock.ms += FRESH_MS
        token = token_in(client.get("/sessions").text)
        form = {"token": token, "confirm-login": "karin", "confirm-password": "falsch", "next": "/invitations"}
        assert client.post("/confirm", data=form).status_code == 403
        right = {**form, "confirm-password": PASSWORD}
        assert client.post("/confirm", data={**right, "token": "0" * 64}).status_code == 403
        away = client.post("/confirm", data={**right, "next": "//evil.example/"})
        assert away.headers["location"] == "/"


def test_guessing_at_an_open_session_is_stopped(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        office.clock.ms += FRESH_MS
        data = {"token": token_in(client.get("/sessions").text), "confirm-password": "falsch"}
        answers = [client.post("/confirm", data=data).status_code for _ in range(11)]
    assert answers == [403] * 10 + [429]


def test_what_is_filled_in_is_shown_as_text_and_never_as_a_page(office: Office) -> None:
    office.user("petra", (Role.ADMINISTRATOR, None))
    with office.client("petra") as client:
        office.clock.ms += FRESH_MS
        attack = '"><script>alert(1)</script>'
        _, _, page = press(client, "/invitations", page="/sessions", **{"login": attack, attack: "x"})
    assert "<script>alert" not in page


def test_signing_in_and_out_is_in_the_audit_log(office: Office) -> None:
    from tests.web.ways_in import acts

    office.user("petra")
    with office.client("petra") as client:
        press(client, "/logout")
    assert [who for who, _, _ in acts(office, "signed-in")] == ["petra"]
    assert [who for who, _, _ in acts(office, "signed-out")] == ["petra"]
