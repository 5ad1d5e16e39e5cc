"""Who is asked about spam and viruses, built from Settings. What is not set is not built, and costs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from maild.archive.database import Database
from maild.config import Settings
from maild.dns.answer import Resolver
from maild.intake.greylist import Greylist
from maild.mail.networks import is_in
from maild.router.teaching import Teacher
from maild.screening.asked import Asked
from maild.screening.blocklists import Blocklists
from maild.screening.clamav import Clamav
from maild.screening.rspamd import Rspamd
from maild.screening.screen import Screen


def make_screen(
    settings: Settings, database: Database, resolver: Resolver | None, now_ms: Callable[[], int]
) -> Screen | None:
    """Return who is asked before mail is accepted; None when nobody is."""
    asked: list[Asked] = []
    is_relay = partial(is_in, networks=settings.smtp.trusted_relays)
    if settings.clamav.address:
        asked.append(Clamav(settings.clamav))
    if settings.rspamd.address:
        asked.append(Rspamd(settings.rspamd))
    if settings.blocklists.lists:
        asked.append(Blocklists(settings.blocklists, resolver, time.monotonic, is_relay))
    greylisting = settings.greylisting
    patience = None
    if greylisting.enabled:
        patience = Greylist(database, delay_s=greylisting.delay_s, window_s=greylisting.window_s, now_ms=now_ms)
    if not asked and patience is None:
        return None
    return Screen(asked, patience=patience, is_relay=is_relay)


def make_teacher(settings: Settings, database: Database, now_ms: Callable[[], int]) -> Teacher | None:
    """Return who teaches rspamd what staff call spam; None when it has no controller."""
    return Teacher(database, Rspamd(settings.rspamd), now_ms) if settings.rspamd.controller else None
