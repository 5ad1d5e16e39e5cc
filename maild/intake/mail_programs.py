"""What staff write in Outlook or Thunderbird: who may sign in, whom they may write to, and in whose name.

All of it ends in `maild.intake.submit`. The letter leaves in the name of a function address, or not at all; its
conversation is the one that it refers to, among those that the team has. Where a colleague was quicker, it is archived
and waits for a person: a mail program cannot be asked.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection

from maild.archive.accounts import fold_login, principal
from maild.archive.app_passwords import Found, Used, find_app_password, is_account, parted, touch_app_passwords
from maild.archive.database import Database
from maild.archive.outgoing import Answered, answered_by
from maild.archive.passwords import STANDARD, Cost, Verifier
from maild.archive.standing import Standing
from maild.authentication.author import author_of
from maild.delivery.deliveries import Dsn
from maild.errors import DiskFullError, ForbiddenError, MaildError, NotFoundError, TemporaryError
from maild.intake.accept import NO_ROOM, NOT_STORED
from maild.intake.refused_programs import Refusals
from maild.intake.spool import Spool
from maild.intake.submission import Collision, Submission
from maild.intake.submit import Submitter
from maild.mail.address import Address, as_address
from maild.mail.envelope import Envelope, Recipient
from maild.mail.handed_in import tidied
from maild.mail.header import read_header
from maild.mail.ids import format_id
from maild.mail.inbox import team_of
from maild.mail.local_time import local_time
from maild.mail.reading import references_of
from maild.mail.reply import Reply
from maild.policy.grants import teams_with
from maild.policy.roles import Permission
from maild.policy.throttle import Throttle, network_of
from maild.policy.visible import Visible
from maild.rules.authorship import Sender, senders
from maild.rules.model import Ruleset
from maild.rules.rulebook import Rulebook

_WAITING = 40  # tries in hand at once
_AT_ONCE = 2  # computations
_MAX_KNOWN = 10_000
_HOUR_S = 3_600.0
_MOST_NAMED = 5

WRONG = Reply(code=535, enhanced="5.7.8", text="Wrong login or application password")
SLOWER = Reply(code=454, enhanced="4.7.0", text="Too many tries, come again in some minutes")
OK = Reply(code=250, enhanced="2.1.5", text="Ok")
OURS = Reply(code=550, enhanced="5.7.1", text="This address is one of ours: what leaves goes to somebody outside")
NOT_ASCII = Reply(code=553, enhanced="5.6.7", text="Not every mail server takes such an address")
NO_AUTHOR = Reply(code=550, enhanced="5.6.0", text="The letter names no single author that all programs would read")
WITHDRAWN = Reply(code=550, enhanced="5.7.1", text="This password or account does not hold any more")
NOBODY = Reply(code=550, enhanced="5.7.1", text="You may not answer for any office address")

_NOTES = {
    "de": "Dieser Brief kam aus einem Mailprogramm, nachdem jemand anderes schon geantwortet hatte. Er ist hier "
    "abgelegt und wartet: Bei dem Brief können alle, die antworten dürfen, ihn trotzdem senden oder nicht senden.",
    "en": "This letter came from a mail program after somebody else had answered. It is filed here and waits: at the "
    "letter, whoever may answer can send it all the same, or not send it.",
}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who has signed in, and with which password."""

    login: str
    user_id: int
    password_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A letter that may leave, and what it answers."""

    octets: bytes
    sender: Sender
    answered: Answered | None


class MailPrograms:
    """Answers the questions of a session with a mail program."""

    def __init__(
        self,
        *,
        database: Database,
        rulebook: Rulebook,
        submitter: Submitter,
        now_ms: Callable[[], int],
        clock: Callable[[], float],
        recipients_per_hour: int,
        strip_client_headers: bool,
        cost: Cost = STANDARD,
    ) -> None:
        """Open the desk; `clock` never goes back, `cost` is that of passwords."""
        self._database = database
        self._rulebook = rulebook
        self._submitter = submitter
        self._now_ms = now_ms
        self._clock = clock
        self._strip = strip_client_headers
        self._quota = Quota(recipients_per_hour)
        self._verifier = Verifier(cost)
        self._throttle = Throttle()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._in_hand = 0
        self._refusals = Refusals(database, now_ms)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()  # networks in which a login has succeeded

    # --- signing in

    async def sign_in(self, ip: str, login: str, password: str) -> Account | Reply:
        """Check an application password."""
        folded = fold_login(login)
        # Who has signed in from there before answers for their own failures, and not for a colleague's whose
        # program tries an old password all day behind the same address.
        place = (network_of(ip), folded)
        known = " ".join(place) if place in self._known else ""
        verdict = self._throttle.begin(ip, folded, self._clock(), device=known)
        if verdict.retry_after_s or self._in_hand >= _WAITING:
            _log.info("login.refused", client=ip)
            return SLOWER
        self._in_hand += 1
        try:
            await asyncio.sleep(verdict.delay_s)
            found, is_known = await self._check(folded, password)
        finally:
            self._in_hand -= 1
        if found is None:
            _log.info("login.failed", client=ip)
            if is_known:
                self._refusals.add(folded)
            return WRONG
        self._throttle.succeeded(ip, folded, self._clock(), device=known)
        self._remember(place)
        await self._database.writer.run(touch_app_passwords, Used(id=found.id, at_ms=self._now_ms()))
        _log.info("login.succeeded", user=found.user_id, client=ip)
        return Account(login=found.login, user_id=found.user_id, password_id=found.id)

    async def record_refusals(self) -> None:
        """Write down what has not been written yet of refused sign-ins: the desk closes."""
        await self._refusals.write()

    async def _check(self, login: str, password: str) -> tuple[Found | None, bool]:
        password_id, secret = parted(password)
        async with self._at_once:
            return await asyncio.to_thread(self._verified, login, password_id, secret)

    def _verified(self, login: str, password_id: int | None, secret: str) -> tuple[Found | None, bool]:
        with self._database.read() as connection:
            found, is_known = find_app_password(connection, login, password_id), is_account(connection, login)
        # Security: the same work whether there is such an account and password or not.
        matched = self._verifier.verify(None if found is None else found.password, secret)
        return (found if matched else None), is_known

    def _remember(self, place: tuple[str, str]) -> None:
        self._known[place] = None
        self._known.move_to_end(place)
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)

    # --- mail

    def admit(self, account: Account, address: Address) -> Reply:
        """Decide on one recipient: anybody outside, up to so many an hour."""
        if not address.domain or self._rulebook.current.serves(address.domain):
            return OURS
        if not address.is_ascii:
            return NOT_ASCII
        if not self._quota.take(account.user_id, self._clock()):
            _log.warning("submission.limited", user=account.user_id, recipients=self._quota.most)
            text = f"You have written to {self._quota.most} recipients within an hour: come again later"
            return Reply(code=452, enhanced="4.5.3", text=text)
        return OK

    async def submit(self, account: Account, envelope: Envelope, spool: Spool) -> Reply:
        """Have a letter leave; 250 only after it is archived."""
        try:
            ready = await asyncio.to_thread(self._prepare, account, spool)
        finally:
            spool.discard()
        if isinstance(ready, Reply):
            _log.info("submission.refused", user=account.user_id, reply=str(ready))
            return ready
        try:
            done = await self._submitter.submit(self._submission(account, envelope, ready))
        except TemporaryError as error:
            return NO_ROOM if isinstance(error, DiskFullError) else NOT_STORED
        except (ForbiddenError, NotFoundError):  # between the look and the commit
            return WITHDRAWN
        except MaildError as error:
            return Reply(code=550, enhanced="5.7.1", text=str(error))
        if isinstance(done, Collision):
            raise AssertionError("it would have been held")  # noqa: TRY004 - no argument of anybody's
        stored = f"stored as {format_id(done.message_id)}"
        if done.held:
            _log.info("submission.held", id=format_id(done.message_id), team=ready.sender.inbox)
            return Reply(code=250, enhanced="2.0.0", text=f"Held, a colleague has answered: {stored}")
        return Reply(code=250, enhanced="2.0.0", text=f"Ok: {stored}")

    def _prepare(self, account: Account, spool: Spool) -> Ready | Reply:
        octets = b"".join(spool.pieces())
        author = author_of(octets)
        rules = self._rulebook.current
        with self._database.read() as connection:
            allowed = self._allowed(connection, account, rules)
            if allowed is None:
                return WITHDRAWN
            if not author.verifiable:
                return NO_AUTHOR
            sender = _written_as(author.address, senders(rules, allowed))
            if sender is None:
                return _may_write_as(senders(rules, allowed))
            # The letter may lie in the team's confidential inbox: then the answer does, too.
            inboxes = frozenset(inbox for inbox in allowed if team_of(inbox) == sender.function.team)
            answered = answered_by(connection, visible=Visible(teams=inboxes), references=_references(octets))
        return Ready(octets=self._tidied(octets, sender, rules), sender=sender, answered=answered)

    def _allowed(self, connection: Connection, account: Account, rules: Ruleset) -> frozenset[str] | None:
        """Return the inboxes that the account may answer for at this moment; None: it was closed meanwhile."""
        who = principal(connection, account.user_id)
        if who is None or find_app_password(connection, account.login, account.password_id) is None:
            return None
        return teams_with(who.grants, Permission.RESPOND, rules.parents, self._now_ms())

    def _tidied(self, octets: bytes, sender: Sender, rules: Ruleset) -> bytes:
        return tidied(
            octets,
            is_ours=lambda address: rules.find(address) is not None,
            strip_client=self._strip,
            # The same for a letter that is handed in again, because its 250 did not arrive.
            message_id=f"{hashlib.sha256(octets).hexdigest()[:24]}@{sender.address.domain}",
            date=local_time(self._now_ms(), rules.organisation.timezone),
        )

    def _submission(self, account: Account, envelope: Envelope, ready: Ready) -> Submission:
        answered, rules = ready.answered, self._rulebook.current
        team, language = ready.sender.inbox if answered is None else answered.team, rules.organisation.language
        return Submission(
            content=ready.octets,
            kind="new" if answered is None else "answer",
            team=team,
            author=account.login,
            recipients=tuple(recipient.address for recipient in envelope.recipients),
            reverse_path=ready.sender.address,
            answers_id=None if answered is None else answered.message_id,
            conversation_id=None if answered is None else answered.conversation_id,
            seen_id=None if answered is None else answered.message_id,
            state="waiting",
            held_note=_NOTES.get(language, _NOTES["en"]),
            dsn={str(each.address): _asked(envelope, each) for each in envelope.recipients},
            by_mail=envelope.reverse_path is not None,  # with a null one it asks for no reports
            by=Standing(user_id=account.user_id, rules=rules, now_ms=self._now_ms),
            needs=((Permission.RESPOND, team),),
            also=partial(_require_password, account),
        )


def _require_password(account: Account, connection: Connection) -> None:
    """Ask once more, within the transaction that stores the letter, whether its password still holds."""
    if find_app_password(connection, account.login, account.password_id) is None:
        raise ForbiddenError("the password was revoked")


class Quota:
    """Counts the recipients of accounts within an hour."""

    def __init__(self, most: int) -> None:
        """Begin with nobody."""
        self.most = most
        self._taken: dict[int, deque[float]] = {}

    def take(self, user_id: int, now_s: float) -> bool:
        """Take one recipient; False where there is none left."""
        taken = self._taken.setdefault(user_id, deque())
        while taken and taken[0] <= now_s - _HOUR_S:
            taken.popleft()
        if len(taken) >= self.most:
            return False
        taken.append(now_s)
        return True


def _written_as(author: str, choices: tuple[Sender, ...]) -> Sender | None:
    address = as_address(author)
    return next((choice for choice in choices if address is not None and choice.address.key == address.key), None)


def _asked(envelope: Envelope, recipient: Recipient) -> Dsn:
    """Return what a mail program asked for about reports: the next hop is told, and may report itself (RFC 3461 §5)."""
    return Dsn(
        notify=tuple(sorted(recipient.notify)),
        orcpt=recipient.orcpt or "",
        ret=envelope.ret or "",
        envid=envelope.envid or "",
    )


def _may_write_as(choices: tuple[Sender, ...]) -> Reply:
    names = [str(choice.address) for choice in choices if choice.address.is_ascii]
    if not names:
        return NOBODY
    more = ", ..." if len(names) > _MOST_NAMED else ""
    text = f"Write as an office you may answer for: {', '.join(names[:_MOST_NAMED])}{more}"
    return Reply(code=550, enhanced="5.7.1", text=text[:400])


def _references(octets: bytes) -> tuple[str, ...]:
    header = read_header(octets, 0, len(octets), b"\n")
    raw = {key: field.raw for key in ("references", "in-reply-to") if (field := header.first(key)) is not None}
    return references_of(raw.get("references", ""), raw.get("in-reply-to", ""), None)
