"""The door for what leaves, and the desk of mail programs before it, built of their parts."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable

from maild.archive.database import Database
from maild.archive.index_writer import IndexWriter
from maild.config import Settings
from maild.confinement import Pool
from maild.intake.mail_programs import MailPrograms
from maild.intake.subject_references import SubjectReferences
from maild.intake.submit import Submitter
from maild.router.outgoing import OutgoingReader
from maild.rules.rulebook import Rulebook

_CHANCE_BITS = 21
_DAY_MS = 24 * 3600 * 1000


def make_submitter(
    settings: Settings,
    *,
    database: Database,
    rulebook: Rulebook,
    pool: Pool,
    index: IndexWriter,
    on_sent: Callable[[frozenset[str]], None],
    now_ms: Callable[[], int],
) -> Submitter:
    """Return the door; `on_sent` hears of the teams in whose name something leaves."""
    return Submitter(
        writer=database.writer,
        read=OutgoingReader(pool=pool, rules=lambda: rulebook.current, chance=secrets.randbits),
        index=index.add,
        on_sent=on_sent,
        is_ours=lambda address: rulebook.current.serves(address.domain),
        hostname=settings.server.hostname or socket.getfqdn(),
        now_ms=now_ms,
        chance=lambda: secrets.randbits(_CHANCE_BITS),
        lifetime_ms=settings.outbound.expire_days * _DAY_MS,
        references=SubjectReferences(database=database, rules=lambda: rulebook.current),
    )


def make_mail_programs(
    settings: Settings, *, database: Database, rulebook: Rulebook, submitter: Submitter, now_ms: Callable[[], int]
) -> MailPrograms:
    """Return the desk at which mail programs sign in and hand in letters."""
    return MailPrograms(
        database=database,
        rulebook=rulebook,
        submitter=submitter,
        now_ms=now_ms,
        clock=time.monotonic,
        recipients_per_hour=settings.submission.recipients_per_hour,
        strip_client_headers=settings.submission.strip_client_headers,
    )
