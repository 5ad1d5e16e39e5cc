"""How often rules have matched."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from maild.archive.schema import rule_hits


def hits_since(connection: Connection, day: int) -> dict[str, int]:
    """Return the matches of each rule from a day on (days since 1970, UTC); a rule without any is not there."""
    statement = (
        select(rule_hits.c.rule, func.sum(rule_hits.c.hits)).where(rule_hits.c.day >= day).group_by(rule_hits.c.rule)
    )
    return {rule: int(hits) for rule, hits in connection.execute(statement)}
