"""What other domains publish about the TLS of their mail hosts: who finds it out, and who fetches it."""

from __future__ import annotations

import time
from collections.abc import Callable

from maild.archive.database import Database
from maild.config import Settings
from maild.delivery.promises import Promises
from maild.delivery.sts_fetching import Fetching
from maild.delivery.tls import Contexts
from maild.dns.answer import Resolver


def fetching_of(settings: Settings, resolver: Resolver) -> Fetching:
    """Return who fetches policies of MTA-STS."""
    return Fetching(resolver, Contexts(), allowed=settings.outbound.allow_private)


def make_promises(settings: Settings, *, database: Database, resolver: Resolver, now_ms: Callable[[], int]) -> Promises:
    """Return who knows what domains have promised; its `keep_fresh` renews that."""
    fetch = fetching_of(settings, resolver)
    return Promises(database, resolver, fetch, now_ms=now_ms, clock=time.monotonic)
