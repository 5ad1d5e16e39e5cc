"""The page of the audit log: for auditors alone, no word of mail, and readings only when two people agree."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from maild.archive.audit_requests import SHOWN, NewRequest, ask
from maild.policy.roles import Role
from tests.web.office import Office, letter, sign_in, token_in

DAY_MS = 86_400_000
SECRET = "Auditkanarie"


@pytest.fixture
def watched(office: Office) -> Office:
    """An office in which jonas has read and searched, and closed a conversation."""
    office.user("alex", (Role.AUDITOR, None))
    office.user("bea", (Role.AUDITOR, None))
    office.user("petra", (Role.MANAGER, "kita"))
    office.user("jonas", (Role.RESPONDER, "kita"))
    office.user("bert", (Role.MANAGER, "bauamt"))
    office.mail(letter(SECRET, f"{SECRET}\n", key="a@b.example"))
    with office.client("jonas") as jonas:
        path = _path(office)
        assert SECRET in jonas.get(path).text
        jonas.get("/search?q=nachbarin")
        _post(jonas, f"{path}/state", team="kita", state="closed")
        _post(jonas, f"{path}/note", team="kita", note=SECRET)
    return office


def _path(office: Office) -> str:
    with office.database.read() as connection:
        reference = connection.exec_driver_sql("SELECT reference FROM conversations ORDER BY id").scalar()
    return f"/c/{reference}"


def _post(client: TestClient, path: str, **fields: str) -> int:
    token = token_in(client.get("/sessions").text)
    return int(client.post(path, data={"token": token, **fields}).status_code)


def _rows(page: str) -> list[str]:
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in body.split("</tr>") if row.strip()]


def test_the_log_is_shown_to_auditors_alone_and_holds_no_word_of_mail(watched: Office) -> None:
    for login, status in (("alex", 200), ("petra", 403), ("jonas", 403)):
        with watched.client(login) as client:
            page = client.get("/audit")
            assert page.status_code == status
            assert SECRET not in page.text
    with watched.client("alex") as alex:
        rows = _rows(alex.get("/audit").text)
        assert any("jonas hat den Status geändert" in row for row in rows)
        assert alex.get(_path(watched)).status_code == 404


def test_each_look_into_the_log_is_in_the_log(watched: Office) -> None:
    with watched.client("alex") as alex, watched.client("bea") as bea:
        alex.get("/audit?person=jonas&first=2026-01-01")
        (row,) = _rows(bea.get("/audit?person=alex&act=audited").text)
        assert "hat das Protokoll benutzt person=jonas first=2026-01-01" in row


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("person=JONAS&act=noted", 1),
        ("person=petra&act=noted", 0),
        ("team=kita", 2),
        ("team=bauamt", 0),
        ("act=state&last=2026-09-20", 0),
        ("act=state&first=2026-09-21&last=2026-09-30", 1),
        ("conversation=HERE", 2),
        ("conversation=0000-0001", 0),
        ("conversation=unsinn", 0),
    ],
)
def test_records_are_found_by_who_what_where_and_when(watched: Office, query: str, found: int) -> None:
    query = query.replace("HERE", _path(watched).removeprefix("/c/"))
    with watched.client("alex") as alex:
        assert len(_rows(alex.get(f"/audit?{query}").text)) == found


def test_a_day_that_is_none_is_said_and_nothing_fails(watched: Office) -> None:
    with watched.client("alex") as alex:
        for query in ("first=31.5.2026", "last=9999-12-31", "before=x", f"before={1 << 70}", "before=-1"):
            assert alex.get(f"/audit?{query}").status_code == 400


def test_fifty_records_stand_on_a_page_and_the_older_ones_on_the_next(watched: Office) -> None:
    with watched.client("alex") as alex:
        for _ in range(50):
            alex.get("/audit?act=state")
        page = alex.get("/audit?person=alex").text
        assert len(_rows(page)) == 50
        older = re.search(r'href="(/audit\?[^"]*before=\d+)"', page)
        assert older is not None
        rest = _rows(alex.get(older[1].replace("&amp;", "&")).text)
        assert 0 < len(rest) < 50


def _readings(client: TestClient, query: str = "") -> list[str]:
    rows = _rows(client.get(f"/audit?{query}").text)
    return [row for row in rows if "hat einen Vorgang geöffnet" in row or "hat gesucht" in row]


def _waiting(client: TestClient, path: str) -> str:
    found = re.search(r'name="request" value="(\d+)"', client.get(path, follow_redirects=True).text)
    return "" if found is None else found[1]


def test_what_a_person_read_is_shown_when_a_second_auditor_agrees_and_for_that_time_only(watched: Office) -> None:
    with watched.client("alex") as alex, watched.client("bea") as bea:
        assert _readings(alex) == []
        assert _post(alex, "/audit/requests", person="jonas", purpose="Verdacht vom 3. Mai", days="1") == 303
        assert _readings(alex) == []
        number = _waiting(bea, "/audit")
        assert _waiting(alex, "/audit") == ""
        assert _post(alex, "/audit/decisions", request=number, agreed="yes") == 404
        assert _post(bea, "/audit/decisions", request=number, agreed="yes") == 303
        assert _post(bea, "/audit/decisions", request=number, agreed="no") == 404
        shown = _readings(alex)
        assert len(shown) == 2
        assert any("nachbarin" in row for row in shown)
        assert _readings(bea) == []
        watched.clock.ms += DAY_MS
        sign_in(alex, "alex")
        assert _readings(alex) == []


def test_a_manager_whom_it_concerns_may_agree_and_another_may_not(watched: Office) -> None:
    with watched.client("alex") as alex, watched.client("petra") as petra, watched.client("bert") as bert:
        reference = _path(watched).removeprefix("/c/")
        assert _post(alex, "/audit/requests", conversation=reference, purpose="Beschwerde") == 303
        assert _waiting(bert, "/inbox/bauamt") == ""
        number = _waiting(petra, "/inbox/kita")
        assert _post(bert, "/audit/decisions", request=number, agreed="yes") == 404
        assert _post(petra, "/audit/decisions", request=number, agreed="yes") == 303
        (row,) = _readings(alex)
        assert reference in row
        # Not what else was read or searched for.
        assert "nachbarin" not in row


def test_nobody_decides_on_what_concerns_them_and_what_was_declined_is_not_shown(watched: Office) -> None:
    with watched.client("alex") as alex, watched.client("petra") as petra, watched.client("bea") as bea:
        assert _post(alex, "/audit/requests", person="petra", purpose="Prüfung") == 303
        assert _waiting(petra, "/inbox/kita") == ""
        number = _waiting(bea, "/audit")
        assert _post(petra, "/audit/decisions", request=number, agreed="yes") == 404
        assert _post(bea, "/audit/decisions", request=number, agreed="no") == 303
        petra.get(_path(watched))
        assert _readings(alex) == []
        assert "abgelehnt von bea" in alex.get("/audit").text


@pytest.mark.parametrize(
    "fields",
    [
        {"person": "jonas", "purpose": " "},
        {"person": "", "purpose": "x"},
        {"person": "niemand", "purpose": "x"},
        {"person": "", "conversation": "0000-0001", "purpose": "x"},
    ],
)
def test_a_request_without_purpose_or_object_is_not_kept(watched: Office, fields: dict[str, str]) -> None:
    with watched.client("alex") as alex:
        assert _post(alex, "/audit/requests", **fields) == 400
        page = alex.get("/audit").text.partition("</main>")[0]
        assert "wartet" not in page.partition("Sehen, was gelesen wurde")[2]


def test_of_very_many_requests_the_oldest_wait_first_and_the_rest_is_counted(watched: Office) -> None:
    with watched.client("bea") as bea:
        for number in range(SHOWN + 2):
            new = NewRequest(
                asked_by="alex", purpose=f"Zweck {number}", login="jonas", conversation_id=None, days=1, asked_ms=1
            )
            watched.database.writer.submit(ask, new)
        page = bea.get("/audit").text
        assert "Zweck 0 " in page
        assert f"Zweck {SHOWN} " not in page
        assert "Dahinter warten 2 weitere Anfragen." in page
        # What is behind can be decided on as well.
        assert _post(bea, "/audit/decisions", request=str(SHOWN + 2), agreed="no") == 303
        assert "Dahinter wartet 1 weitere Anfrage." in bea.get("/audit").text
