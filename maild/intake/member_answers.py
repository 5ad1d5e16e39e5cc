"""What members answer to copies in Outlook or Thunderbird: proven, composed anew under the office's address, submitted.

A mail to a reply address is an answer and nothing else: no word in it is a command. It goes out only when the mail
system proves that it is from the member whom the copy was made for, and that member may answer at that moment; both are
asked once more in the transaction that sends it. Whatever keeps it from going out, it is kept as a draft in the
conversation, and the audit log says so.

Security: who is not proven to be the member is told nothing. The citizen gets the member's own words and files, under
the office's address; no quotation, no private address, and no octet of the reply address. Nobody gets it who did not
write the letter.

Source: threats T1, T2, T4, T8.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import Connection

from maild.archive import content
from maild.archive.audit import Record, record
from maild.archive.compression import DamagedError
from maild.archive.database import Database
from maild.archive.duties import OURSELVES, Ending, RecordedDuty, end, waiting_duties
from maild.archive.member_answers import Asked, objection
from maild.archive.member_drafts import MemberDraft, NewFile, Refusal, keep_drafts, refuse
from maild.archive.notes import NewNote, add_notes
from maild.archive.outgoing import written_to
from maild.archive.references import references_of
from maild.archive.team_texts import signatures
from maild.confinement import ConfinementError
from maild.errors import MaildError, TemporaryError
from maild.intake.member_proof import Case, UndecidedError, case_of, not_theirs
from maild.intake.refusal_words import note_of_cut, refusal_letter
from maild.intake.submission import Collision, Submission
from maild.intake.submit import Submitter
from maild.mail.acts import Act
from maild.mail.address import as_address
from maild.mail.answer_reading import Answer
from maild.mail.answering import Kind, Proposal, propose
from maild.mail.composing import Composition, automatic, compose
from maild.mail.facts import Facts
from maild.mail.ids import format_id
from maild.mail.local_time import local_time
from maild.mail.member_answer import UNANSWERED, Why
from maild.mail.signing_off import ended
from maild.policy.visible import OPERATOR
from maild.rounds import Rounds, one_by_one
from maild.rules.authorship import Sender, preset, senders
from maild.rules.duties import MEMBER_ANSWER
from maild.rules.filling import signature_of, with_parents
from maild.rules.model import Ruleset

_PAGE = 100
_POLL_S = 10.0
_log = structlog.get_logger()

# Read a letter, and an answer, in a worker process.
ReadLetter = Callable[[bytes], Awaitable[Facts]]
ReadAnswer = Callable[[bytes, str], Awaitable[Answer]]


class _RefusedError(MaildError):
    """An answer does not go out."""

    def __init__(self, why: Why) -> None:
        super().__init__(str(why))
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """What goes out of it: the member's own words as `answer`, with the office's signature below them as `text`."""

    answer: Answer
    text: str
    sender: Sender
    said: Proposal
    draft: MemberDraft


def _failed(error: Exception) -> None:
    _log.error("member_answer.failed", error=type(error).__name__)


def _failed_for(duty: RecordedDuty, error: Exception) -> None:
    _log.error("member_answer.failed", error=type(error).__name__, duty=duty.id)


class MemberAnswers:
    """The task that carries out duties of the kind `member-answer`. `key` is that of the reply addresses."""

    def __init__(
        self, *, database: Database, rules: Callable[[], Ruleset], submitter: Submitter, read_letter: ReadLetter,
        read_answer: ReadAnswer, key: bytes, max_message_bytes: int, now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._database = database
        self._rules = rules
        self._submitter = submitter
        self._read_letter = read_letter
        self._read_answer = read_answer
        self._key = key
        self._max_bytes = max_message_bytes
        self._now_ms = now_ms
        self._rounds = Rounds(_POLL_S)

    def wake(self) -> None:
        """Say that something was filed; from the event loop."""
        self._rounds.wake()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._rounds.run(self.once, _failed)

    async def once(self) -> None:
        """Look at all that waits."""
        after = 0
        while found := await asyncio.to_thread(self._waiting, after):
            after = found[-1].id
            await one_by_one(found, self._carry_out, _failed_for)

    def _waiting(self, after: int) -> list[RecordedDuty]:
        with self._database.read() as connection:
            return waiting_duties(connection, visible=OPERATOR, limit=_PAGE, after=after, kinds=(MEMBER_ANSWER,))

    # --- one answer

    async def _carry_out(self, duty: RecordedDuty) -> None:
        case = await asyncio.to_thread(self._case, duty)
        octets = await asyncio.to_thread(self._octets, case.came.digest)
        try:
            why = not_theirs(case, octets, self._rules().domains, self._now_ms())
        except UndecidedError:
            return
        ready, letter = None, case.letter
        if letter is not None and why is not Why.AGAIN:
            ready, found = await self._prepare(case, letter, octets)
            why = why or self._not_now(case) or found
        try:
            if why:
                raise _RefusedError(why)
            if ready is None or letter is None:
                raise _RefusedError(Why.RIGHT)
            await self._send(case, letter, ready)
        except _RefusedError as refused:
            await self._refuse(case, ready, refused.why)

    def _case(self, duty: RecordedDuty) -> Case:
        with self._database.read() as connection:
            return case_of(connection, duty, self._key)

    def _octets(self, digest: bytes) -> bytes:
        with self._database.read(mapped=False) as connection:
            return content.read(connection, digest)

    def _not_now(self, case: Case) -> Why | None:
        with self._database.read() as connection:
            return (
                Why.SEVERAL
                if not case.alone
                else objection(connection, case.claim, self._rules().parents, self._now_ms())
            )

    async def _prepare(self, case: Case, letter: Asked, octets: bytes) -> tuple[_Ready | None, Why | None]:
        """Read what goes out, and what of it speaks against that; None for a letter that cannot be answered at all."""
        sender = self._sender(letter)
        if sender is None:
            return None, Why.RIGHT
        try:
            answer = await self._read_answer(octets, str(sender.address))
        except ConfinementError:
            answer = Answer(text="", unreadable=True)
        try:
            facts = await self._read_letter(await asyncio.to_thread(self._octets, letter.digest))
            known = await asyncio.to_thread(self._references, letter)
            said = propose(
                facts, Kind.ANSWER, ours=False, is_ours=lambda a: self._rules().serves(a.domain), said="",
                references=known,
            )  # fmt: skip
        except (ConfinementError, DamagedError):
            said = Proposal()
        text = ended(answer.text, await asyncio.to_thread(self._signature, case, sender))
        draft = await asyncio.to_thread(self._draft, case, letter, replace(answer, text=text), sender, said)
        ready = _Ready(answer=answer, text=text, sender=sender, said=said, draft=draft)
        return ready, await asyncio.to_thread(self._unfit, case, letter, ready)

    def _references(self, letter: Asked) -> tuple[str, ...]:
        with self._database.read() as connection:
            return references_of(connection, letter.conversation_id)

    def _sender(self, letter: Asked) -> Sender | None:
        came_to = list(filter(None, map(as_address, letter.came_to)))
        return preset(self._rules(), senders(self._rules(), [letter.team], answering=True), came_to)

    def _signature(self, case: Case, sender: Sender) -> str:
        rules, name = self._rules(), "" if case.person is None else case.person.name
        with self._database.read() as connection:
            found = signatures(connection, with_parents(rules, sender.function.team)).items()
        texts = {team: each.text for team, each in found}
        return signature_of(rules, sender.function, sender.address, texts=texts, name=name)

    def _unfit(self, case: Case, letter: Asked, ready: _Ready) -> Why | None:
        answer = ready.answer
        if answer.unreadable or case.came.source_only:
            return Why.UNREADABLE
        if answer.left_out:
            return Why.FILE
        if not answer.text.strip() and not answer.files:
            return Why.EMPTY
        with self._database.read() as connection:
            known = written_to(connection, visible=OPERATOR, conversation_id=letter.conversation_id)
        # Security: as in the browser, a Reply-To that nobody wrote from or to needs a person's click.
        known = (known or frozenset()) | {letter.from_mail}
        strangers = [address for _, address in ready.said.to if address.key not in known]
        return Why.RECIPIENTS if strangers or not ready.said.to else None

    def _draft(self, case: Case, letter: Asked, answer: Answer, sender: Sender, said: Proposal) -> MemberDraft:
        return MemberDraft(
            message_id=case.came.message_id,
            author=case.duty.target,
            team=letter.team,
            conversation_id=letter.conversation_id,
            letter_id=letter.message_id,
            fields={
                "from": str(sender.address), "to": ", ".join(str(address) for _, address in said.to), "cc": "",
                "bcc": "", "subject": said.subject, "text": answer.text, "after": "waiting",
            },
            files=tuple(
                NewFile(name=f.name, media_type=f.media_type, content=content.held(f.octets)) for f in answer.files
            ),
            at_ms=self._now_ms(),
        )  # fmt: skip

    # --- the two ends

    async def _send(self, case: Case, letter: Asked, ready: _Ready) -> None:
        octets = await asyncio.to_thread(compose, self._composition(case, ready), secrets.token_hex(16))
        if len(octets) > self._max_bytes:
            raise _RefusedError(Why.LARGE)
        await self._database.writer.run(keep_drafts, ready.draft)
        submission = Submission(
            content=octets, kind="answer", team=letter.team, author=case.duty.target,
            recipients=tuple(address for _, address in ready.said.to), reverse_path=ready.sender.address,
            answers_id=letter.message_id, conversation_id=letter.conversation_id, seen_id=letter.message_id,
            draft_id=case.came.message_id, state="waiting", also=partial(self._sent, case, letter, ready),
            by_mail=True,
        )  # fmt: skip
        try:
            done = await self._submitter.submit(submission)
        except (TemporaryError, _RefusedError):
            raise
        except MaildError:  # another host has done it, or its author has given up the draft
            await self._database.writer.run(end, self._ending(case, "dropped", OURSELVES))
            return
        if isinstance(done, Collision):
            raise _RefusedError(Why.COLLISION)
        if done.again:  # an earlier life sent it and did not come to hear of it
            await self._database.writer.run(end, self._ending(case, "done", OURSELVES))
        _log.info("member_answer.sent", id=format_id(done.message_id), by=format_id(case.came.message_id))

    def _sent(self, case: Case, letter: Asked, ready: _Ready, connection: Connection) -> None:
        """Ask once more, within the transaction that sends, and record what goes with it."""
        now_ms = self._now_ms()
        if why := objection(connection, case.claim, self._rules().parents, now_ms):
            raise _RefusedError(why)
        if not end(connection, [self._ending(case, "done", OURSELVES)])[0]:
            raise MaildError("somebody else has it in hand")
        number, answer = format_id(case.came.message_id), ready.answer
        language = self._rules().organisation.language
        if text := note_of_cut(language, number, answer.quoted, answer.footer, answer.pictures):
            note = NewNote(
                conversation_id=letter.conversation_id,
                team=letter.team,
                author=case.duty.target,
                at_ms=now_ms,
                text=text,
            )
            add_notes(connection, [note])
        record(connection, [Record(at_ms=now_ms, actor=case.duty.target, act=Act.ANSWERED, team=letter.team,
                                   conversation_id=letter.conversation_id, about=number,
                                   details={"by": "mail"})])  # fmt: skip

    def _ending(self, case: Case, state: str, by: str) -> Ending:
        return Ending(duty_id=case.duty.id, state=state, by=by, at_ms=self._now_ms())

    def _composition(self, case: Case, ready: _Ready) -> Composition:
        sender, said = ready.sender, ready.said
        # The same for a mail that is taken up again after a crash.
        name = hashlib.sha256(b"maild answer\0" + self._key + case.came.message_id.to_bytes(8, "big")).hexdigest()
        return Composition(
            sender=(sender.name, sender.address), to=said.to, subject=said.subject, text=ready.text,
            files=ready.answer.files, message_id=f"{name[:24]}@{sender.address.domain}",
            in_reply_to=said.in_reply_to, references=said.references, date=self._now(),
        )  # fmt: skip

    def _now(self) -> datetime:
        return local_time(self._now_ms(), self._rules().organisation.timezone)

    async def _refuse(self, case: Case, ready: _Ready | None, why: Why) -> None:
        refusal = Refusal(
            duty_id=case.duty.id, why=why, login=case.duty.target, team=case.duty.team,
            message_id=case.came.message_id, draft=None if ready is None else ready.draft, at_ms=self._now_ms(),
            conversation_id=None if case.letter is None else case.letter.conversation_id,
        )  # fmt: skip
        notice = None if why in UNANSWERED else self._notice(case, why)
        try:
            if notice is None:
                await self._database.writer.run(refuse, refusal)
            else:
                await self._submitter.submit(replace(notice, also=partial(_refused, refusal)))
        except TemporaryError:
            raise
        except MaildError:
            # The notice cannot go to that mailbox any more, or somebody was quicker: what it is about is kept anyhow.
            await self._database.writer.run(refuse, refusal)
        _log.info("member_answer.refused", id=format_id(case.came.message_id), reason=str(why))

    def _notice(self, case: Case, why: Why) -> Submission | None:
        """Return the letter that tells the member; it goes to the mailbox that is known of them, and nowhere else."""
        mailbox = None if case.person is None else as_address(case.person.mail)
        rules = self._rules()
        choices = senders(rules, [case.duty.team])
        if mailbox is None or not choices:
            return None
        sender = choices[0]
        reference = "" if case.letter is None else case.letter.reference
        subject, text = refusal_letter(rules.organisation.language, reference, why)
        letter = Composition(
            sender=(sender.name, sender.address), to=(("", mailbox),), subject=subject, text=text,
            message_id=f"{secrets.token_hex(12)}@{sender.address.domain}", date=self._now(),
            language=rules.organisation.language,
            fields=automatic("auto-replied"),
        )  # fmt: skip
        return Submission(
            content=compose(letter, secrets.token_hex(16)), kind="notice", team=case.duty.team, author="",
            recipients=(mailbox,), reverse_path=None, answers_id=case.came.message_id,
            conversation_id=case.came.conversation_id,
        )  # fmt: skip


def _refused(refusal: Refusal, connection: Connection) -> None:
    if not refuse(connection, [refusal])[0]:
        raise MaildError("it was refused before")
