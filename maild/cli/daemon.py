"""Start the event loop that a daemon lives in."""

from __future__ import annotations

import asyncio
import sys

from maild.app import run_daemon
from maild.config import Settings


def run(settings: Settings, only: frozenset[str]) -> None:
    """Run the roles `only` until SIGTERM or SIGINT."""
    if sys.platform == "linux":
        import uvloop

        factory = uvloop.new_event_loop
    else:
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run_daemon(settings, only))
