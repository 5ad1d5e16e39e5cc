"""The letter that is answered, and what an answer to it begins with."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from maild.archive.queries import Conversation, Message
from maild.mail.address import Address, as_path
from maild.mail.answering import Kind, Party, Proposal, propose
from maild.mail.facts import Facts, Mailbox
from maild.mail.filename import safe_filename
from maild.web import times
from maild.web.addressing import typed
from maild.web.language import catalogue
from maild.web.opening import facts_of
from maild.web.visit import Visit

_TAKEABLE = 3  # letters of a conversation whose attachments are offered, besides the answered one


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A letter, and what it says."""

    message: Message
    facts: Facts

    @property
    def ours(self) -> bool:
        """Whether we wrote it."""
        return self.message.direction == "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeable:
    """An attachment of the conversation that can go along. `key` is its name in the form."""

    key: str
    message_id: int
    part: str
    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A recipient that the letter brings, and whom we did not write to last time.

    `why` is `reply-to`, `reply-to-unproven`, `sender` or `copy`.
    """

    party: Party
    why: str


async def original(visit: Visit, message: Message) -> Original:
    """Read a letter."""
    return Original(message=message, facts=await facts_of(visit, message))


def answered(talk: Conversation, message_id: int | None) -> Message:
    """Return the letter that an answer is to: the one asked for, else the newest by a person outside."""
    found = next((m for m in talk.messages if m.id == message_id), None)
    people = [m for m in talk.messages if m.direction == "in" and not m.automatic]
    return found or (people or list(talk.messages))[-1]


def proposal(visit: Visit, letter: Original, kind: Kind, references: Collection[str] = ()) -> Proposal:
    """Return what an answer begins with; none of the references stands in its subject."""
    rules = visit.services.rulebook.current
    return propose(
        letter.facts, kind, ours=letter.ours, is_ours=lambda a: rules.serves(a.domain),
        said=_said(visit, letter, kind), references=references,
    )  # fmt: skip


def _said(visit: Visit, letter: Original, kind: Kind) -> str:
    """Return the line above the quotation; of a forward, the header as people know it."""
    # In the language of the organisation: it is not for the reader of this page.
    organisation = visit.services.rulebook.current.organisation
    _ = catalogue(organisation.language).gettext
    message, sender = letter.message, letter.facts.senders[0] if letter.facts.senders else None
    who = " ".join(sender.name.split()) or sender.mail if sender else _("unknown")
    when = times.full(message.received_ms, organisation.timezone, organisation.language)
    if kind is not Kind.FORWARD:
        return _("On %(when)s %(who)s wrote:") % {"when": when, "who": who}
    whom = typed(_parties(letter.facts.to[:20]))
    mail = f" <{sender.mail}>" if sender and who != sender.mail else ""
    head = [("From", who + mail), ("Date", when), ("Subject", " ".join(letter.facts.subject.split())), ("To", whom)]
    names = {"From": _("From"), "Date": _("Date"), "Subject": _("Subject"), "To": _("To")}
    lines = [f"{names[name]}: {value}" for name, value in head if value]
    title = _("Forwarded letter")
    return "\n".join([f"--- {title} ---", *lines])


def _parties(mailboxes: Iterable[Mailbox]) -> Iterable[Party]:
    for mailbox in mailboxes:
        if (address := as_path(mailbox.mail)) is not None:
            yield mailbox.name, address


def came_to(letter: Original) -> tuple[Address, ...]:
    """Return the addresses in To and Cc: one of them is ours; of our own letters, who wrote it."""
    own = letter.facts.senders if letter.ours else ()
    return tuple(address for _, address in _parties((*own, *letter.facts.to, *letter.facts.cc)[:100]))


def newcomers(
    letter: Original, said: Proposal, known: frozenset[str] | None, *, unproven: bool = False
) -> tuple[Newcomer, ...]:
    """Return the recipients that a letter brings and that were not written to the last time.

    Security: whoever can write a letter can write a Cc or a Reply-To into it; an answer then tells them all that is
    quoted. The first time, who is known is the author of the letter. `unproven`: that the author has written its
    Reply-To is not.
    """
    if letter.ours:
        return ()
    if known is None:
        known = frozenset({letter.message.from_mail})
    why = ("reply-to-unproven" if unproven else "reply-to") if letter.facts.reply_to else "sender"
    first = [Newcomer(party=party, why=why) for party in said.to if party[1].key not in known]
    return (*first, *(Newcomer(party=party, why="copy") for party in said.cc if party[1].key not in known))


async def takeable(visit: Visit, talk: Conversation, answers_id: int | None) -> tuple[Takeable, ...]:
    """Return the attachments of the answered letter and of the newest others."""
    having = [m for m in talk.messages if m.attachments]
    chosen = {m.id: m for m in (*having[-_TAKEABLE:], *(m for m in having if m.id == answers_id))}
    found: list[Takeable] = []
    for message in chosen.values():
        for file in (await facts_of(visit, message)).attachments:
            key = f"{message.id}:{file.part}"
            name = safe_filename(file.name)
            found.append(Takeable(key=key, message_id=message.id, part=file.part, name=name, size=file.size_bytes))
    return tuple(found)
