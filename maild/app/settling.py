"""At the start: an approved change of the rules amid which an earlier life was ended gets its end."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from maild.archive.database import Database
from maild.archive.proposals import settle
from maild.errors import TemporaryError
from maild.rules import rules_file
from maild.rules.rulebook import Rulebook

_log = structlog.get_logger()


def settle_approval(database: Database, rulebook: Rulebook, now_ms: Callable[[], int]) -> None:
    """Settle it; the version that serves is recorded by then."""
    try:
        with rules_file.alone(rulebook.path):  # not while another process is amid one
            settled = database.writer.submit(settle, now_ms()).result()
    except (TemporaryError, OSError):
        return
    if settled is not None:
        number, outcome = settled
        _log.warning("rules.settled", proposal=number, outcome=str(outcome))
