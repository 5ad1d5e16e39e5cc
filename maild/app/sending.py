"""What takes mail out of the house: the worker of deliveries with its couriers, built from Settings."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from ipaddress import ip_address

from maild.app.protection import make_promises
from maild.app.serving import Serving
from maild.archive.database import Database
from maild.authentication.own_keys import OwnKeys
from maild.config import Settings
from maild.config.outbound import Outbound
from maild.delivery.copy_loads import CopyHeads
from maild.delivery.deliveries import COPY, IMAP, LMTP, MAILDIR, SMTP, Delivery
from maild.delivery.hosts import Hosts
from maild.delivery.imap_courier import ImapCourier
from maild.delivery.lmtp_courier import LmtpCourier
from maild.delivery.loads import ReturnPath, as_recorded
from maild.delivery.maildir_courier import MaildirCourier
from maild.delivery.promises import Promises
from maild.delivery.protection import Protection
from maild.delivery.sending_on import SendingOn
from maild.delivery.signatures import Signer
from maild.delivery.smtp_courier import Smarthost, SmtpCourier
from maild.delivery.tls import Contexts
from maild.delivery.worker import Limits, Worker
from maild.dns.answer import Resolver
from maild.mail.envelope_token import return_address

_DAY_MS = 24 * 3600 * 1000
_chance = random.Random().random  # spreads attempts over time: nothing secret


def make_worker(
    settings: Settings,
    *,
    database: Database,
    resolver: Resolver,
    now_ms: Callable[[], int],
    key: bytes,
    rulebook: Serving,
) -> tuple[Worker, Promises]:
    """Return the worker, whose `run` sends until its `stop`, and what it knows of the TLS of other domains.

    `key` is of the envelope tokens, which only addresses at domains of the rules have: reports must come here.
    """
    outbound = settings.outbound
    hostname = settings.server.hostname or socket.getfqdn()
    helo = outbound.helo or hostname
    hosts = make_hosts(settings, resolver)
    smarthost = _smarthost(outbound)
    keys = OwnKeys(settings.server.data_dir)

    def now_s() -> int:
        return now_ms() // 1000

    sign = Signer(keys, now_s=now_s)
    promises = make_promises(settings, database=database, resolver=resolver, now_ms=now_ms)
    contexts = Contexts()
    by_smtp = SmtpCourier(
        hosts, helo=helo, contexts=contexts, policy=Protection(resolver, promises), smarthost=smarthost
    )
    worker = Worker(
        database=database,
        couriers={
            SMTP: by_smtp,
            COPY: by_smtp,
            LMTP: LmtpCourier(helo=helo),
            MAILDIR: MaildirCourier(hostname=hostname),
            IMAP: ImapCourier(hostname=hostname, passwords=settings.server.data_dir / "imap", contexts=contexts),
        },
        hostname=hostname,
        now_ms=now_ms,
        chance=_chance,
        limits=_limits(outbound, one_hop=smarthost is not None),
        single=frozenset() if smarthost is None else frozenset({SMTP, COPY}),
        return_path=with_token(key, rulebook) if outbound.envelope_tokens else as_recorded,
        head_of_copy=CopyHeads(lambda: rulebook.current, key),
        sign=sign,
        sends_on=SendingOn(
            keys, authserv_id=hostname, sign=sign, now_s=now_s, rewrite=outbound.forward_from == "rewrite"
        ),
    )
    return worker, promises


def make_hosts(settings: Settings, resolver: Resolver) -> Hosts:
    """Return who finds out where a domain's mail is taken."""
    hostname = settings.server.hostname or socket.getfqdn()
    return Hosts(
        resolver,
        chance=_chance,
        names=(hostname, settings.outbound.helo or hostname),
        addresses=_own_addresses(settings),
        allowed=settings.outbound.allow_private,
    )


def with_token(key: bytes, rulebook: Serving) -> ReturnPath:
    """Return who writes the reverse-path of a delivery so that a report about it is known again."""

    def return_path(delivery: Delivery) -> str | None:
        domain = (delivery.reverse_path or "").rpartition("@")[2]
        if delivery.kind != SMTP or not domain or not rulebook.current.serves(domain):
            return delivery.reverse_path
        return str(return_address(delivery.id, domain, key))

    return return_path


def _limits(outbound: Outbound, *, one_hop: bool) -> Limits:
    """Return how much goes out at once; with `one_hop` all of it goes to the same."""
    per_hop = outbound.max_connections if one_hop else outbound.per_destination
    return Limits(
        connections=outbound.max_connections,
        per_hop=min(per_hop, outbound.max_connections),
        lifetime_ms=outbound.expire_days * _DAY_MS,
    )


def _smarthost(outbound: Outbound) -> Smarthost | None:
    if not outbound.smarthost:
        return None
    host, _, port = outbound.smarthost.rpartition(":")
    return Smarthost(host=host.strip("[]"), port=int(port), login=outbound.login, password=outbound.password)


def _own_addresses(settings: Settings) -> list[str]:
    """Return the addresses that mail is received at, as far as the settings name them."""
    found = []
    for endpoint in settings.smtp.listen:
        try:
            address = ip_address(endpoint.host)
        except ValueError:
            continue
        if not address.is_unspecified:
            found.append(str(address))
    return found
