"""The headers that every response carries, whatever became of the request.

Source: Content Security Policy Level 3; OWASP ASVS 5.0 §3.4
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# What a page may load: its own stylesheet and script by nonce, its own pictures, frames with letters.
_PAGE = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# What is no page may load nothing, run nothing, be framed by nobody.
_THING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": (
        "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        "microphone=(), midi=(), payment=(), usb=()"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-dns-prefetch-control": "off",  # links in letters: a name that is looked up tells that one was read
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}
_HSTS = "max-age=31536000"


def framed_by_anyone(nonce: str) -> dict[str, str]:
    """Return the headers that let any site frame a public page, on which one can do nothing but read and search."""
    policy = _PAGE.format(nonce=nonce).replace("frame-ancestors 'none'", "frame-ancestors *")
    return {
        "content-security-policy": policy,
        "cross-origin-resource-policy": "cross-origin",
        "x-frame-options": "",  # it has no word for `anybody`: left out
    }


Raw = list[tuple[bytes, bytes]]


def complete(headers: Iterable[tuple[bytes, bytes]], *, nonce: str, secure: bool) -> Raw:
    """Return the headers of a response with everything added that it does not say itself."""
    raw = list(headers)
    said = {name.lower() for name, _ in raw}
    kind = next((value for name, value in raw if name.lower() == b"content-type"), b"")
    policy = _PAGE.format(nonce=nonce) if kind.startswith(b"text/html") else _THING
    wanted: Mapping[str, str] = {
        "content-security-policy": policy,
        "cache-control": "no-store",
        **_ALWAYS,
        **({"strict-transport-security": _HSTS} if secure else {}),
    }
    raw += [(n.encode(), v.encode()) for n, v in wanted.items() if n.encode() not in said]
    return [(name, value) for name, value in raw if value or name != b"x-frame-options"]
