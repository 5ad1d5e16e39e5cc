"""Mail and keys that the tests of signatures share."""

from __future__ import annotations

from functools import cache

from maild.authentication import dkim
from maild.authentication.claims import read_claims
from maild.authentication.signing import SigningKey, new_private_key
from maild.dns.answer import Kind
from maild.mail.evidence import Dkim
from tests.authentication.zone import Zone

DOMAIN, SELECTOR = "stadtwerke.example", "s1"
NAME = f"{SELECTOR}._domainkey.{DOMAIN}"
NOW_S = 1_760_000_000
LETTER = (
    b"From: Anna Weber <anna@stadtwerke.example>\r\n"
    b"To: rathaus@musterstadt.example\r\n"
    b"Subject: Z\xc3\xa4hlerstand\r\n"
    b"Date: Mon, 1 Jun 2026 10:00:00 +0200\r\n"
    b"Message-ID: <1@stadtwerke.example>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n"
    b"\r\n"
    b"Guten Tag,\r\n"
    b"\r\n"
    b"der  Stand ist\t4711.  \r\n"
    b"\r\n"
    b"Anna Weber\r\n"
    b"\r\n"
)


@cache
def key_of(kind: str) -> SigningKey:
    """Return a key of a kind, `rsa` or `ed25519`: the same one in all tests."""
    return SigningKey(DOMAIN, SELECTOR, new_private_key(kind))


def zone_of(*keys: SigningKey, flags: str = "") -> Zone:
    """Return the DNS of those who own the keys."""
    return Zone(
        {f"{key.selector}._domainkey.{key.domain}": {Kind.TXT: [(key.record + flags).encode()]} for key in keys}
    )


async def results_of(content: bytes, zone: Zone, now_s: int = NOW_S) -> tuple[Dkim, ...]:
    """Return what the signatures of a mail come to."""
    return await dkim.verify(zone, read_claims(content).signatures, now_s)


async def result_of(content: bytes, zone: Zone, now_s: int = NOW_S) -> Dkim:
    """Return what its only signature comes to."""
    (result,) = await results_of(content, zone, now_s)
    return result
