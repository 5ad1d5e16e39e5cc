"""What maild tells its own people by mail, built of its parts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine

from maild.archive.database import Database
from maild.config import Settings
from maild.intake.author_reports import AuthorReports
from maild.intake.submit import Submitter
from maild.rules.rulebook import Rulebook


def telling(
    settings: Settings, database: Database, rulebook: Rulebook, submitter: Submitter, now_ms: Callable[[], int]
) -> dict[str, Coroutine[object, object, None]]:
    """Return the tasks, by name."""
    reports = AuthorReports(
        database=database, rules=lambda: rulebook.current, submitter=submitter,
        hostname=settings.server.hostname or socket.getfqdn(), base_url=settings.base_url,
        now_ms=now_ms,
    )  # fmt: skip
    return {"author reports": reports.run()}
