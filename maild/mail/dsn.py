"""What a delivery report says: the words that reading, writing and keeping reports have in common.

A report names recipients. For each: what was done (`action`), a status code, whether it will get better by itself, why
in one word of `REASONS`, and what the other server said.

Source: RFC 3464 (reports), RFC 3463 (codes), RFC 6533 (addresses beyond ASCII).
"""

from __future__ import annotations

from typing import NamedTuple

FAILED, DELAYED, DELIVERED, RELAYED, EXPANDED = "failed", "delayed", "delivered", "relayed", "expanded"
ACTIONS = (FAILED, DELAYED, DELIVERED, RELAYED, EXPANDED)

REASONS = {
    "user-unknown": "there is no such mailbox",
    "user-disabled": "the mailbox exists and takes no mail",
    "moved": "the mailbox has another address now",
    "mailbox-full": "the mailbox has no room",
    "host-unknown": "the domain is not in the DNS, or takes no mail",
    "unreachable": "the other server did not answer, or the connection broke",
    "expired": "it was tried for days without success",
    "size": "the message is too large",
    "content": "the message, or a file in it, is of a kind that is not taken",
    "virus": "the message is taken to be harmful",
    "spam": "the message is taken to be spam",
    "blocked": "the sending server is on a block list, or has a bad name",
    "auth": "SPF, DKIM, DMARC or a login failed",
    "policy": "a rule of the other side refuses it",
    "relay": "the other server does not take mail for this domain from us",
    "sender": "the sender's address is refused",
    "rate": "too many messages, recipients or connections in too short a time",
    "list": "a mailing list that takes no mail from this sender, or is closed",
    "loop": "the message went round in circles",
    "protocol": "the two servers did not understand one another",
    "system": "a fault of the other server",
    "unknown": "the report does not say, or maild does not understand it",
}
# These get better by themselves, even where the code says that they do not.
PASSING = frozenset({"mailbox-full", "unreachable", "expired", "rate", "system"})


class Returned(NamedTuple):
    """What a report says of one recipient. A named tuple: it comes back from worker processes."""

    recipient: str  # local@domain, as written
    action: str = FAILED
    code: str = ""  # 5.1.1; one that stands for the reason where the report gives none
    hard: bool = True  # will not get better by itself
    reason: str = "unknown"  # a word of REASONS
    text: str = ""  # what the other server said, in one line
    original: str = ""  # the address it was sent to, where that is another one


class ReturnedMail(NamedTuple):
    """The header of the message that a report is about, as far as it was returned; "" is not known."""

    message_key: str = ""  # Message-ID without its brackets
    sender: str = ""  # From: local@domain
    recipient: str = ""  # To, the first one
    subject: str = ""
    date_ms: int | None = None
    campaign: str = ""  # what its sender calls the mailing: List-Id, Feedback-ID, …


class Report(NamedTuple):
    """A delivery report that was read. There is at least one recipient."""

    recipients: tuple[Returned, ...]
    about: ReturnedMail = ReturnedMail()

    @property
    def failed(self) -> bool:
        """Whether it says of any recipient that the message will not arrive."""
        return any(each.action == FAILED for each in self.recipients)
