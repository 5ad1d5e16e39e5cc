"""How often each rule has matched: counted with the filing itself, so that a count is never of mail that was not filed.

A recipient that a rule matched is one hit. What a rule only observed, duplicates, imported mail and what is filed anew
later do not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

from sqlalchemy import Connection, Executable, bindparam, func, select

from maild.archive.prepared import Prepared
from maild.archive.schema import rule_hits
from maild.archive.upserting import inserting
from maild.mail.ids import id_ms

_DAY_MS = 86_400_000
_FIRST_DAY = date(1970, 1, 1)


def day_of(ms: int) -> int:
    """Return the day of a time in milliseconds since 1970: days since then, UTC."""
    return ms // _DAY_MS


def date_of(day: int) -> date:
    """Return the date of a day of `rule_hits`."""
    return _FIRST_DAY + timedelta(days=day)


def count(connection: Connection, matched: Iterable[tuple[int, tuple[str, ...]]]) -> None:
    """Add the rules that matched a group of messages, given as message id and the rules, one for each recipient."""
    hits = Counter((rule, day_of(id_ms(message_id))) for message_id, rules in matched for rule in rules)
    # In one order: two routers on PostgreSQL must not wait for each other's rows.
    _ADD.run(connection, [{"rule": rule, "day": day, "hits": hits[rule, day]} for rule, day in sorted(hits)])


def hits_since(connection: Connection, day: int) -> dict[str, int]:
    """Return how often each rule has matched from a day on; rules without a match are left out."""
    total = func.sum(rule_hits.c.hits)
    rows = connection.execute(select(rule_hits.c.rule, total).where(rule_hits.c.day >= day).group_by(rule_hits.c.rule))
    return {rule: int(hits) for rule, hits in rows}


def last_hits(connection: Connection) -> dict[str, int]:
    """Return the day on which each rule matched last."""
    rows = connection.execute(select(rule_hits.c.rule, func.max(rule_hits.c.day)).group_by(rule_hits.c.rule))
    return {rule: int(day) for rule, day in rows}


def _add(dialect: str) -> Executable:
    insert = inserting(rule_hits, dialect).values(rule=bindparam("rule"), day=bindparam("day"), hits=bindparam("hits"))
    return insert.on_conflict_do_update(
        index_elements=[rule_hits.c.rule, rule_hits.c.day], set_={"hits": rule_hits.c.hits + insert.excluded.hits}
    )


_ADD = Prepared(_add)
