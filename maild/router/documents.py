"""The documents of mail that is filed already: what the index reads when it was not offered them, or begins anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Row, select

from maild.archive.compression import DamagedError
from maild.archive.content import chunks, read
from maild.archive.database import Database
from maild.archive.documents import IndexDocument, document_of
from maild.archive.schema import messages, recipients, summaries
from maild.confinement import ConfinementError, Streamed, StreamError, Worker
from maild.errors import NotFoundError
from maild.mail.facts import Facts
from maild.mail.reading import facts_of

_LARGE_BYTES = 1_000_000  # from here on a message goes to the worker as it is read, and never whole through here
_DOCUMENT = "maild.router.documents:document"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """What of a filed message its document is made from."""

    message_id: int
    revision: int
    envelope_to: tuple[str, ...]


def document(filed: Filed, octets: bytes) -> IndexDocument:
    """Read one message for the index. Runs in a worker process."""
    return document_of(facts_of(octets), filed.envelope_to, filed.message_id, filed.revision)


class DocumentReader:
    """Reads documents in the order of their revisions. Used from one thread, the index's."""

    def __init__(self, database: Database) -> None:
        """Read from `database`; the worker process starts with the first message."""
        self._database = database
        self._worker: Worker | None = None

    def __call__(self, after: int, limit: int) -> Sequence[IndexDocument]:
        """Return the documents filed after a revision, without a gap, at most `limit`."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(summaries.c.message_id, summaries.c.revision, messages.c.digest, messages.c.size)
                .join_from(summaries, messages, messages.c.id == summaries.c.message_id)
                .where(summaries.c.revision > after)
                .order_by(summaries.c.revision)
                .limit(limit)
            ).all()
            ids = [row.message_id for row in rows]
            addresses: dict[int, tuple[str, ...]] = {}
            for message_id, address in connection.execute(
                select(recipients.c.message_id, recipients.c.address)
                .where(recipients.c.message_id.in_(ids))
                .order_by(recipients.c.message_id, recipients.c.position)
            ):
                addresses[message_id] = (*addresses.get(message_id, ()), address)
        return [self._read(row, addresses.get(row.message_id, ())) for row in rows]

    def close(self) -> None:
        """End the worker process."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def _read(self, row: Row[int, int, bytes, int], envelope_to: tuple[str, ...]) -> IndexDocument:
        filed = Filed(message_id=row.message_id, revision=row.revision, envelope_to=tuple(a for a in envelope_to if a))
        try:
            octets: bytes | Streamed
            if row.size > _LARGE_BYTES:
                octets = Streamed(row.size, lambda: self._stream(row.digest))
            else:
                with self._database.read() as connection:
                    octets = read(connection, row.digest)
            if self._worker is None:
                self._worker = Worker(preload=("maild.router.documents",))
            answer: IndexDocument = self._worker.call(_DOCUMENT, filed, octets)
        except (ConfinementError, NotFoundError, DamagedError, StreamError):
            # Beyond the parser's limits, or damaged: it is found by its envelope all the same.
            self._discard_worker()
            return document_of(Facts(source_only="crash"), filed.envelope_to, filed.message_id, filed.revision)
        return answer

    def _stream(self, digest: bytes) -> Iterator[bytes]:
        with self._database.read(mapped=False) as connection:
            yield from chunks(connection, digest)

    def _discard_worker(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker = None
