"""An explained route as somebody may read it who reads only some of the teams.

What a reader must not learn is which other teams got the same letter, and addresses that are not in the directory and
belong to others. So teams are named only to their readers, and a rule that does nothing but carry letters to other
teams is left out. What a rule sends on, answers or assigns belongs to the first team of the place, as
`maild.rules.duties` has it: to whom, by which template and to which colleague is told to that team's readers alone.

Security: whether a rule is left out follows from the rules that serve now, not from whether it matched this letter:
otherwise its absence would tell. Only where the rule did other things then than it does now, those are the judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from maild.errors import AddressError
from maild.mail.address import fold, parse_address
from maild.rules.model import Copy, Deliver, FunctionAddress, Ruleset
from maild.rules.recorded import Attempt, Condition, Recorded
from maild.rules.requested import Answer, Assign, Forward

_CARRIES = frozenset({"deliver", "copy"})
_OF_THE_PLACE = frozenset({"forward", "reply", "assign"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """That an address is given out no more: since when, and what came after it."""

    since: date | None
    successor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A route as its reader may know it; its teams are the reader's.

    `known` False: the recipient is an address that the reader may not know, and is left out. `home` is the team that
    the address belongs to by the present rules, when the reader may know it.
    """

    route: Recorded
    known: bool
    home: str | None
    alias: bool
    retired: Retirement | None


class Curtain:
    """What stands between the rules and a reader of `teams`; made once for each page."""

    def __init__(self, rules: Ruleset, teams: frozenset[str]) -> None:
        self._rules = rules
        self._teams = teams
        self._by_id = {rule.id: rule for rule in rules.rules}
        self._others = _words(
            word for team in rules.teams.values() if team.id not in teams for word in (team.id, team.name)
        )
        self._secret = _words(
            word for found in rules.addresses if not self._may_know(found) for word in _names_of(found)
        )

    def told(self, route: Recorded) -> Told | None:
        """Return what may be told of a route; None when it leads to no team of the reader."""
        teams = tuple(team for team in route.teams if route.inbox_of(team) in self._teams)
        if not teams:
            return None
        found = self._address(route)
        # Of an address that the rules have no more it is the first team that speaks: the place, before all copies.
        known = self._may_know(found) if found is not None else route.teams[0] in self._teams
        at_place = route.inbox_of(route.teams[0]) in self._teams
        gone = _words(team for team in route.teams if team not in self._teams and team not in self._rules.teams)
        shown = replace(
            route,
            recipient=route.recipient if known else "",
            address=route.address if known else None,
            teams=teams,
            unread=self._unread(route),
            account=None if route.account is None else tuple(team for team in route.account if team in teams),
            attempts=tuple(
                self._attempt(attempt, gone, known=known, at_place=at_place)
                for attempt in route.attempts
                if not self._is_others(attempt, at_place=at_place)
            ),
        )
        if found is None or not known:
            return Told(route=shown, known=known, home=None, alias=False, retired=None)
        return Told(
            route=shown,
            known=True,
            home=found.team if found.team in self._teams else None,
            alias=fold(route.recipient.rpartition("@")[0]).partition("+")[0] != found.local,
            retired=self._retired(found),
        )

    def _address(self, route: Recorded) -> FunctionAddress | None:
        try:
            found = self._rules.find(parse_address(route.recipient))
        except AddressError:
            return None
        return found if found is not None and found.name == route.address else None

    def _may_know(self, address: FunctionAddress) -> bool:
        return address.listed or address.team in self._teams

    def _retired(self, address: FunctionAddress) -> Retirement | None:
        if address.retired is None:
            return None
        since, successor = address.retired.since, address.retired.successor
        after = next((a for a in self._rules.addresses if a.name == successor), None)
        return Retirement(
            since=since,
            successor=successor if after is not None and self._may_know(after) else None,
        )

    def _unread(self, route: Recorded) -> tuple[str, ...]:
        """Return the teams that nobody could read, to readers of the inbox that stands in for them.

        Whoever stands in must know for whom; but a team that is not in the directory is "".
        """
        if not route.unread or route.inbox_of(route.teams[-1]) not in self._teams:
            return ()
        public = {address.team for address in self._rules.addresses if address.listed}
        return tuple(team if team in self._teams or team in public else "" for team in route.unread)

    def _is_others(self, attempt: Attempt, *, at_place: bool) -> bool:
        rule = self._by_id.get(attempt.rule)
        if rule is not None and rule.then and all(self._carries_off(action, at_place) for action in rule.then):
            return True
        return bool(attempt.did) and all(self._did(did, at_place=at_place) is None for did in attempt.did)

    def _carries_off(self, action: object, at_place: bool) -> bool:
        if isinstance(action, Forward | Answer | Assign):
            return not at_place
        return isinstance(action, Deliver | Copy) and self._teams.isdisjoint(action.teams)

    def _attempt(self, attempt: Attempt, gone: re.Pattern[str], *, known: bool, at_place: bool) -> Attempt:
        did = (self._did(did, at_place=at_place) for did in attempt.did)
        name = fold(attempt.rule)
        return replace(
            attempt,
            # The id of a rule is prose: `copy-to-works-council` would say what is left out below.
            rule="" if self._others.search(name) or gone.search(name) else attempt.rule,
            conditions=tuple(self._condition(condition, known=known) for condition in attempt.conditions),
            did=tuple(text for text in did if text is not None),
        )

    def _condition(self, condition: Condition, *, known: bool) -> Condition:
        label = "" if self._secret.search(fold(condition.label)) else condition.label
        about_recipient = re.search(r"\b(?:to|detail) (?:is|contains|starts|ends|matches|regex) ", condition.label)
        value = "" if about_recipient and not known else condition.value
        return replace(condition, label=label, value=value)

    def _did(self, text: str, *, at_place: bool) -> str | None:
        """Return an action with the teams of others left out; None when nothing of it remains."""
        verb, _, rest = text.partition(" ")
        if verb in _OF_THE_PLACE:
            return text if at_place else None
        if verb not in _CARRIES:
            return None if self._others.search(fold(text)) else text
        teams = [team for team in rest.split(", ") if team in self._teams]
        return f"{verb} {', '.join(teams)}" if teams else None


def _names_of(address: FunctionAddress) -> Iterable[str]:
    yield address.local
    for alias in address.aliases:
        yield alias.local


def _words(words: Iterable[str]) -> re.Pattern[str]:
    """Return an expression that finds any of the words, as a word, in folded text."""
    folded = sorted({fold(word) for word in words if word}, key=len, reverse=True)
    if not folded:
        return re.compile(r"(?!)")
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, folded))})(?![^\W_])")
