"""An office for attacks on the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.office import Office, office_in


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """An office of this test's own."""
    with office_in(tmp_path / "office") as opened:
        yield opened
