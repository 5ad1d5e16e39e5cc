"""The hash chain over everything that was ever accepted: what proves that nothing is missing or was changed.

Each message has a gap-free sequence number and `chain = SHA-256(previous chain ‖ its row)`. Taking out, adding,
changing or reordering any row breaks every chain value after it.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass

GENESIS = bytes(32)
_NUMBERS = struct.Struct(">QQQQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The facts of one message that the chain covers."""

    sequence: int
    message_id: int
    received_ms: int
    size: int
    digest: bytes
    direction: str
    origin: str
    reverse_path: str | None
    envelope: str
    recipients: tuple[str, ...]


def extend(chain: bytes, link: Link) -> bytes:
    """Return the chain value after `link`."""
    texts = [link.direction, link.origin, link.reverse_path, link.envelope, link.recipients]
    state = hashlib.sha256(chain)
    state.update(_NUMBERS.pack(link.sequence, link.message_id, link.received_ms, link.size))
    state.update(link.digest)
    state.update(json.dumps(texts, ensure_ascii=True, separators=(",", ":")).encode())
    return state.digest()
