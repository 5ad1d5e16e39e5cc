"""No daemon outlives its test, however the test ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash import harness


@pytest.fixture(autouse=True)
def _no_daemon_is_left_behind() -> Iterator[None]:
    yield
    while harness.STARTED:
        harness.STARTED.pop().kill()
