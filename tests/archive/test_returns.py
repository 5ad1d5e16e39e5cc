"""What came back: tied to the mail of ours that it is about, filed there, and kept in the register."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import Filed, file
from maild.archive.register import Registered, as_csv, mailings, register, returns_of
from maild.archive.schema import entries, summaries
from maild.archive.schema_outgoing import deliveries, outgoing, returns
from maild.mail.dsn import Report, Returned, ReturnedMail
from maild.policy.visible import NOTHING, OPERATOR, Visible
from tests.archive.samples import NOW_MS, acceptance, filing

MAX = "max@citizen.example"
DAEMON = "mailer-daemon@mx.example"
KITA = Visible(teams=frozenset({"kita"}))


def _file(
    database: Database,
    number: int,
    *,
    direction: str = "in",
    token: int | None = None,
    report: Report | None = None,
    to: tuple[str, ...] = ("info@musterstadt.example",),
    **how: Any,
) -> Filed:
    message_id = database.writer.submit(accept, acceptance(number, direction=direction, to=to)).result().message_id
    item = filing(message_id, direction=direction, **how)._replace(report=report, delivery_id=token)
    filed = database.writer.submit(file, item).result()
    assert filed is not None
    return filed


def _sent(database: Database, number: int = 1, *, key: str = "own@a.example", teams: tuple[str, ...] = ("kita",),
          to: tuple[str, ...] = (MAX,), direction: str = "out") -> tuple[Filed, int]:  # fmt: skip
    """File a letter of ours, or one that is sent on (`in`); return it with the first of its deliveries."""
    sent = _file(database, number, direction=direction, key=key, teams=teams, to=to, author="kita@a.example", people=to)

    def record(connection: Connection) -> int:
        if direction == "out":
            row = {"message_id": sent.message_id, "kind": "answer", "team": "kita", "author": "kira"}
            connection.execute(insert(outgoing).values(row))
        ids = []
        for recipient in to:
            row = {
                "message_id": sent.message_id, "kind": "smtp", "recipient": recipient, "reverse_path": None,
                "next_hop": "citizen.example", "state": "delivered", "dsn": "{}", "once": 0, "attempts": 1,
                "made_ms": 0, "due_ms": 0, "expires_ms": 0, "outcome": "", "doubtful": 0,
            }  # fmt: skip
            ids.append(connection.execute(insert(deliveries).values(row).returning(deliveries.c.id)).scalar_one())
        return int(ids[0])

    with database.writing.begin() as connection:
        delivery_id = record(connection)
        connection.execute(
            update(entries).where(entries.c.conversation_id == sent.conversation_id).values(state="closed", seen_ms=1)
        )
    return sent, delivery_id


def _report(recipient: str = MAX, *, key: str = "own@a.example", action: str = "failed", **about: Any) -> Report:
    each = Returned(recipient=recipient, action=action, code="5.1.1", reason="user-unknown", text="550 no such user")
    return Report(recipients=(each,), about=ReturnedMail(message_key=key, **about))


def _back(database: Database, number: int, report: Report | None, **how: Any) -> Filed:
    usual: dict[str, Any] = {"author": DAEMON, "automatic": 2, "teams": ("kita",)}
    return _file(database, number, report=report, **(usual | how))


def _entry(database: Database, conversation_id: int, team: str = "kita") -> Any:
    with database.read() as connection:
        return connection.execute(
            select(entries).where(entries.c.conversation_id == conversation_id, entries.c.team == team)
        ).one()


def test_a_report_about_a_letter_that_was_sent_on_joins_that_letter(database: Database) -> None:
    sent, delivery_id = _sent(database, direction="in")
    back = _back(database, 2, _report(key=""), token=delivery_id, teams=("poststelle",))
    assert (back.conversation_id, back.teams) == (sent.conversation_id, ("kita",))
    assert _entry(database, sent.conversation_id).state == "open"


def test_a_report_by_token_joins_the_letter_it_is_about_which_reopens_and_rises(database: Database) -> None:
    sent, delivery_id = _sent(database)
    back = _back(database, 2, _report("max@elsewhere.example", key=""), token=delivery_id, teams=("poststelle",))
    assert (back.conversation_id, back.teams) == (sent.conversation_id, ("kita",))
    entry = _entry(database, sent.conversation_id)
    assert (entry.state, entry.newest_id, entry.seen_ms) == ("open", back.message_id, None)
    with database.read() as connection:
        (came,) = returns_of(connection, visible=KITA, message_ids=[sent.message_id])[sent.message_id]
        state = connection.scalar(select(deliveries.c.state))
    # Forwarded by him to another mailbox: what we sent to is what the register has.
    assert (came.report_id, came.delivery_id, came.recipient) == (back.message_id, delivery_id, MAX)
    assert (came.action, came.code, came.hard, came.reason) == ("failed", "5.1.1", True, "user-unknown")
    assert came.text == "550 no such user"
    assert state == "delivered", "no report changes a delivery"


def test_a_report_without_token_is_tied_by_what_it_returns(database: Database) -> None:
    sent, delivery_id = _sent(database)
    back = _back(database, 2, _report("MAX@Citizen.example"))
    assert back.conversation_id == sent.conversation_id
    assert _entry(database, sent.conversation_id).state == "open"
    with database.read() as connection:
        row = connection.execute(select(returns)).one()
    assert (row.about_id, row.delivery_id, row.team, row.recipient) == (sent.message_id, delivery_id, "kita", MAX)


@pytest.mark.parametrize(
    ("report", "how"),
    [
        (_report("eve@evil.example"), {}),  # it was never sent there
        (_report(key="other@a.example"), {}),
        (_report(), {"teams": ("poststelle",)}),  # a team that does not have the letter
        (_report(), {"direction": "out"}),
    ],
)
def test_a_report_about_nothing_of_ours_stays_a_letter(database: Database, report: Report, how: dict[str, Any]) -> None:
    sent, _ = _sent(database)
    back = _back(database, 2, report, **how)
    assert back.conversation_id == back.message_id
    entry = _entry(database, sent.conversation_id)
    assert (entry.state, entry.newest_id) == ("closed", sent.message_id)
    with database.read() as connection:
        assert connection.execute(select(returns.c.about_id).where(returns.c.about_id.is_not(None))).all() == []


def test_a_report_about_a_letter_received_is_about_nothing_of_ours(database: Database) -> None:
    letter = _file(database, 1, key="own@a.example", teams=("kita",), to=(MAX,))
    assert _back(database, 2, _report()).conversation_id != letter.conversation_id


@pytest.mark.parametrize("action", ["delayed", "delivered"])
def test_a_report_of_success_or_delay_reopens_nothing(database: Database, action: str) -> None:
    sent, delivery_id = _sent(database)
    back = _back(database, 2, _report(action=action), token=delivery_id)
    assert back.conversation_id == sent.conversation_id
    assert _entry(database, sent.conversation_id).state == "closed"
    with database.read() as connection:
        assert register(connection, visible=OPERATOR) == []


def test_an_automatic_answer_to_the_token_joins_and_reopens_nothing(database: Database) -> None:
    sent, delivery_id = _sent(database)
    back = _back(database, 2, None, token=delivery_id, teams=("poststelle",), automatic=1)
    assert (back.conversation_id, back.teams) == (sent.conversation_id, ("kita",))
    assert _entry(database, sent.conversation_id).state == "closed"


@pytest.mark.parametrize("by_token", [True, False])
def test_what_comes_back_for_a_confidential_letter_is_confidential(database: Database, by_token: bool) -> None:
    sent, delivery_id = _sent(database, teams=("kita:confidential",))
    back = _back(database, 2, _report(), token=delivery_id if by_token else None)
    assert (back.conversation_id, back.teams) == (sent.conversation_id, ("kita:confidential",))
    with database.read() as connection:
        assert register(connection, visible=KITA) == []
        assert returns_of(connection, visible=KITA, message_ids=[sent.message_id]) == {}
        inner = Visible(teams=frozenset({"kita:confidential"}))
        assert [line.recipient for line in register(connection, visible=inner)] == [MAX]


def test_whoever_sends_a_report_takes_no_part_in_the_conversation(database: Database) -> None:
    sent, delivery_id = _sent(database)
    eve = "eve@evil.example"
    _back(database, 2, _report(), token=delivery_id, author=eve, people=(eve,), key="r@evil.example",
          refers=("x@evil.example",))  # fmt: skip
    answer = _file(database, 3, author=eve, key="x@evil.example", refers=("r@evil.example",), teams=("kita",))
    assert answer.conversation_id != sent.conversation_id
    with database.read() as connection:
        assert connection.scalar(select(summaries.c.from_mail).where(summaries.c.from_mail == eve)) == eve


def test_of_several_recipients_only_those_it_was_sent_to_are_tied(database: Database) -> None:
    sent, delivery_id = _sent(database, to=(MAX, "eva@citizen.example"))
    both = Report(recipients=(Returned(recipient="eva@citizen.example"), Returned(recipient="eve@evil.example")))
    _back(database, 2, both, token=delivery_id)
    with database.read() as connection:
        rows = connection.execute(select(returns).order_by(returns.c.position)).all()
    assert [(row.recipient, row.about_id) for row in rows] == [
        ("eva@citizen.example", sent.message_id),
        ("eve@evil.example", None),
    ]


def test_returns_of_one_mass_mailing_share_a_conversation_and_fill_the_register(database: Database) -> None:
    about: dict[str, Any] = {"sender": "info@a.example", "subject": "=Einladung", "date_ms": NOW_MS}
    backs = [
        _back(database, n, _report(f"b{n % 3}@citizen.example", key=f"{n}@mailer.example", **about))
        for n in range(1, 7)
    ]
    other = _back(database, 8, _report("b@citizen.example", key="8@m.example", **(about | {"subject": "Bescheid"})))
    elsewhere = _back(database, 9, _report("b@citizen.example", key="9@m.example", **about), teams=("poststelle",))
    assert {back.conversation_id for back in backs} == {backs[0].message_id}
    assert other.conversation_id == other.message_id
    assert elsewhere.conversation_id == elsewhere.message_id
    with database.read() as connection:
        found = mailings(connection, visible=KITA)
        (name,) = [m.name for m in found if "Einladung" in m.name]
        lines = register(connection, visible=KITA, mailing=name)
        assert not mailings(connection, visible=NOTHING)
        assert not register(connection, visible=NOTHING)
        everything = register(connection, visible=OPERATOR)
    assert sorted((m.team, m.recipients, m.hard) for m in found) == [("kita", 1, 1), ("kita", 3, 3)]
    assert sorted((line.recipient, line.count) for line in lines) == [(f"b{n}@citizen.example", 2) for n in range(3)]
    assert all(line.first_ms <= line.last_ms for line in lines)
    assert {line.team for line in everything} == {"kita", "poststelle"}


def test_returns_of_one_mailing_in_one_group_share_a_conversation(database: Database) -> None:
    items = []
    for number in range(1, 4):
        message_id = database.writer.submit(accept, acceptance(number)).result().message_id
        report = _report("b@c.example", key="", sender="info@a.example", subject="Fest", date_ms=NOW_MS)
        items.append(filing(message_id, author=DAEMON, automatic=2, teams=("kita",))._replace(report=report))
    with database.writing.begin() as connection:
        done = [filed for filed in file(connection, items) if filed is not None]
    assert {filed.conversation_id for filed in done} == {items[0].message_id}


def test_the_register_is_a_table_that_runs_nothing() -> None:
    line = Registered(
        team="kita", mailing="=cmd|' /C calc'!A0", recipient="+max@citizen.example", code="5.1.1",
        reason="user-unknown", hard=True, first_ms=NOW_MS, last_ms=NOW_MS, count=2,
    )  # fmt: skip
    head, row = list(csv.reader(io.StringIO(as_csv([line]), newline="")))
    assert head[0] == "team"
    assert row == [
        "kita", "'=cmd|' /C calc'!A0", "'+max@citizen.example", "5.1.1", "user-unknown", "hard",
        "2026-09-21T14:13:20Z", "2026-09-21T14:13:20Z", "2",
    ]  # fmt: skip
