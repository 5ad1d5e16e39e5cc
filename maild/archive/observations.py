"""What rules in `mode: observe` would have done: written with the filing, counted for whoever decides about the rule.

Counts are of all mail: they say nothing of any letter. Which letters there were is told by their ids alone, and whether
the reader may open them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, insert, select

from maild.archive.allowed import allowed
from maild.archive.as_read import Observation
from maild.archive.prepared import Prepared
from maild.archive.schema import filings, messages, observations
from maild.mail.ids import id_ms, message_id_at
from maild.policy.visible import Visible

_EXAMPLES = 5
_INSERT = Prepared(insert(observations))


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A message that a rule matched. `readable`: the asker may open it."""

    message_id: int
    readable: bool

    @property
    def at_ms(self) -> int:
        """When it came."""
        return id_ms(self.message_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a rule has observed. `would`: what it would have done, and for how many recipients; the commonest first."""

    rule: str
    messages: int
    would: tuple[tuple[tuple[str, ...], int], ...]
    examples: tuple[Example, ...]  # the newest first


def observe(connection: Connection, found: Iterable[tuple[int, tuple[Observation, ...]]]) -> None:
    """Write what was observed of messages that are being filed."""
    rows = [
        {"rule": each.rule, "message_id": message_id, "recipient": each.recipient, "would": json.dumps(each.would)}
        for message_id, several in found
        for each in several
    ]
    _INSERT.run(connection, rows)


def mail_count(connection: Connection, since_ms: int) -> int:
    """Count the mail that the rules were asked about as it came: what was imported is of another time."""
    m = messages.c
    counted = select(func.count()).where(
        m.id >= message_id_at(since_ms, 0), m.direction == "in", m.origin != "import"
    )  # fmt: skip
    return connection.scalar(counted) or 0


def observed(
    connection: Connection, *, visible: Visible, since_ms: int, rules: Iterable[str], rule: str | None = None
) -> list[Observed]:
    """Return what was observed from a time on, by rule: of those that observe now (`rules`), and of any that ever did.

    With `rule`, of this one alone.
    """
    o = observations.c
    where: list[ColumnElement[bool]] = [o.message_id >= message_id_at(since_ms, 0)]
    where += [] if rule is None else [o.rule == rule]
    counted = select(o.rule, func.count(o.message_id.distinct())).where(*where).group_by(o.rule)
    counts: dict[str, int] = {name: count for name, count in connection.execute(counted)}  # noqa: C416 - dict() of rows has no type
    would: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    sorts = select(o.rule, o.would, func.count().label("count")).where(*where).group_by(o.rule, o.would)
    for row in connection.execute(sorts.order_by(func.count().desc(), o.would)):
        would.setdefault(row.rule, []).append((tuple(json.loads(row.would)), row[2]))
    names = [name for name in rules if rule in (None, name)]
    return [
        Observed(
            rule=name,
            messages=counts.get(name, 0),
            would=tuple(would.get(name, ())),
            examples=_examples(connection, visible, name, since_ms) if name in counts else (),
        )
        for name in dict.fromkeys((*names, *sorted(counts)))
    ]


def _examples(connection: Connection, visible: Visible, rule: str, since_ms: int) -> tuple[Example, ...]:
    o = observations.c
    newest = select(o.message_id).distinct().where(o.rule == rule, o.message_id >= message_id_at(since_ms, 0))
    ids = connection.scalars(newest.order_by(o.message_id.desc()).limit(_EXAMPLES)).all()
    theirs = select(filings.c.message_id).where(filings.c.message_id.in_(ids), allowed(filings.c.team, visible))
    readable = set(connection.scalars(theirs))
    return tuple(Example(message_id=number, readable=number in readable) for number in ids)
