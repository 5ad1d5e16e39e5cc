"""Write a delivery report: to whom it may go, and its octets.

The octets are CRLF only, 7-bit unless the address reported to, or a returned message, needs more. The report's envelope
has the null reverse-path, always: nothing answers a report with a report.

Security: what a stranger chose (ORCPT, ENVID, the other server's words, subjects) is cut to printable characters before
it stands in a field, so that nothing begins a line of its own.

Source: RFC 3461 §4 and §6.2, RFC 3464, RFC 6522, RFC 6533 §3, RFC 3834 §5.
"""

from __future__ import annotations

import quopri
import re
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime

from maild.mail.address import Address
from maild.mail.dsn import DELAYED, DELIVERED, EXPANDED, FAILED, RELAYED
from maild.mail.dsn_reason import judge
from maild.mail.dsn_status import xtext
from maild.mail.dsn_words import Words, words_of
from maild.mail.header import newline_of, read_header
from maild.mail.words import decode_words

_LONGEST_HEADER = 64_000
_LONGEST_SAID = 1_000
_LONGEST_DATE = 100
_LONGEST_RETURNED = 10_000_000
_LONG_LINE = re.compile(rb"[^\r\n]{999}")
_NOT_PRINTABLE = re.compile(r"[^ -~]")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """One recipient of a report. `orcpt` as it came with RCPT, in xtext; `said` is what the next hop answered."""

    recipient: Address
    action: str  # failed | delayed | delivered | relayed | expanded
    code: str = ""  # 5.1.1; "": what is said decides
    said: str = ""
    remote: str = ""  # the host that said it
    orcpt: str | None = None
    retried_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a report is made of. `to` is the reverse-path of the message; whoever had none gets no report."""

    to: Address
    author: Address  # whom the report is from: an address that people may answer
    host: str  # our name
    message_key: str  # of the report, without brackets
    at: datetime
    arrived_at: datetime
    recipients: tuple[Reported, ...]
    envid: str | None = None  # as it came with MAIL, in xtext
    full: bool = False  # RET=FULL
    eight_bit: bool = False  # the way back takes 8-bit octets
    language: str = "de"  # de | en
    # Then nothing of the message but when it was written and its id, and no words of another server.
    confidential: bool = False


def is_wanted(action: str, notify: frozenset[str]) -> bool:
    """Tell whether the sender wants to hear of it; without NOTIFY, of failures and delays (RFC 3461 §4.1)."""
    if "NEVER" in notify:
        return False
    if action in (DELIVERED, RELAYED, EXPANDED):
        return "SUCCESS" in notify
    asked = "FAILURE" if action == FAILED else "DELAY"
    return not notify or asked in notify


def compose_report(notice: Notice, content: bytes) -> bytes:
    """Compose the report about a message; `content` are the message's octets."""
    words = words_of(notice.language)
    header = _header_of(content)
    if notice.confidential:
        notice, header = _bare(notice), _bare_header(header)
    returned = _full(notice, content) or _headers_only(header)
    boundary = f"report-{_ascii(notice.message_key.partition('@')[0])[:50] or 'x'}"
    body = [_told(notice, words, header), _status(notice), returned]
    while any(boundary.encode() in part for part in body):
        boundary += "-"
    delimiter = f"--{boundary}".encode()
    parts = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in body)
    return _top(notice, words, header, boundary) + b"\r\n" + parts + delimiter + b"--\r\n"


def _top(notice: Notice, words: Words, header: bytes, boundary: str) -> bytes:
    about = _key_of(header)
    lines = [
        f"From: {words.system} <{notice.author}>",
        f"To: <{notice.to}>",
        f"Subject: {words.subject[_kind(notice)]}",
        f"Date: {format_datetime(notice.at)}",
        f"Message-ID: <{_ascii(notice.message_key)}>",
        *([f"In-Reply-To: {about}", f"References: {about}"] if about else []),
        "Auto-Submitted: auto-replied",
        "X-Auto-Response-Suppress: All",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _kind(notice: Notice) -> str:
    actions = {each.action for each in notice.recipients}
    return FAILED if FAILED in actions else DELAYED if DELAYED in actions else DELIVERED


def _told(notice: Notice, words: Words, header: bytes) -> bytes:
    """Compose the part for people."""
    subject = _field(header, "subject")
    lines = [words.opening[_kind(notice)], ""]
    if subject:
        lines += [words.about.format(decode_words(subject)[:200]), ""]
    for each in notice.recipients:
        lines += [f"<{each.recipient}>", f"    {words.action[each.action]}"]
        if each.action in (FAILED, DELAYED):
            code, _, reason = _judged(each)
            lines.append(f"    {words.because} {words.reason[reason]} ({code})")
        if each.action == DELAYED and each.retried_until is not None:
            lines.append(f"    {words.until.format(each.retried_until.strftime(words.day))}")
        if each.said:
            lines.append(f"    {words.said} {_ascii(each.said)[:_LONGEST_SAID]}")
        lines.append("")
    lines.append(words.closing[_kind(notice)])
    # Hard line ends are CRLF after encoding; quopri leaves LF alone and keeps its lines below 76 octets.
    encoded = quopri.encodestring("\n".join(lines).encode("utf-8", "replace"))
    return (
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        + encoded.replace(b"\n", b"\r\n")
    )


def _judged(each: Reported) -> tuple[str, bool, str]:
    return judge(each.action, each.code, _ascii(each.said))


def _status(notice: Notice) -> bytes:
    """Compose the part for machines: ASCII, whatever the addresses are (RFC 6533 §3)."""
    groups = [f"Reporting-MTA: dns; {_ascii(notice.host)}\r\n"]
    if notice.envid:
        groups[0] = f"Original-Envelope-Id: {_ascii(xtext(notice.envid))}\r\n{groups[0]}"
    groups[0] += f"Arrival-Date: {format_datetime(notice.arrived_at)}\r\n"
    groups += [_group(each) for each in notice.recipients]
    return b"Content-Type: message/delivery-status\r\n\r\n" + "\r\n".join(groups).encode("ascii")


def _group(each: Reported) -> str:
    code = _judged(each)[0]
    lines = [
        *([f"Original-Recipient: {_original(each.orcpt)}"] if each.orcpt else []),
        f"Final-Recipient: {_typed(each.recipient)}",
        f"Action: {each.action}",
        f"Status: {code}",
        *([f"Remote-MTA: dns; {_ascii(each.remote)}"] if each.remote else []),
        *([f"Diagnostic-Code: smtp; {_ascii(each.said)[: _LONGEST_SAID - 100]}"] if each.said else []),
        *([f"Will-Retry-Until: {format_datetime(each.retried_until)}"] if each.retried_until else []),
    ]
    return "".join(f"{line}\r\n" for line in lines)


def _original(orcpt: str) -> str:
    """Return ORCPT as the field has it: the type, then the address without its xtext; that of utf-8 stays as it is."""
    kind, _, address = orcpt.partition(";")
    return f"{_ascii(kind)};{_ascii(address if kind.lower() == 'utf-8' else xtext(address))}"[:_LONGEST_SAID]


def _typed(address: Address) -> str:
    text = str(address)
    if text.isascii():
        return f"rfc822; {text}"
    return "utf-8; " + "".join(c if "!" <= c <= "~" and c not in "+=\\" else f"\\x{{{ord(c):X}}}" for c in text)


def _ascii(text: str) -> str:
    return _NOT_PRINTABLE.sub("?", " ".join(text.split()))


def _header_of(content: bytes) -> bytes:
    header = read_header(content, 0, len(content), newline_of(content))
    octets = content[: header.end]
    if len(octets) > _LONGEST_HEADER:
        octets = octets[:_LONGEST_HEADER]
        octets = octets[: octets.rfind(b"\n") + 1]
    return b"".join(line + b"\r\n" for line in _LINE_END.split(octets) if line)


def _bare(notice: Notice) -> Notice:
    """Return a notice in which nothing says what a confidential message is about."""
    told = tuple(replace(each, code=_judged(each)[0], said="") for each in notice.recipients)
    return replace(notice, recipients=told, full=False)


def _bare_header(header: bytes) -> bytes:
    about, date = _key_of(header), _ascii(_field(header, "date"))[:_LONGEST_DATE]
    lines = [f"Message-ID: {about}\r\n"] if about else []
    return "".join([*lines, f"Date: {date}\r\n"] if date else lines).encode()


def _field(header: bytes, key: str) -> str:
    found = read_header(header, 0, len(header), b"\n").first(key)
    return found.raw if found else ""


def _key_of(header: bytes) -> str:
    """Return the Message-ID as it may stand in our own header, "" where it may not."""
    key = _field(header, "message-id")
    fit = key[:1] == "<" and key[-1:] == ">" and key.isascii() and key.isprintable() and " " not in key
    return key if fit and len(key) < 900 else ""


def _headers_only(header: bytes) -> bytes:
    plain = header.isascii() and not _LONG_LINE.search(header) and not _CONTROL.search(header)
    start = b"Content-Type: text/rfc822-headers\r\n"
    if plain:
        return start + b"\r\n" + header
    encoded = quopri.encodestring(header.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return start + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + encoded


def _full(notice: Notice, content: bytes) -> bytes:
    """Return the message as a part; empty where it is not wanted, or would not get through as it is."""
    if not notice.full or len(content) > _LONGEST_RETURNED or _LONG_LINE.search(content):
        return b""
    lines_are_crlf = content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")
    if not lines_are_crlf or b"\0" in content or not (content.isascii() or notice.eight_bit):
        return b""
    encoding = b"" if content.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    return b"Content-Type: message/rfc822\r\n" + encoding + b"\r\n" + content
