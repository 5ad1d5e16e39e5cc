"""What members answer to copies: where such mail is filed, and what is known of it when it is to go out.

The mail itself lies apart, closed, in the inbox in whose name its copy was made: it holds quotations, signatures and a
private address. What goes to the citizen is composed of it (`maild.intake.member_answers`), or is kept as a draft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from maild.archive.accounts import User, find_user, principal
from maild.archive.as_read import Answering, Filing
from maild.archive.copies import Parents, copy_of
from maild.archive.examinations import evidence_of
from maild.archive.schema import conversations, filings, message_refs, messages, recipients, summaries, users
from maild.archive.schema_senders import examinations
from maild.archive.threading import target_of
from maild.errors import NotFoundError
from maild.mail.evidence import Evidence
from maild.mail.facts import Automatic
from maild.mail.member_answer import Why, is_absence
from maild.mail.reply_token import Claim
from maild.mail.screening import from_json
from maild.policy.grants import may
from maild.policy.roles import Permission
from maild.rules.duties import MEMBER_ANSWER, Duty


def beside_inboxes(connection: Connection, work: Sequence[Filing]) -> list[Filing]:
    """Put what came to reply addresses where the copies were made, with the duty to send it on to the citizen.

    Security: no rule sends such a message anywhere, and it takes part in no conversation. What no person wrote is filed
    without a duty: it never reaches a citizen.
    """
    return [item if item.answering is None else _apart(connection, item, item.answering) for item in work]


def _apart(connection: Connection, item: Filing, answering: Answering) -> Filing:
    apart = item._replace(people=(), references=(), duties=())
    copy = copy_of(connection, answering.letter_id, answering.user_id)
    if copy is None:  # a backup was restored that does not know of it: a letter as any other, at the fallback
        return apart._replace(answering=None)
    state = "spam" if item.places[0].state == "spam" else "closed"
    place = item.places[0]._replace(team=copy.team, state=state, priority=1)
    others = () if answering.alone else tuple(each for each in item.places if each.team != copy.team)
    by_person = item.summary.automatic == Automatic.PERSON and not answering.bounced
    if not by_person or is_absence(item.summary.subject):
        return apart._replace(places=(*others, place))
    login = connection.scalar(select(users.c.login).where(users.c.id == answering.user_id)) or ""
    duty = Duty(copy.team, MEMBER_ANSWER, login, "")
    return apart._replace(places=(*others, place), duties=(duty,))


# --- when it is to go out -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """A mail that a member wrote to a reply address, as it was filed. `filed`: why a filter put it into spam."""

    message_id: int
    digest: bytes
    size: int
    conversation_id: int
    addressed: tuple[str, ...]
    evidence: Evidence | None
    filed: str
    source_only: bool
    again: bool  # the same Message-ID came to the same address before


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The letter that is answered, where it lies now. `came_to` are addresses of ours."""

    message_id: int
    team: str
    conversation_id: int
    reference: str
    digest: bytes
    size: int
    from_mail: str
    came_to: tuple[str, ...]


def came(connection: Connection, message_id: int) -> Came:
    """Return a mail that waits to go out. Raises NotFoundError."""
    row = connection.execute(
        select(messages.c.digest, messages.c.size, summaries.c.conversation_id, summaries.c.message_key,
               summaries.c.source_only, examinations.c.screening)
        .join_from(messages, summaries, summaries.c.message_id == messages.c.id)
        .outerjoin(examinations, examinations.c.message_id == messages.c.id)
        .where(messages.c.id == message_id)
    ).first()  # fmt: skip
    if row is None:
        raise NotFoundError("no such message")
    addressed = _addresses(connection, message_id)
    return Came(
        message_id=message_id, digest=bytes(row.digest), size=row.size, conversation_id=row.conversation_id,
        addressed=addressed, evidence=evidence_of(connection, [message_id]).get(message_id),
        filed="" if row.screening is None else from_json(row.screening).filed,
        source_only=row.source_only is not None, again=_came_before(connection, message_id, row.message_key),
    )  # fmt: skip


def _came_before(connection: Connection, message_id: int, key: str | None) -> bool:
    """Tell whether a message of that Message-ID came before to an address that this one came to.

    Security: a signed answer that somebody else sends once more, with another envelope, would be a second answer.
    """
    if key is None:
        return False
    earlier, this = recipients.alias("earlier"), recipients.alias("this")
    found = (
        select(message_refs.c.message_id)
        .join_from(message_refs, earlier, earlier.c.message_id == message_refs.c.message_id)
        .join(this, this.c.address_key == earlier.c.address_key)
        .where(
            message_refs.c.target == target_of(key),
            message_refs.c.position == 0,
            message_refs.c.message_id < message_id,
            this.c.message_id == message_id,
        )
    )
    return connection.execute(found.limit(1)).first() is not None


def _addresses(connection: Connection, message_id: int) -> tuple[str, ...]:
    found = select(recipients.c.address).where(recipients.c.message_id == message_id).order_by(recipients.c.position)
    return tuple(connection.scalars(found))


def asked(connection: Connection, claim: Claim) -> Asked | None:
    """Return the letter that an address names; None where no copy was made of it, or its inbox has it no more."""
    copy = copy_of(connection, claim.letter_id, claim.user_id)
    if copy is None:
        return None
    row = connection.execute(
        select(messages.c.digest, messages.c.size, filings.c.conversation_id, summaries.c.from_mail,
               conversations.c.reference)
        .join_from(messages, filings, filings.c.message_id == messages.c.id)
        .join(summaries, summaries.c.message_id == messages.c.id)
        .join(conversations, conversations.c.id == filings.c.conversation_id)
        .where(messages.c.id == claim.letter_id, filings.c.team == copy.team)
    ).first()  # fmt: skip
    if row is None:
        return None
    return Asked(
        message_id=claim.letter_id, team=copy.team, conversation_id=row.conversation_id, reference=row.reference,
        digest=bytes(row.digest), size=row.size, from_mail=row.from_mail or "",
        came_to=_addresses(connection, claim.letter_id),
    )  # fmt: skip


def member(connection: Connection, login: str) -> User | None:
    """Return the account of a member, also a closed one."""
    try:
        return find_user(connection, login)
    except NotFoundError:
        return None


def objection(connection: Connection, claim: Claim, parents: Parents, now_ms: int) -> Why | None:
    """Return why a member may not answer by this address at this moment; None: they may."""
    copy = copy_of(connection, claim.letter_id, claim.user_id)
    if copy is None or copy.revoked_ms is not None:
        return Why.REVOKED
    # Invariant: the earlier of what the address says and of what was recorded; a lost secret gives nobody more time.
    if now_ms >= min(claim.until_ms, copy.until_ms):
        return Why.EXPIRED
    who = principal(connection, claim.user_id)
    teams = {copy.team: None, **parents}
    if who is None or not may(who, Permission.RESPOND, team=copy.team, teams=teams, now_ms=now_ms):
        return Why.RIGHT
    return None if asked(connection, claim) is not None else Why.RIGHT
