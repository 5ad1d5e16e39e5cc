"""Why a mail goes where it goes, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from maild.rules.conditions import shorten
from maild.rules.recorded import Attempt, Recorded

_WIDTH = len("cannot tell")
_MOST_ALIGNED = 48  # a longer condition moves only its own value to the right


def render_route(route: Recorded) -> str:
    """Return the route of one recipient as text: each rule tried, what its conditions saw, and what it did.

    Every value of the mail is on one line and without control characters.
    """
    return "\n".join(_lines(route))


def _lines(route: Recorded) -> Iterator[str]:
    reached = f"address {route.address}" if route.address else "no address of ours: the fallback takes it"
    yield f"{shorten(route.recipient)} ({shorten(reached)})"
    for attempt in route.attempts:
        yield from _rule(attempt)
    if not route.attempts:
        yield "  no rule was tried"
    if route.problem:
        yield f"  problem: {shorten(route.problem)}; the mail stays with the team of its address"
    yield f"  goes to: {shorten(', '.join(route.teams))}"
    if route.account is not None:
        yield f"  looks as if it handed over an account: {_leads(route)}; it is not answered automatically"
    if route.unread and route.teams:
        yield f"  nobody could read {shorten(', '.join(route.unread))}: {shorten(route.teams[-1])} has it as well"
    if route.tags:
        yield f"  tags: {shorten(', '.join(route.tags))}"
    yield f"  priority {shorten(route.priority)}, {shorten(route.state)}"


def _leads(route: Recorded) -> str:
    if not route.account:
        return "its teams see it all the same"
    return f"seen by the leads of {shorten(', '.join(route.account))} alone, where anybody is one"


def _rule(attempt: Attempt) -> Iterator[str]:
    observing = ", observing" if attempt.observed else ""
    yield f"  rule {shorten(attempt.rule)} (line {attempt.line}{observing}): {shorten(attempt.outcome)}"
    labels = [shorten(condition.label) for condition in attempt.conditions]
    width = max([len(label) for label in labels if len(label) <= _MOST_ALIGNED], default=0)
    for label, condition in zip(labels, attempt.conditions, strict=True):
        yield f"    {condition.outcome:{_WIDTH}}  {label:{width}}  saw {_saw(condition.value)}"
    if attempt.did:
        yield f"    {'would' if attempt.observed else 'did':{_WIDTH}}  {shorten('; '.join(attempt.did))}"


def _saw(value: str) -> str:
    return repr(shorten(value)) if value else "nothing"
