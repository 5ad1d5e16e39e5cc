"""What a page knows of who sent a letter: the evidence kept with it, and the letters before it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import Connection

from maild.archive.acquaintance import letters_before
from maild.archive.examinations import evidence_of
from maild.archive.queries import Message
from maild.authentication.noted import standing_noted
from maild.authentication.standing import NOT_LOOKED, Standing, StandingKind, signs_answers_away, standing_of
from maild.mail.evidence import Evidence
from maild.policy.visible import Visible
from maild.web.letter_view import LetterView
from maild.web.sender_words import SenderLine, acquaintance, sender_line

# Notices about the name before an address, or about the letters of its domain.
_MISLEADING = frozenset({"name-contains-address", "name-contains-control", "hidden-direction", "lookalike-domain"})


class Known(NamedTuple):
    """What the archive knows. `before` counts the letters that bore the address; None: not to be told."""

    evidence: Evidence | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """How the sender of a letter stands, and what is said of it. Of what nobody has looked at, nothing is said."""

    standing: Standing = NOT_LOOKED
    evidence: Evidence | None = None
    line: SenderLine | None = None
    before: str = ""


def is_from_outside(message: Message) -> bool:
    """Tell whether a letter came over the public door: not imported, not written here."""
    return message.direction == "in" and message.origin == "smtp"


def known_of(connection: Connection, visible: Visible, message: Message) -> Known:
    """Ask the archive about the sender of a letter that the asker may read."""
    if not is_from_outside(message):
        return Known()
    evidence = evidence_of(connection, [message.id]).get(message.id)
    if not message.from_mail:
        return Known(evidence)
    mail, number = message.from_mail, message.id
    return Known(evidence, letters_before(connection, visible=visible, from_mail=mail, message_id=number))


def sender_of(known: Known, view: LetterView, our_domains: Collection[str], language: str) -> Sender:
    """Say how the sender of an opened letter stands."""
    author = view.header.author
    standing = standing_of(known.evidence, author.domain, our_domains)
    misleading = any(notice.code in _MISLEADING and notice.part is None for notice in view.notices)
    own = {each.mail.lower() for each in view.header.senders}
    away = any(each.mail.lower() not in own for each in view.header.reply_to)
    unsigned = known.evidence is not None and not signs_answers_away(known.evidence, author.domain)
    line = sender_line(standing, author.problem, language, misleading=misleading, answers_away=away and unsigned)
    # Security: how often an address was borrowed before makes no letter more trustworthy.
    told = known.before is not None and not author.problem and standing.kind is not StandingKind.FORGED
    return Sender(
        standing=standing,
        evidence=known.evidence,
        line=None if known.evidence is None else line,
        before=acquaintance(known.before or 0, language) if told else "",
    )


def without_what_is_said(view: LetterView, standing: Standing) -> LetterView:
    """Return a view without the notice about an address of ours where the sender's line has settled it."""
    settled = standing.kind is StandingKind.CONFIRMED or standing.by == "own-domain"
    if not settled:
        return view
    return replace(view, notices=tuple(notice for notice in view.notices if notice.code != "own-domain"))


def says_where_answers_go(connection: Connection, message: Message) -> bool | None:
    """Tell whether the sender of a letter is proven to want its answers elsewhere; None: nobody has looked.

    The asker may read the letter.
    """
    evidence = evidence_of(connection, [message.id]).get(message.id) if is_from_outside(message) else None
    if evidence is None:
        return None
    standing = standing_noted(evidence, message.from_mail, ())
    return standing.kind is StandingKind.CONFIRMED and signs_answers_away(evidence, standing.domain)


def forged_among(
    connection: Connection, letters: Iterable[tuple[int, str]], our_domains: Collection[str]
) -> frozenset[int]:
    """Return those letters, of ids and first addresses of From, that seem forged. The asker may see all of them."""
    mails = dict(letters)
    found = evidence_of(connection, mails)
    standings = {number: standing_noted(found[number], mails[number], our_domains) for number in found}
    return frozenset(number for number, standing in standings.items() if standing.kind is StandingKind.FORGED)
