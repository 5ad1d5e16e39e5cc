"""Greylisting: by what a stranger is known who is asked to come again, and who never is asked.

Machines of one network (IPv4 /24, IPv6 /64) count as one, and so do all senders of a domain: large mail systems come
again from another machine, and bulk senders write a new reverse-path for each mail.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv6Address, ip_network

from maild.mail.address import is_implicit
from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.screening.blocklists import public_address

KEY_OCTETS = 16
_PREFIX = {4: 24, 6: 64}


def keys_of(envelope: Envelope) -> tuple[bytes, ...]:
    """Return a key for each domain of recipients; none for a mail whose peer is never asked to come again."""
    address = public_address(envelope.peer.ip)
    if address is None or envelope.peer.login is not None or is_for_postmaster(envelope):
        return ()
    prefix = _PREFIX[6 if isinstance(address, IPv6Address) else 4]
    network = str(ip_network((address, prefix), strict=False))
    sender = "" if envelope.reverse_path is None else envelope.reverse_path.domain.lower()
    domains = sorted({recipient.address.domain.lower() for recipient in envelope.recipients})
    return tuple(_key(network, sender, domain) for domain in domains)


def is_for_postmaster(envelope: Envelope) -> bool:
    """Tell whether every recipient is one that has to hear complaints about refused mail."""
    return all(is_implicit(recipient.address) for recipient in envelope.recipients)


def come_again(wait_ms: int) -> Reply:
    """Return what a stranger is told."""
    text = f"You are new here: please come again in {max(1, -(-wait_ms // 1000))} seconds (greylisting)"
    return Reply(code=451, enhanced="4.7.1", text=text)


def _key(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:KEY_OCTETS]
