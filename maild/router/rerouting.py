"""What runs in a worker process of a replay: read a message once more, and ask the rules that serve now about it.

Only of mail that would lie elsewhere, or otherwise, does anything come back.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from maild.archive.compression import compress
from maild.archive.replayable import Places, kept_routes, places_of
from maild.mail.authentication import Verdicts
from maild.mail.inbox import unled
from maild.router.comparing import Fate
from maild.rules.engine import merge, route_all
from maild.rules.in_worker import RulesWanted, addresses_of, kept_rules, letter_of
from maild.rules.leads import also_to, opened
from maild.rules.model import Priority, Ruleset
from maild.rules.recorded import Recorded
from maild.rules.recorded_places import acts, placements, recorded_routes
from maild.rules.trace_form import routes_json


class Reroute(NamedTuple):
    """One message to route again, with its circumstances. `trace`: the routes that it took."""

    message_id: int
    received_ms: int
    reverse_path: str | None
    addresses: tuple[str, ...]
    size: int
    imported: bool
    trace: bytes
    believed: tuple[str, ...] = ()
    verdicts: Verdicts | None = None
    reply: bool | None = None
    unread: frozenset[str] = frozenset()  # inboxes that nobody can read
    source_only: str | None = None

    def by_envelope(self, limit: str) -> Reroute:
        """Ask about a message that broke this limit of its worker."""
        return self._replace(source_only=limit)


class Moved(NamedTuple):
    """A message whose places are others now. `rules` are those that act otherwise; none: its address."""

    message_id: int
    received_ms: int
    address: str
    old: Fate
    new: Fate
    rules: tuple[str, ...]
    trace: bytes
    problem: str | None


def reroute_batch(
    key: str, pickled_rules: bytes | None, asked: list[Reroute], *contents: bytes
) -> list[Moved] | RulesWanted:
    """Return what would lie elsewhere. Runs in a worker process."""
    ruleset: Ruleset | None = kept_rules(key, pickled_rules)
    if ruleset is None:
        return RulesWanted()
    found = (_reroute(ruleset, each, octets) for each, octets in zip(asked, contents, strict=True))
    return [moved for moved in found if moved is not None]


def _reroute(ruleset: Ruleset, asked: Reroute, octets: bytes) -> Moved | None:
    old = kept_routes(asked.trace)
    if old is None:  # where it was put is not known, so nothing could be said of where it would leave
        return None
    routes = route_all(ruleset, letter_of(octets, asked), addresses_of(asked.addresses))
    if not asked.imported:
        # What the fallback has for the sake of a team without readers stays there when the team gets one.
        unread = asked.unread | {route.inbox_of(team) for route in old for team in route.unread}
        routes = tuple(also_to(ruleset.fallback, opened(route, unread), unread) for route in routes)
    else:
        routes = tuple(opened(route, frozenset(map(unled, ruleset.teams))) for route in routes)
    merged = merge(routes)
    before = places_of(placements(old), imported=asked.imported)
    after = places_of(merged.placements, imported=asked.imported)
    if before == after:
        return None
    trace = routes_json(routes)
    return Moved(
        message_id=asked.message_id,
        received_ms=asked.received_ms,
        address=asked.addresses[0],
        old=_fate(before),
        new=_fate(after),
        rules=_differing(old, recorded_routes(json.loads(trace)) or ()),
        trace=compress(trace.encode()),
        problem=merged.problem,
    )


def _fate(places: Places) -> Fate:
    """Return the outcome for a message as a whole."""
    found = places.values()
    return Fate(
        teams=tuple(sorted(places)),
        tags=tuple(sorted({tag for place in found for tag in place.tags})),
        priority=Priority(max((place.priority for place in found), default=Priority.NORMAL)).name.lower(),
        state="closed" if all(place.state == "closed" for place in found) else "open",
        claimed=True,
    )


def _differing(old: tuple[Recorded, ...], new: tuple[Recorded, ...]) -> tuple[str, ...]:
    """Return the ids of the rules that act on one of the two ways only, or act otherwise, for any recipient."""
    did = {(n, rule): act for n, route in enumerate(old) for rule, act in acts(route).items()}
    does = {(n, rule): act for n, route in enumerate(new) for rule, act in acts(route).items()}
    return tuple(sorted({key[1] for key in did.keys() | does.keys() if did.get(key) != does.get(key)}))
