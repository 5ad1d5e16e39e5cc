"""The octets themselves: cut into chunks, compressed, addressed by SHA-256, byte-exact for ever.

Chunks keep memory small on both ways: a mail of 35 MB is written and read a quarter of a megabyte at a time.

Source: RFC 8878 (Zstandard)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, Executable, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from maild.archive.compression import DamagedError, compress, decompress
from maild.archive.prepared import Prepared
from maild.archive.questions import Question
from maild.archive.schema import content
from maild.errors import NotFoundError

CHUNK_BYTES = 256 * 1024
_ROWS = 8  # chunks bound at once: two megabytes


class Content(Protocol):
    """Octets on their way into the archive."""

    @property
    def digest(self) -> bytes: ...

    @property
    def size(self) -> int: ...

    def chunks(self) -> Iterable[bytes]:
        """Yield the compressed chunks; may be asked again."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """Content that is whole in memory. Compressed where it is made (`held`), so that the writer only writes."""

    digest: bytes
    size: int
    frames: tuple[bytes, ...]

    def chunks(self) -> Iterable[bytes]:
        return self.frames


def held(octets: bytes) -> Held:
    """Return octets as content. It takes a while for megabytes: not in the event loop."""
    view = memoryview(octets)
    pieces = range(0, max(len(octets), 1), CHUNK_BYTES)
    frames = tuple(compress(view[start : start + CHUNK_BYTES]) for start in pieces)
    return Held(hashlib.sha256(octets).digest(), len(octets), frames)


def _insert(dialect: str) -> Executable:
    if dialect == "sqlite":
        return sqlite.insert(content).on_conflict_do_nothing()
    return postgresql.insert(content).on_conflict_do_nothing()


_INSERT = Prepared(_insert)


def store(connection: Connection, items: list[Content]) -> None:
    """Write the chunks of each content that is not there yet."""
    rows: list[dict[str, object]] = []
    held = 0
    for item in items:
        for number, frame in enumerate(item.chunks()):
            rows.append({"digest": item.digest, "chunk": number, "octets": frame})
            held += len(frame)
            if held >= _ROWS * CHUNK_BYTES:
                _INSERT.run(connection, rows)
                rows, held = [], 0
    _INSERT.run(connection, rows)


def chunks(connection: Connection, digest: bytes) -> Iterator[bytes]:
    """Yield the octets in order, a chunk at a time; raises NotFoundError when there are none."""
    number = 0
    while True:
        frame = connection.scalar(select(content.c.octets).where(content.c.digest == digest, content.c.chunk == number))
        if frame is None:
            break
        yield decompress(bytes(frame))
        number += 1
    if number == 0:
        raise NotFoundError("the content is not in the archive")


def read(connection: Connection, digest: bytes) -> bytes:
    """Return the octets whole."""
    frames = _FRAMES.scalars(connection, digest=digest)
    if not frames:
        raise NotFoundError("the content is not in the archive")
    return b"".join(decompress(bytes(frame)) for frame in frames)


_FRAMES = Question(
    lambda: select(content.c.octets).where(content.c.digest == bindparam("digest")).order_by(content.c.chunk)
)


def read_many(connection: Connection, digests: list[bytes]) -> dict[bytes, bytes]:
    """Return the octets of several contents, whole; those that are missing or damaged are left out."""
    parts: dict[bytes, list[bytes]] = {}
    damaged: set[bytes] = set()
    for digest, octets in connection.execute(
        select(content.c.digest, content.c.octets)
        .where(content.c.digest.in_(digests))
        .order_by(content.c.digest, content.c.chunk)
    ):
        try:
            parts.setdefault(bytes(digest), []).append(decompress(bytes(octets)))
        except DamagedError:
            damaged.add(bytes(digest))
    return {digest: b"".join(pieces) for digest, pieces in parts.items() if digest not in damaged}
