from __future__ import annotations

from sqlalchemy import update

from maild.archive.accounts import (
    Disabling,
    NewGrant,
    NewUser,
    Revocation,
    add_grants,
    add_users,
    disable_users,
    open_grants,
    revoke_grants,
)
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.readers import find_orphans, unread_teams
from maild.archive.schema import entries
from maild.mail.inbox import confidential
from maild.policy.roles import Role
from tests.archive.samples import NOW_MS, acceptance, filing
from tests.web.office import RULES as RULES_TEXT
from tests.web.office import rules

RULES = rules()


def _person(database: Database, login: str, *teams: str) -> None:
    new = NewUser(login=login, name="", mail=None, password=None, created_ms=0)
    database.writer.submit(add_users, new).result()
    for team in teams:
        grant = NewGrant(login=login, role=Role.READER, team=team, from_ms=0, until_ms=None, granted_by="test")
        database.writer.submit(add_grants, grant).result()


def _orphans(database: Database) -> list[str]:
    with database.read() as connection:
        return [orphan.team.id for orphan in find_orphans(connection, RULES, NOW_MS)]


def test_a_team_is_an_orphan_while_no_open_account_may_read_it(database: Database) -> None:
    assert _orphans(database) == ["poststelle", "kita", "bauamt", "mitglieder.by"]
    _person(database, "petra", "poststelle", "kita", "mitglieder")
    _person(database, "jan", "bauamt")
    assert _orphans(database) == []
    disabling = Disabling(login="jan", disabled_ms=NOW_MS)
    database.writer.submit(disable_users, disabling).result()
    assert _orphans(database) == ["bauamt"]
    revocation = Revocation(login="petra", role=Role.READER, team="poststelle", revoked_ms=NOW_MS)
    database.writer.submit(revoke_grants, revocation).result()
    assert _orphans(database) == ["poststelle", "bauamt"]


def test_an_orphan_says_which_addresses_lead_there_and_whether_it_is_the_fallback(database: Database) -> None:
    with database.read() as connection:
        first, _, third, _ = find_orphans(connection, RULES, NOW_MS)
    assert (first.is_fallback, first.addresses) == (True, ("info",))
    assert (third.is_fallback, third.addresses) == (False, ("bauamt", "intern"))
    assert (third.team.line, third.team.column) == (11, 3)


def test_a_team_that_nothing_comes_to_is_no_orphan_though_nobody_reads_it(database: Database) -> None:
    _person(database, "petra", "poststelle", "kita", "bauamt", "mitglieder.by")
    assert _orphans(database) == []
    with database.read() as connection:
        assert unread_teams(open_grants(connection), RULES, NOW_MS) == {"mitglieder"}


def test_a_confidential_inbox_that_mail_comes_to_wants_a_manager_or_somebody_named(database: Database) -> None:
    confiding = "rules:\n  - {id: schutz, when: {to: kita, subject: schutz}, then: {confidential: true}}\n"
    ruleset = rules(RULES_TEXT.replace("rules:\n", confiding))

    def found() -> list[tuple[str, bool]]:
        with database.read() as connection:
            return [(orphan.inbox, orphan.is_fallback) for orphan in find_orphans(connection, ruleset, NOW_MS)]

    _person(database, "petra", "poststelle", "kita", "mitglieder", "bauamt")
    assert found() == [("poststelle:confidential", True), ("kita:confidential", False)]
    _person(database, "nora", "poststelle:confidential")
    assert found() == [("kita:confidential", False)]
    _person(database, "lena", "kita:confidential")
    assert found() == []


def test_what_lies_in_a_confidential_inbox_is_an_alarm_when_its_last_reader_has_gone(database: Database) -> None:
    inner = confidential("kita")

    def found() -> list[tuple[str, bool]]:
        with database.read() as connection:
            return [(orphan.inbox, orphan.waits) for orphan in find_orphans(connection, RULES, NOW_MS)]

    _person(database, "petra", "poststelle", "kita", "mitglieder", "bauamt")
    _person(database, "lena", inner)
    accepted = database.writer.submit(accept, acceptance(1)).result()
    filed = database.writer.submit(file, filing(accepted.message_id, teams=(inner,))).result()
    assert filed is not None
    assert found() == []
    database.writer.submit(disable_users, Disabling(login="lena", disabled_ms=NOW_MS)).result()
    # No rule sends anything there: it was a guess, while somebody was there.
    assert found() == [(inner, True)]
    with database.writing.begin() as connection:
        connection.execute(update(entries).where(entries.c.team == inner).values(state="closed"))
    assert found() == []
