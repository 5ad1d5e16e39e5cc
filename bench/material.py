"""The mail that is sent: written by no one, but shaped and compressible as an office's mail is.

German and English function words, and compound nouns as officials build them, drawn by Zipf's law. Every message has
its own Message-ID, subject, reference numbers and order of sentences, so that nothing is stored once for two messages.
A third of the messages answer an earlier one, as conversations do.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import random
import tomllib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.header import Header
from email.utils import formatdate
from pathlib import Path

DOMAIN = "musterstadt.example"
MAILBOX_COUNT = 100
DOMAIN_COUNT = 200

_WORDS = {
    name: text.split()
    for name, text in tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8")).items()
}
_POOL_SENTENCES = 8000
_BLOB_LINES = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a mail is, and of what: `text` octets in both bodies together, `attached` octets of base64."""

    text: int
    attached: int


SHAPES = {
    "4k": Shape(text=2_600, attached=0),
    "100k": Shape(text=30_000, attached=70_000),
    "100k-text": Shape(text=98_600, attached=0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail: its envelope, and its content ready for DATA (dot-stuffed, with the end-of-data)."""

    sender: bytes
    recipient: bytes
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """What an answer needs to know of the mail it answers."""

    sender: str
    recipient: str
    subject: str
    message_id: str
    minute: int


def mailbox(number: int) -> str:
    """Return the address of one of the MAILBOX_COUNT function addresses."""
    return f"stelle{number % MAILBOX_COUNT:03d}@{DOMAIN}"


def _vocabulary() -> tuple[list[str], list[float]]:
    """Return words, the frequent ones first, and their cumulative weights by Zipf's law."""
    compounds = [a + b.lower() for a, b in itertools.product(_WORDS["stems"], _WORDS["stems"]) if a != b]
    random.Random(1).shuffle(compounds)
    words = list(dict.fromkeys([*_WORDS["function_words"], *_WORDS["verbs"], *_WORDS["stems"], *compounds]))
    return words, list(itertools.accumulate(1 / (rank + 8) for rank in range(len(words))))


def _wrap(words: list[str], limit: int = 70) -> list[str]:
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) >= limit:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    return [*lines, line]


def _quoted_printable(lines: list[str]) -> bytes:
    return b"".join(binascii.b2a_qp(f"{line}\n".encode()).replace(b"\n", b"\r\n") for line in lines)


def sender_domain(number: int) -> str:
    """Return one of the DOMAIN_COUNT domains that write to us."""
    return f"post{number % DOMAIN_COUNT}.example"


Signer = Callable[[bytes, str], bytes]  # a mail and its domain → the signature to be put above it


class Writer:
    """Writes mails; the same seed writes the same mails. With a `signer` their signatures are good ones."""

    def __init__(self, *, seed: int, signer: Signer | None = None) -> None:
        self._signer = signer
        self._chance = random.Random(seed)
        self._seed = seed
        words, weights = _vocabulary()
        drawn = iter(self._chance.choices(words, cum_weights=weights, k=_POOL_SENTENCES * 20))
        self._plain: list[bytes] = []
        self._html: list[bytes] = []
        for _ in range(_POOL_SENTENCES):
            sentence = list(itertools.islice(drawn, self._chance.randint(6, 20)))
            sentence[0] = sentence[0].capitalize()
            sentence[-1] += "."
            lines = _wrap(sentence)
            self._plain.append(_quoted_printable(lines))
            self._html.append(_quoted_printable(['<p style="margin:0 0 8px 0">', *lines, "</p>"]))
        self._sentence_octets = sum(map(len, self._plain + self._html)) / _POOL_SENTENCES
        blob = self._chance.randbytes(57 * _BLOB_LINES)
        self._blob = base64.encodebytes(blob).replace(b"\n", b"\r\n")
        self._words = words
        self._asked: deque[_Letter] = deque(maxlen=500)

    def mails(self, shape: Shape, count: int) -> Iterator[Mail]:
        """Yield `count` mails, spread evenly over the mailboxes."""
        for number in range(count):
            yield self._mail(shape, number)

    def _mail(self, shape: Shape, number: int) -> Mail:
        asked = self._chance.choice(self._asked) if self._asked and number % 3 == 2 else None
        this = self._letter(number, asked)
        self._asked.append(this)
        octets = self._header(this, asked) + self._body(shape, number)
        if self._signer is not None:
            octets = self._signer(octets, this.sender.partition("@")[2]) + octets
        content = octets.replace(b"\r\n.", b"\r\n..")
        return Mail(sender=this.sender.encode(), recipient=this.recipient.encode(), data=content + b".\r\n")

    def _letter(self, number: int, asked: _Letter | None) -> _Letter:
        sender = f"person{self._chance.randrange(5000)}@{sender_domain(self._chance.randrange(DOMAIN_COUNT))}"
        words = " ".join(self._chance.choices(self._words, k=4))
        token = f"{self._seed:x}.{number:x}.{self._chance.getrandbits(48):x}"
        return _Letter(
            sender=asked.sender if asked else sender,
            recipient=asked.recipient if asked else mailbox(number),
            subject=f"Re: {asked.subject.removeprefix('Re: ')}" if asked else f"{words} {number}",
            message_id=f"<{token}@{sender.partition('@')[2]}>",
            minute=number,
        )

    def _header(self, this: _Letter, asked: _Letter | None) -> bytes:
        name = Header(
            f"{self._chance.choice(_WORDS['first_names'])} {self._chance.choice(_WORDS['last_names'])}", "utf-8"
        ).encode()
        subject = this.subject if this.subject.isascii() else Header(this.subject, "utf-8").encode(linesep="\r\n")
        signature = base64.b64encode(self._chance.randbytes(192)).decode()
        folded = "\r\n\t".join(signature[i : i + 72] for i in range(0, len(signature), 72))
        domain = this.sender.partition("@")[2]
        date = formatdate(1_760_000_000 + this.minute * 60)
        peer = f"203.0.113.{self._chance.randrange(1, 255)}"
        reply = f"In-Reply-To: {asked.message_id}\r\nReferences: {asked.message_id}\r\n" if asked else ""
        unsigned = (
            ""
            if self._signer is not None
            else f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=mail;\r\n"
            f"\th=from:to:subject:date:message-id:mime-version:content-type; bh={signature[:44]};\r\n\tb={folded}\r\n"
        )
        return (
            f"Received: from out.{domain} (out.{domain} [{peer}])\r\n"
            f"\tby relay.{domain} (Postfix) with ESMTPS id {this.minute:08X}\r\n\tfor <{this.recipient}>; {date}\r\n"
            f"{unsigned}From: {name} <{this.sender}>\r\nTo: <{this.recipient}>\r\n"
            f"Subject: {subject}\r\nDate: {date}\r\nMessage-ID: {this.message_id}\r\n{reply}"
            "MIME-Version: 1.0\r\nUser-Agent: Mozilla Thunderbird\r\nContent-Language: de-DE\r\n"
        ).encode()

    def _body(self, shape: Shape, number: int) -> bytes:
        mark = f"{self._seed:x}{number:08x}"
        text = self._alternative(shape.text, mark)
        if not shape.attached:
            return text
        line = 78
        lines = shape.attached // line
        start = self._chance.randrange(_BLOB_LINES - lines) * line
        return b"".join((
            f'Content-Type: multipart/mixed; boundary="mix{mark}"\r\n\r\n--mix{mark}\r\n'.encode(),
            text,
            f"--mix{mark}\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
            f'Content-Disposition: attachment; filename="Bescheid-{mark}.pdf"\r\n\r\n'.encode(),
            self._blob[start : start + lines * line],
            f"--mix{mark}--\r\n".encode(),
        ))  # fmt: skip

    def _alternative(self, octets: int, mark: str) -> bytes:
        chosen = self._chance.choices(range(_POOL_SENTENCES), k=max(1, round(octets / self._sentence_octets)))
        opening = f"Aktenzeichen {mark[:4]}/{mark[4:]}, Kassenzeichen {self._chance.getrandbits(40)}.\r\n".encode()
        kind = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        edge = f"--alt{mark}".encode()
        return b"".join((
            f'Content-Type: multipart/alternative; boundary="alt{mark}"\r\n\r\n'.encode(),
            edge, b"\r\n", kind % b"plain", opening, *[self._plain[i] for i in chosen],
            edge, b"\r\n", kind % b"html", b"<html><body>\r\n<p>", opening, b"</p>\r\n",
            *[self._html[i] for i in chosen], b"</body></html>\r\n", edge, b"--\r\n",
        ))  # fmt: skip
