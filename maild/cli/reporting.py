"""What `maild reports` prints, and how it reads letters once more."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from maild.archive.database import Database
from maild.archive.hits import date_of
from maild.archive.report_overview import DomainUse, TlsUse, domain_uses, tls_uses
from maild.archive.reports import candidates
from maild.cli.progress import Progress
from maild.cli.store import reading, writing
from maild.cli.times import now_ms, rfc3339
from maild.cli.verb import counted, note, plain, put_json, put_table, settings
from maild.config import Settings
from maild.confinement import Pool
from maild.mail.reports import MAIL_BYTES
from maild.router.reports import ReportReader
from maild.rules.rulebook import Rulebook

_DAY_MS = 86_400_000


def run(domain: str | None, since: int, *, again: bool, as_json: bool) -> bool:
    """Print what was reported; return whether anything was."""
    here = settings()
    if again:
        _read(here, since)
    with reading(here) as connection:
        until_ms = now_ms() + _DAY_MS
        uses = domain_uses(connection, since_ms=since, until_ms=until_ms)
        sessions = tls_uses(connection, since_ms=since, until_ms=until_ms)
    wanted = None if domain is None else domain.rstrip(".").lower()
    shown = [use for use in uses if wanted in (None, use.domain)]
    shown_tls = [use for use in sessions if wanted in (None, use.domain)]
    for use in shown:
        put_json(_use_json(use)) if as_json else _put_use(use)
    for found in shown_tls:
        put_json(_tls_json(found)) if as_json else _put_tls(found)
    if not shown and not shown_tls:
        note("nothing was reported in this time; `maild doctor --dns DOMAIN` says how reports are asked for")
    return bool(shown or shown_tls)


def _read(here: Settings, since: int) -> None:
    rulebook = Rulebook(here.server.rules, here.server.data_dir)
    rulebook.load_at_start()
    with writing(here) as database:
        with database.read() as connection:
            ids = candidates(connection, since_ms=since, largest_bytes=MAIL_BYTES, named=False)
        with Progress("reading", len(ids)) as progress:
            stored = asyncio.run(_read_all(database, rulebook, ids, progress))
    note(f"{counted(len(ids), 'letter')} with attachments, {counted(stored, 'new report')}")


async def _read_all(database: Database, rulebook: Rulebook, ids: list[int], progress: Progress) -> int:
    pool = Pool(1, preload=("maild.mail.reports",))
    reader = ReportReader(database=database, rulebook=rulebook, pool=pool, now_ms=now_ms)
    stored = 0
    try:
        for message_id in ids:
            stored += await reader.attempt(message_id)
            progress.advance(1)
    finally:
        await pool.close()
    return stored


def _put_use(use: DomainUse) -> None:
    total = use.passed + use.failed
    share = f"{use.passed / total:.1%}" if total else "-"
    policy = use.policy.get("p", "?")
    click.echo(plain(f"{use.domain}: {use.passed:,} of {counted(total, 'message')} passed ({share}), p={policy}; "
                     f"{counted(use.reports, 'report')} by {', '.join(use.reporters[:5])}"))  # fmt: skip
    rows = [
        (
            each.ip,
            f"{each.messages:,}",
            f"{each.passed:,}",
            f"{each.dkim:,}",
            f"{each.spf:,}",
            f"{each.quarantined + each.rejected:,}",
            ", ".join(each.names[:3]) or "nothing proven",
        )
        for each in use.senders
    ]
    put_table(("from", "messages", "passed", "dkim", "spf", "held back", "speaks for"), rows)
    if use.sender_count > len(use.senders):
        click.echo(f"and {use.sender_count - len(use.senders):,} more machines")


def _put_tls(use: TlsUse) -> None:
    sessions = use.successes + use.failures
    click.echo(plain(f"{use.domain}: {counted(use.failures, 'failure')} in {counted(sessions, 'TLS session')}; "
                     f"{counted(use.reports, 'report')} by {', '.join(use.reporters[:5])}"))  # fmt: skip
    for kind, count in use.kinds:
        click.echo(plain(f"{count:>9,}  {kind}"))


def _use_json(use: DomainUse) -> dict[str, Any]:
    return {
        "kind": "dmarc",
        "domain": use.domain,
        "reports": use.reports,
        "reporters": use.reporters,
        "newest": rfc3339(use.newest_ms),
        "policy": use.policy,
        "messages": use.passed + use.failed,
        "passed": use.passed,
        "days": [{"day": str(date_of(each.day)), "passed": each.passed, "failed": each.failed} for each in use.days],
        "senders": [
            {
                "ip": each.ip,
                "messages": each.messages,
                "passed": each.passed,
                "dkim": each.dkim,
                "spf": each.spf,
                "quarantined": each.quarantined,
                "rejected": each.rejected,
                "names": each.names,
                "reasons": each.reasons,
            }
            for each in use.senders
        ],
    }


def _tls_json(use: TlsUse) -> dict[str, Any]:
    return {
        "kind": "tls",
        "domain": use.domain,
        "reports": use.reports,
        "reporters": use.reporters,
        "newest": rfc3339(use.newest_ms),
        "policies": use.policies,
        "sessions": use.successes + use.failures,
        "failures": use.failures,
        "kinds": dict(use.kinds),
    }
