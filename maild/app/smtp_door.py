"""The door for mail: SMTP listeners, opened from Settings."""

from __future__ import annotations

import errno
import socket
from dataclasses import fields
from typing import cast

from maild.config import Settings
from maild.errors import TemporaryError
from maild.intake.accept import Intake
from maild.smtp.limits import Limits
from maild.smtp.reception import Reception
from maild.smtp.server import Server, serve
from maild.smtp.tls import TlsFiles

_ADVICE = {
    errno.EADDRINUSE: "another program has it; stop that or choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address; set one of its own",
    errno.EACCES: "ports below 1024 need systemd's socket",
}


async def open_smtp(settings: Settings, intake: Intake, inherited: list[socket.socket]) -> list[Server]:
    """Listen for mail on the sockets that systemd gave, else on every address of `[smtp] listen`."""
    limits = Limits(**{f.name: getattr(settings.smtp, f.name) for f in fields(Limits)})
    tls = None
    if settings.tls.cert_file is not None and settings.tls.key_file is not None:
        tls = TlsFiles(cert_file=settings.tls.cert_file, key_file=settings.tls.key_file)
    hostname = settings.server.hostname or socket.getfqdn()
    listens: list[str | socket.socket] = list(inherited) or [str(e) for e in settings.smtp.listen]
    # The session hands back the very spool that `intake.spool` gave it; the edge's protocol cannot say so.
    reception = cast("Reception", intake)
    servers = []
    for listen in listens:
        try:
            servers.append(await serve(listen, reception, limits, hostname, tls))
        except OSError as error:
            raise cannot_listen("[smtp] listen", listen, error) from error
    return servers


def cannot_listen(setting: str, listen: str | socket.socket, error: OSError) -> TemporaryError:
    """Say in one line why nobody can be heard there, and what to do."""
    hint = _ADVICE.get(error.errno or 0, error.strerror or str(error))
    return TemporaryError(f"cannot listen on {listen} ({setting}): {hint}")
