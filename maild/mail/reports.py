"""Find the reports about our domains in mail: aggregate reports of DMARC, and reports about TLS.

Promises: never raises, for any octets; what cannot be read is named in `problems`.

Source: RFC 9990 §3.5 and RFC 7489 §7.2.1.1 (name of the file, subject); RFC 8460 §5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from maild.mail import dmarc_report, tls_report
from maild.mail.dmarc_report import DmarcReport
from maild.mail.facts import Facts
from maild.mail.message import Message, Part, decoded, parse
from maild.mail.packed import PACKED_BYTES, UNPACKED_BYTES, PackedError, unpack
from maild.mail.report_values import ReportError
from maild.mail.tls_report import TlsReport

MAIL_BYTES = 20_000_000  # larger mail is not looked into for reports
_MOST_PARTS = 10
_MOST_ROWS = 20_000  # machines and failures that all reports of one mail name: they are written down at once
_TLS_TYPES = frozenset({"application/tlsrpt+gzip", "application/tlsrpt+json"})
# Interop: senders call a report whatever their library guesses.
_TYPES = frozenset(
    {"application/gzip", "application/x-gzip", "application/gzip-compressed", "application/x-gunzip",
     "application/zip", "application/x-zip-compressed", "application/x-zip", "application/x-compressed",
     "application/octet-stream", "application/xml", "text/xml", "application/json", "application/dmarc+xml"}
)  # fmt: skip
# receiver "!" domain "!" begin "!" end, perhaps "!" an id; then what it is packed in.
_NAME = re.compile(
    r"[^!]{1,255}![^!]{1,255}![0-9]{1,14}![0-9]{1,14}(?:![^!]{1,255})?(?:\.(?:xml|json|zip|gz|gzip)){1,2}",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"\breport[ _-]?domain\s*:|\breport-?id\s*:|\bsubmitter\s*:", re.IGNORECASE)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Reports(NamedTuple):
    """What a mail held. `problems` are words for the log, one for each part that was none."""

    dmarc: tuple[DmarcReport, ...] = ()
    tls: tuple[TlsReport, ...] = ()
    problems: tuple[str, ...] = ()


def looks_like_report(facts: Facts) -> bool:
    """Tell from what routing knows of a mail whether it is worth reading for reports."""
    if not facts.attachments or facts.size_bytes > MAIL_BYTES:
        return False
    if _announced(facts.subject, (field.key for field in facts.fields)):
        return True
    return any(each.media_type in _TLS_TYPES or _NAME.fullmatch(each.name[:1200]) for each in facts.attachments)


def reports_in(content: bytes) -> Reports:
    """Read every report of a mail. Meant for a worker process."""
    if len(content) > MAIL_BYTES:
        return Reports(problems=("size",))
    message = parse(content)
    dmarc: list[DmarcReport] = []
    tls: list[TlsReport] = []
    problems: list[str] = []
    room, rows = UNPACKED_BYTES, _MOST_ROWS
    for part in list(_candidates(message))[:_MOST_PARTS]:
        try:
            octets = _octets(content, part, room)
            room -= len(octets)
            if _is_json(octets):
                about_tls = tls_report.parse(octets)
                rows = _left(rows, sum(1 + len(policy.details) for policy in about_tls.policies))
                tls.append(about_tls)
            elif _is_xml(octets):
                report = dmarc_report.parse(octets)
                rows = _left(rows, len(report.sources))
                dmarc.append(report)
            else:
                problems.append("kind")
        except (PackedError, ReportError) as error:
            problems.append(error.reason)
    return Reports(dmarc=tuple(dmarc), tls=tuple(tls), problems=tuple(problems))


def _left(rows: int, taken: int) -> int:
    """Return how many rows are left; raises ReportError when there were not as many."""
    if taken > rows:
        raise ReportError("records")
    return rows - taken


def _announced(subject: str, keys: Iterator[str]) -> bool:
    return _SUBJECT.search(subject[:1_000]) is not None or not {"tls-report-domain", "tls-report-submitter"}.isdisjoint(
        keys
    )


def _candidates(message: Message) -> Iterator[Part]:
    subject = message.first("subject")
    announced = _announced(subject.value if subject else "", (field.key for field in message.fields))
    for part in message.root.walk():
        if part.children:
            continue
        named = _NAME.fullmatch((part.filename or "")[:1200]) is not None
        if named or part.media_type in _TLS_TYPES or (announced and part.media_type in _TYPES):
            yield part


def _octets(content: bytes, part: Part, room: int) -> bytes:
    if part.body_end - part.body_start > 2 * PACKED_BYTES:
        raise PackedError("size")
    return unpack(decoded(content, part), room)


def _is_json(octets: bytes) -> bool:
    return octets[:64].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _is_xml(octets: bytes) -> bool:
    return octets.startswith(_UTF16) or octets[:64].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")
