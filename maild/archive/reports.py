"""Reports about our domains, as they are kept: each once, however often it comes.

Security: the same report is one of the same number, from the same proven sender. A number can be guessed; what a
stranger sends under it stands beside the true report, and does not keep it out.

They are sums that others have made, and hold nothing of any letter of ours: who may see them is a matter of roles, and
not of `visible`. The letter that brought one stays where the rules have put it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.dml import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite.dml import Insert as SqliteInsert

from maild.archive.examinations import evidence_of
from maild.archive.schema import messages, summaries
from maild.archive.schema_senders import dmarc_reports, dmarc_sources, tls_reports
from maild.mail.dmarc_report import DmarcReport, DmarcSource
from maild.mail.evidence import Evidence
from maild.mail.ids import message_id_at
from maild.mail.tls_report import TlsPolicy, TlsReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """The reports of one message, those about our domains alone. `sender`: the domain that is proven of it, or ""."""

    message_id: int
    sender: str = ""
    dmarc: tuple[DmarcReport, ...] = ()
    tls: tuple[TlsReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A filed message that may hold reports. `evidence`: of its sender, who says to be `from_mail`."""

    message_id: int
    digest: bytes
    size: int
    from_mail: str = ""
    evidence: Evidence | None = None


def record(connection: Connection, items: list[Arrived]) -> Sequence[int]:
    """Keep reports; return for each message how many of them were new. A unit of work."""
    return [
        sum(_keep_dmarc(connection, item, each) for each in item.dmarc)
        + sum(_keep_tls(connection, item, each) for each in item.tls)
        for item in items
    ]


def candidate(connection: Connection, message_id: int) -> Candidate | None:
    """Return a message that is to be read for reports."""
    m = messages.c
    row = connection.execute(
        select(m.id, m.digest, m.size, summaries.c.from_mail)
        .outerjoin(summaries, summaries.c.message_id == m.id)
        .where(m.id == message_id)
    ).one_or_none()
    if row is None:
        return None
    return Candidate(
        message_id=row.id, digest=bytes(row.digest), size=row.size, from_mail=row.from_mail or "",
        evidence=evidence_of(connection, [row.id]).get(row.id),
    )  # fmt: skip


def candidates(
    connection: Connection, *, since_ms: int, largest_bytes: int, after: int = 0, named: bool = True
) -> list[int]:
    """Return the messages that may hold reports, the oldest first: those from a time on, and behind the one `after`.

    With `named` only those whose subject says so.
    """
    m, s = messages.c, summaries.c
    ids = (
        select(m.id)
        .join_from(messages, summaries, m.id == s.message_id)
        .where(m.id >= message_id_at(since_ms, 0), m.id > after, m.direction == "in")
        .where(m.size <= largest_bytes, s.attachments > 0)
        .order_by(m.id)
    )
    if named:
        ids = ids.where(func.lower(s.subject).like("%report%"))
    return list(connection.scalars(ids))


def newest(connection: Connection) -> int:
    """Return the newest message that a report was read from; 0 when there is none."""
    found = (connection.scalar(select(func.max(table.c.message_id))) for table in (dmarc_reports, tls_reports))
    return max(each or 0 for each in found)


def _numbered(report: str, item: Arrived) -> str:
    """Return the number of a report as it is kept. No number has a line end in it."""
    return f"{report}\n{item.sender}" if item.sender else report


def _keep_dmarc(connection: Connection, item: Arrived, report: DmarcReport) -> int:
    row = {
        "message_id": item.message_id,
        "domain": report.domain,
        "organisation": report.organisation,
        "report": _numbered(report.report, item),
        "begin_ms": report.begin_ms,
        "end_ms": report.end_ms,
        "policy": json.dumps(dict(report.policy)),
    }
    before = _unproven(connection, dmarc_reports, row, report.report) if item.sender else []
    if before:
        connection.execute(delete(dmarc_sources).where(dmarc_sources.c.report_id.in_(before)))
        connection.execute(delete(dmarc_reports).where(dmarc_reports.c.id.in_(before)))
    made = _insert_once(connection, dmarc_reports).values(row).returning(dmarc_reports.c.id)
    report_id = connection.scalar(made)
    if report_id is None:
        return 0
    if report.sources:
        rows = [_source(report_id, position, each) for position, each in enumerate(report.sources)]
        connection.execute(insert(dmarc_sources), rows)
    return 0 if before else 1


def _unproven(connection: Connection, table: Table, row: Mapping[str, object], number: str) -> list[int]:
    """Return where the same part of the same message was kept before its sender was proven, or asked for."""
    same = {name: row[name] for name in ("message_id", "organisation", "domain", "policy_type") if name in row}
    where = [table.c[name] == value for name, value in same.items()]
    return list(connection.scalars(select(table.c.id).where(*where, table.c.report == number)))


def _source(report_id: int, position: int, source: DmarcSource) -> dict[str, object]:
    details = {"authenticated": source.authenticated, "reasons": source.reasons}
    return {
        "report_id": report_id,
        "position": position,
        "ip": source.ip,
        "messages": source.messages,
        "disposition": source.disposition,
        "dkim": source.dkim,
        "spf": source.spf,
        "header_from": source.header_from,
        "details": json.dumps({name: value for name, value in details.items() if value}),
    }


def _keep_tls(connection: Connection, item: Arrived, report: TlsReport) -> int:
    kept = [_keep_policy(connection, item, report, policy) for policy in report.policies]
    return int(any(kept))


def _keep_policy(connection: Connection, item: Arrived, report: TlsReport, policy: TlsPolicy) -> bool:
    row = {
        "message_id": item.message_id,
        "domain": policy.domain,
        "organisation": report.organisation,
        "report": _numbered(report.report, item),
        "begin_ms": report.begin_ms,
        "end_ms": report.end_ms,
        "policy_type": policy.kind,
        "successes": policy.successes,
        "failures": policy.failures,
        "details": json.dumps([each._asdict() for each in policy.details]),
    }
    before = _unproven(connection, tls_reports, row, report.report) if item.sender else []
    if before:
        connection.execute(delete(tls_reports).where(tls_reports.c.id.in_(before)))
    made = _insert_once(connection, tls_reports).values(row).returning(tls_reports.c.id)
    return connection.scalar(made) is not None and not before


def _insert_once(connection: Connection, table: Table) -> SqliteInsert | PostgresInsert:
    """Insert a row unless the same report is there already."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()
