"""How the rules are tried quickly: those that certainly say no are found together, not one by one.

Most rules begin with a comparison of words: an address, a word in the subject. For each reading of the mail all such
first comparisons are looked up at once, and a rule whose first comparison fails for certain is passed over: its
outcome is no, and all that it saw is that one value. What a trace shows is the same as if each had been tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from json.encoder import encode_basestring
from typing import NamedTuple

from maild.rules.conditions import Reading, Seen
from maild.rules.model import AllOf, Comparison, Condition, Outcome, Rule
from maild.rules.operators import Contains, OneOf
from maild.rules.wordlist import WordList

_quoted = encode_basestring  # a text as a JSON string
_MANY = 100  # values of one comparison: beyond, it is quicker alone
_NO = Outcome.NO


class Tried(NamedTuple):
    """One rule as it was tried: what its conditions saw, and what it did (or, observing, would have done).

    `outcome` None: the rule was not in force on that day.
    """

    rule: str
    line: int
    outcome: Outcome | None
    seen: tuple[Seen, ...]
    did: tuple[str, ...]
    observed: bool


class _Gate(NamedTuple):
    """The comparison a rule begins with."""

    source: str
    label: str


class _Sieve:
    """Which rules have a first comparison of one reading that may hold."""

    __slots__ = ("_containing", "_exact", "_words", "members")

    def __init__(self) -> None:
        self.members: list[int] = []
        self._exact: dict[str, list[int]] = {}
        self._containing: dict[str, list[int]] = {}
        self._words: WordList | None = None

    def add(self, index: int, test: OneOf | Contains) -> None:
        self.members.append(index)
        found = self._exact if isinstance(test, OneOf) else self._containing
        for value in test.values:
            found.setdefault(value, []).append(index)

    def passing(self, reading: Reading) -> Iterator[int]:
        """Yield the rules whose first comparison is not certain to fail, some perhaps twice."""
        if not reading.whole:
            yield from self.members
            return
        for value in reading.values:
            yield from self._exact.get(value, ())
        if self._containing:
            self._words = self._words or WordList(self._containing)
            for word in self._words.all_in(reading.values):
                yield from self._containing[word]


class Plan:
    """The rules of one file, in order, with what is known of them before any mail.

    `marks`: of each rule 1 when it cannot just be passed over. `opens`: by rule, the reading that it first asks for.
    """

    __slots__ = ("_at", "_gates", "_named", "_sieves", "marks", "opens", "rules")

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self.opens: dict[int, str] = {}
        self._sieves: dict[str, _Sieve] = {}
        self._gates = [self._gate(index, rule) for index, rule in enumerate(rules)]
        # All that a trace says of rules that are passed over, but for what was seen, in one text: each rule's part goes
        # from its place in `_at` to that of the next.
        parts = ["" if gate is None else self._part(rule, gate) for rule, gate in zip(rules, self._gates, strict=True)]
        self._named = "".join(parts)
        self._at = tuple(accumulate(map(len, parts), initial=0))
        self.marks = bytes(gate is None or index in self.opens for index, gate in enumerate(self._gates))

    def _gate(self, index: int, rule: Rule) -> _Gate | None:
        # One that only observes says so wherever it stands in a trace: it is tried alone.
        first = None if rule.active is not None or rule.observe else _first(rule.when)
        if first is None or not isinstance(first.test, OneOf | Contains) or len(first.test.values) > _MANY:
            return None
        sieve = self._sieves.get(first.source)
        if sieve is None:
            sieve = self._sieves[first.source] = _Sieve()
            self.opens[index] = first.source
        sieve.add(index, first.test)
        return _Gate(first.source, first.label)

    def _part(self, rule: Rule, gate: _Gate) -> str:
        return f"[{_quoted(rule.id)},{rule.line},{_quoted(gate.label)},{_quoted(gate.source)}],"

    def passing(self, source: str, reading: Reading) -> Iterator[int]:
        """Yield the rules, of those that begin with this reading, that must be tried."""
        return self._sieves[source].passing(reading)

    def tried(self, first: int, last: int, shown: Mapping[str, str]) -> Iterator[Tried]:
        """Yield rules that were passed over as if they had been tried; `last` is excluded."""
        for rule, gate in zip(self.rules[first:last], self._gates[first:last], strict=True):
            if gate is not None:
                seen = (Seen(gate.label, shown[gate.source], _NO),)
                yield Tried(rule.id, rule.line, _NO, seen, (), rule.observe)

    def passed_json(self, first: int, last: int) -> str:
        """Name the same rules as JSON: `[[rule, line, label, source], …]`; what the sources were is said elsewhere."""
        return f"[{self._named[self._at[first] : self._at[last] - 1]}]"


class Passed(NamedTuple):
    """Rules in a row that were passed over: from `first`, before `last`. `shown`: what each reading's value was."""

    plan: Plan
    first: int
    last: int
    shown: Mapping[str, str]


def _first(condition: Condition | None) -> Comparison | None:
    """Return the comparison that is made before any other, when its failing is the rule's."""
    while isinstance(condition, AllOf):
        condition = condition.parts[0]
    return condition if isinstance(condition, Comparison) else None


_plans: tuple[tuple[tuple[Rule, ...], Plan], ...] = ()


def plan_of(rules: tuple[Rule, ...]) -> Plan:
    """Return the plan of a file's rules; those of the last few files are kept."""
    global _plans  # noqa: PLW0603 - a memory of what follows from the rules alone; replaced whole, so threads may race
    for known, plan in _plans:
        if known is rules:
            return plan
    plan = Plan(rules)
    _plans = ((rules, plan), *_plans[:3])
    return plan
