"""Ask the DNS for all that concerns a domain's mail, and have it judged.

Promises: at most some dozens of questions; a DNS that does not answer is a doubt, never an exception.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from maild.authentication import advice, advice_transport
from maild.authentication.advice import Advice, Asked, SpfCost
from maild.authentication.dmarc import Discovered, discover
from maild.authentication.spf_record import Name, Record, SpfSyntaxError, is_spf, parse_record
from maild.dns.answer import Answer, DnsError, Kind, Resolver

USUAL_SELECTORS = ("default", "dkim", "mail", "selector1", "selector2", "s1", "s2", "k1", "google", "maild")
_MOST_RECORDS = 30  # of SPF, with all that is included
_MOST_HOSTS = 10
_MOST_ADDRESSES = 8
_ASKING = frozenset({Name.INCLUDE, Name.A, Name.MX, Name.PTR, Name.EXISTS})
# Fetch a policy by its domain: its text, or None with the reason.
Fetch = Callable[[str], Awaitable[tuple[str | None, str]]]


class Subject(NamedTuple):
    """The domain, and what is known of this machine.

    `selectors`: empty, the usual ones are tried. `host`: its name, "" for none that others know. `key`: SHA-256 of the
    public key of its certificate. `sends_mail`: False for a domain that is to have null records.
    """

    domain: str
    selectors: tuple[str, ...] = ()
    host: str = ""
    key: bytes | None = None
    sends_mail: bool = True


async def survey(resolver: Resolver, subject: Subject, fetch: Fetch) -> list[Advice]:
    """Look at everything; a domain whose records say that it sends no mail is measured by that."""
    domain = subject.domain
    mx, spf = await _ask(resolver, domain, Kind.MX), await _ask(resolver, domain, Kind.TXT)
    found = await discover(resolver, domain)
    if not subject.sends_mail or (advice_transport.is_null(mx) and not _sends(spf)):
        return advice_transport.silent(domain, mx, spf, found)
    cost = await spf_cost(resolver, domain, spf)
    return [
        advice.spf(domain, spf, cost),
        *await _keys(resolver, subject),
        advice.dmarc(domain, found, await _closed(resolver, found)),
        *await _way(resolver, subject, mx, fetch),
    ]


def _sends(spf: Asked) -> bool:
    """Tell whether a record names servers that send."""
    if isinstance(spf, DnsError):
        return False
    return any(is_spf(each) for each in spf.texts) and not advice_transport.sends_nothing(spf)


async def _ask(resolver: Resolver, name: str, kind: Kind) -> Asked:
    try:
        return await resolver.ask(name, kind)
    except DnsError as error:
        return error


async def spf_cost(resolver: Resolver, domain: str, asked: Asked) -> SpfCost:
    """Count the questions of a record and of all that it includes, and name what breaks it."""
    lookups, seen = 0, {domain}
    broken, silent = list[str](), list[str]()
    waiting: list[tuple[str, Asked]] = [(domain, asked)]
    while waiting and len(seen) < _MOST_RECORDS:
        name, answer = waiting.pop(0)
        if isinstance(answer, DnsError):
            silent.append(name)
            continue
        record = _record(answer)
        if isinstance(record, str):
            if name != domain:  # the domain's own record is judged by itself
                broken.append(f"include:{name} {record}")
            continue
        lookups += sum(each.name in _ASKING for each in record.directives) + (record.redirect is not None)
        for target in _targets(record):
            if target in seen:
                if target == domain:
                    broken.append(f"{name} includes {target}, in a circle")
                continue
            seen.add(target)
            waiting.append((target, await _ask(resolver, target, Kind.TXT)))
    return SpfCost(lookups, tuple(broken), tuple(silent))


def _record(asked: Answer) -> Record | str:
    found = [each for each in asked.texts if is_spf(each)]
    if len(found) != 1:
        return "has several records" if found else "has no record"
    try:
        return parse_record(found[0])
    except SpfSyntaxError as error:
        return str(error)


def _targets(record: Record) -> Iterable[str]:
    """Yield the domains whose records count as well; a name that depends on the sender is not known here."""
    ends = any(each.name is Name.ALL for each in record.directives)
    templates = [each.domain for each in record.directives if each.name is Name.INCLUDE]
    templates += [] if ends else [record.redirect]
    for template in templates:
        if template is not None and all(isinstance(piece, str) for piece in template):
            yield "".join(str(piece) for piece in template).lower().rstrip(".")


async def _keys(resolver: Resolver, subject: Subject) -> list[Advice]:
    tried = subject.selectors or USUAL_SELECTORS
    answers = {each: await _ask(resolver, f"{each}._domainkey.{subject.domain}", Kind.TXT) for each in tried}
    if subject.selectors:
        return [advice.dkim(subject.domain, each, answer) for each, answer in answers.items()]
    there = {each: answer for each, answer in answers.items() if isinstance(answer, Answer) and answer.texts}
    return [advice.dkim(subject.domain, each, answer) for each, answer in there.items()] or [advice.no_selector(tried)]


async def _closed(resolver: Resolver, found: Discovered) -> list[str]:
    """Return the domains elsewhere that are to get reports and have not agreed (RFC 9990 §4)."""
    if found.applied is None:
        return []
    name, record = found.applied
    organisation = found.organisation or name
    closed = []
    for uri in record.rua[:_MOST_HOSTS]:
        domain = uri.partition("@")[2].lower() if uri.lower().startswith("mailto:") else ""
        if not domain or domain == organisation or domain.endswith(f".{organisation}") or domain in closed:
            continue
        answer = await _ask(resolver, f"{name}._report._dmarc.{domain}", Kind.TXT)
        if isinstance(answer, Answer) and not any(each.startswith(b"v=DMARC1") for each in answer.texts):
            closed.append(domain)
    return closed


async def _way(resolver: Resolver, subject: Subject, mx: Asked, fetch: Fetch) -> list[Advice]:
    domain = subject.domain
    if advice_transport.is_null(mx):
        return [advice_transport.mx(domain, mx, {}, (), subject.host)]
    hosts = advice_transport.hosts_of(mx)[:_MOST_HOSTS]
    addresses = {host: await _addresses(resolver, host) for host in hosts}
    aliases = [host for host in hosts if await _is_alias(resolver, host)]
    sts = await _ask(resolver, f"_mta-sts.{domain}", Kind.TXT)
    policy, fault = await fetch(domain) if isinstance(sts, Answer) and sts.texts else (None, "")
    found = [
        advice_transport.mx(domain, mx, addresses, aliases, subject.host),
        advice_transport.mta_sts(domain, sts, policy, fault, hosts),
        advice_transport.tlsrpt(domain, await _ask(resolver, f"_smtp._tls.{domain}", Kind.TXT)),
    ]
    for host in hosts:
        there = addresses[host]
        secure = isinstance(mx, Answer) and mx.secure and isinstance(there, Answer) and there.secure
        tlsa = await _ask(resolver, f"_25._tcp.{host}", Kind.TLSA)
        ours = subject.key if host == subject.host else None
        found.append(advice_transport.dane(host, tlsa, secure=secure, ours=ours))
    for host in [subject.host] if subject.host else hosts:
        found += await _names(resolver, host, addresses.get(host) or await _addresses(resolver, host))
    return found


async def _addresses(resolver: Resolver, host: str) -> Asked:
    """Return the addresses of both kinds in one answer; a failure only when there is nothing else."""
    four, six = await _ask(resolver, host, Kind.A), await _ask(resolver, host, Kind.AAAA)
    if isinstance(four, DnsError) or isinstance(six, DnsError):
        found = [each for each in (four, six) if isinstance(each, Answer) and each.hosts]
        return found[0]._replace(secure=False) if found else four if isinstance(four, DnsError) else six
    best = four if four.values else six
    return Answer(best.status, (*four.values, *six.values), four.secure and six.secure)


async def _is_alias(resolver: Resolver, host: str) -> bool:
    answer = await _ask(resolver, host, Kind.CNAME)
    return isinstance(answer, Answer) and bool(answer.hosts)


async def _names(resolver: Resolver, host: str, addresses: Asked) -> list[Advice]:
    if isinstance(addresses, DnsError):
        return [advice.unknown("PTR", addresses)]
    found = []
    for address in addresses.hosts[:_MOST_ADDRESSES]:
        pointers = await _ask(resolver, ipaddress.ip_address(address).reverse_pointer, Kind.PTR)
        listed = pointers.hosts[:_MOST_ADDRESSES] if isinstance(pointers, Answer) else ()
        back = {name: await _addresses(resolver, name) for name in listed}
        found.append(advice_transport.names(host, address, pointers, back))
    return found
