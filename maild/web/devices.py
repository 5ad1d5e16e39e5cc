"""Browsers in which somebody has signed in before: a signed cookie lets them answer for their own failures alone.

The cookie holds a name that says nothing, and for each login that succeeded there a mark that only maild can make. A
counter that several colleagues share knows all of them.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from maild.archive.accounts import fold_login

_MARKS = 8  # logins that one browser is known for; the one that was away longest is forgotten
_MARK_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Devices:
    """Reads and writes the cookie."""

    key: bytes

    def known(self, cookie: str, login: str) -> str:
        """Return the name of the browser when `login` has signed in there before; else nothing."""
        name, marks = _parts(cookie)
        wanted = self._mark(name, login)
        # Security: no early end; but what is compared is no secret of who shows it.
        return name if name and any(hmac.compare_digest(mark.encode(), wanted.encode()) for mark in marks) else ""

    def remember(self, cookie: str, login: str) -> str:
        """Return the cookie of a browser in which `login` has just signed in."""
        name, marks = _parts(cookie)
        name = name or secrets.token_hex(16)
        mark = self._mark(name, login)
        return ".".join((name, *[mark, *(other for other in marks if other != mark)][:_MARKS]))

    def _mark(self, name: str, login: str) -> str:
        told = f"{name} {fold_login(login)}".encode("utf-8", "surrogatepass")
        return hmac.new(self.key, told, "sha256").hexdigest()[:_MARK_LENGTH]


def _parts(cookie: str) -> tuple[str, tuple[str, ...]]:
    name, *marks = cookie.split(".", _MARKS + 1)
    is_ours = all(len(part) == _MARK_LENGTH and part.isascii() and part.isalnum() for part in (name, *marks))
    return (name, tuple(marks[:_MARKS])) if is_ours else ("", ())
