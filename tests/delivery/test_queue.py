"""The queue on both databases: who has what in hand, what a crash leaves, what people do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection, select

from maild.archive.database import Database
from maild.archive.schema_outgoing import deliveries as table
from maild.delivery.deliveries import COPY, SMTP, Delivery, Dsn
from maild.delivery.outcome import Outcome, Result
from maild.delivery.queue.acts import Act, Change, change
from maild.delivery.queue.claiming import Claim, Claimed, claim, end_leases, next_due_ms
from maild.delivery.queue.listing import attempts_of, deliveries_in, deliveries_of, delivery, delivery_counts
from maild.delivery.queue.working import End, Recorded, Start, begin, record_outcomes
from maild.delivery.schedule import HORIZON_MS
from maild.errors import MaildError, NotFoundError
from maild.policy.visible import NOTHING, OPERATOR, Visible
from tests.archive.samples import NOW_MS
from tests.delivery.post import DAY_MS, out

LEASE_MS = 1_000_000
TEN_YEARS = 3652 * DAY_MS


def taken(database: Database, now_ms: int = NOW_MS, **given: object) -> Claimed:
    asked = Claim(now_ms=now_ms, lease_ms=now_ms + LEASE_MS, loads=10, per_hop=2)
    return database.writer.submit(claim, replace(asked, **given)).result()  # type: ignore[arg-type]


def one(database: Database, now_ms: int = NOW_MS) -> Delivery:
    ((found,),) = taken(database, now_ms).loads
    return found


def started(database: Database, *found: Delivery, at_ms: int = NOW_MS) -> bool:
    start = Start(deliveries=found, at_ms=at_ms, host="mx [192.0.2.1]", tls="")
    return database.writer.submit(begin, start).result()


def ended(database: Database, found: Delivery, result: Result, at_ms: int = NOW_MS) -> Recorded:
    outcome = Outcome(result=result, reply="250 2.0.0 so", host="mx [192.0.2.1]")
    end = End(delivery=found, outcome=outcome, started_ms=at_ms, at_ms=at_ms, jitter=0.5)
    return database.writer.submit(record_outcomes, end).result()


def done(database: Database, delivery_id: int, act: Act) -> str:
    asked = Change(delivery_id=delivery_id, act=act, by="petra", at_ms=NOW_MS)
    return database.writer.submit(change, asked).result()


def state(database: Database, delivery_id: int) -> str:
    with database.read() as connection:
        return delivery(connection, visible=OPERATOR, delivery_id=delivery_id).state


def test_what_was_enqueued_is_claimed_once_with_all_that_it_takes(database: Database) -> None:
    dsn = Dsn(notify=("FAILURE", "DELAY"), orcpt="rfc822;x", ret="HDRS", envid="e")
    message_id = out(database, ("a@there.example", "b@there.example", "c@other.example"), dsn=dsn)
    loads = taken(database).loads
    assert [[each.recipient for each in load] for load in loads] == [
        ["a@there.example", "b@there.example"],
        ["c@other.example"],
    ]
    assert {(each.message_id, each.dsn, each.attempts) for load in loads for each in load} == {(message_id, dsn, 0)}
    assert taken(database).loads == ()


def test_an_attempt_that_begins_again_on_another_connection_stays_one(database: Database) -> None:
    message_id = out(database)
    found = one(database)
    assert started(database, found)
    again = Start(deliveries=(found,), at_ms=NOW_MS + 5, host="mx2 [192.0.2.2]", tls="TLSv1.3")
    assert database.writer.submit(begin, again).result()
    ended(database, found, Result.DELIVERED, NOW_MS + 9)
    with database.read() as connection:
        ((after,),) = deliveries_of(connection, visible=OPERATOR, message_ids=[message_id]).values()
        (only,) = attempts_of(connection, visible=OPERATOR, delivery_id=found.id)
    assert (after.state, after.attempts) == ("delivered", 1)
    assert (only.started_ms, only.host, only.tls, only.outcome) == (NOW_MS + 5, again.host, "TLSv1.3", "delivered")
    assert not database.writer.submit(begin, again).result()  # it is nobody's any more


def test_nothing_is_claimed_before_its_time(database: Database) -> None:
    out(database, at_ms=NOW_MS + 15_000)
    assert taken(database).loads == ()
    with database.read() as connection:
        assert next_due_ms(connection) == NOW_MS + 15_000
    assert len(taken(database, NOW_MS + 15_000).loads) == 1


def test_a_hop_gets_no_more_than_its_places(database: Database) -> None:
    for number in range(5):
        out(database, number=number)
    out(database, ("z@other.example",), number=9)
    first = taken(database)
    assert sorted(load[0].next_hop for load in first.loads) == ["other.example", "there.example", "there.example"]
    busy = {("smtp", "there.example"): 2}
    assert taken(database, active=busy).loads == ()
    assert len(taken(database, active={}).loads) == 2
    assert len(taken(database, single=frozenset({"smtp"}), active={("smtp", ""): 1}).loads) == 1


@pytest.mark.parametrize(("kind", "sizes"), [(SMTP, [2]), (COPY, [1, 1])])
def test_recipients_at_one_hop_share_a_load_but_for_copies_with_headers_of_their_own(
    database: Database, kind: str, sizes: list[int]
) -> None:
    out(database, ("a@there.example", "b@there.example"), kind=kind)
    assert [len(load) for load in taken(database).loads] == sizes


def test_what_a_wrong_clock_put_off_is_due(sqlite_database: Database) -> None:
    out(sqlite_database, at_ms=NOW_MS + HORIZON_MS)
    assert taken(sqlite_database).loads == ()
    assert len(taken(sqlite_database, NOW_MS - 1).loads) == 1


@pytest.mark.parametrize("clock", [LEASE_MS + 1, TEN_YEARS, -TEN_YEARS])
def test_a_lease_that_ran_out_is_taken_over(database: Database, clock: int) -> None:
    out(database)
    first = one(database)
    if clock < 0:
        # What a clock ten years ahead has put off is due at once when the clock is right again.
        ended(database, first, Result.DEFERRED)
    second = one(database, NOW_MS + clock)
    assert second.id == first.id
    if clock > 0:
        assert not started(database, first)
        assert started(database, second)


def test_one_that_is_in_hand_is_not_taken_over_by_the_same_worker(database: Database) -> None:
    out(database)
    first = one(database)
    assert taken(database, NOW_MS + TEN_YEARS, mine=frozenset({first.id})).loads == ()


def test_an_attempt_is_recorded_before_it_ends_and_counts_once(database: Database) -> None:
    message_id = out(database)
    found = one(database)
    assert started(database, found)
    with database.read() as connection:
        (before,) = deliveries_of(connection, visible=OPERATOR, message_ids=[message_id])[message_id]
    assert (before.attempts, before.in_hand) == (1, True)
    assert ended(database, found, Result.DEFERRED) == Recorded(
        state="deferred", attempts=1, due_ms=NOW_MS + 300_000, doubtful=False
    )
    assert ended(database, one(database, NOW_MS + 300_000), Result.DELIVERED).attempts == 2


@pytest.mark.parametrize(("begun", "doubtful"), [(False, False), (True, True)])
def test_after_a_crash_it_is_tried_again_and_said_when_it_may_have_arrived(
    database: Database, *, begun: bool, doubtful: bool
) -> None:
    out(database)
    first = one(database)
    if begun:
        started(database, first)
    assert database.writer.submit(end_leases, None).result() == 1
    claimed = taken(database)
    assert [load[0].id for load in claimed.loads] == [first.id]
    assert claimed.doubtful == ((first.id,) if doubtful else ())
    recorded = ended(database, claimed.loads[0][0], Result.DELIVERED)
    assert (recorded.state, recorded.doubtful, recorded.attempts) == ("delivered", doubtful, 1 + begun)


def test_automatic_mail_that_may_have_arrived_is_never_tried_again(database: Database) -> None:
    out(database, once=True)
    out(database, once=True, number=2, to=("b@other.example",))
    (first,), (second,) = taken(database).loads
    started(database, first)
    database.writer.submit(end_leases, None).result()
    claimed = taken(database)
    assert [load[0].id for load in claimed.loads] == [second.id]
    assert claimed.ended == ((first.id, first.message_id),)
    started(database, claimed.loads[0][0])
    assert ended(database, claimed.loads[0][0], Result.UNKNOWN).state == "failed"
    with database.read() as connection:
        found = deliveries_in(connection, visible=OPERATOR, limit=9, states=("failed",))
    assert [(each.doubtful, "never" in each.outcome or "not sent twice" in each.outcome) for each in found] == [
        (True, True)
    ] * 2
    for each in found:
        with pytest.raises(MaildError, match="never sent twice"):
            done(database, each.id, Act.RETRY)


@pytest.mark.parametrize("act", [Act.HOLD, Act.DROP])
def test_what_somebody_keeps_back_while_it_is_in_hand_is_not_sent(database: Database, act: Act) -> None:
    out(database)
    found = one(database)
    done(database, found.id, act)
    assert not started(database, found)
    expected = {Act.HOLD: "held", Act.DROP: "dropped"}[act]
    assert ended(database, found, Result.DEFERRED).state == expected
    assert state(database, found.id) == expected


def test_what_arrived_is_delivered_whatever_somebody_did_meanwhile(database: Database) -> None:
    out(database)
    found = one(database)
    started(database, found)
    done(database, found.id, Act.DROP)
    assert ended(database, found, Result.DELIVERED).state == "delivered"


def test_an_attempt_under_way_when_it_was_held_is_ended_and_doubted(database: Database) -> None:
    out(database)
    found = one(database)
    started(database, found)
    done(database, found.id, Act.HOLD)
    assert ended(database, found, Result.UNKNOWN).doubtful
    done(database, found.id, Act.RELEASE)
    assert taken(database).doubtful == ()


ACTS = {
    ("queued", Act.HOLD): "held", ("queued", Act.DROP): "dropped", ("queued", Act.RETRY): "queued",
    ("deferred", Act.HOLD): "held", ("deferred", Act.DROP): "dropped", ("deferred", Act.RETRY): "deferred",
    ("held", Act.RELEASE): "queued", ("held", Act.DROP): "dropped",
    ("failed", Act.RETRY): "queued", ("failed", Act.DROP): "dropped",
    ("expired", Act.RETRY): "queued", ("expired", Act.DROP): "dropped",
}  # fmt: skip


@pytest.mark.parametrize("act", list(Act))
@pytest.mark.parametrize("before", ["queued", "deferred", "held", "failed", "expired", "delivered", "dropped"])
def test_each_act_on_each_state(sqlite_database: Database, before: str, act: Act) -> None:
    message_id = out(sqlite_database)

    def put(connection: Connection, arguments: list[str]) -> list[None]:
        connection.execute(table.update().values(state=arguments[0], due_ms=NOW_MS + DAY_MS))
        return [None]

    sqlite_database.writer.submit(put, before).result()
    with sqlite_database.read() as connection:
        (found,) = deliveries_of(connection, visible=OPERATOR, message_ids=[message_id])[message_id]
    if (before, act) not in ACTS:
        with pytest.raises(MaildError):
            done(sqlite_database, found.id, act)
        assert state(sqlite_database, found.id) == before
        return
    assert done(sqlite_database, found.id, act) == ACTS[before, act] == state(sqlite_database, found.id)
    assert len(taken(sqlite_database).loads) == (act in (Act.RELEASE, Act.RETRY))


def test_it_expires_after_five_days_of_tries_and_gets_as_long_again(sqlite_database: Database) -> None:
    out(sqlite_database)
    now, late = NOW_MS, []
    found = one(sqlite_database)
    while (recorded := ended(sqlite_database, found, Result.DEFERRED, now)).due_ms is not None:
        late.append(recorded.late)
        now = recorded.due_ms
        found = one(sqlite_database, now)
    assert recorded.state == "expired"
    assert 5 * DAY_MS <= now - NOW_MS < 5.3 * DAY_MS
    assert late.count(True) == 1
    assert late.index(True) == 6  # after four hours
    done(sqlite_database, found.id, Act.RETRY)
    assert ended(sqlite_database, one(sqlite_database, now), Result.DEFERRED, now).state == "deferred"


def test_who_may_not_see_the_team_sees_no_delivery(database: Database) -> None:
    message_id = out(database, team="kita")
    ours, others = Visible(teams=frozenset({"kita"})), Visible(teams=frozenset({"kasse"}))
    with database.read() as connection:
        (delivery_id,) = connection.scalars(select(table.c.id))
        assert delivery(connection, visible=ours, delivery_id=delivery_id).recipient == "a@there.example"
        assert [each.id for each in deliveries_in(connection, visible=ours, limit=9)] == [delivery_id]
        assert delivery_counts(connection, visible=ours) == {"queued": 1}
        for visible in (others, NOTHING):
            assert deliveries_in(connection, visible=visible, limit=9) == []
            assert deliveries_of(connection, visible=visible, message_ids=[message_id]) == {}
            assert delivery_counts(connection, visible=visible) == {}
            with pytest.raises(NotFoundError):
                delivery(connection, visible=visible, delivery_id=delivery_id)


@pytest.mark.parametrize(
    ("to", "found"),
    [
        ("there.example", {"a@there.example", "B@there.example"}),
        ("b@there.example", {"B@there.example"}),
        ("HERE.example", {"c@here.example"}),
        ("example", set()),
        ("%", set()),
        ("_here.example", set()),
        ("", {"a@there.example", "B@there.example", "c@here.example"}),
    ],
)
def test_deliveries_are_found_by_address_domain_and_next_hop(database: Database, to: str, found: set[str]) -> None:
    out(database, ("a@there.example", "B@there.example"), next_hop="relay.example")
    out(database, ("c@here.example",), number=2, next_hop="relay.example")
    with database.read() as connection:
        listed = deliveries_in(connection, visible=OPERATOR, limit=9, to=to)
        by_hop = deliveries_in(connection, visible=OPERATOR, limit=9, to="relay.example")
        newest = deliveries_in(connection, visible=OPERATOR, limit=9, newest_first=True)
        older = deliveries_in(connection, visible=OPERATOR, limit=9, newest_first=True, after=newest[0].id)
    assert {each.recipient for each in listed} == found
    assert len(by_hop) == 3
    assert older == newest[1:]


def test_the_indexes_of_what_is_due_and_open_are_used(sqlite_database: Database) -> None:
    from maild.delivery.queue import claiming

    asked = Claim(now_ms=NOW_MS, lease_ms=NOW_MS + 9, loads=1, per_hop=1)
    with sqlite_database.read() as connection:
        text = claiming._due(asked, 20).compile(connection, compile_kwargs={"literal_binds": True})
        plan = " ".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
    assert "deliveries_due" in plan
