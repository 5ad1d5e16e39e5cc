"""The messages themselves on their way out: what is known of them, and their octets a piece at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, literal_column, select

from maild.archive.compression import decompress
from maild.archive.prepared import Prepared, PreparedIn
from maild.archive.schema import content, messages, recipients
from maild.errors import NotFoundError

_COLUMNS = ("id", "direction", "digest", "size", "received_ms", "reverse_path", "envelope")
_MESSAGES = PreparedIn(
    lambda keys: (
        select(*(messages.c[name] for name in _COLUMNS), content.c.octets)
        .outerjoin_from(
            messages, content, and_(content.c.digest == messages.c.digest, content.c.chunk == literal_column("0"))
        )
        .where(messages.c.id.in_(keys))
    )
)
_RECIPIENTS = PreparedIn(
    lambda keys: (
        select(recipients.c.message_id, recipients.c.address)
        .where(recipients.c.message_id.in_(keys))
        .order_by(recipients.c.message_id, recipients.c.position)
    )
)
_PIECE = Prepared(
    select(content.c.octets).where(content.c.digest == bindparam("b_digest"), content.c.chunk == bindparam("b_chunk"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A message that leaves, as it was archived. `direction` is `in` for what is sent on; `recipients` has its own.

    `frame` is the first chunk of its octets, as it is stored; None: there is none.
    """

    id: int
    direction: str
    digest: bytes
    size: int
    received_ms: int
    reverse_path: str | None
    envelope: Mapping[str, Any]
    recipients: tuple[str, ...]
    frame: bytes | None

    def first(self) -> bytes:
        """Return the first chunk of the octets. Raises NotFoundError, DamagedError."""
        if self.frame is None:
            raise NotFoundError("the content is not in the archive")
        return decompress(self.frame)


def leaving(connection: Connection, message_ids: Sequence[int]) -> dict[int, Leaving]:
    """Return messages by their ids; those that the archive has not are left out."""
    found = _MESSAGES.rows(connection, message_ids)
    came = [row[0] for row in found if row[1] == "in"]
    addressed: dict[int, list[str]] = {number: [] for number in came}
    for number, address in _RECIPIENTS.rows(connection, came):
        addressed[number].append(address)
    return {row[0]: _leaving(row, tuple(addressed.get(row[0], ()))) for row in found}


def _leaving(row: Any, addressed: tuple[str, ...]) -> Leaving:
    *known, envelope, frame = row
    values: Any = dict(zip(_COLUMNS, known, strict=False))
    values |= {"digest": bytes(values["digest"]), "frame": None if frame is None else bytes(frame)}
    return Leaving(**values, envelope=json.loads(envelope), recipients=addressed)


def piece(connection: Connection, digest: bytes, number: int) -> bytes | None:
    """Return one chunk of the octets; None behind the last. Raises NotFoundError, DamagedError."""
    found = _PIECE.rows(connection, {"b_digest": digest, "b_chunk": number})
    if not found and number == 0:
        raise NotFoundError("the content is not in the archive")
    return decompress(bytes(found[0][0])) if found else None
