"""What is wrong between the parts of a rules file: cycles, parts that nothing uses, rules that never come to bear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import pairwise
from operator import itemgetter

from maild.errors import Said, said
from maild.rules.findings import Code, Findings, Place, quoted
from maild.rules.model import AllOf, Comparison, Condition, Rule, Team
from maild.rules.operators import OneOf

SUCCESSORS = "%(b)s is the successor of %(a)s"
PARENTS = "%(b)s is the parent of %(a)s"
DEPUTIES = "%(b)s is the deputy of %(a)s"


def report_cycles(findings: Findings, after: Mapping[str, str], places: Mapping[str, Place], link: str) -> None:
    """Report each cycle of a relation once, at the first of its members in the file.

    Args:
        findings: where to.
        after: from each name to the one it names.
        places: of every name, in the order of the file.
        link: how one is tied to the other, as `%(b)s is the parent of %(a)s`.
    """
    done: set[str] = set()
    for start in places:
        path: list[str] = []
        name: str | None = start
        while name is not None and name not in done:
            done.add(name)
            path.append(name)
            name = after.get(name)
        if name is not None and name in path:
            _report_cycle(findings, path[path.index(name) :], places, link)


def _report_cycle(findings: Findings, members: list[str], places: Mapping[str, Place], link: str) -> None:
    ring = [*members, members[0]]
    links: tuple[Said, ...] = tuple(said(link, a=quoted(a), b=quoted(b)) for a, b in pairwise(ring))
    findings.error(places[members[0]], Code.CYCLE, said("this goes in a circle: %(links)s", links=links))


def report_unused(findings: Findings, defined: Mapping[str, Mapping[str, Place]], used: set[tuple[str, str]]) -> None:
    """Warn of teams, lists and templates that nothing refers to."""
    codes = {"team": Code.UNUSED_TEAM, "list": Code.UNUSED_LIST, "template": Code.UNUSED_TEMPLATE}
    for what, code in codes.items():
        for name, place in defined[what].items():
            if (what, name) not in used:
                text = said("nothing refers to %(what)s %(name)s", what=said(what), name=quoted(name))
                findings.warning(place, code, text)


def report_hours(findings: Findings, asked: Iterable[Place], teams: Iterable[Team]) -> None:
    """Warn of conditions on office hours when no team has any: they can never be told."""
    if any(team.hours for team in teams):
        return
    for place in asked:
        findings.warning(place, Code.NO_HOURS, said("no team has 'hours', so that this can never be told"))


def report_rules(findings: Findings, rules: tuple[Rule, ...], places: Mapping[str, Place], today: date | None) -> None:
    """Warn of rules that cannot match any more, that double another, or whose time is over."""
    enders = _Enders()
    seen: dict[tuple[Condition | None, Condition | None], Rule] = {}
    for rule in rules:
        place = places[rule.id]
        if today is not None and rule.active and rule.active.last and rule.active.last < today:
            text = said("rule %(rule)s ended on %(day)s", rule=quoted(rule.id), day=str(rule.active.last))
            findings.warning(place, Code.EXPIRED, text)
        above = enders.covering(rule)
        twin = seen.setdefault((rule.when, rule.unless), rule)
        if above is not None:
            text = said(
                "rule %(rule)s can never match: rule %(above)s (line %(line)s) ends first",
                rule=quoted(rule.id),
                above=quoted(above.id),
                line=str(above.line),
            )
            findings.warning(place, Code.SHADOWED, text)
        elif twin is not rule:
            text = said(
                "rule %(rule)s has the same conditions as rule %(twin)s (line %(line)s)",
                rule=quoted(rule.id),
                twin=quoted(twin.id),
                line=str(twin.line),
            )
            findings.warning(place, Code.SAME_CONDITIONS, text)
        if rule.ends and not rule.observe and rule.active is None and rule.unless is None:
            enders.add(rule)


class _Enders:
    """The rules that end the search, found by the first of their conditions: not each is held against each."""

    def __init__(self) -> None:
        self._found: dict[object, list[tuple[int, Rule]]] = {}
        self._count = 0

    def add(self, rule: Rule) -> None:
        first = next(iter(_parts(rule.when)), None)
        for key in _keys(first):
            self._found.setdefault(key, []).append((self._count, rule))
        self._count += 1

    def covering(self, rule: Rule) -> Rule | None:
        """Return the first that takes every mail that `rule` would take."""
        parts = (None, *_parts(rule.when))
        # Whatever implies a comparison with several values has each of its own among them: one is enough to look for.
        near = {
            number: ender for part in parts for key in _keys(part)[:1] for number, ender in self._found.get(key, ())
        }
        return next((ender for _, ender in sorted(near.items(), key=itemgetter(0)) if _covers(ender, rule)), None)


def _keys(part: Condition | None) -> list[object]:
    """Return what a condition has in common with those that imply it."""
    if not isinstance(part, Comparison):
        return [part]
    return (
        [(part.source, value) for value in part.test.values]
        if isinstance(part.test, OneOf)
        else [(part.source, part.test)]
    )


def _covers(above: Rule, rule: Rule) -> bool:
    """Tell whether every mail that `rule` would take was taken by `above` before it."""
    below = _parts(rule.when)
    return all(any(_implies(part, wanted) for part in below) for wanted in _parts(above.when))


def _parts(condition: Condition | None) -> Iterable[Condition]:
    if condition is None:
        return ()
    return condition.parts if isinstance(condition, AllOf) else (condition,)


def _implies(narrow: Condition, wide: Condition) -> bool:
    if isinstance(narrow, Comparison) and isinstance(wide, Comparison):
        if narrow.source != wide.source:
            return False
        if isinstance(narrow.test, OneOf) and isinstance(wide.test, OneOf):
            return narrow.test.values <= wide.test.values
        return narrow.test == wide.test
    return narrow == wide
