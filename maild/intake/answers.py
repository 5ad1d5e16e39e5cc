"""Automatic answers: what rules and addresses ask to be told to a sender is written, submitted and ended, once.

Security: an answer goes to the reverse-path, which anybody can write. So it goes only where the domain of the author
is proven, and the reverse-path is the author's address, or proven by itself; it bears nothing of the letter's text; it
leaves with the null reverse-path and says what it is, so that no other machine answers. One a day for each sender, a
hundred an hour in all: what is beyond waits, or is given up with a reason that people see.

Source: RFC 3834 §2 to §4; threats S9.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import structlog

from maild.archive.automatic import AUTOMATIC, DAY_MS, Letter, answered_within_a_day, letters_to_answer, too_many
from maild.archive.database import Database
from maild.archive.duties import Ending, end
from maild.authentication.standing import StandingKind, standing_of
from maild.delivery.queue.messages import piece
from maild.errors import MaildError, TemporaryError
from maild.intake.submission import Submission
from maild.intake.submit import Submitter
from maild.intake.usual_answer import PLACEHOLDER, UsualAnswers
from maild.mail.address import Address, as_address
from maild.mail.answering import chained
from maild.mail.authentication import PASS
from maild.mail.composing import Composition, automatic, compose
from maild.mail.evidence import Evidence
from maild.mail.facts import Facts
from maild.mail.inbox import team_of
from maild.mail.local_time import local_time
from maild.mail.subject import answered_subject, without
from maild.rounds import Rounds, one_by_one
from maild.rules.filling import fill, placeholders_in, values_of
from maild.rules.model import FunctionAddress, Ruleset, Template

# Why a sender gets no automatic answer: who ended the duty, and what the pages have words for.
UNPROVEN, SUSPECT, OFTEN, TOO_LATE, NO_TEMPLATE, NOBODY = (
    f"maild: {why}" for why in ("not proven", "suspicious", "answered today", "too late", "no template", "no address")
)
_MARKS = frozenset({"verdacht", "suspicious"})
_PATIENCE_MS = 15 * 60 * 1000  # for evidence that is not there yet
_LATEST_MS = 5 * DAY_MS
_PAGE = 100
_POLL_S = 30.0
_WAIT = ""
_log = structlog.get_logger()

# Reads the beginning of a letter in a worker process.
Read = Callable[[bytes], Awaitable[Facts]]


def why_not(letter: Letter, path: Address | None, our_domains: Collection[str], now_ms: int) -> str | None:
    """Return why a letter is not answered: a reason, "" to wait for what is not known yet, None to answer it."""
    if now_ms - letter.duty.made_ms > _LATEST_MS:
        return TOO_LATE
    if path is None:
        return NOBODY
    if letter.state in ("", "spam") or letter.tags & _MARKS:
        return SUSPECT
    author = letter.from_mail.rpartition("@")[2]
    standing = standing_of(letter.evidence, author, our_domains)
    if standing.kind is StandingKind.UNKNOWN and now_ms - letter.duty.made_ms < _PATIENCE_MS:
        return _WAIT
    if standing.kind is not StandingKind.CONFIRMED or letter.evidence is None:
        return UNPROVEN
    return None if _reaches_author(letter.evidence, _address(letter.from_mail), path) else UNPROVEN


def _reaches_author(evidence: Evidence, author: Address | None, path: Address) -> bool:
    """Tell whether the reverse-path is the author's.

    Security: who signs as himself may name anybody there, a neighbour at the same large provider, too.
    """
    if author is not None and author.key == path.key:
        return True
    spf = evidence.spf
    return spf.result == PASS and not spf.everybody and spf.domain == path.domain


@dataclass(frozen=True, slots=True, kw_only=True)
class _From:
    address: Address
    function: FunctionAddress


def answering_address(rules: Ruleset, letter: Letter) -> _From | None:
    """Return the function address that a letter came to, and that answers; None where none is of its team."""
    for text in letter.came_to:
        address = as_address(text)
        found = None if address is None else rules.find(address)
        if (
            address is not None
            and found is not None
            and found.team == team_of(letter.duty.team)
            and found.retired is None
        ):
            domain = address.domain if found.domain is None else found.domain
            return _From(address=Address(local=found.local, domain=domain), function=found)
    return None


def _failed(error: Exception) -> None:
    _log.error("answer.failed", error=type(error).__name__)


def _failed_for(letter: Letter, error: Exception) -> None:
    _log.error("answer.failed", error=type(error).__name__, duty=letter.duty.id)


class Answers:
    """The task that carries out duties of the kinds `reply` and `acknowledge`."""

    def __init__(
        self, *, database: Database, rules: Callable[[], Ruleset], submitter: Submitter, read: Read,
        now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._database = database
        self._rules = rules
        self._submitter = submitter
        self._read = read
        self._now_ms = now_ms
        self._usual = UsualAnswers(database, now_ms)
        self._rounds = Rounds(_POLL_S)

    def wake(self) -> None:
        """Say that something was filed; from the event loop."""
        self._rounds.wake()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._rounds.run(self.once, _failed)

    async def once(self) -> None:
        """Look at all that waits."""
        after: int | None = 0
        while after is not None:
            letters, after = await asyncio.to_thread(self._waiting, after)
            await one_by_one(letters, self._carry_out, _failed_for)

    def _waiting(self, after: int) -> tuple[list[Letter], int | None]:
        with self._database.read() as connection:
            return letters_to_answer(connection, after=after, limit=_PAGE)

    async def _carry_out(self, letter: Letter) -> None:
        rules, now_ms = self._rules(), self._now_ms()
        path = _address(letter.reverse_path)
        why = why_not(letter, path, rules.domains, now_ms)
        template, sender = rules.templates.get(letter.duty.target), answering_address(rules, letter)
        if why is None and (template is None or sender is None):
            why = NO_TEMPLATE if template is None else NOBODY
        if why is None and path is not None:
            why = await asyncio.to_thread(self._enough, path, now_ms)
        if why:
            await self._give_up(letter, why, now_ms)
        if why is not None or path is None or template is None or sender is None:
            return
        facts = await self._read(await asyncio.to_thread(self._beginning, letter))
        usual = ""
        if PLACEHOLDER in placeholders_in(template.text):
            usual = await asyncio.to_thread(self._usual.of, sender.function.team, rules.organisation.language)
        ready = _Ready(
            letter=letter, facts=facts, template=template, sender=sender, path=path, now_ms=now_ms, usual=usual
        )
        content = compose(_composition(rules, ready), secrets.token_hex(16))
        await self._submit(letter, content, path)

    def _enough(self, path: Address, now_ms: int) -> str | None:
        with self._database.read() as connection:
            if answered_within_a_day(connection, [path.key], now_ms):
                return OFTEN
            return _WAIT if too_many(connection, now_ms) else None

    def _beginning(self, letter: Letter) -> bytes:
        with self._database.read(mapped=False) as connection:
            return piece(connection, letter.digest, 0) or b""

    async def _submit(self, letter: Letter, content: bytes, path: Address) -> None:
        submission = Submission(
            content=content, kind=AUTOMATIC, team=letter.duty.team, author="", recipients=(path,), reverse_path=None,
            answers_id=letter.duty.message_id, conversation_id=letter.conversation_id, duty_id=letter.duty.id,
        )  # fmt: skip
        try:
            await self._submitter.submit(submission)
        except TemporaryError:
            raise
        except MaildError:
            return  # somebody was quicker, or there were enough meanwhile: the next look says which

    async def _give_up(self, letter: Letter, why: str, now_ms: int) -> None:
        ending = Ending(duty_id=letter.duty.id, state="dropped", by=why, at_ms=now_ms)
        await self._database.writer.run(end, ending)
        _log.info("answer.given_up", duty=letter.duty.id, reason=why.removeprefix("maild: "))


def _address(text: str | None) -> Address | None:
    found = as_address(text)
    return found if found is not None and found.is_ascii and found.domain else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A letter that is answered: in whose name, to whom, with which text."""

    letter: Letter
    facts: Facts
    template: Template
    sender: _From
    path: Address
    now_ms: int
    usual: str  # how long an answer takes


def _composition(rules: Ruleset, ready: _Ready) -> Composition:
    organisation, letter, sender, key = rules.organisation, ready.letter, ready.sender, ready.facts.message_key
    about = {
        PLACEHOLDER: ready.usual,
        "conversation.reference": letter.reference,
        "conversation.subject": without(letter.subject, [letter.reference]),
        "sender.name": letter.from_name,
        "sender.mail": letter.from_mail,
    }
    values = values_of(rules, sender.function, sender.address, about)
    title = sender.function.title or rules.teams[sender.function.team].name
    return Composition(
        sender=(f"{title}, {organisation.name}", sender.address),
        to=(("", ready.path),),
        subject=fill(ready.template.subject, values) or answered_subject(letter.subject, [letter.reference]),
        text=fill(ready.template.text, values),
        message_id=f"{secrets.token_hex(12)}@{sender.address.domain}",
        in_reply_to=key,
        references=chained(ready.facts.references, key),
        date=local_time(ready.now_ms, organisation.timezone),
        language=organisation.language,
        fields=automatic("auto-replied"),
    )
