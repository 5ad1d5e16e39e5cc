"""Watches that every team which mail comes to has a reader, for the router, the metrics and the log.

The grants, and who is absent, are read anew every minute, and the answer is for the rules it is asked about, so that a
change of the rules counts at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from maild.archive.absences import away_now
from maild.archive.accounts import open_grants
from maild.archive.database import Database
from maild.archive.readers import Held, Orphan, lying_in, orphans, stood_in_for, unled_teams
from maild.mail.inbox import unled
from maild.rules.model import Ruleset
from maild.rules.rulebook import Rulebook

_REFRESH_S = 60.0
_log = structlog.get_logger()


class Readers:
    """Knows which teams nobody can read. `unread` may be asked from any thread."""

    def __init__(self, database: Database, rulebook: Rulebook, now_ms: Callable[[], int]) -> None:
        """Prepare; nothing is known before the first `refresh`."""
        self._database = database
        self._rulebook = rulebook
        self._now_ms = now_ms
        self._held: Held | None = None
        self._absent: frozenset[int] = frozenset()
        self._lying: frozenset[str] = frozenset()
        self._answer: tuple[Held, str, tuple[Orphan, ...]] | None = (
            None  # for these grants and this version of the rules
        )
        self._unled: tuple[Held, str, frozenset[str]] | None = None  # as `_answer`
        self._told: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())

    def refresh(self) -> None:
        """Read the grants; say in the log what has changed."""
        rules, now_ms = self._rulebook.current, self._now_ms()
        with self._database.read() as connection:
            self._absent = frozenset(away_now(connection, now_ms))
            held = open_grants(connection)
            self._lying = lying_in(connection, unled_teams(held, rules, now_ms, self._absent))
        self._held = held
        self.tell(rules)

    def unread(self, rules: Ruleset) -> frozenset[str]:
        """Return the inboxes that mail comes to by these rules and nobody can read: the fallback gets it as well."""
        return stood_in_for(self._orphans(rules))

    def unread_now(self, rules: Ruleset) -> frozenset[str]:
        """Return what `unread` does, and (as `maild.mail.inbox.unled`) the teams of whose leads nobody is there."""
        return self.unread(rules) | self._without_leads(rules)

    def _without_leads(self, rules: Ruleset) -> frozenset[str]:
        held, answer = self._held, self._unled
        if held is None:
            return frozenset(map(unled, rules.teams))
        if answer is not None and answer[0] is held and answer[1] == rules.version:
            return answer[2]
        found = frozenset(map(unled, unled_teams(held, rules, self._now_ms(), self._absent)))
        self._unled = (held, rules.version, found)
        return found

    def waiting(self, rules: Ruleset) -> frozenset[str]:
        """Return the inboxes whose mail nobody sees: it waits for who comes back, or is appointed."""
        return frozenset(orphan.inbox for orphan in self._orphans(rules) if orphan.waits)

    def alarm(self, rules: Ruleset) -> frozenset[str]:
        """Return all that nobody can read, also where its mail waits for who comes back."""
        return frozenset(orphan.inbox for orphan in self._orphans(rules))

    def _orphans(self, rules: Ruleset) -> tuple[Orphan, ...]:
        held, answer = self._held, self._answer
        if held is None:
            return ()
        if answer is not None and answer[0] is held and answer[1] == rules.version:
            return answer[2]
        found = orphans(held, rules, self._now_ms(), self._absent, self._lying)
        self._answer = (held, rules.version, found)
        return found

    def tell(self, rules: Ruleset) -> None:
        """Say in the log which teams have lost their last reader, and that all are read again."""
        found, waiting = self.alarm(rules), self.waiting(rules)
        if (found, waiting) == self._told:
            return
        self._told = found, waiting
        if found:
            _log.warning("teams.unread", teams=sorted(found), fallback=rules.fallback in found, waiting=sorted(waiting))
        else:
            _log.info("teams.read_again")

    async def watch(self) -> None:
        """Refresh every minute, for ever; a database that does not answer is asked again."""
        while True:
            await asyncio.sleep(_REFRESH_S)
            try:
                await asyncio.to_thread(self.refresh)
            except Exception as error:  # noqa: BLE001 - a worker's attempt: what was known goes on to be used
                _log.error("teams.refresh_failed", error=type(error).__name__)
