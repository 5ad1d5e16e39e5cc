"""The connection to stable storage, and the proof that it is stable.

One `Database` is one store: a SQLite file in the data directory, or a PostgreSQL database. It hands out reading
connections to any thread and owns the one writer (`maild.archive.writer`). At opening the durability settings
are read back from the database itself; a store that could lose a committed transaction is refused.

Source: https://www.sqlite.org/pragma.html#pragma_synchronous (WAL needs FULL to survive a power cut)
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from maild.archive.prepared import Prepared
from maild.archive.writer import Writer
from maild.errors import StorageError, TemporaryError

FILE_NAME = "maild.sqlite3"
INDEX_NAME = "index.sqlite3"
BUSY_MS = 5_000
_READERS = 8
_MAPPED = "PRAGMA mmap_size=268435456"
# A checkpoint of the write-ahead log costs two fsyncs; every 16 MB of log is seldom enough to be cheap and often
# enough to keep the log, the time of a restart, and what a full disk must still hold, small.
_CHECKPOINT_PAGES = 4_000
_BEGIN = Prepared(text("BEGIN IMMEDIATE"))


class Database:
    """A store of mail: reading connections for all threads, one writer."""

    def __init__(self, url: str, data_dir: Path) -> None:
        """Open the store; `url` empty is SQLite in `data_dir`. Raises StorageError when it cannot be trusted."""
        self.data_dir = data_dir
        self.url = url or f"sqlite:///{data_dir / FILE_NAME}"
        self.is_sqlite = make_url(self.url).get_backend_name() == "sqlite"
        self.index_path = data_dir / INDEX_NAME
        self._readers = self._reading_engine()
        self.writing = writing_engine(self.url)
        self.writer = Writer(self.writing, check=lambda: check_durability(self.writing))

    @contextmanager
    def read(self, *, mapped: bool = True) -> Iterator[Connection]:
        """Lend a reading connection; on SQLite the full-text index is attached as `idx` where it can be read.

        Not `mapped`, for much that is read once: the pages it passes do not stay in this process's address space.
        """
        with self._readers.connect() as connection:
            if mapped or not self.is_sqlite:
                yield connection
                return
            connection.exec_driver_sql("PRAGMA mmap_size=0")
            try:
                yield connection
            finally:
                connection.exec_driver_sql(_MAPPED)

    def start(self) -> None:
        """Check that commits are durable and start the writer."""
        check_durability(self.writing)
        self.writer.start()

    def close(self) -> None:
        """Finish what the writer has in hand and let go of every connection."""
        self.writer.close()
        self._readers.dispose()
        self.writing.dispose()

    def _reading_engine(self) -> Engine:
        if not self.is_sqlite:
            return create_engine(self.url, pool_size=_READERS, max_overflow=4, pool_pre_ping=True)
        engine = create_engine(
            self.url,
            poolclass=QueuePool,
            pool_size=_READERS,
            max_overflow=16,
            connect_args={"check_same_thread": False, "uri": True},
        )

        @event.listens_for(engine, "connect")
        def _prepare(raw: Any, _record: object) -> None:
            raw.isolation_level = None
            raw.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            raw.execute(_MAPPED)
            if self.index_path.exists():
                _attach_index(raw, self.index_path)
            raw.execute("PRAGMA query_only=ON")

        return engine


def _attach_index(raw: Any, path: Path) -> None:
    try:
        raw.execute("ATTACH DATABASE ? AS idx", (f"file:{path}?mode=ro",))
    except sqlite3.OperationalError as error:
        # Its making was cut off, and only who may write it can finish that: until the next start it is as not there.
        if not error.sqlite_errorname.startswith("SQLITE_READONLY"):
            raise
    else:
        raw.execute("PRAGMA idx.mmap_size=268435456")


def writing_engine(url: str) -> Engine:
    """Make the engine for writers: each transaction takes the write lock at its beginning."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, poolclass=NullPool)
    engine = create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(raw: Any, _record: object) -> None:
        raw.isolation_level = None
        raw.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA cache_size=-32768")
        raw.execute("PRAGMA journal_size_limit=134217728")
        raw.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        _BEGIN.rows(connection)

    return engine


def make_data_dir(path: Path) -> None:
    """Make the data directory with mode 0700; an existing one is closed to others."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Make a StorageError, of one line, of whatever the driver has to say about the database."""
    try:
        yield
    except DBAPIError as error:
        # Security: SQLAlchemy's own text quotes the parameters, which hold mail; the driver's does not.
        raise StorageError(f"the database cannot be used: {' '.join(str(error.orig).split())}") from error


def check_durability(engine: Engine) -> None:
    """Read back what makes a commit durable, and repair the log; raises StorageError when it is not so.

    Invariant: on SQLite this also moves the whole write-ahead log into the database and starts it anew. After a
    failed fsync the log may hold frames that the page cache shows and the disk does not have; nothing may be
    appended behind them.
    """
    try:
        with storage_errors(), engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            if engine.dialect.name == "sqlite":
                _check_sqlite(raw)
            else:
                _check_postgresql(connection)
    except OSError as error:
        raise StorageError(f"the database cannot be used: {error}") from error


def _check_sqlite(raw: Any) -> None:
    journal = raw.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = raw.execute("PRAGMA synchronous").fetchone()[0]
    if journal != "wal" or synchronous < 2:
        raise StorageError(f"SQLite would lose mail at a power cut (journal_mode={journal}, synchronous={synchronous})")
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _check_postgresql(connection: Connection) -> None:
    for name, allowed in (
        ("fsync", ("on",)),
        ("full_page_writes", ("on",)),
        ("synchronous_commit", ("on", "remote_apply")),
    ):
        value = connection.exec_driver_sql(f"SHOW {name}").scalar_one()
        if value not in allowed:
            raise StorageError(f"PostgreSQL would lose mail at a power cut ({name}={value})")


class StoreLock:
    """The one running daemon of a data directory. The kernel frees it when the process ends, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock; raises TemporaryError while another process holds it."""
        self._fd = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._fd, 32).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise TemporaryError(f"maild is already running on {data_dir} (process {owner})") from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go of the lock."""
        os.close(self._fd)
