from __future__ import annotations

import pickle

import pytest

from maild.mail.address import Address
from tests.rules.samples import WHOLE, rules_of, to

RULES = rules_of(WHOLE)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("info@a.example", "info"),
        ("INFO@a.example", "info"),
        ("Info+2026@a.example", "info"),
        ("rathaus@a.example", "info"),
        ("info@b.example", "info@b.example"),  # the entry with the domain goes before the one for all
        ("rathaus@b.example", "info"),
        ("kita@b.example", "kita.platzvergabe"),
        ("krippe@b.example", "kita.platzvergabe"),
        ("krippe@a.example", None),  # an alias with a domain holds there alone
        ("nur-b@b.example", "nur-b@b.example"),
        ("nur-b@a.example", None),
        ("ﬁnanzen@a.example", None),
        ("postmaster@a.example", "postmaster"),
        ("Abuse@b.example", "abuse"),
        ("abuse@c.example", None),
        ("info@c.example", None),
        ("niemand@a.example", None),
        ("+info@a.example", None),
    ],
)
def test_find_follows_domains_aliases_details_and_case(address: str, name: str | None) -> None:
    found = RULES.find(to(address))
    assert (found.name if found else None) == name


def test_names_are_normalised_before_they_are_compared() -> None:
    rules = rules_of("addresses: {bürger: {team: poststelle}, finanzen: {team: poststelle}}\n")
    decomposed = Address(local="bu\u0308rger", domain="musterstadt.example")
    ligature = Address(local="ﬁnanzen", domain="musterstadt.example")
    assert rules.find(decomposed) is not None
    assert rules.find(ligature) is not None


def test_postmaster_without_a_domain_reaches_the_fallback() -> None:
    found = RULES.find(Address(local="Postmaster", domain=""))
    assert found is not None
    assert found.team == "poststelle"
    assert RULES.find(Address(local="info", domain="")) is None


def test_a_listed_postmaster_goes_where_it_is_listed() -> None:
    rules = rules_of(
        "teams: {poststelle: {name: P}, technik: {name: T, domain_control: true}}\n"
        "addresses: {postmaster: {team: technik}}\n"
    )
    found = rules.find(to("postmaster@musterstadt.example"))
    assert found is not None
    assert found.team == "technik"


def test_a_retired_address_leads_to_the_team_of_its_successor_and_is_not_listed() -> None:
    found = RULES.find(to("alt@a.example"))
    assert found is not None
    assert (found.team, found.listed, found.name) == ("kita", False, "alt")


def test_retirement_is_followed_through_several_successors() -> None:
    rules = rules_of(
        "teams: {poststelle: {name: P}, neu: {name: N}}\n"
        "addresses:\n"
        "  a: {team: poststelle, retired: {successor: b}}\n"
        "  b: {retired: {successor: c}}\n"
        "  c: {team: neu}\n"
    )
    found = rules.find(to("a@musterstadt.example"))
    assert found is not None
    assert found.team == "neu"


def test_an_address_that_retired_without_a_successor_keeps_its_team() -> None:
    rules = rules_of("addresses: {a: {team: poststelle, retired: {since: 2026-01-01}}}\n")
    assert rules.addresses[0].team == "poststelle"


def test_a_successor_that_is_an_implicit_address_leads_to_the_fallback() -> None:
    rules = rules_of("addresses: {a: {retired: {successor: postmaster}}}\n")
    assert rules.addresses[0].team == "poststelle"


def test_serves_knows_the_domains_and_no_others() -> None:
    assert RULES.serves("a.example")
    assert not RULES.serves("x.a.example")
    assert not RULES.serves("")


def test_a_domain_of_letters_beyond_ascii_is_served_in_the_form_in_which_it_travels() -> None:
    rules = rules_of("domains: [Gießen.example]\n")
    assert rules.serves("xn--gieen-nqa.example")
    assert rules.accepts(to("postmaster@gießen.example"))


def test_an_unknown_recipient_is_accepted_only_when_the_fallback_takes_it() -> None:
    lenient = rules_of(WHOLE + "unknown_recipient: fallback\n")
    assert not RULES.accepts(to("niemand@a.example"))
    assert lenient.accepts(to("niemand@a.example"))
    assert not lenient.accepts(to("niemand@c.example"))
    assert RULES.accepts(to("kita@a.example"))


def test_ancestors_are_all_teams_above_nearest_first() -> None:
    assert RULES.parents == {team: RULES.teams[team].parent for team in RULES.teams}
    assert RULES.ancestors("leitung") == ("kita", "jugendamt")
    assert RULES.ancestors("poststelle") == ()
    assert RULES.ancestors("gibt-es-nicht") == ()


def test_a_ruleset_travels_to_another_process_whole() -> None:
    rules = rules_of(WHOLE + "rules: [{id: r, when: {subject: {regex: 'a+'}}, then: {tag: x}}]\n")
    copy = pickle.loads(pickle.dumps(rules))
    assert copy == rules
    assert copy.find(to("kita@b.example")) == rules.find(to("kita@b.example"))
