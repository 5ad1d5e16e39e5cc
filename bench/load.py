"""The load generator: so many sessions that send prepared mail and read every reply.

It runs as a process of its own, `python -m bench.load --port 8025 …`: it prepares all mail first, then sends it in one
thread over one `epoll`, and prints its result as JSON. Nothing is pipelined unless asked for: each command waits for
its reply, as the test programs of other mail servers do. Times are of the monotonic clock, which all processes share.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import select
import socket
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.material import SHAPES, Mail, Signer, Writer
from maild.authentication.signing import SigningKey, read_private_key, sign

_STALL_S = 120.0
_READ_BYTES = 8192


class LoadError(Exception):
    """A reply that was not the expected one, or a server that went silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent in one run."""

    shape: str
    messages: int
    per_connection: int
    sessions: int = 20
    seed: int = 1
    pipelining: bool = False
    key: str = ""  # a file with the private key (PEM) by which each mail is signed; "": it has no good signature


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What a run measured; latencies in milliseconds.

    `reply` runs from the end of the data to its reply, `transaction` from MAIL to that reply, `setup` from connect to
    the reply to EHLO. `cpu_us` is the generator's own CPU time for each message.
    """

    messages: int
    octets: int
    started_s: float
    finished_s: float
    reply_p50_ms: float
    reply_p99_ms: float
    reply_max_ms: float
    transaction_p99_ms: float
    setup_p99_ms: float
    cpu_us: float


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all do not exceed; 0 when there is none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0


Dialogue = Generator[bytes, bytes, None]  # yields what to send, is sent one complete reply


def _expect(reply: bytes, code: bytes) -> None:
    if not reply.startswith(code):
        raise LoadError(f"expected {code.decode()}, got {reply.decode('ascii', 'replace').strip()}")


@dataclass(slots=True, kw_only=True)
class _Times:
    """Latencies in seconds, in the order of their ends."""

    reply: list[float]
    transaction: list[float]
    setup: list[float]


class _Session:
    """One connection after another, each with its share of the mails."""

    def __init__(self, load: Load, port: int, mails: Iterator[Mail], times: _Times) -> None:
        self._load = load
        self._port = port
        self._mails = mails
        self._times = times
        self._unsent = b""
        self._unread = b""
        self._sent_s = 0.0
        self.socket: socket.socket | None = None

    def connect(self, poll: select.epoll) -> bool:
        """Open the next connection; False when no mail is left for one."""
        batch = [mail for _, mail in zip(range(self._load.per_connection), self._mails, strict=False)]
        if not batch:
            return False
        self._opened_s = time.monotonic()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.socket.connect(("127.0.0.1", self._port))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(self.socket, select.EPOLLIN)
        self._unread = b""
        self._dialogue = self._talk(batch)
        next(self._dialogue)
        return True

    def _talk(self, batch: list[Mail]) -> Dialogue:
        _expect((yield b""), b"220")
        greeting = yield b"EHLO client.example\r\n"
        _expect(greeting, b"250")
        self._times.setup.append(time.monotonic() - self._opened_s)
        send = self._send_pipelined if self._load.pipelining and b"PIPELINING" in greeting else self._send_in_steps
        for mail in batch:
            yield from send(mail)
        _expect((yield b"QUIT\r\n"), b"221")

    def _send_in_steps(self, mail: Mail) -> Dialogue:
        began_s = time.monotonic()
        _expect((yield b"MAIL FROM:<%s> SIZE=%d\r\n" % (mail.sender, len(mail.data))), b"250")
        _expect((yield b"RCPT TO:<%s>\r\n" % mail.recipient), b"250")
        _expect((yield b"DATA\r\n"), b"354")
        yield from self._send_data(mail, began_s)

    def _send_pipelined(self, mail: Mail) -> Dialogue:
        began_s = time.monotonic()
        commands = b"MAIL FROM:<%s> SIZE=%d\r\nRCPT TO:<%s>\r\nDATA\r\n"
        _expect((yield commands % (mail.sender, len(mail.data), mail.recipient)), b"250")
        _expect((yield b""), b"250")
        _expect((yield b""), b"354")
        yield from self._send_data(mail, began_s)

    def _send_data(self, mail: Mail, began_s: float) -> Dialogue:
        _expect((yield mail.data), b"250")
        ended_s = time.monotonic()
        self._times.reply.append(ended_s - self._sent_s)
        self._times.transaction.append(ended_s - began_s)

    def writable(self, poll: select.epoll) -> None:
        """Go on sending what the socket did not take at once."""
        self._send(poll, self._unsent)

    def _send(self, poll: select.epoll, octets: bytes) -> None:
        assert self.socket is not None
        waited = bool(self._unsent)
        taken = self.socket.send(octets)
        self._unsent = octets[taken:]
        self._sent_s = time.monotonic()
        if bool(self._unsent) != waited:
            poll.modify(self.socket, select.EPOLLIN | (select.EPOLLOUT if self._unsent else 0))

    def readable(self, poll: select.epoll) -> bool:
        """Read what came and answer it; False when the connection is over."""
        assert self.socket is not None
        octets = self.socket.recv(_READ_BYTES)
        if not octets:
            raise LoadError("the server closed the connection")
        self._unread += octets
        for reply in self._replies():
            try:
                answer = self._dialogue.send(reply)
            except StopIteration:
                poll.unregister(self.socket)
                self.socket.close()
                self.socket = None
                return False
            if answer:
                self._send(poll, answer)
        return True

    def _replies(self) -> Iterator[bytes]:
        """Yield each complete reply, of one line or many (RFC 5321 §4.2.1)."""
        start = begin = 0
        while (end := self._unread.find(b"\r\n", begin)) >= 0:
            last = self._unread[begin + 3 : begin + 4] != b"-"
            begin = end + 2
            if last:
                yield self._unread[start:begin]
                start = begin
        self._unread = self._unread[start:]


def send(load: Load, port: int, mails: list[Mail]) -> LoadResult:
    """Send all mails and return what was measured.

    Raises:
        LoadError: at the first unexpected reply, or after two minutes of silence.
    """
    times = _Times(reply=[], transaction=[], setup=[])
    rest = iter(mails)
    poll = select.epoll()
    active: dict[int, _Session] = {}
    cpu_s = _cpu_s()
    started_s = time.monotonic()
    for _ in range(load.sessions):
        _open(_Session(load, port, rest, times), poll, active)
    while active:
        events = poll.poll(_STALL_S)
        if not events:
            raise LoadError("the server went silent")
        for number, event in events:
            session = active[number]
            if event & select.EPOLLOUT:
                session.writable(poll)
            if event & ~select.EPOLLOUT and not session.readable(poll):
                del active[number]
                _open(session, poll, active)
    finished_s = time.monotonic()
    return LoadResult(
        messages=len(times.reply),
        octets=sum(len(mail.data) for mail in mails),
        started_s=started_s,
        finished_s=finished_s,
        reply_p50_ms=percentile(times.reply, 0.5) * 1000,
        reply_p99_ms=percentile(times.reply, 0.99) * 1000,
        reply_max_ms=percentile(times.reply, 1.0) * 1000,
        transaction_p99_ms=percentile(times.transaction, 0.99) * 1000,
        setup_p99_ms=percentile(times.setup, 0.99) * 1000,
        cpu_us=(_cpu_s() - cpu_s) / max(1, len(times.reply)) * 1e6,
    )


def signer_with(key_file: Path) -> Signer:
    """Return who signs mail of any domain with one key."""
    private = read_private_key(key_file.read_bytes())

    def signature(mail: bytes, domain: str) -> bytes:
        return sign(mail, SigningKey(domain, "mail", private), now_s=int(time.time()))

    return signature


def _open(session: _Session, poll: select.epoll, active: dict[int, _Session]) -> None:
    if session.connect(poll):
        assert session.socket is not None
        active[session.socket.fileno()] = session


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="4k")
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--per-connection", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pipelining", action="store_true")
    parser.add_argument("--key", default="")
    options = vars(parser.parse_args(arguments))
    port = options.pop("port")
    load = Load(**options)
    signer = signer_with(Path(load.key)) if load.key else None
    mails = list(Writer(seed=load.seed, signer=signer).mails(SHAPES[load.shape], load.messages))
    try:
        result = send(load, port, mails)
    except (LoadError, OSError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 75
    print(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
