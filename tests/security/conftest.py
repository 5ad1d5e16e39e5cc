"""An office for attacks on the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.web.office import Office, office_in


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """An office of this test's own."""
    with office_in(tmp_path / "office") as opened:
        yield opened


@pytest.fixture
def all_at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Have all tries be of one moment, and nobody wait for an answer; returns how long they would have waited.

    What is told to come again in five seconds may, on a machine that stands still for as long.
    """
    waits = list[float]()

    async def noted(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("maild.web.proofs.asyncio", SimpleNamespace(sleep=noted))
    for module in ("proofs", "passkeys"):
        monkeypatch.setattr(f"maild.web.{module}.time", SimpleNamespace(monotonic=lambda: 1_000.0))
    return waits
