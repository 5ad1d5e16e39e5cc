"""The page of people: who is shown to whom, and what becomes of its forms."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from maild.archive.accounts import NewUser, add_users
from maild.policy.roles import Role
from maild.web.confirming import FRESH_MS
from tests.web.office import NOW_MS, PASSWORD, RULES, Office, rules, sign_in, token_in
from tests.web.ways_in import press

DAY_MS = 86_400_000


@pytest.fixture
def staffed(office: Office) -> Office:
    closed = "  rat: {name: Personalrat, closed: true}\n  bauamt: {name: Bauamt,"
    office.book.current = rules(RULES.replace("  bauamt: {name: Bauamt,", closed))
    office.user("ada", (Role.ADMINISTRATOR, None), name="Ada Amtsleitung")
    office.user("petra", (Role.MANAGER, "kita"), name="Petra Maurer")
    office.user("max", (Role.READER, "bauamt"), name="Max Bauer")
    office.user("rita", (Role.MANAGER, "rat"), (Role.READER, "poststelle"), name="Rita Rat")
    return office


def _post(client: TestClient, path: str, **fields: str) -> int:
    token = token_in(client.get("/sessions").text)
    return int(client.post(path, data={"token": token, **fields}).status_code)


def _number(office: Office, login: str) -> str:
    with office.database.read() as connection:
        return str(connection.exec_driver_sql(f"SELECT id FROM users WHERE login = '{login}'").scalar_one())


def _acts(office: Office) -> list[tuple[str, str, str, str]]:
    with office.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT actor, act, team, about FROM audit ORDER BY sequence").all()
    return [tuple(row) for row in rows if row[1] in {"granted", "revoked", "account", "disabled"}]


def test_an_administrator_sees_everybody_and_a_manager_the_people_of_the_own_teams(staffed: Office) -> None:
    staffed.grant("max", Role.READER, "kita")
    with staffed.client("ada") as ada, staffed.client("petra") as petra, staffed.client("max") as max_:
        everybody, own = ada.get("/people").text, petra.get("/people").text
        assert all(name in everybody for name in ("Ada Amtsleitung", "Petra Maurer", "Max Bauer", "Rita Rat"))
        assert "Max Bauer" in own
        assert "Bauamt" not in own
        assert "Rita Rat" not in own
        link = '<a class="button" href="/absences?login=max#note-absence">'
        assert link in petra.get(f"/person/{_number(staffed, 'max')}").text
        assert link not in ada.get(f"/person/{_number(staffed, 'max')}").text  # of no team of his
        for nobody in (_number(staffed, "rita"), "999", "x"):
            assert petra.get(f"/person/{nobody}").status_code == 404
        assert max_.get("/people").status_code == 403
        assert "/people" not in max_.get("/sessions").text


def test_a_manager_gives_a_role_for_a_time_and_takes_it_back(staffed: Office) -> None:
    with staffed.client("petra") as petra:
        fields = {"login": "Max", "role": "responder", "team": "kita", "first": "", "last": "2026-12-31"}
        assert _post(petra, "/people/grants", **fields) == 303
        number = _number(staffed, "max")
        page = petra.get(f"/person/{number}").text
        assert "bis 31.12.2026" in page
        with staffed.client("max") as max_:
            assert max_.get("/inbox/kita").status_code == 200
            assert _post(petra, "/people/revocations", number=number, role="responder", team="kita") == 303
            assert max_.get("/inbox/kita").status_code == 404
        # Somebody of another team again.
        assert petra.get(f"/person/{number}").status_code == 404
    assert _acts(staffed) == [("petra", "granted", "kita", "max"), ("petra", "revoked", "kita", "max")]


@pytest.mark.parametrize(
    ("by", "fields", "status"),
    [
        ("petra", {"login": "max", "role": "manager", "team": "bauamt"}, 403),
        ("petra", {"login": "max", "role": "administrator", "team": ""}, 403),
        ("petra", {"login": "petra", "role": "manager", "team": "kita", "last": "2030-01-01"}, 403),
        ("petra", {"login": "max", "role": "manager", "team": "nirgends"}, 403),
        ("petra", {"login": "max", "role": "king", "team": "kita"}, 403),
        ("petra", {"login": "niemand", "role": "reader", "team": "kita"}, 400),
        ("petra", {"login": "max", "role": "reader", "team": "kita", "last": "2020-01-01"}, 400),
        ("petra", {"login": "max", "role": "reader", "team": "kita", "first": "31.5.2026"}, 400),
        ("petra", {"login": "max", "role": "reader", "team": "kita", "last": "9999-12-31"}, 400),
        ("ada", {"login": "ada", "role": "reader", "team": "rat"}, 403),
        ("ada", {"login": "max", "role": "reader", "team": "rat"}, 403),
        ("ada", {"login": "max", "role": "reader", "team": "kita:confidential"}, 403),
        ("ada", {"login": "ada", "role": "auditor", "team": ""}, 403),
        ("max", {"login": "max", "role": "manager", "team": "bauamt"}, 403),
    ],
)
def test_what_may_not_be_given_is_not_given(staffed: Office, by: str, fields: dict[str, str], status: int) -> None:
    with staffed.client(by) as client:
        assert _post(client, "/people/grants", **fields) == status
    assert _acts(staffed) == []


def test_the_managers_of_a_closed_team_give_its_roles(staffed: Office) -> None:
    with staffed.client("rita") as rita:
        assert _post(rita, "/people/grants", login="max", role="reader", team="rat") == 303


def test_an_administrator_who_lets_themselves_in_is_in_the_log_and_on_the_first_page_of_the_managers(
    staffed: Office,
) -> None:
    with staffed.client("ada") as ada, staffed.client("petra") as petra:
        assert _post(ada, "/people/grants", login="ada", role="reader", team="kita") == 303
        assert _acts(staffed) == [("ada", "granted", "kita", "ada")]
        shown = petra.get("/inbox/kita").text
        assert "Was andere mit Rollen und Konten in Ihren Teams getan haben" in shown
        assert "ada hat ada die Rolle „Lesen“ gegeben." in shown
        found = re.search(r'name="up_to" value="(\d+)"', shown)
        assert found is not None
        assert _post(petra, "/people/notices", up_to=found[1], next="/inbox/kita") == 303
        assert "Was andere mit Rollen" not in petra.get("/inbox/kita").text


def test_what_ends_soon_is_said_to_the_person_and_to_the_managers_who_can_prolong_it(staffed: Office) -> None:
    staffed.grant("max", Role.RESPONDER, "kita", until_ms=NOW_MS + 2 * DAY_MS)
    number = _number(staffed, "max")
    with staffed.client("petra") as petra, staffed.client("max") as max_:
        assert "Ihre Rolle „Beantworten: Kita-Platzvergabe“ endet am" in max_.get("/inbox/kita").text
        shown = petra.get("/inbox/kita").text
        assert "Die Rolle „Beantworten: Kita-Platzvergabe“ von Max Bauer endet am" in shown
        found = re.search(r'href="(/person/[^"#]+)', shown)
        assert found is not None
        assert found[1].startswith(f"/person/{number}?")
        form = petra.get(found[1].replace("&amp;", "&")).text
        assert '<option value="responder" selected>' in form
        fields = {"number": number, "login": "max", "role": "responder", "team": "kita", "last": "2027-12-31"}
        assert _post(petra, "/people/grants", **fields) == 303
        assert "endet am" not in petra.get("/inbox/kita").text + max_.get("/inbox/kita").text


def test_taking_the_last_reader_from_a_team_asks_first(staffed: Office) -> None:
    with staffed.client("ada") as ada:
        number = _number(staffed, "petra")
        token = token_in(ada.get("/sessions").text)
        for path, fields in (
            ("/people/revocations", {"role": "manager", "team": "kita"}),
            ("/people/state", {"do": "close"}),
        ):
            asked = ada.post(path, data={"token": token, "number": number, **fields})
            assert asked.status_code == 409
            assert "Kita-Platzvergabe" in asked.text
            assert "Post dafür ginge auch in den Posteingang für alles" in asked.text
            assert "verschlossenes Team" not in asked.text
            assert _acts(staffed) == []
        council = {"token": token, "number": _number(staffed, "rita"), "do": "close"}
        asked = ada.post("/people/state", data=council)
        assert "Post für ein verschlossenes Team würde dort warten, und niemand sähe sie." in asked.text
        assert _post(ada, "/people/state", number=number, do="close", sure="yes") == 303
        assert _acts(staffed) == [("ada", "disabled", "", "petra")]


def test_closing_an_account_ends_its_sessions_and_opening_it_lets_in_again(staffed: Office) -> None:
    with staffed.client("ada") as ada, staffed.client("max") as max_:
        number = _number(staffed, "max")
        assert _post(ada, "/people/state", number=number, do="close", sure="yes") == 303
        assert max_.get("/inbox/bauamt").status_code == 303
        assert _post(ada, "/people/state", number=number, do="open") == 303
        sign_in(max_, "max")
        assert _post(ada, "/people/state", number=_number(staffed, "ada"), do="close", sure="yes") == 403


def test_a_new_account_is_opened_by_the_link_that_is_shown_once(staffed: Office) -> None:
    with staffed.client("ada") as ada, staffed.client("petra") as petra:
        token = token_in(ada.get("/sessions").text)
        fields = {"token": token, "login": "Neu.Ling", "name": "Neu  Ling", "mail": "neu@citizen.example"}
        shown = ada.post("/people/accounts", data=fields).text
        found = re.search(r"<code[^>]*>https://post.musterstadt.example(/welcome/[\w-]+)</code>", shown)
        assert found is not None
        with staffed.client() as new:
            password = "sieben Zwerge hinter Bergen"
            assert press(new, found[1], new=password, again=password)[:2] == (303, "/")
            assert "Noch kein Posteingang" in new.get("/").text
            assert press(new, "/logout")[0] == 303
            sign_in(new, "neu.ling", password)
        assert ada.post("/people/accounts", data=fields).status_code == 400
        assert ada.post("/people/accounts", data=fields | {"login": "zwei worte"}).status_code == 400
        assert ada.post("/people/accounts", data=fields | {"login": "x", "mail": "nein"}).status_code == 400
        assert _post(petra, "/people/accounts", login="eigen") == 403
    assert _acts(staffed) == [("ada", "account", "", "neu.ling")]


def test_who_answers_for_a_person_is_led_to_a_link_from_their_page(staffed: Office) -> None:
    staffed.grant("max", Role.READER, "kita")
    number, own = _number(staffed, "max"), _number(staffed, "ada")
    with staffed.client("ada") as ada, staffed.client("petra") as petra:
        assert 'href="/invitations?login=max"' in ada.get(f"/person/{number}").text
        assert "/invitations?login" not in ada.get(f"/person/{own}").text
        # He holds a role that she does not decide on.
        assert "/invitations?login" not in petra.get(f"/person/{number}").text
        staffed.user("neu", (Role.READER, "kita"))
        assert 'href="/invitations?login=neu"' in petra.get(f"/person/{_number(staffed, 'neu')}").text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/people/grants", {"login": "max", "role": "reader", "team": "kita"}),
        ("/people/revocations", {"role": "reader", "team": "bauamt", "sure": "yes"}),
        ("/people/accounts", {"login": "neu"}),
        ("/people/state", {"do": "close", "sure": "yes"}),
    ],
)
def test_a_session_left_open_changes_nobodys_rights(staffed: Office, path: str, fields: dict[str, str]) -> None:
    fields = {"number": _number(staffed, "max")} | fields
    with staffed.client("ada") as ada:
        staffed.clock.ms += FRESH_MS
        assert _post(ada, path, **fields) == 200  # the page that asks
        assert _acts(staffed) == []
        assert _post(ada, path, **fields, **{"confirm-password": PASSWORD}) in {200, 303}
    assert len(_acts(staffed)) == 1


def test_of_many_people_the_page_shows_some_and_finds_the_others(staffed: Office) -> None:
    for number in range(205):
        new = NewUser(login=f"p{number}", name=f"Person {number}", mail=None, password=None, created_ms=0)
        staffed.database.writer.submit(add_users, new).result()
    with staffed.client("ada") as ada:
        assert "Zu sehen sind 200 von 209 Personen" in ada.get("/people").text
        assert "Person 204" in ada.get("/people?q=person+204").text
