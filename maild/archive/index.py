"""The full-text index: what a message is found by, kept beside the archive and rebuilt from it at will.

A row is written once and never changes, for the text of a message never does; whatever does (team, state, tag) is
joined from the main tables when searching. The row's key is the message id, so newest-first is its own order.

Beside its rows the index keeps its watermark: the highest `summaries.revision` that is in it, written in the same
transaction. Whatever has a higher one is missing, and only that. The index may lose its last seconds in a power cut
(`synchronous=NORMAL`); its watermark is lost with them, and they are read again.

On SQLite it is a file of its own with its own writer, so that its merges never hold up an acceptance; readers attach
it as `idx`. On PostgreSQL it is a table.

Source: https://www.sqlite.org/fts5.html; https://www.postgresql.org/docs/15/datatype-textsearch.html
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy import BigInteger, Column, Connection, Engine, Index, Integer, MetaData, Table, delete, select, text
from sqlalchemy.dialects.postgresql import TSVECTOR, insert

from maild.archive import analysis
from maild.archive.documents import FIELDS, IndexDocument

VECTOR_BYTES = 1_000_000
_FORMAT = 1_000 * 1 + analysis.VERSION  # an index written otherwise is emptied and filled again


class SearchIndex(Protocol):
    """Where the documents are kept. Safe to use from several threads; one of them writes at a time."""

    def add(self, documents: Sequence[IndexDocument]) -> None:
        """Store documents and raise the watermark to the highest of their revisions, in one transaction."""

    def watermark(self) -> int:
        """Return the highest revision that is in the index; 0 when it is empty."""

    def clear(self) -> None:
        """Forget everything; the archive is read again from revision 0."""

    def optimize(self) -> None:
        """Merge what can be merged. May take minutes; searches go on meanwhile."""

    def close(self) -> None:
        """Let go of the database."""


class SqliteIndex:
    """FTS5 without content, in a file of its own.

    The text is analysed already, so the tokenizer is `ascii`: it splits at spaces and takes every other character
    that analysis lets through as part of a word.
    """

    def __init__(self, path: Path) -> None:
        """Open the index file; one that is damaged, or of another format, starts again empty."""
        self._path = path
        self._lock = threading.Lock()
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=NORMAL", "cache_size=-32000"):
                connection.execute(f"PRAGMA {pragma}")
            if connection.execute("PRAGMA user_version").fetchone() != (_FORMAT,):
                self._create(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _create(connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DROP TABLE IF EXISTS search_index")
        connection.execute("DROP TABLE IF EXISTS search_state")
        connection.execute(
            f"CREATE VIRTUAL TABLE search_index USING fts5({', '.join(FIELDS)},"
            " content='', columnsize=0, tokenize='ascii')"
        )
        # A commit adds a small segment. Eight of a size are merged, in steps: commits stay short and a search meets
        # few segments. One batch fits into memory, so that it makes one segment and not many.
        connection.executemany(
            "INSERT INTO search_index(search_index, rank) VALUES (?, ?)",
            (("hashsize", 16_000_000), ("pgsz", 8_000), ("automerge", 8)),
        )
        connection.execute("CREATE TABLE search_state (id INTEGER PRIMARY KEY, revision INTEGER NOT NULL)")
        connection.execute("INSERT INTO search_state VALUES (1, 0)")
        connection.execute(f"PRAGMA user_version={_FORMAT}")
        connection.execute("COMMIT")

    def _transact(self, statements: Iterable[tuple[str, Iterable[Sequence[object]]]]) -> None:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, rows in statements:
                    self._connection.executemany(statement, rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def add(self, documents: Sequence[IndexDocument]) -> None:
        # FTS5 starts a new segment whenever a rowid is not above the last: in order of the id there is one a batch.
        rows = (
            (d.message_id, *(getattr(d, field) for field in FIELDS))
            for d in sorted(documents, key=lambda d: d.message_id)
        )
        places = ", ".join("?" * (1 + len(FIELDS)))
        self._transact(
            (
                (f"INSERT INTO search_index (rowid, {', '.join(FIELDS)}) VALUES ({places})", rows),  # noqa: S608 - ours
                (
                    "UPDATE search_state SET revision = max(revision, ?)",
                    [(max((d.revision for d in documents), default=0),)],
                ),
            )
        )

    def watermark(self) -> int:
        with self._lock:
            return int(self._connection.execute("SELECT revision FROM search_state").fetchone()[0])

    def clear(self) -> None:
        self._transact(
            (
                ("INSERT INTO search_index(search_index) VALUES (?)", [("delete-all",)]),
                ("UPDATE search_state SET revision = ?", [(0,)]),
            )
        )

    def optimize(self) -> None:
        self._transact((("INSERT INTO search_index(search_index) VALUES (?)", [("optimize",)]),))

    def close(self) -> None:
        with self._lock:
            self._connection.close()


index_metadata = MetaData()

postgres_index = Table(
    "search_index",
    index_metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("document", TSVECTOR, nullable=False),
    Index("search_index_document", "document", postgresql_using="gin"),
)

postgres_state = Table(
    "search_state",
    index_metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("format", Integer, nullable=False),
)

# In a tsvector the fields share one column, so that a word is one look-up. The words of the small fields are in it
# twice: as they are, and with the letter of their field. Words of the body alone have weight D. PostgreSQL counts
# positions to 16,383: a phrase further on in a very long text is found on SQLite only.
PREFIXES = {"subject": "s:", "sender": "f:", "recipients": "t:", "cc": "c:", "envelope": "e:", "filenames": "n:"}
_PLAIN = ("subject", "sender", "recipients", "cc", "filenames")


def create_tables(connection: Connection) -> None:
    """Create the index's tables on PostgreSQL; on SQLite it has a file of its own and there is nothing to do."""
    if connection.dialect.name == "postgresql":
        index_metadata.create_all(connection)


def _lexemes(document: IndexDocument) -> Iterator[tuple[str, str]]:
    """Yield each lexeme with its position and weight. Fields are apart, so that no phrase spans two of them."""
    base = 1
    for field in FIELDS:
        tokens = getattr(document, field).split()
        prefix = PREFIXES.get(field)
        for position, token in enumerate(tokens, base):
            if prefix is None:
                yield token, str(position)
            else:
                yield prefix + token, f"{position}A"
            if field in _PLAIN:
                yield token, f"{position}A"
        base += len(tokens) + 1


def vector_of(document: IndexDocument) -> str:
    """Write a document as PostgreSQL reads a tsvector. Beyond VECTOR_BYTES, words are left out."""
    positions: dict[str, list[str]] = {}
    room = VECTOR_BYTES
    for lexeme, position in _lexemes(document):
        room -= 4 if lexeme in positions else 4 * len(lexeme) + 8
        if room < 0:
            break
        positions.setdefault(lexeme, []).append(position)
    return " ".join(f"'{lexeme}':{','.join(where)}" for lexeme, where in positions.items())


class PostgresIndex:
    """A table of tsvectors with a GIN index, in the main database."""

    def __init__(self, engine: Engine) -> None:
        """Take the index as it is; one of another format is emptied and filled again."""
        self._engine = engine
        with engine.begin() as connection:
            found = connection.execute(select(postgres_state.c.format)).scalar()
            if found != _FORMAT:
                self._reset(connection)

    @staticmethod
    def _reset(connection: Connection) -> None:
        connection.execute(text("TRUNCATE search_index"))
        connection.execute(delete(postgres_state))
        connection.execute(postgres_state.insert().values(id=1, revision=0, format=_FORMAT))

    def add(self, documents: Sequence[IndexDocument]) -> None:
        if not documents:
            return
        rows = [{"message_id": d.message_id, "document": vector_of(d)} for d in documents]
        statement = insert(postgres_index)
        statement = statement.on_conflict_do_update(
            index_elements=["message_id"], set_={"document": statement.excluded.document}
        )
        newest = max(d.revision for d in documents)
        state = postgres_state.c
        with self._engine.begin() as connection:
            connection.execute(statement, rows)
            connection.execute(
                postgres_state.update().where(state.revision < newest).values(revision=newest),
            )

    def watermark(self) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(select(postgres_state.c.revision)).scalar_one())

    def clear(self) -> None:
        with self._engine.begin() as connection:
            self._reset(connection)

    def optimize(self) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (ANALYZE) search_index"))

    def close(self) -> None:
        """Do nothing: the engine belongs to the archive."""
