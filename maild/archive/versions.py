"""Every rules file that ever served, by number and hash: what a message's `rules_version` names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from maild.archive.schema import rules_versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A rules file as it was loaded."""

    digest: str
    source: str
    loaded_ms: int
    author: str
    reason: str


def record(connection: Connection, versions: list[Version]) -> Sequence[int]:
    """Keep each version unless the newest one is the same; return their numbers. A unit of work."""
    numbers: list[int] = []
    for version in versions:
        newest = connection.execute(
            select(rules_versions.c.number, rules_versions.c.digest).order_by(rules_versions.c.number.desc()).limit(1)
        ).first()
        if newest is not None and newest.digest == version.digest:
            numbers.append(newest.number)
            continue
        number = 1 if newest is None else newest.number + 1
        connection.execute(
            insert(rules_versions).values(
                number=number,
                digest=version.digest,
                source=version.source,
                loaded_ms=version.loaded_ms,
                author=version.author,
                reason=version.reason,
            )
        )
        numbers.append(number)
    return numbers
