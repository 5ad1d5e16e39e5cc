"""What people do on the pages stands in the audit log: each act by whom, on what, and never a word of a letter."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.testclient import TestClient

from maild.archive.app_passwords import NewAppPassword, add_app_passwords
from maild.archive.audit import broken_records
from maild.policy.roles import Role
from tests.web.office import Office, letter, shown_id, sign_in, token_in

DAY_MS = 86_400_000
SECRET = "Vertraulichkanarie"


def _log(office: Office, *acts: str) -> list[dict[str, Any]]:
    # Whatever was handed over before is committed when the writer has answered this.
    office.database.writer.submit(lambda _, arguments: [None] * len(arguments), None).result()
    with office.database.read() as connection:
        assert list(broken_records(connection)) == []
        rows = connection.exec_driver_sql("SELECT * FROM audit ORDER BY sequence").mappings().all()
    return [{**row, "details": json.loads(row["details"])} for row in rows if row["act"] in acts or not acts]


def _post(client: TestClient, path: str, **fields: str) -> None:
    token = token_in(client.get("/sessions").text)
    assert client.post(path, data={"token": token, **fields}).status_code == 303, path


def _short(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    return [(row["actor"], row["act"], row["team"], row["about"]) for row in rows]


def test_reading_is_recorded_once_a_person_conversation_and_day(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    office.user("jonas", (Role.READER, "kita"))
    number = office.mail(letter(SECRET))
    path = f"/c/{office.reference(number)}"
    paths = (path, f"/m/{shown_id(number)}", f"/m/{shown_id(number)}/raw", f"/m/{shown_id(number)}/source",
             f"/m/{shown_id(number)}/part/9", f"/m/{shown_id(number)}/why")  # fmt: skip
    with office.client("petra") as petra, office.client("jonas") as jonas:
        for each in paths:
            petra.get(each)
        jonas.get(paths[2])
        assert _short(_log(office, "read")) == [("petra", "read", "kita", ""), ("jonas", "read", "kita", "")]
        office.clock.ms += DAY_MS
        sign_in(petra, "petra")
        petra.get(path)
        rows = _log(office, "read")
        assert len(rows) == 3
        assert len({row["conversation_id"] for row in rows}) == 1


def test_what_was_not_there_to_be_read_is_not_recorded_as_read(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    number = office.mail(letter("Bauantrag"), "bauamt@musterstadt.example")
    with office.client("petra") as petra:
        for path in (f"/c/{office.reference(number)}", f"/m/{shown_id(number)}", f"/m/{shown_id(number)}/raw"):
            assert petra.get(path).status_code == 404
    assert _log(office, "read") == []


def test_searches_and_exports_are_recorded(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    with office.client("petra") as petra:
        petra.get("/search?q=from:mustermann+kita")
        petra.get("/search?q=kita&before=0000000000001")
        petra.get("/search")
        petra.get("/returned.csv?team=kita")
    assert _short(_log(office, "searched", "exported")) == [
        ("petra", "searched", "", "from:mustermann kita"),
        ("petra", "exported", "kita", "returned.csv"),
    ]


def test_what_is_done_with_a_conversation_is_recorded_as_it_was_and_became(office: Office) -> None:
    office.user("petra", (Role.COORDINATOR, "kita"))
    office.user("jonas", (Role.RESPONDER, "kita"), name="Jonas K.")
    number = office.mail(letter(SECRET, f"{SECRET}\n"))
    path = f"/c/{office.reference(number)}"
    with office.client("petra") as petra:
        _post(petra, f"{path}/assignee", team="kita", assignee="jonas")
        _post(petra, f"{path}/assignee", team="kita", assignee="")
        _post(petra, f"{path}/note", team="kita", note=f"{SECRET} Notiz")
        _post(petra, f"{path}/state", team="kita", state="closed")
    rows = _log(office, "assigned", "noted", "state")
    assert [(row["act"], row["details"].get("from"), row["details"].get("to")) for row in rows] == [
        ("assigned", "", "jonas"),
        ("assigned", "jonas", ""),
        ("noted", None, None),
        ("state", "open", "closed"),
    ]
    assert SECRET not in repr(_log(office))


def test_an_answer_is_recorded_with_its_author_and_its_letter(office: Office) -> None:
    office.user("petra", (Role.RESPONDER, "kita"))
    office.user("emil", (Role.DRAFTER, "kita"))
    number = office.mail(letter(SECRET))
    path = f"/c/{office.reference(number)}/reply"
    fields = {"draft": "0000000000009", "to": "petra.mustermann@citizen.example", "subject": SECRET, "text": SECRET,
              "from": "kita.platzvergabe@musterstadt.example", "after": "closed"}  # fmt: skip
    with office.client("emil") as emil:
        _post(emil, path, do="release", **fields | {"draft": "0000000000008"})
    with office.client("petra") as petra:
        _post(petra, path, do="send", **fields)
    released, answered = _log(office, "released", "answered")
    assert _short([released, answered])[0] == ("emil", "released", "kita", "0000000000008")
    assert (answered["actor"], answered["details"]["kind"], answered["details"]["recipients"]) == ("petra", "answer", 1)
    assert SECRET not in repr(_log(office))


def test_signing_in_and_out_and_being_refused_are_recorded_and_what_is_typed_for_nobody_is_not(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    with office.client() as client:
        for login in ("Petra", "geheimes-passwort"):
            token = token_in(client.get("/login").text)
            form = {"token": token, "login": login, "password": "falsch"}
            for _ in range(2):
                assert client.post("/login", data=form).status_code == 403
        # Nothing is written beside the answer: the time that it takes would tell who there is.
        assert _log(office) == []
        sign_in(client, "PETRA")
        made = NewAppPassword(login="petra", name="Telefon", password="$argon2id$x", at_ms=office.clock.ms)
        password = office.database.writer.submit(add_app_passwords, made).result()
        _post(client, "/sessions/mail-programs", password=str(password))
        _post(client, "/sessions")
        _post(client, "/logout")
        form = {"token": token_in(client.get("/login").text), "login": "petra", "password": "falsch"}
        client.post("/login", data=form)
        site: Any = client.app
        at_end: Callable[[], Awaitable[None]] = site.state.at_end
        office.loop.call(at_end)  # as the daemon does when it ends
    assert [row["details"].get("times") for row in _log(office, "refused")] == [2, 1]
    assert _short(_log(office)) == [
        ("", "refused", "", "petra"),
        ("petra", "signed-in", "", "petra"),
        ("operator", "credential", "", "petra"),
        ("petra", "credential", "", "petra"),
        ("petra", "signed-out", "", "petra"),
        ("", "refused", "", "petra"),
    ]


def test_a_log_that_cannot_be_written_keeps_no_letter_from_its_reader(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    number = office.mail(letter(SECRET))
    with office.client("petra") as petra:
        petra.get(f"/c/{office.reference(number)}")  # which is seen from now on, and nothing is left to write
        with office.database.writing.begin() as connection:
            connection.exec_driver_sql("DROP TABLE audit_head")
        office.clock.ms += 1_000
        assert SECRET in petra.get(f"/m/{shown_id(number)}").text
        assert petra.get("/search?q=kita").status_code == 200
