"""What a message is found by: its analysed text. Made where the message is read, in a worker process; no SQL here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from maild.archive import analysis
from maild.mail.facts import Facts, Mailbox

FIELDS = ("subject", "sender", "recipients", "cc", "envelope", "filenames", "body")
# Characters that are analysed of each; what is beyond is not found. A PostgreSQL tsvector holds 1 MB.
BODY_CHARACTERS = 200_000
HEADER_CHARACTERS = 10_000


class IndexDocument(NamedTuple):
    """The analysed text of one message, a field for each thing one can ask for.

    `envelope` holds the recipients of the envelope: they may name teams that a reader does not know of, so only the
    operator's search looks there. `revision` is 0 until the message is filed.
    """

    message_id: int
    revision: int = 0
    subject: str = ""
    sender: str = ""
    recipients: str = ""
    cc: str = ""
    envelope: str = ""
    filenames: str = ""
    body: str = ""


def _mailboxes(mailboxes: Iterable[Mailbox]) -> str:
    return "\n".join([f"{m.name} {m.mail}" for m in mailboxes])


def document_of(
    facts: Facts, envelope_recipients: tuple[str, ...], message_id: int, revision: int = 0
) -> IndexDocument:
    """Analyse what a message is found by. Runs where the message was parsed: its text is not ours."""

    def header(words: str) -> str:
        return analysis.analyse(words[:HEADER_CHARACTERS])

    return IndexDocument(
        message_id=message_id,
        revision=revision,
        subject=header(facts.subject),
        sender=header(_mailboxes(facts.senders + facts.reply_to)),
        recipients=header(_mailboxes(facts.to)),
        cc=header(_mailboxes(facts.cc)),
        envelope=header("\n".join(envelope_recipients)),
        filenames=header("\n".join([a.name for a in facts.attachments])),
        body=analysis.analyse(facts.text[:BODY_CHARACTERS]),
    )
