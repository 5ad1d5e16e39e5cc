"""Messages as mail programs write them, from the letters of letters.yaml."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from importlib.resources import files
from typing import Any

import yaml

from maild.cli.demo_mail.files import made, picture

_CIVIL = "post.example"  # where letters without a domain come from


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One message. `sender` None is the null reverse-path. `outgoing` ones were written by the office."""

    sender: str | None
    recipients: tuple[str, ...]
    octets: bytes
    outgoing: bool


def samples(domain: str, now: datetime) -> Iterator[Sample]:
    """Yield every sample mail for a town hall of `domain`, in the order in which they were written."""
    text = files(__package__).joinpath("letters.yaml").read_text(encoding="utf-8")
    letters: list[dict[str, Any]] = yaml.safe_load(text)
    keys: dict[str, list[str]] = {}
    for number, letter in enumerate(letters):
        # An answer is archived under its own date, letters under that of their arrival: it must not precede them.
        written = now + timedelta(seconds=1) if "out" in letter else now
        yield _sample(letter, number, domain, written, keys)


def _sample(letter: dict[str, Any], number: int, domain: str, at: datetime, keys: dict[str, list[str]]) -> Sample:
    outgoing = "out" in letter
    name, mail = parseaddr(letter["from"] if not outgoing else f"Stadt Musterstadt <{letter['out']}@{domain}>")
    mail = mail if "@" in mail else f"{mail}@{_CIVIL}"
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(name, mail)
    message["To"] = _recipient(letter["to"], domain)
    if "cc" in letter:
        message["Cc"] = _recipient(letter["cc"], domain)
    message["Subject"] = letter["subject"]
    message["Date"] = format_datetime(at)
    key = f"<{at:%Y%m%d%H%M%S}.{number}@{mail.rpartition('@')[2]}>"
    message["Message-ID"] = key
    before = keys.get(letter.get("after", ""), [])
    if before:
        message["In-Reply-To"] = before[-1]
        message["References"] = " ".join(before)
    keys[letter.get("id", key)] = [*before, key]
    _write(message, letter, mail)
    recipients = [a.addr_spec for field in ("To", "Cc") for a in _addresses(message, field)]
    ours = tuple(r for r in recipients if r.endswith(f"@{domain}")) or tuple(recipients)
    is_report = letter.get("kind") == "report"
    return Sample(sender=None if is_report else mail, recipients=ours, octets=bytes(message), outgoing=outgoing)


def _addresses(message: EmailMessage, field: str) -> tuple[HeaderAddress, ...]:
    return message[field].addresses if field in message else ()


def _address(name: str, mail: str) -> HeaderAddress:
    return HeaderAddress(display_name=name, addr_spec=mail)


def _recipient(text: str, domain: str) -> HeaderAddress:
    name, mail = parseaddr(text)
    if "@" in mail:
        return _address(name, mail)
    return _address(name, f"{mail}@{_CIVIL if name else domain}")


def _write(message: EmailMessage, letter: dict[str, Any], mail: str) -> None:
    text, kind = letter["text"] + "\n", letter.get("kind", "")
    if kind == "report":
        _write_report(message, text)
        return
    message.set_content(text, charset="utf-8", cte="8bit" if kind == "list" else "quoted-printable")
    if kind == "flowed":
        message.set_param("format", "flowed")
    elif kind == "auto":
        message["Auto-Submitted"] = "auto-replied"
        message["X-Auto-Response-Suppress"] = "All"
    elif kind == "list":
        message["List-Id"] = f"<{mail.replace('@', '.')}>"
        message["List-Unsubscribe"] = f"<mailto:{mail}?subject=unsubscribe>"
        message["Precedence"] = "list"
    elif kind == "html":
        message.add_alternative(_as_html(text), subtype="html")
    elif kind == "pictures":
        _add_pictures(message, text)
    for name in letter.get("attach", ()):
        octets, maintype, subtype = made(name)
        message.add_attachment(octets, maintype=maintype, subtype=subtype, filename=name)


def _as_html(text: str) -> str:
    body = html.escape(text.strip()).replace("\n\n", "</p><p>").replace("\n", "<br>")
    while "*" in body:
        body = body.replace("*", "<strong>", 1).replace("*", "</strong>", 1)
    return (
        '<html><body style="font-family: sans-serif; color: #223">'
        '<table width="100%" cellpadding="12" style="border-top: 4px solid #2b6f77"><tr><td>'
        f'<p>{body}</p><p style="font-size: 12px; color: #667">Bitte denken Sie an die Umwelt, bevor Sie diese '
        'Nachricht drucken.</p><img src="https://zaehlpixel.example/offen.gif" width="1" height="1" alt="">'
        "</td></tr></table></body></html>"
    )


def _add_pictures(message: EmailMessage, text: str) -> None:
    body = html.escape(text.strip()).replace("\n", "<br>")
    shown = '<p><img src="cid:bild1@post.example" alt="Bild 1" width="320"></p>'
    message.add_alternative(f"<html><body><p>{body}</p>{shown}</body></html>", subtype="html")
    parts = message.get_payload()
    related = parts[1] if isinstance(parts, list) else message
    if isinstance(related, EmailMessage):
        first = picture(640, 420, (120, 180, 230), (70, 130, 60))
        related.add_related(first, maintype="image", subtype="png", cid="<bild1@post.example>", filename="Bild 1.png")
    second = picture(640, 420, (240, 200, 120), (150, 70, 60))
    message.add_attachment(second, maintype="image", subtype="png", filename="Bild 2.png")


def _write_report(message: EmailMessage, text: str) -> None:
    message.set_content(text)
    message.make_mixed()
    status = EmailMessage(policy=SMTP)
    status["Content-Type"] = "message/delivery-status"
    server, recipient = EmailMessage(policy=SMTP), EmailMessage(policy=SMTP)
    server["Reporting-MTA"] = "dns; mx.post.example"
    recipient["Final-Recipient"] = "rfc822; familie.krause@post.example"
    recipient["Action"] = "failed"
    recipient["Status"] = "5.1.1"
    recipient["Diagnostic-Code"] = "smtp; 550 5.1.1 user unknown"
    status.set_payload([server, recipient])
    message.attach(status)
    message.replace_header("Content-Type", 'multipart/report; report-type="delivery-status"')
    message.set_boundary("report.mx.post.example")
    message["Auto-Submitted"] = "auto-replied"
