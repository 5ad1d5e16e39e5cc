"""Which teams mail can come to, by the rules: what must be read by somebody."""

from __future__ import annotations

from maild.rules.model import AllOf, Comparison, Condition, Copy, Deliver, Rule, Ruleset
from maild.rules.operators import OneOf
from maild.rules.requested import Confide


def receiving(ruleset: Ruleset) -> dict[str, tuple[str, ...]]:
    """Return every team that mail can reach, in the order of the file, with the addresses whose mail goes there.

    Those are the fallback, the teams of addresses (after retirement, the successor's), and where rules that are in
    force deliver or copy to.
    """
    reached: dict[str, list[str]] = {ruleset.fallback: []}
    for address in ruleset.addresses:
        reached.setdefault(address.team, []).append(address.name)
    for rule in ruleset.rules:
        for team in placed_by(rule) if not rule.observe else ():
            reached.setdefault(team, [])
    return {team: tuple(reached[team]) for team in ruleset.teams if team in reached}


def confiding(ruleset: Ruleset) -> frozenset[str]:
    """Return the teams whose confidential inbox mail can reach: those that a confiding rule delivers or copies to.

    And those of the addresses that the rule asks for; when it asks for none, of all that mail can reach.
    """
    found: set[str] = set()
    for rule in ruleset.rules:
        if not rule.observe and any(isinstance(action, Confide) for action in rule.then):
            found |= placed_by(rule) | _asked_for(ruleset, rule)
    return frozenset(found)


def placed_by(rule: Rule) -> frozenset[str]:
    """Return the teams that a rule delivers or copies to, were it in force."""
    return frozenset(team for action in rule.then if isinstance(action, Deliver | Copy) for team in action.teams)


def _asked_for(ruleset: Ruleset, rule: Rule) -> set[str]:
    names = names_asked(rule.when)
    if names is None:
        return set(receiving(ruleset))
    return {
        address.team
        for address in ruleset.addresses
        for known in (address.name, address.local, *(alias.local for alias in address.aliases))
        if any(name in {known, f"{known}@{domain}"} for name in names for domain in ruleset.domains)
    }


def names_asked(condition: Condition | None) -> tuple[str, ...] | None:
    """Return the addresses of ours, folded, of which the mail must have come by one; None: it may be any."""
    match condition:
        case Comparison(source=source, test=OneOf(values=values)) if source.partition("|")[0] == "to":
            return None if any(value.startswith("@") for value in values) else tuple(values)
        case AllOf(parts=parts):
            return next((names for part in parts if (names := names_asked(part)) is not None), None)
        case _:
            return None
