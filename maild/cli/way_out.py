"""What `maild doctor --dns DOMAIN` says of our own mail to a domain: what the daemon will ask of TLS, host by host."""

from __future__ import annotations

from maild.app.protection import make_promises
from maild.app.sending import make_hosts
from maild.authentication.advice import BAD, DOUBT, GOOD, Advice
from maild.cli.store import writing
from maild.cli.times import now_ms
from maild.config import Settings
from maild.delivery.hosts import Target, Unroutable
from maild.delivery.protection import Protection
from maild.delivery.tls import Forbidden, Level
from maild.dns.answer import Resolver
from maild.errors import MaildError

_TAKES_NONE = ("5.1.10", "5.4.6")  # null MX; it comes to this machine
_SAID = {
    Level.DANE: "a certificate that the DNS names (DANE), or the mail waits",
    Level.STS: "a valid certificate (MTA-STS), or the mail waits",
    Level.ENCRYPT: "TLS with any certificate, or the mail waits: its TLSA records are of no use for mail",
    Level.TESTING: "TLS where it is offered; what MTA-STS would keep back is logged (mode: testing)",
    Level.OPPORTUNISTIC: "TLS where it is offered: nothing more is promised there",
}


async def way_out(settings: Settings, resolver: Resolver, domain: str) -> list[Advice]:
    """Say what mail of ours to a domain is held to. What is found out of it is kept, as the daemon would keep it."""
    what = f"TLS to {domain}"
    if settings.outbound.smarthost:
        return [Advice(GOOD, what, f"all mail that leaves goes to {settings.outbound.smarthost}")]
    try:
        targets = await make_hosts(settings, resolver).of(domain)
    except Unroutable as error:
        state = GOOD if str(error).startswith(_TAKES_NONE) else DOUBT
        return [Advice(state, what, f"no mail goes there from here: {error}")]
    first = {target.host: target for target in reversed(targets)}
    try:
        with writing(settings) as database:
            promises = make_promises(settings, database=database, resolver=resolver, now_ms=now_ms)
            protection = Protection(resolver, promises)
            return [await _held_to(protection, domain, target) for target in reversed(first.values())]
    except MaildError as error:
        return [Advice(DOUBT, what, f"what is known of it cannot be read: {error}")]


async def _held_to(protection: Protection, domain: str, target: Target) -> Advice:
    what = f"TLS to {target.host}"
    try:
        demand = await protection(domain, target)
    except Forbidden as error:
        return Advice(BAD, what, f"mail of ours waits: {error}")
    return Advice(GOOD, what, _SAID[demand.level])
