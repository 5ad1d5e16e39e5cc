"""What runs in the worker process: read a message, ask the rules, prepare everything that is to be written.

The answer is small and plain. The message itself never comes back, and nothing here touches the database.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from maild.archive.as_read import Filing, Observation, Place, Question, Summary
from maild.archive.compression import compress
from maild.archive.documents import IndexDocument, document_of
from maild.authentication.relayed import evidence_of
from maild.mail.address import fold
from maild.mail.authentication import Verdicts
from maild.mail.evidence import to_json
from maild.mail.facts import Facts
from maild.mail.inbox import team_of, unled
from maild.mail.reports import looks_like_report
from maild.mail.screening import VIRUS, VIRUS_TAG, from_json
from maild.rules.duties import ANSWERS, ASSIGN, HOLD, LEAVE, MEMBER_COPY, Duty
from maild.rules.engine import merge, route_all
from maild.rules.in_worker import RulesWanted, addresses_of, kept_rules, letter_of
from maild.rules.leads import also_to, opened
from maild.rules.model import Letter, Priority, Ruleset, State
from maild.rules.plan import Tried
from maild.rules.route import Merged, Route
from maild.rules.trace_form import routes_json

_MAX_PEOPLE = 500
_MAX_SUBJECT = 2_000  # of a list page's column; the message itself keeps every character
_MAX_NAME = 500


class Addressed(NamedTuple):
    """One work item: an address of ours as given, or a team where the rules are not asked."""

    as_given: str
    team: str | None


class Order(NamedTuple):
    """One message to read, with its circumstances.

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
    believed: tuple[str, ...] = ()
    verdicts: Verdicts | None = None
    mark: str = ""  # a tag that it gets because nothing proves its sender
    evidence: str | None = None  # JSON, to be kept with the filing; None: it is kept already, or there is none
    reply: bool | None = None
    screening: str | None = None  # JSON of `maild.mail.screening`; None: nobody was asked


class Reading(NamedTuple):
    """What the router writes. The document's revision is known only after filing."""

    filing: Filing
    document: IndexDocument
    may_report: bool = False  # it may hold reports about our domains


def read_batch(
    version: str, pickled_rules: bytes | None, unread: frozenset[str], orders: list[Order], *contents: bytes
) -> list[Reading | Question] | RulesWanted:
    """Read messages under one version of the rules; see `read_one`. Runs in a worker process.

    Where a rule asks whether a message is a reply, and only the archive can say, the question is the answer.
    """
    ruleset = kept_rules(version, pickled_rules)
    if ruleset is None:
        return RulesWanted()
    return [_answer(ruleset, order, octets, unread) for order, octets in zip(orders, contents, strict=True)]


def _answer(ruleset: Ruleset, order: Order, octets: bytes, unread: frozenset[str]) -> Reading | Question:
    letter = letter_of(octets, order)
    if letter.reply is None and letter.facts.references and "reply" in ruleset.asked:
        return Question(order.message_id, _author(letter.facts), order.direction == "out", letter.facts.references)
    return _reading(ruleset, order, letter, unread)


def read_one(ruleset: Ruleset, order: Order, octets: bytes | None, unread: frozenset[str] = frozenset()) -> Reading:
    """Read one message and decide where it belongs; without octets, by its envelope alone. Never raises for mail.

    What comes to an inbox of `unread`, which nobody can read, comes to the fallback as well. The names among them that
    `maild.mail.inbox.unled` makes open what is confidential on a guess.
    """
    return _reading(ruleset, order, letter_of(octets, order), unread)


def _reading(ruleset: Ruleset, order: Order, letter: Letter, unread: frozenset[str]) -> Reading:
    addresses = addresses_of(addressed.as_given for addressed in order.addressed if addressed.team is None)
    routes = route_all(ruleset, letter, addresses)
    if order.state is not None:
        # Nobody waits for what was imported, and no code in it is good any more.
        routes = tuple(opened(route, frozenset(map(unled, route.account or ()))) for route in routes)
    elif unread:
        routes = tuple(also_to(ruleset.fallback, opened(route, unread), unread) for route in routes)
    envelope_to = tuple(a.as_given for a in order.addressed if a.as_given)
    return Reading(
        filing=_filing(ruleset, order, letter.facts, routes)._replace(
            evidence=_evidence(order, letter.facts), unled=_without_leads(routes, unread)
        ),
        document=document_of(letter.facts, envelope_to, order.message_id, 0),
        may_report=order.direction == "in" and looks_like_report(letter.facts),
    )


def _without_leads(routes: tuple[Route, ...], unread: frozenset[str]) -> tuple[str, ...]:
    if not unread:
        return ()
    return tuple(sorted({team for route in routes for team in route.teams if unled(team) in unread}))


def _filing(ruleset: Ruleset, order: Order, facts: Facts, routes: tuple[Route, ...]) -> Filing:
    merged = merge(routes)
    filed = "" if order.screening is None else from_json(order.screening).filed
    duties = _duties(order, merged, filed)
    return Filing(
        message_id=order.message_id,
        direction=order.direction,
        summary=_summary(facts),
        author=_author(facts),
        people=_people(ruleset, facts),
        message_key=facts.message_key,
        references=facts.references,
        places=_places(order, merged, filed),
        reference_bits=order.reference_bits,
        rules_version=ruleset.version,
        trace=compress(routes_json(routes).encode()),
        problem=merged.problem,
        # Imported mail is of another time: it says nothing of what a rule does now.
        hits=() if order.state is not None else tuple(rule for route in routes for rule in route.rules),
        duties=duties,
        parents=_parents(ruleset, duties),
        observations=() if order.state is not None else _observations(routes),
        report=facts.report if order.direction == "in" else None,
    )


def _summary(facts: Facts) -> Summary:
    sender = facts.senders[0] if facts.senders else None
    return Summary(
        date_ms=facts.date_ms,
        subject=facts.subject[:_MAX_SUBJECT],
        from_name=sender.name[:_MAX_NAME] if sender else "",
        from_mail=_author(facts),
        excerpt=facts.excerpt,
        attachments=len(facts.attachments),
        automatic=int(facts.automatic),
        source_only=facts.source_only,
    )


def _places(order: Order, merged: Merged, filed: str) -> tuple[Place, ...]:
    """Return the inboxes that a letter goes to, with how it lies there.

    By the rules, and by teams that were named with it. `filed`: as what the scanners put it away, "" for as nothing.
    """
    state, tags = ("spam", (VIRUS_TAG,) if filed == VIRUS else ()) if filed else (order.state, ())
    places = {
        p.inbox: Place(team=p.inbox, state=state or str(p.state), priority=int(p.priority), tags=(*p.tags, *tags))
        for p in merged.placements
    }
    for addressed in order.addressed:
        if addressed.team is not None and addressed.team not in places:
            there = Place(team=addressed.team, state=state or "open", priority=int(Priority.NORMAL), tags=tags)
            places[addressed.team] = there
    if order.mark:
        return tuple(place._replace(tags=_with(place.tags, order.mark)) for place in places.values())
    return tuple(places.values())


def _with(tags: tuple[str, ...], tag: str) -> tuple[str, ...]:
    return tags if tag in tags else (*tags, tag)


def _evidence(order: Order, facts: Facts) -> str | None:
    """Return what is to be kept about the sender: what was found out, or else what a trusted relay says."""
    if order.verdicts is not None or not order.believed:
        return order.evidence
    null_path = not order.reverse_path
    found = evidence_of(facts.fields, order.believed, null_path=null_path, received_ms=order.received_ms)
    return None if found is None else to_json(found)


def _observations(routes: tuple[Route, ...]) -> tuple[Observation, ...]:
    """Return what rules that only observe would have done, once for each recipient."""
    found = (
        Observation(step.rule, f"{route.recipient.local}@{route.recipient.domain}", step.did)
        for route in routes
        for step in route.steps
        if isinstance(step, Tried) and step.observed and step.did
    )
    return tuple({(each.rule, each.recipient): each for each in found}.values())


def _duties(order: Order, merged: Merged, filed: str) -> tuple[Duty, ...]:
    """Return what is to be done. Imported mail was answered and sent on in its day, and ours asks nothing of us.

    What lies in spam is not answered, because its sender is somebody else, and sent on only when somebody lets it go.
    """
    if order.direction == "out" or order.state is not None:
        return ()
    # Nobody is sent a copy of what is suspicious, or was filed so that it troubles nobody.
    copied = frozenset() if order.mark else frozenset(p.inbox for p in merged.placements if p.state is State.OPEN)
    found = tuple(duty for duty in merged.duties if duty.kind != MEMBER_COPY or duty.team in copied)
    if not filed:
        return found
    kept = tuple(duty for duty in found if duty.kind not in (*ANSWERS, MEMBER_COPY))
    leaving = sorted({duty.team for duty in kept if duty.kind in LEAVE})
    return (*kept, *(Duty(team, HOLD, filed, "") for team in leaving))


def _parents(ruleset: Ruleset, duties: tuple[Duty, ...]) -> tuple[tuple[str, str], ...]:
    teams = {team_of(duty.team) for duty in duties if duty.kind in (ASSIGN, MEMBER_COPY)}
    lines = ((team, *ruleset.ancestors(team)) for team in sorted(teams))
    return tuple(dict.fromkeys(pair for line in lines for pair in pairwise(line)))


def _author(facts: Facts) -> str:
    return fold(facts.senders[0].mail)[:_MAX_NAME] if facts.senders else ""


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


def bare(reading: Reading, problem: str) -> Reading:
    """Return a reading without what is recorded beside its places: that must not keep a message out of every inbox."""
    without = reading.filing._replace(
        duties=(), parents=(), hits=(), observations=(), report=None, answering=None, problem=problem
    )
    return reading._replace(filing=without)
