"""What the router has claimed and not yet filed: whose turn it is, in batches, and large mail one by one.

Nothing here is more than memory. What is lost of it waits in the database as `accepted`, and is claimed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from maild.archive.database import Database
from maild.archive.work import Waiting, next_waiting
from maild.authentication.examiner import Dialogue, Examiner
from maild.confinement import Streamed
from maild.mail.authentication import TrustedRelays
from maild.router.examining import Unexamined
from maild.router.pace import Gathering
from maild.router.reading import Addressed, Order

_LARGE_BYTES = 1_000_000  # beyond, a message goes alone
_HELD_BYTES = 64_000_000  # octets of fresh mail kept in memory on their way; beyond, they are read back
_CLAIM = 500
_POLL_S = 2.0
_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Task:
    """A claimed message. `octets` is None until they are fetched, when memory did not hold them.

    A large message is never held here: it goes to the worker as it is read.
    """

    order: Order
    octets: bytes | Streamed | None = None
    digest: bytes | None = None
    crashed: bool = False
    unexamined: Unexamined | None = None
    away: bool = False  # its examination takes longer than the batch waits


class Claims:
    """Claims waiting mail, each message once, and hands it out in batches."""

    def __init__(
        self,
        database: Database,
        *,
        chance: Callable[[int], int],
        relays: TrustedRelays,
        examiner: Examiner | None,
    ) -> None:
        """Begin with nothing; the arguments are those of the router."""
        self._database = database
        self._chance = chance
        self._relays = relays
        self._examiner = examiner
        self._tasks: Gathering[Task] = Gathering()
        self._claimed: set[int] = set()
        self._held_bytes = 0
        self._few = asyncio.Event()  # set when few of those claimed are left, and others wait
        self._hurries = self._failed = False
        self.wake = asyncio.Event()  # set when something came for a batch
        # Large mail goes one by one and apart: neither its memory nor its time adds up, and no other waits for it.
        self.large: asyncio.Queue[Task] = asyncio.Queue()

    @property
    def count(self) -> int:
        """Messages claimed and not yet filed."""
        return len(self._claimed)

    @property
    def ready(self) -> bool:
        """Whether there is mail for a batch."""
        return len(self._tasks) > 0

    async def keep_pace(self) -> None:
        """Wait until the next batch may leave (`pace`); only when there is one (`ready`)."""
        await self._tasks.keep_pace()

    def hurry(self) -> None:
        """Wake who waits for a batch, and have that leave as it is."""
        self._tasks.hurry()
        self.wake.set()

    def offer(self, order: Order, octets: bytes | None, unexamined: Unexamined | None) -> None:
        """Claim mail that was just committed, unless that is too much."""
        if order.message_id in self._claimed or len(self._tasks) > 10 * _CLAIM:
            return
        if octets is not None and self._held_bytes + len(octets) > _HELD_BYTES:
            octets = None
        self._held_bytes += len(octets or b"")
        self.claim(Task(order, octets, unexamined=unexamined))

    def claim(self, task: Task) -> None:
        """Claim a message, or line up again one that was away."""
        self._claimed.add(task.order.message_id)
        if task.order.size > _LARGE_BYTES:
            self.large.put_nowait(task)
            return
        self._tasks.add(task)
        self.wake.set()

    def take(self) -> list[Task]:
        """Return the next batch, of at least one message; only when there is one (`ready`)."""
        batch = self._tasks.take()
        self._call_for_more()
        return batch

    def set_out(self, batch: Iterable[Task]) -> None:
        """Hear that a batch is worked on: room for the octets of others."""
        self._held_bytes -= sum(len(task.octets) for task in batch if isinstance(task.octets, bytes))

    def let_go(self, task: Task) -> None:
        """Hear that a message was filed, or that it could not be: then the poll finds it again."""
        self._claimed.discard(task.order.message_id)

    def rest(self) -> None:
        """Hear that something failed: it rests until the next poll."""
        self._failed = True

    async def poll(self) -> None:
        """Claim, for ever, what other processes or an earlier life have left."""
        while True:
            self._few.clear()
            try:
                more = await self._claim_waiting()
                self._hurries, self._failed = more and not self._failed, False
                self._call_for_more()
            except Exception as error:  # noqa: BLE001 - a worker's attempt: tried again at the next poll
                _log.error("router.claim_failed", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._few.wait(), _POLL_S)

    async def _claim_waiting(self) -> bool:
        """Claim what waits; return whether there may be more of it than could be claimed."""
        after: int | None = 0
        while after is not None and len(self._tasks) < _CLAIM:
            found, after = await asyncio.to_thread(self._read_waiting, after)
            for item in found:
                if item.message_id not in self._claimed:
                    self.claim(Task(self._order(item), digest=item.digest, unexamined=self._unexamined(item)))
        return after is not None

    def _call_for_more(self) -> None:
        if self._hurries and len(self._tasks) < _CLAIM // 2:
            self._few.set()

    def _read_waiting(self, after: int) -> tuple[list[Waiting], int | None]:
        with self._database.read() as connection:
            return next_waiting(connection, _CLAIM, after)

    def _order(self, item: Waiting) -> Order:
        return Order(
            message_id=item.message_id,
            direction=item.direction,
            received_ms=item.received_ms,
            reverse_path=item.reverse_path,
            addressed=tuple(Addressed(as_given=i.address, team=i.team) for i in item.items),
            reference_bits=self._chance(40),
            size=item.size,
            state="closed" if item.origin == "import" else None,
            believed=self._relays.believed(item.peer_ip),
            verdicts=None if item.evidence is None else item.evidence.verdicts,
            mark="" if item.evidence is None else item.evidence.mark,
            screening=item.screening,
        )

    def _unexamined(self, item: Waiting) -> Unexamined | None:
        if self._examiner is None or item.evidence is not None or self._relays.believed(item.peer_ip):
            return None  # a relay has seen the sender's machine, and we have not
        dialogue = Dialogue(item.peer_ip or "", item.helo, item.reverse_path or None)
        return Unexamined(dialogue) if self._examiner.concerns(item.peer_ip) else None
