"""Words about the answers that members write to copies in their own mailboxes: why one does not go out.

Source: RFC 3834 §2; threats T1, T2, T4, T8.
"""

from __future__ import annotations

import re
from enum import StrEnum

from maild.mail.address import Address
from maild.mail.header import read_header


class Why(StrEnum):
    """Why an answer is not sent. A closed list: the pages and the notice to its author have sentences for each."""

    SENDER = "sender"  # it is not from the address of the member whom the copy was made for
    UNPROVEN = "unproven"  # nothing proves that it is, or that it was written to this address
    SUSPICIOUS = "suspicious"  # a filter had it filed in spam, or found a virus
    SEVERAL = "several"  # it came to more than one reply address
    EXPIRED = "expired"
    REVOKED = "revoked"  # copies were turned off
    RIGHT = "right"  # the member may not answer for the team any more, or the letter has left it
    UNREADABLE = "unreadable"
    EMPTY = "empty"  # nothing is left beside quotations and signatures
    RECIPIENTS = "recipients"  # it would go to somebody who did not write to us
    FILE = "file"  # an attachment holds the reply address
    LARGE = "large"
    COLLISION = "collision"  # somebody else has answered since
    AGAIN = "again"  # the same answer came before


# To whom it may come from anybody: nothing is sent, and no draft made of what came before.
UNANSWERED = frozenset({Why.SENDER, Why.UNPROVEN, Why.SUSPICIOUS, Why.AGAIN})

# Interop: Outlook sets this subject also where its server marks the message as automatic in no other way.
_ABSENCE = re.compile(
    r"\s*(?:(?:automatische (?:antwort|rückmeldung)|automatic reply|auto(?:matic)?[- ]?reply|autoreply)\s*[:-]"
    r"|(?:out[- ]of[- ](?:the[- ])?office|abwesenheits(?:notiz|assistent|benachrichtigung|meldung|agent)"
    r"|abwesend(?:heit)?|nicht im (?:büro|haus))\b)",
    re.IGNORECASE,
)


def is_addressed(octets: bytes, address: Address) -> bool:
    """Tell whether the one To of a mail as it was received names an address.

    Security: a signature covers To, never the envelope. Any letter that the member ever signed would be an answer for
    who knows the address; nor does a Cc count, or a second To, which can be set above a signed header.
    """
    to = [field for field in read_header(octets, 0, len(octets), b"\n").fields if field.key == "to"]
    return len(to) == 1 and str(address).lower() in "".join(to[0].written.split()).lower()


def is_absence(subject: str) -> bool:
    """Tell whether a subject says that a machine answers for somebody who is away."""
    return _ABSENCE.match(subject[:200]) is not None
