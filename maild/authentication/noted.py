"""How a sender stands, by what is noted of a letter, where nobody opens its octets: in lists and traces.

Promises: pure; never better than what the opened letter says. Where the two may not agree on the author, this one
leaves it open.
"""

from __future__ import annotations

from collections.abc import Collection

from maild.authentication.standing import Standing, standing_of
from maild.errors import AddressError
from maild.mail.address import parse_domain
from maild.mail.evidence import Evidence


def standing_noted(evidence: Evidence | None, from_mail: str, our_domains: Collection[str]) -> Standing:
    """Return how a sender stands; `from_mail` is the first address of From as it was read leniently."""
    return standing_of(evidence, _author_domain(evidence, from_mail), our_domains)


def _author_domain(evidence: Evidence | None, from_mail: str) -> str:
    try:
        domain = parse_domain(from_mail.rpartition("@")[2])
    except AddressError:
        return ""
    # Security: the lenient reading finds an address where the strict one finds none; only what was examined counts.
    return domain if evidence is not None and evidence.dmarc.domain == domain else ""
