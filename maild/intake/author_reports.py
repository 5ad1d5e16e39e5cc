"""Delivery reports for authors who wrote in a mail program, or answered a copy: composed, submitted, told once.

In the browser the letter itself shows what became of it; who is not there is told in their own mailbox. The report has
the null reverse-path and says that it is automatic, so that none answers it; what becomes of itself nobody is told.

Security: it goes to the mailbox that is known of the author, as long as they may read the team's letters, and to none
that ends here. Of a confidential letter it holds the recipient and the status, and nothing else.

Source: RFC 3461, RFC 3464, RFC 3834 §2.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial

import structlog
from sqlalchemy import Connection

from maild.archive import content
from maild.archive.accounts import User, find_user, principal
from maild.archive.copies import mailbox_outside
from maild.archive.database import Database
from maild.delivery.queue.authors import HELD, Letter, Noted, Told, end_reports, letters_to_tell, tell
from maild.delivery.queue.messages import piece
from maild.errors import MaildError, NotFoundError, TemporaryError
from maild.intake.held_letter import held_letter
from maild.intake.submission import Submission
from maild.intake.submit import Submitter
from maild.mail.address import Address, as_address, parse_address
from maild.mail.composing import Composition, automatic, compose
from maild.mail.dsn import DELAYED
from maild.mail.dsn_writing import Notice, Reported, compose_report
from maild.mail.header import newline_of, read_header
from maild.mail.ids import format_id
from maild.mail.inbox import is_confidential
from maild.mail.local_time import local_time
from maild.policy.grants import may
from maild.policy.roles import Permission
from maild.rounds import Rounds, one_by_one
from maild.rules.authorship import senders
from maild.rules.model import Ruleset

# Why an author is not told.
OVER, AUTOMATIC, NO_MAILBOX, NO_RIGHT, NO_ADDRESS = "over", "automatic", "no-mailbox", "no-right", "no-address"
_POLL_S = 10.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """To whom a report goes, from whom, in which language, and as much of the letter as it needs."""

    to: Address
    author: Address
    language: str
    octets: bytes


def _failed(error: Exception) -> None:
    _log.error("author_report.failed", error=type(error).__name__)


def _failed_for(letter: Letter, error: Exception) -> None:
    _log.error("author_report.failed", error=type(error).__name__, id=format_id(letter.message_id))


class AuthorReports:
    """The task that tells authors. `hostname` is this machine's, as reports name it; `base_url` that of the pages."""

    def __init__(
        self, *, database: Database, rules: Callable[[], Ruleset], submitter: Submitter, hostname: str,
        base_url: str, now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._database = database
        self._rules = rules
        self._submitter = submitter
        self._hostname = hostname
        self._base_url = base_url
        self._now_ms = now_ms
        self._rounds = Rounds(_POLL_S)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._rounds.run(self.once, _failed)

    async def once(self) -> None:
        """Look at all that waits."""
        after = 0
        while found := await asyncio.to_thread(self._waiting, after):
            after = found[-1].message_id
            await one_by_one(found, self._carry_out, _failed_for)

    def _waiting(self, after: int) -> list[Letter]:
        with self._database.read() as connection:
            return letters_to_tell(connection, now_ms=self._now_ms(), after=after)

    async def _carry_out(self, letter: Letter) -> None:
        await self._drop(letter, [each for each in letter.noted if not each.stands], OVER)
        stands = [each for each in letter.noted if each.stands]
        # That it waits is told by itself; what has become of others of its recipients, in the next round.
        noted = [each for each in stands if each.action == HELD] or stands
        if not noted:
            return
        ready = await asyncio.to_thread(self._ready, letter, noted)
        if isinstance(ready, str):
            await self._drop(letter, noted, ready)
            return
        octets = await asyncio.to_thread(self._octets, letter, noted, ready)
        told = Told(keys=_keys(noted), state="told", why="", at_ms=self._now_ms())
        submission = Submission(
            content=octets, kind="notice", team=letter.team, author="", recipients=(ready.to,), reverse_path=None,
            answers_id=letter.message_id, conversation_id=letter.conversation_id, also=partial(_tell, told),
        )  # fmt: skip
        try:
            await self._submitter.submit(submission)
        except TemporaryError:
            raise
        except MaildError:
            return  # another host was quicker, or the mailbox has become one of ours: the next look says which
        _log.info("author_report.sent", id=format_id(letter.message_id), deliveries=len(noted))

    async def _drop(self, letter: Letter, noted: list[Noted], why: str) -> None:
        if noted:
            told = Told(keys=_keys(noted), state="dropped", why=why, at_ms=self._now_ms())
            await self._database.writer.run(end_reports, told)
            _log.info("author_report.dropped", id=format_id(letter.message_id), deliveries=len(noted), reason=why)

    def _ready(self, letter: Letter, noted: list[Noted]) -> _Ready | str:
        """Return what the report is made of, or why there is none."""
        rules = self._rules()
        whole = any(each.dsn.ret == "FULL" for each in noted) and not is_confidential(letter.team)
        with self._database.read(mapped=False) as connection:
            octets = content.read(connection, letter.digest) if whole else piece(connection, letter.digest, 0) or b""
        if _is_automatic(octets):
            return AUTOMATIC
        author = self._from(letter, rules)
        if author is None:
            return NO_ADDRESS
        with self._database.read() as connection:
            try:
                person = find_user(connection, letter.author)
            except NotFoundError:
                return NO_RIGHT
            who = principal(connection, person.id)
        if who is None or not may(who, Permission.READ, team=letter.team, teams=rules.parents, now_ms=self._now_ms()):
            return NO_RIGHT
        mailbox = mailbox_outside(person.mail, rules.domains)
        if mailbox is None:
            return NO_MAILBOX
        return _Ready(to=mailbox, author=author, language=_language(person, rules), octets=octets)

    def _from(self, letter: Letter, rules: Ruleset) -> Address | None:
        """Return the office's address: what somebody answers to the report comes to the team."""
        address = as_address(letter.reverse_path)
        if address is not None and address.is_ascii and rules.find(address) is not None:
            return address
        choices = senders(rules, [letter.team])
        return choices[0].address if choices else None

    def _octets(self, letter: Letter, noted: list[Noted], ready: _Ready) -> bytes:
        if noted[0].action != HELD:
            return compose_report(self._notice(letter, noted, ready), ready.octets)
        rules = self._rules()
        subject, text = held_letter(ready.language, letter.reference, f"{self._base_url}/c/{letter.reference}")
        composition = Composition(
            sender=(rules.organisation.name, ready.author), to=(("", ready.to),), subject=subject, text=text,
            message_id=_key(ready.author), date=local_time(self._now_ms(), rules.organisation.timezone),
            language=ready.language, fields=automatic("auto-replied"),
        )  # fmt: skip
        return compose(composition, secrets.token_hex(16))

    def _notice(self, letter: Letter, noted: list[Noted], ready: _Ready) -> Notice:
        zone, now_ms = self._rules().organisation.timezone, self._now_ms()
        asked = noted[0].dsn
        return Notice(
            to=ready.to, author=ready.author, host=self._hostname,
            message_key=_key(ready.author), at=local_time(now_ms, zone),
            arrived_at=local_time(letter.received_ms, zone),
            recipients=tuple(_reported(each, zone, now_ms) for each in noted), envid=asked.envid or None,
            full=asked.ret == "FULL", language=ready.language, confidential=is_confidential(letter.team),
        )  # fmt: skip


def _reported(each: Noted, zone: tzinfo, now_ms: int) -> Reported:
    until = local_time(each.expires_ms, zone) if each.action == DELAYED and each.expires_ms > now_ms else None
    return Reported(
        recipient=parse_address(each.recipient), action=each.action, said=each.said,
        remote=each.remote.partition(" ")[0], orcpt=each.dsn.orcpt or None, retried_until=until,
    )  # fmt: skip


def _is_automatic(octets: bytes) -> bool:
    field = read_header(octets, 0, len(octets), newline_of(octets)).first("auto-submitted")
    return field is not None and field.raw.partition(";")[0].strip().lower() not in ("", "no")


def _key(author: Address) -> str:
    return f"{secrets.token_hex(12)}@{author.domain}"


def _tell(told: Told, connection: Connection) -> None:
    tell(connection, told)


def _keys(noted: list[Noted]) -> tuple[tuple[int, str], ...]:
    return tuple((each.delivery_id, each.action) for each in noted)


def _language(person: User, rules: Ruleset) -> str:
    return person.language or rules.organisation.language
