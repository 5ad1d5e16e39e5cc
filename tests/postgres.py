"""A PostgreSQL of the tests' own: a cluster in a temporary directory, on a free port of loopback.

Each process of a parallel run starts its own. A server refuses to run as root, so root becomes `nobody` for it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, create_engine

from maild.archive.database import Database
from maild.archive.upgrade import upgrade
from tests.needs import require
from tests.ports import free_port

_ROOM_BYTES = 2_000_000_000


def _program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    found = shutil.which(name, path=os.pathsep.join([*map(str, reversed(folders)), os.environ.get("PATH", "")]))
    assert found, f"{name} is not installed"
    return found


def _run(*command: str, user: str | None, cwd: Path) -> None:
    subprocess.run(command, check=True, user=user, group=None, cwd=cwd, stdout=subprocess.DEVNULL, timeout=60)


def place_in_memory() -> str | None:
    """Return a folder in memory where there is room; None: where temporary files lie."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_BYTES
    return str(memory) if roomy else None


@contextmanager
def cluster() -> Iterator[str]:
    """Run a cluster and yield the URL of its database `postgres`, as SQLAlchemy writes it."""
    # Short: the path of a socket has 107 octets. Outside pytest's folders, which only their owner may enter.
    home = Path(tempfile.mkdtemp(prefix="maild-pg-", dir=place_in_memory()))
    user = None
    if os.geteuid() == 0:
        user = "nobody"
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    data, port = home / "data", free_port()
    try:
        _run(
            _program("initdb"), "-D", str(data), "-U", "maild", "-A", "trust", "-E", "UTF8", "--locale=C", "-N",
            user=user, cwd=home,
        )  # fmt: skip
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c shared_buffers=64MB -c max_connections=40"
        _run(
            _program("pg_ctl"), "-D", str(data), "-l", str(home / "log"), "-o", options, "-w", "start",
            user=user, cwd=home,
        )  # fmt: skip
        try:
            yield (url := f"postgresql+psycopg://maild@127.0.0.1:{port}/postgres")
        finally:
            _engine(url).dispose()
            _run(_program("pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop", user=user, cwd=home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a running server; one for each process of a run."""
    require("postgresql")
    with cluster() as url:
        yield url


@contextmanager
def fresh_database(server: str, template: str = "template1") -> Iterator[str]:
    """Make a database as the template is, empty else, yield its URL, and drop it."""
    name = f"test_{uuid4().hex}"
    with _administrator(server) as connection:
        # Since 15 a copy goes through the log where nobody says otherwise, which takes twice as long for a small one.
        strategy = " STRATEGY file_copy" if (connection.dialect.server_version_info or (0,)) >= (15,) else ""
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}{strategy}")
    yield server.rpartition("/")[0] + f"/{name}"
    with _administrator(server) as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@cache
def _engine(server: str) -> Engine:
    return create_engine(server, isolation_level="AUTOCOMMIT", pool_size=1)


def _administrator(server: str) -> AbstractContextManager[Connection]:
    """Return a connection for making and dropping, kept from test to test."""
    return _engine(server).connect()


@pytest.fixture
def postgresql(postgresql_server: str) -> Iterator[str]:
    """The URL of a fresh, empty database."""
    with fresh_database(postgresql_server) as url:
        yield url


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_database(postgresql_server) as url:
        database = Database(url, tmp_path_factory.mktemp("template"))
        upgrade(database.writing)
        database.close()
        yield url.rpartition("/")[2]


@pytest.fixture
def postgresql_store(postgresql_server: str, _postgresql_template: str) -> Iterator[str]:
    """The URL of a fresh database with the newest schema; copying it is quicker than migrating again."""
    with fresh_database(postgresql_server, _postgresql_template) as url:
        yield url
