"""A record of SPF against a sender: the mechanisms, and the limits on what they may ask.

Source: RFC 7208 §4.6 (evaluation and limits), §5 (mechanisms), §6.1 (redirect).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple, assert_never

from maild.authentication.spf_macros import Template, expand_domain, letters_in, shortened
from maild.authentication.spf_record import Directive, Name, Record, SpfSyntaxError, is_spf, parse_record
from maild.dns.answer import Answer, DnsError, Kind, Resolver, Status

_TERMS = 10  # that ask (§4.6.4)
_VOID = 2
_NAMES = 10  # of one MX or PTR
NEUTRAL, PERMERROR, TEMPERROR, NONE = "neutral", "permerror", "temperror", "none"


class SpfError(Exception):
    """An evaluation that ends at once, with a result and a reason in English."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


_NARROW = {4: 8, 6: 16}  # prefixes of networks that one organisation may have


class Verdict(NamedTuple):
    """What a record came to; `explanation` of `domain` is where a `fail` is explained."""

    result: str
    reason: str
    domain: str = ""
    explanation: Template | None = None


@dataclass(slots=True, kw_only=True)
class Session:
    """What a mail came with, and the first record seen for it. `ip` is never IPv4 in the guise of IPv6."""

    resolver: Resolver
    ip: IPv4Address | IPv6Address
    local: str
    domain: str
    helo: str
    receiver: str
    now: datetime
    record: bytes = b""


class Evaluation:
    """The evaluation for one mail: what it has asked counts over all its records."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._terms = 0
        self._void = 0
        self._pointers: tuple[str, ...] | None = None
        self._proven: dict[str, bool] = {}
        self.everybody = False  # what passed last would have passed for (nearly) any machine

    def apart(self) -> Evaluation:
        """Return one that counts for itself: an explanation spoils no result (§6.2)."""
        other = Evaluation(self.session)
        other._pointers, other._proven = self._pointers, self._proven
        return other

    async def evaluate(self, domain: str) -> Verdict:
        """Return what the record of a domain comes to; `none` without a record.

        Raises:
            SpfError: `temperror` or `permerror`.
        """
        record = await self._record(domain) if "." in domain else None  # §4.3
        if record is None:
            return Verdict(NONE, f"{shortened(domain)} has no SPF record")
        for directive in record.directives:
            if (why := await self._matches(directive, domain)) is not None:
                self.everybody = self.everybody or _lets_everybody(directive)
                reason = f"'{shortened(directive.text)}' of {shortened(domain)}{why}"
                return Verdict(directive.result, reason, domain, record.explanation)
        if record.redirect is None:
            return Verdict(NEUTRAL, f"nothing in the record of {shortened(domain)} matches")
        self._count_term("redirect=")
        target = await self.expand(record.redirect, domain)
        verdict = await self.evaluate(target)
        if verdict.result == NONE:
            raise SpfError(PERMERROR, f"{shortened(domain)} redirects to {shortened(target)}, which has no SPF record")
        return verdict

    async def _record(self, domain: str) -> Record | None:
        try:
            answer = await self.session.resolver.ask(domain, Kind.TXT)
        except DnsError as error:
            raise SpfError(TEMPERROR, f"no answer for the record of {shortened(domain)}: {error.reason}") from error
        found = [text for text in answer.texts if is_spf(text)]
        if not found:
            return None
        if len(found) > 1:
            raise SpfError(PERMERROR, f"{shortened(domain)} has {len(found)} SPF records")
        self.session.record = self.session.record or found[0]
        try:
            return parse_record(found[0])
        except SpfSyntaxError as error:
            raise SpfError(PERMERROR, f"the record of {shortened(domain)}: {error}") from error

    async def _matches(self, directive: Directive, domain: str) -> str | None:
        """Return why a directive matches, for the end of a sentence; None when it does not."""
        match directive.name:
            case Name.ALL:
                return ""
            case Name.IP4 | Name.IP6:
                return "" if directive.network is not None and self.session.ip in directive.network else None
            case _:
                self._count_term(directive.name)
        target = domain if directive.domain is None else await self.expand(directive.domain, domain)
        if not target.isascii():
            return None  # RFC 8616 §4
        match directive.name:
            case Name.A:
                return await self._matches_address(target, directive)
            case Name.MX:
                return await self._matches_mx(target, directive)
            case Name.PTR:
                return await self._matches_pointer(target)
            case Name.EXISTS:
                return "" if (await self._ask(target, Kind.A)).status is Status.FOUND else None
            case Name.INCLUDE:
                return await self._matches_include(target)
            case _ as never:
                assert_never(never)

    async def _matches_include(self, target: str) -> str | None:
        verdict = await self.evaluate(target)
        if verdict.result == NONE:
            raise SpfError(PERMERROR, f"{shortened(target)} is included and has no SPF record")
        return f", by {verdict.reason}" if verdict.result == "pass" else None

    async def _matches_address(self, target: str, directive: Directive) -> str | None:
        length = directive.ip4_length if isinstance(self.session.ip, IPv4Address) else directive.ip6_length
        answer = await self._ask(target, self._address_kind)
        return "" if any(_in_network(self.session.ip, host, length) for host in answer.hosts) else None

    async def _matches_mx(self, target: str, directive: Directive) -> str | None:
        answer = await self._ask(target, Kind.MX)
        exchangers = sorted([(int(value[0]), str(value[1])) for value in answer.values if isinstance(value, tuple)])
        if len(exchangers) > _NAMES:
            raise SpfError(PERMERROR, f"{shortened(target)} has more than {_NAMES} mail exchangers")
        for _, host in exchangers:
            # An empty one says that the domain takes no mail (RFC 7505); there is nothing to ask for.
            if host and await self._matches_address(host, directive) is not None:
                return f", host {shortened(host)}"
        return None

    async def _matches_pointer(self, target: str) -> str | None:
        target = target.lower().removesuffix(".")
        for name in await self._names_of_peer():
            if (name == target or name.endswith(f".{target}")) and await self._is_proven(name):
                return f", host {shortened(name)}"
        return None

    async def _names_of_peer(self) -> tuple[str, ...]:
        """Return the first ten names of the peer; none when the DNS fails (§5.5)."""
        if self._pointers is None:
            try:
                answer = await self._ask(self.session.ip.reverse_pointer, Kind.PTR, failing=True)
            except DnsError:
                self._pointers = ()
            else:
                self._pointers = answer.hosts[:_NAMES]
        return self._pointers

    async def _is_proven(self, name: str) -> bool:
        """Whether a name of the peer leads back to it. One that fails is passed over."""
        if name not in self._proven:
            try:
                answer = await self._ask(name, self._address_kind, failing=True)
            except DnsError:
                self._proven[name] = False
            else:
                self._proven[name] = any(_in_network(self.session.ip, host, 128) for host in answer.hosts)
        return self._proven[name]

    @property
    def _address_kind(self) -> Kind:
        return Kind.A if isinstance(self.session.ip, IPv4Address) else Kind.AAAA

    async def _ask(self, name: str, kind: Kind, *, failing: bool = False) -> Answer:
        """Ask for what a mechanism needs, and count what finds nothing.

        Raises:
            DnsError: with `failing`; otherwise that is a `temperror`.
        """
        try:
            answer = await self.session.resolver.ask(name, kind)
        except DnsError as error:
            if failing:
                raise
            raise SpfError(TEMPERROR, f"no answer for {kind} of {shortened(name)}: {error.reason}") from error
        if answer.status is not Status.FOUND:
            self._void += 1
            if self._void > _VOID:
                last = f"{kind} of {shortened(name)}"
                raise SpfError(PERMERROR, f"more than {_VOID} questions find nothing, the last {last}")
        return answer

    def _count_term(self, name: str) -> None:
        self._terms += 1
        if self._terms > _TERMS:
            raise SpfError(PERMERROR, f"more than {_TERMS} terms that ask the DNS, the last '{name}'")

    async def expand(self, template: Template, domain: str) -> str:
        """Return the name that a domain-spec in the record of `domain` means."""
        return expand_domain(template, await self.values(domain, template))

    async def values(self, domain: str, template: Template) -> Mapping[str, str]:
        """Return what the macros of a text stand for (§7.2)."""
        letters = letters_in(template)
        if not letters:
            return {}
        session = self.session
        is_ip4 = isinstance(session.ip, IPv4Address)
        return {
            "s": f"{session.local}@{session.domain}",
            "l": session.local,
            "o": session.domain,
            "d": domain,
            "i": str(session.ip) if is_ip4 else ".".join(f"{int(session.ip):032X}"),
            "p": await self._name_of_peer(domain) if "p" in letters else "",
            "v": "in-addr" if is_ip4 else "ip6",
            "h": session.helo,
            "c": str(session.ip),
            "r": session.receiver,
            "t": str(int(session.now.timestamp())),
        }

    async def _name_of_peer(self, domain: str) -> str:
        """Return a proven name of the peer: the domain itself, or one below it, or any (§7.3)."""
        names = await self._names_of_peer()
        for name in sorted(names, key=lambda name: (name != domain, not name.endswith(f".{domain}"))):
            if await self._is_proven(name):
                return name
        return "unknown"


def _lets_everybody(directive: Directive) -> bool:
    """Tell whether a directive that passes would do so for a large part of the Internet."""
    if directive.result != "pass":
        return False
    match directive.name:
        case Name.ALL:
            return True
        case Name.IP4 | Name.IP6:
            return directive.network is not None and directive.network.prefixlen < _NARROW[directive.network.version]
        case Name.A | Name.MX:
            return directive.ip4_length < _NARROW[4] or directive.ip6_length < _NARROW[6]
        case _:
            return False


def _in_network(ip: IPv4Address | IPv6Address, host: str, length: int) -> bool:
    """Whether an address shares its first bits with a host: without an object for each of thousands of hosts."""
    is_ip4 = isinstance(ip, IPv4Address)
    if is_ip4 == (":" in host):
        return False
    shift = max(0, (32 if is_ip4 else 128) - length)
    return int(ip) >> shift == int(ip_address(host)) >> shift
