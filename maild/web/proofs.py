"""Proofs of who somebody is: passwords and codes, looked at within the throttle. One for a site.

What a wrong try costs is the same for every login, known or not; a login that is unknown has its hash computed, too.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial

import structlog
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from maild.archive.accounts import fold_login, stored_password
from maild.archive.audit import Record, note_acts
from maild.archive.passwords import Verifier, hash_password
from maild.archive.sealed import Seal
from maild.archive.second_factors import Factors, Paper, Step, factors_of, use_paper, use_step
from maild.intake.refused_programs import Refusals
from maild.mail.acts import Act
from maild.policy.throttle import Throttle
from maild.policy.totp import DIGITS, step_of
from maild.web.devices import Devices
from maild.web.edge import client_ip
from maild.web.passkeys import Passkeys
from maild.web.services import Services
from maild.web.visit import Visit, cookie_name

_TOGETHER_S = 10.0  # refused passwords are recorded
_WAITING = 40  # tries in hand at once; known browsers have as many of their own
BUSY_RETRY_S = 10.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a try came to: it was right, it was wrong, or (with `retry_after_s`) nobody looked."""

    user_id: int | None = None
    way: str = ""
    stored: str = ""  # the hash that matched
    retry_after_s: float = 0.0


class Proofs:
    """Where passwords and codes are checked. It remembers failures, and knows browsers."""

    def __init__(self, services: Services) -> None:
        """Begin with nothing against anyone."""
        self._services = services
        self._verifier = Verifier(services.settings.password_cost)
        self._throttle = Throttle()
        self._threads = CapacityLimiter(2)
        self._in_hand = {False: 0, True: 0}
        self._new_in_hand = 0
        self._refusals = Refusals(services.database, services.now_ms, what="password", together_s=_TOGETHER_S)
        self.devices = Devices(services.key("devices"))
        self.seal = Seal(services.key("second factors"))
        self.passkeys = Passkeys(services, self._throttle, self.devices)

    async def password(self, visit: Visit, login: str, password: str) -> Tried:
        """Check a password."""
        ip, device = client_ip(visit.request), self._device(visit, login)
        verdict = self._throttle.begin(ip, fold_login(login), time.monotonic(), device=device)
        if verdict.retry_after_s or self._in_hand[bool(device)] >= _WAITING:
            _log.info("login.refused", client=ip)
            return Tried(retry_after_s=verdict.retry_after_s or BUSY_RETRY_S)
        self._in_hand[bool(device)] += 1
        try:
            await asyncio.sleep(verdict.delay_s)
            user_id, stored = await visit.read(stored_password, login)
            matched = await run_sync(self._verifier.verify, stored, password, limiter=self._threads)
        finally:
            self._in_hand[bool(device)] -= 1
        if user_id is None or stored is None or not matched:
            _log.info("login.failed", client=ip)
            # Of logins that nobody has nothing is kept: what is typed there by mistake may be a password.
            self._refusals.add(fold_login(login) if user_id is not None else "", ip)
            return Tried()
        await self._refusals.write(fold_login(login))  # before what the log says of who came in
        self._throttle.succeeded(ip, fold_login(login), time.monotonic(), device=device)
        return Tried(user_id=user_id, way="password", stored=stored)

    async def record_refusals(self) -> None:
        """Write down what has not been written yet of refused passwords: the site closes."""
        await self._refusals.write()

    async def hashed(self, password: str) -> str:
        """Return the PHC string of a new password; "" where so many are in hand that nobody computes another.

        Security: in the same two threads as the tries. In those that all pages share, some who change their passwords
        would stand in the way of everybody who reads.
        """
        if self._new_in_hand >= _WAITING:
            return ""
        self._new_in_hand += 1
        try:
            cost = self._services.settings.password_cost
            return await run_sync(partial(hash_password, password, cost), limiter=self._threads)
        finally:
            self._new_in_hand -= 1

    async def code(self, visit: Visit, user_id: int, login: str, code: str) -> Tried:
        """Check a code of an app, or one on paper, of somebody who has shown more than that already."""
        folded, device = fold_login(login), self._device(visit, login)
        verdict = self._throttle.begin_code(folded, time.monotonic(), device=device)
        if verdict.retry_after_s:
            _log.info("login.refused", client=client_ip(visit.request))
            return Tried(retry_after_s=verdict.retry_after_s)
        way = await self._way_of(visit, user_id, folded, code)
        if not way:
            _log.info("login.failed", client=client_ip(visit.request))
            wrong = Record(at_ms=visit.now_ms, actor=folded, act=Act.REFUSED, about=folded, details={"what": "code"})
            await visit.write(note_acts, wrong)
            return Tried()
        self._throttle.code_succeeded(folded, device=device)
        return Tried(user_id=user_id, way=way)

    async def _way_of(self, visit: Visit, user_id: int, login: str, code: str) -> str:
        typed = "".join(code.split())
        if len(typed) == DIGITS and typed.isascii() and typed.isdigit():
            step = self.step_of(user_id, await visit.read(factors_of, user_id), typed, visit.now_ms)
            taken = step is not None and await visit.write(use_step, Step(user_id=user_id, step=step))
            return "totp" if taken else ""
        paper = Paper(user_id=user_id, login=login, code=code, at_ms=visit.now_ms)
        return "recovery" if await visit.write(use_paper, paper) else ""

    def step_of(self, user_id: int, factors: Factors, code: str, now_ms: int) -> int | None:
        """Return the step of a code that a person's app shows now; None for a wrong one."""
        if factors.secret is None:
            return None
        secret = self.seal.open(user_id, factors.secret)
        if secret is None:
            _log.error("login.unsealable", user=user_id)
            return None
        return step_of(secret, code, now_ms, factors.last_step)

    def _device(self, visit: Visit, login: str) -> str:
        return self.devices.known(visit.request.cookies.get(cookie_name(visit.services, "device"), ""), login)
