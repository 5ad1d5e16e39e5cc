"""The DNS of the tests answers as the real one does (tests/dns has the real one)."""

from __future__ import annotations

import pytest

from maild.dns.answer import Answer, DnsError, Kind, Status
from tests.authentication.zone import Zone

ZONE = Zone(
    {
        "Example.org.": {Kind.TXT: [b"v=spf1 -all"], Kind.A: ["192.0.2.1"]},
        "www.example.org": {Kind.CNAME: ["example.org"]},
        "a.b.example.org": {Kind.A: ["192.0.2.2"], Kind.TXT: "servfail"},
        "circle.example": {Kind.CNAME: ["circle.example"]},
        "slow.example": "timeout",
    },
    secure=["example.org"],
)


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        ("EXAMPLE.org.", Kind.TXT, Answer(Status.FOUND, (b"v=spf1 -all",), secure=True)),
        ("www.example.org", Kind.A, Answer(Status.FOUND, ("192.0.2.1",), secure=True)),
        ("example.org", Kind.MX, Answer(Status.NO_DATA, (), secure=True)),
        ("b.example.org", Kind.A, Answer(Status.NO_DATA)),
        ("c.example.org", Kind.A, Answer(Status.NO_NAME)),
        ("a..example.org", Kind.A, Answer(Status.NO_NAME)),
        ("a" * 64 + ".example.org", Kind.A, Answer(Status.NO_NAME)),
        ("", Kind.A, Answer(Status.NO_NAME)),
        ("müller.example", Kind.A, Answer(Status.NO_NAME)),
    ],
)
async def test_a_zone_answers(name: str, kind: Kind, answer: Answer) -> None:
    assert await ZONE.ask(name, kind) == answer


@pytest.mark.parametrize(
    ("name", "reason"), [("slow.example", "timeout"), ("a.b.example.org", "servfail"), ("circle.example", "loop")]
)
async def test_a_zone_fails_where_it_is_told_to(name: str, reason: str) -> None:
    with pytest.raises(DnsError) as failure:
        await ZONE.ask(name, Kind.TXT)
    assert failure.value.reason == reason


async def test_a_zone_counts_what_it_is_asked() -> None:
    zone = Zone({})
    await zone.ask("A.example", Kind.MX)
    await zone.ask("..", Kind.MX)
    assert zone.asked == [("a.example", Kind.MX)]
