from __future__ import annotations

from typing import Any

import pytest

from maild.archive.provenance import routes_in
from maild.router.reading import Addressed, Order, Reading, read_one
from tests.web.office import NOW_MS, RULES, letter, rules

RULESET = rules(
    RULES
    + "  - {id: nach-bau, when: {subject: bauen}, then: {deliver: [bauamt, poststelle]}}\n"
    + "  - {id: geheim, when: {subject: geheim}, then: {confidential: true}}\n"
)
KITA, BAU, INFO = (f"{name}@musterstadt.example" for name in ("kita", "bauamt", "info"))


def read(
    *to: str,
    unread: frozenset[str] | set[str] = frozenset(),
    team: str | None = None,
    subject: str = "Dringend",
    **how: Any,
) -> Reading:
    order = Order(
        message_id=7,
        direction="in",
        received_ms=NOW_MS,
        reverse_path=None,
        addressed=tuple(Addressed(as_given=a, team=None) for a in to) + ((Addressed("", team),) if team else ()),
        reference_bits=7,
        size=100,
        **how,
    )
    octets = letter(subject).replace("\n", "\r\n").encode()
    return read_one(RULESET, order, octets, frozenset(unread))


@pytest.mark.parametrize(
    ("to", "unread", "teams"),
    [
        ((BAU,), {"bauamt"}, {"bauamt", "poststelle"}),
        ((BAU,), {"kita"}, {"bauamt"}),
        ((BAU, KITA), {"bauamt"}, {"bauamt", "kita", "poststelle"}),
        ((BAU,), {"bauamt", "poststelle"}, {"bauamt"}),  # nobody reads anything: the alarm is all that helps
        ((INFO,), {"poststelle"}, {"poststelle"}),
    ],
)
def test_what_comes_to_a_team_that_nobody_reads_comes_to_the_fallback_as_well(
    to: tuple[str, ...], unread: set[str], teams: set[str]
) -> None:
    filing = read(*to, unread=unread).filing
    assert {place.team for place in filing.places} == teams
    assert {place.priority for place in filing.places} == {2}
    assert {place.tags for place in filing.places} == {("eilt",)}


@pytest.mark.parametrize(
    ("unread", "inboxes"),
    [
        ({"bauamt"}, {"bauamt:confidential"}),  # its confidential inbox somebody reads
        ({"bauamt:confidential"}, {"bauamt:confidential", "poststelle:confidential"}),
        ({"bauamt:confidential", "poststelle:confidential"}, {"bauamt:confidential"}),
    ],
)
def test_for_a_confidential_inbox_the_fallbacks_confidential_one_stands_in(unread: set[str], inboxes: set[str]) -> None:
    assert {place.team for place in read(BAU, unread=unread, subject="Geheim").filing.places} == inboxes


def test_the_trace_says_for_which_teams_the_fallback_stands_in() -> None:
    (bau, kita) = routes_in(read(BAU, KITA, unread={"bauamt"}).filing.trace)
    assert (bau["teams"], bau["unread"]) == (["bauamt", "poststelle"], ["bauamt"])
    assert (kita["teams"], "unread" in kita) == (["kita"], False)
    (moved,) = routes_in(read(KITA, unread={"bauamt"}, subject="Bauen").filing.trace)
    assert (moved["teams"], "unread" in moved) == (["bauamt", "poststelle"], False)


def test_imported_mail_stays_where_it_was_put() -> None:
    imported = read(BAU, unread={"bauamt"}, state="closed").filing
    assert [(place.team, place.state) for place in imported.places] == [("bauamt", "closed")]
    assert [place.team for place in read(team="bauamt", unread={"bauamt"}).filing.places] == ["bauamt"]


def test_the_rules_that_matched_are_counted_once_for_each_recipient() -> None:
    assert read(KITA, BAU).filing.hits == ("eilt", "eilt")
    assert read(KITA, subject="Frage").filing.hits == ()


def test_imported_mail_counts_for_no_rule() -> None:
    assert read(KITA, state="closed").filing.hits == ()


def test_a_rule_that_only_observes_is_not_counted() -> None:
    order = Order(
        message_id=7, direction="in", received_ms=NOW_MS, reverse_path=None,
        addressed=(Addressed(as_given=KITA, team=None),), reference_bits=7, size=9,
    )  # fmt: skip
    observing = rules(RULES.replace("- id: eilt", "- id: eilt\n    mode: observe"))
    assert read_one(observing, order, b"Subject: dringend\r\n\r\n").filing.hits == ()
