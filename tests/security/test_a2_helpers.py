"""A1, A2: who helps sees the entries that are assigned to them, while they are, and not a word of any other."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from starlette.testclient import TestClient

from maild.archive.accounts import grants_of
from maild.archive.lists import own_marks
from maild.policy.grants import visible
from maild.policy.roles import Role
from tests.security.crawling import ATTACHED, FORMS, Objects, objects_of, pages
from tests.security.test_a2_canaries import CANARY, _clean
from tests.web.office import NOW_MS, Office, letter, token_in
from tests.web.writer import follow

SECRET = ATTACHED.format(
    name=f"{CANARY} Name", mail=f"{CANARY}@geheim.example", to="kita.platzvergabe@musterstadt.example",
    subject=f"{CANARY} dringend", key=f"{CANARY}@geheim.example", text=f"{CANARY} im Text", file=f"{CANARY}.txt",
    inside=f"{CANARY} in der Anlage",
)  # fmt: skip


# What ends the session, gives away what is theirs, or makes something theirs that was not.
LEFT_OUT = {"/logout", "/sessions", "/sessions/password", "/c/{reference}/assignee", "/offer"}


@dataclass(frozen=True)
class Lent:
    """A team with letters of its own, and a helper who has one of them."""

    office: Office
    helper_id: int
    own: int
    theirs: int


@pytest.fixture
def lent(office: Office) -> Lent:
    office.user("petra", (Role.COORDINATOR, "kita"))
    helper_id = office.user("helga", name="Helga Aushilfe")
    office.grant("helga", Role.RESPONDER, "kita", only_assigned=True)
    own = office.mail(letter("Eigener Brief", key="own@citizen.example"), age_s=9_000)
    theirs = office.mail(SECRET, sender=f"{CANARY}@geheim.example", age_s=8_000)
    office.assign(own, "kita", helper_id)
    office.draft("petra", theirs, "kita", f"{CANARY} Entwurf", subject=CANARY)
    with office.client("petra") as petra:
        form = {"token": token_in(petra.get("/sessions").text), "team": "kita"}
        reference = office.reference(theirs)
        # A mention of somebody who may not see it tells them nothing.
        note = f"{CANARY} Notiz für @helga"
        for act, more in (("note", {"note": note}), ("model", {"why": CANARY}), ("marks", {"tag": CANARY})):
            assert petra.post(f"/c/{reference}/{act}", data=form | more).status_code == 303, act
    return Lent(office=office, helper_id=helper_id, own=own, theirs=theirs)


def test_no_route_says_a_helper_a_word_of_what_is_not_theirs(lent: Lent) -> None:
    office = lent.office
    own, theirs = (objects_of(office, "kita", number, author="petra") for number in (lent.own, lent.theirs))
    with office.client("helga") as client:
        token = token_in(client.get("/sessions").text)
        for objects in (theirs, own):
            for page in pages(office):
                if page.path in LEFT_OUT:
                    continue
                path = objects.path(page)
                if "GET" in page.methods:
                    _clean(client.get(path, params={"team": "kita"}))
                else:
                    form = {"token": token, "team": "kita", **FORMS[page.path]}
                    _clean(client.post(path, data=form, follow_redirects=True))
        assert client.get(f"/c/{own.reference}").status_code == 200
        assert {client.get(theirs_path).status_code for theirs_path in _paths(theirs)} == {404}


def _paths(objects: Objects) -> list[str]:
    letter_path = f"/m/{objects.id}"
    return [f"/c/{objects.reference}", f"/c/{objects.reference}/reply", letter_path, f"{letter_path}/raw",
            f"{letter_path}/source", f"{letter_path}/why", f"{letter_path}/part/2"]  # fmt: skip


def test_no_link_and_no_search_leads_a_helper_to_it(lent: Lent) -> None:
    with lent.office.client("helga") as client:
        waiting, seen = ["/", "/inbox/kita", "/search", "/handbook/kita", "/welcome"], set[str]()
        while waiting:
            if (path := waiting.pop()) in seen:
                continue
            seen.add(path)
            answer = client.get(path, follow_redirects=True)
            _clean(answer)
            waiting += [each.replace("&amp;", "&") for each in re.findall(r'href="(/[^"#]*)', answer.text)]
        assert any(path.startswith("/c/") for path in seen)
        for asked in ("team:kita", "is:open", "-eigener", "kita", "larger:1", "eigener OR platz", "tag:eilt",
                      "from:petra.mustermann@citizen.example", "assignee:helga", f"ref:{_ref(lent)}"):  # fmt: skip
            _clean(client.get("/search", params={"q": asked}))
        for asked in ("eigener", "team:kita", "is:open", "assignee:helga", "brief -nichts"):
            assert "Eigener Brief" in client.get("/search", params={"q": asked}).text, asked
        # One open conversation is counted, of the two that there are.
        assert _counted(client) == "1"


def _ref(lent: Lent) -> str:
    return lent.office.reference(lent.theirs)


def _counted(client: TestClient) -> str:
    found = re.search(r'href="/inbox/kita"[^>]*>.*?(\d+)', client.get("/inbox/kita").text, re.DOTALL)
    return found[1] if found else ""


def test_it_begins_with_being_assigned_and_ends_with_it(lent: Lent) -> None:
    office, own = lent.office, f"/c/{lent.office.reference(lent.own)}"
    third = office.mail(letter("Dritter Brief"), age_s=7_000, sender="3@c.example")
    with office.client("helga") as helga, office.client("petra") as petra:
        token, hers = (token_in(who.get("/sessions").text) for who in (petra, helga))
        # They may there what the role says.
        assert helga.post(f"{own}/note", data={"token": hers, "team": "kita", "note": "Notiz"}).status_code == 303
        written = helga.get(f"{own}/reply")
        assert written.status_code == 200
        assert 'value="send"' in written.text
        assert helga.post(f"{own}/state", data={"token": hers, "team": "kita", "state": "closed"}).status_code == 303
        assert helga.get("/write").status_code == 403
        # A coordinator assigns, and takes back.
        reference = office.reference(third)
        assert helga.get(f"/c/{reference}").status_code == 404
        for login, status in (("helga", 200), ("", 404)):
            data = {"token": token, "team": "kita", "assignee": login}
            assert petra.post(f"/c/{reference}/assignee", data=data).status_code == 303
            assert helga.get(f"/c/{reference}").status_code == status
            assert ("Dritter Brief" in helga.get("/inbox/kita").text) is (login == "helga")
        # What they give away is gone from their list, which says so.
        answer = helga.post(f"{own}/assignee", data={"token": hers, "team": "kita", "assignee": ""})
        assert "nicht mehr bei Ihnen" in follow(helga, answer).text
        assert helga.get(own).status_code == 404


def test_something_to_do_is_taken_unseen_by_who_helps(lent: Lent) -> None:
    office = lent.office
    with office.client("helga") as helga:
        page = helga.get("/offer?team=kita")
        assert page.status_code == 200
        _clean(page)
        taken = helga.post("/offer", data={"token": token_in(page.text), "team": "kita"})
        assert taken.headers["location"].startswith(f"/c/{office.reference(lent.theirs)}")
        assert CANARY in helga.get(taken.headers["location"]).text
        assert "Gerade ist nichts frei" in follow(helga, helga.get("/offer?team=kita")).text


def test_who_reads_the_inbox_and_helps_in_it_acts_on_what_is_theirs_alone(lent: Lent) -> None:
    office = lent.office
    office.grant("helga", Role.READER, "kita")
    with office.client("helga") as helga:
        form = {"token": token_in(helga.get("/sessions").text), "team": "kita", "state": "closed"}
        answers = [helga.post(f"/c/{office.reference(n)}/state", data=form) for n in (lent.theirs, lent.own)]
        assert [answer.status_code for answer in answers] == [403, 303]


def test_the_open_page_of_a_helper_is_woken_by_what_is_theirs_alone(lent: Lent) -> None:
    office = lent.office

    def marks() -> dict[str, tuple[int, ...]]:
        with office.database.read() as connection:
            held = grants_of(connection, lent.helper_id)
            seen = visible(held, {"kita": None}, NOW_MS, lent.helper_id)
            return own_marks(connection, visible=seen)

    before = marks()
    assert before.keys() == {"kita"}
    office.mail(letter("Fremder Brief", sender="4@c.example"), age_s=10)
    with office.client("petra") as petra:
        token = token_in(petra.get("/sessions").text)
        for number, is_news in ((lent.theirs, False), (lent.own, True)):
            note = {"token": token, "team": "kita", "note": "Notiz"}
            assert petra.post(f"/c/{office.reference(number)}/note", data=note).status_code == 303
            assert (marks() != before) is is_news
