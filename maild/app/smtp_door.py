"""The doors for mail: SMTP listeners for other servers and for mail programs, opened from Settings."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import cast

from maild.config import Settings
from maild.errors import TemporaryError
from maild.intake.accept import Intake
from maild.intake.mail_programs import MailPrograms
from maild.smtp.limits import Limits
from maild.smtp.reception import Reception
from maild.smtp.server import Server, serve
from maild.smtp.service import Service
from maild.smtp.session import Session
from maild.smtp.signing_in import Desk, SubmissionSession
from maild.smtp.tls import TlsFiles

_ADVICE = {
    errno.EADDRINUSE: "another program has it; stop that or choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address; set one of its own",
    errno.EACCES: "ports below 1024 need systemd's socket",
}


SUBMISSION, SUBMISSIONS = "submission", "submissions"  # what systemd's sockets of mail programs are called


async def open_smtp(settings: Settings, intake: Intake, inherited: dict[str, list[socket.socket]]) -> list[Server]:
    """Listen for mail on the sockets that systemd gave, else on every address of `[smtp] listen`."""
    given = [s for name, each in inherited.items() if name not in {SUBMISSION, SUBMISSIONS} for s in each]
    listens: list[str | socket.socket] = list(given) or [str(e) for e in settings.smtp.listen]
    return await _open(settings, intake, "[smtp] listen", listens, Session)


async def open_submission(
    settings: Settings, intake: Intake, programs: MailPrograms, inherited: dict[str, list[socket.socket]]
) -> list[Server]:
    """Listen for mail programs, as `open_smtp` does for mail servers."""
    servers = []
    for name, key, tls_first in ((SUBMISSION, "listen", False), (SUBMISSIONS, "listen_tls", True)):
        endpoints = getattr(settings.submission, key)
        listens: list[str | socket.socket] = list(inherited.get(name, [])) or [str(e) for e in endpoints]
        # The session hands back the very account and spool that it was given; the edge's protocols cannot say so.
        session = partial(SubmissionSession, desk=cast("Desk", programs), tls_first=tls_first)
        servers += await _open(settings, intake, f"[submission] {key}", listens, session)
    return servers


def has_submission(settings: Settings, inherited: dict[str, list[socket.socket]]) -> bool:
    """Tell whether mail programs are listened to."""
    section = settings.submission
    return bool(section.listen or section.listen_tls or {SUBMISSION, SUBMISSIONS} & inherited.keys())


async def _open(
    settings: Settings,
    intake: Intake,
    setting: str,
    listens: list[str | socket.socket],
    session: Callable[[Service], Session],
) -> list[Server]:
    limits = Limits(**{f.name: getattr(settings.smtp, f.name) for f in fields(Limits)})
    if session is not Session:
        limits = replace(limits, greet_delay_s=0.0)  # a person waits
    tls = None
    if settings.tls.cert_file is not None and settings.tls.key_file is not None:
        tls = TlsFiles(cert_file=settings.tls.cert_file, key_file=settings.tls.key_file)
    hostname = settings.server.hostname or socket.getfqdn()
    # The session hands back the very spool that `intake.spool` gave it; the edge's protocol cannot say so.
    reception = cast("Reception", intake)
    servers = []
    for listen in listens:
        try:
            servers.append(await serve(listen, reception, limits, hostname, tls, session=session))
        except OSError as error:
            raise cannot_listen(setting, listen, error) from error
    return servers


def cannot_listen(setting: str, listen: str | socket.socket, error: OSError) -> TemporaryError:
    """Say in one line why nobody can be heard there, and what to do."""
    hint = _ADVICE.get(error.errno or 0, error.strerror or str(error))
    return TemporaryError(f"cannot listen on {listen} ({setting}): {hint}")
