"""The thread that fills the full-text index, behind the archive and never in its way.

Documents are offered as messages are filed; a batch of them is one commit. What is offered may come in any order and
may be lost: the index takes revisions in their order only, without a gap, and reads from the archive itself what it
was not offered. So does it after a crash, and when more was offered than it could hold.

Invariant: everything up to the watermark is in the index.
Invariant: when the thread ends though nobody asked, `on_fault` hears of it: a search would miss what comes, unsaid.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog

from maild.archive.database import Database
from maild.archive.documents import IndexDocument
from maild.archive.index import PostgresIndex, SearchIndex, SqliteIndex

# Read documents from the archive: those filed after a revision, in order of their revision, at most so many; none
# when there are no more. Called on the index's thread; may take its time.
ReadDocuments = Callable[[int, int], Sequence[IndexDocument]]

BATCH_S = 0.2
BATCH_DOCUMENTS = 5_000
HELD_DOCUMENTS = 20_000
HELD_CHARACTERS = 64_000_000
_READ_AT_ONCE = 500
_GAP_S = 1.0  # how long a revision that was not offered may be on its way
_RETRY_S = 2.0

_log = structlog.get_logger(__name__)


def open_index(database: Database) -> SearchIndex:
    """Open the index that belongs to an archive. On SQLite this creates its file: do it before anyone reads."""
    return SqliteIndex(Path(database.index_path)) if database.is_sqlite else PostgresIndex(database.writing)


class IndexWriter:
    """Takes documents from any thread and writes them in batches from its own."""

    def __init__(self, index: SearchIndex, read_documents: ReadDocuments, *, batch_s: float = BATCH_S) -> None:
        self._index = index
        self._read_documents = read_documents
        self._batch_s = batch_s
        self._condition = threading.Condition()
        self._held: dict[int, IndexDocument] = {}
        self._held_characters = 0
        self._highest = 0  # of the revisions that were ever offered
        self._written = 0
        self._behind = True  # what was filed before this process began is read from the archive
        self._requests = 0
        self._emptying = False
        self._gap_since: float | None = None
        self._closing = False
        self.on_fault: list[Callable[[BaseException], None]] = []  # called in the thread
        self._thread = threading.Thread(target=self._run, name="index", daemon=True)

    def start(self, newest_revision: int | None = None) -> None:
        """Start the thread; it first reads what is missing.

        Args:
            newest_revision: of the archive. An index that is ahead of it belongs to an archive that was put back to
                an earlier day, and is begun anew.
        """
        if newest_revision is not None and self._index.watermark() > newest_revision:
            self._index.clear()
        self._written = self._index.watermark()
        self._thread.start()

    def add(self, documents: Iterable[IndexDocument]) -> None:
        """Offer documents; returns at once."""
        with self._condition:
            idle = not self._held
            for document in documents:
                self._highest = max(self._highest, document.revision)
                if document.revision > self._written and document.revision not in self._held:
                    self._held[document.revision] = document
                    self._held_characters += len(document.body)
            if len(self._held) > HELD_DOCUMENTS or self._held_characters > HELD_CHARACTERS:
                self._forget()
                self._want_reading()
            if idle or self._urgent():
                self._condition.notify_all()  # else it is collecting, and looks by itself when its time is over

    def rebuild(self) -> None:
        """Have the index emptied and filled again from the archive; returns at once."""
        with self._condition:
            self._emptying = True
            self._want_reading()

    def _want_reading(self) -> None:
        self._behind = True
        self._requests += 1
        self._condition.notify_all()

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until everything that was offered so far can be found; False when that took too long."""
        with self._condition:
            wanted = self._highest
            return self._condition.wait_for(lambda: self._written >= wanted and not self._behind, timeout=timeout_s)

    @property
    def pending(self) -> int:
        """How many documents wait to be written, as far as they are known."""
        return len(self._held)

    def close(self) -> None:
        """Write what is held and end the thread. What a gap holds back is read at the next start."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        self._index.close()

    def _forget(self) -> None:
        self._held.clear()
        self._held_characters = 0

    def _run(self) -> None:
        try:
            self._work_through()
        except BaseException as error:  # noqa: BLE001 - a bug: nothing new would be found, and that is said
            for tell in self.on_fault:
                tell(error)

    def _work_through(self) -> None:
        closing = False
        while not closing:
            with self._condition:
                self._condition.wait_for(lambda: self._held or self._urgent())
                self._condition.wait_for(self._urgent, self._batch_s)
                closing = self._closing
            try:
                self._work(closing=closing)
            except Exception as error:  # noqa: BLE001 - a worker's attempt: the archive has it all, and it is tried again
                _log.error("index.failed", error=type(error).__name__)
                self._recover(closing=closing)

    def _urgent(self) -> bool:
        """Tell whether to begin now instead of collecting for a batch."""
        full = len(self._held) >= BATCH_DOCUMENTS and self._written + 1 in self._held
        return self._closing or self._behind or full

    def _recover(self, *, closing: bool) -> None:
        """Believe nothing of what was held: the watermark says what is written, the archive has the rest."""
        with self._condition:
            self._forget()
            self._want_reading()
            if not closing:
                self._condition.wait_for(lambda: self._closing, _RETRY_S)

    def _work(self, *, closing: bool) -> None:
        if self._behind and not closing:
            self._read_missing()
        batch = self._next_batch()
        if batch:
            self._write(batch)
        elif not closing:
            self._look_for_gap()

    def _read_missing(self) -> None:
        if self._emptying:
            self._index.clear()
            self._emptying = False
        self._written = self._index.watermark()
        while not self._closing:
            with self._condition:
                requests = self._requests
                # What was offered need not be read again.
                missing = min(self._held, default=self._written + _READ_AT_ONCE + 1) - self._written - 1
            documents = self._read_documents(self._written, min(missing, _READ_AT_ONCE)) if missing else ()
            if documents:
                self._write(documents)
            elif self._reading_ends(requests):
                return

    def _reading_ends(self, requests: int) -> bool:
        with self._condition:
            self._behind = self._requests != requests
            self._condition.notify_all()
            return not self._behind

    def _next_batch(self) -> list[IndexDocument]:
        """Take the documents that follow the watermark without a gap."""
        batch: list[IndexDocument] = []
        with self._condition:
            revision = self._written + 1
            while len(batch) < BATCH_DOCUMENTS and (document := self._held.pop(revision, None)):
                self._held_characters -= len(document.body)
                batch.append(document)
                revision += 1
        return batch

    def _write(self, documents: Sequence[IndexDocument]) -> None:
        self._index.add(documents)
        with self._condition:
            self._written = max(document.revision for document in documents)
            for revision in [r for r in self._held if r <= self._written]:
                self._held_characters -= len(self._held.pop(revision).body)
            self._gap_since = None
            self._condition.notify_all()

    def _look_for_gap(self) -> None:
        """What is held waits for a revision that was not offered: after a while, read it from the archive."""
        with self._condition:
            now = time.monotonic()
            if not self._held:
                self._gap_since = None
                self._condition.notify_all()
            elif self._gap_since is None:
                self._gap_since = now
            elif now - self._gap_since > _GAP_S:
                self._gap_since = None
                self._want_reading()
