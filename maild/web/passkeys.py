"""Passkeys: asking a browser for one, and believing it.

A challenge is drawn here and goes to the browser sealed in a ticket: for one purpose, one visit or session, one person
where one is known, and five minutes. What was answered is kept until then, so that none is answered twice. A stranger
who asks for challenges makes maild keep nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import NamedTuple

import structlog
from anyio.to_thread import run_sync
from sqlalchemy import Connection

from maild.archive.accounts import fold_login
from maild.archive.audit import Record, note_acts
from maild.archive.passkeys import (
    Added,
    KnownPasskey,
    NewPasskey,
    PasskeyUse,
    Spending,
    Used,
    add_passkeys,
    credentials_of,
    handle_of_person,
    known_passkey,
    use_passkeys,
)
from maild.mail.acts import Act
from maild.policy.throttle import Throttle
from maild.web.devices import Devices
from maild.web.edge import client_ip
from maild.web.passkey_proof import (
    PasskeyError,
    Site,
    created,
    creation_options,
    request_options,
    shown,
    site_at,
    verified,
)
from maild.web.services import Services
from maild.web.tickets import Tickets
from maild.web.visit import Visit, cookie_name

FIELD, TICKET = "passkey", "passkey-ticket"  # of forms that show one
_CHALLENGE_BYTES = 32
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a form needs to ask for a passkey: options for the browser (JSON), and the ticket that comes back."""

    options: str
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """Who showed a passkey. Where `problem` says something, nobody did."""

    user_id: int = 0
    login: str = ""
    passkey_id: int = 0
    problem: str = ""  # late, wrong, copied, often
    retry_after_s: float = 0.0  # nobody looked


class _Whose(NamedTuple):
    """Whose passkey it must be; 0 and "" where that is not known before."""

    user_id: int = 0
    login: str = ""


_NOBODY = _Whose()


class Passkeys:
    """Where passkeys are asked for and believed."""

    def __init__(self, services: Services, throttle: Throttle, devices: Devices) -> None:
        """Hold for the site that the settings name, within `throttle`."""
        self._services = services
        self._throttle = throttle
        self._devices = devices
        self._alone = Tickets(services.key("passkeys"), "passkey alone")
        self._second = Tickets(services.key("passkeys"), "passkey after the password")
        self._again = Tickets(services.key("passkeys"), "passkey once more")
        self._new = Tickets(services.key("passkeys"), "new passkey")

    @property
    def site(self) -> Site | None:
        """Where passkeys hold; None where browsers have none."""
        return site_at(self._services.settings.origin, self._services.rulebook.current.organisation.name)

    def ask_alone(self, visit: Visit) -> Asked | None:
        """Ask for whichever passkey somebody has: it stands for login, password and second factor."""
        return self._ask(self._alone, visit, 0, [], alone=True)

    async def ask_second(self, visit: Visit, user_id: int) -> Asked | None:
        """Ask for a passkey of somebody whose password is known to be right."""
        allowed = await visit.read(credentials_of, user_id)
        return self._ask(self._second, visit, user_id, allowed, alone=False) if allowed else None

    async def ask_again(self, visit: Visit) -> Asked | None:
        """Ask for a passkey of who is signed in, as proof that it is still them."""
        allowed = await visit.read(credentials_of, visit.person.user_id)
        return self._ask(self._again, visit, visit.person.user_id, allowed, alone=True) if allowed else None

    def _ask(self, tickets: Tickets, visit: Visit, user_id: int, allowed: list[bytes], *, alone: bool) -> Asked | None:
        if (site := self.site) is None:
            return None
        challenge = secrets.token_bytes(_CHALLENGE_BYTES)
        options = request_options(site, challenge=challenge, allowed=allowed, alone=alone)
        ticket = tickets.issue(visit.token, visit.now_ms, challenge=b64encode(challenge).decode(), user=user_id)
        return Asked(options=json.dumps(options), ticket=ticket)

    async def alone(self, visit: Visit) -> Proved:
        """Believe a passkey that stands for both factors."""
        return await self._prove(self._alone, visit, _NOBODY, "", alone=True)

    async def second(self, visit: Visit, user_id: int, login: str) -> Proved:
        """Believe a passkey after the password."""
        return await self._prove(self._second, visit, _Whose(user_id, fold_login(login)), "", alone=False)

    async def again(self, visit: Visit, prefix: str) -> Proved:
        """Believe that it is still who is signed in."""
        whose = _Whose(visit.person.user_id, visit.person.login)
        return await self._prove(self._again, visit, whose, prefix, alone=True)

    async def _prove(self, tickets: Tickets, visit: Visit, whose: _Whose, prefix: str, *, alone: bool) -> Proved:
        said = tickets.read(visit.token, visit.form.get(prefix + TICKET, ""), visit.now_ms)
        if said is None or self.site is None:
            return Proved(problem="late")
        if said["user"] != whose.user_id:
            return await self._refuse(visit, whose.user_id, None)
        answer, challenge = visit.form.get(prefix + FIELD, ""), b64decode(said["challenge"])
        known = await self._claimed(visit, answer)
        if (wait_s := self._begin(visit, whose, known)) > 0:
            _log.info("login.refused", client=client_ip(visit.request))
            return Proved(problem="often", retry_after_s=wait_s)
        try:
            if known is None or whose.user_id not in {0, known.user_id}:
                raise PasskeyError("unknown")
            counter = await self._verified(self.site, answer, challenge, known, alone=alone)
        except PasskeyError:
            return await self._refuse(visit, whose.user_id, known)
        use = PasskeyUse(id=known.id, counter=counter, spending=_spending(tickets, challenge, visit.now_ms))
        match await visit.write(use_passkeys, use):
            case Used.YES:
                self._succeeded(visit, whose, known)
                return Proved(user_id=known.user_id, login=known.login, passkey_id=known.id)
            case Used.COPIED:
                _log.warning("login.passkey_copied", user=known.user_id, client=client_ip(visit.request))
                return Proved(problem="copied")
            case Used.SPENT:
                return Proved(problem="late")
            case _:
                return await self._refuse(visit, whose.user_id, None)

    async def _claimed(self, visit: Visit, answer: str) -> KnownPasskey | None:
        """Return the passkey that somebody says to have; nothing of it is proven."""
        try:
            return await visit.read(known_passkey, shown(answer).credential)
        except PasskeyError:
            return None

    def _begin(self, visit: Visit, whose: _Whose, known: KnownPasskey | None) -> float:
        """Count a try; returns how long nobody looks at one."""
        now_s, login = time.monotonic(), whose.login or (known.login if known is not None else "")
        device = self._device(visit, login)
        if whose.login:
            return self._throttle.begin_code(login, now_s, device=device).retry_after_s
        return self._throttle.begin_passkey(client_ip(visit.request), login, now_s, device=device).retry_after_s

    def _succeeded(self, visit: Visit, whose: _Whose, known: KnownPasskey) -> None:
        device = self._device(visit, known.login)
        if whose.login:
            self._throttle.code_succeeded(whose.login, device=device)
        else:
            ip = client_ip(visit.request)
            self._throttle.passkey_succeeded(ip, known.login, time.monotonic(), device=device)

    def _device(self, visit: Visit, login: str) -> str:
        cookie = visit.request.cookies.get(cookie_name(visit.services, "device"), "")
        return self._devices.known(cookie, login) if login else ""

    async def _verified(self, site: Site, answer: str, challenge: bytes, known: KnownPasskey, *, alone: bool) -> int:
        check = partial(
            verified, site, answer, challenge,
            credential=known.credential, public_key=known.public_key, handle=known.handle, alone=alone,
        )  # fmt: skip
        return await run_sync(check)

    async def _refuse(self, visit: Visit, user_id: int, known: KnownPasskey | None) -> Proved:
        """Say no, the same for every reason. It is in the audit log where somebody had shown more than that."""
        _log.info("login.failed", client=client_ip(visit.request))
        if known is not None and user_id == known.user_id:
            wrong = Record(
                at_ms=visit.now_ms, actor=known.login, act=Act.REFUSED, about=known.login, details={"what": "passkey"}
            )
            await visit.write(note_acts, wrong)
        return Proved(problem="wrong")

    # --- a new one ---

    async def ask_new(self, visit: Visit) -> Asked | None:
        """Ask for a passkey that is to be made for who is signed in."""
        if (site := self.site) is None:
            return None
        person = visit.person
        handle, known = await visit.read(_device_facts, person.user_id)
        challenge = secrets.token_bytes(_CHALLENGE_BYTES)
        options = creation_options(
            site, challenge=challenge, handle=handle, login=person.login, name=person.name, known=known
        )
        said = {"challenge": b64encode(challenge).decode(), "handle": b64encode(handle).decode()}
        ticket = self._new.issue(visit.token, visit.now_ms, user=person.user_id, **said)
        return Asked(options=json.dumps(options), ticket=ticket)

    async def made(self, visit: Visit, name: str, codes: tuple[bytes, ...]) -> Added | None:
        """Know a passkey that was made for who is signed in; None where what was shown is none."""
        said = self._new.read(visit.token, visit.form.get(TICKET, ""), visit.now_ms)
        if said is None or self.site is None or said["user"] != visit.person.user_id:
            return Added.SPENT
        challenge = b64decode(said["challenge"])
        try:
            found = await run_sync(created, self.site, visit.form.get(FIELD, ""), challenge)
        except PasskeyError:
            return None
        new = NewPasskey(
            user_id=visit.person.user_id,
            login=visit.person.login,
            credential=found.credential,
            handle=b64decode(said["handle"]),
            public_key=found.public_key,
            counter=found.counter,
            name=name,
            codes=codes,
            session=visit.session.digest if visit.session is not None else b"",
            spending=_spending(self._new, challenge, visit.now_ms),
        )
        added: Added = await visit.write(add_passkeys, new)
        return added


def _device_facts(connection: Connection, user_id: int) -> tuple[bytes, list[bytes]]:
    return handle_of_person(connection, user_id), credentials_of(connection, user_id)


def _spending(tickets: Tickets, challenge: bytes, now_ms: int) -> Spending:
    return Spending(digest=sha256(challenge).digest(), until_ms=now_ms + tickets.lasts_ms, at_ms=now_ms)
