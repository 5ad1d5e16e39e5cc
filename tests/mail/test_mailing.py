"""What returns of one mass mailing have in common."""

from __future__ import annotations

import pytest

from maild.mail.dsn import ReturnedMail
from maild.mail.header import Field
from maild.mail.mailing import campaign_of, mailing_of

MONDAY_MS = 1_789_992_000_000  # 2026-09-21
DAY_MS = 86_400_000
LETTER = ReturnedMail(sender="Info@A.example", subject="Einladung  zum Fest", date_ms=MONDAY_MS)


def test_the_same_subject_of_the_same_sender_in_the_same_week_is_one_mailing() -> None:
    name = mailing_of(LETTER)
    assert name == "info@a.example 2026-W39: Einladung zum Fest"
    assert mailing_of(LETTER._replace(date_ms=MONDAY_MS + 5 * DAY_MS, message_key="other@a.example")) == name
    others = [
        LETTER._replace(date_ms=MONDAY_MS + 8 * DAY_MS),
        LETTER._replace(subject="Bescheid"),
        LETTER._replace(sender="kita@a.example"),
    ]
    assert name not in {mailing_of(other) for other in others}


@pytest.mark.parametrize(
    "about", [ReturnedMail(), LETTER._replace(subject=""), LETTER._replace(sender=""), LETTER._replace(date_ms=None)]
)
def test_what_makes_no_claim_belongs_to_none(about: ReturnedMail) -> None:
    assert mailing_of(about) == ""


def test_the_mark_of_a_campaign_counts_more_than_subjects() -> None:
    marked = LETTER._replace(campaign="campaign fest-2026")
    assert mailing_of(marked) == mailing_of(marked._replace(subject="Einladung, Frau Muster"))


@pytest.mark.parametrize(
    ("field", "campaign"),
    [
        (Field("list-id", "Amtsblatt <Blatt.a.example>"), "list blatt.a.example"),
        (Field("feedback-id", "fest:amt:a"), "campaign fest:amt:a"),
        (Field("x-campaign-id", " 17 "), "campaign 17"),
        (Field("subject", "Fest"), ""),
    ],
)
def test_a_sender_names_the_mailing(field: Field, campaign: str) -> None:
    assert campaign_of([field]) == campaign
