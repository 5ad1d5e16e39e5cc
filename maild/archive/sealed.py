"""Secrets that must be read back, sealed with a key that is not in the database: a stolen copy of it opens nothing."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class Seal:
    """Closes and opens. What was closed for one person does not open for another."""

    def __init__(self, key: bytes) -> None:
        """Use a key of 32 octets."""
        self._cipher = AESGCM(key)

    def close(self, user_id: int, secret: bytes) -> bytes:
        """Return the sealed form."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, str(user_id).encode())

    def open(self, user_id: int, sealed: bytes) -> bytes | None:
        """Return the secret; None when another key closed it, or somebody changed it."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], str(user_id).encode())
        except (InvalidTag, ValueError):
            return None
