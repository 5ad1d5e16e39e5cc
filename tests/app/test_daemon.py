from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from maild.app.core import _PRELOAD

ROOT = Path(__file__).parent.parent.parent
DEAR = {"sqlalchemy", "asyncio", "structlog", "cryptography", "jinja2", "starlette", "dns", "yaml", "nh3"}


def test_what_reads_mail_is_started_without_what_only_the_daemon_needs() -> None:
    # In a process of its own, as the workers: they begin with this, each time, and all of it is in their memory.
    program = f"import sys\nfor module in {_PRELOAD!r}:\n    __import__(module)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert set(_PRELOAD) <= set(loaded)
    assert not DEAR & set(loaded)
