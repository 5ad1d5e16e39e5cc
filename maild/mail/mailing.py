"""What the returns of one mass mailing have in common: the name under which the register gathers them.

Two returns are of one mailing when the sender's own mark says so (a list, a campaign), or when what came back has the
same From and the same subject and was sent within the same week. Whatever makes no such claim belongs to none.

Source: RFC 2919 (List-Id); Feedback-ID as Gmail asks for it: the campaign comes first, the sender last.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from maild.mail.address import fold
from maild.mail.dsn import ReturnedMail
from maild.mail.header import Field
from maild.mail.words import one_line

_LONGEST = 200
_MARKS = ("x-campaign-id", "x-campaignid", "x-campaign", "x-mailing-id", "x-newsletter-id", "x-mailer-campaign")


def campaign_of(fields: Sequence[Field]) -> str:
    """Return what the header of a message calls its mailing, "" when it calls it nothing."""
    first = {f.key: f.value for f in reversed(fields)}
    for mark in _MARKS:
        if value := _word(first.get(mark, "")):
            return f"campaign {value}"
    if value := _word(first.get("feedback-id", "")):
        return f"campaign {value}"
    value = first.get("list-id", "")
    inner = value.rpartition("<")[2].partition(">")[0] if "<" in value else value
    return f"list {name}" if (name := _word(inner)) else ""


def mailing_of(about: ReturnedMail) -> str:
    """Return the name of the mailing that a returned message was part of, "" when nothing says that it was of one."""
    sender, week = fold(about.sender), _week(about.date_ms)
    if about.campaign and sender:
        return one_line(f"{about.campaign}: {sender} {week}".strip())[: 2 * _LONGEST]
    subject = " ".join(about.subject.split())
    if not (sender and subject and week):
        return ""
    return one_line(f"{sender} {week}: {subject}")[: 2 * _LONGEST]


def _word(value: str) -> str:
    return fold(" ".join(value.split()))[:_LONGEST]


def _week(date_ms: int | None) -> str:
    if date_ms is None:
        return ""
    year, week, _ = datetime.fromtimestamp(date_ms / 1000, UTC).isocalendar()
    return f"{year}-W{week:02}"
