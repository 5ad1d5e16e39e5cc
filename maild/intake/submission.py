"""What is to leave, and the one transaction in which it does.

It is archived, filed in its conversation and queued: all of it, or nothing. The deliveries send what the archive holds.

Invariant: nobody answers past a colleague. An answer of the team that its author had not seen stops the sending.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from maild.archive.as_read import Filing
from maild.archive.audit import Record, record
from maild.archive.automatic import require_due
from maild.archive.commit import Acceptance, accept, lock_head
from maild.archive.drafts import OPEN, draft_state, set_draft, stop_draft
from maild.archive.duties import OURSELVES, Ending, end
from maild.archive.entries import StateChange, set_states
from maild.archive.filing import Filed, file
from maild.archive.notes import NewNote, add_notes
from maild.archive.outgoing import Written, answers_since, keep_written, repeated_to, survivor_of
from maild.archive.parting import reference_of
from maild.archive.standing import Need, Standing, Talks
from maild.delivery.deliveries import COLLISION as QUICKER
from maild.delivery.deliveries import Dsn, NewDelivery
from maild.delivery.queue.authors import note_held
from maild.delivery.queue.working import enqueue
from maild.errors import MaildError
from maild.intake.subject_references import OtherReferenceError
from maild.mail.acts import Act
from maild.mail.address import Address
from maild.mail.ids import format_id
from maild.policy.visible import Visible

_AUTOMATIC = frozenset({"automatic", "notice"})
_UNWRITTEN = _AUTOMATIC | {"copy"}

Also = Callable[[Connection], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A message that is to leave, and what belongs to it.

    `team` is the inbox in whose name; `author` a login, "" for maild itself. `answers_id` is the message it answers,
    sends on or reports about; `conversation_id` None opens a new one. `seen_id` is the newest message that the author
    had before the eyes; None asks for no look whether a colleague was quicker. `state` is the entry's afterwards; None
    leaves it. With a `draft_id` the draft is sent by it, once; with a `duty_id` the duty is done by it, an automatic
    answer. `held_note` given: where a colleague was quicker it is archived all the same, but waits, and this note tells
    the team. `also` is carried out in the same transaction, and may raise: then nothing is sent. Who gives it was shown
    nothing since `seen_id`, so that their own letters do not count as a colleague's. `dsn`: what was asked for about
    reports, by recipient; `by_mail`: its author hears of what becomes of it by mail, too. Where it leaves `by`
    somebody's right, they must hold what it `needs` when it is stored, in the conversations that it is `of`.
    """

    content: bytes
    kind: str  # answer | new | forward | automatic | notice | copy
    team: str
    author: str
    recipients: tuple[Address, ...]
    reverse_path: Address | None
    answers_id: int | None = None
    conversation_id: int | None = None
    seen_id: int | None = None
    not_before_ms: int = 0
    duty_id: int | None = None
    draft_id: int | None = None
    state: str | None = None
    held_note: str = ""
    also: Also | None = None
    dsn: Mapping[str, Dsn] = field(default_factory=dict)
    by_mail: bool = False
    by: Standing | None = None
    needs: tuple[Need, ...] = ()
    of: Talks | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """It is archived, filed and queued. `again`: it was before, as this draft or octet by octet, and is not twice.

    `held`: its deliveries wait for a person, because a colleague was quicker.
    """

    message_id: int
    filed: Filed | None
    again: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Collision:
    """Nothing was sent: somebody has answered meanwhile. The draft is kept, and held."""

    others: tuple[Written, ...]


# (reverse-path, id of the message, recipient) → the reverse-path of that delivery.
ReversePathOf = Callable[[Address | None, int, Address], Address | None]


def plain_reverse_path(reverse_path: Address | None, _message_id: int, _recipient: Address) -> Address | None:
    """Return the reverse-path as it is: reports come to the function address itself."""
    return reverse_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A submission that was read: the argument of the unit. `reference`: its subject bears it, "" none."""

    submission: Submission
    acceptance: Acceptance
    filing: Filing
    lifetime_ms: int
    reverse_path_of: ReversePathOf
    reference: str = ""


def leave(connection: Connection, arguments: list[Leaving]) -> Sequence[Sent | Collision]:
    """Archive, file and queue messages that leave. A unit of work."""
    return [_leave(connection, each) for each in arguments]


def _leave(connection: Connection, leaving: Leaving) -> Sent | Collision:
    asked, now_ms = leaving.submission, leaving.acceptance.received_ms
    lock_head(connection)  # before looking: of two who answer at once, one must see the other
    if asked.draft_id is not None and (before := _sent_before(connection, asked.draft_id)) is not None:
        return before
    into = None if asked.conversation_id is None else survivor_of(connection, asked.conversation_id)
    others = _others(connection, asked, into)
    held = bool(others and asked.held_note)
    if others and not held:
        if asked.draft_id is not None:
            stop_draft(connection, asked.draft_id, now_ms)
        return Collision(others=others)
    if asked.duty_id is not None:
        require_due(connection, asked.duty_id, [each.key for each in asked.recipients], now_ms)
    if asked.also is not None:
        asked.also(connection)
    (accepted,) = accept(connection, [leaving.acceptance])
    message_id = accepted.message_id
    (filed,) = file(connection, [leaving.filing._replace(message_id=message_id, into=into, at_ms=now_ms)])
    if filed is None:
        # The same octets to the same recipients within a week: whoever sent them did not hear of the first time.
        return Sent(message_id=accepted.duplicate_of or message_id, filed=None, again=True)
    if leaving.reference:
        _require_reference(connection, leaving.reference, message_id, filed.conversation_id)
    _record(connection, asked, message_id, filed, now_ms)
    _queue(connection, leaving, message_id, held=held)
    if held:
        _tell(connection, asked, filed.conversation_id, now_ms)
        if asked.by_mail:
            note_held(connection, message_id, now_ms)
    _settle(connection, asked, filed, held=held, now_ms=now_ms)
    return Sent(message_id=message_id, filed=filed, held=held)


def _sent_before(connection: Connection, draft_id: int) -> Sent | None:
    """Return what a draft was sent as; None when it is still one. Raises MaildError when it was given up."""
    state, message_id = draft_state(connection, draft_id)
    if state == "sent" and message_id is not None:
        return Sent(message_id=message_id, filed=None, again=True)
    if state not in OPEN:
        raise MaildError(f"the draft is {state}")
    return None


def _settle(connection: Connection, asked: Submission, filed: Filed, *, held: bool, now_ms: int) -> None:
    """End what led to a letter that leaves: the entry's state, the duty, the draft."""
    if (becomes := "open" if held else asked.state) is not None:
        change = StateChange(conversation_id=filed.conversation_id, team=asked.team, state=becomes)
        set_states(connection, [change])
    if asked.duty_id is not None:
        end(connection, [Ending(duty_id=asked.duty_id, state="done", by=OURSELVES, at_ms=now_ms)])
    if asked.draft_id is not None:
        set_draft(connection, asked.draft_id, state="sent", at_ms=now_ms, message_id=filed.message_id, was=OPEN)


def _require_reference(connection: Connection, reference: str, message_id: int, conversation_id: int) -> None:
    """Raise OtherReferenceError where a conversation was merged meanwhile, or somebody else has its reference.

    Who has is perhaps this very letter, when it went to others: then it goes to the rest as it went to those.
    """
    found = reference_of(connection, conversation_id)
    if found != reference and not repeated_to(connection, message_id):
        raise OtherReferenceError(found)


def _others(connection: Connection, asked: Submission, into: int | None) -> tuple[Written, ...]:
    if asked.seen_id is None or into is None:
        return ()
    team = Visible(teams=frozenset({asked.team}))
    found = answers_since(connection, visible=team, conversation_id=into, since_id=asked.seen_id)
    if not asked.held_note and asked.also is None:
        return found
    # Nobody was shown anything: what oneself wrote meanwhile, and what no person wrote, is no reason to wait.
    return tuple(each for each in found if each.author != asked.author and each.kind not in _UNWRITTEN)


def _tell(connection: Connection, asked: Submission, conversation_id: int, at_ms: int) -> None:
    note = NewNote(
        conversation_id=conversation_id, team=asked.team, author=asked.author, at_ms=at_ms, text=asked.held_note
    )
    add_notes(connection, [note])


def _record(connection: Connection, asked: Submission, message_id: int, filed: Filed, at_ms: int) -> None:
    names = ("kind", "team", "author", "answers_id", "duty_id", "by_mail")
    keep_written(connection, Written(message_id=message_id, **{name: getattr(asked, name) for name in names}))
    if asked.author:  # what maild sends of its own accord is no act of a person
        details = {"kind": asked.kind, "recipients": len(asked.recipients), "state": asked.state}
        done = Record(
            at_ms=at_ms, actor=asked.author, act=Act.ANSWERED, team=asked.team,
            conversation_id=filed.conversation_id, about=format_id(message_id), details=details,
        )  # fmt: skip
        record(connection, [done])


def _queue(connection: Connection, leaving: Leaving, message_id: int, *, held: bool) -> None:
    asked, now_ms = leaving.submission, leaving.acceptance.received_ms
    due_ms = max(asked.not_before_ms, now_ms)
    new = []
    had = repeated_to(connection, message_id)
    for recipient in dict.fromkeys(each for each in asked.recipients if each.key not in had):
        path = leaving.reverse_path_of(asked.reverse_path, message_id, recipient)
        new.append(
            NewDelivery(
                message_id=message_id,
                recipient=str(recipient),
                reverse_path=None if path is None else str(path),
                next_hop=recipient.domain,
                once=asked.kind in _AUTOMATIC,
                made_ms=now_ms,
                due_ms=due_ms,
                expires_ms=due_ms + leaving.lifetime_ms,
                held=QUICKER if held else None,
                dsn=asked.dsn.get(str(recipient), Dsn()),
            )
        )
    enqueue(connection, new)
