"""What an answer begins with: to whom, under which subject, with which quotation. A person changes it before it leaves.

Promises: pure; nobody is proposed who does not stand in the letter; our own addresses are never proposed.

Source: RFC 5322 §3.6.2 (Reply-To), §3.6.4 (References).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from maild.mail.address import Address, as_address
from maild.mail.facts import Facts, Mailbox
from maild.mail.signing_off import without_signatures
from maild.mail.subject import answered_subject, forwarded_subject

_MAX_REFERENCES = 30
_MAX_QUOTED = 100_000
_MAX_RECIPIENTS = 100

Party = tuple[str, Address]  # display name, address


class Kind(StrEnum):
    """What is written."""

    ANSWER = "answer"
    ANSWER_ALL = "answer-all"
    FORWARD = "forward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The beginning of a letter. `in_reply_to` and `references` are ids without brackets; empty for a forward."""

    to: tuple[Party, ...] = ()
    cc: tuple[Party, ...] = ()
    subject: str = ""
    quoted: str = ""
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()


def propose(
    facts: Facts,
    kind: Kind,
    *,
    ours: bool,
    is_ours: Callable[[Address], bool],
    said: str,
    references: Collection[str] = (),
) -> Proposal:
    """Return what an answer to a letter begins with.

    Args:
        facts: the letter.
        kind: what is to be written.
        ours: we wrote the letter, so that an answer goes to whom it went.
        is_ours: tells whether an address is one of ours.
        said: the line above the quotation: who wrote this, and when.
        references: those of the conversation: they stand in no proposed subject.
    """
    if kind is Kind.FORWARD:
        subject = forwarded_subject(facts.subject, references)
        return Proposal(subject=subject, quoted=f"{said}\n\n{facts.text[:_MAX_QUOTED]}")
    to = _first_recipients(facts, ours=ours, is_ours=is_ours)
    cc: tuple[Party, ...] = ()
    if kind is Kind.ANSWER_ALL:
        others = (*facts.to, *facts.cc) if not ours else facts.cc
        cc = _parties(others, is_ours, {address.key for _, address in to})
    return Proposal(
        to=to,
        cc=cc,
        subject=answered_subject(facts.subject, references),
        quoted=f"{said}\n{quotation(without_signatures(facts.text[:_MAX_QUOTED]))}",
        in_reply_to=facts.message_key,
        references=chained(facts.references, facts.message_key),
    )


def _first_recipients(facts: Facts, *, ours: bool, is_ours: Callable[[Address], bool]) -> tuple[Party, ...]:
    if ours:
        return _parties(facts.to, is_ours, set())
    return _parties(facts.reply_to, is_ours, set()) or _parties(facts.senders, is_ours, set())


def _parties(mailboxes: Iterable[Mailbox], is_ours: Callable[[Address], bool], known: set[str]) -> tuple[Party, ...]:
    found: dict[str, Party] = {}
    for mailbox in mailboxes:
        address = as_address(mailbox.mail)
        if address is None:
            continue
        if address.key not in known and address.is_ascii and not is_ours(address):
            found.setdefault(address.key, (mailbox.name, address))
        if len(found) == _MAX_RECIPIENTS:
            break
    return tuple(found.values())


def quotation(text: str) -> str:
    """Return a text as it is quoted, each line behind a `>`; a very long one is cut."""
    lines = text[:_MAX_QUOTED].rstrip().split("\n")
    return "\n".join(f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in lines)


def chained(references: tuple[str, ...], message_key: str | None) -> tuple[str, ...]:
    """Return the References of an answer: those of the letter and the letter itself; of many the first and the last."""
    chain = tuple(dict.fromkeys((*references, message_key) if message_key else references))
    return chain if len(chain) <= _MAX_REFERENCES else (chain[0], *chain[1 - _MAX_REFERENCES :])
