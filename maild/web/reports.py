"""Who sends in our domains' name, and how mail to us is encrypted: what other mail servers report, added up.

Security: the page shows sums, and no letter; who keeps the machine or the rules needs no inbox for it. Everything here
was written by strangers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from babel.numbers import format_decimal, format_percent
from sqlalchemy import Connection
from starlette.responses import Response

from maild.archive.report_overview import OTHERS, Day, DomainUse, TlsUse, domain_uses, tls_uses
from maild.errors import NotFoundError
from maild.web.language import catalogue
from maild.web.shell import shell_of
from maild.web.times import DAY_MS, day
from maild.web.visit import Visit

DAYS = (30, 90)
HEIGHT = 60  # of the chart, in its own units
_SLOT = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _(text: str) -> str:
    """Mark words for translation."""
    return text


FAILURES = {
    "starttls-not-supported": _("our server did not offer encryption (STARTTLS)"),
    "certificate-host-mismatch": _("the certificate is for another name"),
    "certificate-expired": _("the certificate has expired"),
    "certificate-not-trusted": _("the certificate is of an issuer that the sender does not trust"),
    "validation-failure": _("the encryption could not be set up"),
    "tlsa-invalid": _("our TLSA record (DANE) does not fit the certificate, or is broken"),
    "dnssec-invalid": _("our names could not be proven with DNSSEC"),
    "dane-required": _("the sender asks for DANE, and we have no TLSA record"),
    "sts-policy-fetch-error": _("our MTA-STS policy could not be fetched"),
    "sts-policy-invalid": _("our MTA-STS policy has a mistake"),
    "sts-webpki-invalid": _("the certificate does not satisfy our MTA-STS policy"),
}
POLICIES = {
    "none": _("Receivers do nothing to what does not pass (p=none)."),
    "quarantine": _("Receivers put what does not pass into the spam folder (p=quarantine)."),
    "reject": _("Receivers refuse what does not pass (p=reject)."),
}
REASONS = {
    "forwarded": _("forwarded"),
    "sampled_out": _("left out by lot (pct)"),
    "trusted_forwarder": _("forwarded by someone whom the receiver trusts"),
    "mailing_list": _("sent through a mailing list"),
    "local_policy": _("the receiver's own rule"),
    "policy_test_mode": _("the policy is being tested"),
    "other": _("another reason"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One day of a chart: from the left edge, what passed at the foot, and what did not upon it."""

    x: int
    passed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars for all days of a time, in units of the picture; `most` is how many messages the highest stands for."""

    bars: tuple[Bar, ...]
    width: int
    most: int
    first: str
    last: str


async def page(visit: Visit) -> Response:
    """Show what was reported of the last days."""
    days = visit.request.query_params.get("days", str(DAYS[0]))
    if days not in map(str, DAYS):
        raise NotFoundError("there is no such list")
    domains = sorted(visit.services.rulebook.current.domains)
    uses, sessions = await visit.read(_read, visit.now_ms - int(days) * DAY_MS, visit.now_ms + DAY_MS, domains)
    words = catalogue(visit.language)
    return visit.page(
        "reports.html",
        shell=await shell_of(visit),
        uses=uses,
        sessions=sessions,
        silent=[domain for domain in domains if domain not in {use.domain for use in uses}],
        silent_tls=[domain for domain in domains if domain not in {use.domain for use in sessions}],
        others=OTHERS,
        cut=any(len([use for use in found if use.domain not in domains]) >= OTHERS for found in (uses, sessions)),
        days=int(days),
        choices=DAYS,
        chart=partial(chart, newest=visit.now_ms // DAY_MS, days=int(days), language=visit.language),
        date_of=partial(_date, language=visit.language),
        number=partial(format_decimal, locale=visit.language),
        share=partial(_share, language=visit.language),
        failure=lambda kind: words.gettext(FAILURES[kind]) if kind in FAILURES else kind,
        reason=lambda code: words.gettext(REASONS.get(code, REASONS["other"])),
        policy=lambda asked: words.gettext(POLICIES[asked]) if asked in POLICIES else "",
    )


def chart(days_reported: Sequence[Day], *, newest: int, days: int, language: str) -> Chart:
    """Draw the days up to `newest` (since 1970)."""
    first = newest - days + 1
    within = {each.day: each for each in days_reported if first <= each.day <= newest}
    most = max((each.passed + each.failed for each in within.values()), default=0)
    bars = tuple(
        Bar(x=(number - first) * _SLOT, passed=_height(each.passed, most), failed=_height(each.failed, most))
        for number, each in within.items()
    )
    return Chart(
        bars=bars, width=days * _SLOT, most=most, first=_date(first, language), last=_date(newest, language)
    )  # fmt: skip


def _height(number: int, most: int) -> int:
    """Return a height that shows: what is there at all is not drawn as nothing."""
    return 0 if not number else max(1, round(number * HEIGHT / most))


def _read(
    connection: Connection, since_ms: int, until_ms: int, ours: Sequence[str]
) -> tuple[tuple[DomainUse, ...], tuple[TlsUse, ...]]:
    return (
        domain_uses(connection, since_ms=since_ms, until_ms=until_ms, ours=ours),
        tls_uses(connection, since_ms=since_ms, until_ms=until_ms, ours=ours),
    )


def _date(number: int, language: str) -> str:
    return day((_EPOCH + timedelta(days=number)).date(), language)


def _share(part: int, whole: int, language: str) -> str:
    """Return a share that is 100 % only when nothing is missing."""
    if not whole:
        return "-"
    share = part / whole
    rounded = round(share, 3)
    if rounded == 1 and part != whole:
        rounded = 0.999
    return str(format_percent(rounded, locale=language, decimal_quantization=False))
