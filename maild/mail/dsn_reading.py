"""Read a delivery report: standard ones by their status, others by their words.

What is no report yields None: vacation replies, letters by people about mail that failed, notices of mailing lists,
complaints (RFC 5965) and receipts (RFC 8098).

Promises: never raises; linear. Runs in a worker process.

Source: RFC 3464, RFC 6522 (multipart/report), RFC 6533.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from maild.mail.dates import parse_date
from maild.mail.dsn import FAILED, PASSING, Report, Returned, ReturnedMail
from maild.mail.dsn_plain import SAYS_UNDELIVERED, UNDELIVERED, Split, is_delayed, plain_recipients, split_text
from maild.mail.dsn_reason import judge, reason_in
from maild.mail.dsn_status import LONGEST_ADDRESS, STATUS_FIELDS, groups_in, recipients_in
from maild.mail.header import Field, newline_of, read_header
from maild.mail.mailboxes import parse_mailboxes
from maild.mail.mailing import campaign_of
from maild.mail.message import Message, Part, decoded, fields_of, parse, text
from maild.mail.parameters import parse_parameters
from maild.mail.plain import html_to_text
from maild.mail.words import one_line

_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RETURNED_TYPES = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
    | {"message/news", "message/partial"}
)
_OTHER_REPORTS = frozenset({"message/feedback-report", "message/disposition-notification"})
_LONGEST = 200_000
_DAEMON = re.compile(
    r"mailer.?daemon|mail.?deliver|post_?master|mail (?:system|administrator)|system administrator|delivery (?:sub)?"
    r"system|delivery.?(?:notif|status)|maildelivery|bounces?[@+-]",
    re.IGNORECASE,
)
_MACHINE = re.compile(r"no-?reply@|do-?not-?reply@|sysadmin@|administrator@|\bndr\b", re.IGNORECASE)
_KEY = re.compile(r"<?([^<>\s]{1,998})>?")
_FOR = re.compile(r"\bfor <?([^<>\s;@]{1,64}@[^<>\s;]{1,255})>?")
_ENVELOPE = ("x-envelope-to", "envelope-to", "x-original-to", "delivered-to", "x-rcpt-to", "to")


@dataclass(slots=True)
class _Pieces:
    """What the parts of a report are for."""

    status: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    returned: tuple[Field, ...] = ()
    is_report: bool = False
    is_other: bool = False
    room: int = _LONGEST


def may_be_report(message: Message, *, null_path: bool = False) -> bool:
    """Tell whether a closer look may find a report; of most mail this is all that is looked at."""
    if null_path or message.root.media_type == "multipart/report":
        return True
    for each in message.fields:
        if each.key in ("x-failed-recipients", "return-path", "from"):
            raw = each.value if each.key == "from" else each.raw.lower().replace(" ", "")
            if each.key == "x-failed-recipients" or raw in ("", "<>") or _DAEMON.search(raw) or _MACHINE.search(raw):
                return True
    return False


def report_of(content: bytes, message: Message | None = None, *, null_path: bool = False) -> Report | None:
    """Read a delivery report; None for what is none.

    Args:
        content: the message.
        message: the same, read already.
        null_path: the envelope's reverse-path is the null one.
    """
    message = parse(content) if message is None else message
    if not may_be_report(message, null_path=null_path):
        return None
    pieces = _Pieces()
    _sort(content, message.root, pieces)
    if pieces.is_other:
        return None
    sender = _Sender(message, null_path=null_path)
    split = split_text("\n".join(pieces.said) or "\n".join(pieces.html))
    groups = [group for status in pieces.status for group in groups_in(status)]
    if not groups:
        groups = [group for group in groups_in(split.said) if not STATUS_FIELDS.isdisjoint(group)]
    recipients = recipients_in(groups)
    about = pieces.returned or _fields_in(split.returned)
    if not recipients:
        recipients = _by_words(message, pieces, sender, split, about)
    elif pieces.is_report or sender.daemon or sender.machine:
        recipients = _completed(recipients, split.said)
    else:
        return None  # a person shows what came back
    if not recipients:
        return None
    recipients = [_by_title(each, sender.subject) for each in recipients]
    return Report(recipients=tuple(recipients), about=_about(about))


class _Sender:
    """Who a report seems to come from."""

    __slots__ = ("daemon", "failed", "machine", "null", "subject", "to")

    def __init__(self, message: Message, *, null_path: bool) -> None:
        first = {f.key: f for f in reversed(message.fields)}
        author = first["from"].value if "from" in first else ""
        returned = first["return-path"].raw.lower() if "return-path" in first else ""
        self.null = null_path or returned.replace(" ", "") == "<>" or "mailer-daemon" in returned
        self.daemon = _DAEMON.search(author) is not None or author.strip() in ("", "<>")
        self.machine = _MACHINE.search(author) is not None
        self.subject = first["subject"].value if "subject" in first else ""
        failed = first["x-failed-recipients"].raw if "x-failed-recipients" in first else ""
        self.failed = tuple(m.mail for m in parse_mailboxes(failed, 500)[0] if "@" in m.mail)
        boxes = [m for key in ("to", "from") if key in first for m in parse_mailboxes(first[key].raw, 50)[0]]
        self.to = frozenset(m.mail.lower() for m in boxes)


def _sort(content: bytes, part: Part, pieces: _Pieces) -> None:
    """Sort the parts by what they are; the returned message is not looked into."""
    kind = part.media_type
    if kind in _OTHER_REPORTS:
        pieces.is_other = True
    elif kind in _STATUS_TYPES:
        _take(pieces, pieces.status, text(content, part, _LONGEST))
    elif kind in _RETURNED_TYPES:
        pieces.returned = pieces.returned or _returned(content, part)
    elif part.children and part.is_multipart:
        pieces.is_report = pieces.is_report or kind == "multipart/report"
        for child in part.children:
            _sort(content, child, pieces)
    elif kind == "text/html":
        _take(pieces, pieces.html, html_to_text(text(content, part, _LONGEST)))
    elif kind.startswith(("text/", "multipart/")):
        _sort_text(content, part, pieces)


def _sort_text(content: bytes, part: Part, pieces: _Pieces) -> None:
    own = fields_of(content, part) if part.path not in ("1", "TEXT") else ()
    names = {f.key for f in own}
    # Interop: the returned message is a part as it is, without the header of a part before it.
    if "received" in names or {"from", "message-id"} <= names:
        pieces.returned = pieces.returned or own
        return
    found = text(content, part, _LONGEST)
    if part.disposition == "attachment" and (split := split_text(found)).returned:
        pieces.returned = pieces.returned or _fields_in(split.returned)
        return
    _take(pieces, pieces.said, found)


def _take(pieces: _Pieces, where: list[str], found: str) -> None:
    if found and pieces.room > 0:
        where.append(found[: pieces.room])
        pieces.room -= len(found)


def _returned(content: bytes, part: Part) -> tuple[Field, ...]:
    """Return the header of the returned message."""
    if part.children:
        return fields_of(content, part.children[0])
    octets = decoded(content, part)[:_LONGEST]
    return read_header(octets, 0, len(octets), newline_of(octets)).fields


def _fields_in(returned: str) -> tuple[Field, ...]:
    octets = returned.lstrip("\n").encode("utf-8", "replace")
    return read_header(octets, 0, len(octets), b"\n").fields if octets else ()


def _completed(recipients: list[Returned], said: str) -> list[Returned]:
    """Look into the words where the status says little: no code of its own, and nothing of the other server."""
    done = []
    for each in recipients:
        if each.action == FAILED and not each.text and each.reason in ("unknown", "protocol", "policy"):
            found = plain_recipients(said, named=[each.recipient], not_these=frozenset(), delayed=False)[0]
            code, hard, reason = judge(each.action, each.code, found.text)
            done.append(each._replace(code=code, hard=hard, reason=reason, text=found.text))
        else:
            done.append(each)
    return done


def _by_title(each: Returned, title: str) -> Returned:
    """Believe the report's subject where nothing else says why."""
    if each.reason != "unknown" or each.action != FAILED or not (reason := reason_in(title)):
        return each
    return each._replace(reason=reason, hard=each.hard and reason not in PASSING)


def _by_words(
    message: Message, pieces: _Pieces, sender: _Sender, split: Split, about: tuple[Field, ...]
) -> list[Returned]:
    """Read a report that has no status."""
    titled = UNDELIVERED.search(sender.subject) is not None
    worded = SAYS_UNDELIVERED.search(" ".join(split.said[:8_000].split())) is not None
    sure = sender.daemon or pieces.is_report or bool(sender.failed)
    if not (sure or (sender.machine and (titled or worded)) or (sender.null and titled and worded)):
        return []
    if not (titled or worded or sender.failed or pieces.status):
        return []
    if not sender.daemon and not sender.failed and _is_answer(message) and not titled:
        return []  # a vacation reply that mentions mail which failed
    delayed = is_delayed(sender.subject, split.said)
    named: tuple[str, ...] = sender.failed
    found = plain_recipients(split.said, named=named, not_these=sender.to, delayed=delayed)
    if found or not (sender.daemon or pieces.is_report or titled):
        return found
    address = _recipient_of(about) or _recipient_of(_fields_in(split.said.replace("\n ", "\n")))
    return plain_recipients(split.said, named=[address], not_these=sender.to, delayed=delayed) if address else []


def _is_answer(message: Message) -> bool:
    raw = next((f.raw for f in message.fields if f.key == "auto-submitted"), "")
    return parse_parameters(raw, 10)[0] == "auto-replied" or any(f.key == "in-reply-to" for f in message.fields)


def _recipient_of(fields: tuple[Field, ...]) -> str:
    """Return whom a returned message was for, as far as its header says it."""
    for key in _ENVELOPE:
        for found in [f for f in fields if f.key == key][:1]:
            boxes = [m.mail for m in parse_mailboxes(found.raw, 2)[0] if "@" in m.mail]
            if len(boxes) == 1:
                return boxes[0]
    for found in [f for f in fields if f.key == "received"][:20]:
        if match := _FOR.search(found.raw[:2_000]):
            return match[1]
    return ""


def _about(fields: tuple[Field, ...]) -> ReturnedMail:
    """Return what is known of the message that came back."""
    if not fields:
        return ReturnedMail()
    first = {f.key: f for f in reversed(fields)}
    key = _KEY.search(first["message-id"].raw) if "message-id" in first else None
    senders, recipients = (parse_mailboxes(first[name].raw, 1)[0] if name in first else () for name in ("from", "to"))
    return ReturnedMail(
        message_key=one_line(key[1]) if key else "",
        sender=senders[0].mail[:LONGEST_ADDRESS] if senders else "",
        recipient=recipients[0].mail[:LONGEST_ADDRESS] if recipients else "",
        subject=first["subject"].value[:500] if "subject" in first else "",
        date_ms=parse_date(first["date"].raw) if "date" in first else None,
        campaign=campaign_of(fields),
    )
