"""Routing by a second version of the rules, along what a first one has found: only what differs is tried.

A rule that stands in both versions has the same outcome in both, for the same letter and recipient, where nothing else
of the versions that its conditions look at differs. What cannot be told so is not told: then all rules are tried.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from maild.mail.address import Address
from maild.rules.conditions import Reading, View
from maild.rules.engine import applies_to, matches, route_by
from maild.rules.model import Letter, Outcome, Rule, Ruleset
from maild.rules.route import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Alongside:
    """What differs between two versions that have the same addresses, teams and frame.

    `_kept`: the rules that stand in both, by id, with their place in the new one. `_other`: those of the new one that
    do not, with theirs. `_ending`: those of the old one alone that are the last where they match.
    """

    _new: Ruleset
    _kept: dict[str, int]
    _other: tuple[tuple[int, Rule], ...]
    _ending: frozenset[str]

    def routes(
        self, letter: Letter, recipients: Sequence[Address], old: Sequence[Route], readings: dict[str, Reading]
    ) -> tuple[Route, ...] | None:
        """Return what the new version does for each recipient, given what the old one does; None: it is not known.

        Of their steps the routes have those of the rules that matched.
        """
        view = View(self._new, letter, readings=readings)
        found = []
        for recipient, route in zip(recipients, old, strict=True):
            matching = self._matching(view.turned_to(recipient), route)
            if matching is None:
                return None
            found.append(route_by(self._new, view, matching))
        return tuple(found)

    def _matching(self, view: View, route: Route) -> list[Rule] | None:
        if route.problem is not None and route.rejected is None:
            return None  # the old rules were given up: of those behind nothing is known
        if not self._ending.isdisjoint(route.rules):
            return None  # the old ones ended where the new ones may go on
        places = [self._kept[name] for name in route.rules if name in self._kept]
        try:
            places += [place for place, rule in self._other if _holds(rule, view)]
        except Exception:  # noqa: BLE001  # a fault in a rule: trying all of them marks the letter with it
            return None
        return [self._new.rules[place] for place in sorted(places)]


def _holds(rule: Rule, view: View) -> bool:
    return matches(rule, view, []) is Outcome.YES and applies_to(rule, view.recipient)


def alongside(old: Ruleset, new: Ruleset, kept: Collection[str]) -> Alongside:
    """Return what routes by `new` along `old`, where the rules of these ids are the same in both, in the same order."""
    placed = {rule.id: (place, rule) for place, rule in enumerate(new.rules) if not rule.observe}
    return Alongside(
        _new=new,
        _kept={name: place for name, (place, _) in placed.items() if name in kept},
        _other=tuple(each for name, each in placed.items() if name not in kept),
        _ending=frozenset(rule.id for rule in old.rules if rule.ends and not rule.observe and rule.id not in kept),
    )
