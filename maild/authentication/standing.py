"""Whether the sender of a letter is who the letter says: one word for people, from the evidence kept with it.

Promises: pure; never `confirmed` when nobody can say for sure which one author the letter names.

Source: RFC 9989 §4.1, §4.4; RFC 7208 §2.6; RFC 6376 §6.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import NamedTuple

from maild.authentication.disposition import vouched
from maild.mail.authentication import NONE, PASS, TEMPERROR
from maild.mail.evidence import Evidence


class StandingKind(StrEnum):
    """The words, from good to bad; the pages have sentences for them."""

    CONFIRMED = "confirmed"  # the mail system proves the domain of From
    UNCONFIRMED = "unconfirmed"  # nothing proves it, nothing contradicts it
    FORGED = (
        "forged"  # its owner says that such a letter is not from there, or the domain is ours and it came from outside
    )
    UNKNOWN = "unknown"  # not looked at yet, nobody could be asked, or imported


class Standing(NamedTuple):
    """How a sender stands.

    `domain` is the one that is proven (`confirmed`), or that vouches (`by` is `arc`), else "". `by` is what decided:
    `dkim`, `spf`, `dmarc` (a trusted relay said so, or the domain's policy), `arc`, `own-domain`, else "".
    """

    kind: StandingKind
    domain: str = ""
    by: str = ""


NOT_LOOKED = Standing(StandingKind.UNKNOWN)
_NOTHING = Standing(StandingKind.UNCONFIRMED)


def standing_of(evidence: Evidence | None, author_domain: str, our_domains: Collection[str]) -> Standing:
    """Return how the sender of a letter that came from outside stands.

    Args:
        evidence: what was found; None for a letter that nobody has looked at.
        author_domain: of the one address in From, in lower-case A-labels; "" when the author is not verifiable.
        our_domains: those that we receive mail for, in lower-case A-labels; their subdomains are ours, too.
    """
    if evidence is None:
        return NOT_LOOKED
    if not author_domain:
        return _NOTHING
    proof = _proof(evidence, author_domain)
    if proof:
        return Standing(StandingKind.CONFIRMED, author_domain, proof)
    if _open(evidence, author_domain):
        return NOT_LOOKED
    if vouched(evidence.arc):
        return Standing(StandingKind.UNCONFIRMED, evidence.arc.sealers[0] if evidence.arc.sealers else "", "arc")
    if any(name in our_domains for name in (author_domain, *_parents(author_domain))):
        return Standing(StandingKind.FORGED, by="own-domain")
    if evidence.dmarc.result == "fail" and evidence.dmarc.policy in ("quarantine", "reject"):
        return Standing(StandingKind.FORGED, by="dmarc")
    return _NOTHING


def _proof(evidence: Evidence, author: str) -> str:
    """Return by what the domain is proven, "" when it is not."""
    dmarc = evidence.dmarc
    if dmarc.result == PASS:
        # Security: what was found out about another From than the one that is shown proves nothing.
        if dmarc.domain != author and not (evidence.relay and not dmarc.domain):
            return ""
        if dmarc.dkim_aligned and _signs_what_is_seen(evidence, author):
            return "dkim"
        if dmarc.spf_aligned and not evidence.spf.everybody:
            return "spf"
        return "" if dmarc.dkim_aligned or dmarc.spf_aligned else "dmarc"  # a relay does not say by which
    if dmarc.result != NONE:
        return ""
    if any(each.result == PASS and not each.uncovered and governs(each.domain, author) for each in evidence.dkim):
        return "dkim"
    # Security: `+all` lets any machine pass, and proves nothing.
    names_its_machines = evidence.spf.result == PASS and not evidence.spf.everybody
    return "spf" if names_its_machines and governs(evidence.spf.domain, author) else ""


def _signs_what_is_seen(evidence: Evidence, author: str) -> bool:
    """Tell whether a signature of the author's domain, or of a relation, covers all that a reader sees of the header.

    Security: a letter that is sent on with a second Subject above the one that is signed bears a good signature, and
    says what its author never said. What DMARC came to stands: it is no reason to refuse the letter.
    """
    passed = [each for each in evidence.dkim if each.result == PASS]
    organisation = evidence.dmarc.organisation or author
    aligned = [each for each in passed if _is_within(each.domain, organisation)]
    return not passed or any(not each.uncovered for each in aligned)


def signs_answers_away(evidence: Evidence, author: str) -> bool:
    """Tell whether the author's own signature says where answers are to go.

    Security: many do not sign Reply-To, and whoever hands such a letter on can add one: it stays the author's, and the
    answer goes to somebody else.
    """
    organisation = evidence.dmarc.organisation or author
    own = (each for each in evidence.dkim if _is_within(each.domain, organisation) or governs(each.domain, author))
    return any(each.result == PASS and each.signs_reply_to and not each.uncovered for each in own)


def _is_within(domain: str, organisation: str) -> bool:
    return domain == organisation or domain.endswith("." + organisation)


def _open(evidence: Evidence, author: str) -> bool:
    """Tell whether the proof may only be missing because the DNS did not answer."""
    if evidence.dmarc.result == TEMPERROR:
        return True
    if evidence.dmarc.result != NONE:
        return False
    unasked = [each.domain for each in evidence.dkim if each.result == TEMPERROR]
    if evidence.spf.result == TEMPERROR:
        unasked.append(evidence.spf.domain)
    return any(governs(domain, author) for domain in unasked)


def governs(domain: str, author: str) -> bool:
    """Tell whether who holds `domain` holds `author` for certain, although no DMARC record says how far it reaches.

    The same name does, and one above it. One below does not: it may have been given away to somebody else (RFC 9989
    §4.10.2 has each name stand for itself when there is no record).
    """
    return domain == author or ("." in domain and author.endswith("." + domain))


def _parents(name: str) -> Iterator[str]:
    while name:
        name = name.partition(".")[2]
        if name:
            yield name
