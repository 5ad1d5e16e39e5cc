"""What is asked of TLS towards the mail hosts of a domain, by what its owner has published: DANE, else MTA-STS.

Promises: what is published is never asked for less than it says. A TLSA record that DNSSEC vouches for, and that cannot
be had, keeps mail from its host; a policy that is known holds. Without either, TLS is used where it is offered.

The word of DNSSEC is the resolver's (`maild.dns.resolver`): without one that validates, there is no DANE.

Source: RFC 7672 §2.1, §2.2; RFC 8461 §2 (DANE goes first), §4, §5.
"""

from __future__ import annotations

import structlog

from maild.delivery.dane import Tlsa, usable
from maild.delivery.hosts import Target
from maild.delivery.promises import Promises
from maild.delivery.tls import OPPORTUNISTIC, Demand, Forbidden, Level
from maild.dns.answer import DnsError, Kind, Resolver
from maild.mail.sts import ENFORCE, TESTING

_MOST_LINKS = 4
_log = structlog.get_logger()


class Protection:
    """A `TlsPolicy`."""

    def __init__(self, resolver: Resolver, promises: Promises) -> None:
        self._resolver = resolver
        self._promises = promises

    async def __call__(self, domain: str, target: Target, /) -> Demand:
        """See `TlsPolicy`. Raises Forbidden."""
        found = await self._by_dane(domain, target) if target.secure else None
        if found is not None and found.level is Level.DANE:
            return found
        promised = await self._by_sts(domain, target)
        # Records that say nothing for mail still promise TLS (RFC 7672 §2.2).
        return found if found is not None and promised.level in (Level.OPPORTUNISTIC, Level.TESTING) else promised

    async def _by_dane(self, domain: str, target: Target) -> Demand | None:
        try:
            for name in await self._bases(target.host):
                answer = await self._resolver.ask(f"_{target.port}._tcp.{name}", Kind.TLSA)
                if answer.values and answer.secure:
                    return _demand(usable(answer.values), (name, target.host, domain))
        except DnsError as error:
            # Security: whoever can silence the DNS could else turn DANE off (RFC 7672 §2.1.2).
            raise Forbidden(f"4.7.5 whether it has TLSA records cannot be found out ({error.reason})") from error
        return None

    async def _bases(self, host: str) -> list[str]:
        """Return the names that may have the records: what the host is an alias of, then the host (RFC 7672 §2.2.2)."""
        found = [host]
        while len(found) <= _MOST_LINKS:
            answer = await self._resolver.ask(found[-1], Kind.CNAME)
            if not answer.secure or not answer.hosts or answer.hosts[0] in found:
                break
            found.append(answer.hosts[0])
        return [found[-1], host] if len(found) > 1 else found

    async def _by_sts(self, domain: str, target: Target) -> Demand:
        policy = None if domain.startswith("[") else await self._promises.of(domain)
        if policy is None or policy.mode not in (ENFORCE, TESTING):
            return OPPORTUNISTIC
        if policy.names(target.host):
            return Demand(level=Level.STS if policy.mode == ENFORCE else Level.TESTING)
        if policy.mode == ENFORCE:
            raise Forbidden("4.7.5 the domain's policy (MTA-STS) does not name this host")
        _log.warning("sts.would_defer", domain=domain, host=target.host, reason="the policy does not name it")
        return OPPORTUNISTIC


def _demand(records: tuple[Tlsa, ...], names: tuple[str, ...]) -> Demand:
    if not records:
        return Demand(level=Level.ENCRYPT)
    return Demand(level=Level.DANE, records=records, names=tuple(dict.fromkeys(names)))
