"""A4: a right ends between the page and the commit: nothing of the act is done.

Each unit of work that a page of the site has carried out stands in one table: here, with what it takes to come to it,
or among those that need no right but the account, or that ask for themselves and have a test of their own.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from maild.archive.audit_requests import NewRequest
from maild.archive.audit_requests import ask as ask_for_readings
from maild.archive.folders import Keeping, keep_folders
from maild.archive.proposals import NewProposal, propose
from maild.mail.ids import format_id
from maild.policy.roles import Role
from tests.web.office import RULES, Office, letter, own_token, rules, shown_id
from tests.web.writer import reply

WEB = Path(__file__).parent.parent.parent / "maild" / "web"
TABLES = (
    "entries", "tags", "notes", "drafts", "draft_files", "folders", "handed", "handbook", "models", "outgoing",
    "deliveries", "duties", "grants", "users", "invitations", "rules_proposals", "absences", "leavings", "handovers",
    "conversations", "filings", "audit_requests", "rights_notices", "team_covers", "team_texts",
)  # fmt: skip
# What needs no right: one's own account and ways in, what was looked at, what was said to oneself.
OWN = {
    "add_passkeys", "use_passkeys", "remove_passkeys", "remove_second_factors", "renew_codes", "set_totp", "use_step",
    "use_paper", "welcome", "confirm_sessions", "open_sessions", "end_sessions", "set_preferences", "set_passwords",
    "revoke_app_passwords", "put_away", "redeem", "note_acts", "note_readings", "mark_seen", "notice_mentions",
    "book.end_welcomes", "take_note",
}  # fmt: skip
# What asks by itself, within its transaction, for more than one permission says.
ASKS_ITSELF = {
    "give", "take",  # tests/archive/test_rights.py
    "invite", "agree",  # tests/security/test_w6_invitations.py, tests/security/test_a4_takeover.py
    "mark", "end",  # tests/archive/test_absences.py
    "hand_all_over",  # tests/archive/test_leaving.py
    "choose",  # tests/web/test_copies.py
    "reopen",  # takes back what was decided in the same request, where the file could not be placed
    "sign",  # behind the file of the rules, before which it is asked: tests/web/test_rules_approval.py
}  # fmt: skip


@dataclass
class Late:
    """The writer, before which a right ends when one unit of work comes to it."""

    writer: Any
    end: Callable[[], None] = field(default=lambda: None)
    waits_for: str = ""
    met: bool = False

    def submit(self, unit: Any, argument: Any) -> Any:
        return self.writer.submit(unit, argument)

    def close(self) -> None:
        self.writer.close()

    def run(self, unit: Any, argument: Any) -> Any:
        inner, said = unit, argument
        while hasattr(said, "unit"):
            inner, said = said.unit, said.argument
        if self.waits_for and inner.__name__ == self.waits_for:
            self.waits_for, self.met = "", True
            self.end()
        return self.writer.run(unit, argument)


@dataclass
class Race:
    """One person with every role, whose right ends in time."""

    office: Office
    client: TestClient
    late: Late
    user_id: int
    ways: Any = field(default_factory=lambda: cycle(("taken back", "run out", "closed")))
    all_ways: tuple[str, ...] = ()
    before: list[object] = field(default_factory=list)

    def sql(self, text: str) -> Any:
        with self.office.database.writing.begin() as connection:
            found = connection.exec_driver_sql(text)
            return found.scalar() if found.returns_rows else None

    def post(self, path: str, files: Any = None, **fields: str) -> Any:
        return self.client.post(path, data={"token": self.token, "team": "kita", **fields}, files=files)

    @property
    def token(self) -> str:
        return own_token(self.client)

    def letter(self, subject: str = "Frage", key: str = "", parent: str = "") -> tuple[int, str]:
        number = self.office.mail(letter(subject, key=key, parent=parent))
        return number, self.office.reference(number)

    def state(self) -> list[object]:
        with self.office.database.read() as connection:
            rows = [connection.exec_driver_sql(f"SELECT * FROM {table}").all() for table in TABLES]
            kept = "('read', 'searched', 'exported')"
            rows.append(connection.exec_driver_sql(f"SELECT * FROM audit WHERE act NOT IN {kept}").all())
        return [sorted(map(repr, found)) for found in rows]

    def lose(self, unit: str, act: Callable[[], Any]) -> None:
        """Carry out an act, and have the right end just before its unit of work."""
        way, now_ms = next(self.ways), self.office.clock.ms
        if way == "run out":
            self.sql(f"UPDATE grants SET until_ms = {now_ms + 1} WHERE user_id = {self.user_id}")

        def end() -> None:
            match way:
                case "taken back":
                    self.sql(f"UPDATE grants SET revoked_ms = {now_ms} WHERE user_id = {self.user_id}")
                case "run out":
                    self.office.clock.ms += 1
                case "given away":
                    self.sql("UPDATE entries SET assignee = NULL")
                case _:
                    self.sql(f"UPDATE users SET disabled_ms = {now_ms} WHERE id = {self.user_id}")
            self.before = self.state()

        self.late.end, self.late.waits_for, self.late.met = end, unit, False
        answer = act()
        assert self.late.met, (
            f"{unit}: the act did not come so far: {answer.status_code} {answer.headers} {answer.text}"
        )
        assert self.state() == self.before, (unit, way)
        assert answer.status_code in {303, 400, 403, 404}, (unit, way, answer.status_code)
        self.sql(f"UPDATE grants SET until_ms = NULL, revoked_ms = NULL WHERE user_id = {self.user_id}")
        self.sql(f"UPDATE users SET disabled_ms = NULL WHERE id = {self.user_id}")
        if way == "given away":
            self.sql(f"UPDATE entries SET assignee = {self.user_id} WHERE team = 'kita'")


def _race(office: Office) -> Race:
    held = RULES + "  - id: halt\n    when: {subject: konto}\n    then: {hold: zurückrufen}\n"
    office.book.current, office.book.source = rules(held), held
    for login, team in (("karin", "kita"), ("bert", "bauamt")):
        office.user(login, (Role.RESPONDER, team))
    roles = (Role.ADMINISTRATOR, Role.AUDITOR, Role.RULE_EDITOR)
    user_id = office.user("petra", (Role.MANAGER, "kita"), *((role, None) for role in roles))
    late = Late(office.database.writer)
    office.database.writer = office.services.submitter._writer = late  # type: ignore[assignment]
    return Race(office=office, client=office.client("petra"), late=late, user_id=user_id)


def _helped(office: Office) -> Race:
    """Return somebody who helps: they see and do what is assigned to them."""
    race = _race(office)
    user_id = office.user("helga")
    office.grant("helga", Role.RESPONDER, "kita", only_assigned=True)
    race.user_id, race.client = user_id, office.client("helga")
    race.all_ways = ("given away", "taken back", "run out", "closed")
    race.ways = cycle(race.all_ways)
    return race


def test_no_act_on_letters_outlives_its_right(office: Office) -> None:
    race = _race(office)
    number, one = race.letter("Eins", key="eins@b")
    answer, _ = race.letter("Re: Eins", key="zwei@b", parent="eins@b")
    _, other = race.letter("Anderes")
    here = f"/c/{one}"
    race.lose("handle", lambda: race.post(f"{here}/state", state="closed"))
    race.lose("handle", lambda: race.post(f"{here}/assignee", assignee="karin"))
    race.lose("handle", lambda: race.post(f"{here}/marks", tag="neu"))
    picked = {f"pick-{other}": str(race.sql("SELECT max(revision) FROM entries"))}
    race.lose("handle", lambda: race.post("/inbox/kita/selection", do="closed", **picked))
    handed = {"to": "bauamt", "reason": "Ihr seid dran", **picked}
    race.lose("hand_all", lambda: race.post("/inbox/kita/selection", do="hand", **handed))
    race.lose("hand", lambda: race.post(f"{here}/hand", to="bauamt", reason="Ihr seid dran"))
    race.lose("merge", lambda: race.post(f"{here}/merge", **{"with": other}))
    race.lose("split", lambda: race.post(f"{here}/split", **{f"letter-{shown_id(answer)}": "1"}))
    race.lose("add_notes", lambda: race.post(f"{here}/note", note="intern"))
    race.lose("mark_models", lambda: race.post(f"{here}/model", why="gut"))
    race.lose("save_pages", lambda: race.post("/handbook/kita", title="Seite", text="Text"))
    race.lose("save_texts", lambda: race.post("/templates/kita", name="Dank", subject="Danke", text="Danke."))
    race.lose("keep_folders", lambda: race.post("/search/folders", q="x", name="Suche"))
    keeping = Keeping(user_id=race.user_id, login="petra", team="kita", name="Unsere", query="x", at_ms=1)
    race.late.submit(keep_folders, keeping).result()
    folder = str(race.sql("SELECT max(id) FROM folders"))
    race.lose("drop_folders", lambda: race.post("/search/folders", do="drop", folder=folder))
    undo = race.post(f"{here}/state", state="closed").headers["location"].rpartition("undo=")[2]
    race.lose("undo", lambda: race.post("/undo", undo=undo, next="/"))
    merged = race.post(f"{here}/merge", **{"with": other}).headers["location"].rpartition("undo=")[2]
    race.lose("undo", lambda: race.post("/undo", undo=merged, next="/"))
    konto, _ = race.letter("Neues Konto")
    race.lose("release", lambda: race.post(f"/m/{shown_id(konto)}/release", next="/"))
    assert number


def test_no_letter_leaves_after_its_right(office: Office) -> None:
    race = _race(office)
    number, _ = race.letter("Eins")
    form = reply(office, race.client, number)
    race.lose("save_drafts", lambda: form.press(race.client, "save", text="Guten Tag"))
    upload = {"file": ("plan.txt", b"x", "text/plain")}
    race.lose("add_files", lambda: form.press(race.client, "save", text="Guten Tag", files=upload))
    race.lose("leave", lambda: form.press(race.client, "send", text="Guten Tag"))
    kept = {"text": "Guten Tag"}
    race.lose("remove", lambda: form.press(race.client, "discard", **kept))
    assert form.press(race.client, "send", **kept).status_code == 303
    with office.database.read() as connection:
        message_id, delivery_id = connection.exec_driver_sql("SELECT message_id, id FROM deliveries").one()
    sent = f"/m/{format_id(message_id)}"
    race.lose("take_back", lambda: race.post(f"{sent}/take-back"))
    race.lose("change_and_settle", lambda: race.post(f"/queue/D{delivery_id}", do="hold"))
    race.sql("UPDATE deliveries SET state = 'failed'")
    race.lose("change_and_settle", lambda: race.post(f"{sent}/deliveries", do="retry"))


def test_no_act_of_who_helps_outlives_that_the_entry_is_theirs(office: Office) -> None:
    race = _helped(office)
    number, one = race.letter("Eins")
    konto, _ = race.letter("Neues Konto")
    race.sql(f"UPDATE entries SET assignee = {race.user_id}")
    here = f"/c/{one}"
    for _ in race.all_ways:
        race.lose("handle", lambda: race.post(f"{here}/state", state="closed"))
        race.lose("add_notes", lambda: race.post(f"{here}/note", note="intern"))
        race.lose("mark_models", lambda: race.post(f"{here}/model", why="gut"))
        race.lose("release", lambda: race.post(f"/m/{shown_id(konto)}/release", next="/"))
        picked = {f"pick-{one}": str(race.sql("SELECT max(revision) FROM entries"))}
        race.lose("handle", partial(race.post, "/inbox/kita/selection", do="closed", **picked))
    form, kept = reply(office, race.client, number), {"text": "Guten Tag"}
    upload = {"file": ("plan.txt", b"x", "text/plain")}
    for _ in race.all_ways:
        race.lose("save_drafts", lambda: form.press(race.client, "save", **kept))
    assert form.press(race.client, "save", **kept).status_code == 303
    for _ in race.all_ways:
        race.lose("add_files", lambda: form.press(race.client, "save", files=upload, **kept))
        race.lose("leave", lambda: form.press(race.client, "send", **kept))
        race.lose("remove", lambda: form.press(race.client, "discard", **kept))
    assert form.press(race.client, "send", **kept).status_code == 303
    with office.database.read() as connection:
        message_id = connection.exec_driver_sql("SELECT message_id FROM deliveries").scalar_one()
    race.sql(f"UPDATE entries SET assignee = {race.user_id}")
    for _ in race.all_ways:
        race.lose("take_back", lambda: race.post(f"/m/{format_id(message_id)}/take-back"))
    undo = race.post(f"{here}/state", state="closed").headers["location"].rpartition("undo=")[2]
    for _ in race.all_ways:
        race.lose("undo", lambda: race.post("/undo", undo=undo, next="/"))
    # What is theirs, they take back.
    undo = race.post(f"{here}/state", state="spam").headers["location"].rpartition("undo=")[2]
    assert "said=undone" in race.post("/undo", undo=undo, next="/").headers["location"]
    assert race.sql("SELECT count(*) FROM entries WHERE state = 'spam'") == 0
    race.sql("UPDATE entries SET assignee = NULL, state = 'open'")
    race.ways = cycle(("taken back", "run out", "closed"))
    for _ in range(3):
        race.lose("handle", lambda: race.post("/offer"))


def test_nothing_is_taken_back_at_the_return_after_the_right(office: Office) -> None:
    race = _race(office)
    number, _ = race.letter("Eins")
    away_ms = office.clock.ms - 7_200_000
    race.sql(f"UPDATE entries SET assignee = {race.user_id}")
    race.sql(
        "INSERT INTO absences (user_id, from_ms, until_ms, marked_by, marked_ms) "
        f"VALUES ({race.user_id}, {away_ms}, {office.clock.ms - 1}, 'petra', {away_ms})"
    )
    key = f"{race.sql('SELECT conversation_id FROM entries')}.kita"
    absence = str(race.sql("SELECT id FROM absences"))
    for _ in range(3):
        race.lose("settle", lambda: race.post("/absences/return", absence=absence, **{f"item-{key}": "stay"}))
    assert race.post("/absences/return", absence=absence, **{f"item-{key}": "stay"}).status_code == 303
    assert race.sql("SELECT assignee FROM entries") is None
    assert number


def test_no_act_on_people_rules_and_the_log_outlives_its_right(office: Office) -> None:
    office.services = replace(office.services, settings=replace(office.services.settings, approval="two"))
    race = _race(office)
    race.lose("add_invited", lambda: race.post("/people/accounts", login="neu"))
    karin = str(race.sql("SELECT id FROM users WHERE login = 'karin'"))
    race.lose("disable_users", lambda: race.post("/people/state", number=karin, do="close", sure="yes"))
    race.lose("give", lambda: race.post("/people/grants", login="karin", role="reader"))
    race.lose("take", lambda: race.post("/people/revocations", number=karin, role="responder", sure="yes"))
    race.lose("invite", lambda: race.post("/invitations", login="karin"))
    race.lose("stay", lambda: race.post(f"/person/{karin}/handover", do="stay"))
    race.lose("hand_all_over", lambda: race.post(f"/person/{karin}/handover", sure="yes"))
    race.lose("mark", lambda: race.post("/absences", login="karin"))
    race.lose("ask", lambda: race.post("/audit/requests", person="karin", purpose="Beschwerde", days="3"))
    asked = NewRequest(asked_by="bert", purpose="x", login="karin", conversation_id=None, days=3, asked_ms=1)
    number = race.late.submit(ask_for_readings, asked).result()
    race.lose("decide", lambda: race.post("/audit/decisions", request=str(number), agreed="yes"))
    proposal = NewProposal(base_digest="x", source="version: 1", author="bert", reason="x", made_ms=1)
    number = race.late.submit(propose, proposal).result()
    race.lose("decide", lambda: race.post(f"/rules/proposals/{number}", decision="rejected", reason="nein"))
    changed = {"text": office.book.source.replace("Allgemeine Anfragen", "Allgemeines"), "reason": "neuer Name"}
    race.lose("propose", lambda: race.post("/rules/save", **changed))


def test_every_unit_of_work_of_the_pages_is_in_one_of_the_tables() -> None:
    found = set()
    for path in WEB.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "visit.write":
                found.add(ast.unparse(node.args[0]))
    here = Path(__file__).read_text()
    lost = {name for name in found if f'race.lose("{name.rpartition(".")[2]}"' in here}
    assert found - lost - OWN - ASKS_ITSELF == set()
    assert found >= OWN | ASKS_ITSELF
