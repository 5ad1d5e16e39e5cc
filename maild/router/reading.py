"""What runs in the worker process: read a message, ask the rules, prepare everything that is to be written.

The answer is small and plain. The message itself never comes back, and nothing here touches the database.
"""

from __future__ import annotations

from typing import NamedTuple

from maild.archive.content import compress
from maild.archive.filing import Filing, Place, Summary
from maild.archive.index import IndexDocument, document_of
from maild.archive.observing import Observation
from maild.mail.address import fold
from maild.mail.facts import Facts
from maild.router.letters import RulesWanted, address_of, kept_rules, letter_of
from maild.rules.engine import Route, merge, route_all, trace_json
from maild.rules.model import Priority, Ruleset

_MAX_PEOPLE = 500
_MAX_SUBJECT = 2_000  # of a list page's column; the message itself keeps every character
_MAX_NAME = 500


class Addressed(NamedTuple):
    """One work item: an address of ours as given, or a team where the rules are not asked."""

    as_given: str
    team: str | None


class Order(NamedTuple):
    """One message to read. `source_only` is set for one that must not be read again.

    The octets are not in here: they go beside the orders, because large ones then reach the worker uncopied.
    """

    message_id: int
    direction: str
    received_ms: int
    reverse_path: str | None
    addressed: tuple[Addressed, ...]
    reference_bits: int
    size: int
    source_only: str | None = None
    state: str | None = None  # the place of imported mail, whatever the rules say


class Reading(NamedTuple):
    """What the router writes. The document's revision is known only after filing."""

    filing: Filing
    document: IndexDocument


def read_batch(
    version: str, pickled_rules: bytes | None, orders: list[Order], *contents: bytes
) -> list[Reading] | RulesWanted:
    """Read messages under one version of the rules. Runs in a worker process."""
    ruleset = kept_rules(version, pickled_rules)
    if ruleset is None:
        return RulesWanted()
    return [read_one(ruleset, order, octets) for order, octets in zip(orders, contents, strict=True)]


def read_one(ruleset: Ruleset, order: Order, octets: bytes | None) -> Reading:
    """Read one message and decide where it belongs; without octets, by its envelope alone. Never raises for mail."""
    letter = letter_of(
        octets,
        received_ms=order.received_ms,
        reverse_path=order.reverse_path,
        size=order.size,
        source_only=order.source_only,
    )
    addresses = [address_of(a.as_given) for a in order.addressed if a.team is None]
    routes = route_all(ruleset, letter, [address for address in addresses if address is not None])
    envelope_to = tuple(a.as_given for a in order.addressed if a.as_given)
    return Reading(
        filing=_filing(ruleset, order, letter.facts, routes),
        document=document_of(letter.facts, envelope_to, order.message_id, 0),
    )


def _filing(ruleset: Ruleset, order: Order, facts: Facts, routes: tuple[Route, ...]) -> Filing:
    merged = merge(routes)
    places = {
        p.team: Place(team=p.team, state=order.state or str(p.state), priority=int(p.priority), tags=p.tags)
        for p in merged.placements
    }
    for addressed in order.addressed:
        if addressed.team is not None and addressed.team not in places:
            state = order.state or "open"
            places[addressed.team] = Place(team=addressed.team, state=state, priority=int(Priority.NORMAL))
    sender = facts.senders[0] if facts.senders else None
    return Filing(
        message_id=order.message_id,
        direction=order.direction,
        summary=Summary(
            date_ms=facts.date_ms,
            subject=facts.subject[:_MAX_SUBJECT],
            from_name=sender.name[:_MAX_NAME] if sender else "",
            from_mail=fold(sender.mail)[:_MAX_NAME] if sender else "",
            excerpt=facts.excerpt,
            attachments=len(facts.attachments),
            automatic=int(facts.automatic),
            source_only=facts.source_only,
        ),
        author=fold(sender.mail)[:_MAX_NAME] if sender else "",
        people=_people(ruleset, facts),
        message_key=facts.message_key,
        references=facts.references,
        places=tuple(places.values()),
        reference_bits=order.reference_bits,
        rules_version=ruleset.version,
        trace=compress(f"[{','.join(map(trace_json, routes))}]".encode()),
        problem=merged.problem,
        # Imported mail is of another time: it says nothing of what a rule would do now.
        observations=() if order.state is not None else _observations(routes),
    )


def _observations(routes: tuple[Route, ...]) -> tuple[Observation, ...]:
    """Return what rules that only observe would have done, once for each recipient."""
    found = (
        Observation(tried.rule, f"{route.recipient.local}@{route.recipient.domain}", tried.did)
        for route in routes
        for tried in route.trace
        if tried.observed and tried.did
    )
    return tuple({(each.rule, each.recipient): each for each in found}.values())


def _people(ruleset: Ruleset, facts: Facts) -> tuple[str, ...]:
    """Return the folded addresses of From, To and Cc that are not ours, at most 500, without doubles."""
    found: dict[str, None] = {}
    for mailbox in (*facts.senders, *facts.to, *facts.cc):
        mail = fold(mailbox.mail)[:_MAX_NAME]
        if mail and not ruleset.serves(mail.rpartition("@")[2]):
            found[mail] = None
        if len(found) == _MAX_PEOPLE:
            break
    return tuple(found)
