"""What a sign-in in several steps carries along: sealed, for a few minutes, and for one browser alone."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_MAX = 4_000  # characters


@dataclass(frozen=True, slots=True)
class Tickets:
    """Issues and reads tickets of one purpose."""

    key: bytes
    purpose: str
    lasts_ms: int = 300_000

    def issue(self, bearer: str, now_ms: int, **said: Any) -> str:
        """Return a ticket that holds for `bearer`, the secret of a session or visit."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = json.dumps({"until": now_ms + self.lasts_ms, **said}).encode()
        return urlsafe_b64encode(nonce + AESGCM(self.key).encrypt(nonce, text, self._bound(bearer))).decode()

    def read(self, bearer: str, ticket: str, now_ms: int) -> dict[str, Any] | None:
        """Return what a ticket says; None when it is too old, another's, or none at all."""
        try:
            octets = urlsafe_b64decode(ticket[:_MAX].encode("ascii"))
            said = AESGCM(self.key).decrypt(octets[:_NONCE_BYTES], octets[_NONCE_BYTES:], self._bound(bearer))
        except (InvalidTag, ValueError):
            return None
        found: dict[str, Any] = json.loads(said)
        return found if now_ms < found.pop("until") else None

    def _bound(self, bearer: str) -> bytes:
        return f"{self.purpose} {bearer}".encode("utf-8", "surrogatepass")
