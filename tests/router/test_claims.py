from __future__ import annotations

from typing import Any

import pytest

from maild.mail.authentication import NO_RELAYS
from maild.router.claims import Claims
from maild.router.reading import Addressed, Order


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> Claims:
    for name, value in (("pace.BATCH", 4), ("pace.BATCH_BYTES", 1_000), ("claims._LARGE_BYTES", 2_000)):
        monkeypatch.setattr(f"maild.router.{name}", value)
    monkeypatch.setattr("maild.router.claims._HELD_BYTES", 55)
    nothing: Any = None
    return Claims(nothing, chance=nothing, relays=NO_RELAYS, examiner=None)


def order(number: int, size: int = 10) -> Order:
    return Order(
        message_id=number,
        direction="in",
        received_ms=1,
        reverse_path=None,
        addressed=(Addressed(as_given="info@musterstadt.example", team=None),),
        reference_bits=7,
        size=size,
    )


def taken(claims: Claims) -> list[int]:
    return [task.order.message_id for task in claims.take()]


def test_a_batch_ends_at_so_many_messages(claims: Claims) -> None:
    for number in range(5):
        claims.offer(order(number), b"x", None)
    assert taken(claims) == [0, 1, 2, 3]
    assert taken(claims) == [4]
    assert not claims.ready


def test_a_batch_ends_at_so_many_octets_and_large_mail_is_in_none(claims: Claims) -> None:
    for number, size in enumerate((600, 400, 1_500, 1, 2_001)):
        claims.offer(order(number, size), None, None)
    assert taken(claims) == [0, 1]
    assert taken(claims) == [2], "alone it may be longer"
    assert taken(claims) == [3]
    assert not claims.ready
    assert claims.large.get_nowait().order.message_id == 4
    assert claims.count == 5


def test_what_is_claimed_is_not_claimed_again_until_it_is_let_go(claims: Claims) -> None:
    claims.offer(order(1), b"x", None)
    claims.offer(order(1), b"x", None)
    (task,) = claims.take()
    assert not claims.ready
    claims.let_go(task)
    assert claims.count == 0
    claims.offer(order(1), b"x", None)
    assert taken(claims) == [1]


def test_octets_beyond_the_bound_are_not_held_until_others_have_set_out(claims: Claims) -> None:
    octets = b"x" * 30
    for number in (1, 2):
        claims.offer(order(number), octets, None)
    batch = claims.take()
    assert [task.octets for task in batch] == [octets, None]
    claims.set_out(batch)
    claims.offer(order(3), octets, None)
    assert [task.octets for task in claims.take()] == [octets]
