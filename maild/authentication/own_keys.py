"""The keys that mail of ours is signed with: files `dkim/DOMAIN/SELECTOR.pem` in the data directory.

Each `.pem` of a domain signs; `.retired` does no more and is only kept. A file is there whole or not at all, and is its
owner's alone.
"""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from maild.authentication.signing import SigningKey, new_private_key, read_private_key
from maild.durable import make_durably, sync_folder
from maild.errors import MaildError

KINDS = ("rsa", "ed25519")
_ACTIVE, _RETIRED = ".pem", ".retired"
# Security: domains and selectors become names of files; a label neither begins with a dot nor holds a slash.
_LABELS = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*", re.ASCII)
_MOST_OCTETS = 16_384


class OwnKeys:
    """The keys of one data directory. Domains are lower-case A-labels."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "dkim"
        self._read: dict[tuple[str, str], tuple[tuple[int, int], SigningKey]] = {}

    def exist(self) -> bool:
        """Tell whether there ever was a key."""
        return self._folder.is_dir()

    def domains(self) -> list[str]:
        """Return the domains that have a key, or had one."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(each.name for each in self._folder.iterdir() if each.is_dir() and _is_name(each.name))
        return []

    def active(self, domain: str) -> list[str]:
        """Return the selectors that a domain signs with. Raises OSError for a folder that cannot be read."""
        return self._selectors(domain, _ACTIVE)

    def retired(self, domain: str) -> list[str]:
        """Return the selectors that a domain has signed with."""
        return self._selectors(domain, _RETIRED)

    def _selectors(self, domain: str, suffix: str) -> list[str]:
        if not _is_name(domain):
            return []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names = [each.name for each in (self._folder / domain).iterdir() if each.name.endswith(suffix)]
            return sorted(found for name in names if _is_name(found := name.removesuffix(suffix)))
        return []

    def key(self, domain: str, selector: str) -> SigningKey:
        """Return a key; it is read again when its file has changed.

        Raises:
            OSError: it cannot be read.
            ValueError: it is no key.
        """
        path = self._path(domain, selector)
        state = path.stat()
        version = (state.st_mtime_ns, state.st_ino)
        known = self._read.get((domain, selector))
        if known is None or known[0] != version:
            with path.open("rb") as file:
                known = version, SigningKey(domain, selector, read_private_key(file.read(_MOST_OCTETS)))
            self._read[domain, selector] = known
        return known[1]

    def make(self, domain: str, selector: str, kind: str) -> SigningKey:
        """Make a key of a kind; it signs from now on. Raises MaildError where there is one of that name."""
        path = self._path(domain, selector)
        if path.exists() or path.with_name(selector + _RETIRED).exists():
            raise MaildError(
                f"{domain} has or had a key '{selector}': take another selector, receivers keep the old one"
            )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (path.parent, path.parent.parent):
            each.chmod(0o700)
        private = new_private_key(kind)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            make_durably(path, pem)
        except FileExistsError:
            raise MaildError(f"{domain} has a key '{selector}'") from None
        return SigningKey(domain, selector, private)

    def retire(self, domain: str, selector: str) -> None:
        """Sign no more with a key; its file is kept under another name. Raises MaildError where there is none."""
        path = self._path(domain, selector)
        try:
            path.rename(path.with_name(selector + _RETIRED))
        except FileNotFoundError:
            raise MaildError(f"{domain} signs with no key '{selector}'; `maild dkim list` shows those it has") from None
        sync_folder(path.parent)

    def free_selector(self, domain: str, kind: str, day: datetime) -> str:
        """Return a selector that a domain has never had, named by kind and month: `s202611`, `e202611`, `s202611b`."""
        stem = ("s" if kind == "rsa" else "e") + day.strftime("%Y%m")
        taken = {*self.active(domain), *self.retired(domain)}
        for tail in ("", *"bcdefghijklmnopqrstuvwxyz"):
            if (selector := f"{stem}{tail}") not in taken:
                return selector
        raise MaildError(f"{domain} has had many keys this month; name the next one with --selector")

    def _path(self, domain: str, selector: str) -> Path:
        if not _is_name(domain) or not _is_name(selector):
            raise MaildError(f"'{selector}' of '{domain}': both are names of letters, digits, hyphens and dots")
        return self._folder / domain / (selector + _ACTIVE)


def _is_name(text: str) -> bool:
    return len(text) <= 200 and _LABELS.fullmatch(text) is not None
