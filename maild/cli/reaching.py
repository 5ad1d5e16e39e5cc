"""Whom this machine reaches, and who reaches it: the daemon's ports, and the DNS."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator

from maild.app.resolving import resolver_of
from maild.cli.explain import os_error
from maild.cli.finding import Finding, bad, doubt, good
from maild.cli.rules import read_rules
from maild.cli.state import running
from maild.config import Endpoint, Settings
from maild.dns.answer import DnsError, Kind
from maild.dns.exchange import Server
from maild.dns.resolver import DnsResolver
from maild.screening.probe import answers

_ANSWER_S = 5.0
_REFUSED = os_error(ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)))
_SMTP = (b"", b"220")
_TLS = (b"", b"")  # says nothing before the handshake: that somebody is there is enough
_HTTP = (b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n", b"HTTP/")
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a setting may say


def listeners(settings: Settings) -> Iterator[Finding]:
    """Yield whether the ports of a running daemon answer, or else whether they are free."""
    process = running(settings.server.data_dir)
    if process is not None:
        yield good("listeners", f"the daemon is running, process {process}")
    wanted = [
        *(("[smtp] listen", each, _SMTP) for each in settings.smtp.listen),
        *(("[submission] listen", each, _SMTP) for each in settings.submission.listen),
        *(("[submission] listen_tls", each, _TLS) for each in settings.submission.listen_tls),
        ("[web] listen", settings.web.listen, _HTTP),
    ]
    for setting, endpoint, greeting in wanted:
        if endpoint.port == 0:
            continue  # of the system's choice: only the daemon knows which
        if process is not None:
            problem = _silence(endpoint, *greeting)
            said = "answers"
        else:
            problem, said = _cannot_bind(endpoint), "is free"
        if problem == _REFUSED and process is not None:
            # Which roles that daemon has nobody but itself knows (`maild serve --only`).
            yield doubt("listeners", f"{setting} {endpoint}: nobody listens; is it the role of another host?")
        elif problem:
            yield bad("listeners", f"{setting} {endpoint}: {problem}")
        else:
            yield good("listeners", f"{setting} {endpoint} {said}")


def _silence(endpoint: Endpoint, word: bytes, expected: bytes) -> str | None:
    """Speak to a port; return what is wrong, or None."""
    host = _EVERYWHERE.get(endpoint.host, endpoint.host)
    try:
        with socket.create_connection((host, endpoint.port), timeout=_ANSWER_S) as connection:
            connection.sendall(word)
            found = connection.recv(len(expected), socket.MSG_WAITALL) if expected else b""
    except OSError as error:
        return os_error(error)
    return None if found == expected else "something else than maild answers there"


def _cannot_bind(endpoint: Endpoint) -> str | None:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((endpoint.host, endpoint.port))
        except OSError as error:
            return os_error(error)
    return None


def scanners(settings: Settings) -> Iterator[Finding]:
    """Yield whether those answer who are asked about spam and viruses; who is not set is not asked."""
    for probe in asyncio.run(answers(settings, resolver_of(settings, most_s=_ANSWER_S))):
        yield (good if probe.ok else bad)(probe.name, probe.text)


def resolvers(settings: Settings) -> Iterator[Finding]:
    """Yield for each DNS server that is set, or for the system's, whether it answers, and whether it validates."""
    rules = read_rules(settings).ruleset
    name = min(rules.domains, default="example.com") if rules is not None else "example.com"
    servers = [Server(host=each.host, port=each.port) for each in settings.dns.resolvers]
    asked: list[tuple[str, tuple[Server, ...]]] = [(f"{each.host}:{each.port}", (each,)) for each in servers]
    for label, some in asked or [("those of /etc/resolv.conf", ())]:
        resolver = DnsResolver(some, timeout_s=min(settings.dns.timeout_s, _ANSWER_S))
        try:
            answer = asyncio.run(resolver.ask(name, Kind.MX))
        except DnsError as error:
            yield doubt("dns", f"{label}: no answer about {name} ({error.reason}); senders cannot be checked")
        else:
            proven = ", proven by DNSSEC" if answer.secure else ""
            yield good("dns", f"{label}: answers{proven}")
