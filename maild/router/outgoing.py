"""Reading what we wrote ourselves: in a worker process, as any other message, and with no rule asked.

It is filed by who submits it, in the same transaction that archives it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Protocol

from maild.archive.as_read import Filing
from maild.archive.documents import IndexDocument
from maild.confinement import ConfinementError, Pool
from maild.router.reading import Addressed, Order, Reading, read_one
from maild.rules.in_worker import RulesWanted
from maild.rules.model import Ruleset

_READ = "maild.router.reading:read_batch"


class Leaving(Protocol):
    """What is known of a message besides its octets. `recipients` are outside; `team` is the inbox it belongs to."""

    @property
    def message_id(self) -> int: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def reverse_path(self) -> str | None: ...
    @property
    def recipients(self) -> tuple[str, ...]: ...
    @property
    def team(self) -> str: ...
    @property
    def size(self) -> int: ...


class OutgoingReader:
    """Reads messages of ours, one at a time."""

    def __init__(self, *, pool: Pool, rules: Callable[[], Ruleset], chance: Callable[[int], int]) -> None:
        """Wire it; `chance` gives so many random bits, for references."""
        self._pool = pool
        self._rules = rules
        self._chance = chance

    async def __call__(self, leaving: Leaving, octets: bytes) -> tuple[Filing, IndexDocument]:
        """Return how a message is filed and found. Never fails for the octets: beyond limits it is source only."""
        ruleset = self._rules()
        order = Order(
            message_id=leaving.message_id,
            direction="out",
            received_ms=leaving.at_ms,
            reverse_path=leaving.reverse_path,
            addressed=tuple(Addressed(as_given=each, team=leaving.team) for each in leaving.recipients),
            reference_bits=self._chance(40),
            size=leaving.size,
            reply=True,  # nobody asks: no rule sees it
        )
        try:
            reading = await self._ask(ruleset, order, octets)
        except ConfinementError as error:
            reading = read_one(ruleset, order._replace(source_only=error.kind), None)
        return reading.filing, reading.document

    async def _ask(self, ruleset: Ruleset, order: Order, octets: bytes) -> Reading:
        answer = await self._pool.run(_READ, ruleset.version, None, frozenset(), [order], octets)
        while isinstance(answer, RulesWanted):
            rules = pickle.dumps(ruleset, protocol=5)
            answer = await self._pool.run(_READ, ruleset.version, rules, frozenset(), [order], octets)
        reading: Reading = answer[0]
        return reading
