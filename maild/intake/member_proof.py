"""Whose answer a mail to a reply address is: told by the address, and proven by the mail system, or not yet.

Security: an address can be guessed, leaked or forwarded. So a mail counts as the member's only if it is from their
mailbox, names the reply address where people see it, and its domain vouches for it.

Source: threats T1, T2, T4.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from maild.archive.accounts import User
from maild.archive.duties import RecordedDuty
from maild.archive.member_answers import Asked, Came, asked, came, member
from maild.authentication.author import author_of
from maild.authentication.standing import StandingKind, standing_of
from maild.errors import NotFoundError
from maild.mail.address import Address, as_address
from maild.mail.member_answer import Why, is_addressed
from maild.mail.reply_token import Claim, claim_of

_PATIENCE_MS = 15 * 60 * 1000  # for evidence that is not there yet


class UndecidedError(Exception):
    """Nobody knows yet who sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A mail to a reply address, whose it should be, and what it answers."""

    duty: RecordedDuty
    came: Came
    address: Address  # the reply address, as it was given
    claim: Claim
    person: User | None
    letter: Asked | None
    alone: bool  # it came to one reply address only


def case_of(connection: Connection, duty: RecordedDuty, key: bytes) -> Case:
    """Return what a duty is about. `key` is that of the reply addresses. Raises NotFoundError."""
    mail = came(connection, duty.message_id)
    given = filter(None, map(as_address, mail.addressed))
    claims = [(each, claim) for each in given if (claim := claim_of(each, key)) is not None]
    if not claims:
        raise NotFoundError("the secret of the reply addresses is another one now")
    return Case(
        duty=duty, came=mail, address=claims[0][0], claim=claims[0][1], person=member(connection, duty.target),
        letter=asked(connection, claims[0][1]), alone=len(claims) == 1,
    )  # fmt: skip


def not_theirs(case: Case, octets: bytes, our_domains: Collection[str], now_ms: int) -> Why | None:
    """Return why a mail does not count as the member's. Raises UndecidedError as long as nobody knows."""
    author = author_of(octets)
    if case.came.again:
        return Why.AGAIN
    if case.person is None or not author.verifiable or not _same(author.address, case.person.mail):
        return Why.SENDER
    if not is_addressed(octets, case.address):
        return Why.UNPROVEN
    standing = standing_of(case.came.evidence, author.domain, our_domains)
    if standing.kind is StandingKind.UNKNOWN and now_ms - case.duty.made_ms < _PATIENCE_MS:
        raise UndecidedError
    if standing.kind is not StandingKind.CONFIRMED:
        return Why.UNPROVEN
    return Why.SUSPICIOUS if case.came.filed else None


def _same(address: str, registered: str | None) -> bool:
    mine, theirs = as_address(address), as_address(registered)
    return mine is not None and theirs is not None and mine.key == theirs.key
