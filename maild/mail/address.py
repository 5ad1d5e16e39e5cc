"""Addresses of RFC 5321: the value, its comparison key, and the strict path parser.

Parsing is one regular expression for what the world sends, and a slower, equally strict way for the rest. All
patterns are linear: their alternatives exclude each other, and the octets are counted first.

Source: RFC 5321 §4.1.2, §4.1.3, §4.5.3.1 and appendix C; RFC 6531 §3.3 (internationalised addresses).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from maild.errors import AddressError

LOCAL_OCTETS = 64
DOMAIN_OCTETS = 255
MAILBOX_OCTETS = 254  # RFC 5321 erratum 1690: a path is 256 octets with its brackets
IMPLICIT = ("postmaster", "abuse")  # RFC 5321 §4.5.1, RFC 2142 §2: exist in every domain
# Whoever reads these is taken for the domain's master: CA/Browser Forum, Baseline Requirements §3.2.2.4.4; RFC 2142 §4
# and §5; and what authorities that are less strict ask besides.
RESERVED = frozenset(
    {"admin", "administrator", "hostmaster", "postmaster", "webmaster", "abuse", "root", "sysadmin"}
    | {"ssl", "ssladmin", "ssladministrator", "sslmaster", "sslwebmaster", "mailer-daemon"}
)
_TEXT_LIMIT = 1_024  # characters; a source route may precede the mailbox

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
# Interop: bulk senders use underscores in the domain of the reverse-path, though no host name has them.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN_TEXT = rf"{_LABEL}(?:\.{_LABEL})*"
_UTF8 = "\u0080-\U0010ffff"

_MAILBOX = re.compile(rf"([{_ATEXT}]+(?:\.[{_ATEXT}]+)*)@({_DOMAIN_TEXT})")
_DOMAIN = re.compile(_DOMAIN_TEXT)
_DOT_ATOM = re.compile(rf"[{_UTF8}{_ATEXT}]+(?:\.[{_UTF8}{_ATEXT}]+)*")
_QUOTED = re.compile(rf'"((?:[ !#-\[\]-~{_UTF8}]|\\[ -~])*)"@')
_PAIR = re.compile(r"\\(.)")
_ROUTE = re.compile(r"@([^@,:\[\]]+|\[[^\[\]]*\])(?:,@([^@,:\[\]]+|\[[^\[\]]*\]))*:")
_PATH = re.compile(r'<(?:[^">\\]|"(?:[^"\\]|\\.)*")*>')
_GENERAL_LITERAL = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+")

# Control characters, separators and lone surrogates are no part of a name that a person could read back.
_FORBIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp", "Zs"})
_LABEL_KINDS = frozenset({"Ll", "Lm", "Lo", "Mn", "Mc", "Nd"})
# RFC 5892 §2.6, §2.7 and appendix A: allowed in names for the sake of the languages that need them.
_LABEL_EXTRA = frozenset("-_\u00b7\u0375\u05f3\u05f4\u200c\u200d\u30fb\u06fd\u06fe\u0f0b\u3007")
# Security: explicit directions would show another address than the one that is compared.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def fold(text: str) -> str:
    """Return the form in which names of people's making are compared: NFKC, caseless, and folded for good."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text.casefold())
    # Once is not enough: the compatibility form of ℡ is TEL, which has capitals again.
    while (caseless := folded.casefold()) != folded and (again := unicodedata.normalize("NFKC", caseless)) != folded:
        folded = again
    return folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A mailbox `local@domain`. `local` is unquoted, as meant; `domain` is lower-case (or `[literal]`).

    The one address without a domain is `postmaster` (RFC 5321 §4.1.1.3); its `domain` is "".
    """

    local: str
    domain: str

    @property
    def key(self) -> str:
        """The form in which addresses are compared and stored in indexes."""
        return f"{fold(self.local)}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Whether the address may be said to a peer that has not asked for SMTPUTF8."""
        return self.local.isascii()

    def __str__(self) -> str:
        """Compose the mailbox, quoting the local part where the grammar requires it."""
        local = self.local
        if not _DOT_ATOM.fullmatch(local):
            escaped = local.replace("\\", "\\\\").replace('"', '\\"')
            local = f'"{escaped}"'
        return f"{local}@{self.domain}" if self.domain else local


def is_implicit(address: Address) -> bool:
    """Tell whether an address exists in every domain: nobody refuses mail to it, for complaints must arrive."""
    return fold(address.local).partition("+")[0] in IMPLICIT


def is_reserved(address: Address) -> bool:
    """Tell whether others take the reader of an address for the master of its domain."""
    return fold(address.local).partition("+")[0] in RESERVED


def parse_path(text: str, *, local_octets: int = LOCAL_OCTETS) -> Address | None:
    """Read a reverse-path or forward-path in its angle brackets.

    Args:
        text: `<local@domain>`, `<@route,@route:local@domain>` (the route is checked and dropped: appendix C;
            it never influences where mail goes), `<postmaster>` or `<>`.
        local_octets: the longest local part accepted.

    Returns:
        None for the null path `<>`, and only for it.

    Raises:
        AddressError: when `text` is anything else.

    """
    if len(text) > _TEXT_LIMIT or text[:1] != "<" or text[-1:] != ">":
        raise AddressError("a path is written <local@domain>")
    inner = text[1:-1]
    match = _MAILBOX.fullmatch(inner)
    if match:
        return _address(match[1], match[2].lower(), local_octets)
    if not inner:
        return None
    if inner.lower() == "postmaster":
        return Address(local=inner, domain="")
    if inner[0] == "@":
        inner = inner[_route_length(inner) :]
    return _parse_mailbox(inner, local_octets)


def parse_address(text: str) -> Address:
    """Read `local@domain` as rules, settings and the command line write it.

    Raises:
        AddressError: when it is not one.

    """
    if len(text) > _TEXT_LIMIT:
        raise AddressError("the address is too long")
    match = _MAILBOX.fullmatch(text)
    if match:
        return _address(match[1], match[2].lower(), LOCAL_OCTETS)
    return _parse_mailbox(text, LOCAL_OCTETS)


def as_address(text: str | None) -> Address | None:
    """Return the address that a text is; None for what is none."""
    try:
        return parse_address(text or "")
    except AddressError:
        return None


def as_path(text: str | None) -> Address | None:
    """Return the path that a text is, without its angle brackets; None for the null path, and what is none."""
    try:
        return parse_path(f"<{text or ''}>")
    except AddressError:
        return None


def compared(text: str) -> str:
    """Return `parse_address(text).key`, quicker for the plain addresses of which long lists are made.

    Raises:
        AddressError: when it is no address.

    """
    if len(text) <= LOCAL_OCTETS and _MAILBOX.fullmatch(text):
        return text.lower()
    return parse_address(text).key


def split_path(text: str) -> tuple[str, str]:
    """Split the argument of MAIL or RCPT into the path with its brackets and what follows it.

    Raises:
        AddressError: when there is no path in brackets at its beginning.

    """
    end = text.find(">")
    if '"' in text[: end + 1]:
        match = _PATH.match(text)
        end = match.end() - 1 if match else -1
    if end < 0 or text[0] != "<":
        raise AddressError("a path is written <local@domain>")
    return text[: end + 1], text[end + 1 :]


def parse_domain(text: str) -> str:
    """Return a domain in the one form in which domains are compared: lower-case A-labels, no dot at the end.

    Raises:
        AddressError: when it is not a domain.

    """
    return _kept_domain(text) if len(text) <= DOMAIN_OCTETS else _read_domain(text)


def _read_domain(text: str) -> str:
    # Not the codec `idna`, which is IDNA 2003 and would turn gießen.de into giessen.de: another domain today.
    if not text.isascii():
        text = ".".join(map(_a_label, unicodedata.normalize("NFKC", text.lower()).split(".")))
    if len(text) > DOMAIN_OCTETS or not _DOMAIN.fullmatch(text):
        raise AddressError("this is not a domain")
    return text.lower()


_kept_domain = lru_cache(maxsize=1024)(_read_domain)  # the same few domains write again and again


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    if any(unicodedata.category(c) not in _LABEL_KINDS and c not in _LABEL_EXTRA for c in label):
        raise AddressError("a domain has letters, digits and hyphens")
    return "xn--" + unicodedata.normalize("NFC", label).encode("punycode").decode("ascii")


def _address(local: str, domain: str, local_octets: int) -> Address:
    size = len(local) if local.isascii() else len(local.encode())
    if size > local_octets:
        raise AddressError("the local part is too long")
    if size + 1 + len(domain) > MAILBOX_OCTETS:
        raise AddressError("the address is too long")
    return Address(local=local, domain=domain)


def _parse_mailbox(text: str, local_octets: int) -> Address:
    if text[:1] == '"':
        match = _QUOTED.match(text)
        if not match:
            raise AddressError("the quoted local part does not end, or holds a control character")
        local, domain = _PAIR.sub(r"\1", match[1]), text[match.end() :]
    else:
        local, at, domain = text.partition("@")
        if not at:
            raise AddressError("it is written local@domain")
        if not _DOT_ATOM.fullmatch(local):
            raise AddressError("the local part is not a word, nor quoted")
    if not local.isascii():
        _check_unicode(local)
    literal = domain[:1] == "["
    return _address(local, _parse_literal(domain) if literal else parse_domain(domain), local_octets)


def _check_unicode(local: str) -> None:
    for c in local:
        if c > "\x7f" and (unicodedata.category(c) in _FORBIDDEN or c in _DIRECTIONS):
            raise AddressError("the local part holds a character that cannot be read")


def _parse_literal(text: str) -> str:
    """Return an address literal in one spelling (RFC 5321 §4.1.3)."""
    if text[-1:] != "]" or len(text) > DOMAIN_OCTETS or not text.isascii():
        raise AddressError("the address literal does not end")
    inner = text[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            if "%" in inner:
                raise AddressError("an address literal has no zone")
            return f"[ipv6:{ipaddress.IPv6Address(inner[5:]).compressed}]"
        if _GENERAL_LITERAL.fullmatch(inner):
            return text.lower()
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ipaddress.AddressValueError as error:
        raise AddressError("the address literal cannot be read") from error


def _route_length(text: str) -> int:
    match = _ROUTE.match(text)
    if not match:
        raise AddressError("the source route cannot be read")
    for hop in match[0][1:-1].split(",@"):
        if hop[0] == "[":
            _parse_literal(hop)
        else:
            parse_domain(hop)
    return match.end()
