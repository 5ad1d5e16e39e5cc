from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
import uvloop

from tests.needs import require
from tests.scanners import Scanner, clamd_in, rspamd_in


@pytest.fixture(scope="module")
def rspamd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanner]:
    require("rspamd")
    scanner = rspamd_in(tmp_path_factory.mktemp("rspamd"))
    scanner.start()
    yield scanner
    scanner.kill()


@pytest.fixture(scope="module")
def clamd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanner]:
    require("clamav-daemon")
    scanner = clamd_in(tmp_path_factory.mktemp("clamd"))
    scanner.start()
    yield scanner
    scanner.kill()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test of this folder on both event loops: the two differ in how a connection that breaks ends."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
