"""Routing: from a letter and a recipient to a `Route`, purely.

Every accepted recipient ends in at least one team: it starts with the team of its address (the implicit keep), rules
only move or add, and whatever goes wrong inside sends it back to that team, marked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from maild.mail.address import Address, is_implicit
from maild.mail.inbox import confidential
from maild.rules.conditions import Reading, Seen, View, evaluate
from maild.rules.duties import HOLD, Asked, Duty, answerable, confided, duties
from maild.rules.duties import merged as merged_duties
from maild.rules.leads import for_leads
from maild.rules.model import (
    Action,
    Copy,
    Deliver,
    File,
    FunctionAddress,
    Letter,
    Outcome,
    Priority,
    Rule,
    Ruleset,
    SetPriority,
    State,
    Tag,
)
from maild.rules.plan import Passed, Tried, plan_of
from maild.rules.requested import Answer, Assign, Confide, Forward, Hold, Reject
from maild.rules.route import Merged, Placement, Route

_NO, _YES = Outcome.NO, Outcome.YES
LEFT_OUT = " (not to automatic mail)"  # of a reply in a trace


@dataclass(slots=True)
class _Draft:
    """A route while rules work on it."""

    place: tuple[str, ...]
    copies: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    priority: Priority = Priority.NORMAL
    state: State = State.OPEN
    confidential: bool = False
    rules: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    steps: list[Tried | Passed] = field(default_factory=list)
    rejected: Reject | None = None


def route(ruleset: Ruleset, letter: Letter, recipient: Address) -> Route:
    """Route one recipient. For several of the same letter, `route_all` reads the letter only once."""
    return route_all(ruleset, letter, (recipient,))[0]


def route_all(
    ruleset: Ruleset, letter: Letter, recipients: Iterable[Address], readings: dict[str, Reading] | None = None
) -> tuple[Route, ...]:
    """Route each recipient of a letter on its own, in the order given.

    `readings`: what was read of the same letter for other rules, to be used and added to.
    """
    view = View(ruleset, letter, readings=readings)
    routes = (_route(ruleset, view.turned_to(recipient), recipient) for recipient in recipients)
    if letter.facts.account_mail:
        return tuple(for_leads(ruleset, route) for route in routes)
    return tuple(routes)


def route_by(ruleset: Ruleset, view: View, matching: Iterable[Rule]) -> Route:
    """Route the recipient that a view is turned to, when it is known which rules match: these, in their order.

    What ends the rules is looked for among them. The steps of the route are those of the rules that were applied.
    """
    found = _route(ruleset, view, view.recipient, matching)
    return for_leads(ruleset, found) if view.letter.facts.account_mail else found


def _route(ruleset: Ruleset, view: View, recipient: Address, matching: Iterable[Rule] | None = None) -> Route:
    found = ruleset.find(recipient)
    name, team = (None, ruleset.fallback) if found is None else (found.name, found.team)
    draft = _Draft(place=(team,))
    try:
        if matching is None:
            _try_rules(ruleset, view, draft)
        else:
            any(_take(rule, view, draft, ()) for rule in matching)  # until one ends the rules
    except Exception as error:  # noqa: BLE001  # never lost: a fault in a rule costs the rules, not the mail
        return Route(
            recipient=recipient,
            address=name,
            teams=(team,),
            confidential=draft.confidential,
            problem=f"{type(error).__name__} in the rules",
            steps=tuple(draft.steps),
            duties=_duties(ruleset, view, found, (team,), draft, failed=True),
        )
    if draft.rejected is not None:
        return _held(recipient, name, team, draft, draft.rejected)
    return _finished(ruleset, view, found, recipient, draft)


def _duties(
    ruleset: Ruleset, view: View, found: FunctionAddress | None, teams: tuple[str, ...], draft: _Draft, *, failed: bool
) -> tuple[Duty, ...]:
    to_do = duties(ruleset, view.letter, found, teams, () if failed else draft.asked, failed=failed)
    return confided(to_do, teams) if draft.confidential else to_do


def _finished(ruleset: Ruleset, view: View, found: FunctionAddress | None, recipient: Address, draft: _Draft) -> Route:
    teams = tuple(dict.fromkeys((*draft.place, *draft.copies)))
    to_do = _duties(ruleset, view, found, teams, draft, failed=False)
    held = any(duty.kind == HOLD for duty in to_do)
    return Route(
        recipient=recipient,
        address=None if found is None else found.name,
        teams=teams,
        tags=tuple(dict.fromkeys(draft.tags)),
        priority=draft.priority,
        state=State.OPEN if held else draft.state,  # somebody has to see what waits for a release
        confidential=draft.confidential,
        rules=tuple(draft.rules),
        actions=(*draft.actions, *(f"{duty.kind} {duty.target}".rstrip() for duty in to_do if not duty.rule)),
        steps=tuple(draft.steps),
        duties=to_do,
    )


def _held(recipient: Address, name: str | None, team: str, draft: _Draft, rejected: Reject) -> Route:
    """Keep what can no longer be refused: a bounce would go to whom the sender pretends to be (RFC 5321 §6.1)."""
    return Route(
        recipient=recipient,
        address=name,
        teams=(team,),
        confidential=draft.confidential,
        rules=tuple(draft.rules),
        actions=tuple(draft.actions),
        problem=f"rejected by rule {draft.rules[-1]} for this recipient, held",
        steps=tuple(draft.steps),
        rejected=rejected.text,
    )


def _try_rules(ruleset: Ruleset, view: View, draft: _Draft) -> None:
    """Try the rules from top to bottom; those whose first comparison fails for certain are passed over together."""
    plan = plan_of(ruleset.rules)
    marks, shown = bytearray(plan.marks), dict[str, str]()
    done, count = 0, len(marks)
    while done < count:
        index = marks.find(1, done)
        source = plan.opens.get(index)
        if source is not None and source not in shown:
            # The first rule that asks for this reading: now it is made, and says which of them are to be tried.
            reading = view.readings.get(source) or view.read(source)
            shown[source] = reading.shown
            marks[index] = 0
            for passing in plan.passing(source, reading):
                marks[passing] = 1
            continue
        stop = count if index < 0 else index
        if stop > done:
            draft.steps.append(Passed(plan, done, stop, shown))
        if index < 0 or _try(plan.rules[index], view, draft):
            return
        done = index + 1


def _try(rule: Rule, view: View, draft: _Draft) -> bool:
    """Try one rule; tell whether it is the last one."""
    seen: list[Seen] = []
    outcome = matches(rule, view, seen)
    if outcome is not _YES or not applies_to(rule, view.recipient):
        draft.steps.append(Tried(rule.id, rule.line, outcome, tuple(seen), (), rule.observe))
        return False
    return _take(rule, view, draft, tuple(seen))


def applies_to(rule: Rule, recipient: Address) -> bool:
    """Tell whether a rule that matches may do what it says: nothing refuses what everybody must take."""
    return rule.rejection is None or not is_implicit(recipient)


def _take(rule: Rule, view: View, draft: _Draft, seen: tuple[Seen, ...]) -> bool:
    """Do what a rule says that matches; tell whether it is the last one."""
    did = tuple([_describe(action, view) for action in rule.then])
    draft.steps.append(Tried(rule.id, rule.line, _YES, seen, did, rule.observe))
    if rule.observe:
        return False
    draft.rules.append(rule.id)
    draft.actions.extend(did)
    for action in rule.then:
        _apply(action, rule, draft)
    return rule.ends


def matches(rule: Rule, view: View, seen: list[Seen]) -> Outcome | None:
    """Evaluate the conditions of a rule, noting each in `seen`; None when it is not in force on that day."""
    if rule.active is not None:
        zone = view.ruleset.organisation.timezone
        if not rule.active.covers(view.letter.received_at.astimezone(zone).date()):
            return None
    outcome = _YES if rule.when is None else evaluate(rule.when, view, seen)
    if outcome is not _NO and rule.unless is not None:
        outcome = min(outcome, evaluate(rule.unless, view, seen).inverse)
    return outcome


def _apply(action: Action, rule: Rule, draft: _Draft) -> None:
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
        case Confide():
            draft.confidential = True
        case Hold() | Forward() | Answer() | Assign():
            draft.asked.append((rule.id, action))
        case Reject():
            draft.rejected = action
        case _:
            assert_never(action)


def _describe(action: Action, view: View | None = None) -> str:
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
        case Confide():
            return "confidential"
        case Hold():
            return "hold"
        case Forward():
            return f"forward {', '.join(map(str, action.addresses))}"
        case Answer():
            left_out = "" if view is None or answerable(view.ruleset, view.letter) else LEFT_OUT
            return f"reply {action.template}{left_out}"
        case Assign():
            return f"assign {action.login}"
        case Reject():
            return f"reject {action.text}"
        case _:
            assert_never(action)


def described(rule: Rule) -> tuple[str, ...]:
    """Return what a rule does, as traces say it."""
    return tuple(_describe(action) for action in rule.then)


def merge(routes: Iterable[Route]) -> Merged:
    """Merge the routes of a letter's recipients: once in each team's inbox, whichever addresses it came by.

    A team sees the tags and the highest priority of those routes that lead to it, and the letter lies closed only
    when all of them close it. Tags of a route stay with the teams of that route. What is confidential for a team by
    one route is so by all of them.
    """
    all_routes = tuple(routes)
    by_inbox: dict[str, list[Route]] = {}
    for each in all_routes:
        for inbox in each.inboxes:
            by_inbox.setdefault(inbox, []).append(each)
    inner = [inbox for inbox in by_inbox if confidential(inbox) in by_inbox]
    for inbox in inner:
        by_inbox[confidential(inbox)] += by_inbox.pop(inbox)
    problems = sorted({each.problem for each in all_routes if each.problem is not None})
    return Merged(
        placements=tuple([_place(inbox, by_inbox[inbox]) for inbox in sorted(by_inbox)]),
        rules=tuple(sorted({rule for each in all_routes for rule in each.rules})),
        problem="; ".join(problems) or None,
        duties=merged_duties(confided([duty for each in all_routes for duty in each.duties], inner)),
    )


def _place(inbox: str, routes: list[Route]) -> Placement:
    closed = all(each.state is State.CLOSED for each in routes)
    return Placement(
        inbox=inbox,
        state=State.CLOSED if closed else State.OPEN,
        priority=max([each.priority for each in routes]),
        tags=tuple(sorted({tag for each in routes for tag in each.tags})),
    )
