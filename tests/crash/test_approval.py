"""SIGKILL at each step of an approval: the change is in force under both names, or waits for a decision again."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest

from maild.archive.accounts import NewGrant, NewUser, add_grants, add_users
from maild.archive.database import Database
from maild.archive.passwords import Cost, hash_password
from maild.archive.proposals import NewProposal, Proposal, proposal, propose
from maild.archive.versions import Recorded, history
from maild.policy.roles import Role
from maild.rules.rulebook import Rulebook
from tests.cli.daemons import Daemon, serving, until
from tests.crash.harness import Daemon as Office
from tests.crash.scale import scaled
from tests.crash.stopping import STEPS
from tests.crash.test_sending import opened

URL = "http://127.0.0.1:1"
PASSWORD = "a long pass phrase for tests"


def _settle(office: Office, new: str) -> int:
    """Make two who edit rules, and what one of them proposes; return its number."""
    rules = office.directory / "rules.yaml"
    book = Rulebook(rules, office.directory)
    book.load_at_start()
    database = opened(office)
    try:
        password = hash_password(PASSWORD, Cost(memory_kib=64, iterations=1))
        for login in ("rita", "ralf"):
            person = NewUser(login=login, name="", mail=None, password=password, created_ms=1)
            database.writer.submit(add_users, person).result()
            grant = NewGrant(login=login, role=Role.RULE_EDITOR, team=None, from_ms=0, until_ms=None, granted_by="test")
            database.writer.submit(add_grants, grant).result()
        asked = NewProposal(base_digest=book.current.version, source=new, author="rita", reason="weil", made_ms=1)
        return int(database.writer.submit(propose, asked).result())
    finally:
        database.close()


def _approve(daemon: Daemon, number: int) -> int | None:
    """Approve as ralf; return the answer's status, or None when there was none."""
    address = f"http://127.0.0.1:{daemon.ready()['web']}"
    headers = {"Origin": URL, "Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=address, headers=headers, timeout=60) as ralf:
        given = {"login": "ralf", "password": PASSWORD}
        assert ralf.post("/login", data=_token(ralf.get("/login")) | given).status_code == 303
        page = ralf.get(f"/rules/proposals/{number}")
        if page.status_code != 200:
            return page.status_code
        try:
            answer = ralf.post(f"/rules/proposals/{number}", data=_token(page) | {"decision": "approved"})
        except httpx2.TransportError:
            return None
    return answer.status_code


def _token(page: httpx2.Response) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))


def _found(office: Office, number: int) -> tuple[str, Proposal, Recorded]:
    database = Database("", office.data_dir)
    try:
        with database.read() as connection:
            text = (office.directory / "rules.yaml").read_text()
            return text, proposal(connection, number), history(connection)[0]
    finally:
        database.close()


# Step → is it in force after the restart?
FATES = {"deciding": False, "decided": False, "replacing": False, "placed": True, "signing": True}


@pytest.mark.timeout(scaled(120, 0))
@pytest.mark.parametrize("step", scaled(["decided"], list(STEPS)))
def test_an_approval_is_carried_out_or_waits(tmp_path: Path, step: str) -> None:
    office = Office(tmp_path, settings='[rules]\napproval = "two"\n')
    old = (tmp_path / "rules.yaml").read_text()
    new = old.replace("dringend", "eilig")
    number = _settle(office, new)
    environ = {"MAILD_WEB__BASE_URL": URL, "MAILD_LOG__LEVEL": "info"}
    program = ("-m", "tests.crash.stopping", step)
    with serving(tmp_path, "--only", "web", environ=environ, program=program) as daemon:
        assert _approve(daemon, number) is None
        until(lambda: daemon.process.poll() is not None, "killed")
    with serving(tmp_path, "--only", "web", environ=environ) as daemon:
        daemon.ready()
        text, asked, newest = _found(office, number)
        told = [(each["proposal"], each["outcome"]) for each in daemon.events("rules.settled")]
        if FATES[step]:
            assert told == [(number, "in-force")]
        else:
            assert told == ([] if step == "deciding" else [(number, "waits-again")])
            assert (text, asked.decision, newest.author) == (old, None, "file")
            assert _approve(daemon, number) == 303
            text, asked, newest = _found(office, number)
        assert (text, asked.decided_by) == (new, "ralf")
        assert (newest.author, newest.reason, newest.approved_by) == ("rita", "weil", "ralf")
        assert _approve(daemon, number) == 404
