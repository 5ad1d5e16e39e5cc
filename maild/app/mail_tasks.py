"""What maild tells its own people by mail, built of its parts."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable

from maild.archive.database import Database
from maild.config import Settings
from maild.intake.author_reports import AuthorReports
from maild.intake.digests import Digests
from maild.intake.submit import Submitter
from maild.rules.rulebook import Rulebook

_CHANCE_BITS = 21


def make_telling(
    settings: Settings,
    *,
    database: Database,
    rulebook: Rulebook,
    submitter: Submitter,
    now_ms: Callable[[], int],
    on_sent: Callable[[], None],
) -> dict[str, AuthorReports | Digests]:
    """Return the tasks, by name; `on_sent` hears of what is to be delivered."""
    hostname = settings.server.hostname or socket.getfqdn()
    reports = AuthorReports(
        database=database, rules=lambda: rulebook.current, submitter=submitter,
        hostname=hostname, base_url=settings.base_url,
        now_ms=now_ms,
    )  # fmt: skip
    digests = Digests(
        database=database, rules=lambda: rulebook.current, base_url=settings.base_url, hostname=hostname,
        now_ms=now_ms, chance=lambda: secrets.randbits(_CHANCE_BITS), on_sent=on_sent,
    )  # fmt: skip
    return {"author reports": reports, "digests": digests}
