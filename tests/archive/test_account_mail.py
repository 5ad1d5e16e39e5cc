"""Which conversations may be opened to a team: those that its leads have because of what a letter looked like."""

from __future__ import annotations

from sqlalchemy import select

from maild.archive.account_mail import led_only, may_be_opened
from maild.archive.between_teams import Handed, Handing, hand
from maild.archive.commit import accept
from maild.archive.compression import compress
from maild.archive.database import Database
from maild.archive.filing import Filed, file
from maild.archive.schema import entries, filings
from maild.mail.address import parse_address
from maild.mail.inbox import confidential
from maild.policy.visible import OPERATOR, Visible
from maild.rules.route import Route
from maild.rules.trace_form import routes_json
from tests.archive.samples import NOW_MS, acceptance, filing

INNER = confidential("kita")
TO = parse_address("kita@musterstadt.example")
LED = Route(recipient=TO, address="kita", teams=("kita",), account=("kita",))
BY_RULE = Route(recipient=TO, address="kita", teams=("kita",), account=("kita",), confidential=True)
ORDINARY = Route(recipient=TO, address="kita", teams=("kita",))


def came(
    database: Database,
    number: int,
    *routes: Route,
    refers: tuple[str, ...] = (),
    direction: str = "in",
    team: str = INNER,
    unled: tuple[str, ...] = (),
) -> Filed:
    accepted = database.writer.submit(accept, acceptance(number, direction=direction)).result()
    made = filing(accepted.message_id, teams=(team,), key=f"{number}@x", refers=refers, direction=direction)
    made = made._replace(trace=compress(routes_json(routes).encode()), unled=unled)
    filed = database.writer.submit(file, made).result()
    assert filed is not None
    return filed


def led(database: Database, filed: Filed, visible: Visible = OPERATOR) -> frozenset[str]:
    with database.read() as connection:
        return led_only(connection, visible=visible, conversation_id=filed.conversation_id)


def test_what_only_looked_so_may_be_opened_and_what_a_rule_put_there_may_not(database: Database) -> None:
    assert led(database, came(database, 1, LED)) == {INNER}
    assert led(database, came(database, 2, LED), Visible(teams=frozenset({"kita"}))) == frozenset()
    assert led(database, came(database, 3, BY_RULE)) == frozenset()
    assert led(database, came(database, 4, LED, BY_RULE)) == frozenset()
    assert led(database, came(database, 5, ORDINARY)) == frozenset()  # it belongs to something confidential


def test_what_people_go_on_writing_in_it_does_not_keep_it_shut(database: Database) -> None:
    first = came(database, 1, LED)
    assert came(database, 2, ORDINARY, refers=("1@x",)).conversation_id == first.conversation_id
    assert led(database, first) == {INNER}
    belongs = came(database, 3, ORDINARY)  # to what was parted from it since
    came(database, 4, LED, refers=("3@x",))
    assert led(database, belongs) == frozenset()


def test_what_follows_in_it_is_not_put_where_nobody_looks_by_a_guess(database: Database) -> None:
    came(database, 1, LED)
    came(database, 2, BY_RULE)
    assert came(database, 3, ORDINARY, refers=("1@x",), team="kita").teams == (INNER,)
    assert came(database, 4, ORDINARY, refers=("1@x",), team="kita", unled=("kita",)).teams == ("kita",)
    assert came(database, 5, ORDINARY, refers=("2@x",), team="kita", unled=("kita",)).teams == (INNER,)


def opened(database: Database, filed: Filed) -> Handed:
    handing = Handing(
        conversation_id=filed.conversation_id, team=INNER, to_team="kita", way="over", by="lena", at_ms=NOW_MS,
        shown=None, opens=True,
    )  # fmt: skip
    return database.writer.submit(hand, handing).result()


def test_what_a_rule_makes_confidential_does_not_go_where_a_lead_has_opened_the_exchange(database: Database) -> None:
    first = came(database, 1, LED)
    assert opened(database, first) == Handed(inbox="kita")
    assert came(database, 2, LED, refers=("1@x",)).teams == ("kita",)
    assert came(database, 3, ORDINARY, refers=("1@x",)).teams == ("kita",)
    assert came(database, 4, BY_RULE, refers=("1@x",)).teams == (INNER,)
    # Nor does what answers it, nor what comes later: the exchange is what the rule says now.
    assert came(database, 5, ORDINARY, refers=("4@x",)).teams == (INNER,)
    assert came(database, 6, LED, refers=("1@x",)).teams == (INNER,)
    assert opened(database, first) == Handed(inbox=None)
    with database.read() as connection:
        asked = select(entries.c.team, entries.c.state).where(entries.c.conversation_id == first.conversation_id)
        states = {tuple(row) for row in connection.execute(asked)}
    assert states == {("kita", "open"), (INNER, "open")}


def test_an_answer_of_ours_changes_nothing_and_a_confidential_letter_more_does(database: Database) -> None:
    first = came(database, 1, LED)
    ours = came(database, 2, refers=("1@x",), direction="out")
    assert ours.conversation_id == first.conversation_id
    assert led(database, first) == {INNER}
    came(database, 3, BY_RULE, refers=("1@x",))
    assert led(database, first) == frozenset()


def test_opening_gives_the_team_the_letters_and_is_looked_at_within_the_transaction(database: Database) -> None:
    looked, secret = came(database, 1, LED), came(database, 2, BY_RULE)

    assert opened(database, looked) == Handed(inbox="kita")
    assert opened(database, secret) == Handed(inbox=None)
    with database.read() as connection:
        assert not may_be_opened(connection, secret.conversation_id, INNER)
        there = connection.scalars(select(filings.c.message_id).where(filings.c.team == "kita")).all()
        states = connection.execute(
            select(entries.c.team, entries.c.state).where(entries.c.conversation_id == looked.conversation_id)
        ).all()
    assert there == [looked.message_id]
    assert {tuple(row) for row in states} == {("kita", "open"), (INNER, "closed")}
