"""The archive, for verbs: opened as its owner, with the schema of this program, or refused with what to do."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click
import structlog
from sqlalchemy import Connection

from maild.archive import audit
from maild.archive.audit import OPERATOR, Audited, Record
from maild.archive.database import Database, make_data_dir, storage_errors
from maild.archive.upgrade import is_current, upgrade
from maild.archive.writer import Unit
from maild.cli.account import account
from maild.cli.times import now_ms
from maild.config import Settings
from maild.errors import MaildError, TemporaryError
from maild.mail.acts import Act

A = TypeVar("A")
R = TypeVar("R")


@contextmanager
def reading(settings: Settings) -> Iterator[Connection]:
    """Lend a connection that cannot write."""
    with opened(settings) as database, database.read() as connection:
        yield connection


@contextmanager
def writing(settings: Settings) -> Iterator[Database]:
    """Lend the store with its writer running; it may run beside a daemon."""
    with opened(settings) as database:
        database.start()
        yield database


def carry_out(settings: Settings, unit: Unit[A, R], argument: A, *records: Record) -> R:
    """Run one unit of work, which is these acts, and wait for its commit."""
    with writing(settings) as database:
        if not records:
            return database.writer.submit(unit, argument).result()
        audited = Audited(unit=unit, argument=argument, records=records)
        result: R = database.writer.submit(audit.carry_out, audited).result()
        return result


def by_operator(
    act: Act, about: str = "", *, team: str = "", conversation_id: int | None = None, **details: object
) -> Record:
    """Return the record of an act on the command line, with the account that it was typed in."""
    return Record(
        at_ms=now_ms(),
        actor=OPERATOR,
        act=act,
        team=team,
        conversation_id=conversation_id,
        about=about,
        details=details | {"account": account()},
    )


def remember_acts(settings: Settings, *records: Record) -> None:
    """Append to the audit log what no transaction holds, such as a reading; say so where that is impossible."""
    try:
        with writing(settings) as database:
            for each in records:
                database.writer.submit(audit.note_acts, each).result()
    except MaildError as error:
        click.echo(f"maild: this could not be written into the audit log: {error}", err=True)


def create(settings: Settings) -> None:
    """Make the data directory, readable by its owner alone, and the tables of the archive."""
    make_data_dir(settings.server.data_dir)
    database = Database(settings.database.url, settings.server.data_dir)
    try:
        upgrade(database.writing)
    finally:
        database.close()


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """Lend the store to read from; its writer does not run."""
    _log_to_stderr()
    data_dir = settings.server.data_dir
    check_owner(data_dir)
    database = Database(settings.database.url, data_dir)
    if database.is_sqlite and not settings.database.url and not Path(database.url.removeprefix("sqlite:///")).exists():
        raise TemporaryError(f"there is no archive in {data_dir} yet; `maild serve` or `maild init` makes it")
    try:
        if not is_current(database.writing):
            raise TemporaryError("the database has an older schema; `maild serve`, started once, upgrades it")
        with storage_errors():
            yield database
    finally:
        database.close()


def _log_to_stderr() -> None:
    """Keep what the storage reports out of the results of a verb: structlog writes to stdout unless told."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def check_owner(data_dir: Path) -> None:
    """Refuse to work as root in another user's archive: the daemon could not write the files that root makes."""
    if not data_dir.exists():
        return
    owner = data_dir.stat().st_uid
    if not os.access(data_dir, os.W_OK):
        # SQLite's readers, too, write beside the database.
        raise TemporaryError(f"the data directory {data_dir} cannot be written; run this as its owner")
    if os.geteuid() == 0 and owner != 0:
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"#{owner}"
        raise MaildError(f"{data_dir} belongs to {name}; run this as its owner: sudo -u {name} maild …")
