"""Makes a load of deliveries: the message from the archive, with what maild writes above it, measured once.

Small messages are read once and kept in memory until they are sent; of large ones a quarter of a megabyte at a time.
Those that are asked for at the same time are read together: a thread and a connection of the database cost more than
a small message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from maild.archive.compression import DamagedError
from maild.archive.database import Database
from maild.delivery.above import CIRCLING, Arrival, above_copy, above_sent_on, has_circled
from maild.delivery.copy_loads import HeadOfCopy, no_copies
from maild.delivery.courier import Load
from maild.delivery.deliveries import COPY, IMAP, MAILDIR, SMTP, Delivery
from maild.delivery.outcome import Outcome, Result
from maild.delivery.queue.messages import Leaving, leaving, piece
from maild.delivery.sending_on import AsItCame, SendsOn
from maild.delivery.signatures import Sign, unsigned
from maild.delivery.wire import Lines, Shape, measure
from maild.errors import NotFoundError
from maild.mail.header import newline_of, read_header


@dataclass(frozen=True, slots=True)
class _Read:
    message: Leaving
    first: bytes
    above: bytes
    shape: Shape
    circled: frozenset[int]
    reverse_path: str | None
    skipped: int = 0  # octets of the message before `first` that do not go along


_TOGETHER = 16
_READERS = 2
_ENOUGH = 8

# Where reports about a delivery come back to.
ReturnPath = Callable[[Delivery], str | None]


def as_recorded(delivery: Delivery) -> str | None:
    """Return the reverse-path that a delivery was made with."""
    return delivery.reverse_path


class Loads:
    """Reads the archive for couriers. `hostname` is ours, as trace fields name it."""

    def __init__(
        self, database: Database, *, hostname: str, return_path: ReturnPath = as_recorded, sign: Sign = unsigned,
        head_of_copy: HeadOfCopy = no_copies, sends_on: SendsOn | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._hostname = hostname
        self._return_path = return_path
        self._sign = sign
        self._head_of_copy = head_of_copy
        self._sends_on = sends_on or AsItCame()
        self._asked: deque[tuple[tuple[Delivery, ...], asyncio.Future[_Read]]] = deque()
        self._prepared: dict[int, asyncio.Future[_Read]] = {}
        self._readers: set[asyncio.Task[None]] = set()

    async def load(self, deliveries: tuple[Delivery, ...]) -> tuple[Load | None, dict[int, Outcome]]:
        """Return the load of those that may be sent, and the outcome of those that must not."""
        try:
            read = await (self._prepared.pop(deliveries[0].id, None) or self._ask(deliveries))
        except (DamagedError, NotFoundError) as error:
            held = Outcome(result=Result.HELD, reply=f"5.3.0 {error}", stage="content")
            return None, {delivery.id: held for delivery in deliveries}
        circling = Outcome(result=Result.HELD, reply=CIRCLING, stage="content")
        outcomes = dict.fromkeys(read.circled, circling)
        left = tuple(delivery for delivery in deliveries if delivery.id not in read.circled)
        if not left:
            return None, outcomes
        utf8 = bool(read.message.envelope.get("smtputf8"))
        load = Load(
            deliveries=left,
            reverse_path=read.reverse_path,
            shape=read.shape,
            pieces=lambda: self._pieces(read),
            utf8=utf8,
        )
        return load, outcomes

    def prepare(self, upcoming: Iterable[tuple[Delivery, ...]]) -> None:
        """Begin to read what will soon be asked for; not copies: at the last moment it is asked whether they may go.

        As long as enough is here it waits, so that many are read together.
        """
        if len(self._prepared) >= _ENOUGH:
            return
        for deliveries in upcoming:
            if deliveries[0].kind != COPY and deliveries[0].id not in self._prepared:
                self._prepared[deliveries[0].id] = self._ask(deliveries)

    def forget(self) -> None:
        """Nothing of what was prepared will be asked for."""
        for future in self._prepared.values():
            future.cancel()
        self._prepared.clear()

    def _ask(self, deliveries: tuple[Delivery, ...]) -> asyncio.Future[_Read]:
        future: asyncio.Future[_Read] = asyncio.get_running_loop().create_future()
        self._asked.append((deliveries, future))
        if len(self._readers) < _READERS:
            reader = asyncio.create_task(self._reading())
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
        return future

    async def _reading(self) -> None:
        while self._asked:
            together = [self._asked.popleft() for _ in range(min(len(self._asked), _TOGETHER))]
            found = await asyncio.to_thread(self._read_all, [deliveries for deliveries, _ in together])
            for (_, future), read in zip(together, found, strict=True):
                if future.done():
                    continue
                if isinstance(read, Exception):
                    future.set_exception(read)
                else:
                    future.set_result(read)

    def _read_all(self, asked: list[tuple[Delivery, ...]]) -> list[_Read | Exception]:
        found: list[_Read | Exception] = []
        try:
            with self._database.read(mapped=False) as connection:
                messages = leaving(connection, [deliveries[0].message_id for deliveries in asked])
                for deliveries in asked:
                    try:
                        found.append(self._read(connection, messages.get(deliveries[0].message_id), deliveries))
                    except Exception as error:  # noqa: BLE001 - it goes to whoever waits for it
                        found.append(error)
        except Exception as error:  # noqa: BLE001 - there was no connection: all are tried again
            found += [error] * (len(asked) - len(found))
        return found

    def _read(self, connection: Connection, message: Leaving | None, deliveries: tuple[Delivery, ...]) -> _Read:
        if message is None:
            raise NotFoundError("the message is not in the archive")
        first = message.first()
        circled = self._circled(message, first, deliveries)
        head, skipped = b"", 0
        if deliveries[0].kind == COPY:
            head, skipped = self._head_of_copy(connection, deliveries[0], message, first)
        elif message.direction == "in" and deliveries[0].kind == SMTP:
            head, skipped = self._sends_on.rewritten(connection, message, first)
        first = first[skipped:]

        def octets(above: bytes = b"") -> Iterator[bytes]:
            yield above
            yield first
            number, left = 1, message.size - skipped - len(first)
            while left > 0 and (following := piece(connection, message.digest, number)) is not None:
                yield following
                number, left = number + 1, left - len(following)

        if message.direction == "in" and deliveries[0].kind != COPY:
            above = self._above(message, [d for d in deliveries if d.id not in circled] or deliveries) + head
            if deliveries[0].kind == SMTP:
                above = self._vouched(connection, message, above, octets, rewritten=skipped > 0) + above
        else:
            # Lines end here as they will out there: that is what is signed.
            above = self._sign(message.id, _lines(octets(head))) + head
        going = next((d for d in deliveries if d.id not in circled), deliveries[0])
        # Perf: here, because a digest lets go of the interpreter lock, and the loop would wait to have it back.
        path = self._return_path(going)
        return _Read(message, first, above, measure(_lines(octets(above))), circled, path, skipped)

    def _vouched(
        self,
        connection: Connection,
        message: Leaving,
        above: bytes,
        octets: Callable[[bytes], Iterator[bytes]],
        *,
        rewritten: bool,
    ) -> bytes:
        """Return what vouches for a letter that is sent on, as its lines will end out there."""
        return self._sends_on.vouched(
            connection, message, lambda more: _lines(octets(more + above)), rewritten=rewritten
        )

    def _circled(self, message: Leaving, first: bytes, deliveries: tuple[Delivery, ...]) -> frozenset[int]:
        if message.direction != "in" or deliveries[0].kind != SMTP:
            return frozenset()
        fields = read_header(first, 0, len(first), newline_of(first)).fields
        return frozenset(d.id for d in deliveries if has_circled(fields, self._hostname, d.recipient))

    def _above(self, message: Leaving, deliveries: tuple[Delivery, ...] | list[Delivery]) -> bytes:
        arrival = Arrival(
            message_id=message.id,
            received_ms=message.received_ms,
            envelope=message.envelope,
            recipients=message.recipients,
        )
        if deliveries[0].kind == SMTP:
            return above_sent_on(arrival, self._hostname, [d.recipient for d in deliveries])
        recipient = deliveries[0].recipient
        if deliveries[0].kind in (MAILDIR, IMAP):
            return above_copy(arrival, self._hostname, recipient, deliveries[0].reverse_path)
        return above_sent_on(arrival, self._hostname, [])

    async def _pieces(self, read: _Read) -> AsyncIterator[bytes]:
        yield read.above + read.first
        left = read.message.size - read.skipped - len(read.first)
        number = 1
        while left > 0:
            following = await asyncio.to_thread(self._piece, read.message.digest, number)
            yield following
            left -= len(following)
            number += 1

    def _piece(self, digest: bytes, number: int) -> bytes:
        with self._database.read(mapped=False) as connection:
            found = piece(connection, digest, number)
        if found is None:
            raise NotFoundError("the content is not whole in the archive")
        return found


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    lines = Lines()
    for each in filter(None, pieces):
        yield lines.feed(each)
    yield lines.close()
