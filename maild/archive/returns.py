"""What came back: delivery reports tied to the mail of ours that they are about, and kept.

A report is tied by the envelope token that it came to, which proves it; else by the Message-ID of the returned message,
which every recipient knows, and then only where a team has both, and for a recipient that the message was sent to. It
lies where that message lies, in the same conversation and the same inboxes, and makes none of its own.

A report about mail that was not sent from here stays a letter; those about one mass mailing share one conversation in
an inbox.

Security: no report changes a delivery. What was delivered stays delivered, and what a report says stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, insert, select

from maild.archive.prepared import Prepared
from maild.archive.schema import filings, message_refs, messages, recipients, summaries
from maild.archive.schema_outgoing import deliveries, outgoing, returns
from maild.archive.threading import target_of
from maild.mail.address import fold
from maild.mail.dsn import FAILED, Report, Returned
from maild.mail.ids import id_ms
from maild.mail.inbox import is_confidential, team_of
from maild.mail.mailing import mailing_of

_LONGEST_ADDRESS = 320
_INSERT = Prepared(insert(returns))


class Reporting(Protocol):
    """What of a filing decides what it is about."""

    @property
    def message_id(self) -> int: ...
    @property
    def direction(self) -> str: ...
    @property
    def report(self) -> Report | None: ...
    @property
    def delivery_id(self) -> int | None: ...
    @property
    def places(self) -> Sequence[InInbox]: ...


class InInbox(Protocol):
    """A place in an inbox of a team."""

    @property
    def team(self) -> str: ...
    @property
    def state(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A message of ours that something came back for. `inboxes` are those that have it; `team` answers for it."""

    message_id: int
    conversation_id: int
    team: str
    inboxes: tuple[str, ...]
    deliveries: dict[str, int | None]  # by folded recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tie:
    """What ties a message to one of ours. `delivery_id`: by the envelope token."""

    about: About
    delivery_id: int | None


class Ties:
    """What of a group of messages is about mail of ours, read once and written once."""

    def __init__(self, connection: Connection, work: Sequence[Reporting]) -> None:
        """Find what the reports among the messages are about."""
        self._connection = connection
        self._ties: dict[int, _Tie] = {}
        self._mailings: dict[tuple[str, str], int] = {}  # the conversation, by inbox and name
        concerned = [i for i in work if i.direction == "in" and (i.report is not None or i.delivery_id is not None)]
        if concerned:
            self._find(concerned)

    def inboxes(self, item: Reporting) -> dict[str, str] | None:
        """Return where a message about one of ours belongs: by inbox, the one whose place it takes; None: as it is."""
        tie = self._ties.get(item.message_id)
        if tie is None:
            return None if self.conversation(item) is None else {place.team: place.team for place in item.places}
        found = {place.team: place.team for place in item.places}
        if tie.delivery_id is not None and item.places:
            return dict.fromkeys(tie.about.inboxes, item.places[0].team)
        for inbox in filter(is_confidential, tie.about.inboxes):
            if (was := found.pop(team_of(inbox), None)) is not None:
                found.setdefault(inbox, was)
        return found

    def conversation(self, item: Reporting) -> int | None:
        """Return the conversation that a message belongs to by what it is about, None where that says nothing."""
        tie = self._ties.get(item.message_id)
        if tie is not None:
            return tie.about.conversation_id
        name = _mailing(item)
        return next((c for p in item.places if (c := self._mailings.get((p.team, name)))), None) if name else None

    def remember(self, item: Reporting, conversation_id: int) -> None:
        """Note where a message lies, for those after it in the group."""
        if item.message_id not in self._ties and (name := _mailing(item)):
            for place in item.places:
                self._mailings.setdefault((place.team, name), conversation_id)

    def failed(self, item: Reporting) -> bool:
        """Tell whether a message says that one of ours will not arrive; of imported mail, which is past, never."""
        tied = item.message_id in self._ties and item.report is not None and item.report.failed
        return tied and any(place.state == "open" for place in item.places)

    def write(self, work: Iterable[Reporting]) -> None:
        """Keep what the reports say."""
        rows: list[dict[str, object]] = []
        for item in work:
            if item.report is not None and item.direction == "in":
                rows += _rows(item, item.report, self._ties.get(item.message_id))
        _INSERT.run(self._connection, rows)

    def _find(self, work: list[Reporting]) -> None:
        tokens = {item.message_id: item.delivery_id for item in work if item.delivery_id is not None}
        by_delivery = _messages_of(self._connection, tokens.values())
        keys = {i.message_id: target_of(i.report.about.message_key) for i in work if i.report and _key(i)}
        by_key = _messages_by_key(self._connection, set(keys.values()))
        ids = {*by_delivery.values(), *(number for several in by_key.values() for number in several)}
        known = _abouts(self._connection, ids)
        for item in work:
            about = known.get(by_delivery.get(item.delivery_id or 0, 0))
            if about is not None:
                self._ties[item.message_id] = _Tie(about=about, delivery_id=item.delivery_id)
                continue
            for number in by_key.get(keys.get(item.message_id, b""), ()):
                if (found := known.get(number)) is not None and _may_be_about(item, found):
                    self._ties[item.message_id] = _Tie(about=found, delivery_id=None)
                    break
        self._find_mailings([item for item in work if item.message_id not in self._ties])

    def _find_mailings(self, work: list[Reporting]) -> None:
        names = {name for item in work if (name := _mailing(item))}
        if not names:
            return
        r = returns.c
        found = (
            select(r.team, r.mailing, summaries.c.conversation_id)
            .join_from(returns, summaries, summaries.c.message_id == r.report_id)
            .where(r.mailing.in_(sorted(names)), r.about_id.is_(None))
            .order_by(r.report_id)
        )
        for team, name, conversation_id in self._connection.execute(found):
            self._mailings[team, name] = conversation_id


def _key(item: Reporting) -> str:
    return "" if item.report is None else item.report.about.message_key


def _mailing(item: Reporting) -> str:
    """Return the mailing that a message reports a failure of, "" for any other message."""
    if item.report is None or not item.report.failed or item.direction != "in":
        return ""
    return mailing_of(item.report.about)


def _may_be_about(item: Reporting, about: About) -> bool:
    """Tell whether a report that nothing proves may be about a message: a team has both, and it was sent there."""
    teams = {team_of(place.team) for place in item.places}
    report = item.report
    if report is None or teams.isdisjoint(map(team_of, about.inboxes)):
        return False
    return any(_names_of(each) & about.deliveries.keys() for each in report.recipients)


def _names_of(each: Returned) -> set[str]:
    return {fold(name) for name in (each.original, each.recipient) if name}


def _rows(item: Reporting, report: Report, tie: _Tie | None) -> list[dict[str, object]]:
    inbox = item.places[0].team if item.places else ""
    name = mailing_of(report.about)
    rows: list[dict[str, object]] = []
    for position, each in enumerate(report.recipients):
        about_id, delivery_id, recipient = None, None, fold(each.original or each.recipient)
        if tie is not None:
            named = next((name for name in _names_of(each) if name in tie.about.deliveries), None)
            if named is not None:
                about_id, delivery_id, recipient = tie.about.message_id, tie.about.deliveries[named], named
            elif tie.delivery_id is not None and len(report.recipients) == 1:
                # It was sent on where it came to: the token tells whose delivery this was.
                about_id, delivery_id = tie.about.message_id, tie.delivery_id
                recipient = next((n for n, d in tie.about.deliveries.items() if d == tie.delivery_id), recipient)
        rows.append(
            {
                "report_id": item.message_id,
                "position": position,
                "recipient": recipient[:_LONGEST_ADDRESS],
                "about_id": about_id,
                "delivery_id": delivery_id,
                "team": inbox if tie is None else tie.about.team,
                "action": each.action,
                "code": each.code,
                "hard": int(each.hard and each.action == FAILED),
                "reason": each.reason,
                "text": each.text,
                "mailing": name,
                "at_ms": id_ms(item.message_id),
            }
        )
    return rows


def _messages_of(connection: Connection, ids: Iterable[int]) -> dict[int, int]:
    """Return the messages that deliveries are of."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    d = deliveries.c
    return {number: message_id for number, message_id in connection.execute(  # noqa: C416 - dict() of rows has no type
        select(d.id, d.message_id).where(d.id.in_(wanted))
    )}  # fmt: skip


def _messages_by_key(connection: Connection, targets: set[bytes]) -> dict[bytes, list[int]]:
    """Return the messages of ours that bear a Message-ID, the newest first."""
    if not targets:
        return {}
    r, m = message_refs.c, messages.c
    found: dict[bytes, list[int]] = {}
    statement = (
        select(r.target, r.message_id)
        .join_from(message_refs, messages, m.id == r.message_id)
        .where(r.target.in_(sorted(targets)), r.position == 0, m.direction == "out")
        .order_by(r.message_id.desc())
    )
    for target, message_id in connection.execute(statement):
        found.setdefault(bytes(target), []).append(message_id)
    return found


def _abouts(connection: Connection, ids: set[int]) -> dict[int, About]:
    """Return what is known of messages of ours; one that lies in no inbox cannot be tied to."""
    if not ids:
        return {}
    wanted = sorted(ids)
    inboxes = _by_message(connection, select(filings.c.message_id, filings.c.team), filings.c.message_id, wanted)
    sent_to: dict[int, dict[str, int | None]] = {}
    rcpt = select(recipients.c.message_id, recipients.c.address)
    for number, addresses in _by_message(connection, rcpt, recipients.c.message_id, wanted).items():
        sent_to[number] = dict.fromkeys(map(fold, addresses))
    d = deliveries.c
    ways = select(d.message_id, d.recipient, d.id).where(d.message_id.in_(wanted)).order_by(d.id)
    for number, address, delivery_id in connection.execute(ways):
        sent_to.setdefault(number, {})[fold(address)] = delivery_id
    owners = {row.message_id: row.team for row in connection.execute(
        select(outgoing.c.message_id, outgoing.c.team).where(outgoing.c.message_id.in_(wanted))
    )}  # fmt: skip
    s = summaries.c
    return {
        row.message_id: About(
            message_id=row.message_id,
            conversation_id=row.conversation_id,
            team=_inbox_of(owners.get(row.message_id), inboxes[row.message_id]),
            inboxes=tuple(sorted(inboxes[row.message_id])),
            deliveries=sent_to.get(row.message_id, {}),
        )
        for row in connection.execute(select(s.message_id, s.conversation_id).where(s.message_id.in_(wanted)))
        if inboxes.get(row.message_id)
    }


def _by_message(connection: Connection, statement: Any, column: Any, ids: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for number, text in connection.execute(statement.where(column.in_(ids))):
        found.setdefault(number, []).append(text)
    return found


def _inbox_of(owner: str | None, inboxes: list[str]) -> str:
    """Return the inbox whose team answers for a message: in confidence where it lies so."""
    return next((inbox for inbox in sorted(inboxes, reverse=True) if team_of(inbox) == owner), min(inboxes))
