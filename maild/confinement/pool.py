"""A few workers that an event loop shares out."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

from maild.confinement import child
from maild.confinement.worker import BOUNDS, Bounds, ConfinementError, Worker, read_answer

_RETIRED_CALLS = 5000
_RESTART_S = 1.0


class Pool:
    """`size` workers. One that broke a bound is replaced at once, one that served long is replaced when idle.

    Used from one event loop. Bulk calls never have all the workers at once (unless there is but one), so that a
    heap of them delays others by no more than one call; nor do others keep a bulk call waiting for ever.
    """

    def __init__(self, size: int, *, bounds: Bounds = BOUNDS, preload: tuple[str, ...] = ()) -> None:
        self.bounds = bounds
        self._preload = preload
        self._size = size
        self._free = deque(self._start() for _ in range(size))
        self._busy: set[Worker] = set()
        self._waiting: deque[asyncio.Future[Worker]] = deque()
        self._waiting_bulk: deque[asyncio.Future[Worker]] = deque()
        self._bulk_calls = 0
        self._closed = False
        self._all_ended = asyncio.Event()

    def _start(self) -> Worker:
        worker = Worker(bounds=self.bounds, preload=self._preload)
        worker.sock.setblocking(False)
        return worker

    async def run(self, target: str, /, *args: Any, wall_s: float | None = None, bulk: bool = False) -> Any:
        """Run a function in the next free worker. The wall time counts from when it has one.

        Raises:
            ConfinementError: the call gave no answer.
            Exception: what a `Streamed` argument raised.
        """
        worker = await self._take(bulk=bulk)
        try:
            return await self._call(worker, (target, *args), self.bounds.wall_s if wall_s is None else wall_s)
        finally:
            self._bulk_calls -= bulk
            self._give_back(worker)

    async def _take(self, *, bulk: bool) -> Worker:
        if self._closed:
            raise ConfinementError("crash", "the pool is closed")
        if self._free and not (bulk and self._bulk_full):
            self._bulk_calls += bulk
            return self._lend()
        future: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        queue = self._waiting_bulk if bulk else self._waiting
        queue.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._bulk_calls -= bulk
                self._give_back(future.result())
            elif future in queue:
                queue.remove(future)
            raise

    @property
    def _bulk_full(self) -> bool:
        return self._bulk_calls >= max(1, self._size - 1)

    def _lend(self) -> Worker:
        """Lend a worker that has answered before, if there is one: another may still be starting."""
        worker = next((free for free in self._free if free.ready), self._free[0])
        self._free.remove(worker)
        self._busy.add(worker)
        return worker

    def _give_back(self, worker: Worker) -> None:
        self._busy.discard(worker)
        if self._closed:
            worker.kill()
            if not self._busy:
                self._all_ended.set()
            return
        if worker.dead:
            self._replace()
            return
        if worker.calls >= _RETIRED_CALLS:
            # Without descriptors or memory for another one, it serves on.
            with contextlib.suppress(OSError):
                successor = self._start()
                worker.kill()
                worker = successor
        self._free.append(worker)
        self._hand_out()

    def _replace(self) -> None:
        """Start a worker where one has died; while the system has no room for it, the others do the work."""
        if self._closed:
            return
        try:
            worker = self._start()
        except OSError:
            asyncio.get_running_loop().call_later(_RESTART_S, self._replace)
            return
        self._free.append(worker)
        self._hand_out()

    def _hand_out(self) -> None:
        """Give free workers to those who wait; a bulk call that may go first does, or others would starve it."""
        while self._free and (self._waiting or (self._waiting_bulk and not self._bulk_full)):
            bulk = bool(self._waiting_bulk) and not self._bulk_full
            future = (self._waiting_bulk if bulk else self._waiting).popleft()
            if not future.done():
                self._bulk_calls += bulk
                future.set_result(self._lend())

    async def _call(self, worker: Worker, request: tuple[Any, ...], wall_s: float) -> Any:
        """Call one worker; on return it is fit for the next call, or dead."""
        finished = True  # nothing was said to it so far: who gives up waiting for its start does not end it
        try:
            if not worker.ready:
                await self._await_ready(worker)
            finished = False
            async with asyncio.timeout(wall_s):
                worker.calls += 1
                value = await self._exchange(worker, (wall_s, *request))
            finished = True
        except TimeoutError:
            raise worker.fail("wall") from None
        except OSError:
            raise worker.fail() from None
        except ConfinementError as error:
            finished = error.kind == "error"
            raise
        finally:
            # A call that was cancelled, or broke a bound, leaves a worker that nobody can speak to.
            if not finished and not worker.dead:
                worker.kill()
        return value

    async def _await_ready(self, worker: Worker) -> None:
        worker.greeted(await asyncio.get_running_loop().sock_recv(worker.sock, child.READY.size))

    async def _exchange(self, worker: Worker, request: tuple[Any, ...]) -> Any:
        loop = asyncio.get_running_loop()
        for piece in child.frame(request):
            if isinstance(piece, bytes):
                await loop.sock_sendall(worker.sock, piece)
                continue
            octets = child.pieces_of(piece)
            while (some := await asyncio.to_thread(next, octets, None)) is not None:
                await loop.sock_sendall(worker.sock, some)
        received = bytearray()
        size, count = child.read_head(await _receive(worker, received, child.HEAD.size))
        meta = await _receive(worker, received, size)
        buffers = [await _receive(worker, received, n) for n in child.buffer_sizes(meta, count)]
        return read_answer(meta, count, buffers)

    async def close(self) -> None:
        """End all workers; calls under way fail."""
        self._closed = True
        for future in (*self._waiting, *self._waiting_bulk):
            if not future.done():
                future.set_exception(ConfinementError("crash", "the pool is closed"))
        while self._free:
            self._free.pop().kill()
        if self._busy:
            for worker in self._busy:
                worker.interrupt()  # its call ends with an error, and gives it back
            await self._all_ended.wait()


async def _receive(worker: Worker, received: bytearray, size: int) -> bytes:
    """Read exactly `size` octets; `received` holds what came beyond."""
    loop = asyncio.get_running_loop()
    while len(received) < size:
        piece = await loop.sock_recv(worker.sock, 1 << 18)
        if not piece:
            raise ConnectionResetError
        received += piece
    octets = bytes(memoryview(received)[:size])
    del received[:size]
    return octets
