"""What takes mail out of the house: the worker of deliveries with its couriers, built from Settings."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from ipaddress import ip_address

from maild.archive.database import Database
from maild.config import Settings
from maild.config.outbound import Outbound
from maild.delivery.deliveries import LMTP, MAILDIR, SMTP
from maild.delivery.hosts import Hosts
from maild.delivery.lmtp_courier import LmtpCourier
from maild.delivery.maildir_courier import MaildirCourier
from maild.delivery.smtp_courier import Smarthost, SmtpCourier
from maild.delivery.tls import Contexts
from maild.delivery.worker import Limits, Worker
from maild.dns.answer import Resolver

_DAY_MS = 24 * 3600 * 1000
_chance = secrets.SystemRandom().random


def make_worker(settings: Settings, *, database: Database, resolver: Resolver, now_ms: Callable[[], int]) -> Worker:
    """Return the worker; its `run` sends until its `stop`."""
    outbound = settings.outbound
    hostname = settings.server.hostname or socket.getfqdn()
    helo = outbound.helo or hostname
    hosts = Hosts(
        resolver,
        chance=_chance,
        names=(hostname, helo),
        addresses=_own_addresses(settings),
        allowed=outbound.allow_private,
    )
    smarthost = _smarthost(outbound)
    return Worker(
        database=database,
        couriers={
            SMTP: SmtpCourier(hosts, helo=helo, contexts=Contexts(), smarthost=smarthost),
            LMTP: LmtpCourier(helo=helo),
            MAILDIR: MaildirCourier(hostname=hostname),
        },
        hostname=hostname,
        now_ms=now_ms,
        chance=_chance,
        limits=Limits(
            connections=outbound.max_connections,
            per_hop=min(
                outbound.per_destination if smarthost is None else outbound.max_connections, outbound.max_connections
            ),
            lifetime_ms=outbound.expire_days * _DAY_MS,
        ),
        single=frozenset() if smarthost is None else frozenset({SMTP}),
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
