"""A4: an administrator becomes somebody else by a link to a new password, or is two people where two must agree.

What a link would open that its maker may not have alone waits for a second person; whom it concerns is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from maild.mail.inbox import confidential
from maild.policy.credentials import AGREES_AFTER_MS
from maild.policy.roles import Role
from tests.web.office import Office, letter, token_in
from tests.web.ways_in import acts, press, set_up_app

NEW = "sieben Zwerge hinter Bergen"


@pytest.fixture
def hall(office: Office) -> Office:
    """An office with two administrators and two managers of one team, all of them for long; and a young one of each."""
    for login, role, team in (
        ("chef", Role.ADMINISTRATOR, None), ("vize", Role.ADMINISTRATOR, None), ("petra", Role.MANAGER, "kita"),
        ("pia", Role.MANAGER, "kita"), ("bert", Role.MANAGER, "bauamt"), ("leser", Role.READER, "kita"),
        ("regel", Role.RULE_EDITOR, None),
    ):  # fmt: skip
        office.user(login, (role, team))
    for login, role, team in (("puppe", Role.ADMINISTRATOR, None), ("neu", Role.MANAGER, "kita")):
        office.user(login)
        office.grant(login, role, team, from_ms=office.clock.ms - AGREES_AFTER_MS + 1)
    return office


def _link(client: TestClient, login: str, **fields: str) -> tuple[str, str]:
    """Have a link made; returns its path, and the page."""
    status, _, text = press(client, "/invitations", login=login, **fields)
    assert status == 200, text
    found = re.search(r"/welcome/[\w-]{43}", text)
    assert found is not None
    return found[0], text


def _opens(office: Office, path: str) -> bool:
    """Tell whether a link opens, to who looks and to who goes on all the same."""
    with office.client() as thief:
        looked = thief.get(path).status_code
        token = token_in(thief.get("/login").text)
        took = thief.post(path, data={"token": token, "new": NEW, "again": NEW}).status_code
    assert (looked, took) in {(200, 303), (200, 200), (404, 404)}
    return looked == 200


def _say(office: Office, login: str, do: str = "agree", change: Callable[[str], str] = str) -> int:
    """Have somebody agree to the link that waits, as a page of another one names it; returns the status."""
    with office.database.read() as connection:
        row = connection.exec_driver_sql("SELECT user_id, created_ms FROM invitations WHERE used_ms IS NULL").one()
    with office.client(login) as client:
        data = {"token": token_in(client.get("/sessions").text), "number": str(row[0]), "made": change(str(row[1]))}
        return int(client.post("/invitations/agreements", data={**data, "do": do}).status_code)


@pytest.mark.parametrize(
    ("login", "agrees"), [("petra", "vize"), ("petra", "pia"), ("regel", "vize"), ("vize", ""), ("leser", None)]
)
def test_a_link_that_opens_more_than_one_may_have_alone_waits_for_a_second_person(
    hall: Office, login: str, agrees: str | None
) -> None:
    with hall.client("chef") as client:
        path, text = _link(client, login)
        assert ("wenn eine zweite Person zugestimmt hat" in text) is (agrees is not None)
        if agrees is None:  # of somebody who reads what administrators may let themselves into
            assert _opens(hall, path)
            return
        assert "Wartet auf Ihre Zustimmung" not in client.get("/invitations").text
    with hall.client() as owner:  # what was is what holds
        assert press(owner, "/login", login=login, password="korrekt pferd batterie")[0] == 303
    others = ("chef", "bert", "leser", "puppe", "neu", "regel") if agrees == "pia" else ("puppe",)
    for nobody in (login, *others):
        assert _say(hall, nobody) == 404, nobody
    assert not _opens(hall, path)
    if not agrees:  # nobody is left but who keeps the machine
        return
    with hall.client(agrees) as client:
        client.get("/")
        assert f"chef hat einen für {login} angelegt." in client.get("/invitations").text
    assert _say(hall, agrees, change=lambda made: str(int(made) - 1)) == 404  # another link than was shown
    assert _say(hall, agrees) == 303
    assert _opens(hall, path)
    assert (agrees, login, '{"made_by":"chef","what":"invitation agreed to"}') in acts(hall, "credential")


def test_who_refuses_ends_the_link_and_a_later_one_waits_anew(hall: Office) -> None:
    with hall.client("chef") as client:
        path, _ = _link(client, "petra")
        assert _say(hall, "vize", "refuse") == 303
        assert not _opens(hall, path)
        hall.clock.ms += 1
        path, _ = _link(client, "petra")
        assert _say(hall, "vize") == 303
        hall.clock.ms += 1
        later, _ = _link(client, "petra")
    assert (_opens(hall, path), _opens(hall, later)) == (False, False)


def test_an_agreement_ends_with_the_right_of_who_agreed(hall: Office) -> None:
    with hall.client("chef") as client:
        path, _ = _link(client, "petra")
    assert _say(hall, "pia") == 303
    with hall.database.writing.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE grants SET revoked_ms = {hall.clock.ms} WHERE user_id = (SELECT id FROM users WHERE login = 'pia')"
        )
    assert not _opens(hall, path)


def test_who_got_more_after_the_link_was_made_is_not_taken_over_by_it(hall: Office) -> None:
    with hall.client("chef") as client:
        path, _ = _link(client, "leser")
    hall.grant("leser", Role.MANAGER, "kita")
    assert not _opens(hall, path)


def test_a_new_account_needs_no_second_person(hall: Office) -> None:
    with hall.database.writing.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET password = NULL WHERE login = 'petra'")
    with hall.client("chef") as client:
        assert _opens(hall, _link(client, "petra")[0])


@pytest.mark.parametrize("agrees", ["chef", "zweite"])
def test_who_manages_a_team_does_not_become_another_of_its_managers_alone(hall: Office, agrees: str) -> None:
    hall.user("zweite", (Role.MANAGER, "kita"))
    with hall.client("pia") as client:
        path, text = _link(client, "petra")
        assert "wenn eine zweite Person zugestimmt hat" in text
    for nobody in ("pia", "petra", "neu", "bert", "leser"):
        assert _say(hall, nobody) == 404, nobody
    assert not _opens(hall, path)
    with hall.client("zweite") as client:  # the managers of the team hear of it, whoever agrees
        assert "pia hat einen Link zu einem neuen Passwort für petra angelegt." in client.get("/inbox/kita").text
    assert _say(hall, agrees) == 303
    assert _opens(hall, path)
    assert (agrees, "petra", '{"made_by":"pia","what":"invitation agreed to"}') in acts(hall, "credential")


def test_the_second_factor_goes_when_the_link_opens_and_not_when_it_is_made(hall: Office) -> None:
    with hall.client("petra") as client:
        set_up_app(hall, client)
    with hall.client("chef") as client:
        path, _ = _link(client, "petra", forget="yes")
        with hall.database.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM totp").scalar() == 1
        assert not _opens(hall, path)
    assert _say(hall, "pia") == 303
    assert _opens(hall, path)
    with hall.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM totp").scalar() == 0


def test_the_person_and_the_managers_of_the_team_are_told(hall: Office) -> None:
    with hall.client("chef") as client:
        _link(client, "leser")
    with hall.client("leser") as client:
        assert "chef hat einen Link angelegt, mit dem für Sie ein neues Passwort" in client.get("/inbox/kita").text
    with hall.client("petra") as client:
        assert "chef hat einen Link zu einem neuen Passwort für leser angelegt." in client.get("/inbox/kita").text
    with hall.client("bert") as client:
        assert "leser" not in client.get("/inbox/bauamt").text
    with hall.client("petra") as client:  # a manager's link is told to the person alone
        _link(client, "leser")
    with hall.client("pia") as client:
        assert "petra hat einen Link" not in client.get("/inbox/kita").text


def test_no_link_of_an_administrator_leads_to_the_confidential_inbox(hall: Office) -> None:
    hall.mail(letter("Geheim"), "kita@musterstadt.example", team=confidential("kita"))
    with hall.client("chef") as client, hall.client() as thief:
        path, _ = _link(client, "petra")
        token = token_in(thief.get("/login").text)
        thief.post(path, data={"token": token, "new": NEW, "again": NEW})
        assert thief.get(f"/inbox/{confidential('kita')}").headers["location"].startswith("/login")
