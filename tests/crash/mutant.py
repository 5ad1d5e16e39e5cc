"""maild with one deliberate fault, to show that the crash tests can fail.

`python -m tests.crash.mutant NAME serve …`
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, delete, event, insert, select


def synchronous_off() -> None:
    """SQLite does not wait for the disk."""
    from maild.archive import database

    original = database.writing_engine

    def careless(url: str) -> Engine:
        engine = original(url)

        @event.listens_for(engine, "connect")
        def _off(raw: Any, _record: object) -> None:
            raw.execute("PRAGMA synchronous=OFF")

        return engine

    database.writing_engine = careless
    database._check_sqlite = lambda raw: None


def reply_before_commit() -> None:
    """250 is said while the transaction is still open."""
    from maild.archive import commit, writer

    def early(self: writer.Writer, unit: Any, argument: Any) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if unit is commit.accept:
            self.submit(unit, argument)
            future.set_result(
                commit.Accepted(message_id=argument.message_id, sequence=0, duplicate_of=None, to_route=False)
            )
            return future
        return original(self, unit, argument)

    original = writer.Writer.run
    writer.Writer.run = early  # type: ignore[method-assign]  # the fault


def work_items_later() -> None:
    """The work items are written in a transaction of their own, after the one that is acknowledged."""
    from maild.archive import commit, writer
    from maild.archive.schema import recipients

    original = commit.accept
    run = writer.Writer.run

    def without_items(connection: Connection, acceptances: list[commit.Acceptance]) -> Sequence[commit.Accepted]:
        results = original(connection, acceptances)
        connection.execute(delete(recipients).where(recipients.c.message_id.in_([r.message_id for r in results])))
        return results

    def write_items(connection: Connection, pairs: list[tuple[int, Any]]) -> list[None]:
        time.sleep(0.02)
        for message_id, acceptance in pairs:
            rows = [commit._recipient_row(a, message_id, n, None) for n, a in enumerate(acceptance.addressees)]
            if not connection.scalar(select(recipients.c.message_id).where(recipients.c.message_id == message_id)):
                connection.execute(insert(recipients), rows)
        return [None] * len(pairs)

    def in_two(self: writer.Writer, unit: Any, argument: Any) -> asyncio.Future[Any]:
        if unit is not original:
            return run(self, unit, argument)
        future = run(self, without_items, argument)
        future.add_done_callback(lambda f: self.submit(write_items, (f.result().message_id, argument)))
        return future

    writer.Writer.run = in_two  # type: ignore[method-assign]  # the fault


def duplicates_unnoticed() -> None:
    """An identical mail is taken for a new one."""
    from maild.archive import commit

    commit._earlier = lambda connection, acceptances: {}


MUTANTS = {f.__name__: f for f in (synchronous_off, reply_before_commit, work_items_later, duplicates_unnoticed)}

if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    from maild.__main__ import main

    sys.exit(main())
