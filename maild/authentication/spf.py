"""SPF: may this machine send for that domain?

Promises: `check_host` never raises, except when it is cancelled. It asks at most 10 terms' worth of questions, with at
most 10 names each for `mx` and `ptr`, and goes no further than two questions that find nothing. How long it may take is
the caller's to say.

Source: RFC 7208; RFC 8616 §4 (addresses beyond ASCII).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from maild.authentication.spf_evaluation import Evaluation, Session, SpfError, Verdict
from maild.authentication.spf_macros import EXPLANATION_OCTETS, MacroError, Template, expand_text, parse_macros
from maild.dns.answer import DnsError, Kind, Resolver
from maild.dns.names import plain_name
from maild.errors import AddressError
from maild.mail.address import parse_domain
from maild.mail.evidence import Spf

_EXPLAIN_S = 2.0
_HELO_CHARACTERS = 255
_LOCAL_CHARACTERS = 255
_RECORD_CHARACTERS = 2_000


async def check_host(
    resolver: Resolver, ip: str, mail_from: str | None, helo: str, *, now: datetime, receiver: str = "unknown"
) -> Spf:
    """Return what SPF says of a sender.

    Args:
        resolver: who is asked.
        ip: the peer's address. An IPv4 address in the guise of IPv6 is an IPv4 address.
        mail_from: the reverse-path as `local@domain`, the local part quoted or as meant; None or "" for the null path,
            for which `postmaster` of the name in HELO stands (RFC 7208 §2.4).
        helo: what the peer said in HELO or EHLO.
        now: for `%{t}`.
        receiver: our own name, for `%{r}`.
    """
    identity = "mailfrom" if mail_from else "helo"
    local, _, named = (mail_from or f"postmaster@{helo}").rpartition("@")
    domain = _domain(named)
    address = _address(ip)
    if address is None or domain is None:
        reason = f"'{ip}' is no address" if address is None else "the domain is none that could be asked"
        return Spf(domain=_shown(named), identity=identity, reason=reason)
    session = Session(
        resolver=resolver,
        ip=address,
        local=_unquoted(local)[:_LOCAL_CHARACTERS] or "postmaster",
        domain=domain,
        helo=helo[:_HELO_CHARACTERS],
        receiver=receiver,
        now=now,
    )
    evaluation = Evaluation(session)
    try:
        verdict = await evaluation.evaluate(domain)
    except SpfError as error:
        verdict = Verdict(error.result, error.reason)
    reason = verdict.reason
    if verdict.result == "fail" and verdict.explanation is not None:
        said = await _explanation(evaluation, verdict.domain, verdict.explanation)
        reason = f'{reason}; {domain} explains: "{said}"' if said else reason
    record = _shown(session.record.decode("ascii", "backslashreplace"), _RECORD_CHARACTERS)
    everybody = verdict.result == "pass" and evaluation.everybody
    return Spf(verdict.result, domain, identity, record, reason, everybody)


async def _explanation(evaluation: Evaluation, domain: str, template: Template) -> str:
    """Return what the domain wants said about a `fail`; "" when it cannot be had (RFC 7208 §6.2).

    It has some time of its own, so that a domain cannot make a `fail` vanish by never answering here.
    """
    asking = evaluation.apart()
    try:
        async with asyncio.timeout(_EXPLAIN_S):
            name = await asking.expand(template, domain)
            answer = await evaluation.session.resolver.ask(name, Kind.TXT)
            if len(answer.texts) != 1 or len(answer.texts[0]) > 4 * EXPLANATION_OCTETS:
                return ""
            text = parse_macros(answer.texts[0].decode("ascii"), explanation=True)
            said = expand_text(text, await asking.values(domain, text))
    except (TimeoutError, DnsError, SpfError, MacroError, UnicodeDecodeError):
        return ""
    return said if said.isascii() and said.isprintable() else ""


def _domain(text: str) -> str | None:
    """Return the domain of an address in the form in which it is asked for; None for what SPF is not about (§4.3)."""
    if not text.isascii():
        try:
            text = parse_domain(text)
        except AddressError:
            return None
    plain = plain_name(text)
    return plain if plain is not None and "." in plain and not plain.startswith("[") else None


@lru_cache(maxsize=1024)  # a peer brings many letters
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))  # without the name of an interface


def _unquoted(local: str) -> str:
    if len(local) < 2 or local[0] != '"' or local[-1] != '"':
        return local
    characters, escaped = [], False
    for character in local[1:-1]:
        escaped = not escaped and character == "\\"
        if not escaped:
            characters.append(character)
    return "".join(characters)


def _shown(text: str, characters: int = 255) -> str:
    plain = text[: characters + 1]
    if not plain.isprintable():
        plain = "".join([c if c.isprintable() else "\ufffd" for c in plain])
    return plain if len(plain) <= characters else plain[:characters] + "…"
