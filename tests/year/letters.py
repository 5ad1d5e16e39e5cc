"""What comes to the house: letters of members, their answers, and what other servers send back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from tests.year.town import DOMAIN, Taken

_LINES = (
    ("Umzug", "wir sind umgezogen, bitte ändern Sie unsere Anschrift."),
    ("Beitrag", "mein Beitrag wurde zweimal abgebucht."),
    ("Mitgliedsausweis", "mein Ausweis ist verloren gegangen."),
    ("Ortsverein", "wann trifft sich der Ortsverein das nächste Mal?"),
    ("Kündigung der Zeitschrift", "die Zeitschrift brauche ich nicht mehr."),
)
_REFUSALS = (
    ("5.1.1", "550 5.1.1 no such user here"),
    ("5.2.2", "552 5.2.2 mailbox full"),
    ("5.1.10", "550 5.1.10 recipient not found"),
    ("5.7.1", "554 5.7.1 refused by policy"),
)


@dataclass
class Post:
    """Writes letters; each is another. `sent` counts them."""

    chance: random.Random = field(default_factory=lambda: random.Random(2027))
    sent: int = 0

    def letter(
        self, at: datetime, to: str, *, member: str = "", subject: str = "", text: str = "", parent: str = ""
    ) -> tuple[str, str, bytes]:
        """Write a letter of a member; returns sender, recipient and octets."""
        self.sent += 1
        topic, words = self.chance.choice(_LINES)
        sender = f"{member or f'mitglied{self.sent}'}@post.example"
        made = EmailMessage()
        made["From"] = f"Mitglied {sender.partition('@')[0]} <{sender}>"
        made["To"] = f"{to}@{DOMAIN}"
        made["Subject"] = subject or f"{topic} (Nr. {self.sent})"
        made["Date"] = format_datetime(at)
        made["Message-ID"] = f"<{self.sent}.brief@post.example>"
        if parent:
            made["In-Reply-To"] = made["References"] = f"<{parent}>"
        made.set_content(f"Guten Tag,\n\n{text or words}\n\nViele Grüße\n{sender}\n")
        return sender, f"{to}@{DOMAIN}", made.as_bytes()

    def reply(self, at: datetime, got: Taken, text: str = "") -> tuple[str, str, bytes]:
        """Write what a member answers to a letter of ours."""
        to = got.octets.split(b"\nFrom: ", 1)[-1].partition(b"<")[2].partition(b"@")[0].decode()
        member = got.recipient.partition("@")[0]
        return self.letter(at, to, member=member, subject=f"Re: {got.subject}", parent=got.key,
                           text=text or "vielen Dank, eine Frage habe ich noch.")  # fmt: skip

    def returned(self, at: datetime, got: Taken) -> tuple[str, str, bytes]:
        """Write the report of a server that takes a letter of ours and cannot deliver it: to its envelope."""
        return "", got.sender, self._report(at, got.sender, got.recipient, self._head(got.octets))

    def dunning_returns(self, at: datetime, count: int) -> Iterator[tuple[str, str, bytes]]:
        """Write what comes back of letters that another system has sent in our name, in the forms of real servers."""
        office = f"mahnung@{DOMAIN}"
        for number in range(count):
            gone = f"verzogen{number}@frueher.example"
            head = (
                f"From: Beiträge <{office}>\nTo: {gone}\nSubject: Ihr Beitrag für 2027\n"
                f"Date: {format_datetime(at)}\nMessage-ID: <mahnung.{number}@kasse.example>\n"
                "List-Id: Mahnlauf <mahnlauf.verband.example>\n"
            )
            shape = (self._report, self._plain, self._wordy)[number % 3]
            yield "", office, shape(at, office, gone, head)

    def _head(self, octets: bytes) -> str:
        return octets.partition(b"\r\n\r\n")[0].decode(errors="replace").replace("\r\n", "\n") + "\n"

    def _report(self, at: datetime, to: str, gone: str, head: str) -> bytes:
        """Write a report as RFC 3464 has it."""
        self.sent += 1
        code, text = self.chance.choice(_REFUSALS)
        return (
            f"From: Mail Delivery System <MAILER-DAEMON@mx.frueher.example>\nTo: {to}\n"
            f"Subject: Undelivered Mail Returned to Sender\nDate: {format_datetime(at)}\n"
            f"Message-ID: <{self.sent}.bericht@mx.frueher.example>\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=grenze\n\n"
            f"--grenze\nContent-Type: text/plain\n\n<{gone}>: {text}\n\n"
            "--grenze\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.frueher.example\n\n"
            f"Final-Recipient: rfc822; {gone}\nAction: failed\nStatus: {code}\nDiagnostic-Code: smtp; {text}\n\n"
            f"--grenze\nContent-Type: text/rfc822-headers\n\n{head}\n--grenze--\n"
        ).replace("\n", "\r\n").encode()  # fmt: skip

    def _plain(self, at: datetime, to: str, gone: str, head: str) -> bytes:
        """Write a report as qmail does."""
        self.sent += 1
        _, text = self.chance.choice(_REFUSALS)
        return (
            f"From: MAILER-DAEMON@mx.frueher.example\nTo: {to}\nSubject: failure notice\n"
            f"Date: {format_datetime(at)}\nMessage-ID: <{self.sent}.bericht@mx.frueher.example>\n\n"
            "Hi. This is the qmail-send program at mx.frueher.example.\n"
            "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
            "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
            f"<{gone}>:\n192.0.2.25 does not like recipient.\nRemote host said: {text}\nGiving up on 192.0.2.25.\n\n"
            f"--- Below this line is a copy of the message.\n\nReturn-Path: <{to}>\n{head}\nIhr Beitrag ist offen.\n"
        ).replace("\n", "\r\n").encode()  # fmt: skip

    def _wordy(self, at: datetime, to: str, gone: str, head: str) -> bytes:
        """Write a report as Exim does: in prose, with the letter behind it."""
        self.sent += 1
        _, text = self.chance.choice(_REFUSALS)
        return (
            f"X-Failed-Recipients: {gone}\nAuto-Submitted: auto-replied\n"
            f"From: Mail Delivery System <Mailer-Daemon@mx.frueher.example>\nTo: {to}\n"
            f"Subject: Mail delivery failed: returning message to sender\nDate: {format_datetime(at)}\n"
            f"Message-ID: <{self.sent}.bericht@mx.frueher.example>\n\n"
            "This message was created automatically by mail delivery software.\n\n"
            "A message that you sent could not be delivered to one or more of its\nrecipients. "
            "This is a permanent error. The following address(es) failed:\n\n"
            f"  {gone}\n    SMTP error from remote mail server after RCPT TO:<{gone}>:\n    {text}\n\n"
            f"------ This is a copy of the message, including all the headers. ------\n\n{head}\n"
            "Ihr Beitrag ist offen.\n"
        ).replace("\n", "\r\n").encode()  # fmt: skip
