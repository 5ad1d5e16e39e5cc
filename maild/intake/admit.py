"""The decision about one RCPT: is the address ours, and does anybody claim it?

Pure: a Reply comes from the address and the serving rules alone. The texts name no team and no rule, and of other
addresses at most one that is in the public directory and that was probably meant.

Source: RFC 5321 §3.6.2 and §7.1 (relaying), §4.5.1 (postmaster), RFC 2142 §2 (abuse), RFC 3463.
"""

from __future__ import annotations

from maild.mail.address import Address, fold, is_implicit
from maild.mail.envelope_token import bears_token, delivery_of
from maild.mail.reply import Reply
from maild.mail.reply_token import claim_of
from maild.rules.model import Ruleset, UnknownRecipient
from maild.rules.nearby import Nearby
from maild.rules.refusals import Judgement

# Security: the ways in which a local part has asked servers to send mail on: `a%b@us`, `b!a@us`, `"a@b"@us`,
# `"@a:b"@us`. maild relays nothing, but `unknown_recipient: fallback` must not make it say 250 to them either.
_ROUTING = frozenset('@%!:,;<>[]()\\"')

ACCEPTED = Reply(code=250, enhanced="2.1.5", text="Ok")
UNKNOWN = Reply(code=550, enhanced="5.1.1", text="Nobody here receives mail for this address")
NOT_OURS = Reply(code=550, enhanced="5.7.1", text="Mail for this domain is not accepted here")


def refusal(judged: Judgement) -> Reply:
    """Return what a sender is told whom a rule refuses."""
    return Reply(code=550, enhanced="5.7.1", text=judged.text)


def admit(ruleset: Ruleset, address: Address, nearby: Nearby | None = None, *, token_key: bytes | None = None) -> Reply:
    """Decide on `RCPT TO:<address>`.

    With `nearby`, the refusal of a misspelt address names the one meant; with `token_key`, the addresses are ours that
    reports about what we sent come back to: also those made with a secret that was lost, or by another machine of ours;
    and those that copies are answered to, also when their time is over: who wrote hears why it does not go out.
    """
    if not address.domain:
        return ACCEPTED if fold(address.local) == "postmaster" else UNKNOWN
    if not ruleset.serves(address.domain):
        return NOT_OURS
    if token_key is not None and (delivery_of(address, token_key) is not None or claim_of(address, token_key)):
        return ACCEPTED
    if not _ROUTING.isdisjoint(address.local):
        return NOT_OURS
    if not address.local or not address.local.strip(" ."):
        return UNKNOWN
    if is_implicit(address) or ruleset.find(address) is not None:
        return ACCEPTED
    if ruleset.unknown_recipient is UnknownRecipient.FALLBACK:
        return ACCEPTED
    if token_key is not None and bears_token(address):
        return ACCEPTED  # made with another secret; a report that is refused would be seen by nobody
    meant = nearby.meant(address) if nearby is not None else None
    return UNKNOWN if meant is None else _misspelt(meant)


def _misspelt(meant: Address) -> Reply:
    return Reply(code=550, enhanced="5.1.1", text=f"No such address; did you mean {meant}?")
