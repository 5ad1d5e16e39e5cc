"""The worker: claims deliveries, groups them into loads, hands these to couriers, and writes down what became of them.

Promises: a hop that does not answer keeps nobody else waiting: each hop has its own few places, and after a failure of
the whole hop what goes there is put off without being tried, until it is asked again. An exception, whatever it is,
is an outcome that is tried again. What was found out is recorded before anything else is done with the delivery, or
said on the connection.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import structlog

from maild.archive.database import Database
from maild.delivery.backoff import Backoff
from maild.delivery.copy_loads import HeadOfCopy, no_copies
from maild.delivery.courier import Courier, Used
from maild.delivery.deliveries import Delivery
from maild.delivery.lanes import Lanes
from maild.delivery.loads import Loads, ReturnPath, as_recorded
from maild.delivery.outcome import Outcome, Result
from maild.delivery.queue.carrying import ReversePath, TakeUp, finish, own_postmaster, take_up
from maild.delivery.queue.claiming import Claim, Hop, claim, end_leases, give_back, hop_of, next_due_ms
from maild.delivery.queue.working import End, Recorded, Start, begin
from maild.delivery.reporting import report, report_claimed
from maild.delivery.sending_on import SendsOn
from maild.delivery.signatures import Sign, unsigned

_log = structlog.get_logger()
_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much at once, and for how long. `session_s` ends a load; a lease is longer than that."""

    connections: int = 20
    per_hop: int = 2
    lifetime_ms: int = 5 * 24 * 3600 * 1000
    session_s: float = 1_800.0
    lease_ms: int = 2_400_000
    poll_s: float = 5.0
    drain_s: float = 20.0


class Worker:
    """Makes deliveries of what rules asked for, claims what is due and has couriers carry it; in the event loop."""

    def __init__(
        self,
        *,
        database: Database,
        couriers: Mapping[str, Courier],
        hostname: str,
        now_ms: Callable[[], int],
        chance: Callable[[], float],
        limits: Limits | None = None,
        single: frozenset[str] = frozenset(),
        reverse_path: ReversePath = own_postmaster,
        return_path: ReturnPath = as_recorded,
        sign: Sign = unsigned,
        head_of_copy: HeadOfCopy = no_copies,
        sends_on: SendsOn | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wire the worker.

        Args:
            database: holds the queue and what is sent.
            couriers: by the kind of delivery.
            hostname: this machine's, for trace fields.
            now_ms: the wall clock.
            chance: a number from 0 to 1, which spreads tries over time.
            limits: how much at once, and for how long.
            single: the kinds of which everything goes to one hop.
            reverse_path: gives letters that are sent on theirs, when their delivery is made.
            return_path: gives a delivery's when it is tried.
            sign: signs what leaves in our name.
            head_of_copy: writes the header of a copy for a member.
            sends_on: prepares letters that are sent on; None: they go as they came.
            clock: seconds that no one sets back.
        """
        self._database = database
        self._couriers = couriers
        self._hostname = hostname
        self._now_ms = now_ms
        self._chance = chance
        self._limits = limits or Limits()
        self._single = single
        self._reverse_path = reverse_path
        self._clock = clock
        self._loads = Loads(
            database,
            hostname=hostname,
            return_path=return_path,
            sign=sign,
            head_of_copy=head_of_copy,
            sends_on=sends_on,
        )
        self._backoff: Backoff[Hop] = Backoff()
        self._running: dict[asyncio.Task[None], tuple[Hop, tuple[Delivery, ...]]] = {}
        self._lanes = Lanes(self._limits.connections, self._limits.per_hop)
        self._more = False  # something that is due had no room
        self._awake = asyncio.Event()
        self._stopping = False
        self._duty_after = 0
        self._look_at_s = 0.0
        self._told = True
        self.counts: Counter[str] = Counter()  # of states that tries ended in

    @property
    def loads_in_hand(self) -> int:
        return len(self._running)

    def wake(self) -> None:
        """Say that something was enqueued, or asked for by rules; from the event loop."""
        self._told = True
        self._awake.set()

    def stop(self) -> None:
        """Take nothing more; `run` returns when what is in hand has ended, or was cut off after `drain_s`."""
        self._stopping = True
        self._awake.set()

    async def run(self) -> None:
        """Work until `stop`."""
        if self._database.is_sqlite:
            # Nobody else can have any: of a data directory there is one daemon, and this is its only worker.
            await self._database.writer.run(end_leases, None)
        while not self._stopping:
            self._awake.clear()
            try:
                if not await self._round():
                    await self._pause()
            except Exception as error:  # noqa: BLE001 - a worker's attempt: it is made again
                _log.error("delivery.claim_failed", error=type(error).__name__)
                await self._wait(self._limits.poll_s)
        await self._drain()

    async def _round(self) -> bool:
        """Take up duties, claim what is due, begin to send it; tell whether there may be more to claim at once."""
        carried = await self._take_up()
        room = self._lanes.room
        if room <= 0:
            return False
        now_ms = self._now_ms()
        asked = Claim(
            now_ms=now_ms,
            lease_ms=now_ms + self._limits.lease_ms,
            loads=room,
            per_hop=self._lanes.per_hop,
            active=self._lanes.in_hand,
            mine=frozenset(delivery.id for load in self._in_hand() for delivery in load),
            single=self._single,
        )
        claimed = await self._database.writer.run(claim, asked)
        report_claimed(claimed)
        self._more = claimed.more
        for load in claimed.loads:
            self._lanes.put(hop_of(load[0].kind, load[0].next_hop, self._single), load)
        self._dispatch()
        # Not for a few at a time: a claim is to be shared by many.
        return carried or (claimed.more and bool(claimed.loads) and self._lanes.is_empty_enough)

    def _in_hand(self) -> list[tuple[Delivery, ...]]:
        return [*(load for _, load in self._running.values()), *self._lanes.waiting()]

    def _dispatch(self) -> None:
        """Begin to send what has a place."""
        while not self._stopping and (taken := self._lanes.take()) is not None:
            task = asyncio.create_task(self._deliver(*taken), name="delivery")
            self._running[task] = taken
            task.add_done_callback(self._ended)
        if not self._stopping:
            self._loads.prepare(islice(self._lanes.upcoming(), self._limits.connections))

    async def _take_up(self) -> bool:
        """Make deliveries of duties, when there may be new ones; tell whether there are more to look at."""
        if not self._duty_after:
            if not self._told and self._clock() < self._look_at_s:
                return False
            self._told, self._look_at_s = False, self._clock() + self._limits.poll_s
        asked = TakeUp(
            now_ms=self._now_ms(),
            lifetime_ms=self._limits.lifetime_ms,
            reverse_path=self._reverse_path,
            hostname=self._hostname,
            after=self._duty_after,
        )
        taken = await self._database.writer.run(take_up, asked)
        self._duty_after = taken.after or 0  # from the beginning: what was held may have been released
        return taken.after is not None

    async def _pause(self) -> None:
        wait_s = self._limits.poll_s
        if self._lanes.room > 0:
            due_ms = await asyncio.to_thread(self._next_due_ms)
            ahead_s = wait_s if due_ms is None else (due_ms - self._now_ms()) / 1000
            wait_s = min(wait_s, ahead_s) if ahead_s > 0 else wait_s
        await self._wait(wait_s)

    async def _wait(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._awake.wait()
        except TimeoutError:
            return

    def _next_due_ms(self) -> int | None:
        with self._database.read() as connection:
            return next_due_ms(connection)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("delivery.error", error=type(error).__name__)

    async def _drain(self) -> None:
        """Give back what was not begun, and let the rest end."""
        self._loads.forget()
        for load in self._lanes.clear():
            await self._database.writer.run(give_back, load)
        await self._end_running()
        for courier in self._couriers.values():
            courier.close()

    async def _end_running(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(list(self._running), timeout=self._limits.drain_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    # --- one load ---------------------------------------------------------------------------------------------

    async def _deliver(self, hop: Hop, deliveries: tuple[Delivery, ...]) -> None:
        attempt = _Attempt(self._database, self._now_ms)
        freed = False
        try:
            recording = await self._carry(hop, deliveries, attempt)
            freed = True
            attempt.used.free()
            self._free(hop)
            await self._recorded(recording)
        except BaseException:
            attempt.used.cut()
            if not freed:
                self._free(hop)
            raise
        attempt.used.recorded()

    def _free(self, hop: Hop) -> None:
        """Give the place of a load to the next one."""
        self._lanes.ended(hop)
        self._dispatch()
        if self._more and self._lanes.is_low(hop):
            self._awake.set()

    async def _carry(self, hop: Hop, deliveries: tuple[Delivery, ...], attempt: _Attempt) -> list[_Recording]:
        """Send a load; return what is being recorded of it."""
        started_ms = self._now_ms()
        outcomes = await self._outcomes(hop, deliveries, attempt)
        self._note_site(hop, outcomes)
        at_ms = self._now_ms()
        ends = [
            End(delivery=d, outcome=outcomes[d.id], started_ms=started_ms, at_ms=at_ms, jitter=self._chance())
            for d in deliveries
        ]
        return [(end, self._database.writer.run(finish, end)) for end in ends]

    async def _recorded(self, recording: list[_Recording]) -> None:
        """Wait until it is written down, again and again: a delivery whose success is forgotten is made twice."""
        for end, writing in recording:
            recorded = await self._written(end, writing)
            self.counts[recorded.state] += 1
            report(end.delivery, end.outcome, recorded)

    async def _outcomes(self, hop: Hop, deliveries: tuple[Delivery, ...], attempt: _Attempt) -> dict[int, Outcome]:
        if (reason := self._backoff.reason(hop, self._clock())) is not None:
            put_off = Outcome(result=Result.DEFERRED, reply=f"not tried, because shortly before: {reason}")
            return {delivery.id: put_off for delivery in deliveries}
        try:
            async with asyncio.timeout(self._limits.session_s):
                load, outcomes = await self._loads.load(deliveries)
                if load is not None:
                    outcomes |= await self._couriers[deliveries[0].kind].deliver(load, attempt)
        except TimeoutError:
            outcomes, reply = {}, "it took too long"
        except Exception as error:  # noqa: BLE001 - a worker's attempt: whatever it is, the mail is tried again
            _log.error("delivery.error", error=type(error).__name__)
            outcomes, reply = {}, f"4.3.0 a fault of ours: {type(error).__name__}"
        else:
            reply = "4.3.0 a fault of ours: nothing is known of it"
        for delivery in deliveries:
            result = Result.UNKNOWN if delivery.id in attempt.begun else Result.DEFERRED
            outcomes.setdefault(delivery.id, Outcome(result=result, reply=reply))
        return outcomes

    def _note_site(self, hop: Hop, outcomes: Mapping[int, Outcome]) -> None:
        tried = [outcome for outcome in outcomes.values() if outcome.stage]
        down = next((outcome for outcome in tried if outcome.site), None)
        if down is not None:
            self._backoff.failed(hop, down.reply, self._clock())
        elif any(outcome.host for outcome in tried):
            self._backoff.answered(hop)

    async def _written(self, end: End, writing: asyncio.Future[Recorded]) -> Recorded:
        while True:
            try:
                return await writing
            except Exception as error:  # noqa: BLE001 - whatever it is: what is not recorded is sent again
                _log.error("delivery.record_failed", error=type(error).__name__, delivery=end.delivery.id)
                await asyncio.sleep(_RETRY_S)
                writing = self._database.writer.run(finish, end)


_Recording = tuple[End, asyncio.Future[Recorded]]


class _Unused:
    """No connection."""

    def free(self) -> None: ...
    def recorded(self) -> None: ...
    def cut(self) -> None: ...


class _Attempt:
    """Records that deliveries are about to be sent, and remembers which; see `Courier`."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self.begun: set[int] = set()
        self.used: Used = _Unused()

    def on(self, used: Used) -> None:
        self.used = used

    async def begin(self, deliveries: Sequence[Delivery], host: str, tls: str) -> bool:
        chosen = tuple(deliveries)
        self.begun |= {delivery.id for delivery in chosen}
        start = Start(deliveries=chosen, at_ms=self._now_ms(), host=host, tls=tls)
        begun = await self._database.writer.run(begin, start)
        if not begun:
            self.begun.clear()
        return begun
