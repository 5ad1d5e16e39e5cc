"""Where a link may lead: to http, https and mailto, and nowhere else.

Promises: pure; linear.

Source: the URL Standard of WHATWG for what a browser does to an address before it follows it.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_URL = 4_000
_MAILTO_FIELDS = frozenset({"subject", "body", "cc", "to"})
_CONTROL = "".join(map(chr, range(0x21)))
# Security: a browser removes these three wherever they stand, so `java\nscript:` is a scheme to it.
_REMOVED_BY_BROWSERS = dict.fromkeys(map(ord, "\t\n\r"))
SCHEME = re.compile(r"(https?)://|(mailto):", re.IGNORECASE)
_HOST = re.compile(r"[^\s/?#\\@%<>\"'`{}|^\x00-\x20\x7f]{1,253}(?::[0-9]{1,5})?")
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>\"`\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@lru_cache(maxsize=64)
def link_target(raw: str) -> str | None:
    """Return the address that a link may lead to, or None.

    User names before the host (`https://bank.example@other.example`) exist to deceive, and are refused.
    """
    url = raw.translate(_REMOVED_BY_BROWSERS).strip(_CONTROL)
    scheme = SCHEME.match(url)
    if not scheme or len(url) > MAX_URL:
        return None
    rest = url[scheme.end() :]
    if scheme.group(2):
        return _mailto(rest)
    host = _HOST.match(rest)
    if not host or (rest[host.end() :] and rest[host.end()] not in "/?#"):
        return None
    return scheme.group(1).lower() + "://" + _encoded(rest)


def _encoded(text: str) -> str:
    return _UNSAFE.sub(lambda m: "".join(f"%{octet:02X}" for octet in m.group().encode()), text)


def _mailto(rest: str) -> str | None:
    # Security: some mail programs act on further fields, such as `attach`; only harmless ones pass.
    address, _, query = rest.partition("?")
    if "@" not in address or "%0a" in rest.lower() or "%0d" in rest.lower():
        return None
    fields = [f for f in query.split("&") if f.partition("=")[0].lower() in _MAILTO_FIELDS]
    return "mailto:" + _encoded(address) + ("?" + _encoded("&".join(fields)) if fields else "")
