"""A site on a loopback port, served as the daemon serves it, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from maild.app.web_door import make_server
from tests.web.office import Office, office_in
from tests.web.workshop import open_shop


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> Iterator[tuple[str, Office]]:
    """Serve an office; yields its address, in which this machine is called `host`."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(64)
        base_url = f"http://{host}:{bound.getsockname()[1]}"
        with office_in(folder, base_url=base_url) as office:
            office.clock.ms = int(time.time() * 1000)
            open_shop(office, people=False)
            office.clock.runs = True
            services = office.services
            server = make_server(services)
            thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])), daemon=True)
            thread.start()
            try:
                _wait_for(server)
                yield base_url, office
            finally:
                services.feed.closed = True
                server.should_exit = True
                thread.join(timeout=60)


def _wait_for(server: uvicorn.Server) -> None:
    deadline = time.monotonic() + 60
    while not server.started:
        if time.monotonic() > deadline:
            raise TimeoutError("the site did not start")
        threading.Event().wait(0.01)
