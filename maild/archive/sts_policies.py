"""What other domains promise of their TLS, for as long as it holds. Units of work for the writer, and their reading."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, delete, select

from maild.archive.schema_sts import sts_policies
from maild.archive.upserting import inserting
from maild.mail.sts import Policy

_MOST_DUE = 1_000


class Promise(NamedTuple):
    """A policy as it was fetched. `record`: the id that the DNS had for it."""

    domain: str
    record: str
    policy: Policy
    fetched_ms: int
    used_ms: int

    @property
    def expires_ms(self) -> int:
        return self.fetched_ms + self.policy.max_age_s * 1000

    @property
    def stale_ms(self) -> int:
        """From when on it is fetched again although it holds: after a day, or half of its time."""
        return self.fetched_ms + min(86_400, self.policy.max_age_s // 2) * 1000


def promise_of(connection: Connection, domain: str, now_ms: int) -> Promise | None:
    """Return what a domain has promised, if that holds."""
    found = select(sts_policies).where(sts_policies.c.domain == domain, sts_policies.c.expires_ms > now_ms)
    row = connection.execute(found).mappings().first()
    return None if row is None else _promise(row)


def promises_to_renew(connection: Connection, now_ms: int, used_since_ms: int) -> list[Promise]:
    """Return what holds, was used since then, and is to be fetched again; what ends first is first."""
    s = sts_policies.c
    found = (
        select(sts_policies)
        .where(s.expires_ms > now_ms, s.used_ms >= used_since_ms, s.mode != "none")
        .order_by(s.expires_ms)
        .limit(_MOST_DUE)
    )
    promises = map(_promise, connection.execute(found).mappings())
    return [promise for promise in promises if promise.stale_ms <= now_ms]


def keep(connection: Connection, items: list[Promise]) -> Sequence[None]:
    """Keep what domains promise, each in place of what it had promised before. A unit of work."""
    for each in items:
        values = {
            "record": each.record,
            "mode": each.policy.mode,
            "mx": json.dumps(each.policy.mx),
            "max_age_s": each.policy.max_age_s,
            "fetched_ms": each.fetched_ms,
            "expires_ms": each.expires_ms,
            "used_ms": each.used_ms,
        }
        put = inserting(sts_policies, connection.dialect.name).values(domain=each.domain, **values)
        connection.execute(put.on_conflict_do_update(index_elements=["domain"], set_=values))
    return [None for _ in items]


def forget_expired(connection: Connection, items: list[int]) -> Sequence[None]:
    """Forget what held only until these times, in milliseconds. A unit of work."""
    for ms in items:
        connection.execute(delete(sts_policies).where(sts_policies.c.expires_ms <= ms))
    return [None for _ in items]


def _promise(row: RowMapping) -> Promise:
    policy = Policy(row["mode"], tuple(json.loads(row["mx"])), row["max_age_s"])
    return Promise(row["domain"], row["record"], policy, row["fetched_ms"], row["used_ms"])
