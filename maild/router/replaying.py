"""A replay: archived mail, routed once more by the rules that serve now, and filed where they put it.

Nothing is sent, acknowledged or counted again. What was moved is journaled (`maild.archive.replay`), message by
message: a replay may be killed at any moment, and goes on when it is asked for again.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection

from maild.archive.database import Database
from maild.archive.refiling import Refiled, Refiling, preview, refile
from maild.archive.replay import Beginning, Ending, Step, begin, end, restore, steps, take_back
from maild.archive.replayable import Chosen, Replayable, replayable, replayable_count
from maild.archive.writer import Unit
from maild.errors import TemporaryError
from maild.mail.authentication import NO_RELAYS, TrustedRelays
from maild.router.comparing import Change
from maild.router.rehearsal import Changes, Kind, sort_in
from maild.router.rerouting import Moved, Reroute
from maild.router.survey import Answer, Question, Survey
from maild.rules.model import Ruleset

_REROUTE = "maild.router.rerouting:reroute_batch"
_PAGE = 512  # messages fetched at once
_UNIT = 32  # messages moved in one transaction: short enough that a daemon's 250 does not wait for it
_TRIES = 5  # while a daemon holds the database; each waits for seconds
A = TypeVar("A")
R = TypeVar("R")


@dataclass(slots=True)
class Tally:
    """What a replay has done, or would do. `kept`: messages that also stay where somebody has worked on them."""

    messages: int = 0
    by_envelope: int = 0
    moved: int = 0
    kept: int = 0
    kinds: dict[Kind, Changes] = field(default_factory=dict)


@dataclass(slots=True)
class Undone:
    """What became of taking back. `left`: messages that somebody changed since."""

    restored: int = 0
    left: list[int] = field(default_factory=list)


class Replaying:
    """Routes archived mail by `rules`, and files it anew when it is told to."""

    def __init__(
        self,
        database: Database,
        rules: Ruleset,
        *,
        relays: TrustedRelays = NO_RELAYS,
        unread: frozenset[str] = frozenset(),
    ) -> None:
        """Prepare; worker processes start with the first message. `unread`: the teams that nobody can read now."""
        self._database = database
        self._relays = relays
        self._unread = unread
        self.rules = rules

    def count(self, chosen: Chosen) -> int:
        """Count the messages that will be looked at, at the most."""
        with self._database.read() as connection:
            return replayable_count(connection, chosen)

    def rehearse(self, chosen: Chosen, progress: Callable[[int], None]) -> Tally:
        """Return what `run` would do; nothing is changed."""

        def look(items: list[Refiling]) -> Sequence[Refiled | None]:
            with self._database.read() as connection:
                return preview(connection, items)

        return self._go_through(chosen, 0, look, progress)

    def run(self, chosen: Chosen, beginning: Beginning, progress: Callable[[int], None]) -> tuple[int, Tally]:
        """File anew what lies elsewhere by the rules; return the replay's number and what was done."""
        number = _persist(self._database, begin, [beginning])[0]

        def move(items: list[Refiling]) -> Sequence[Refiled | None]:
            return _persist(self._database, refile, items)

        tally = self._go_through(chosen, number, move, progress)
        _persist(self._database, end, [number])
        return number, tally

    def _go_through(
        self,
        chosen: Chosen,
        number: int,
        act: Callable[[list[Refiling]], Sequence[Refiled | None]],
        progress: Callable[[int], None],
    ) -> Tally:
        tally = Tally()
        with closing(self.answers(self._pages(chosen))) as answers:
            for messages, batch in answers:
                found = [moved for answer in batch for moved in answer.said]
                for start in range(0, len(found), _UNIT):
                    some = found[start : start + _UNIT]
                    _count(tally, some, act([_refiling(number, self.rules, moved) for moved in some]))
                tally.messages += messages
                tally.by_envelope += sum(answer.by_envelope for answer in batch)
                progress(messages)
        return tally

    def answers(self, pages: Iterator[list[Replayable]]) -> Generator[tuple[int, list[Answer]]]:
        """Yield what workers say of the messages, a list of `Moved`, batch by batch."""
        pickled = pickle.dumps(self.rules, protocol=5)
        question = Question(function=_REROUTE, key=self.rules.version, rules=pickled, asked=self.asked_about)
        return Survey[Replayable, Reroute](self._database, question).run(pages)

    def asked_about(self, message: Replayable) -> Reroute:
        """Return what a worker is asked about a message, beside its octets."""
        return Reroute(
            message_id=message.message_id,
            received_ms=message.received_ms,
            reverse_path=message.reverse_path or None,
            addresses=message.addresses,
            size=message.size,
            imported=message.imported,
            trace=message.trace,
            believed=self._relays.believed(message.peer_ip),
            verdicts=message.verdicts,
            reply=message.reply,
            unread=self._unread,
        )

    def _pages(self, chosen: Chosen) -> Iterator[list[Replayable]]:
        with self._database.read() as connection:
            yield from replayable(connection, chosen, _PAGE)


def undo(database: Database, number: int, now_ms: int, progress: Callable[[int], None], *, by: str = "") -> Undone:
    """Take a replay back, the last message first; what somebody changed since is left as it is."""
    undone = Undone()
    before: int | None = None
    while some := _steps(database, number, before):
        before = some[-1].message_id
        for step, done in zip(some, _persist(database, restore, some), strict=True):
            if done:
                undone.restored += 1
            else:
                undone.left.append(step.message_id)
        progress(len(some))
    _persist(database, take_back, [Ending(number, now_ms, by)])
    return undone


def _steps(database: Database, number: int, before: int | None) -> list[Step]:
    with database.read() as connection:
        return steps(connection, number, before, _UNIT)


def _persist(database: Database, unit: Unit[A, R], arguments: list[A]) -> Sequence[R]:
    """Carry out a unit of work on all arguments or on none; while a daemon beside us holds the database, try again."""

    def whole(connection: Connection, batches: list[list[A]]) -> list[Sequence[R]]:
        return [unit(connection, batch) for batch in batches]

    for _ in range(_TRIES - 1):
        with suppress(TemporaryError):
            return database.writer.submit(whole, arguments).result()
    return database.writer.submit(whole, arguments).result()


def _refiling(number: int, rules: Ruleset, moved: Moved) -> Refiling:
    return Refiling(
        replay_id=number,
        message_id=moved.message_id,
        rules_version=rules.version,
        trace=moved.trace,
        problem=moved.problem,
    )


def _count(tally: Tally, moved: list[Moved], done: Sequence[Refiled | None]) -> None:
    for change, refiled in zip(moved, done, strict=True):
        if refiled is not None:
            tally.moved += 1
            tally.kept += bool(refiled.kept)
            sort_in(tally.kinds, Change(*change[:6]))
