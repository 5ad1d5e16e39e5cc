"""Tell the daemon of this machine that something was released: it looks at once, and not only in its next round."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from maild.cli.state import reloadable
from maild.config import Settings


def wake_daemon(settings: Settings) -> None:
    """Wake it, where one runs here and may be told; elsewhere it finds what was asked for within half a minute."""
    process = reloadable(settings.server.data_dir)
    if process is not None:
        # Who does not know this signal passes it over: it harms no process that has the number meanwhile.
        with suppress(OSError):
            os.kill(process, signal.SIGURG)
