"""SPF records, read.

A record is read whole before any of it is evaluated: a mistake anywhere makes it a `permerror` (RFC 7208 §4.6).

Source: RFC 7208 §4.5 (which record), §4.6.1, §5, §6, §12 (the grammar).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from maild.authentication.spf_macros import MacroError, Template, parse_domain, parse_macros, shortened

# No clause says how long a record may be; one of the real world has some hundred octets. To read one costs a moment.
RECORD_OCTETS = 16_000
_KEPT_OCTETS = 1_000
_VERSION = b"v=spf1"
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?![A-Za-z0-9])(.*)", re.IGNORECASE | re.DOTALL)
_DUAL_LENGTH = re.compile(r"(.*?)(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?", re.DOTALL)
_NETWORK = re.compile(r":([0-9A-Fa-f:.]+)(?:/(0|[1-9][0-9]{0,2}))?")
_RESULTS = {"": "pass", "+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


class SpfSyntaxError(Exception):
    """A record that breaks the grammar; its message says where, in English."""


class Name(StrEnum):
    """The mechanisms."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One mechanism with its qualifier.

    `domain` is None where it is the one that is evaluated; `ip4_length` and `ip6_length` are prefixes.
    """

    result: str  # what a match comes to
    name: Name
    text: str  # as written
    domain: Template | None = None
    ip4_length: int = 32
    ip6_length: int = 128
    network: IPv4Network | IPv6Network | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A whole record."""

    directives: tuple[Directive, ...]
    redirect: Template | None = None
    explanation: Template | None = None


def is_spf(text: bytes) -> bool:
    """Whether a TXT record is an SPF record, good or bad (§4.5)."""
    return text[:6].lower() == _VERSION and text[6:7] in (b"", b" ")


def parse_record(text: bytes) -> Record:
    """Read a record of which `is_spf` is true.

    Raises:
        SpfSyntaxError: it breaks the grammar.
    """
    # Security: read, a record takes fifty times its octets. Strangers' long ones are not kept for the next mail.
    return _parse_again(text) if len(text) <= _KEPT_OCTETS else _parse(text)


def _parse(text: bytes) -> Record:
    if len(text) > RECORD_OCTETS:
        raise SpfSyntaxError(f"the record has more than {RECORD_OCTETS:,} octets")
    if not text.isascii():
        raise SpfSyntaxError("the record has octets beyond ASCII")
    directives: list[Directive] = []
    modifiers: dict[str, Template] = {}
    for term in text[len(_VERSION) :].decode("ascii").split(" "):
        if not term:
            continue
        try:
            if (modifier := _MODIFIER.fullmatch(term)) is not None:
                _read_modifier(modifier[1].lower(), modifier[2], modifiers)
            else:
                directives.append(_directive(term))
        except MacroError as error:
            raise SpfSyntaxError(f"in '{shortened(term)}': {error}") from error
    return Record(directives=tuple(directives), redirect=modifiers.get("redirect"), explanation=modifiers.get("exp"))


_parse_again = lru_cache(maxsize=256)(_parse)


def _read_modifier(name: str, value: str, modifiers: dict[str, Template]) -> None:
    if name not in ("redirect", "exp"):
        parse_macros(value)  # unknown ones are passed over, but not their grammar
    elif name in modifiers:
        raise SpfSyntaxError(f"'{name}=' stands there twice")
    else:
        modifiers[name] = parse_domain(value)


def _directive(term: str) -> Directive:
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        raise SpfSyntaxError(f"'{shortened(term)}' is no mechanism")
    result, name, rest = _RESULTS[found[1]], Name(found[2].lower()), found[3]
    match name:
        case Name.ALL:
            if rest:
                raise SpfSyntaxError(f"nothing may follow 'all' in '{shortened(term)}'")
            return Directive(result=result, name=name, text=term)
        case Name.IP4 | Name.IP6:
            return Directive(result=result, name=name, text=term, network=_network(name, rest, term))
        case Name.A | Name.MX:
            return _with_lengths(result, name, rest, term)
    if name is Name.PTR and not rest:
        return Directive(result=result, name=name, text=term)
    return Directive(result=result, name=name, text=term, domain=_domain(rest, term))


def _with_lengths(result: str, name: Name, rest: str, term: str) -> Directive:
    found = _DUAL_LENGTH.fullmatch(rest)
    domain, ip4, ip6 = found.groups() if found is not None else (rest, None, None)
    if int(ip4 or 0) > 32 or int(ip6 or 0) > 128:
        raise SpfSyntaxError(f"'{shortened(term)}' has a prefix that is too long")
    return Directive(
        result=result,
        name=name,
        text=term,
        domain=_domain(domain, term) if domain else None,
        ip4_length=32 if ip4 is None else int(ip4),
        ip6_length=128 if ip6 is None else int(ip6),
    )


def _domain(rest: str, term: str) -> Template:
    if not rest.startswith(":"):
        raise SpfSyntaxError(f"'{shortened(term)}' wants ':' and a domain")
    return parse_domain(rest[1:])


def _network(name: Name, rest: str, term: str) -> IPv4Network | IPv6Network:
    found = _NETWORK.fullmatch(rest)
    try:
        if found is None:
            raise ValueError
        if name is Name.IP4:
            return IPv4Network((found[1], int(found[2] or 32)), strict=False)
        return IPv6Network((found[1], int(found[2] or 128)), strict=False)
    except ValueError as error:
        raise SpfSyntaxError(f"'{shortened(term)}' has no network") from error
