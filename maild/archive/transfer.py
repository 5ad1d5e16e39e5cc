"""Import: mail of other programs becomes part of the archive, octet for octet, and never twice.

An imported message gets the id of its own date, so that it takes its place among the others. What makes it the same
as one that is there already is its octets and where it goes, at whatever time; so an import can be repeated, or
resumed after a kill.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy import Connection, select

from maild.archive.commit import Acceptance, Accepted, Addressee, accept
from maild.archive.content import held
from maild.archive.schema import messages, recipients
from maild.archive.sources import Item, SourceError
from maild.archive.writer import Writer
from maild.mail.address import Address, as_address
from maild.mail.dates import parse_date
from maild.mail.ids import message_id_at

_HEADER_BYTES = 65_536
_IN_FLIGHT = 1_024  # messages handed to the writer and not yet committed
_IN_FLIGHT_BYTES = 64_000_000
_FIELDS = {
    name: re.compile(rb"^" + name + rb"[ \t]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE | re.IGNORECASE)
    for name in (b"date", b"from", b"return-path")
}
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
_MAIL = re.compile(r"<([^<>\s]{3,320})>|([^<>\s,;\"]{1,256}@[^<>\s,;\"]{1,255})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where imported mail goes: to an address, by the rules; or to a team, without asking them.

    Mail whose From is `sent_by` was sent by us: it is archived as outgoing.
    """

    address: Address | None = None
    team: str | None = None
    sent_by: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one item. `message_id` is None when it was in the archive before."""

    item: Item
    message_id: int | None


def import_messages(
    writer: Writer,
    items: Iterable[Item],
    target: Target,
    *,
    now_ms: int,
    chance: Callable[[], int],
) -> Iterator[Taken]:
    """Take messages in, and yield what became of each once it is committed, in order.

    SourceError and OSError of the source are raised when everything before them is committed and told.

    Args:
        writer: The store's writer.
        items: The messages; read only as fast as they are committed.
        target: Where they go.
        now_ms: The time of the import; no message is dated later.
        chance: Gives random bits for ids.

    """
    flying: deque[tuple[Item, Future[Accepted | None]]] = deque()
    flying_bytes = 0
    failure: Exception | None = None
    source = iter(items)
    while True:
        try:
            item = next(source, None)
        except (SourceError, OSError) as error:
            failure = error  # what was read before is told first
            break
        if item is None:
            break
        flying.append((item, writer.submit(take_in, _acceptance(item, target, now_ms, chance()))))
        flying_bytes += len(item.octets)
        while len(flying) > _IN_FLIGHT or flying_bytes > _IN_FLIGHT_BYTES:
            flying_bytes -= len(flying[0][0].octets)
            yield _landed(*flying.popleft())
    while flying:
        yield _landed(*flying.popleft())
    if failure is not None:
        raise failure


def _landed(item: Item, future: Future[Accepted | None]) -> Taken:
    accepted = future.result()
    return Taken(item=item, message_id=None if accepted is None else accepted.message_id)


def take_in(connection: Connection, acceptances: list[Acceptance]) -> Sequence[Accepted | None]:
    """Store what is not there yet; None for what is. A unit of work."""
    known = _known(connection, acceptances)
    fresh = []
    for acceptance in acceptances:
        if (key := _key(acceptance)) not in known:
            known.add(key)
            fresh.append(acceptance)
    stored = iter(accept(connection, fresh)) if fresh else iter(())
    taken = {id(acceptance) for acceptance in fresh}
    return [next(stored) if id(acceptance) in taken else None for acceptance in acceptances]


_Key = tuple[bytes, str, str | None]


def _key(acceptance: Acceptance) -> _Key:
    (addressee,) = acceptance.addressees
    return acceptance.content.digest, addressee.address_key, addressee.team


def _known(connection: Connection, acceptances: list[Acceptance]) -> set[_Key]:
    rows = connection.execute(
        select(messages.c.digest, recipients.c.address_key, recipients.c.team)
        .join_from(messages, recipients, recipients.c.message_id == messages.c.id)
        .where(messages.c.digest.in_({acceptance.content.digest for acceptance in acceptances}))
    )
    return {(bytes(digest), key, team) for digest, key, team in rows}


def _acceptance(item: Item, target: Target, now_ms: int, chance: int) -> Acceptance:
    end = _END_OF_HEADER.search(item.octets, 0, _HEADER_BYTES)
    header = item.octets[: end.start() if end else _HEADER_BYTES]
    outgoing = target.sent_by is not None and _address(header, b"from") == target.sent_by
    sender = target.sent_by if outgoing else _address(header, b"return-path")
    return Acceptance(
        message_id=message_id_at(min(parse_date(_field(header, b"date")) or now_ms, now_ms), chance),
        direction="out" if outgoing else "in",
        origin="import",
        content=held(item.octets),
        received_ms=now_ms,
        reverse_path=None if sender is None else str(sender),
        envelope=json.dumps({"imported": item.name}, ensure_ascii=True),
        addressees=(_addressee(target),),
    )


def _addressee(target: Target) -> Addressee:
    if target.address is None:
        return Addressee(address="", address_key="", team=target.team)
    return Addressee(address=str(target.address), address_key=target.address.key)


def _field(header: bytes, name: bytes) -> str:
    match = _FIELDS[name].search(header)
    return match[1].decode("utf-8", "replace").strip()[:1_000] if match else ""


def _address(header: bytes, name: bytes) -> Address | None:
    match = _MAIL.search(_field(header, name))
    return as_address(match[1] or match[2]) if match else None
