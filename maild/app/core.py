"""What all parts of the daemon are built on, in order: storage proven durable, rules loaded, workers, index.

What is started here ends with the exit stack, in the opposite order.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from maild.app.living import Living
from maild.app.readers import Readers
from maild.app.resolving import resolver_of
from maild.app.senders import examiner_of
from maild.app.settling import settle_approval
from maild.app.token_key import token_key
from maild.archive.database import Database, StoreLock, make_data_dir
from maild.archive.index_writer import IndexWriter, open_index
from maild.archive.upgrade import upgrade
from maild.archive.versions import BY_HAND, Version, record
from maild.archive.work import newest_revision
from maild.authentication.examiner import Examiner
from maild.config import Settings
from maild.confinement import Pool
from maild.dns.answer import Resolver
from maild.errors import StorageError
from maild.intake.space import Space
from maild.router.documents import DocumentReader
from maild.rules.model import Ruleset
from maild.rules.rulebook import Rulebook
from maild.rules.rules_file import owner_of
from maild.web.feed import Feed

_PRELOAD = ("maild.router.reading", "maild.intake.judging", "maild.web.letter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What they are built on. `key` is of the tokens in our addresses; without an `examiner` senders go unproven."""

    data_dir: Path
    space: Space
    database: Database
    rulebook: Rulebook
    readers: Readers
    pool: Pool
    index: IndexWriter
    feed: Feed
    resolver: Resolver
    examiner: Examiner | None
    key: bytes


def start_core(settings: Settings, stack: AsyncExitStack, living: Living, now_ms: Callable[[], int]) -> Core:
    """Start it, watched by `living`. Raises what `run_daemon` says."""
    data_dir = _prepare(settings.server.data_dir)
    stack.callback(StoreLock(data_dir).release)
    server = settings.server
    space = Space(
        data_dir, min_free_bytes=server.min_free_bytes, reserve_bytes=server.reserve_bytes, now_ms=now_ms
    )  # fmt: skip
    space.take_reserve()
    database = Database(settings.database.url, data_dir)
    database.writer.on_fault.append(living.thread("writer"))
    upgrade(database.writing)
    database.start()
    stack.callback(database.close)
    database.writer.on_full.append(space.give_up_reserve_if_full)
    # Before anyone reads: readers attach it, and cannot undo what a kill left in it.
    index = _index(stack, living, database)
    rulebook = _rules(settings, database, data_dir, now_ms)
    readers = _readers(stack, living, database, rulebook, now_ms)
    pool = Pool(max(2, min(4, os.cpu_count() or 2)), preload=_PRELOAD)
    stack.push_async_callback(pool.close)
    resolver = resolver_of(settings)
    return Core(
        data_dir=data_dir,
        space=space,
        database=database,
        rulebook=rulebook,
        readers=readers,
        pool=pool,
        index=index,
        feed=Feed(),
        resolver=resolver,
        examiner=examiner_of(settings, resolver, rulebook),
        key=token_key(data_dir),
    )


def _prepare(data_dir: Path) -> Path:
    make_data_dir(data_dir)
    if not os.access(data_dir, os.W_OK):
        raise StorageError(f"the data directory {data_dir} cannot be written")
    return data_dir


def _rules(settings: Settings, database: Database, data_dir: Path, now_ms: Callable[[], int]) -> Rulebook:
    rulebook = Rulebook(settings.server.rules, data_dir)
    rulebook.load_at_start()

    def keep(ruleset: Ruleset) -> None:
        version = Version(
            digest=ruleset.version,
            source=rulebook.source,
            loaded_ms=now_ms(),
            author=BY_HAND,
            reason="",
            account=owner_of(rulebook.path),
        )
        database.writer.submit(record, version)

    keep(rulebook.current)
    rulebook.on_change(keep)
    settle_approval(database, rulebook, now_ms)
    return rulebook


def _readers(
    stack: AsyncExitStack, living: Living, database: Database, rulebook: Rulebook, now_ms: Callable[[], int]
) -> Readers:
    readers = Readers(database, rulebook, now_ms)
    readers.refresh()
    rulebook.on_change(readers.tell)
    stack.callback(living.task("readers", readers.watch()).cancel)
    return readers


def _index(stack: AsyncExitStack, living: Living, database: Database) -> IndexWriter:
    documents = DocumentReader(database)
    stack.callback(documents.close)
    index = IndexWriter(open_index(database), documents)
    index.on_fault.append(living.thread("index"))
    with database.read() as connection:
        index.start(newest_revision(connection))
    stack.callback(index.close)
    return index
