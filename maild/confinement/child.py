"""What runs inside a worker process, and inside the one that workers are copies of.

Started as a script, so that it imports nothing of maild by itself.

A frame on the socket: the size of its meta block and the number of its buffers; the meta block (the size of each
buffer, then the pickle); the buffers, which are large octets that no side copies into a pickle. What the caller gives
as `Streamed` is a buffer, too, of which it has no more than a piece at a time.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import pickle
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

HEAD = struct.Struct("<QQ")
READY = struct.Struct("<I")  # the first octets of a worker: its process id
EXIT = struct.Struct("<i")  # how it ended, as its status descriptor tells: an exit code, or less than 0 for a signal
OUT_OF_MEMORY = 17  # exit code of a worker that could not even say so
_BESIDE_BYTES = 64 * 1024
_MOST_BUFFERS = 64
_LARGE_BYTES = 1 << 20
_KEPT_BYTES = 8 << 20
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
# Measured: what reads a mail gives way to what takes the next one in, or both would wait for each other's turn.
_YIELDING = 5
_AGAIN_S = 0.5
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38


class StreamError(Exception):
    """A stream did not have the size that it was said to have."""


class Streamed(NamedTuple):
    """Octets as an argument of a call, too many to be held by the caller: the function gets them as `bytes`.

    `pieces` gives them from the beginning each time, `size` in all; it may block, and run in any thread.
    """

    size: int
    pieces: Callable[[], Iterator[bytes]]


def frame(value: tuple[Any, ...]) -> list[bytes | Streamed]:
    """Return the pieces of a frame; octets of `value` itself that are large stay what they are."""
    beside: list[bytes | Streamed] = []
    wrapped: list[Any] = []
    for item in value:
        if type(item) is Streamed or (type(item) is bytes and len(item) > _BESIDE_BYTES):
            beside.append(item)
            wrapped.append(pickle.PickleBuffer(b""))  # its place in the pickle
        else:
            wrapped.append(item)
    pickled = pickle.dumps(tuple(wrapped), 5, buffer_callback=lambda _: None)
    sizes = [item.size if type(item) is Streamed else len(item) for item in beside]
    meta = struct.pack(f"<{len(sizes)}Q", *sizes) + pickled
    return [HEAD.pack(len(meta), len(sizes)) + meta, *beside]


def pieces_of(piece: bytes | Streamed) -> Iterator[bytes]:
    """Yield the octets of a piece; raises StreamError when a stream does not keep to its size."""
    if isinstance(piece, bytes):
        yield piece
        return
    missing = piece.size
    for octets in piece.pieces():
        missing -= len(octets)
        if missing < 0:
            break
        yield octets
    if missing:
        raise StreamError(f"a stream of {piece.size} octets was not of that size")


def read_head(head: bytes) -> tuple[int, int]:
    """Return the size of the meta block and the number of buffers."""
    size, count = HEAD.unpack(head)
    if count > _MOST_BUFFERS:
        raise ValueError("not a frame")
    return size, count


def buffer_sizes(meta: bytes, count: int) -> tuple[int, ...]:
    """Return the sizes of a frame's buffers, of which the pickle in `meta` follows."""
    return struct.unpack_from(f"<{count}Q", meta)


def _receive(sock: socket.socket, size: int) -> bytes:
    """Read exactly `size` octets, in one piece where the kernel gives them so; end when the parent is gone."""
    octets = sock.recv(size, socket.MSG_WAITALL) if size else b""
    if len(octets) == size:
        return octets
    pieces, missing = [octets], size - len(octets)
    while missing and pieces[-1]:
        pieces.append(sock.recv(missing, socket.MSG_WAITALL))
        missing -= len(pieces[-1])
    if missing:
        os._exit(0)
    return b"".join(pieces)


def _request(sock: socket.socket) -> tuple[Any, ...]:
    size, count = read_head(_receive(sock, HEAD.size))
    meta = _receive(sock, size)
    buffers = [_receive(sock, n) for n in buffer_sizes(meta, count)]
    request: tuple[Any, ...] = pickle.loads(memoryview(meta)[8 * count :], buffers=buffers)  # noqa: S301 - our parent
    return request


def _send(sock: socket.socket, answer: tuple[Any, ...]) -> None:
    for piece in frame(answer):
        for octets in pieces_of(piece):
            sock.sendall(octets)


def give_back_memory() -> None:
    """Have the system get large blocks back when they are freed, each time.

    glibc takes the size of the largest block that was freed, up to 32 MB, for one that is wanted again: from the
    second large mail on a process would keep the memory of two. It also makes up to eight heaps for each core, so that
    threads need not wait for each other; each heap has gaps of its own, and they add up for hours.
    """
    with contextlib.suppress(OSError, AttributeError):  # other C libraries have no mallopt, and no such habit
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)


def prepare() -> None:
    """Give up what neither a reader of untrusted octets nor the process that they are copies of ever needs."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # The parent decides when a worker ends; a signal to the whole group must not take what is in hand.
        signal.signal(number, signal.SIG_IGN)
    os.nice(_YIELDING)
    # Before anything is given up: then this file is root's, and the daemon's user may not write it any more.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123 - import cost
        score.write("1000")
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    give_back_memory()


def confine(parent: int) -> None:
    """Become a worker: end with `parent`, and have no files, no processes and no room to write."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, 64)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _limit(limit: int, most: int) -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(limit, (most, most))


def _limit_memory(memory_bytes: int) -> None:
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - import cost
        baseline = int(statm.read().split()[0]) * resource.getpagesize()
    most, hard = baseline + memory_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)  # someone has limited all of maild: more is not to be had
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def resolve(target: str) -> Callable[..., Any]:
    """Return the function that `package.module:function` names."""
    module, _, name = target.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def _answer(target: str, args: tuple[Any, ...], known: dict[str, Callable[..., Any]]) -> tuple[Any, ...]:
    function = known.get(target)
    if function is None:
        function = known[target] = resolve(target)
    return ("value", function(*args))


def serve(fd: int, cpu_s: int, memory_bytes: int, preload: list[str]) -> None:
    """Answer calls until the parent closes the socket."""
    sock = socket.socket(fileno=fd)
    for module in preload:
        importlib.import_module(module)
    _limit_memory(memory_bytes)
    sock.sendall(READY.pack(os.getpid()))
    known: dict[str, Callable[..., Any]] = {}
    cpu_limit = 0
    while True:
        wall_s, target, *args = _request(sock)
        if (needed := int(time.process_time()) + cpu_s) != cpu_limit:
            # The soft limit alone: its signal, SIGXCPU, ends the process and tells why.
            cpu_limit = needed
            resource.setrlimit(resource.RLIMIT_CPU, (needed, resource.RLIM_INFINITY))
        # Should the parent die meanwhile, a call that sleeps ends all the same: by SIGALRM.
        signal.setitimer(signal.ITIMER_REAL, wall_s + 1)
        try:
            answer = _answer(target, tuple(args), known)
        except MemoryError:
            answer = ("memory", "")
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            answer = ("error", f"{type(error).__name__}: {error}"[:1000])
        args.clear()
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            _send(sock, answer)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            _send(sock, ("error", f"the answer cannot be pickled: {error}"[:1000]))


class Breeder:
    """The process that workers are copies of: it imports what they need before it makes them."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._parent, self._pid = os.getppid(), os.getpid()
        self._born: dict[int, tuple[int, int]] = {}  # number → process id, status descriptor
        self._died, self._wake = socket.socketpair()

    def run(self) -> None:
        """Start and end workers as the parent asks, until it is gone."""
        self._wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self._died, self._control], (), ())
            if self._died in ready:
                self._died.recv(4096)
                self._reap()
            if self._control not in ready:
                continue
            request, descriptors, _, _ = socket.recv_fds(self._control, 4096, 2)
            if not request:
                os._exit(0)  # the parent is gone
            act, number, *words = request.decode().split(" ")
            if act == "start":
                cpu_s, memory_bytes, preload = words
                bounds = int(cpu_s), int(memory_bytes)
                self._start(int(number), descriptors, bounds, [module for module in preload.split(",") if module])
            elif int(number) in self._born:
                # No other process can have this id: who has ended keeps it until `_reap` forgets it.
                os.kill(self._born[int(number)][0], signal.SIGKILL)

    def _start(self, number: int, descriptors: list[int], bounds: tuple[int, int], preload: list[str]) -> None:
        sock, status = descriptors
        for module in preload:
            with contextlib.suppress(Exception):  # the worker itself fails by it, and says so
                importlib.import_module(module)
        gc.freeze()
        if (pid := self._fork()) == 0:
            code = 1
            try:
                self._become(status)
                serve(sock, *bounds, preload)
            except MemoryError:
                code = OUT_OF_MEMORY
            except OSError:
                code = 0  # the parent is gone
            finally:
                os._exit(code)
        os.close(sock)
        self._born[number] = (pid, status)

    def _fork(self) -> int:
        while True:
            try:
                return os.fork()
            except OSError:
                # No memory, or too many processes: who asked waits for a worker meanwhile, as for any that starts.
                time.sleep(_AGAIN_S)
                if os.getppid() != self._parent:
                    os._exit(0)

    def _become(self, status: int) -> None:
        """Give up what a worker must not have: the way to its like, and to what is told of them."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._control, self._died, self._wake):
            each.close()
        for descriptor in (status, *(kept for _, kept in self._born.values())):
            os.close(descriptor)
        confine(self._pid)
        gc.enable()

    def _reap(self) -> None:
        for number, (pid, status) in tuple(self._born.items()):
            ended, how = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._born[number]
                with contextlib.suppress(OSError):  # nobody wants to know
                    os.write(status, EXIT.pack(os.waitstatus_to_exitcode(how)))
                os.close(status)


def main() -> None:
    """Start from the command line: the descriptor of the control socket, and the import path."""
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.path[:] = [path for path in sys.argv[2].split(os.pathsep) if path]
    prepare()
    gc.disable()  # until there is a worker: what is imported is no garbage
    Breeder(control).run()


if __name__ == "__main__":
    main()
