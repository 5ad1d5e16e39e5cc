"""What `maild reindex` does."""

from __future__ import annotations

from maild.archive.audit import note_acts
from maild.archive.database import Database, StoreLock
from maild.archive.index_writer import IndexWriter, open_index
from maild.archive.search_late import watermark
from maild.archive.work import newest_revision
from maild.cli.progress import Progress
from maild.cli.store import by_operator, writing
from maild.cli.verb import note
from maild.config import Settings
from maild.mail.acts import Act
from maild.router.documents import DocumentReader


def run(settings: Settings) -> None:
    """Empty the index and fill it again."""
    lock = StoreLock(settings.server.data_dir)
    try:
        with writing(settings) as database:
            documents = DocumentReader(database)
            index = IndexWriter(open_index(database), documents)
            with database.read() as connection:
                total = newest_revision(connection)
            database.writer.submit(note_acts, by_operator(Act.MAINTAINED, "reindex")).result()
            index.start(total)
            index.rebuild()
            _watch(database, index, total)
            index.close()
            documents.close()
    finally:
        lock.release()
    note(f"{total:,} messages indexed")


def _watch(database: Database, index: IndexWriter, total: int) -> None:
    """Wait until all is indexed, and show how far it is."""
    done = 0
    with Progress("indexing", total) as progress:
        while not index.flush(timeout_s=0.2):
            with database.read() as connection:
                reached = watermark(connection) or 0
            progress.advance(max(0, reached - done))
            done = max(done, reached)
