"""The rehearsal of a draft on archived mail, for its review page: within limits, and one at a time.

Whoever may edit rules need not be allowed to read mail: a letter is linked for those who may read it, and is a date for
everybody else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from maild.archive.allowed import readable
from maild.errors import TemporaryError
from maild.policy.visible import Visible
from maild.router.comparing import Fate
from maild.router.rehearsal import Changes, Kind, Rehearsal, Report
from maild.rules.model import Ruleset
from maild.web.services import Services
from maild.web.times import DAY_MS
from maild.web.visit import Visit

DAYS = (30, 90)
MOST_MESSAGES = 20_000
LIMIT_S = 20.0
_KEPT_MS = 600_000  # a page that is shown again after a small mistake need not read all mail again
_MOST_KINDS = 50
_MOST_ADDRESSES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An example. Only whoever may read it gets to know which it is."""

    message_id: int | None
    received_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One sort of change, with how often it was seen."""

    old: Fate
    new: Fate
    rules: tuple[str, ...]
    count: int
    letters: tuple[Letter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What would fare differently. `total` is the mail of the time, of which the newest `messages` were compared."""

    days: int
    total: int
    messages: int
    changed: int
    by_envelope: int
    shifts: tuple[Shift, ...]
    more: int
    teams: tuple[tuple[str, int, int], ...]  # those whose number of letters changes: now, then
    unmatched: tuple[tuple[str, int, bool], ...]  # address, letters, whether they would be refused


@dataclass(frozen=True, slots=True)
class _Kept:
    key: tuple[str, str, int]
    at_ms: int
    total: int
    report: Report


class Stage:
    """Where rehearsals take place, one after another."""

    def __init__(self, services: Services) -> None:
        """Prepare; nothing runs."""
        self._services = services
        self._busy = False
        self._kept: _Kept | None = None

    async def rehearse(self, visit: Visit, new: Ruleset, days: int) -> Rehearsed | None:
        """Return what a new version would do otherwise; None while another rehearsal is under way.

        Raises:
            TemporaryError: the worker processes do not answer.
        """
        old = self._services.rulebook.current
        key = (old.version, new.version, days)
        kept = self._kept
        if kept is None or kept.key != key or visit.now_ms - kept.at_ms > _KEPT_MS:
            if self._busy:
                return None
            self._busy = True
            try:
                total, report = await run_in_threadpool(self._run, old, new, visit.now_ms, days)
            finally:
                self._busy = False
            kept = self._kept = _Kept(key, visit.now_ms, total, report)
        return await visit.read(_rehearsed, kept, visit.visible)

    def _run(self, old: Ruleset, new: Ruleset, now_ms: int, days: int) -> tuple[int, Report]:
        since_ms, until_ms = now_ms - days * DAY_MS, now_ms + 1
        rehearsal = Rehearsal(self._services.database, old, new, self._services.relays)
        total = rehearsal.count(since_ms, until_ms)
        return total, rehearsal.run(since_ms, until_ms, lambda _: None, enough=self._enough())

    def _enough(self) -> Callable[[int], bool]:
        deadline = time.monotonic() + LIMIT_S
        return lambda taken: taken >= MOST_MESSAGES or time.monotonic() > deadline or self._services.feed.closed


async def rehearse_or_say(
    stage: Stage, visit: Visit, new: Ruleset | None, days: int
) -> tuple[Rehearsed | None, str | None]:
    """Return what a rehearsal shows, or in a word why there is none: same | unfit | busy | failed."""
    if new is None:
        return None, "unfit"
    if new.version == visit.services.rulebook.current.version:
        return None, "same"
    try:
        found = await stage.rehearse(visit, new, days)
    except TemporaryError:
        return None, "failed"
    return found, None if found is not None else "busy"


def _rehearsed(connection: Connection, kept: _Kept, visible: Visible) -> Rehearsed:
    report = kept.report
    ranked = sorted(report.kinds.items(), key=lambda item: (-item[1].count, item[0].old.teams, item[0].new.teams))
    shown = ranked[:_MOST_KINDS]
    ids = [example.message_id for _, changes in shown for example in changes.examples]
    may_read = readable(connection, visible=visible, message_ids=ids)
    teams = sorted(report.before | report.after)
    return Rehearsed(
        days=kept.key[2],
        total=kept.total,
        messages=report.messages,
        changed=report.changed,
        by_envelope=report.by_envelope,
        shifts=tuple(_shift(kind, changes, may_read) for kind, changes in shown),
        more=len(ranked) - len(shown),
        teams=tuple((t, report.before[t], report.after[t]) for t in teams if report.before[t] != report.after[t]),
        unmatched=tuple((a, n, refused) for (a, refused), n in report.unmatched.most_common(_MOST_ADDRESSES)),
    )


def _shift(kind: Kind, changes: Changes, may_read: frozenset[int]) -> Shift:
    letters = (
        Letter(message_id=e.message_id if e.message_id in may_read else None, received_ms=e.received_ms)
        for e in reversed(changes.examples)
    )
    return Shift(old=kind.old, new=kind.new, rules=kind.rules, count=changes.count, letters=tuple(letters))
