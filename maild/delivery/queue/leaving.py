"""The messages themselves on their way out: what is known of them, and their octets a piece at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from maild.archive.content import decompress
from maild.archive.schema import content, messages, recipients
from maild.errors import NotFoundError


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
    row = connection.execute(select(messages).where(messages.c.id == message_id)).mappings().first()
    if row is None:
        raise NotFoundError("the message is not in the archive")
    addressed = connection.scalars(
        select(recipients.c.address).where(recipients.c.message_id == message_id).order_by(recipients.c.position)
    )
    return Leaving(
        id=row["id"],
        direction=row["direction"],
        digest=bytes(row["digest"]),
        size=row["size"],
        received_ms=row["received_ms"],
        reverse_path=row["reverse_path"],
        envelope=json.loads(row["envelope"]),
        recipients=tuple(addressed),
    )


def piece(connection: Connection, digest: bytes, number: int) -> bytes | None:
    """Return one chunk of the octets; None behind the last. Raises NotFoundError, DamagedError."""
    frame = connection.scalar(select(content.c.octets).where(content.c.digest == digest, content.c.chunk == number))
    if frame is None and number == 0:
        raise NotFoundError("the content is not in the archive")
    return None if frame is None else decompress(bytes(frame))
