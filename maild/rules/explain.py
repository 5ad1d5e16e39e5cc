"""Why a mail goes where it goes, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from maild.rules.conditions import shorten
from maild.rules.engine import Route, Tried, outcome_word

_WIDTH = len("cannot tell")


def render_trace(route: Route) -> str:
    """Return the route of one recipient as text: each rule tried, what its conditions saw, and what it did.

    Every value of the mail is on one line and without control characters.
    """
    return "\n".join(_lines(route))


def _lines(route: Route) -> Iterator[str]:
    recipient = shorten(f"{route.recipient.local}@{route.recipient.domain}")
    reached = f"address {route.address}" if route.address else "no address of ours: the fallback takes it"
    yield f"{recipient} ({reached})"
    for tried in route.trace:
        yield from _rule(tried)
    if not route.trace:
        yield "  no rule was tried"
    if route.problem:
        yield f"  problem: {shorten(route.problem)}; the mail stays with the team of its address"
    yield f"  goes to: {', '.join(route.teams)}"
    if route.tags:
        yield f"  tags: {', '.join(route.tags)}"
    yield f"  priority {route.priority.name.lower()}, {route.state}"


def _rule(tried: Tried) -> Iterator[str]:
    observing = ", observing" if tried.observed else ""
    yield f"  rule {tried.rule} (line {tried.line}{observing}): {outcome_word(tried.outcome)}"
    for seen in tried.seen:
        yield f"    {outcome_word(seen.outcome):{_WIDTH}}  {shorten(seen.label)}, saw {shorten(seen.value)!r}"
    if tried.did:
        yield f"    {'would' if tried.observed else 'did'}: {'; '.join(tried.did)}"
