"""From a draft to a letter that leaves: composed, submitted, and for some seconds to be taken back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from maild.archive.drafts import Draft
from maild.archive.queries import Conversation
from maild.intake.submit import Collision, Sent, Submission
from maild.mail.answering import Kind, Proposal
from maild.mail.composing import Composition, File, compose
from maild.policy.roles import Permission
from maild.rules.authorship import Sender
from maild.rules.filling import fill
from maild.rules.model import Team
from maild.web import times
from maild.web.draft_form import AFTER, Checked
from maild.web.originals import Original
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
    talk: Conversation | None
    files: tuple[File, ...]


async def send(visit: Visit, ready: Ready) -> Sent | Collision | TooLarge:
    """Submit a letter. Raises MaildError and TemporaryError; the draft is kept then."""
    draft, sender, settings = ready.draft, ready.sender, visit.services.settings
    octets = await run_in_threadpool(compose, _composition(visit, ready), secrets.token_hex(16))
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
    )
    return await visit.services.submitter.submit(submission)


def _composition(visit: Visit, ready: Ready) -> Composition:
    rules, checked, sender = visit.services.rulebook.current, ready.checked, ready.sender
    return Composition(
        sender=(sender.name, sender.address),
        to=checked.to,
        cc=checked.cc,
        subject=ready.draft.fields.get("subject", ""),
        text=ready.draft.fields.get("text", ""),
        files=ready.files,
        message_id=f"{secrets.token_hex(12)}@{sender.address.domain}",
        in_reply_to=ready.said.in_reply_to,
        references=ready.said.references,
        date=times.moment(visit.services.now_ms(), rules.organisation.timezone),
    )


def from_template(
    visit: Visit, name: str, sender: Sender, fields: Mapping[str, str], *, letter: Original | None, reference: str
) -> dict[str, str]:
    """Return the fields of a letter with a template's text before what stands there, and its subject where none is."""
    rules = visit.services.rulebook.current
    template = rules.templates.get(name)
    if template is None:
        return dict(fields)
    author = letter.facts.senders[0] if letter is not None and letter.facts.senders else None
    team = rules.teams[sender.function.team]
    values = {
        "organisation.name": rules.organisation.name,
        "team.name": team.name,
        "team.office": team.office,
        "team.hours": _hours(team, rules.organisation.language),
        "address.title": sender.function.title,
        "address.mail": str(sender.address),
        "conversation.reference": reference,
        "conversation.subject": letter.facts.subject if letter is not None else "",
        "sender.name": author.name if author else "",
        "sender.mail": author.mail if author else "",
        "user.name": visit.person.name or visit.person.login,
    }
    filled = fill(template.text, values).strip("\n")
    subject = fields.get("subject", "") or fill(template.subject, values)
    return {**fields, "text": f"{filled}\n\n{fields.get('text', '')}".rstrip("\n") + "\n", "subject": subject}


def _hours(team: Team, language: str) -> str:
    lines: dict[str, list[str]] = {}
    for span in team.hours:
        begins, ends = (f"{minute // 60:02}:{minute % 60:02}" for minute in (span.from_minute, span.until_minute))
        lines.setdefault(times.weekday(span.weekday, language), []).append(f"{begins}-{ends}")
    return ", ".join(f"{day} {' '.join(spans)}" for day, spans in lines.items())


def is_answer(draft: Draft) -> Kind:
    """Return what kind of letter a draft is; that of a reply to all is known by its recipients alone."""
    return Kind.FORWARD if draft.kind == "forward" else Kind.ANSWER_ALL
