"""The resolver of the daemon: asks the machine's own DNS servers, remembers, and never asks the same twice at once.

Promises: `ask` raises nothing but `DnsError`. It ends within `timeout_s`. Whoever is cancelled leaves no socket and no
task behind. A dead server costs its timeout once: afterwards only a short question for the root is tried every few
seconds, and whoever asks meanwhile is told at once. That question is our own, so a stranger whose domain never answers
cannot make a good server look dead.

maild is no validating resolver: `secure` is the word of a trusted server (AD), best of one on the same machine.

Source: RFC 2308, RFC 5452, RFC 6840 §5.7, RFC 9520 §2.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from maild.dns.answer import Answer, DnsError, Kind, Status
from maild.dns.cache import Cache, Failure, Key
from maild.dns.exchange import Server, exchange
from maild.dns.names import plain_name
from maild.dns.wire import CNAME_LINKS, Found, WireError, question, read_reply

_FAILURE_S = 10.0  # RFC 9520 §2.2: at least one second, at most five minutes
_DEAD_S = 5.0
_PROBE_S = 1.0
_ROUNDS = 2
_AT_ONCE = 200
_RESOLV_CONF = Path("/etc/resolv.conf")
_SYSTEM_SERVERS = 3  # as many as the C library reads


def system_servers(path: Path = _RESOLV_CONF) -> tuple[Server, ...]:
    """Return the servers that the system asks; this machine when none are named, as the C library does.

    Security: what comes over a network may have been changed on its way. So the word of such a server about DNSSEC is
    believed only where the file says so (`options trust-ad`), again as in the C library.
    """
    try:
        lines = [line.split() for line in path.read_text("utf-8", "replace").splitlines()]
    except OSError:
        lines = []
    trusting = any(words[:1] == ["options"] and "trust-ad" in words for words in lines)
    named = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver" and _is_address(words[1])]
    found = [Server(host=host, trusted=trusting or ip_address(host).is_loopback) for host in named[:_SYSTEM_SERVERS]]
    return tuple(found) or (Server(host="127.0.0.1"),)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(slots=True)
class _Flight:
    """A question on its way, and how many wait for it."""

    task: asyncio.Task[Answer | Failure]
    waiting: int = 0


class DnsResolver:
    """A `Resolver` for all of the daemon, with one cache. It belongs to one event loop.

    Args:
        servers: what to ask, in turn; none: the servers of /etc/resolv.conf, read again when they do not answer.
        timeout_s: for a whole question, all tries at all servers.
        cache: where answers are kept.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        servers: Sequence[Server] = (),
        *,
        timeout_s: float = 5.0,
        cache: Cache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._named = tuple(servers)
        self._servers = self._named or system_servers()
        self._timeout_s = timeout_s
        self._cache = Cache() if cache is None else cache
        self.clock = clock
        self._flights: dict[Key, _Flight] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._probing = asyncio.Lock()
        self._doubt = False
        self._dead_until_s = float("-inf")

    async def ask(self, name: str, kind: Kind) -> Answer:
        """Return what the DNS has; see `Resolver`."""
        answer = self.remembered(name, kind)
        if answer is not None:
            return answer
        plain = name.removesuffix(".").lower()  # what can be asked for: the others are answered already
        outcome = await self._join((plain, kind))
        if isinstance(outcome, Failure):
            raise DnsError(plain, kind, outcome.reason)
        return outcome

    def remembered(self, name: str, kind: Kind) -> Answer | None:
        """Return what is known without asking; None: nothing, or no longer. Raises DnsError for a failure."""
        plain = plain_name(name)
        if plain is None:
            return Answer(Status.NO_NAME)
        outcome = self._cache.get((plain, kind), self.clock())
        if isinstance(outcome, Failure):
            raise DnsError(plain, kind, outcome.reason)
        return outcome

    def holds_until_s(self, name: str, kind: Kind) -> float:
        """Return until when, by `clock`, what `remembered` says holds."""
        plain = plain_name(name)
        return float("inf") if plain is None else self._cache.until_s((plain, kind))

    async def _join(self, key: Key) -> Answer | Failure:
        """Ask, or wait for somebody's answer to the same question. The last one to leave takes it back."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(self._find(key)))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and self._flights.get(key) is flight:
                del self._flights[key]
                if not flight.task.done():
                    flight.task.cancel()
                    await asyncio.wait({flight.task})

    async def _find(self, key: Key) -> Answer | Failure:
        began_s = self.clock()
        try:
            async with asyncio.timeout(self._timeout_s):
                if not await self._servers_live():
                    return Failure("timeout")
                async with self._places:
                    found = await self._follow(*key)
        except TimeoutError:
            outcome: Answer | Failure = Failure("timeout")
            # Only silence is a reason for doubt: many questions at once may also wait for each other.
            self._doubt = self._doubt or not self._places.locked()
        except WireError as error:
            outcome = Failure(error.reason)
            self._doubt = self._doubt or error.reason in ("timeout", "network")
        else:
            self._cache.put(key, found.answer, began_s, found.ttl_s)
            return found.answer
        self._cache.put(key, outcome, self.clock(), _FAILURE_S)
        return outcome

    async def _follow(self, name: str, kind: Kind) -> Found:
        """Ask on where a server gives a CNAME and not what it leads to."""
        found = await self._in_turn(name, kind)
        links, ttl_s, secure = found.links, found.ttl_s, found.answer.secure
        passed = {name}
        while found.further:
            if found.further in passed or links > CNAME_LINKS:
                raise WireError("loop")
            passed.add(found.further)
            found = await self._in_turn(found.further, kind)
            links, ttl_s, secure = links + found.links, min(ttl_s, found.ttl_s), secure and found.answer.secure
        return Found(found.answer._replace(secure=secure), ttl_s)

    async def _in_turn(self, name: str, kind: Kind) -> Found:
        """Ask one server after the other, and all of them again; the one that answers is the first next time."""
        servers = self._servers
        said: dict[Server, str] = {}
        for server in servers * _ROUNDS:
            if server in said:
                continue
            try:
                async with asyncio.timeout(self._timeout_s / (len(servers) * _ROUNDS)):
                    found = await self._one(server, name, kind)
            except TimeoutError:
                continue
            except OSError:
                said[server] = "network"
            except WireError as error:
                said[server] = error.reason
            else:
                self._servers = (server, *[each for each in servers if each != server])
                return found
        unreachable = "network" if len(said) == len(servers) else "timeout"
        raise WireError(next((reason for reason in said.values() if reason != "network"), unreachable))

    async def _one(self, server: Server, name: str, kind: Kind) -> Found:
        try:
            found = read_reply(await exchange(server, question(name, kind, _number())), name, kind)
        except WireError as error:
            if not error.edns:
                raise
            found = read_reply(await exchange(server, question(name, kind, _number(), edns=False)), name, kind)
        return found if server.trusted else found._replace(answer=found.answer._replace(secure=False))

    async def _servers_live(self) -> bool:
        """Whether it is worth asking. While in doubt the root is asked for, once for all who wait."""
        if not self._doubt:
            return True
        async with self._probing:
            if not self._doubt:
                return True
            if self.clock() < self._dead_until_s:
                return False
            servers = self._named or system_servers()
            lives = dict(zip(servers, await asyncio.gather(*map(self._lives, servers)), strict=True))
            self._servers = tuple(sorted(servers, key=lambda server: not lives[server]))
            if any(lives.values()):
                self._doubt = False
                return True
            self._dead_until_s = self.clock() + _DEAD_S
            return False

    async def _lives(self, server: Server) -> bool:
        try:
            async with asyncio.timeout(min(_PROBE_S, self._timeout_s / 2)):
                await exchange(server, question("", Kind.NS, _number()))
        except (TimeoutError, OSError):
            return False
        except WireError:
            return True
        return True


def _number() -> int:
    return secrets.randbits(16)
