"""By SMTP: to the mail hosts of a domain, or all of it to one smarthost.

A host that cannot be spoken to is passed over for the next one; when none is left, the next hop as a whole is deferred.
What a host has said to MAIL, RCPT, DATA or the content counts, and no other host is asked after it.

Source: RFC 5321 §3.1, §3.2, §5.1; RFC 4954, RFC 4616 (PLAIN).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from maild.delivery.connections import Connections
from maild.delivery.courier import Attempt, Load
from maild.delivery.dialogue import Dialogue, Lost, Timeouts, connect
from maild.delivery.hosts import Hosts, Target, Unroutable, named_by_us
from maild.delivery.outcome import Outcome, Result
from maild.delivery.tls import OPPORTUNISTIC, VERIFY, Contexts, Demand, Forbidden, Level, TlsPolicy, opportunistic
from maild.delivery.transaction import Session, Stale, Transaction, extensions_of
from maild.delivery.wire import LINE_OCTETS

_log = structlog.get_logger()
_IMPLICIT_TLS_PORT = 465
_NAMED_S = 10.0
TOO_LONG = "5.6.0 a line is longer than 998 octets: no mail server need take it, so it is not sent as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Smarthost:
    """Takes all our mail. With a login, only over verified TLS."""

    host: str
    port: int
    login: str = ""
    password: str = field(default="", repr=False)


class _Unusable(Exception):  # noqa: N818 - what was found out about a host
    """This host takes nothing from us at the moment."""

    def __init__(self, stage: str, text: str) -> None:
        super().__init__(text)
        self.stage = stage


class _TlsFailed(_Unusable):
    pass


class SmtpCourier:
    """Speaks SMTP to whoever takes a domain's mail."""

    def __init__(
        self,
        hosts: Hosts,
        *,
        helo: str,
        contexts: Contexts,
        policy: TlsPolicy = opportunistic,
        smarthost: Smarthost | None = None,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._connections = Connections(clock)
        self._named: tuple[float, list[Target]] = (-1.0, [])  # the smarthost's addresses, and how long they hold
        self._hosts = hosts
        self._helo = helo
        self._contexts = contexts
        self._policy = policy
        self._smarthost = smarthost
        self._timeouts = timeouts or Timeouts()

    async def deliver(self, load: Load, attempt: Attempt) -> dict[int, Outcome]:
        """See `Courier`."""
        if load.shape.longest > LINE_OCTETS:
            return load.all(Outcome(result=Result.HELD, reply=TOO_LONG, stage="content"))
        try:
            targets = await self._targets(load.next_hop)
        except Unroutable as error:
            return load.all(error.outcome)
        last = Outcome(result=Result.DEFERRED, reply="no host was tried", site=True)
        for target in targets:
            try:
                return await self._at(target, await self._demand(load.next_hop, target), load, attempt)
            except _Unusable as error:
                last = Outcome(result=Result.DEFERRED, reply=str(error), host=str(target), stage=error.stage, site=True)
        return load.all(last)

    async def _at(self, target: Target, demand: Demand, load: Load, attempt: Attempt) -> dict[int, Outcome]:
        """Send a load to a host, if it can be on a connection that is open already. Raises _Unusable."""
        place = (target, demand)
        self._permit(target)
        while True:
            session = self._connections.take(place) or await self._open(target, demand)
            try:
                outcomes = await Transaction(session, load, attempt).run()
            except Stale:
                continue  # the other side had closed it meanwhile: no failure of anybody's
            attempt.on(self._connections.use(place, session))
            return outcomes

    def close(self) -> None:
        """See `Courier`."""
        self._connections.close()

    def _permit(self, target: Target) -> None:
        # Security: asked at the moment of connecting, of the very address that is connected to.
        if self._smarthost is None and not self._hosts.may_connect(target):
            raise _Unusable("connect", "5.4.4 this address is not on the public Internet")

    async def _targets(self, domain: str) -> list[Target]:
        if self._smarthost is not None:
            until_s, found = self._named
            if until_s < self._clock():
                found = await named_by_us(self._smarthost.host, self._smarthost.port)
                self._named = self._clock() + _NAMED_S, found
            return found
        return await self._hosts.of(domain)

    async def _demand(self, domain: str, target: Target) -> Demand:
        if self._smarthost is not None:
            return VERIFY if self._smarthost.login else OPPORTUNISTIC
        try:
            return await self._policy(domain, target)
        except Forbidden as error:
            raise _Unusable("policy", str(error)) from error

    async def _open(self, target: Target, demand: Demand) -> Session:
        while True:
            try:
                return await self._session(target, demand)
            except _TlsFailed as error:
                # Encryption that nobody asked for must not cost the delivery (RFC 7435 §3).
                if (weaker := demand.weaker) is None:
                    raise
                if demand.level is Level.TESTING:
                    _log.warning("sts.would_defer", host=str(target), reason=str(error))
                demand = weaker

    async def _session(self, target: Target, demand: Demand) -> Session:
        dialogue = await self._connected(target, demand)
        try:
            return await self._greeted(dialogue, target, demand)
        except BaseException:
            dialogue.abort()
            raise

    async def _connected(self, target: Target, demand: Demand) -> Dialogue:
        self._permit(target)
        implicit = self._smarthost is not None and target.port == _IMPLICIT_TLS_PORT
        tls = self._contexts.of(demand.level) if implicit else None
        try:
            return await connect(target.address, target.port, self._timeouts.connect_s, tls, target.host)
        except Lost as lost:
            raise _Unusable("connect", str(lost)) from lost

    async def _greeted(self, dialogue: Dialogue, target: Target, demand: Demand) -> Session:
        stage = "banner"
        try:
            reply = await dialogue.reply(self._timeouts.banner_s)
            if reply.code != 220:
                raise _Unusable(stage, reply.text)
            stage = "ehlo"
            offered = await self._hello(dialogue)
            if demand.level is not Level.CLEAR and not dialogue.tls_version and "STARTTLS" in offered:
                stage = "starttls"
                await self._start_tls(dialogue, target, demand)
                stage = "ehlo"
                offered = await self._hello(dialogue)
            tls = f"{dialogue.tls_version} {demand.word}" if dialogue.tls_version else ""
            if not tls and not demand.is_optional:
                raise _TlsFailed("starttls", "it does not offer TLS, without which nothing goes there")
            if self._smarthost is not None and self._smarthost.login:
                stage = "auth"
                await self._sign_in(dialogue, self._smarthost, offered)
        except Lost as lost:
            raise _Unusable(stage, str(lost)) from lost
        return Session(
            dialogue=dialogue,
            extensions=offered,
            host=str(target),
            tls=tls,
            timeouts=self._timeouts,
            since_s=self._clock(),
        )

    async def _hello(self, dialogue: Dialogue) -> dict[str, str]:
        reply = await dialogue.say(f"EHLO {self._helo}", self._timeouts.hello_s)
        if reply.permanent:
            reply = await dialogue.say(f"HELO {self._helo}", self._timeouts.hello_s)
            if reply.positive:
                return {}
        if not reply.positive:
            raise _Unusable("ehlo", reply.text)
        return extensions_of(reply)

    async def _start_tls(self, dialogue: Dialogue, target: Target, demand: Demand) -> None:
        try:
            reply = await dialogue.say("STARTTLS", self._timeouts.hello_s)
            if reply.code == 421:
                raise _Unusable("starttls", reply.text)
            if not reply.positive:
                raise _TlsFailed("starttls", reply.text)
            name = target.address if target.host.startswith("[") else (demand.names or (target.host,))[0]
            await dialogue.start_tls(self._contexts.of(demand.level), name, self._timeouts.tls_s)
        except Lost as lost:
            raise _TlsFailed("starttls", str(lost)) from lost
        if not demand.is_met_by(dialogue.certificates):
            raise _TlsFailed("starttls", "4.7.5 its certificate is not the one that the DNS names (DANE)")

    async def _sign_in(self, dialogue: Dialogue, smarthost: Smarthost, offered: dict[str, str]) -> None:
        ways = offered.get("AUTH", "").upper().split()
        within_s = self._timeouts.login_s
        if "PLAIN" in ways:
            secret = _coded(f"\0{smarthost.login}\0{smarthost.password}")
            reply = await dialogue.say(f"AUTH PLAIN {secret}", within_s)
        elif "LOGIN" in ways:
            reply = await dialogue.say("AUTH LOGIN", within_s)
            for word in (smarthost.login, smarthost.password):
                if reply.code == 334:
                    reply = await dialogue.say(_coded(word), within_s)
        else:
            raise _Unusable("auth", "it does not let us sign in: neither AUTH PLAIN nor LOGIN is offered")
        if not reply.positive:
            raise _Unusable("auth", reply.text)


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
