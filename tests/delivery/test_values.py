from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.delivery.backoff import Backoff
from maild.delivery.deliveries import Dsn
from maild.delivery.outcome import REPLY_LIMIT, Result, SmtpReply, answered, shown

TEXT = st.text(max_size=20)


@given(notify=st.lists(st.sampled_from(["NEVER", "SUCCESS", "FAILURE", "DELAY"])), orcpt=TEXT, ret=TEXT, envid=TEXT)
def test_what_was_asked_about_reports_is_kept(notify: list[str], orcpt: str, ret: str, envid: str) -> None:
    dsn = Dsn(notify=tuple(notify), orcpt=orcpt, ret=ret, envid=envid)
    assert Dsn.from_json(dsn.to_json()) == dsn


def test_nothing_asked_is_nothing() -> None:
    assert Dsn.from_json("") == Dsn()
    assert Dsn.from_json('{"orcpt": null, "notify": []}') == Dsn()


@pytest.mark.parametrize(
    ("code", "result", "site"),
    [(421, Result.DEFERRED, True), (450, Result.DEFERRED, False), (550, Result.FAILED, False),
     (599, Result.FAILED, False), (600, Result.DEFERRED, False), (250, Result.DEFERRED, False),
     (354, Result.DEFERRED, False)],
)  # fmt: skip
def test_only_a_5xx_is_for_good(code: int, result: Result, *, site: bool) -> None:
    outcome = answered(SmtpReply(code, ("text",)), "rcpt", host="mx", tls="")
    assert (outcome.result, outcome.site, outcome.reply) == (result, site, f"{code} text")


@given(text=st.text(max_size=6_000))
def test_what_others_say_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) <= REPLY_LIMIT


def test_a_hop_is_left_alone_for_longer_after_each_failure() -> None:
    backoff: Backoff[str] = Backoff()
    now, pauses = 0.0, []
    for _ in range(7):
        backoff.failed("a", "down", now)
        backoff.failed("a", "down", now)  # another load of the same moment
        start = now
        while backoff.reason("a", now) is not None:
            assert backoff.reason("a", now) == "down"
            now += 1
        pauses.append(now - start)
    assert pauses == [60, 120, 240, 480, 900, 900, 900]
    assert backoff.reason("b", 0) is None
    backoff.failed("a", "down", now)
    backoff.answered("a")
    assert backoff.reason("a", now) is None


def test_only_so_many_hops_are_remembered() -> None:
    backoff: Backoff[int] = Backoff()
    for hop in range(10_001):
        backoff.failed(hop, "down", 0)
    assert backoff.reason(0, 1) is None
    assert backoff.reason(10_000, 1) == "down"
