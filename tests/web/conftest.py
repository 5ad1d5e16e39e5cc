"""An office for each test module that only reads, or for each test that changes things."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.policy.roles import Role
from tests.web.office import Office, office_in


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An office for all tests of a module: they may add to it, and not count on being alone."""
    with office_in(tmp_path_factory.mktemp("office")) as opened:
        opened.user("petra", (Role.MANAGER, "kita"), name="Petra Maurer")
        opened.user("leser", (Role.READER, "kita"))
        opened.user("neu")
        yield opened


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """An office of this test's own."""
    with office_in(tmp_path / "office") as opened:
        yield opened
