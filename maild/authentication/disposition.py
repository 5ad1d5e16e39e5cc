"""What becomes of a letter that DMARC has failed: accepted, filed as suspicious, or refused at the door.

Promises: pure. Only what a domain itself asks for is done, never more; what the DNS did not say never refuses anything.

RFC 9989 §7.4 wants more known than the policy before mail is refused. What is known here is the chain of ARC: mail of
a list or forwarder that the administrator trusts is let in. Whoever wants no refusals has `Setting.SUSPICIOUS`.

Source: RFC 9989 §5.4, §7.2, §7.4; RFC 7372 §3.2 (550 5.7.26); RFC 9990 (why a policy was not carried out).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from maild.authentication.dmarc_record import QUARANTINE, REJECT
from maild.mail.evidence import Arc, Evidence, best
from maild.mail.reply import Reply


class Setting(StrEnum):
    """What the administrator wants."""

    REFUSE = "refuse"  # do as the domain asks: `reject` is refused, `quarantine` filed as suspicious
    SUSPICIOUS = "suspicious"  # file both as suspicious
    NOTE = "note"  # show it, and do nothing


class Fate(StrEnum):
    """What to do."""

    ACCEPT = "accept"
    SUSPICIOUS = "suspicious"
    REFUSE = "refuse"


class Disposition(NamedTuple):
    """What to do; `reply` is for `refuse` alone, `override` for `Evidence.override`."""

    fate: Fate
    reply: Reply | None = None
    override: str = ""


_DOMAIN_LIMIT = 120


def dispose(setting: Setting, evidence: Evidence) -> Disposition:
    """Decide about a letter."""
    dmarc = evidence.dmarc
    if dmarc.result != "fail":
        return Disposition(Fate.ACCEPT)
    testing = "testing" if dmarc.testing else ""
    if dmarc.policy not in (QUARANTINE, REJECT):
        return Disposition(Fate.ACCEPT, override=testing)
    if vouched(evidence.arc):
        return Disposition(Fate.ACCEPT, override="arc")
    if setting is Setting.NOTE:
        return Disposition(Fate.ACCEPT, override="policy")
    if dmarc.policy == REJECT and setting is Setting.REFUSE:
        return Disposition(Fate.REFUSE, refusal(evidence))
    return Disposition(Fate.SUSPICIOUS, override="policy" if dmarc.policy == REJECT else testing)


def vouched(arc: Arc) -> bool:
    """Tell whether somebody trusted has handed the letter on, who did not see it fail himself."""
    return arc.result == "pass" and arc.trusted and arc.verdicts.dmarc != "fail"


def refusal(evidence: Evidence) -> Reply:
    """Return the words of a refusal: whose policy, what failed, what the sender can do."""
    domain = _named(evidence.dmarc.domain)
    return Reply(
        code=550,
        enhanced="5.7.26",
        text=f"Refused by the DMARC policy of {_named(evidence.dmarc.record_domain)}: nothing proves that this mail is "
        f"from {domain} (SPF: {_word(evidence.spf.result)}, DKIM: {_word(best(evidence.dkim))}). "
        "Send it by a server of that domain, or ask its administrator for help",
    )


def _named(domain: str) -> str:
    """Return a domain as it can be said in a reply."""
    shown = domain if domain.isascii() and domain.isprintable() and domain else "the sender's domain"
    return shown if len(shown) <= _DOMAIN_LIMIT else f"...{shown[-_DOMAIN_LIMIT:]}"


def _word(result: str) -> str:
    return result if result.isascii() and result.isalpha() and len(result) <= 10 else "unknown"
