"""What domains promise of their TLS (MTA-STS): found out when mail goes there, kept for as long as it holds.

Promises: what a domain has promised holds until its time is over, whatever an attacker makes DNS and web say or not say
meanwhile. It survives a restart, and is fetched again long before its end while mail goes there. Nobody who fails to
answer is asked again at once.

Source: RFC 8461 §3.3 (failures), §5.1 (what is applied), §10.2 (renewal before the end).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from maild.archive.database import Database, storage_errors
from maild.archive.sts_policies import Promise, forget_expired, keep, promise_of, promises_to_renew
from maild.dns.answer import DnsError, Kind, Resolver
from maild.errors import MaildError
from maild.mail.sts import Policy, id_of, parse_policy, records_of

# Fetch a policy by its domain: its text, or None with the reason.
Fetch = Callable[[str], Awaitable[tuple[str | None, str]]]
_KNOWN_S = 300.0  # RFC 8461 §3.3: at least as long before a failure is tried anew
_REMEMBERED = 5_000
_HOUR_S = 3_600.0
_USED_MS = 92 * 24 * 3600 * 1000
_log = structlog.get_logger()


class _Known(NamedTuple):
    until_s: float
    promise: Promise | None


class Promises:
    """One for a process. `clock` never goes back."""

    def __init__(
        self,
        database: Database,
        resolver: Resolver,
        fetch: Fetch,
        *,
        now_ms: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._resolver = resolver
        self._fetch = fetch
        self._now_ms = now_ms
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._asking: dict[str, asyncio.Lock] = {}

    async def of(self, domain: str) -> Policy | None:
        """Return the policy that holds for mail to a domain now."""
        lock = self._asking.setdefault(domain, asyncio.Lock())
        try:
            async with lock:  # of many letters to one domain, one asks
                return await self._of(domain)
        finally:
            if not lock.locked():
                self._asking.pop(domain, None)

    async def _of(self, domain: str) -> Policy | None:
        known = self._known.get(domain)
        if known is not None and self._clock() < known.until_s:
            holding = known.promise
            if holding is None or self._now_ms() < holding.expires_ms:
                return holding and holding.policy
        promise = await self._looked_up(domain)
        self._known.pop(domain, None)
        self._known[domain] = _Known(self._clock() + _KNOWN_S, promise)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return promise and promise.policy

    async def _looked_up(self, domain: str) -> Promise | None:
        holding = await asyncio.to_thread(self._kept, domain)
        record = await self._record(domain)
        if record is None:
            return holding
        now_ms = self._now_ms()
        if holding is not None and holding.record == record and now_ms < holding.stale_ms:
            return holding
        return await self._fetched(domain, record, now_ms) or holding

    def _kept(self, domain: str) -> Promise | None:
        with self._database.read() as connection:
            return promise_of(connection, domain, self._now_ms())

    async def _record(self, domain: str) -> str | None:
        """Return the id that the DNS has for a domain's policy; None for none, or when nobody knows."""
        try:
            answer = await self._resolver.ask(f"_mta-sts.{domain}", Kind.TXT)
        except DnsError:
            return None
        records = records_of(answer.texts)
        return id_of(records[0]) if len(records) == 1 else None

    async def _fetched(self, domain: str, record: str, used_ms: int) -> Promise | None:
        text, reason = await self._fetch(domain)
        try:
            if text is None:
                raise ValueError(reason)
            policy = parse_policy(text)
        except ValueError as error:
            _log.warning("sts.unfetched", domain=domain, reason=str(error))
            return None
        promise = Promise(domain, record, policy, self._now_ms(), used_ms)
        try:
            await self._database.writer.run(keep, promise)
        except MaildError as error:
            _log.error("sts.unkept", domain=domain, error=type(error).__name__)
        return promise

    async def keep_fresh(self) -> None:
        """Renew what was used in the last months before it ends, every hour; never returns.

        Mail that goes somewhere once a month finds the policy that it had the last time, if need be.
        """
        while True:
            try:
                await self.renew()
            except Exception as error:  # noqa: BLE001 - a worker's attempt: it is made again
                _log.error("sts.renewal_failed", error=type(error).__name__)
            await asyncio.sleep(_HOUR_S)

    async def renew(self) -> None:
        """Fetch again what is due, and forget what is over."""
        await self._database.writer.run(forget_expired, self._now_ms())
        for promise in await asyncio.to_thread(self._due):
            # Without a record there is nothing new to be fetched: what was promised holds until its end.
            if (record := await self._record(promise.domain)) is not None:
                await self._fetched(promise.domain, record, promise.used_ms)
            self._known.pop(promise.domain, None)

    def _due(self) -> list[Promise]:
        with storage_errors(), self._database.read() as connection:
            return promises_to_renew(connection, self._now_ms(), self._now_ms() - _USED_MS)
