"""The octets of waiting mail, read back from the archive: small ones together, a large one as it goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from maild.archive.content import chunks, read_many
from maild.archive.database import Database
from maild.archive.work import waiting


def fetch(database: Database, digests: Mapping[int, bytes | None]) -> dict[int, bytes]:
    """Return the octets of messages by their ids; of those whose digest is not known, it is looked up."""
    with database.read() as connection:
        known = dict(digests)
        for found in waiting(connection, [number for number, digest in known.items() if digest is None]):
            known[found.message_id] = found.digest
        octets = read_many(connection, [digest for digest in known.values() if digest is not None])
    return {number: octets[digest] for number, digest in known.items() if digest is not None and digest in octets}


def stream(database: Database, message_id: int) -> Iterator[bytes]:
    """Yield the octets of a message that waits, a chunk at a time."""
    with database.read(mapped=False) as connection:
        for found in waiting(connection, [message_id]):
            yield from chunks(connection, found.digest)
