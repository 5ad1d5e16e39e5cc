"""The messages themselves on their way out: what is known of them, and their octets a piece at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from maild.archive.compression import decompress
from maild.archive.prepared import Prepared
from maild.archive.schema import content, messages, recipients
from maild.errors import NotFoundError

_COLUMNS = ("id", "direction", "digest", "size", "received_ms", "reverse_path", "envelope")
_MESSAGE = Prepared(select(*(messages.c[name] for name in _COLUMNS)).where(messages.c.id == bindparam("b_id")))
_RECIPIENTS = Prepared(
    select(recipients.c.address).where(recipients.c.message_id == bindparam("b_id")).order_by(recipients.c.position)
)
_PIECE = Prepared(
    select(content.c.octets).where(content.c.digest == bindparam("b_digest"), content.c.chunk == bindparam("b_chunk"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A message that leaves, as it was archived. `direction` is `in` for what is sent on."""

    id: int
    direction: str
    digest: bytes
    size: int
    received_ms: int
    reverse_path: str | None
    envelope: Mapping[str, Any]
    recipients: tuple[str, ...]


def leaving(connection: Connection, message_id: int) -> Leaving:
    """Return a message by its id. Raises NotFoundError."""
    found = _MESSAGE.rows(connection, {"b_id": message_id})
    if not found:
        raise NotFoundError("the message is not in the archive")
    row = dict(zip(_COLUMNS, found[0], strict=True))
    addressed = [address for (address,) in _RECIPIENTS.rows(connection, {"b_id": message_id})]
    return Leaving(
        **row | {"digest": bytes(row["digest"]), "envelope": json.loads(row["envelope"])},
        recipients=tuple(addressed),
    )


def piece(connection: Connection, digest: bytes, number: int) -> bytes | None:
    """Return one chunk of the octets; None behind the last. Raises NotFoundError, DamagedError."""
    found = _PIECE.rows(connection, {"b_digest": digest, "b_chunk": number})
    if not found and number == 0:
        raise NotFoundError("the content is not in the archive")
    return decompress(bytes(found[0][0])) if found else None
