"""W1: the second factor: guessed, replayed, skipped, or turned against its owner."""

from __future__ import annotations

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from maild.archive.accounts import NewPassword, set_passwords
from maild.policy.roles import Role
from maild.policy.throttle import FREE_TRIES_ORIGIN
from tests.web.office import PASSWORD, Office, token_in
from tests.web.ways_in import acts, asking_for, code_now, password_step, press, set_up_app, ticket_in

pytestmark = pytest.mark.usefixtures("all_at_once")
STEP_MS = 30_000


def _second(client: TestClient, page: str, code: str) -> Response:
    data = {"token": token_in(page), "ticket": ticket_in(page), "code": code, "next": "/sessions"}
    return client.post("/login/second", data=data)


def test_the_password_alone_opens_nothing_and_a_code_opens_once(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        secret, _ = set_up_app(office, client)
    office.clock.ms += STEP_MS
    with office.client() as client, office.client() as second:
        page, other = password_step(client, "petra"), password_step(second, "petra")
        assert client.get("/sessions").status_code == 303
        code = code_now(office, secret)
        assert _second(client, page, code).headers["location"] == "/sessions"
        assert "mit dem Passwort und einem Code der App" in client.get("/sessions").text
        replayed = _second(second, other, code)
        assert replayed.status_code == 403
        assert "schon benutzt" in replayed.text
        office.clock.ms += STEP_MS
        assert _second(second, other, code_now(office, secret)).status_code == 303


def test_the_code_that_set_the_app_up_opens_nothing(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        secret, _ = set_up_app(office, client)
    with office.client() as client:
        assert _second(client, password_step(client, "petra"), code_now(office, secret)).status_code == 403


def test_a_code_on_paper_opens_once_however_it_is_typed(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        _, codes = set_up_app(office, client)
    assert len(set(codes)) == 10
    for typed, status in ((codes[0].upper().replace("-", " "), 303), (codes[0], 403), (codes[1], 303)):
        with office.client() as client:
            assert _second(client, password_step(client, "petra"), typed).status_code == status
    with office.database.read() as connection:
        stored = repr(connection.exec_driver_sql("SELECT digest FROM recovery_codes").all())
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)
    assert ("petra", "petra", '{"what":"recovery code used"}') in acts(office, "credential")


def test_guessing_codes_is_stopped_and_the_owners_browser_is_not(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as own:
        secret, _ = set_up_app(office, own)
        with office.client() as thief:
            page = password_step(thief, "petra")
            answers = [_second(thief, page, "000000").status_code for _ in range(FREE_TRIES_ORIGIN + 2)]
        assert answers == [403] * FREE_TRIES_ORIGIN + [429] * 2
        own.cookies.delete("__Host-maild-session")
        office.clock.ms += STEP_MS
        assert _second(own, password_step(own, "petra"), code_now(office, secret)).status_code == 303
    assert len(acts(office, "refused")) == FREE_TRIES_ORIGIN


def test_a_ticket_to_the_second_step_is_of_one_browser_for_minutes_and_one_password(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        secret, _ = set_up_app(office, client)
    office.clock.ms += STEP_MS
    with office.client() as victim, office.client() as thief:
        page = password_step(victim, "petra")
        own = thief.get("/login").text
        for ticket in (ticket_in(page), "", "x", ticket_in(page)[:-4]):
            data = {"token": token_in(own), "ticket": ticket, "code": code_now(office, secret)}
            assert thief.post("/login/second", data=data).headers["location"] == "/login"
        office.clock.ms += 300_000
        assert _second(victim, page, code_now(office, secret)).headers["location"] == "/login"
        page = password_step(victim, "petra")
        changed = NewPassword(login="petra", password="$phc", at_ms=1)
        office.database.writer.submit(set_passwords, changed).result()
        assert _second(victim, page, code_now(office, secret)).headers["location"] == "/login"
        assert victim.get("/sessions").status_code == 303


def test_who_must_have_a_second_factor_reaches_nothing_else_before(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"), (Role.ADMINISTRATOR, None))
    office.user("leser", (Role.READER, "kita"))
    asking_for(office, "administrators")
    with office.client("petra") as client, office.client("leser") as other:
        for path in ("/", "/inbox/kita", "/search?q=x", "/invitations", "/drafts", "/events"):
            assert client.get(path).headers.get("location") == "/sessions/second-factor", path
        token = token_in(client.get("/sessions").text)
        refused = client.post("/write", data={"token": token, "do": "save", "text": "x"})
        assert refused.headers["location"] == "/sessions/second-factor"
        assert "braucht einen zweiten Faktor" in client.get("/sessions/second-factor").text
        assert other.get("/inbox/kita").status_code == 200
        set_up_app(office, client)
        assert client.get("/inbox/kita").status_code == 200
        # Given up again, it is asked for at the next sign-in.
        assert press(client, "/sessions/second-factor", do="remove")[0] == 303
    with office.client("petra") as client:
        assert client.get("/inbox/kita").headers["location"] == "/sessions/second-factor"


def test_the_secret_of_an_app_is_not_in_the_database(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        secret, _ = set_up_app(office, client)
    with office.database.read() as connection:
        sealed = bytes(connection.exec_driver_sql("SELECT secret FROM totp").scalar_one())
    assert secret not in sealed
    assert len(sealed) > len(secret)


def test_a_secret_that_was_not_drawn_here_is_none(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        for secret in ("", "AAAA", "x" * 32, "Ä" * 32, "A" * 5000):
            status, _, text = press(client, "/sessions/second-factor", do="set", secret=secret, code="123456")
            assert status in {200, 413}
            assert "Codes auf Papier</h1>" not in text
    assert acts(office, "credential") == []


def test_a_browser_is_known_for_the_logins_that_succeeded_in_it_and_cannot_say_so_itself(office: Office) -> None:
    from maild.web.devices import Devices

    devices = Devices(b"k" * 32)
    cookie = devices.remember("", "petra")
    both = devices.remember(cookie, "karin")
    assert devices.known(cookie, "Petra ") == devices.known(both, "petra") == devices.known(both, "karin") != ""
    for forged in ("", ".", both[:-1], both + "0", "a" * 32, f"{'a' * 32}.{'b' * 32}", "ä" * 32 + "." + "b" * 32):
        assert devices.known(forged, "petra") == "", forged
    assert devices.known(cookie, "karin") == ""
    assert Devices(b"l" * 32).known(cookie, "petra") == ""
    for number in range(30):
        both = devices.remember(both, f"user{number}")
    assert len(both) < 300
    assert devices.known(both, "user29")


def test_strangers_who_guess_never_lock_a_colleague_out_of_the_own_browser(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as own, office.client() as stranger:
        token = token_in(stranger.get("/login").text)
        codes = [
            stranger.post("/login", data={"token": token, "login": "petra", "password": "falsch"}).status_code
            for _ in range(FREE_TRIES_ORIGIN + 1)
        ]
        assert codes[-1] == 429
        own.cookies.delete("__Host-maild-session")  # the same address, the same login, another budget
        assert press(own, "/login", login="petra", password=PASSWORD)[0] == 303
