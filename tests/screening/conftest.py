from __future__ import annotations

from collections.abc import Iterator

import pytest

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
