"""Signs what leaves, in the name of its author's domain (DKIM), as the octets go by: only the header is held at once.

Promises: what cannot be signed leaves unsigned, and the log says why. What comes back belongs above the message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import structlog

from maild.authentication.author import author_of
from maild.authentication.canonical import Mail, read_mail, relaxed_body
from maild.authentication.own_keys import OwnKeys
from maild.authentication.signing import SigningKey, sign_hashed
from maild.mail.header import LIMITS

_log = structlog.get_logger()
_END = b"\r\n\r\n"

# (id of the message, for the log; its octets as they go out) → the fields to be put above them, "" for none.
Sign = Callable[[int, Iterable[bytes]], bytes]


def unsigned(_message_id: int, _pieces: Iterable[bytes]) -> bytes:
    """Sign nothing."""
    return b""


class Signer:
    """Signs with every key that the domain in From has. `now_s`: seconds of the epoch."""

    def __init__(self, keys: OwnKeys, *, now_s: Callable[[], int]) -> None:
        self._keys = keys
        self._now_s = now_s

    def __call__(self, message_id: int, pieces: Iterable[bytes]) -> bytes:
        """Return the signatures of a message, RSA and Ed25519, each with its CRLF."""
        if not self._keys.exist():
            return b""
        rest = iter(pieces)
        head, body = header_of(rest)
        mail = read_mail(head)
        author = author_of(head, mail)
        if mail.flaw or not author.verifiable:
            _log.error("delivery.unsigned", id=message_id, reason=mail.flaw or f"From: {author.problem}")
            return b""
        keys = self._readable(message_id, author.domain)
        if not keys:
            return b""
        return _signatures(mail, keys, chained(body, rest), self._now_s())

    def _readable(self, message_id: int, domain: str) -> list[SigningKey]:
        found = []
        try:
            for selector in self._keys.active(domain):
                try:
                    found.append(self._keys.key(domain, selector))
                except (OSError, ValueError) as error:
                    # The text of an OSError names a path, that of a ValueError what was expected: neither is a secret.
                    _log.error("delivery.unsigned", id=message_id, domain=domain, selector=selector, reason=str(error))
        except OSError as error:
            _log.error("delivery.unsigned", id=message_id, domain=domain, reason=str(error))
        return found


def _signatures(mail: Mail, keys: list[SigningKey], body: Iterable[bytes], now_s: int) -> bytes:
    hashed = relaxed_body(body)
    return b"".join(sign_hashed(mail, hashed, key, now_s=now_s) for key in keys)


def header_of(pieces: Iterator[bytes]) -> tuple[bytes, bytes]:
    """Return the octets up to the body, and those of the body that came with them."""
    head = b""
    for piece in pieces:
        head += piece
        if head.startswith(_END[2:]):
            return head[:2], head[2:]
        at = head.find(_END)
        if at >= 0:
            return head[: at + len(_END)], head[at + len(_END) :]
        if len(head) > LIMITS.header_bytes + len(_END):
            break  # `read_mail` finds it too long
    return head, b""


def chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield octets, and then the rest."""
    yield first
    yield from rest
