"""Fixtures that every package's tests share."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from maild.archive.database import FILE_NAME, Database
from maild.archive.upgrade import upgrade
from tests.certificates import authority, tls_client, tls_files
from tests.failing import pytest_runtest_makereport
from tests.needs import require
from tests.postgres import _postgresql_template, place_in_memory, postgresql, postgresql_server, postgresql_store

__all__ = [
    "_postgresql_template",
    "authority",
    "postgresql",
    "postgresql_server",
    "postgresql_store",
    "pytest_runtest_makereport",
    "tls_client",
    "tls_files",
]

ROOT = Path(__file__).parent.parent


# Few tests, but long ones: begun last, one of them would keep the suite waiting while the other processes are idle.
_LONG = frozenset({"crash", "browser", "scenarios", "cli", "year"})


def pytest_configure() -> None:
    """Have what is started again and again be quick to start, and temporary files lie in memory where there is room.

    An environment that keeps no byte code has each daemon and each worker compile the whole program anew. And a commit
    on a disk waits for the disk: only tests/crash, and what looks at its disk, asks for one.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if "PYTEST_DEBUG_TEMPROOT" not in os.environ and (memory := place_in_memory()) is not None:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = memory
    gc.disable()  # until all is collected: nothing of it is garbage
    settings.register_profile("untimed", settings.default, deadline=None)  # how long an example takes says nothing
    settings.load_profile("untimed")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have each process of a run import the tests' modules from another one on.

    In a fresh clone their assertions are to be rewritten, which takes longer than all else of the collection. Whoever
    comes to a module later finds what another process has written; side by side, each would do it all.
    """
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if worker is None or workers == 1:
        return
    files = sorted(
        file for name in session.config.args if Path(name).is_dir() for file in Path(name).rglob("test_*.py")
    )
    first = len(files) * int(worker.removeprefix("gw")) // workers
    with warnings.catch_warnings(action="error"):
        for file in files[first:] + files[:first]:
            module = ".".join(file.resolve().relative_to(ROOT).with_suffix("").parts)
            with contextlib.suppress(Exception, pytest.skip.Exception):  # the collection comes to it, and tells
                importlib.import_module(module)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


def pytest_collection_finish() -> None:
    """Have the collector pass over what is there for good: the tests themselves and all they import, a million objects.

    It would look through them each time it looks for what a test has left.
    """
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for package in marker.args:
            require(package)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The collection of real mail, where it is present."""
    path = Path(os.environ.get("MAILD_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not path.is_dir():
        pytest.skip("the corpus of real mail is not here (set MAILD_CORPUS)")
    return path


def _open(url: str, directory: Path) -> Database:
    database = Database(url, directory)
    database.start()
    return database


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema; copying it is quicker than migrating again."""
    directory = tmp_path_factory.mktemp("template")
    database = Database("", directory)
    upgrade(database.writing)
    database.close()
    return directory / FILE_NAME


@pytest.fixture
def sqlite_database(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    """An empty store in a SQLite file."""
    shutil.copy(sqlite_template, tmp_path / FILE_NAME)
    database = _open("", tmp_path)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty store, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_database")
        return
    database = _open(request.getfixturevalue("postgresql_store"), tmp_path)
    yield database
    database.close()
