"""Copies for members: the duty becomes a delivery of its own to one mailbox, recorded before it is sent.

It is automatic mail: an attempt that may have arrived is the last. Whether the member may still read the letter, and
whether the address leads out of the house, is asked once more when the delivery is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from maild.archive.accounts import find_user, principal
from maild.archive.copies import Copy, copy_to, keep_copy, mailbox_outside
from maild.archive.duties import OURSELVES, Ending, RecordedDuty, end, waiting_duties
from maild.archive.schema import duties, filings
from maild.delivery.deliveries import COPY, NewDelivery
from maild.delivery.queue.working import enqueue
from maild.errors import NotFoundError
from maild.mail.inbox import is_confidential
from maild.mail.reply_token import ends_ms
from maild.policy.grants import may
from maild.policy.roles import Permission
from maild.policy.visible import OPERATOR
from maild.rules.authorship import senders
from maild.rules.duties import MEMBER_COPY
from maild.rules.model import Ruleset

NO_COPY = "maild: no copy"  # who ended a duty that is not carried out: the right, the mailbox or the address is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeUpCopies:
    """Make deliveries of copies that wait and are not held, beyond the duty `after`."""

    now_ms: int
    lifetime_ms: int
    rules: Callable[[], Ruleset]
    after: int = 0
    limit: int = 200


def take_up_copies(connection: Connection, arguments: list[TakeUpCopies]) -> list[tuple[int, int | None]]:
    """Make deliveries of copies; returns how many, and the duty up to which was looked: None, there are no more."""
    return [_take_up(connection, asked) for asked in arguments]


def _take_up(connection: Connection, asked: TakeUpCopies) -> tuple[int, int | None]:
    found = waiting_duties(connection, visible=OPERATOR, limit=asked.limit, after=asked.after, kinds=(MEMBER_COPY,))
    if not found:
        return 0, None
    # Two hosts take up the same duty one after the other, so that the second sees that it has ended.
    ids = [each.id for each in found]
    locked = select(duties.c.id).where(duties.c.id.in_(ids), duties.c.state == "waiting").order_by(duties.c.id)
    open_ids = frozenset(connection.scalars(locked.with_for_update()))
    rules = asked.rules()
    made = [_make(connection, each, asked, rules) for each in found if each.id in open_ids and not each.held]
    return sum(made), found[-1].id if len(found) == asked.limit else None


def _make(connection: Connection, each: RecordedDuty, asked: TakeUpCopies, rules: Ruleset) -> bool:
    copy = _copy(connection, each, asked.now_ms, rules)
    state, by = ("dropped", NO_COPY) if copy is None else ("done", OURSELVES)
    end(connection, [Ending(duty_id=each.id, state=state, by=by, at_ms=asked.now_ms)])
    if copy is None:
        return False
    keep_copy(connection, copy)
    delivery = NewDelivery(
        message_id=copy.message_id,
        kind=COPY,
        recipient=copy.recipient,
        reverse_path=None,
        next_hop=copy.recipient.rpartition("@")[2],
        once=True,
        made_ms=asked.now_ms,
        due_ms=asked.now_ms,
        expires_ms=asked.now_ms + asked.lifetime_ms,
    )
    enqueue(connection, [delivery])
    return True


def _copy(connection: Connection, each: RecordedDuty, now_ms: int, rules: Ruleset) -> Copy | None:
    """Return the copy that is to be made; None where there must be none any more, or is one already."""
    team = rules.teams.get(each.team)
    if is_confidential(each.team) or team is None or not team.copies or not senders(rules, [each.team]):
        return None
    try:
        person = find_user(connection, each.target)
    except NotFoundError:
        return None
    who = principal(connection, person.id)
    if who is None or not may(who, Permission.READ, team=each.team, teams=rules.parents, now_ms=now_ms):
        return None
    mailbox = mailbox_outside(person.mail, rules.domains)
    lies = select(filings.c.team).where(filings.c.message_id == each.message_id, filings.c.team == each.team)
    if mailbox is None or connection.execute(lies).first() is None:
        return None
    # A letter in two inboxes of one person, or of two with one mailbox, is copied once.
    if copy_to(connection, each.message_id, str(mailbox)) is not None:
        return None
    return Copy(
        message_id=each.message_id, user_id=person.id, team=each.team, recipient=str(mailbox), made_ms=now_ms,
        until_ms=ends_ms(now_ms), revoked_ms=None,
    )  # fmt: skip
