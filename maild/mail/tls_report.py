"""Read a report about TLS: how many sessions a sender had with us, and what failed.

Promises: `parse` raises nothing but ReportError, for any octets; depth, size and numbers are bounded before they cost.

Source: RFC 8460 §4.3, §4.4; RFC 8259.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

from maild.mail import report_values as values
from maild.mail.report_values import ReportError

_LONGEST_BYTES = 10_000_000
_DEEPEST = 16
_MOST_BRACKETS = 500_000
_MOST_POLICIES = 200
_MOST_FAILURES = 500
_MOST_SESSIONS = 10**10  # sums over many reports stay within 64 bits
_STRUCTURE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"|[\[\]{}]', re.DOTALL)
_POLICY_TYPES = frozenset({"tlsa", "sts", "no-policy-found"})


class TlsFailure(NamedTuple):
    """Sessions that failed alike. `kind` is the result type of RFC 8460 §4.3."""

    kind: str
    sessions: int
    mx: str = ""
    sender: str = ""
    reason: str = ""


class TlsPolicy(NamedTuple):
    """What a sender says about one of our domains under one kind of policy: tlsa, sts or no-policy-found."""

    domain: str
    kind: str
    successes: int
    failures: int
    details: tuple[TlsFailure, ...] = ()


class TlsReport(NamedTuple):
    """One report. `skipped`: policies of no use."""

    organisation: str
    report: str
    begin_ms: int
    end_ms: int
    policies: tuple[TlsPolicy, ...]
    skipped: int = 0


def parse(octets: bytes) -> TlsReport:
    """Read one report.

    Raises:
        ReportError: these octets are none, or beyond a limit.
    """
    said = _object(_loaded(octets))
    span = _object(said.get("date-range"))
    begin_ms, end_ms = values.period(_time_ms(span.get("start-datetime")), _time_ms(span.get("end-datetime")))
    policies = _list(said.get("policies"))
    if not policies:
        raise ReportError("kind")
    if len(policies) > _MOST_POLICIES:
        raise ReportError("records")
    found = [_policy(_object(each)) for each in policies]
    contact = values.words(said.get("contact-info"))
    return TlsReport(
        organisation=values.words(said.get("organization-name")) or contact.rpartition("@")[2] or "?",
        report=values.words(said.get("report-id")) or f"{begin_ms}-{end_ms}",
        begin_ms=begin_ms,
        end_ms=end_ms,
        policies=_merged([each for each in found if each is not None]),
        skipped=found.count(None),
    )


def _loaded(octets: bytes) -> object:
    if len(octets) > _LONGEST_BYTES:
        raise ReportError("size")
    _check_depth(octets)
    try:
        text = octets.decode("utf-8-sig")
        # A number of a thousand digits is none that is meant; so is a fraction of a session.
        loaded: object = json.loads(text, parse_int=_number, parse_float=_nothing, parse_constant=_nothing)
    except (ValueError, RecursionError):
        raise ReportError("json") from None
    return loaded


def _check_depth(octets: bytes) -> None:
    depth = 0
    for number, match in enumerate(_STRUCTURE.finditer(octets)):
        match match[0]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
            case _:
                continue
        if depth > _DEEPEST:
            raise ReportError("depth")
        if number > _MOST_BRACKETS:
            raise ReportError("records")


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= 16 else None


def _nothing(_: str) -> None:
    return None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _time_ms(text: object) -> int | None:
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.strip()[:40])
        # Interop: some leave the zone off; the times of these reports are UTC (RFC 8460 §4.1).
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        return int(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _policy(said: dict[str, Any]) -> TlsPolicy | None:
    policy, summary = _object(said.get("policy")), _object(said.get("summary"))
    domain = values.domain(policy.get("policy-domain"))
    kind = values.word(policy.get("policy-type"), _POLICY_TYPES, "")
    successes = values.count(summary.get("total-successful-session-count", 0))
    failures = values.count(summary.get("total-failure-session-count", 0))
    if not domain or not kind or successes is None or failures is None:
        return None
    details = [_failure(_object(each)) for each in _list(said.get("failure-details"))[:_MOST_FAILURES]]
    return TlsPolicy(
        domain=domain,
        kind=kind,
        successes=min(successes, _MOST_SESSIONS),
        failures=min(failures, _MOST_SESSIONS),
        details=_alike([each for each in details if each is not None]),
    )


def _failure(said: dict[str, Any]) -> TlsFailure | None:
    sessions = values.count(said.get("failed-session-count", 0))
    if sessions is None:
        return None
    return TlsFailure(
        kind=values.token(said.get("result-type")) or "validation-failure",
        sessions=min(sessions, _MOST_SESSIONS),
        mx=values.domain(said.get("receiving-mx-hostname")),
        sender=values.address(said.get("sending-mta-ip")),
        reason=values.words(said.get("failure-reason-code")),
    )


def _alike(failures: list[TlsFailure]) -> tuple[TlsFailure, ...]:
    counts: dict[TlsFailure, int] = {}
    for each in failures:
        key = each._replace(sessions=0)
        counts[key] = min(counts.get(key, 0) + each.sessions, _MOST_SESSIONS)
    return tuple(key._replace(sessions=number) for key, number in counts.items())


def _merged(policies: list[TlsPolicy]) -> tuple[TlsPolicy, ...]:
    """Put together what a report says in several places about one domain and one kind of policy."""
    found: dict[tuple[str, str], TlsPolicy] = {}
    for each in policies:
        before = found.get((each.domain, each.kind))
        found[each.domain, each.kind] = each if before is None else _sum(before, each)
    return tuple(found.values())


def _sum(one: TlsPolicy, other: TlsPolicy) -> TlsPolicy:
    return one._replace(
        successes=min(one.successes + other.successes, _MOST_SESSIONS),
        failures=min(one.failures + other.failures, _MOST_SESSIONS),
        details=_alike([*one.details, *other.details])[:_MOST_FAILURES],
    )
