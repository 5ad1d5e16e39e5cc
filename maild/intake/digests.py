"""Digests: what is new, told by mail to those who asked for it.

All of it is one transaction: what the person may see at that moment, that it is told, the octets, and their delivery.
So nothing is told twice, whatever is killed when, and nothing of a team whose letters they may not read any more.

A digest is archived as everything that leaves, and lies in no inbox: nobody reads there what another was told. It goes
to the mailbox of the account and to none that ends here; it says that it is automatic, and has the null reverse-path.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import Connection

from maild.archive.absences import away_now, cover
from maild.archive.accounts import User, find_user, principal
from maild.archive.allowed import readable_entries
from maild.archive.commit import Acceptance, accept, lock_head
from maild.archive.content import held
from maild.archive.copies import mailbox_outside
from maild.archive.counts import team_counts
from maild.archive.database import Database
from maild.archive.digests import (
    Asking,
    Choice,
    Item,
    News,
    OnItsWay,
    choice_of,
    news,
    note_recalled,
    note_told,
    on_their_way,
    shown_inboxes,
    wishes,
)
from maild.archive.duties import OURSELVES
from maild.archive.outgoing import Written, keep_written
from maild.delivery.deliveries import NewDelivery
from maild.delivery.queue.acts import Act, Change, change
from maild.delivery.queue.working import enqueue
from maild.errors import NotFoundError
from maild.mail.address import Address
from maild.mail.composing import Composition, automatic, compose
from maild.mail.digest import Digest, Line, Standing, written
from maild.mail.ids import format_id, message_id_at
from maild.mail.inbox import is_confidential, team_of
from maild.mail.local_time import local_time
from maild.policy.digests import AT_ONCE, DAILY, may_follow, news_since, slot_of
from maild.policy.grants import Principal, visible
from maild.policy.visible import Visible
from maild.rounds import Rounds, one_by_one
from maild.rules.authorship import senders
from maild.rules.model import Ruleset

KIND = "digest"
_POLL_S = 20.0
_LIFETIME_MS = 12 * 3600 * 1000  # what is new is not worth more
_ROOM_MS = 5 * 60 * 1000  # what was decided so long ago may be committed only now
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Tell one person, if there still is something to be told. `chance`: random bits for the message's id."""

    user_id: int
    rules: Ruleset
    base_url: str
    hostname: str
    now_ms: int
    chance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Who is told, at one moment: what they want, may see, and where it goes."""

    choice: Choice
    person: User
    who: Principal
    mailbox: Address
    visible: Visible


def tell_people(connection: Connection, arguments: list[Telling]) -> list[int | None]:
    """Tell people what is new; returns of each the message, None where there is none. A unit of work."""
    lock_head(connection)  # before looking: of two who tell, one must see what the other has done
    return [_tell(connection, each) for each in arguments]


def _tell(connection: Connection, asked: Telling) -> int | None:
    choice = choice_of(connection, asked.user_id)
    slot = _slot(choice, asked.rules, asked.now_ms)
    if slot is None:
        return None
    reader = _reader(connection, choice, asked.rules, asked.now_ms)
    if reader is None:
        return None
    found = news(connection, _asking(connection, reader, asked.rules, asked.now_ms))
    sender = _sender(asked.rules)
    message_id = None if not found.count or sender is None else _send(connection, asked, reader, found, sender)
    note_told(
        connection, asked.user_id, slot=slot, told_ms=asked.now_ms, message_id=message_id, visible=reader.visible,
        named=[(each.reference, each.team) for each in found.items],
    )  # fmt: skip
    return message_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Take back what is on its way to a person, where it tells of what they may not read any more."""

    user_id: int
    rules: Ruleset
    now_ms: int


def recall(connection: Connection, arguments: list[Recall]) -> list[int]:
    """Take digests back; returns of each how many. What they told is told anew, as far as it may be. A unit of work."""
    return [_recall(connection, each) for each in arguments]


def _recall(connection: Connection, asked: Recall) -> int:
    found = [each for each in on_their_way(connection, asked.user_id) if _tells_too_much(connection, each, asked)]
    for each in found:
        change(connection, [Change(delivery_id=each.delivery_id, act=Act.DROP, by=OURSELVES, at_ms=asked.now_ms)])
        note_recalled(connection, asked.user_id)
    return len(found)


def _tells_too_much(connection: Connection, sent: OnItsWay, asked: Recall) -> bool:
    who = principal(connection, sent.user_id)
    if who is None:
        return True
    seen = visible(who.grants, asked.rules.parents, asked.now_ms, sent.user_id)
    if not (sent.inboxes <= seen.teams and sent.lent <= seen.inboxes):
        return True
    # Given to somebody else, handed on or narrowed since: what it says of that is not theirs to read any more.
    references = [reference for reference, _ in sent.named]
    return not sent.named <= readable_entries(connection, visible=seen, references=references)


def _slot(choice: Choice, rules: Ruleset, now_ms: int) -> str | None:
    """Return the day that is due, "" for what is told at once; None: nothing is due."""
    if choice.mode == AT_ONCE:
        return "" if may_follow(choice.sent_ms, now_ms) else None
    if choice.mode != DAILY:
        return None
    local = local_time(now_ms, rules.organisation.timezone)
    slot = slot_of(local, choice.hour, works=_works(rules, local))
    return slot if slot and slot != choice.slot else None


def _works(rules: Ruleset, local: datetime) -> bool:
    """Tell whether somebody works on a day: by the teams' hours, without any from Monday to Friday."""
    open_days = {span.weekday for team in rules.teams.values() for span in team.hours} or set(range(5))
    return local.weekday() in open_days and rules.organisation.holidays.name(local.date()) is None


def _reader(connection: Connection, choice: Choice, rules: Ruleset, now_ms: int) -> _Reader | None:
    """Return who is told; None while they are away, have no mailbox outside, or may not come in any more."""
    who = principal(connection, choice.user_id)
    if who is None or choice.user_id in away_now(connection, now_ms):
        return None
    try:
        person = find_user(connection, who.login)
    except NotFoundError:
        return None
    mailbox = mailbox_outside(person.mail, rules.domains)
    if mailbox is None:
        return None
    seen = shown_inboxes(visible(who.grants, rules.parents, now_ms, who.user_id), choice.silent)
    return _Reader(choice=choice, person=person, who=who, mailbox=mailbox, visible=seen)


def _asking(connection: Connection, reader: _Reader, rules: Ruleset, now_ms: int) -> Asking:
    return Asking(
        user_id=reader.who.user_id, login=reader.who.login, visible=reader.visible,
        since_ms=news_since(reader.choice.told_ms, now_ms), until_ms=now_ms,
        cover=cover(connection, sorted(reader.visible.teams), rules.parents, now_ms),
        personal=reader.choice.mode == AT_ONCE,
    )  # fmt: skip


def _send(connection: Connection, asked: Telling, reader: _Reader, found: News, sender: Address) -> int:
    rules = asked.rules
    language = reader.person.language or rules.organisation.language
    settings = f"{asked.base_url}/sessions#digest"
    subject, text = written(_digest(connection, asked, reader, found, settings), language)
    letter = Composition(
        sender=(rules.organisation.name, sender), to=(("", reader.mailbox),), subject=subject, text=text,
        message_id=f"{secrets.token_hex(12)}@{sender.domain}", language=language,
        date=local_time(asked.now_ms, rules.organisation.timezone),
        fields=(
            *automatic("auto-generated"),
            # A page, where one signs in: what a program fetches by itself turns nothing off (RFC 8058 is not used).
            ("List-Unsubscribe", f"<{settings}>"),
        ),
    )  # fmt: skip
    acceptance = Acceptance(
        message_id=message_id_at(asked.now_ms, asked.chance), direction="out", origin="submission",
        content=held(compose(letter, secrets.token_hex(16))), received_ms=asked.now_ms, reverse_path=None,
        envelope=json.dumps({"by": asked.hostname}), addressees=(),
    )  # fmt: skip
    (accepted,) = accept(connection, [acceptance])
    keep_written(connection, Written(message_id=accepted.message_id, kind=KIND, team="", author=""))
    delivery = NewDelivery(
        message_id=accepted.message_id, recipient=str(reader.mailbox), reverse_path=None,
        next_hop=reader.mailbox.domain, once=True, made_ms=asked.now_ms, due_ms=asked.now_ms,
        expires_ms=asked.now_ms + _LIFETIME_MS,
    )  # fmt: skip
    enqueue(connection, [delivery])
    return accepted.message_id


def _digest(connection: Connection, asked: Telling, reader: _Reader, found: News, settings: str) -> Digest:
    personal = reader.choice.mode == AT_ONCE
    return Digest(
        lines=tuple(_line(each, asked.rules, reader.choice) for each in found.items), more=found.more,
        confidential=found.confidential, standings=() if personal else _standings(connection, asked.rules, reader),
        personal=personal, url=asked.base_url, settings=settings,
    )  # fmt: skip


def _line(item: Item, rules: Ruleset, choice: Choice) -> Line:
    team = rules.teams.get(item.team)
    # As with copies: what may go to a mailbox outside, the team's rules say.
    said = choice.subjects and team is not None and team.copies
    return Line(
        reference=item.reference, team=_name(rules, item.team), why=item.why,
        since=local_time(item.since_ms, rules.organisation.timezone),
        waiting=item.waiting, subject=item.subject if said else "",
    )  # fmt: skip


def _standings(connection: Connection, rules: Ruleset, reader: _Reader) -> tuple[Standing, ...]:
    counts = team_counts(connection, visible=reader.visible, user_id=reader.who.user_id)
    return tuple(
        Standing(team=_name(rules, inbox), open=count.open, unassigned=count.unassigned, mine=count.mine,
                 unanswered=count.unanswered)
        for inbox, count in sorted(counts.items())
        if not is_confidential(inbox)
    )  # fmt: skip


def _name(rules: Ruleset, inbox: str) -> str:
    team = rules.teams.get(team_of(inbox))
    return team_of(inbox) if team is None else team.name


def _sender(rules: Ruleset) -> Address | None:
    """Return the address that a digest is from: what somebody answers to it comes to the fallback team."""
    found = senders(rules, [rules.fallback]) or senders(rules, list(rules.teams))
    return found[0].address if found else None


def _failed(error: Exception) -> None:
    _log.error("digest.failed", error=type(error).__name__)


def _failed_for(user_id: int, error: Exception) -> None:
    _log.error("digest.failed", error=type(error).__name__, user=user_id)


class Digests:
    """The task that tells people. `on_sent` hears that there is something to be delivered."""

    def __init__(
        self, *, database: Database, rules: Callable[[], Ruleset], base_url: str, hostname: str,
        now_ms: Callable[[], int], chance: Callable[[], int], on_sent: Callable[[], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._rules = rules
        self._base_url = base_url
        self._hostname = hostname
        self._now_ms = now_ms
        self._chance = chance
        self._on_sent = on_sent
        self._looked: dict[int, int] = {}  # by person: up to when there was nothing to tell at once
        self._rounds = Rounds(_POLL_S)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._rounds.run(self.once, _failed)

    async def once(self) -> None:
        """Tell whoever is to be told now; before that, take back what must not be told any more."""
        for recalling in await asyncio.to_thread(self._outdated):
            if await self._database.writer.run(recall, recalling):
                _log.info("digest.recalled", user=recalling.user_id)
        await one_by_one(await asyncio.to_thread(self._due), self._tell, _failed_for)

    async def _tell(self, user_id: int) -> None:
        asked = Telling(
            user_id=user_id, rules=self._rules(), base_url=self._base_url, hostname=self._hostname,
            now_ms=self._now_ms(), chance=self._chance(),
        )  # fmt: skip
        message_id = await self._database.writer.run(tell_people, asked)
        if message_id is not None:
            _log.info("digest.sent", user=user_id, id=format_id(message_id))
            self._on_sent()

    def _outdated(self) -> list[Recall]:
        rules, now_ms = self._rules(), self._now_ms()
        found = []
        with self._database.read() as connection:
            for each in on_their_way(connection):
                recalling = Recall(user_id=each.user_id, rules=rules, now_ms=now_ms)
                if _tells_too_much(connection, each, recalling):
                    found.append(recalling)
        return found

    def _due(self) -> list[int]:
        rules, now_ms = self._rules(), self._now_ms()
        with self._database.read() as connection:
            due = [each for each in wishes(connection) if _slot(each, rules, now_ms) is not None]
            return [each.user_id for each in due if self._is_worth_it(connection, each, rules, now_ms)]

    def _is_worth_it(self, connection: Connection, choice: Choice, rules: Ruleset, now_ms: int) -> bool:
        """Look whether somebody may be told, and at once there is something to tell, before the writer is troubled."""
        looked_ms = min(self._looked.get(choice.user_id, 0), now_ms)
        since = replace(choice, told_ms=max(choice.told_ms, looked_ms - _ROOM_MS))
        reader = _reader(connection, since, rules, now_ms)
        if reader is None or choice.mode == DAILY:
            return reader is not None
        if news(connection, _asking(connection, reader, rules, now_ms)).count:
            return True
        self._looked[choice.user_id] = now_ms
        return False
