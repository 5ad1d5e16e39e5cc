"""Where recorded routes put a message: read from what is kept beside it, merged as the engine merged them."""

from __future__ import annotations

from collections.abc import Iterable

from maild.mail.address import Address
from maild.rules.engine import merge
from maild.rules.model import Priority, State
from maild.rules.recorded import Recorded, read_recorded
from maild.rules.route import Placement, Route

_NOBODY = Address(local="", domain="")


def recorded_routes(forms: object) -> tuple[Recorded, ...] | None:
    """Return the routes in what `routes_json` wrote, one for each recipient; None where there are none to be read."""
    if not isinstance(forms, list):
        return None
    found = [read_recorded(form) for form in forms]
    routes = tuple(route for route in found if route is not None)
    return routes if len(routes) == len(found) else None


def placements(routes: Iterable[Recorded]) -> tuple[Placement, ...]:
    """Return what each team's inbox received by these routes, by team."""
    return merge(map(_route, routes)).placements


def _route(recorded: Recorded) -> Route:
    return Route(
        recipient=_NOBODY,
        address=recorded.address,
        teams=recorded.teams,
        tags=recorded.tags,
        priority=_PRIORITIES.get(recorded.priority, Priority.NORMAL),
        state=_STATES.get(recorded.state, State.OPEN),
        confidential=recorded.confidential,
        account=recorded.account,
    )


# What a newer program wrote may have words that this one does not know.
_PRIORITIES = {priority.name.lower(): priority for priority in Priority}
_STATES = {state.value: state for state in State}


def acts(route: Recorded) -> dict[str, tuple[str, ...]]:
    """Return what each rule did; those that only observed did nothing."""
    return {attempt.rule: attempt.did for attempt in route.attempts if attempt.did and not attempt.observed}
