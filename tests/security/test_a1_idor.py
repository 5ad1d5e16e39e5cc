"""A1: another team's object is answered exactly like one that does not exist; generated from the route table."""

from __future__ import annotations

from itertools import product

import pytest

from maild.policy.roles import PERMISSIONS, TEAM_ROLES, Permission, Role
from maild.web.gate import Access, Page
from maild.web.routes import pages_of
from tests.security.crawling import FORMS, NOWHERE, Objects, guarded, pages, small_office, without_chance
from tests.web.office import Office, letter, shown_id, token_in


def test_every_route_says_what_it_asks_of_its_visitor(office: Office) -> None:
    table = pages_of(office.services)
    assert all(isinstance(page.access, Access) for page in table)
    for page in table:
        # A link to a password: its token is the right itself.
        if "{" in page.path and page.path not in {"/static/{name}", "/welcome/{token}"}:
            # The rules are one thing, and belong to nobody's team: who may edit them may see every part. A person is
            # looked up among those that the visitor may see (tests/web/test_people.py). The queue is everybody's, from
            # the envelope alone (tests/web/test_queue.py).
            unguarded = {Access.RULES, Access.PEOPLE, Access.QUEUE}
            assert guarded(page) or page.access in unguarded, f"{page.path} names an object and asks not whose"
        if "POST" in page.methods:
            assert page.access not in {Access.READ, Access.REPORTS, Access.OPERATE}
        assert (page.access is Access.RULES) is page.path.startswith("/rules")


def test_the_site_serves_nothing_that_is_not_in_the_table(office: Office) -> None:
    from maild.web.site import create_site

    served = {getattr(route, "path", "?") for route in create_site(office.services).routes}
    assert served == {page.path for page in pages_of(office.services)}


def test_who_is_not_signed_in_reaches_nothing_that_is_not_public(office: Office) -> None:
    kita, _ = small_office(office)
    with office.client() as stranger:
        for page in pages(office, endless=True):
            path = kita.path(page)
            answer = stranger.get(path) if "GET" in page.methods else stranger.post(path, data=FORMS[page.path])
            if page.access is Access.PUBLIC:
                assert "/login" not in answer.headers.get("location", ""), path
            elif page.access is Access.OPERATE:
                assert answer.status_code == 404
            else:
                assert answer.status_code == 303, path
                assert answer.headers["location"].startswith("/login"), path
                assert answer.content == b"", path


def _ask(client: object, page: Page, objects: Objects, token: str) -> tuple[int, dict[str, str], str]:
    from starlette.testclient import TestClient

    assert isinstance(client, TestClient)
    path = objects.path(page)
    if "GET" in page.methods:
        answer = client.get(path)
    else:
        answer = client.post(path, data={"token": token, "team": objects.team, **FORMS[page.path]})
    left_out = {"content-security-policy", "content-length"}
    headers = {name: value for name, value in answer.headers.items() if name not in left_out}
    return answer.status_code, headers, without_chance(answer.text)


GRANTS = [*sorted(TEAM_ROLES), Role.ADMINISTRATOR, Role.RULE_EDITOR, Role.AUDITOR, None]


@pytest.mark.parametrize("role", GRANTS)
def test_an_object_of_another_team_is_one_that_does_not_exist(office: Office, role: Role | None) -> None:
    grants = [] if role is None else [(role, "kita" if role in TEAM_ROLES else None)]
    office.user("petra", *grants)
    _, bauamt = small_office(office)
    with office.client("petra") as client:
        token = token_in(client.get("/sessions").text)
        for page in filter(guarded, pages(office)):
            if "{" not in page.path:
                continue
            theirs = _ask(client, page, bauamt, token)
            none = _ask(client, page, NOWHERE, token)
            assert theirs[0] == 404, page.path
            assert theirs == none, page.path


def test_a_part_of_the_path_that_is_ones_own_does_not_open_the_rest(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    kita, bauamt = small_office(office)
    with office.client("petra") as client:
        token = token_in(client.get("/sessions").text)
        for team, reference in product(("kita", "bauamt"), (kita.reference, bauamt.reference)):
            if (team, reference) == ("kita", kita.reference):
                continue
            for page in pages(office):
                if page.access is Access.RESPOND:
                    path = page.path.replace("{reference}", reference)
                    answer = client.post(path, data={"token": token, "team": team, **FORMS[page.path]})
                    assert answer.status_code == 404
        # The list beside a conversation is another door: it falls back to one's own.
        page_text = client.get(f"/c/{kita.reference}?team=bauamt&state=open").text
        assert "Bauantrag" not in page_text
        assert client.get(f"/c/{bauamt.reference}?team=kita").status_code == 404
        assert "Bauantrag" not in client.get(f"/c/{kita.reference}?open={bauamt.id}").text


@pytest.mark.parametrize("role", sorted(TEAM_ROLES))
def test_what_one_may_do_with_ones_own_follows_the_role(office: Office, role: Role) -> None:
    office.user("petra", (role, "kita"))
    office.user("jonas", (Role.RESPONDER, "kita"))
    reference = office.reference(office.mail(letter()))
    responds = Permission.RESPOND in PERMISSIONS[role]
    assigns = Permission.ASSIGN in PERMISSIONS[role]
    with office.client("petra") as client:
        page = client.get(f"/c/{reference}").text
        token = token_in(page)
        data = {"token": token, "team": "kita"}
        closing = client.post(f"/c/{reference}/state", data={**data, "state": "closed"})
        taking = client.post(f"/c/{reference}/assignee", data={**data, "assignee": "petra"})
        giving = client.post(f"/c/{reference}/assignee", data={**data, "assignee": "jonas"})
    assert closing.status_code == taking.status_code == (303 if responds else 403)
    assert giving.status_code == (303 if assigns else 403)
    assert ("/state" in page) is responds
    assert ("<select" in page) is assigns


def test_a_reader_of_a_parent_reads_the_child_and_not_the_other_way_round(office: Office) -> None:
    office.user("bund", (Role.READER, "mitglieder"))
    office.user("bayern", (Role.READER, "mitglieder.by"))
    number = office.mail(letter(), "mitglieder-by@musterstadt.example")
    with office.client("bund") as bund, office.client("bayern") as bayern:
        assert bund.get(f"/m/{shown_id(number)}").status_code == 200
        assert bayern.get(f"/m/{shown_id(number)}").status_code == 200
        assert bayern.get("/inbox/mitglieder").status_code == 404


def test_the_numbers_of_the_machine_are_for_the_machine_and_its_operators(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    office.user("ada", (Role.ADMINISTRATOR, None))
    with office.client("petra") as petra, office.client("ada") as ada:
        assert petra.get("/metrics").status_code == 404
        assert ada.get("/metrics").text == "maild_up 1\n"
