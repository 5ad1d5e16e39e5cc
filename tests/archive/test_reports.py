"""Reports about our domains: kept once, and added up; on both databases."""

from __future__ import annotations

import json
from typing import Any

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.report_overview import OTHERS, Day, DomainUse, TlsUse, domain_uses, tls_uses
from maild.archive.reports import Arrived, candidate, candidates, newest, record
from maild.mail.dmarc_report import DmarcReport, parse
from maild.mail.tls_report import TlsReport
from maild.mail.tls_report import parse as parse_tls
from tests.archive.samples import NOW_MS, acceptance, filing
from tests.mail.dmarc_samples import BEGIN, END, feedback, tls
from tests.mail.dmarc_samples import record as row

DAY_S = 86_400
DAY_MS = DAY_S * 1000


def put(
    database: Database, number: int, *, subject: str = "Report Domain: x", days_ago: int = 0, attachments: int = 1
) -> int:
    taken = acceptance(number, at_ms=NOW_MS - days_ago * DAY_MS)
    message_id = database.writer.submit(accept, taken).result().message_id
    made = filing(message_id, subject=subject)
    made = made._replace(summary=made.summary._replace(attachments=attachments))
    assert database.writer.submit(file, made).result() is not None
    return message_id


def report(*rows: str, **more: Any) -> DmarcReport:
    return parse(feedback(*(rows or (row(),)), **more))


def tls_report(**policy: Any) -> TlsReport:
    return parse_tls(json.dumps(tls(**policy)).encode())


def keep(database: Database, message_id: int, *found: DmarcReport | TlsReport, sender: str = "") -> int:
    dmarc = tuple(each for each in found if isinstance(each, DmarcReport))
    others = tuple(each for each in found if isinstance(each, TlsReport))
    arrived = Arrived(message_id=message_id, sender=sender, dmarc=dmarc, tls=others)
    return database.writer.submit(record, arrived).result()


def uses(database: Database, days: int = 30) -> tuple[DomainUse, ...]:
    with database.read() as connection:
        return domain_uses(connection, since_ms=NOW_MS - days * DAY_MS, until_ms=NOW_MS + DAY_MS)


def sessions(database: Database) -> tuple[TlsUse, ...]:
    with database.read() as connection:
        return tls_uses(connection, since_ms=NOW_MS - 30 * DAY_MS, until_ms=NOW_MS + DAY_MS)


def test_the_same_report_twice_is_kept_once(database: Database) -> None:
    first, second = put(database, 1), put(database, 2)
    assert keep(database, first, report(), report(report="r-2"), tls_report()) == 3
    assert keep(database, second, report(row(number=99)), tls_report()) == 0
    assert keep(database, second, report(organisation="andere.example")) == 1
    (use,) = uses(database)
    assert (use.reports, use.passed, use.failed) == (3, 9, 0)
    assert use.reporters == ("grosse-post.example", "andere.example")
    assert [(each.reports, each.successes, each.failures) for each in sessions(database)] == [(1, 5326, 4)]


def test_a_guessed_number_keeps_no_true_report_out(database: Database) -> None:
    forged, guessed, true, again = (put(database, number) for number in range(1, 5))
    lie, truth = report(row(number=99)), report(row(number=3))
    nothing, sessions_of = tls_report()._replace(policies=()), tls_report()
    lies = tuple(each._replace(successes=0, failures=0) for each in sessions_of.policies)
    assert keep(database, forged, lie, nothing._replace(policies=lies)) == 2
    assert keep(database, guessed, lie, nothing._replace(policies=lies), sender="böse.example") == 2
    assert keep(database, true, truth, sessions_of, sender="grosse-post.example") == 2
    assert keep(database, again, truth, sessions_of, sender="grosse-post.example") == 0
    (use,) = uses(database)
    assert (use.reports, use.passed, use.reporters) == (3, 99 + 99 + 3, ("grosse-post.example",))
    (tls_use,) = sessions(database)
    assert (tls_use.reports, tls_use.successes, tls_use.failures) == (3, 5326, 4)


def test_a_report_that_is_read_again_when_its_sender_is_proven_is_still_one(database: Database) -> None:
    message_id = put(database, 1)
    assert keep(database, message_id, report(), tls_report()) == 2
    for _ in range(2):
        assert keep(database, message_id, report(), tls_report(), sender="grosse-post.example") == 0
    assert [(use.reports, use.passed) for use in uses(database)] == [(1, 3)]
    assert [(use.reports, use.successes) for use in sessions(database)] == [(1, 5326)]


def test_who_sends_in_our_name_is_added_up_by_machine(database: Database) -> None:
    message_id = put(database, 1)
    one = report(
        row("192.0.2.7", 10),
        row("192.0.2.7", 5, dkim="fail", spf="pass"),
        row("192.0.2.7", 2, dkim="fail", disposition="quarantine", reason="mailing_list"),
        row("198.51.100.9", 40, dkim="fail", disposition="reject", signer="spam.example"),
    )
    earlier = report(row("192.0.2.7", 3), report="r-0", begin=BEGIN - DAY_S, end=END - DAY_S)
    other = report(row(), domain="verband.example", report="v")
    assert keep(database, message_id, one, earlier, other) == 3
    use, verband = uses(database)
    assert (use.domain, verband.domain) == ("musterstadt.example", "verband.example")
    forger, ours = use.senders
    assert (forger.ip, forger.messages, forger.passed, forger.rejected) == ("198.51.100.9", 40, 0, 40)
    assert forger.names == ()
    assert (ours.ip, ours.messages, ours.passed, ours.dkim, ours.spf) == ("192.0.2.7", 20, 18, 13, 5)
    assert (ours.quarantined, ours.reasons) == (2, ("mailing_list",))
    assert ours.names == ("stadtwerke.example",)
    day = BEGIN // DAY_S
    assert use.days == (Day(day=day - 1, passed=3, failed=0), Day(day=day, passed=15, failed=42))
    assert (use.passed, use.failed, use.sender_count, use.newest_ms) == (18, 42, 2, END * 1000)
    assert use.policy["p"] == "none"


def test_only_the_time_that_is_asked_for_counts(database: Database) -> None:
    message_id = put(database, 1)
    old = report(report="old", begin=BEGIN - 40 * DAY_S, end=END - 40 * DAY_S)
    future = report(report="new", begin=BEGIN + 5 * DAY_S, end=END + 5 * DAY_S)
    assert keep(database, message_id, old, future) == 2
    assert uses(database) == ()
    assert [use.reports for use in uses(database, 90)] == [1]


def test_numbers_at_the_limit_can_still_be_added(database: Database) -> None:
    message_id = put(database, 1)
    most = [row(f"10.0.{n // 250}.{n % 250}", 2**53 - 1) for n in range(2_000)]
    assert keep(database, message_id, report(*most), report(*most, report="again")) == 2
    (use,) = uses(database)
    assert use.passed == 4_000 * 10**10
    assert (len(use.senders), use.sender_count) == (100, 2_000)


def test_failed_sessions_are_added_up_by_kind(database: Database) -> None:
    message_id = put(database, 1)
    again = tls_report(policy={"policy-type": "tlsa", "policy-domain": "musterstadt.example"})
    assert keep(database, message_id, tls_report(), again._replace(report="t-2")) == 2
    (use,) = sessions(database)
    assert use.kinds == (("certificate-expired", 6), ("starttls-not-supported", 2))
    assert (use.policies, use.reports, use.reporters) == (("sts", "tlsa"), 2, ("Große Post",))
    assert use.newest_ms == END * 1000


def test_messages_that_may_hold_reports_are_found_again(database: Database) -> None:
    old = put(database, 1, days_ago=40)
    first, second = put(database, 2, days_ago=3), put(database, 3, days_ago=2)
    put(database, 4, subject="REPORT without a file", attachments=0)
    other = put(database, 5, subject="Anlage")
    with database.read() as connection:
        since: dict[str, Any] = {"since_ms": NOW_MS - 30 * DAY_MS, "largest_bytes": 1_000}
        assert candidates(connection, **since) == [first, second]
        assert candidates(connection, **since, named=False) == [first, second, other]
        assert candidates(connection, since_ms=0, largest_bytes=1_000) == [old, first, second]
        assert candidates(connection, since_ms=0, largest_bytes=1) == []
        assert newest(connection) == 0
        found = candidate(connection, first)
        assert found is not None
        assert found.digest == acceptance(2).content.digest
        assert candidate(connection, 1) is None
    keep(database, first, report())
    with database.read() as connection:
        assert newest(connection) == first
        assert candidates(connection, **since, after=newest(connection)) == [second]


def test_of_names_that_reporters_may_have_invented_few_are_returned_and_ours_always(database: Database) -> None:
    message_id = put(database, 1)
    ours = "zz.example"
    kept = [report(domain=f"n{n}.{ours}", report=f"r{n}") for n in range(OTHERS + 5)]
    kept += [report(domain=ours, report="r"), report(domain=f"n{OTHERS + 4}.{ours}", report="again")]
    policy = tls()["policies"][0]
    domains = [ours, *(f"n{n}.{ours}" for n in range(OTHERS + 5))]
    policies = [policy | {"policy": policy["policy"] | {"policy-domain": domain}} for domain in domains]
    keep(database, message_id, *kept, parse_tls(json.dumps(tls() | {"policies": policies}).encode()))
    with database.read() as connection:
        span = {"since_ms": 0, "until_ms": NOW_MS + DAY_MS}
        found = [use.domain for use in domain_uses(connection, **span, ours=(ours,))]
        sessions = tls_uses(connection, **span, ours=(ours,))
    assert (len(found), found[-1], f"n{OTHERS + 4}.{ours}" in found) == (OTHERS + 1, ours, True)
    assert (len(sessions), sessions[-1].domain, bool(sessions[-1].kinds)) == (OTHERS + 1, ours, True)
