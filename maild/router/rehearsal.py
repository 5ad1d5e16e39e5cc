"""A rehearsal: all archived mail of a time, routed by two versions of the rules side by side, and nothing done.

Mail is hostile input: it is read in worker processes alone (`maild.router.survey`); here answers are counted.
"""

from __future__ import annotations

import pickle
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

from maild.archive.database import Database
from maild.archive.received import Received, received, received_count
from maild.confinement import Worker
from maild.mail.authentication import NO_RELAYS, TrustedRelays
from maild.router.comparing import Asked, Change, Compared, Fate, Versions
from maild.router.survey import Question, Survey
from maild.rules.model import Ruleset
from maild.rules.untouched import untouched

_COMPARE = "maild.router.comparing:compare_batch"
_SMALL_PAGE = 64  # where it may be enough after any of them
_PAGE = 512  # messages fetched at once
_EXAMPLES = 3
_ABOUT_SENDER = frozenset({"spf", "dkim", "dmarc"})


class Kind(NamedTuple):
    """One sort of change: what happens to the mail now, would happen, and for which rules' sake.

    Beside the teams a fate has only what the other one has not: what stays as it is does not make another sort.
    """

    old: Fate
    new: Fate
    rules: tuple[str, ...]


class Example(NamedTuple):
    """One mail to look at."""

    message_id: int
    received_ms: int
    address: str


@dataclass(slots=True)
class Changes:
    """How often one sort of change was seen, and the newest mails in which."""

    count: int = 0
    examples: deque[Example] = field(default_factory=lambda: deque(maxlen=_EXAMPLES))


@dataclass(slots=True)
class Report:
    """What a rehearsal has shown. `by_envelope` counts the messages that only their envelopes spoke for."""

    messages: int = 0
    recipients: int = 0
    by_envelope: int = 0
    changed: int = 0
    kinds: dict[Kind, Changes] = field(default_factory=dict)
    before: Counter[str] = field(default_factory=Counter)  # team → recipients that lead to it
    after: Counter[str] = field(default_factory=Counter)
    unmatched: Counter[tuple[str, bool]] = field(default_factory=Counter)  # address, whether it would be refused

    def add(self, compared: Compared, *, newest_first: bool = False) -> None:
        """Count a batch. Examples are kept oldest first, in whatever order the batches come."""
        self.recipients += compared.recipients
        self.before.update(compared.before)
        self.after.update(compared.after)
        self.changed += len(compared.changes)
        for change in compared.changes:
            self._add(change, newest_first=newest_first)

    def _add(self, change: Change, *, newest_first: bool) -> None:
        sort_in(self.kinds, change, newest_first=newest_first)
        if change.old.claimed and not change.new.claimed:
            local_part, _, domain = change.address.lower().rpartition("@")
            # Without the detail: anyone may have written any number of them.
            address = f"{local_part.partition('+')[0]}@{domain}"
            self.unmatched[address, not change.new.teams] += 1


class Rehearsal:
    """Compares two versions of the rules on archived mail. Reads the archive, writes nothing."""

    def __init__(self, database: Database, old: Ruleset, new: Ruleset, relays: TrustedRelays = NO_RELAYS) -> None:
        """Prepare; worker processes start with the first message."""
        self._database = database
        self._relays = relays
        self._with_replies = "reply" in old.asked | new.asked
        self._with_verdicts = not _ABOUT_SENDER.isdisjoint(old.asked | new.asked)
        pickled = pickle.dumps(Versions(old, new, untouched(old, new)), protocol=5)
        key = f"{old.version}:{new.version}"
        self._survey = Survey[Received, Asked](
            database, Question(function=_COMPARE, key=key, rules=pickled, asked=self._asked)
        )

    @property
    def workers(self) -> list[Worker]:
        """The processes that read."""
        return self._survey.workers

    def count(self, since_ms: int, until_ms: int) -> int:
        """Count the messages that `run` will go through."""
        with self._database.read() as connection:
            return received_count(connection, since_ms, until_ms)

    def run(
        self,
        since_ms: int,
        until_ms: int,
        progress: Callable[[int], None],
        *,
        enough: Callable[[int], bool] | None = None,
    ) -> Report:
        """Return what differs in the mail of a time; `progress` hears of each batch of messages.

        With `enough` the newest mail comes first, and ends when it says so of the number of messages taken so far.
        """
        report = Report()
        with closing(self._survey.run(self._pages(since_ms, until_ms, enough))) as answers:
            for messages, batch in answers:
                for compared, by_envelope in batch:
                    report.add(compared, newest_first=enough is not None)
                    report.by_envelope += by_envelope
                report.messages += messages
                progress(messages)
        return report

    def _pages(self, since_ms: int, until_ms: int, enough: Callable[[int], bool] | None) -> Iterator[list[Received]]:
        taken = 0
        with self._database.read() as connection:
            for page in received(
                connection,
                since_ms,
                until_ms,
                _PAGE if enough is None else _SMALL_PAGE,
                with_replies=self._with_replies,
                with_verdicts=self._with_verdicts,
                newest_first=enough is not None,
            ):
                if enough is not None and enough(taken):
                    return
                taken += len(page)
                yield page

    def _asked(self, message: Received) -> Asked | None:
        if not message.addresses:
            return None
        return Asked(
            message_id=message.message_id,
            received_ms=message.received_ms,
            reverse_path=message.reverse_path or None,
            addresses=message.addresses,
            size=message.size,
            believed=self._relays.believed(message.peer_ip) if self._with_verdicts else (),
            verdicts=message.verdicts,
            reply=message.reply,
        )


def sort_in(kinds: dict[Kind, Changes], change: Change, *, newest_first: bool = False) -> None:
    """Count a change with its like."""
    seen = kinds.setdefault(_kind(change), Changes())
    seen.count += 1
    example = Example(change.message_id, change.received_ms, change.address)
    if not newest_first:
        seen.examples.append(example)
    elif len(seen.examples) < _EXAMPLES:
        seen.examples.appendleft(example)


def _kind(change: Change) -> Kind:
    old, new = change.old, change.new
    if not (old.teams and new.teams):
        # Refused, now or then: nothing else about it matters.
        return Kind(Fate(old.teams, claimed=old.claimed), Fate(new.teams, claimed=new.claimed), change.rules)
    return Kind(_beside(old, new), _beside(new, old), change.rules)


def _beside(fate: Fate, other: Fate) -> Fate:
    return fate._replace(
        tags=tuple(tag for tag in fate.tags if tag not in other.tags),
        priority="" if fate.priority == other.priority else fate.priority,
        state="" if fate.state == other.state else fate.state,
        problem=None if fate.problem == other.problem else fate.problem,
        asks=tuple(asked for asked in fate.asks if asked not in other.asks),
    )
