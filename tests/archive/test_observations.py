"""What rules that only observe would have done: counted, and named without a word of any mail."""

from __future__ import annotations

import pytest

from maild.archive.as_read import Observation
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.observations import Example, Observed, mail_count, observed
from maild.mail.address import Address
from maild.policy.visible import NOTHING, OPERATOR, Visible
from maild.router.reading import Addressed, Order, read_one
from maild.rules.loader import load
from maild.rules.model import Ruleset
from tests.archive.samples import NOW_MS, acceptance, filing

RULES = """
version: 1
organisation: {name: X}
domains: [a.example]
teams: {poststelle: {name: P}, kita: {name: K}}
fallback: poststelle
addresses: {info: {team: poststelle}}
rules:
  - {id: probe, mode: observe, when: {subject: eilt}, then: {deliver: kita, tag: x}}
  - {id: alles, mode: observe, then: {copy: kita}}
  - {id: echt, then: {tag: echt}}
"""
KITA = Visible(teams=frozenset({"kita"}))


def put(database: Database, number: int, *found: Observation, team: str = "poststelle", days_ago: int = 0) -> int:
    taken = acceptance(number, at_ms=NOW_MS - days_ago * 86_400_000)
    message_id = database.writer.submit(accept, taken).result().message_id
    made = filing(message_id, teams=(team,))._replace(observations=found)
    assert database.writer.submit(file, made).result() is not None
    return message_id


def ask(database: Database, visible: Visible = OPERATOR, *, days: int = 30, rule: str | None = None) -> list[Observed]:
    with database.read() as connection:
        since_ms = NOW_MS - days * 86_400_000
        return observed(connection, visible=visible, since_ms=since_ms, rules=("neu", "a"), rule=rule)


def test_what_was_observed_is_counted_by_rule_and_by_what_it_would_have_done(database: Database) -> None:
    one, two = Observation("a", "x@a.example", ("copy kita",)), Observation("a", "y@a.example", ("copy kita",))
    first = put(database, 1, one, two)
    other = Observation("b", "x@a.example", ("tag t",))
    second = put(database, 2, one._replace(would=("tag t", "priority high")), other)
    put(database, 3, one, days_ago=40)
    put(database, 4)
    neu, a, b = ask(database)
    assert (neu.rule, neu.messages, neu.would, neu.examples) == ("neu", 0, (), ())
    assert (a.rule, a.messages) == ("a", 2)
    assert a.would == ((("copy kita",), 2), (("tag t", "priority high"), 1))
    assert a.examples == (Example(message_id=second, readable=True), Example(message_id=first, readable=True))
    assert (b.rule, b.messages) == ("b", 1)
    assert [each.messages for each in ask(database, days=50)] == [0, 3, 1]
    assert [each.rule for each in ask(database, rule="b")] == ["b"]
    with database.read() as connection:
        assert mail_count(connection, NOW_MS - 86_400_000) == 3


@pytest.mark.parametrize(("visible", "readable"), [(KITA, [True, False]), (NOTHING, [False, False])])
def test_a_message_is_only_named_as_readable_to_its_readers(
    sqlite_database: Database, visible: Visible, readable: list[bool]
) -> None:
    one = Observation("a", "x@a.example", ("copy kita",))
    put(sqlite_database, 1, one)
    put(sqlite_database, 2, one, team="kita")
    assert [example.readable for example in ask(sqlite_database, visible, rule="a")[0].examples] == readable


def rules() -> Ruleset:
    ruleset, found = load(RULES, "rules.yaml")
    assert ruleset is not None, found
    return ruleset


def read(*to: str, state: str | None = None) -> tuple[Observation, ...]:
    order = Order(
        message_id=1, direction="in", received_ms=NOW_MS, reverse_path=None, reference_bits=0, size=1, state=state,
        addressed=tuple(Addressed(as_given=each, team=None) for each in to),
    )  # fmt: skip
    return read_one(rules(), order, b"Subject: eilt\r\n\r\n").filing.observations


def test_the_router_notes_what_rules_that_observe_would_have_done() -> None:
    assert read("Info@a.example", "Info@A.example") == (
        Observation("probe", "Info@a.example", ("deliver kita", "tag x")),
        Observation("alles", "Info@a.example", ("copy kita",)),
    )
    assert Address(local="Info", domain="a.example").key == "info@a.example"


def test_imported_mail_is_no_observation() -> None:
    assert read("info@a.example", state="closed") == ()
