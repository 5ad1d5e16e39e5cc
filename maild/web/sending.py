"""From a draft to a letter that leaves: composed, submitted, and for some seconds to be taken back."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from maild.archive.drafts import Draft
from maild.archive.queries import Conversation
from maild.intake.submission import Collision, Sent, Submission
from maild.mail.answering import Proposal
from maild.mail.composing import Composition, File, compose
from maild.mail.markup import letter_html, lines_of
from maild.policy.roles import Permission
from maild.rules.authorship import Sender
from maild.web import times
from maild.web.attached import talks_of
from maild.web.draft_form import AFTER, Checked
from maild.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLarge:
    """Nothing was sent: with its files it is larger than any letter may be."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A draft that may leave: everything about it was checked."""

    draft: Draft
    checked: Checked
    sender: Sender
    said: Proposal
    original: str  # the text of the letter that it answers or sends on
    talk: Conversation | None
    files: tuple[File, ...]


async def send(visit: Visit, ready: Ready) -> Sent | Collision | TooLarge:
    """Submit a letter. Raises MaildError and TemporaryError; the draft is kept then."""
    draft, sender, settings = ready.draft, ready.sender, visit.services.settings
    octets = await run_in_threadpool(_octets, visit, ready)
    if len(octets) > settings.max_message_bytes:
        return TooLarge(size=len(octets))
    after = draft.fields.get("after", "")
    submission = Submission(
        content=octets,
        kind=draft.kind,
        team=sender.inbox,
        author=visit.person.login,
        recipients=ready.checked.recipients,
        reverse_path=sender.address,
        answers_id=draft.answers_id,
        conversation_id=draft.conversation_id,
        seen_id=draft.seen_id,
        not_before_ms=visit.services.now_ms() + int(settings.undo_s * 1000),
        draft_id=draft.id,
        state=after if after in AFTER else "waiting",
        by=visit.standing,
        needs=((Permission.RESPOND, sender.inbox),),
        of=talks_of(draft),
    )
    return await visit.services.submitter.submit(submission)


def _octets(visit: Visit, ready: Ready) -> bytes:
    return compose(_composition(visit, ready), secrets.token_hex(16))


def _composition(visit: Visit, ready: Ready) -> Composition:
    rules, checked, sender = visit.services.rulebook.current, ready.checked, ready.sender
    text, markup = ready.draft.fields.get("text", ""), ""
    if ready.draft.fields.get("markup"):
        markup = letter_html(text, language=rules.organisation.language, literal=lines_of(ready.original))
    return Composition(
        sender=(sender.name, sender.address),
        to=checked.to,
        cc=checked.cc,
        subject=ready.draft.fields.get("subject", ""),
        text=text,
        markup=markup,
        files=ready.files,
        message_id=f"{secrets.token_hex(12)}@{sender.address.domain}",
        in_reply_to=ready.said.in_reply_to,
        references=ready.said.references,
        date=times.moment(visit.services.now_ms(), visit.zone),
    )
