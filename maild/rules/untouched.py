"""Which letters a change of the rules certainly leaves as they are, told without trying every rule twice.

A letter fares alike by two versions when none of the rules that only one of them has matches it, and what both have is
about the same address and the same teams: the rules of both then say the same, one after the other. All that has to be
tried are the rules that differ, and of the others those that decide about the place, to know where it lies. Often these
ask for the header alone, and the body need not be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from maild.mail.address import Address
from maild.rules.alongside import Alongside, alongside
from maild.rules.conditions import Reading
from maild.rules.engine import route_all
from maild.rules.model import Copy, Deliver, Letter, Rule, Ruleset, Team
from maild.rules.requested import Confide, Reject
from maild.rules.route import Route
from maild.rules.single_conditions import asked_by

_DIFFERS = ""  # the id that every rule has which is not in both versions
_IN_BODY = frozenset({"text", "language", "attachment", "bounce", "account_mail"})
_PLACING = (Deliver, Copy, Confide, Reject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Untouched:
    """What decides whether a letter fares alike by `_old` and `_new`. `reads_body`: its text must be known."""

    reads_body: bool
    _old: Ruleset
    _new: Ruleset
    _deciding: Ruleset
    _same_addresses: bool
    _other_teams: frozenset[str]
    _alongside: Alongside

    def routes(
        self, letter: Letter, recipients: Sequence[Address], old: Sequence[Route], readings: dict[str, Reading]
    ) -> tuple[Route, ...] | None:
        """Return what the new version does where the old one does this (`maild.rules.alongside`); None: not known."""
        # The hours of a team are looked at by conditions, its places by what follows from them.
        if self._other_teams or not all(map(self._is_known_alike, recipients)):
            return None
        return self._alongside.routes(letter, recipients, old, readings)

    def places(
        self, letter: Letter, recipients: Sequence[Address], readings: dict[str, Reading]
    ) -> list[tuple[str, ...]] | None:
        """Return the inboxes that each recipient's copy has in both versions, none where it is refused.

        None: one of the copies may fare differently. `readings` of the letter are used, and added to.
        """
        if not all(map(self._is_known_alike, recipients)):
            return None
        routes = route_all(self._deciding, letter, recipients, readings)
        if not all(map(self._is_alike, routes)):
            return None
        return [self._inboxes(route) for route in routes]

    def _is_known_alike(self, address: Address) -> bool:
        if self._same_addresses:
            return True
        old, new = self._old, self._new
        return old.find(address) == new.find(address) and old.names(address) == new.names(address)

    def _is_alike(self, route: Route) -> bool:
        if _DIFFERS in route.rules or (route.problem is not None and route.rejected is None):
            return False
        if not self._other_teams:
            return True
        found = self._old.find(route.recipient)
        team = self._old.fallback if found is None else found.team
        return self._other_teams.isdisjoint({team, *self._old.ancestors(team), *route.teams})

    def _inboxes(self, route: Route) -> tuple[str, ...]:
        if route.rejected is not None or not self._old.accepts(route.recipient):
            return ()
        return route.inboxes


def untouched(old: Ruleset, new: Ruleset) -> Untouched | None:
    """Return what tells letters that fare alike; None when that cannot be told of any."""
    if _frame(old) != _frame(new):
        return None
    ours, theirs = _acting(old), _acting(new)
    kept = _in_both(ours, theirs)
    differing = [rule for rules in (ours, theirs) for rule in rules.values() if rule.id not in kept]
    rules = (*map(_told, differing), *(_placing(ours[name]) for name in kept if _places(ours[name])))
    return Untouched(
        reads_body=not _IN_BODY.isdisjoint(asked_by(rules)),
        _old=old,
        _new=new,
        _deciding=replace(old, rules=rules),
        _alongside=alongside(old, new, kept),
        _same_addresses=old.addresses == new.addresses,
        _other_teams=frozenset(
            name
            for name in old.teams.keys() | new.teams.keys()
            if _of_team(old.teams.get(name)) != _of_team(new.teams.get(name))
        ),
    )


def _frame(ruleset: Ruleset) -> tuple[object, ...]:
    """Return what is about every letter."""
    organisation = ruleset.organisation
    hours = (organisation.timezone.key, organisation.holidays)
    return (ruleset.domains, ruleset.fallback, ruleset.unknown_recipient, hours)


def _of_team(team: Team | None) -> tuple[object, ...] | None:
    """Return what of a team makes a letter fare otherwise."""
    return None if team is None else (team.parent, team.hours, team.also_deliver, team.copies, team.account_mail)


def _acting(ruleset: Ruleset) -> dict[str, Rule]:
    """Return the rules that do anything, by id, without what does nothing: where they stand, and their notes."""
    return {rule.id: replace(rule, line=0, note="") for rule in ruleset.rules if not rule.observe}


def _in_both(ours: dict[str, Rule], theirs: dict[str, Rule]) -> dict[str, None]:
    """Return the ids of rules that are the same in both, and follow each other in the same order."""
    same = {name for name, rule in ours.items() if theirs.get(name) == rule}
    one, other = ([name for name in rules if name in same] for rules in (ours, theirs))
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return dict.fromkeys(name for block in blocks for name in one[block.a : block.a + block.size])


def _told(rule: Rule) -> Rule:
    """Return a rule that does no more than say that this one would match."""
    return replace(rule, id=_DIFFERS, then=(), ends=False)


def _places(rule: Rule) -> bool:
    return rule.ends or bool(_of_place(rule))


def _placing(rule: Rule) -> Rule:
    return replace(rule, then=tuple(_of_place(rule)))


def _of_place(rule: Rule) -> Iterable[Deliver | Copy | Confide | Reject]:
    return [action for action in rule.then if isinstance(action, _PLACING)]
