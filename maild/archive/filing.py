"""From read to filed: conversation, inboxes and work items of a message, in one transaction.

The unit `file` is the only way a message reaches people. It does nothing for a message whose work items are no
longer `accepted`, so a crash at any point, or two routers at once, route nothing twice.

What comes from the worker process: `maild.archive.as_read`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, insert, select, text, update

from maild.archive.account_mail import has_secret, may_be_opened
from maild.archive.as_read import Filing
from maild.archive.commit import lock_head
from maild.archive.duties import record
from maild.archive.examinations import keep_evidence
from maild.archive.hits import count
from maild.archive.inboxes import Arrival, place
from maild.archive.member_answers import beside_inboxes
from maild.archive.observations import observe
from maild.archive.prepared import Prepared, PreparedIn
from maild.archive.returns import Ties
from maild.archive.schema import chain_head, conversations, filings, recipients, summaries
from maild.archive.schema_inbox import handed
from maild.archive.threading import Threads
from maild.archive.ways import forwards
from maild.mail.facts import Automatic
from maild.mail.ids import REFERENCE_BITS, format_reference, id_ms
from maild.mail.inbox import confidential, is_confidential
from maild.rules.duties import HOLD, confided, handed_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """What became of it."""

    message_id: int
    conversation_id: int
    revision: int
    teams: tuple[str, ...]
    asks: bool = False  # beyond its places: there are duties to carry out


def file(connection: Connection, items: list[Filing]) -> Sequence[Filed | None]:
    """Put messages into conversations and inboxes; None for one that was filed before. A unit of work."""
    _, _, revision = lock_head(connection)
    pending = _pending(connection, [item.message_id for item in items])
    work = [item for item in items if item.message_id in pending]
    if not work:
        return [None] * len(items)
    ties = Ties(connection, work)
    work = [_beside(item, ties.inboxes(item)) for item in work]
    work = beside_inboxes(connection, work)
    threads = Threads(connection, work)
    done: dict[int, Filed] = {}
    for number, read in enumerate(work):
        revision += 1
        conversation_id = threads.join(read, ties.conversation(read) or read.into)
        ties.remember(read, conversation_id)
        narrowed = _seen_there(connection, read, conversation_id, threads.narrowed.get(read.message_id, frozenset()))
        item = work[number] = _narrowed(read, narrowed)
        done[item.message_id] = Filed(
            message_id=item.message_id,
            conversation_id=conversation_id,
            revision=revision,
            teams=tuple(p.team for p in item.places),
        )
    _write_new_conversations(connection, work, done, threads)
    threads.write()
    _follow_merges(done, threads)
    work = _handed_on(connection, work, done)
    _write_summaries(connection, work, done)
    _write_filings(connection, work, done)
    place(connection, [_arrival(item, done[item.message_id].conversation_id, ties) for item in work])
    ties.write(work)
    _record_duties(connection, work, done)
    _close_work_items(connection, work)
    count(connection, [(item.message_id, item.hits) for item in work])
    observe(connection, [(item.message_id, item.observations) for item in work])
    keep_evidence(connection, {item.message_id: item.evidence for item in work if item.evidence is not None})
    _MOVE_REVISION.run(connection, {"new_revision": revision})
    return [done.get(item.message_id) for item in items]


def _follow_merges(done: dict[int, Filed], threads: Threads) -> None:
    """Note where messages are now: a later one of the group may have merged the conversation of an earlier one."""
    for message_id, filed in done.items():
        survivor = threads.survivor(filed.conversation_id)
        if survivor != filed.conversation_id:
            done[message_id] = replace(filed, conversation_id=survivor)


def _record_duties(connection: Connection, work: list[Filing], done: dict[int, Filed]) -> None:
    if dutiful := [item for item in work if item.duties]:
        record(connection, dutiful, {mid: filed.conversation_id for mid, filed in done.items()})
        for item in dutiful:
            done[item.message_id] = replace(done[item.message_id], asks=True)


def _beside(item: Filing, inboxes: Mapping[str, str] | None) -> Filing:
    """Put a message where that one lies which it is about: `inboxes` take the places of others, None: as it is.

    Security: whoever sends a report takes no part in the conversation by it, and refers to nothing.
    """
    if inboxes is None:
        return item
    before = {p.team: p for p in item.places}
    places = tuple(
        before[was] if was == inbox else before[was]._replace(team=inbox, tags=()) for inbox, was in inboxes.items()
    )
    duties = tuple(duty for duty in item.duties if duty.team in inboxes)
    return item._replace(places=places, people=(), references=(), duties=duties)


def _seen_there(
    connection: Connection, item: Filing, conversation_id: int, teams: AbstractSet[str]
) -> AbstractSet[str]:
    """Return those of the teams that have an exchange in confidence where a message goes there, too.

    Not where nobody is there to see it, and the exchange lies there by nothing but a guess.
    """
    unled = teams & set(item.unled)
    return teams - {team for team in unled if may_be_opened(connection, conversation_id, confidential(team))}


def _narrowed(item: Filing, teams: AbstractSet[str]) -> Filing:
    """Put what belongs to a confidential exchange where that is, in each of `teams`."""
    if not teams:
        return item
    places = {p.team: p for p in item.places}
    for team in teams & places.keys():
        inner = places.pop(team)
        places.setdefault(confidential(team), inner._replace(team=confidential(team)))
    return item._replace(places=tuple(places.values()), duties=confided(item.duties, teams))


def _handed_on(connection: Connection, work: list[Filing], done: dict[int, Filed]) -> list[Filing]:
    """Put what comes into a conversation that a team has handed over where that lies now.

    What the giver writes all the same stays with him, and is seen by both.
    """
    joined = {filed.conversation_id for message_id, filed in done.items() if filed.conversation_id != message_id}
    ways = forwards(connection, joined) if joined else {}
    if not ways:
        return work
    items = []
    for item in work:
        number = done[item.message_id].conversation_id
        here = ways.get(number, {})
        for inbox in _leaking(connection, item, number, here):
            _END_WAY.run(connection, [{"conversation": number, "giver": inbox, "now_ms": id_ms(item.message_id)}])
            del here[inbox]
        items.append(_on_its_way(item, here))
    for item in items:
        done[item.message_id] = replace(done[item.message_id], teams=tuple(p.team for p in item.places))
    return items


def _leaking(connection: Connection, item: Filing, conversation_id: int, ways: Mapping[str, str]) -> list[str]:
    """Return the confidential inboxes whose mail goes into an open one, where a message now has to stay in them.

    Security: a lead has opened what only looked confidential, and that is all that he has opened.
    """
    if item.direction == "out":
        return []
    outward = [p.team for p in item.places if is_confidential(p.team) and not is_confidential(ways.get(p.team, p.team))]
    return [inbox for inbox in outward if has_secret(connection, conversation_id, inbox, item.trace)]


def _on_its_way(item: Filing, ways: Mapping[str, str]) -> Filing:
    places = {p.team: p for p in item.places}
    for team in places.keys() & ways.keys():
        there = places[team] if item.direction == "out" else places.pop(team)
        places.setdefault(ways[team], there._replace(team=ways[team], tags=()))
    return item._replace(places=tuple(places.values()), duties=handed_on(item.duties, ways))


_MOVE_REVISION = Prepared(update(chain_head).values(revision=bindparam("new_revision")))
_PENDING = PreparedIn(
    lambda ids: select(recipients.c.message_id).where(
        recipients.c.message_id.in_(ids), recipients.c.state == text("'accepted'")
    )
)
_CLOSE = Prepared(
    update(recipients)
    .where(recipients.c.message_id == bindparam("message"), recipients.c.state == text("'accepted'"))
    .values(state=bindparam("new_state"))
)
_TAKEN = PreparedIn(lambda names: select(conversations.c.reference).where(conversations.c.reference.in_(names)))
_END_WAY = Prepared(
    update(handed)
    .where(
        handed.c.conversation_id == bindparam("conversation"),
        handed.c.from_team == bindparam("giver"),
        handed.c.ended_ms.is_(None),
    )
    .values(ended_ms=bindparam("now_ms"))
)
_INSERT_CONVERSATIONS = Prepared(insert(conversations))
_INSERT_SUMMARIES = Prepared(insert(summaries))
_INSERT_FILINGS = Prepared(insert(filings))


def _pending(connection: Connection, ids: list[int]) -> set[int]:
    return {message_id for (message_id,) in _PENDING.rows(connection, ids)}


def _close_work_items(connection: Connection, work: list[Filing]) -> None:
    _CLOSE.run(
        connection,
        [{"message": i.message_id, "new_state": "filed" if i.problem is None else "problem"} for i in work],
    )


def _write_new_conversations(
    connection: Connection, work: list[Filing], done: dict[int, Filed], threads: Threads
) -> None:
    new = {i.message_id: i for i in work if done[i.message_id].conversation_id == i.message_id}
    if not new:
        return
    wanted = {mid: i.reference_bits for mid, i in new.items()}
    names = [format_reference(bits) for bits in wanted.values()]
    taken = {name for (name,) in _TAKEN.rows(connection, names)}
    rows: list[dict[str, object]] = []
    for mid, bits in wanted.items():
        number = bits
        while (name := format_reference(number)) in taken:
            number = (number + 1) % (1 << REFERENCE_BITS)
            if _TAKEN.rows(connection, [format_reference(number)]):
                taken.add(format_reference(number))
        taken.add(name)
        survivor = threads.survivor(mid)
        merged_into = None if survivor == mid else survivor
        rows.append({"id": mid, "reference": name, "subject": new[mid].summary.subject, "merged_into": merged_into})
    _INSERT_CONVERSATIONS.run(connection, rows)


def _write_summaries(connection: Connection, work: list[Filing], done: dict[int, Filed]) -> None:
    rows = []
    for item in work:
        s = item.summary
        rows.append(
            {
                "message_id": item.message_id,
                "conversation_id": done[item.message_id].conversation_id,
                "revision": done[item.message_id].revision,
                "date_ms": s.date_ms,
                "subject": s.subject,
                "from_name": s.from_name,
                "from_mail": s.from_mail,
                "people": json.dumps(item.people),
                "message_key": item.message_key,
                "excerpt": s.excerpt,
                "attachments": s.attachments,
                "automatic": s.automatic,
                "source_only": s.source_only,
                "problem": item.problem,
                "rules_version": item.rules_version,
                "trace": item.trace,
            }
        )
    _INSERT_SUMMARIES.run(connection, rows)


def _write_filings(connection: Connection, work: list[Filing], done: dict[int, Filed]) -> None:
    rows = [
        {"team": p.team, "message_id": i.message_id, "conversation_id": done[i.message_id].conversation_id}
        for i in work
        for p in i.places
    ]
    _INSERT_FILINGS.run(connection, rows)


def _arrival(item: Filing, conversation_id: int, ties: Ties) -> Arrival:
    return Arrival(
        message_id=item.message_id,
        conversation_id=conversation_id,
        incoming=item.direction == "in",
        # Who answers for us is nobody whom an answer is owed.
        by_person=item.summary.automatic == Automatic.PERSON and item.answering is None,
        places=tuple((p.team, p.state, p.priority, p.tags) for p in item.places),
        held=frozenset(duty.team for duty in item.duties if duty.kind == HOLD) if item.duties else frozenset(),
        failed=ties.failed(item),
    )
