"""One worker process, as its parent sees it."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import importlib
import io
import os
import pickle
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from maild.confinement import child
from maild.confinement.nursery import Nursery

Kind = Literal["cpu", "memory", "wall", "crash", "error"]
_START_S = 30.0
_END_S = 0.5  # between closing its socket and being gone
_CAUSES: dict[int | None, Kind] = {
    -signal.SIGXCPU: "cpu",
    -signal.SIGALRM: "wall",
    child.OUT_OF_MEMORY: "memory",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one call may cost.

    `cpu_s` is an upper bound: the kernel counts whole seconds, so that a call may be ended up to one second
    earlier. `memory_bytes` counts beyond what the worker has before its first call.
    """

    cpu_s: int = 5
    memory_bytes: int = 256 * 1024 * 1024
    wall_s: float = 15.0


BOUNDS = Bounds()


_NURSERY = Nursery()  # one for this process: what its workers need is much the same


class ConfinementError(Exception):
    """A call that gave no answer: it broke the bound `kind`, its process crashed, or the function raised."""

    def __init__(self, kind: Kind, text: str = "") -> None:
        super().__init__(f"{kind}: {text}" if text else kind)
        self.kind: Kind = kind


class _Data(pickle.Unpickler):
    """Reads answers. Security: a worker that was taken over must not reach its parent through a pickle."""

    _known: dict[tuple[str, str], Callable[..., Any]] = {}  # noqa: RUF012 - one cache for all

    def find_class(self, module: str, name: str, /) -> Callable[..., Any]:
        found = self._known.get((module, name))
        if found is None:
            found = self._known[module, name] = _value_class(module, name)
        return found


def _value_class(module: str, name: str) -> Callable[..., Any]:
    # Interop: Python 3.11.2, which Debian 12 has, pickles the member of an enumeration as getattr(class, its name).
    if (module, name) == ("builtins", "getattr"):
        return _member
    if module.partition(".")[0] == "maild":
        found = getattr(importlib.import_module(module), name, None)
        if isinstance(found, type) and (dataclasses.is_dataclass(found) or issubclass(found, (enum.Enum, tuple))):
            return found
    raise pickle.UnpicklingError(f"an answer may not hold {module}.{name}")


def _member(enumeration: object, name: object) -> enum.Enum:
    # Security: getattr itself would give a worker that was taken over any attribute of a class, and all behind it.
    if isinstance(enumeration, enum.EnumType) and isinstance(name, str) and name in enumeration.__members__:
        member: enum.Enum = enumeration.__members__[name]
        return member
    raise pickle.UnpicklingError("an answer may name nothing but members of an enumeration")


def read_answer(meta: bytes, count: int, buffers: list[bytes]) -> Any:
    """Return the value of an answer, or raise the ConfinementError that it tells of."""
    try:
        kind, value = _Data(io.BytesIO(memoryview(meta)[8 * count :]), buffers=buffers).load()
    except Exception as error:
        # Whatever a damaged answer makes the unpickler raise, it is the worker's doing.
        raise ConfinementError("crash", f"unreadable answer: {type(error).__name__}") from error
    if kind == "value":
        return value
    raise ConfinementError(kind if kind in ("memory", "error") else "crash", str(value))


class Worker:
    """A worker process. One call at a time; after a call that broke a bound it is `dead`.

    Not thread-safe: a thread has its own, or a Pool shares them out.
    """

    def __init__(self, *, bounds: Bounds = BOUNDS, preload: tuple[str, ...] = ()) -> None:
        self.bounds = bounds
        self.calls = 0
        self.ready = False
        self.dead = False
        self.pid: int | None = None  # known when it is ready
        self.sock, inner = socket.socketpair()
        with contextlib.ExitStack() as failing, inner:
            failing.callback(self.sock.close)
            self._status, status = os.pipe()
            failing.callback(os.close, self._status)
            try:
                self._number = _NURSERY.start(
                    inner.fileno(), status, cpu_s=bounds.cpu_s, memory_bytes=bounds.memory_bytes, preload=preload
                )
            finally:
                os.close(status)
            failing.pop_all()

    def call(self, target: str, /, *args: Any, wall_s: float | None = None) -> Any:
        """Run a function and return what it returned.

        Raises:
            ConfinementError: the call gave no answer. All kinds but `error` have ended the worker.
            Exception: what a `Streamed` argument raised; it has ended the worker, too.
        """
        wall_s = self.bounds.wall_s if wall_s is None else wall_s
        try:
            if not self.ready:
                self._await_ready()
            deadline = time.monotonic() + wall_s
            self.calls += 1
            for piece in child.frame((wall_s, target, *args)):
                for octets in child.pieces_of(piece):
                    self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
                    self.sock.sendall(octets)
            return self._answer(deadline)
        except TimeoutError:
            raise self.fail("wall") from None
        except OSError:
            raise self.fail() from None
        except ConfinementError as error:
            if error.kind != "error":
                self.fail(error.kind)
            raise
        except BaseException:
            # An interrupted call leaves half a frame behind: the worker cannot be spoken to any more.
            self.kill()
            raise

    def _await_ready(self) -> None:
        self.sock.settimeout(_START_S)
        self.greeted(self.sock.recv(child.READY.size))

    def greeted(self, octets: bytes) -> None:
        """Take the first octets of the worker: it is there."""
        if len(octets) != child.READY.size:
            raise ConnectionResetError
        (self.pid,) = child.READY.unpack(octets)
        self.ready = True

    def _answer(self, deadline: float) -> Any:
        size, count = self._head(self._receive(child.HEAD.size, deadline))
        meta = self._receive(size, deadline)
        return read_answer(meta, count, [self._receive(n, deadline) for n in child.buffer_sizes(meta, count)])

    def _head(self, head: bytes) -> tuple[int, int]:
        try:
            return child.read_head(head)
        except ValueError:
            raise ConnectionResetError from None

    def _receive(self, size: int, deadline: float) -> bytes:
        pieces: list[bytes] = []
        while size:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            piece = self.sock.recv(min(size, 1 << 20))
            if not piece:
                raise ConnectionResetError
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def fail(self, kind: Kind | None = None) -> ConfinementError:
        """End the process and return the error to raise: of the kind given, or of the one its end tells."""
        code = self._exit_code() if kind is None else None
        self.kill()
        return ConfinementError(kind or _CAUSES.get(code, "crash"), f"worker ended with {code}")

    def _exit_code(self) -> int | None:
        """Wait a moment for the process to end, and tell how it did; None: nobody knows."""
        end = select.poll()
        end.register(self._status, select.POLLIN)
        octets = os.read(self._status, child.EXIT.size) if not self.dead and end.poll(_END_S * 1000) else b""
        return child.EXIT.unpack(octets)[0] if octets else None

    def interrupt(self) -> None:
        """End the process; the call under way finds out by its closed socket."""
        _NURSERY.end(self._number)

    def kill(self) -> None:
        """End the process; what it still does is heard by nobody."""
        if not self.dead:
            self.dead = True
            _NURSERY.end(self._number)
            self.sock.close()
            os.close(self._status)
