"""W6: links to a password: none comes by mail, none opens twice, nobody makes one that opens more than is theirs."""

from __future__ import annotations

import re

from maild.archive.accounts import Disabling, Revocation, disable_users, revoke_grants
from maild.archive.invitations import AGAIN_MS, Redemption, redeem
from maild.policy.granting import Teams
from maild.policy.roles import Role
from tests.web.office import PASSWORD, Office, sign_in, token_in
from tests.web.ways_in import acts, link_for, password_step, press, set_up_app

NEW = "sieben Zwerge hinter Bergen"


def _counts(office: Office) -> list[int]:
    with office.database.read() as connection:
        tables = ("messages", "outgoing", "deliveries", "drafts", "duties")
        return [connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() for table in tables]


def test_a_link_is_shown_once_and_no_mail_leaves_or_comes(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    office.user("leser", (Role.READER, "kita"))
    before = _counts(office)
    with office.client("petra") as client, office.client() as other:
        status, _, text = press(client, "/invitations", login="leser")
        assert status == 200
        found = re.search(r"https://post\.musterstadt\.example(/welcome/[\w-]{43})", text)
        assert found is not None
        assert found[1] not in client.get("/invitations").text
        status, where, _ = press(other, found[1], new=NEW, again=NEW)
        assert (status, where) == (303, "/")
        assert other.get("/inbox/kita").status_code == 200
    assert _counts(office) == before
    assert [(who, whom) for who, whom, _ in acts(office, "credential")] == [("petra", "leser"), ("leser", "leser")]


def test_the_database_has_no_link_but_its_hash(office: Office) -> None:
    office.user("petra")
    token = link_for(office, "petra").rpartition("/")[2]
    with office.database.read() as connection:
        everything = repr(connection.exec_driver_sql("SELECT * FROM invitations").all())
        everything += repr(connection.exec_driver_sql("SELECT * FROM audit").all())
    assert token not in everything


def test_a_link_that_does_not_hold_opens_nothing_and_says_what_to_do(office: Office) -> None:
    for end in ("used", "old", "replaced", "disabled", "cut", "longer", "empty", "percent"):
        office.user(login := f"petra-{end}")
        _look_at_dead_link(office, end, login)


def _look_at_dead_link(office: Office, end: str, login: str) -> None:
    path = link_for(office, login)
    match end:
        case "used":
            with office.client() as first:
                assert press(first, path, new=NEW, again=NEW)[0] == 303
        case "old":
            office.clock.ms += AGAIN_MS
        case "replaced":
            link_for(office, login)
        case "disabled":
            office.database.writer.submit(disable_users, Disabling(login=login, disabled_ms=1)).result()
        case "cut":
            path = path[:-1]
        case "longer":
            path += "A"
        case "empty":
            path = "/welcome/"
        case _:
            path = "/welcome/%00"
    with office.client() as client:
        page = client.get(path)
        assert page.status_code == 404
        if end != "empty":
            assert "Dieser Link öffnet sich nicht mehr" in page.text
            assert login not in page.text
        token = token_in(client.get("/login").text)
        assert client.post(path, data={"token": token, "new": NEW, "again": NEW}).status_code in {404, 405}
    with office.client() as client:
        if end not in {"used", "disabled"}:
            sign_in(client, login, PASSWORD)


def test_an_empty_token_matches_nothing_even_where_the_page_is_passed_by(office: Office) -> None:
    office.user("petra")
    link_for(office, "petra")
    for token in ("", " ", "\x00"):
        asked = Redemption(token=token, password="$phc", teams=Teams(parents={}), at_ms=office.clock.ms)
        assert office.database.writer.submit(redeem, asked).result() is None


def test_looking_at_a_link_does_not_use_it_up(office: Office) -> None:
    office.user("petra")
    path = link_for(office, "petra")
    with office.client() as scanner:
        for _ in range(3):
            assert scanner.get(path).status_code == 200
            assert scanner.head(path).status_code == 200
    with office.client() as client:
        assert press(client, path, new=NEW, again=NEW)[0] == 303


def test_a_link_that_its_maker_has_kept_opens_no_more_than_the_maker_may_open_now(office: Office) -> None:
    for end in ("revoked", "closed", "promoted", "nothing"):
        manager, person = f"chefin-{end}", f"neu-{end}"
        office.user(manager, (Role.MANAGER, "kita"))
        office.user(person, (Role.READER, "kita"))
        path = link_for(office, person, by=manager)
        match end:
            case "revoked":
                gone = Revocation(login=manager, role=Role.MANAGER, team="kita", revoked_ms=office.clock.ms)
                office.database.writer.submit(revoke_grants, gone).result()
            case "closed":
                office.database.writer.submit(disable_users, Disabling(login=manager, disabled_ms=1)).result()
            case "promoted":
                office.grant(person, Role.ADMINISTRATOR, None)
        with office.client() as kept:
            assert kept.get(path).status_code == (200 if end == "nothing" else 404), end
            token = token_in(kept.get("/login").text)
            answer = kept.post(path, data={"token": token, "new": NEW, "again": NEW})
            assert answer.status_code == (303 if end == "nothing" else 404), end
    with office.client("neu-revoked") as client:  # the password that was there is
        assert client.get("/inbox/kita").status_code == 200


def test_a_manager_makes_no_link_that_opens_more_than_the_own_teams(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    office.user("leser", (Role.READER, "kita"))
    office.user("bert", (Role.READER, "bauamt"))
    office.user("beide", (Role.READER, "bauamt"), (Role.READER, "kita"))
    office.user("admin", (Role.ADMINISTRATOR, None))
    with office.client("petra") as client:
        page = client.get("/invitations").text
        assert 'value="leser"' in page
        for login in ("bert", "beide", "admin", "petra", "nobody", ""):
            assert f'name="login" value="{login}"' not in page
            forged = client.post("/invitations", data={"token": token_in(page), "login": login})
            assert forged.status_code == 404, login


def test_who_manages_nobody_has_no_such_page(office: Office) -> None:
    office.user("leser", (Role.COORDINATOR, "kita"))
    with office.client("leser") as client:
        assert client.get("/invitations").status_code == 404


def test_a_link_leaves_the_second_factor_and_an_administrator_alone_can_say_that_it_is_lost(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    office.user("chef", (Role.ADMINISTRATOR, None))
    office.user("leser", (Role.READER, "kita"))
    with office.client("leser") as client:
        set_up_app(office, client)
    for maker, asked in (("petra", "yes"), ("chef", "")):
        with office.client(maker) as client, office.client() as thief:
            page = client.get("/invitations").text
            assert ("Ist auch das Gerät verloren, legt die Administration den Link an." in page) is (maker == "petra")
            # What stays unless somebody says so is said, and is what happens when nothing is chosen.
            chosen = (
                '<input type="radio" name="forget" value="" checked> Passwort vergessen (bleibt: Authenticator-App)'
            )
            assert (chosen in page) is (maker == "chef")
            text = press(client, "/invitations", login="leser", forget=asked)[2]
            assert "Bleibt, und danach wird nach dem neuen Passwort gefragt: Authenticator-App." in text
            found = re.search(r"/welcome/[\w-]{43}", text)
            assert found is not None
            status, _, text = press(thief, found[0], new=NEW, again=NEW)
            assert status == 200
            assert 'action="/login/second"' in text
            assert thief.get("/inbox/kita").status_code == 303
    with office.client() as own:
        password_step(own, "leser", NEW)
    with office.client("chef") as client, office.client() as own:
        text = press(client, "/invitations", login="leser", forget="yes")[2]
        assert "Sobald er geöffnet wird, verschwindet: Authenticator-App, Codes auf Papier." in text
        found = re.search(r"/welcome/[\w-]{43}", text)
        assert found is not None
        assert "Mit dem neuen Passwort gehen Ihre Authenticator-App" in own.get(found[0]).text
        assert press(own, found[0], new=NEW + "!", again=NEW + "!")[:2] == (303, "/")


def test_a_password_that_others_would_try_is_refused_and_the_link_still_holds(office: Office) -> None:
    office.user("petra")
    path = link_for(office, "petra")
    with office.client() as client:
        for new, again, said in (
            ("kurz", "kurz", "zu kurz"),
            ("willkommen2026!", "willkommen2026!", "zu den ersten"),
            ("Stadtverwaltung", "Stadtverwaltung", "zu den ersten"),
            ("musterstadt2026!", "musterstadt2026!", "Namen"),
            (NEW, NEW + "x", "nicht gleich"),
        ):
            status, _, text = press(client, path, new=new, again=again)
            assert status == 400, new
            assert said in text, new
        assert press(client, path, new=NEW, again=NEW)[0] == 303


def test_a_new_password_ends_the_sessions_of_the_old_one(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    path = link_for(office, "petra")
    with office.client("petra") as thief, office.client() as own:
        assert press(own, path, new=NEW, again=NEW)[0] == 303
        assert thief.get("/inbox/kita").headers.get("location", "").startswith("/login")
