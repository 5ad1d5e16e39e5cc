"""What becomes of a letter of somebody else's when it is sent on: who it says it is from, and what we vouch for.

The octets stay as they came, so that the signature of its author's domain holds. Where that cannot prove the author to
the next server, and the settings want it so, From becomes the address of ours that the letter came to, and the author
stands in Reply-To. What was found out about its sender when it came is sealed (ARC) with a key of our domain.

Promises: what cannot be rewritten or sealed leaves as it came.

Source: RFC 8617 §4.1, §5.1; RFC 7960 §4.1.3 (rewriting From); RFC 5322 §3.6.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import structlog
from sqlalchemy import Connection

from maild.archive.examinations import evidence_of
from maild.authentication.canonical import read_mail, relaxed_body
from maild.authentication.own_keys import OwnKeys
from maild.authentication.results import write_results
from maild.authentication.sealing import seal
from maild.authentication.signing import SigningKey, UnsignableError
from maild.delivery.queue.messages import Leaving
from maild.delivery.signatures import Sign, chained, header_of
from maild.errors import AddressError
from maild.mail.address import Address, as_address
from maild.mail.authentication import NONE
from maild.mail.evidence import Evidence
from maild.mail.header import LIMITS, Field
from maild.mail.header_writing import mailboxes_field
from maild.mail.mailboxes import parse_mailboxes

ORIGINAL = b"Maild-Original-From"
_KNOWN = frozenset({NONE, "pass", "fail"})
_log = structlog.get_logger()

# (what stands above) → all the octets as they go out with it above them.
Octets = Callable[[bytes], Iterator[bytes]]


class SendsOn(Protocol):
    """Whoever prepares letters that are sent on."""

    def rewritten(self, connection: Connection, message: Leaving, first: bytes) -> tuple[bytes, int]:
        """Return what takes the place of the first octets, and of how many of them; nothing of none."""
        ...

    def vouched(self, connection: Connection, message: Leaving, octets: Octets, *, rewritten: bool) -> bytes:
        """Return what is put above a letter that goes out so."""
        ...


class AsItCame:
    """Sends letters on as they came, and vouches for nothing."""

    def rewritten(self, _connection: Connection, _message: Leaving, _first: bytes) -> tuple[bytes, int]:
        return b"", 0

    def vouched(self, _connection: Connection, _message: Leaving, _octets: Octets, *, rewritten: bool) -> bytes:
        del rewritten
        return b""


class SendingOn:
    """See `SendsOn`. `authserv_id` is the name under which we found out who sent it; `now_s`: seconds of the epoch."""

    def __init__(
        self, keys: OwnKeys, *, authserv_id: str, sign: Sign, now_s: Callable[[], int], rewrite: bool = False
    ) -> None:
        self._keys = keys
        self._authserv_id = authserv_id
        self._sign = sign
        self._now_s = now_s
        self._rewrite = rewrite

    def rewritten(self, connection: Connection, message: Leaving, first: bytes) -> tuple[bytes, int]:
        """See `SendsOn`."""
        ours = _address_of(message)
        if not self._rewrite or ours is None or _proves_itself(evidence_of(connection, [message.id]).get(message.id)):
            return b"", 0
        return from_us(first, ours)

    def vouched(self, connection: Connection, message: Leaving, octets: Octets, *, rewritten: bool) -> bytes:
        """See `SendsOn`."""
        signed = self._sign(message.id, octets(b"")) if rewritten else b""
        evidence = evidence_of(connection, [message.id]).get(message.id)
        ours = _address_of(message)
        key = None if ours is None else self._key(message.id, ours.domain)
        if evidence is None or key is None:
            return signed
        return self._sealed(message.id, evidence, key, octets(signed)) + signed

    def _sealed(self, message_id: int, evidence: Evidence, key: SigningKey, pieces: Iterator[bytes]) -> bytes:
        results = write_results(evidence, self._authserv_id).partition(";")[2].strip()
        head, body = header_of(pieces)
        hashed = relaxed_body(chained(body, pieces))
        try:
            return seal(
                read_mail(head),
                hashed,
                key,
                authserv_id=self._authserv_id,
                results=results,
                status=evidence.arc.result,
                now_s=self._now_s(),
            )
        except (UnsignableError, ValueError) as error:
            _log.warning("delivery.unsealed", id=message_id, reason=str(error))
            return b""

    def _key(self, message_id: int, domain: str) -> SigningKey | None:
        """Return the key to seal with: of RSA, which everybody verifies, where there is one."""
        try:
            found = [self._keys.key(domain, selector) for selector in self._keys.active(domain)]
        except (OSError, ValueError) as error:
            _log.warning("delivery.unsealed", id=message_id, reason=str(error))
            return None
        return min(found, key=lambda key: key.algorithm != "rsa-sha256", default=None)


def _proves_itself(evidence: Evidence | None) -> bool:
    """Tell whether the next server will believe From: a signature holds, or the domain asks nobody to refuse."""
    if evidence is None:
        return False
    dmarc = evidence.dmarc
    return dmarc.dkim_aligned or (dmarc.result in _KNOWN and dmarc.policy == NONE)


def _address_of(message: Leaving) -> Address | None:
    """Return the address of ours that a letter came to."""
    return next((address for address in map(as_address, message.recipients) if address and address.domain), None)


def from_us(first: bytes, ours: Address) -> tuple[bytes, int]:
    """Return a header that says that it is from us, and how many octets it takes the place of.

    Where the header is not whole, or cannot be read in one way only, there is none, of none.
    """
    if len(first) > LIMITS.header_bytes:
        first = first[: LIMITS.header_bytes]
    mail = read_mail(first)
    authors = [field for field in mail.fields if field.key == b"from"]
    if mail.flaw or len(authors) != 1 or first[max(0, mail.body_start - 4) : mail.body_start] != b"\r\n\r\n":
        return b"", 0
    written = authors[0].value
    text = Field("from", written.decode("utf-8", "replace")).raw
    (author, *_), _ = parse_mailboxes(text, 1) if text else ((None,), False)
    if author is None:
        return b"", 0
    try:
        field = mailboxes_field("From", [(f"{author.name or author.mail} via {ours.domain}", ours)])
    except AddressError:
        return b"", 0
    fresh = field + ORIGINAL + b":" + written + b"\r\n"
    if not any(each.key == b"reply-to" for each in mail.fields):
        fresh += b"Reply-To:" + written + b"\r\n"
    lines = [fresh if each is authors[0] else each.octets + b"\r\n" for each in mail.fields]
    return b"".join(lines) + b"\r\n", mail.body_start
