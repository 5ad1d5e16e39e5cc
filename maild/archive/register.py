"""The register of returned mail: what came back, by conversation and by mailing, as a page and as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, func, select

from maild.archive.allowed import allowed, readable
from maild.archive.schema_outgoing import returns
from maild.mail.dsn import FAILED
from maild.policy.visible import Visible
from maild.rules.directory import harmless

_COLUMNS = ("team", "mailing", "recipient", "code", "reason", "hard", "first_seen", "last_seen", "count")
_MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What a report said of one recipient of a message of ours."""

    report_id: int
    delivery_id: int | None
    recipient: str
    action: str
    code: str
    hard: bool
    reason: str
    text: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A line of the register: one recipient who did not get one mailing, and why. `mailing` "": a single letter."""

    team: str
    mailing: str
    recipient: str
    code: str
    reason: str
    hard: bool
    first_ms: int
    last_ms: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """What came back of one mailing."""

    team: str
    name: str
    recipients: int
    hard: int  # of these recipients, those for whom it will not get better by itself
    first_ms: int
    last_ms: int


def returns_of(connection: Connection, *, visible: Visible, message_ids: Iterable[int]) -> dict[int, tuple[Came, ...]]:
    """Return what came back for messages of ours, in order; only for those that may be read."""
    ids = readable(connection, visible=visible, message_ids=message_ids)
    r = returns.c
    found: dict[int, list[Came]] = {}
    for row in connection.execute(select(returns).where(r.about_id.in_(sorted(ids))).order_by(r.report_id, r.position)):
        found.setdefault(row.about_id, []).append(
            Came(
                report_id=row.report_id, delivery_id=row.delivery_id, recipient=row.recipient, action=row.action,
                code=row.code, hard=bool(row.hard), reason=row.reason, text=row.text, at_ms=row.at_ms,
            )
        )  # fmt: skip
    return {number: tuple(several) for number, several in found.items()}


def mailings(connection: Connection, *, visible: Visible) -> list[Mailing]:
    """Return the mailings that something came back of, the newest first."""
    r = returns.c
    each = (
        select(r.team, r.mailing, r.recipient, func.max(r.hard).label("hard"),
               func.min(r.at_ms).label("first"), func.max(r.at_ms).label("last"))
        .where(allowed(r.team, visible), r.action == FAILED, r.mailing != "")
        .group_by(r.team, r.mailing, r.recipient)
        .subquery()
    )  # fmt: skip
    e = each.c
    last = func.max(e.last).label("last")
    statement = (
        select(e.team, e.mailing, func.count().label("recipients"), func.sum(e.hard).label("hard"),
               func.min(e.first).label("first"), last)
        .group_by(e.team, e.mailing)
        .order_by(last.desc(), e.team, e.mailing)
        .limit(_MOST)
    )  # fmt: skip
    return [
        Mailing(team=row.team, name=row.mailing, recipients=row.recipients, hard=int(row.hard), first_ms=row.first,
                last_ms=row.last)
        for row in connection.execute(statement)
    ]  # fmt: skip


def register(
    connection: Connection, *, visible: Visible, mailing: str | None = None, limit: int = _MOST
) -> list[Registered]:
    """Return who did not get what, the newest first; with `mailing`, of this one alone."""
    r = returns.c
    where: list[ColumnElement[bool]] = [allowed(r.team, visible), r.action == FAILED]
    where += [] if mailing is None else [r.mailing == mailing]
    key = (r.team, r.mailing, r.recipient, r.code, r.reason, r.hard)
    last = func.max(r.at_ms).label("last")
    statement = (
        select(*key, func.min(r.at_ms).label("first"), last, func.count().label("count"))
        .where(*where)
        .group_by(*key)
        .order_by(last.desc(), *key)
        .limit(min(limit, _MOST))
    )
    return [
        Registered(
            team=row.team, mailing=row.mailing, recipient=row.recipient, code=row.code, reason=row.reason,
            hard=bool(row.hard), first_ms=row.first, last_ms=row.last, count=row[8],
        )
        for row in connection.execute(statement)
    ]  # fmt: skip


def as_csv(lines: Iterable[Registered]) -> str:
    """Write the register as a table of RFC 4180, times in UTC."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(_COLUMNS)
    for line in lines:
        hard = "hard" if line.hard else "soft"
        row = (line.team, line.mailing, line.recipient, line.code, line.reason, hard,
               _time(line.first_ms), _time(line.last_ms), str(line.count))  # fmt: skip
        table.writerow([harmless(cell) for cell in row])
    return text.getvalue()


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
