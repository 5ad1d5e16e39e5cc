"""What runs in a worker process of a rehearsal: read a message once, ask two versions of the rules about it.

Only what differs comes back, and what nobody would claim; the message itself never does.
"""

from __future__ import annotations

from typing import NamedTuple

from maild.mail.address import Address
from maild.mail.authentication import Verdicts
from maild.rules.engine import Route, route_all
from maild.rules.in_worker import RulesWanted, address_of, kept_rules, letter_of
from maild.rules.model import Ruleset
from maild.rules.plan import Tried


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
    kept: tuple[Ruleset, Ruleset] | None = kept_rules(key, pickled_rules)
    if kept is None:
        return RulesWanted()
    old, new = kept
    count, changes = 0, list[Change]()
    before, after = dict[str, int](), dict[str, int]()
    for each, octets in zip(asked, contents, strict=True):
        addresses = [(text, address) for text in each.addresses if (address := address_of(text)) is not None]
        count += len(addresses)
        letter = letter_of(octets, each)
        recipients = [address for _, address in addresses]
        routes = zip(addresses, route_all(old, letter, recipients), route_all(new, letter, recipients), strict=True)
        for (text, address), was, would in routes:
            fates = _fate(old, address, was), _fate(new, address, would)
            _count(before, fates[0])
            _count(after, fates[1])
            if fates[0] != fates[1]:
                change = Change(each.message_id, each.received_ms, text, *fates, _differing(was, would))
                changes.append(change)
    return Compared(count, tuple(changes), before, after)


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


def _count(counts: dict[str, int], fate: Fate) -> None:
    for team in fate.teams:
        counts[team] = counts.get(team, 0) + 1


def _differing(old: Route, new: Route) -> tuple[str, ...]:
    """Return the ids of the rules that act in one of the two only, or act otherwise."""
    did, does = _acts(old), _acts(new)
    return tuple(sorted(rule for rule in did.keys() | does.keys() if did.get(rule) != does.get(rule)))


def _acts(route: Route) -> dict[str, tuple[str, ...]]:
    tried = (step for step in route.steps if isinstance(step, Tried))
    return {each.rule: each.did for each in tried if each.did and not each.observed}
