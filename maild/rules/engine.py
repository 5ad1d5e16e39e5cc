"""Routing: from a letter and a recipient to a `Route`, purely.

Every accepted recipient ends in at least one team: it starts with the team of its address (the implicit keep), rules
only move or add, and whatever goes wrong inside sends it back to that team, marked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import NamedTuple, assert_never

from maild.mail.address import Address
from maild.rules.conditions import Seen, View, evaluate
from maild.rules.model import (
    Action,
    Copy,
    Deliver,
    File,
    Letter,
    Outcome,
    Priority,
    Rule,
    Ruleset,
    SetPriority,
    State,
    Tag,
)

_quoted = encode_basestring  # a text as a JSON string
_NO, _YES = Outcome.NO, Outcome.YES
_WORDS = {None: "not in force", Outcome.NO: "no", Outcome.UNKNOWN: "cannot tell", Outcome.YES: "yes"}
_PRIORITIES = {priority: priority.name.lower() for priority in Priority}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where one recipient's copy of a letter goes, and why.

    `address` is the name of the function address reached, None when the fallback claimed an unknown one. `teams` is
    never empty; the place comes first, then copies. `problem` says in a word or two why the rules were given up.
    """

    recipient: Address
    address: str | None
    teams: tuple[str, ...]
    tags: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    state: State = State.OPEN
    rules: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    problem: str | None = None
    trace: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What one team's inbox receives of a letter, however many of its addresses it came by."""

    team: str
    state: State
    priority: Priority
    tags: tuple[str, ...]  # sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The outcome for a letter as a whole; the same for any order of its recipients."""

    placements: tuple[Placement, ...]  # by team
    rules: tuple[str, ...]  # sorted
    problem: str | None


@dataclass(slots=True)
class _Draft:
    """A route while rules work on it."""

    place: tuple[str, ...]
    copies: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    priority: Priority = Priority.NORMAL
    state: State = State.OPEN
    rules: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    trace: list[Tried] = field(default_factory=list)


def route(ruleset: Ruleset, letter: Letter, recipient: Address) -> Route:
    """Route one recipient. For several of the same letter, `route_all` reads the letter only once."""
    return route_all(ruleset, letter, (recipient,))[0]


def route_all(ruleset: Ruleset, letter: Letter, recipients: Iterable[Address]) -> tuple[Route, ...]:
    """Route each recipient of a letter on its own, in the order given."""
    view = View(ruleset, letter)
    return tuple(_route(ruleset, view, recipient) for recipient in recipients)


def _route(ruleset: Ruleset, view: View, recipient: Address) -> Route:
    found = ruleset.find(recipient)
    name, team = (None, ruleset.fallback) if found is None else (found.name, found.team)
    draft = _Draft(place=(team,))
    view.turn_to(recipient)
    try:
        _try_rules(ruleset, view, draft)
    except Exception as error:  # noqa: BLE001  # never lost: a fault in a rule costs the rules, not the mail
        problem = f"{type(error).__name__} in the rules"
        return Route(recipient=recipient, address=name, teams=(team,), problem=problem, trace=tuple(draft.trace))
    return Route(
        recipient=recipient,
        address=name,
        teams=tuple(dict.fromkeys((*draft.place, *draft.copies))),
        tags=tuple(dict.fromkeys(draft.tags)),
        priority=draft.priority,
        state=draft.state,
        rules=tuple(draft.rules),
        actions=tuple(draft.actions),
        trace=tuple(draft.trace),
    )


def _try_rules(ruleset: Ruleset, view: View, draft: _Draft) -> None:
    trace = draft.trace
    for rule in ruleset.rules:
        if rule.active is not None and not _in_force(rule, view):
            trace.append(Tried(rule.id, rule.line, None, (), (), rule.observe))
            continue
        seen: list[Seen] = []
        outcome = _YES if rule.when is None else evaluate(rule.when, view, seen)
        if outcome is not _NO and rule.unless is not None:
            outcome = min(outcome, evaluate(rule.unless, view, seen).inverse)
        if outcome is not _YES:
            trace.append(Tried(rule.id, rule.line, outcome, tuple(seen), (), rule.observe))
            continue
        did = tuple([_describe(action) for action in rule.then])
        trace.append(Tried(rule.id, rule.line, outcome, tuple(seen), did, rule.observe))
        if rule.observe:
            continue
        draft.rules.append(rule.id)
        draft.actions.extend(did)
        for action in rule.then:
            _apply(action, draft)
        if rule.ends:
            return


def _in_force(rule: Rule, view: View) -> bool:
    zone = view.ruleset.organisation.timezone
    return rule.active is None or rule.active.covers(view.letter.received_at.astimezone(zone).date())


def _apply(action: Action, draft: _Draft) -> None:
    match action:
        case Deliver():
            draft.place = action.teams
        case File():
            draft.state = action.state
        case Copy():
            draft.copies.extend(action.teams)
        case Tag():
            draft.tags.extend(action.tags)
        case SetPriority():
            draft.priority = action.priority
        case _:
            assert_never(action)


def _describe(action: Action) -> str:
    match action:
        case Deliver():
            return f"deliver {', '.join(action.teams)}"
        case File():
            return f"file {action.state}"
        case Copy():
            return f"copy {', '.join(action.teams)}"
        case Tag():
            return f"tag {', '.join(action.tags)}"
        case SetPriority():
            return f"priority {action.priority.name.lower()}"
        case _:
            assert_never(action)


def described(rule: Rule) -> tuple[str, ...]:
    """Return what a rule does, as traces say it."""
    return tuple(_describe(action) for action in rule.then)


def merge(routes: Iterable[Route]) -> Merged:
    """Merge the routes of a letter's recipients: once in each team's inbox, whichever addresses it came by.

    A team sees the tags and the highest priority of those routes that lead to it, and the letter lies closed only
    when all of them close it. Tags of a route stay with the teams of that route.
    """
    all_routes = tuple(routes)
    by_team: dict[str, list[Route]] = {}
    for each in all_routes:
        for team in each.teams:
            by_team.setdefault(team, []).append(each)
    problems = sorted({each.problem for each in all_routes if each.problem is not None})
    return Merged(
        placements=tuple([_place(team, by_team[team]) for team in sorted(by_team)]),
        rules=tuple(sorted({rule for each in all_routes for rule in each.rules})),
        problem="; ".join(problems) or None,
    )


def _place(team: str, routes: list[Route]) -> Placement:
    closed = all(each.state is State.CLOSED for each in routes)
    return Placement(
        team=team,
        state=State.CLOSED if closed else State.OPEN,
        priority=max([each.priority for each in routes]),
        tags=tuple(sorted({tag for each in routes for tag in each.tags})),
    )


def trace_json(route: Route) -> str:
    """Write a route as compact JSON: empty parts left out, conditions as [label, value, outcome].

    Every mail has one: written piece by piece, it takes a fourth of what values for an encoder take.
    """
    pieces = [f'"recipient":{_quoted(f"{route.recipient.local}@{route.recipient.domain}")}']
    if route.address is not None:
        pieces.append(f'"address":{_quoted(route.address)}')
    pieces.append(f'"teams":{_list_json(route.teams)}')
    if route.tags:
        pieces.append(f'"tags":{_list_json(route.tags)}')
    pieces.append(f'"priority":"{_PRIORITIES[route.priority]}","state":"{route.state.value}"')
    if route.rules:
        pieces.append(f'"rules":{_list_json(route.rules)}')
    if route.actions:
        pieces.append(f'"actions":{_list_json(route.actions)}')
    if route.problem is not None:
        pieces.append(f'"problem":{_quoted(route.problem)}')
    if route.trace:
        pieces.append(f'"trace":[{",".join([_tried_json(tried) for tried in route.trace])}]')
    return f"{{{','.join(pieces)}}}"


def _tried_json(tried: Tried) -> str:
    rule, line, outcome, seen, did, observed = tried
    form = f'{{"rule":{_quoted(rule)},"line":{line},"outcome":"{_WORDS[outcome]}"'
    if seen:
        conditions = [f'[{_quoted(label)},{_quoted(value)},"{_WORDS[found]}"]' for label, value, found in seen]
        form += f',"conditions":[{",".join(conditions)}]'
    if did:
        form += f',"{"would" if observed else "did"}":{_list_json(did)}'
    return form + "}"


def _list_json(texts: tuple[str, ...]) -> str:
    return f"[{','.join([_quoted(text) for text in texts])}]"


def outcome_word(outcome: Outcome | None) -> str:
    """Name an outcome for people."""
    return _WORDS[outcome]
