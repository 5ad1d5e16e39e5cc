"""Every rules file that ever served, by number and hash: what a message's `rules_version` names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, exists, insert, select, update

from maild.archive.audit import Record
from maild.archive.audit import record as write_down
from maild.archive.schema import rules_versions
from maild.errors import NotFoundError
from maild.mail.acts import Act

BY_HAND = "file"  # the author of what was found on the disk: nobody said who changed it, or why


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A rules file as it was loaded."""

    digest: str
    source: str
    loaded_ms: int
    author: str
    reason: str
    approved_by: str | None = None  # the second person, where one must agree
    account: str = ""  # of the machine, whose the file is that was found


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A version as the history lists it: without its text, which may be large."""

    number: int
    digest: str
    loaded_ms: int
    author: str
    reason: str
    approved_by: str | None = None


def history(connection: Connection) -> list[Recorded]:
    """Return every version, the newest first."""
    return [_recorded(row) for row in connection.execute(_listed().order_by(rules_versions.c.number.desc()))]


def recorded(connection: Connection, number: int) -> Recorded:
    """Return one version; raises NotFoundError."""
    row = connection.execute(_listed().where(rules_versions.c.number == number)).first()
    if row is None:
        raise NotFoundError(f"there is no version {number} of the rules")
    return _recorded(row)


def source_of(connection: Connection, number: int) -> str:
    """Return the text of a version; raises NotFoundError."""
    source: str | None = connection.scalar(select(rules_versions.c.source).where(rules_versions.c.number == number))
    if source is None:
        raise NotFoundError(f"there is no version {number} of the rules")
    return source


def ever_served(connection: Connection, source: str) -> bool:
    """Say whether a text is that of any version."""
    return bool(connection.scalar(select(exists().where(rules_versions.c.source == source))))


def octets_ever_served(connection: Connection, octets: bytes) -> bool:
    """Say whether what a file holds is the text of any version."""
    try:
        return ever_served(connection, octets.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def newest_of(connection: Connection, digest: str) -> Recorded | None:
    """Return the newest version with a hash; None when it was not kept."""
    row = connection.execute(
        _listed().where(rules_versions.c.digest == digest).order_by(rules_versions.c.number.desc()).limit(1)
    ).first()
    return None if row is None else _recorded(row)


def _listed() -> Select[tuple[int, str, int, str, str, str | None]]:
    table = rules_versions.c
    return select(table.number, table.digest, table.loaded_ms, table.author, table.reason, table.approved_by)


def _recorded(row: Row[tuple[int, str, int, str, str, str | None]]) -> Recorded:
    return Recorded(
        number=row.number,
        digest=row.digest,
        loaded_ms=row.loaded_ms,
        author=row.author,
        reason=row.reason,
        approved_by=row.approved_by,
    )


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
                approved_by=version.approved_by,
            )
        )
        if version.author == BY_HAND:
            details = {"what": "taken up from the file", "version": number, "account": version.account}
            done = Record(at_ms=version.loaded_ms, actor="", act=Act.RULES, about=version.digest, details=details)
            write_down(connection, [done])
        numbers.append(number)
    return numbers


def sign(connection: Connection, versions: list[Version]) -> Sequence[int]:
    """Keep versions that a person has just put in place, with author and reason. A unit of work.

    Whoever comes first, this or the daemon that has found the file: the version is one, and it is signed.
    """
    numbers = record(connection, versions)
    for number, version in zip(numbers, versions, strict=True):
        found_by_daemon = (rules_versions.c.author == BY_HAND) & (rules_versions.c.loaded_ms >= version.loaded_ms)
        connection.execute(
            update(rules_versions)
            .where(rules_versions.c.number == number, found_by_daemon)
            .values(author=version.author, reason=version.reason, approved_by=version.approved_by)
        )
    return numbers


def sign_found(connection: Connection, number: int, *, author: str, reason: str, approved_by: str) -> None:
    """Say of a version that was found in the file whose it is; within a unit of work."""
    connection.execute(
        update(rules_versions)
        .where(rules_versions.c.number == number, rules_versions.c.author == BY_HAND)
        .values(author=author, reason=reason, approved_by=approved_by)
    )
