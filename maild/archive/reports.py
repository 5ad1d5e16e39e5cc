"""Reports about our domains, as they are kept: each once, however often it comes.

They are sums that others have made, and hold nothing of any letter of ours: who may see them is a matter of roles, and
not of `visible`. The letter that brought one stays where the rules have put it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.dml import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite.dml import Insert as SqliteInsert

from maild.archive.schema import messages, summaries
from maild.archive.schema_senders import dmarc_reports, dmarc_sources, tls_reports
from maild.mail.dmarc_report import DmarcReport, DmarcSource
from maild.mail.ids import message_id_at
from maild.mail.tls_report import TlsPolicy, TlsReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """The reports of one message, those about our domains alone."""

    message_id: int
    dmarc: tuple[DmarcReport, ...] = ()
    tls: tuple[TlsReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A filed message that may hold reports."""

    message_id: int
    digest: bytes
    size: int


def record(connection: Connection, items: list[Arrived]) -> Sequence[int]:
    """Keep reports; return for each message how many of them were new. A unit of work."""
    return [
        sum(_keep_dmarc(connection, item.message_id, each) for each in item.dmarc)
        + sum(_keep_tls(connection, item.message_id, each) for each in item.tls)
        for item in items
    ]


def candidate(connection: Connection, message_id: int) -> Candidate | None:
    """Return a message that is to be read for reports."""
    m = messages.c
    row = connection.execute(select(m.id, m.digest, m.size).where(m.id == message_id)).one_or_none()
    return None if row is None else Candidate(message_id=row.id, digest=bytes(row.digest), size=row.size)


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


def _keep_dmarc(connection: Connection, message_id: int, report: DmarcReport) -> int:
    row = {
        "message_id": message_id,
        "domain": report.domain,
        "organisation": report.organisation,
        "report": report.report,
        "begin_ms": report.begin_ms,
        "end_ms": report.end_ms,
        "policy": json.dumps(dict(report.policy)),
    }
    made = _insert_once(connection, dmarc_reports).values(row).returning(dmarc_reports.c.id)
    report_id = connection.scalar(made)
    if report_id is None:
        return 0
    if report.sources:
        rows = [_source(report_id, position, each) for position, each in enumerate(report.sources)]
        connection.execute(insert(dmarc_sources), rows)
    return 1


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


def _keep_tls(connection: Connection, message_id: int, report: TlsReport) -> int:
    kept = [_keep_policy(connection, message_id, report, policy) for policy in report.policies]
    return int(any(kept))


def _keep_policy(connection: Connection, message_id: int, report: TlsReport, policy: TlsPolicy) -> bool:
    row = {
        "message_id": message_id,
        "domain": policy.domain,
        "organisation": report.organisation,
        "report": report.report,
        "begin_ms": report.begin_ms,
        "end_ms": report.end_ms,
        "policy_type": policy.kind,
        "successes": policy.successes,
        "failures": policy.failures,
        "details": json.dumps([each._asdict() for each in policy.details]),
    }
    made = _insert_once(connection, tls_reports).values(row).returning(tls_reports.c.id)
    return connection.scalar(made) is not None


def _insert_once(connection: Connection, table: Table) -> SqliteInsert | PostgresInsert:
    """Insert a row unless the same report is there already."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()
