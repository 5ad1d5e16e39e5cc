"""A route as JSON: what is kept beside every message, for ever. `maild.rules.recorded` reads it back."""

from __future__ import annotations

from collections.abc import Iterable
from json.encoder import encode_basestring

from maild.rules.model import Outcome, Priority
from maild.rules.plan import Passed, Tried
from maild.rules.route import Route

_quoted = encode_basestring  # a text as a JSON string
_WORDS = {None: "not in force", Outcome.NO: "no", Outcome.UNKNOWN: "cannot tell", Outcome.YES: "yes"}
_PRIORITIES = {priority: priority.name.lower() for priority in Priority}


def routes_json(routes: Iterable[Route]) -> str:
    """Write the routes of a message, one for each recipient."""
    return f"[{','.join(map(trace_json, routes))}]"


def trace_json(route: Route) -> str:
    """Write a route as compact JSON: empty parts left out, conditions as [label, value, outcome].

    Rules that were passed over stand together as `{"passed": [[rule, line, label, source], …]}`; what their sources
    were stands once, in `saw`.

    Every mail has one: written piece by piece, it takes a fourth of what values for an encoder take.
    """
    pieces = [f'"recipient":{_quoted(f"{route.recipient.local}@{route.recipient.domain}")}']
    if route.address is not None:
        pieces.append(f'"address":{_quoted(route.address)}')
    pieces.append(f'"teams":{_list_json(route.teams)}')
    if route.tags:
        pieces.append(f'"tags":{_list_json(route.tags)}')
    pieces.append(f'"priority":"{_PRIORITIES[route.priority]}","state":"{route.state.value}"')
    if route.confidential:
        pieces.append('"confidential":true')
    if route.account is not None:
        pieces.append(f'"account":{_list_json(route.account)}')
    if route.rules:
        pieces.append(f'"rules":{_list_json(route.rules)}')
    if route.actions:
        pieces.append(f'"actions":{_list_json(route.actions)}')
    if route.unread:
        pieces.append(f'"unread":{_list_json(route.unread)}')
    if route.problem is not None:
        pieces.append(f'"problem":{_quoted(route.problem)}')
    if route.steps:
        pieces.append(f'"trace":[{",".join([_step_json(step) for step in route.steps])}]{_saw_json(route)}')
    return f"{{{','.join(pieces)}}}"


def _saw_json(route: Route) -> str:
    passed = next((step for step in reversed(route.steps) if isinstance(step, Passed)), None)
    if passed is None:
        return ""
    return f',"saw":{{{",".join([f"{_quoted(source)}:{_quoted(value)}" for source, value in passed.shown.items()])}}}'


def _step_json(step: Tried | Passed) -> str:
    if isinstance(step, Passed):
        return f'{{"passed":{step.plan.passed_json(step.first, step.last)}}}'
    rule, line, outcome, seen, did, observed = step
    form = f'{{"rule":{_quoted(rule)},"line":{line},"outcome":"{_WORDS[outcome]}"'
    if seen:
        conditions = [f'[{_quoted(label)},{_quoted(value)},"{_WORDS[found]}"]' for label, value, found in seen]
        form += f',"conditions":[{",".join(conditions)}]'
    if did:
        form += f',"{"would" if observed else "did"}":{_list_json(did)}'
    elif observed:
        form += ',"observed":true'
    return form + "}"


def _list_json(texts: tuple[str, ...]) -> str:
    return f"[{','.join([_quoted(text) for text in texts])}]"
