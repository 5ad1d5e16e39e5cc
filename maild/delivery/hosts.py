"""Where a domain's mail is taken: hosts by preference, their addresses, and what must not be connected to.

Source: RFC 5321 §5.1 (MX, implicit MX, ourselves among them), RFC 7505 (null MX), RFC 3463 (codes); threats O3.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from maild.delivery.networks import Network, may_connect
from maild.delivery.outcome import Outcome, Result, shown
from maild.dns.answer import DnsError, Kind, Resolver, Status

SMTP_PORT = 25
_MOST_HOSTS = 8  # a stranger's zone may name a thousand
_MOST_TARGETS = 12
Chance = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One address to connect to, as it was found out: it is not looked up again. `host` is whose it is.

    `secure`: DNSSEC has proven all that led here.
    """

    host: str
    address: str  # numeric, or the path of a socket
    port: int
    secure: bool = False

    def __str__(self) -> str:
        return shown(f"{self.host} [{self.address}]" if self.host != self.address else self.host)


class Unroutable(Exception):  # noqa: N818 - what was found out about a domain, not a fault of ours
    """There is nowhere to send this to: for now, or for good."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reply)
        self.outcome = outcome


def _failed(text: str) -> Unroutable:
    return Unroutable(Outcome(result=Result.FAILED, reply=text, stage="dns"))


def _deferred(text: str) -> Unroutable:
    return Unroutable(Outcome(result=Result.DEFERRED, reply=text, stage="dns", site=True))


def ordered(found: Iterable[tuple[int, str]], chance: Chance) -> list[tuple[int, str]]:
    """Return hosts by preference, those of the same preference in an order of chance; each host once."""
    best: dict[str, int] = {}
    for preference, host in found:
        best[host] = min(preference, best.get(host, preference))
    drawn = [(preference, chance(), host) for host, preference in best.items()]
    return [(preference, host) for preference, _, host in sorted(drawn)]


class Hosts:
    """Finds the targets of domains. `names` and `addresses` are our own; `allowed` networks may be private."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        chance: Chance,
        names: Iterable[str] = (),
        addresses: Iterable[str] = (),
        allowed: Iterable[Network] = (),
        port: int = SMTP_PORT,
    ) -> None:
        self._resolver = resolver
        self._chance = chance
        self._names = frozenset(name.lower().rstrip(".") for name in names if name)
        self._addresses = frozenset(ip_address(address) for address in addresses)
        self._allowed = tuple(allowed)
        self._port = port

    async def of(self, domain: str) -> list[Target]:
        """Return where a domain's mail is taken, the best first; at least one. Raises Unroutable."""
        if domain.startswith("["):
            return self._literal(domain)
        try:
            return await self._of(domain)
        except DnsError as error:
            raise _deferred(f"4.4.3 the DNS does not know for now ({error.reason})") from error

    def may_connect(self, target: Target) -> bool:
        """Tell whether a target may be connected to; asked again at the moment of connecting."""
        return may_connect(target.address, self._allowed)

    async def _of(self, domain: str) -> list[Target]:
        found, secure = await self._mail_hosts(domain)
        hosts = ordered(found, self._chance)
        if own := [preference for preference, host in hosts if host in self._names]:
            hosts = [(preference, host) for preference, host in hosts if preference < min(own)]
            if not hosts:
                raise _failed("5.4.6 the mail for this domain comes to this server, which does not take it")
        targets, doubt = await self._targets(hosts[:_MOST_HOSTS], secure=secure)
        if not targets:
            if doubt is not None:
                raise doubt
            raise _failed("5.4.4 the hosts that should take this domain's mail have no address")
        return self._permitted(targets)

    async def _mail_hosts(self, domain: str) -> tuple[list[tuple[int, str]], bool]:
        """Return hosts with their preference, and whether DNSSEC has proven that these are they."""
        answer = await self._resolver.ask(domain, Kind.MX)
        if answer.status is Status.NO_NAME:
            raise _failed("5.1.2 there is no such domain")
        found = [value for value in answer.values if isinstance(value, tuple)]
        if not found:
            return [(0, domain)], answer.secure  # the implicit MX
        named = [(preference, host) for preference, host in found if host.strip(".")]
        if not named:
            raise _failed("5.1.10 the domain takes no mail")
        return [(preference, host.lower().rstrip(".")) for preference, host in named], answer.secure

    async def _targets(self, hosts: Sequence[tuple[int, str]], *, secure: bool) -> tuple[list[Target], DnsError | None]:
        doubt: DnsError | None = None
        found: list[Target] = []
        for _, host in hosts:
            here: list[Target] = []
            for kind in (Kind.AAAA, Kind.A):
                try:
                    answer = await self._resolver.ask(host, kind)
                except DnsError as error:
                    doubt = error
                    continue
                proven = secure and answer.secure
                here += [Target(host=host, address=each, port=self._port, secure=proven) for each in answer.hosts]
            if any(ip_address(target.address) in self._addresses for target in here):
                # What stands behind ourselves would send it back to us (RFC 5321 §5.1).
                if not found:
                    raise _failed("5.4.6 the mail for this domain comes to this server, which does not take it")
                break
            found += sorted(here, key=lambda _target: self._chance())
        return found[:_MOST_TARGETS], doubt

    def _permitted(self, targets: list[Target]) -> list[Target]:
        permitted = [target for target in targets if self.may_connect(target)]
        if not permitted:
            raise _failed("5.4.4 the domain's mail host is not on the public Internet")
        return permitted

    def _literal(self, domain: str) -> list[Target]:
        address = domain.strip("[]").lower().removeprefix("ipv6:")
        try:
            number = ip_address(address)
        except ValueError as error:
            raise _failed("5.1.2 the address literal cannot be read") from error
        if number in self._addresses:
            raise _failed("5.4.6 the mail for this address comes to this server, which does not take it")
        return self._permitted([Target(host=domain, address=str(number), port=self._port)])


async def named_by_us(host: str, port: int) -> list[Target]:
    """Return the targets of a host that our own settings name: by the system's own lookup, wherever they are.

    Raises Unroutable.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise _deferred(f"4.4.3 {host} cannot be found") from error
    addresses = dict.fromkeys(str(info[4][0]) for info in found)
    return [Target(host=host, address=address, port=port) for address in addresses]
