"""What runs in a worker process of a rehearsal: read a message once, ask two versions of the rules about it.

Only what differs comes back, and what nobody would claim; the message itself never does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maild.mail.address import Address, as_path
from maild.mail.authentication import Verdicts
from maild.rules.conditions import Reading
from maild.rules.engine import route_all
from maild.rules.in_worker import RulesWanted, kept_rules, letter_of
from maild.rules.model import Ruleset
from maild.rules.plan import Tried
from maild.rules.route import Route
from maild.rules.untouched import Untouched

_FIRST_LOOK = 8  # messages of a batch
_WORTH = 5  # one in so many is to fare alike


class Asked(NamedTuple):
    """One message to compare, with its circumstances. One that must not be read is compared by its envelope."""

    message_id: int
    received_ms: int
    reverse_path: str | None
    addresses: tuple[str, ...]
    size: int
    source_only: str | None = None
    believed: tuple[str, ...] = ()
    verdicts: Verdicts | None = None
    reply: bool | None = None

    def by_envelope(self, limit: str) -> Asked:
        """Ask about a message that broke this limit of its worker."""
        return self._replace(source_only=limit)


class Fate(NamedTuple):
    """What one version of the rules would do for a recipient.

    No teams: it would be refused at the door. What a rule refuses counts as such, though it is too late for that.
    """

    teams: tuple[str, ...]  # sorted
    tags: tuple[str, ...] = ()  # sorted
    priority: str = ""
    state: str = ""
    claimed: bool = False  # by an address; if not, the fallback takes it or nobody
    problem: str | None = None
    asks: tuple[str, ...] = ()  # for what beyond a place, as `forward a@b.example`; sorted


class Change(NamedTuple):
    """A recipient whose mail would fare differently. `rules` are those that do something else; none: its address."""

    message_id: int
    received_ms: int
    address: str
    old: Fate
    new: Fate
    rules: tuple[str, ...]


class Versions(NamedTuple):
    """What is compared. `untouched` tells letters that fare alike by both, None where that cannot be told of any."""

    old: Ruleset
    new: Ruleset
    untouched: Untouched | None


class Compared(NamedTuple):
    """What a batch of messages has shown."""

    recipients: int
    changes: tuple[Change, ...]
    before: dict[str, int]  # team → recipients that lead to it
    after: dict[str, int]


def compare_batch(
    key: str, pickled_rules: bytes | None, asked: list[Asked], *contents: bytes
) -> Compared | RulesWanted:
    """Compare what both rules do with each message. Runs in a worker process."""
    versions: Versions | None = kept_rules(key, pickled_rules)
    if versions is None:
        return RulesWanted()
    tally = _Tally(versions)
    for each, octets in zip(asked, contents, strict=True):
        tally.compare(each, octets)
    return Compared(tally.recipients, tuple(tally.changes), tally.before, tally.after)


class _Tally:
    """What was compared so far."""

    __slots__ = ("_alike", "_looked", "_versions", "after", "before", "changes", "recipients")

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._looked = self._alike = 0
        self.recipients = 0
        self.changes: list[Change] = []
        self.before: dict[str, int] = {}
        self.after: dict[str, int] = {}

    def compare(self, asked: Asked, octets: bytes) -> None:
        """Compare one message: by what surely says that it fares alike, or else by all the rules of both."""
        addresses = [(text, address) for text in asked.addresses if (address := as_path(text)) is not None]
        recipients = [address for _, address in addresses]
        self.recipients += len(recipients)
        untouched = self._versions.untouched if self._is_worth_it() else None
        body = untouched is None or untouched.reads_body
        letter, readings = letter_of(octets, asked, body=body, filed=False), dict[str, Reading]()
        places = None if untouched is None else untouched.places(letter, recipients, readings)
        self._looked += untouched is not None
        if places is not None:
            self._alike += 1
            for teams in places:
                self._count(teams, teams)
            return
        if not body:
            letter, readings = letter_of(octets, asked, filed=False), {}
        old, new, known = self._versions
        were = route_all(old, letter, recipients, readings)
        would_be = None if known is None else known.routes(letter, recipients, were, readings)
        if would_be is None:
            would_be = route_all(new, letter, recipients, readings)
        for (text, address), was, would in zip(addresses, were, would_be, strict=True):
            fates = _fate(old, address, was), _fate(new, address, would)
            self._count(fates[0].teams, fates[1].teams)
            if fates[0] != fates[1]:
                self.changes.append(Change(asked.message_id, asked.received_ms, text, *fates, _differing(was, would)))

    def _is_worth_it(self) -> bool:
        """Tell whether looking for letters that fare alike finds any: where nearly all differ, it is lost time."""
        return self._looked < _FIRST_LOOK or self._alike * _WORTH > self._looked

    def _count(self, before: Sequence[str], after: Sequence[str]) -> None:
        for counts, teams in ((self.before, before), (self.after, after)):
            for team in teams:
                counts[team] = counts.get(team, 0) + 1


def _fate(ruleset: Ruleset, address: Address, route: Route) -> Fate:
    if not ruleset.accepts(address):
        return Fate(())
    if route.rejected is not None:
        return Fate((), claimed=True)
    return Fate(
        teams=tuple(sorted(route.inboxes)),
        tags=tuple(sorted(route.tags)),
        priority=route.priority.name.lower(),
        state=str(route.state.value),
        claimed=route.address is not None,
        problem=route.problem,
        asks=tuple(sorted({f"{duty.kind} {duty.target}".rstrip() for duty in route.duties})),
    )


def _differing(old: Route, new: Route) -> tuple[str, ...]:
    """Return the ids of the rules that act in one of the two only, or act otherwise."""
    did, does = _acts(old), _acts(new)
    return tuple(sorted(rule for rule in did.keys() | does.keys() if did.get(rule) != does.get(rule)))


def _acts(route: Route) -> dict[str, tuple[str, ...]]:
    tried = (step for step in route.steps if isinstance(step, Tried))
    return {each.rule: each.did for each in tried if each.did and not each.observed}
