"""A disk for each test, and no daemon that outlives it, however it ends."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import harness


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder on a disk, where a commit takes the time in which a kill can meet it; the others' are in memory."""
    with tempfile.TemporaryDirectory(prefix="maild-crash-") as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def _no_daemon_is_left_behind(tmp_path: Path) -> Iterator[None]:
    yield  # the folder goes after its daemon
    while harness.STARTED:
        harness.STARTED.pop().kill()
