"""What the reports about our domains come to: who sends in our name, and whether it passes; which sessions failed.

As in `maild.archive.reports`, nothing here is about any letter of ours. All figures are what the reporters say.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from maild.archive.schema_senders import dmarc_reports, dmarc_sources, tls_reports

_DAY_MS = 86_400_000
_SHOWN = 100  # machines of one domain
OTHERS = 50  # names below the domains that are served; whoever reports can invent them
_DETAILS_OCTETS = 20_000_000  # of failures of TLS; beyond, the newest count
_LOOKED_AT = 5_000  # rows of details: they say who a machine is, not how much came from it


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day (days since 1970, UTC), and how many messages passed and did not."""

    day: int
    passed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A machine that sent in a domain's name, and how its messages fared.

    `dkim` and `spf` passed aligned, `passed` by one of both. `names` are the domains it proved to speak for, aligned or
    not; `reasons` why a receiver did not do what the domain's policy asks.
    """

    ip: str
    messages: int
    passed: int
    dkim: int
    spf: int
    quarantined: int
    rejected: int
    names: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainUse:
    """What the aggregate reports about one domain come to. `policy` is as the newest one has it."""

    domain: str
    reports: int
    reporters: tuple[str, ...]  # the busiest first
    newest_ms: int
    policy: Mapping[str, str]
    days: tuple[Day, ...]
    senders: tuple[Sender, ...]  # the busiest first, at most a hundred
    sender_count: int

    @property
    def passed(self) -> int:
        """Messages that passed DMARC."""
        return sum(day.passed for day in self.days)

    @property
    def failed(self) -> int:
        """Messages that did not."""
        return sum(day.failed for day in self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsUse:
    """What the reports about TLS come to for one domain. `kinds`: failures and their sessions, the commonest first."""

    domain: str
    reports: int
    reporters: tuple[str, ...]
    newest_ms: int
    policies: tuple[str, ...]  # sts, tlsa, no-policy-found
    successes: int
    failures: int
    kinds: tuple[tuple[str, int], ...]


def domain_uses(
    connection: Connection, *, since_ms: int, until_ms: int, ours: Collection[str] = ()
) -> tuple[DomainUse, ...]:
    """Return what is reported of each domain for a time, by name. A report counts where its end lies.

    Of names that are not `ours` there are those with the most reports, `OTHERS` at most.
    """
    r = dmarc_reports.c
    found = connection.execute(
        select(r.id, r.domain, r.organisation, r.begin_ms, r.end_ms)
        .where(r.end_ms >= since_ms, r.end_ms < until_ms)
        .order_by(r.domain, r.end_ms, r.id)
    )
    by_domain: dict[str, list[Any]] = defaultdict(list)
    for row in found:
        by_domain[row.domain].append(row)
    return tuple(_use(connection, domain, by_domain[domain], since_ms, until_ms) for domain in _shown(by_domain, ours))


def _shown(by_domain: Mapping[str, list[Any]], ours: Collection[str]) -> list[str]:
    others = sorted([name for name in by_domain if name not in ours], key=lambda name: (-len(by_domain[name]), name))
    return sorted([*(name for name in by_domain if name in ours), *others[:OTHERS]])


def _use(connection: Connection, domain: str, reports: list[Any], since_ms: int, until_ms: int) -> DomainUse:
    r = dmarc_reports.c
    within = (r.domain == domain, r.end_ms >= since_ms, r.end_ms < until_ms)
    policy = connection.scalar(select(r.policy).where(r.id == reports[-1].id))
    senders = _senders(connection, within)
    counted = select(func.count(dmarc_sources.c.ip.distinct())).join_from(dmarc_sources, dmarc_reports).where(*within)
    return DomainUse(
        domain=domain,
        reports=len(reports),
        reporters=_names(Counter(row.organisation for row in reports)),
        newest_ms=reports[-1].end_ms,
        policy=json.loads(policy or "{}"),
        days=_days(connection, reports, within),
        senders=senders,
        sender_count=connection.scalar(counted) or 0,
    )


def _names(counts: Counter[str]) -> tuple[str, ...]:
    return tuple(name for name, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def _highest(names: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out names below others of these: `bounce.stadtwerke.example` beside `stadtwerke.example` says nothing."""
    return tuple(name for name in names if not any(name.endswith(f".{other}") for other in names))


def _sum(condition: ColumnElement[bool] | None = None) -> ColumnElement[int]:
    number = dmarc_sources.c.messages
    return func.coalesce(func.sum(number if condition is None else case((condition, number), else_=0)), 0)


_S = dmarc_sources.c
_PASSED = or_(_S.dkim == "pass", _S.spf == "pass")


def _days(connection: Connection, reports: list[Any], within: tuple[ColumnElement[bool], ...]) -> tuple[Day, ...]:
    # A report of a day ends with it or begins it, in whatever zone the reporter is: its middle is in that day.
    day_of = {row.id: (row.begin_ms + row.end_ms) // 2 // _DAY_MS for row in reports}
    sums = (
        select(_S.report_id, _sum(_PASSED).label("passed"), _sum().label("messages"))
        .join_from(dmarc_sources, dmarc_reports)
        .where(*within)
        .group_by(_S.report_id)
    )
    passed: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    for row in connection.execute(sums):
        day = day_of.get(row.report_id)
        if day is not None:
            passed[day] += int(row.passed)
            failed[day] += int(row.messages) - int(row.passed)
    return tuple(Day(day=day, passed=passed[day], failed=failed[day]) for day in sorted(passed))


def _senders(connection: Connection, within: tuple[ColumnElement[bool], ...]) -> tuple[Sender, ...]:
    rows = connection.execute(
        select(
            _S.ip,
            _sum().label("messages"),
            _sum(_PASSED).label("passed"),
            _sum(_S.dkim == "pass").label("dkim"),
            _sum(_S.spf == "pass").label("spf"),
            _sum(_S.disposition == "quarantine").label("quarantined"),
            _sum(_S.disposition == "reject").label("rejected"),
        )
        .join_from(dmarc_sources, dmarc_reports)
        .where(*within)
        .group_by(_S.ip)
        .order_by(_sum().desc(), _S.ip)
        .limit(_SHOWN)
    ).all()
    names, reasons = _details(connection, within, [row.ip for row in rows])
    return tuple(
        Sender(
            ip=row.ip,
            messages=int(row.messages),
            passed=int(row.passed),
            dkim=int(row.dkim),
            spf=int(row.spf),
            quarantined=int(row.quarantined),
            rejected=int(row.rejected),
            names=_highest(_names(names[row.ip])),
            reasons=_names(reasons[row.ip]),
        )
        for row in rows
    )


def _details(
    connection: Connection, within: tuple[ColumnElement[bool], ...], ips: list[str]
) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    """Return for each machine the domains it proved to speak for, and why it was treated otherwise."""
    names: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    rows = connection.execute(
        select(_S.ip, _S.details, func.max(_S.messages).label("most"))
        .join_from(dmarc_sources, dmarc_reports)
        .where(*within, _S.ip.in_(ips))
        .group_by(_S.ip, _S.details)
        .order_by(func.max(_S.messages).desc(), _S.ip, _S.details)
        .limit(_LOOKED_AT)
    )
    for row in rows:
        said = json.loads(row.details)
        proven = {name for _, name, result, *_ in said.get("authenticated", ()) if result == "pass"}
        for name in proven:
            names[row.ip][name] += row.most
        for reason in said.get("reasons", ()):
            reasons[row.ip][reason] += row.most
    return names, reasons


def tls_uses(connection: Connection, *, since_ms: int, until_ms: int, ours: Collection[str] = ()) -> tuple[TlsUse, ...]:
    """Return what the reports about TLS come to for a time, as `domain_uses` does."""
    t = tls_reports.c
    within = (t.end_ms >= since_ms, t.end_ms < until_ms)
    columns = (t.domain, t.organisation, t.report, t.end_ms, t.policy_type, t.successes, t.failures)
    by_domain: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(select(*columns).where(*within)):
        by_domain[row.domain].append(row)
    kinds = _kinds(connection, within)
    return tuple(_tls_use(domain, by_domain[domain], kinds[domain]) for domain in _shown(by_domain, ours))


def _kinds(connection: Connection, within: tuple[ColumnElement[bool], ...]) -> dict[str, Counter[str]]:
    """Return how many sessions failed, by domain and kind."""
    # Security: strangers write these, megabytes a mail. Never more than a few rows are in memory.
    t = tls_reports.c
    rows = connection.execute(
        select(t.domain, t.details).where(*within).order_by(t.end_ms.desc(), t.id.desc()),
        execution_options={"yield_per": 50},
    )
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    left = _DETAILS_OCTETS
    for row in rows:
        left -= len(row.details)
        if left < 0:
            rows.close()
            break
        for each in json.loads(row.details):
            kinds[row.domain][each["kind"]] += each["sessions"]
    return kinds


def _tls_use(domain: str, rows: list[Any], kinds: Counter[str]) -> TlsUse:
    return TlsUse(
        domain=domain,
        reports=len({(row.organisation, row.report) for row in rows}),
        reporters=_names(Counter(row.organisation for row in rows)),
        newest_ms=max(row.end_ms for row in rows),
        policies=tuple(sorted({row.policy_type for row in rows})),
        successes=sum(row.successes for row in rows),
        failures=sum(row.failures for row in rows),
        kinds=tuple(sorted(kinds.items(), key=lambda each: (-each[1], each[0]))),
    )
