"""What a person does to a delivery: hold, release, drop, retry. Units of work.

Whether the person may do so was decided before. An act that comes too late says so, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from maild.archive.allowed import missing
from maild.archive.schema_outgoing import deliveries
from maild.delivery.deliveries import OPEN, WAITING
from maild.errors import MaildError

_ENDED_BADLY = ("failed", "expired")


class Act(StrEnum):
    HOLD = "hold"
    RELEASE = "release"
    DROP = "drop"
    RETRY = "retry"


def possible(state: str, *, may_have_arrived: bool) -> tuple[Act, ...]:
    """Return what can be done to a delivery; of automatic mail that `may_have_arrived` never a second try."""
    if state in WAITING:
        return (Act.RETRY, Act.HOLD, Act.DROP)
    if state == "held":
        return (Act.RELEASE, Act.DROP)
    if state in _ENDED_BADLY:
        return (Act.DROP,) if may_have_arrived else (Act.RETRY, Act.DROP)
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Somebody does something to a delivery."""

    delivery_id: int
    act: Act
    by: str
    at_ms: int


def change(connection: Connection, arguments: list[Change]) -> list[str]:
    """Change deliveries; returns the state of each. Raises NotFoundError, and MaildError where it cannot be."""
    return [_change(connection, asked) for asked in arguments]


def _change(connection: Connection, asked: Change) -> str:
    row = (
        connection.execute(select(deliveries).where(deliveries.c.id == asked.delivery_id).with_for_update())
        .mappings()
        .first()
    )
    if row is None:
        raise missing()
    values = _values(row, asked)
    # Without its lease a worker that has it in hand does not begin to send.
    connection.execute(
        update(deliveries).where(deliveries.c.id == asked.delivery_id).values(**values, lease_ms=_lease(row, asked))
    )
    return str(values["state"])


def _lease(row: RowMapping, asked: Change) -> int | None:
    """Keep the lease where it is only tried sooner: whoever has it in hand goes on."""
    lease_ms: int | None = row["lease_ms"]
    return lease_ms if asked.act is Act.RETRY and row["state"] in WAITING else None


def _values(row: RowMapping, asked: Change) -> dict[str, Any]:
    state = row["state"]
    match asked.act:
        case Act.HOLD if state in WAITING:
            return {"state": "held"}
        case Act.RELEASE if state == "held":
            return {"state": "queued", "due_ms": asked.at_ms}
        case Act.DROP if state in (*OPEN, *_ENDED_BADLY):
            return {"state": "dropped", "ended_ms": asked.at_ms, "ended_by": asked.by}
        case Act.RETRY if state in WAITING:
            return {"state": state, "due_ms": asked.at_ms}
        case Act.RETRY if state in _ENDED_BADLY and row["once"] and row["doubtful"]:
            raise MaildError("it may have arrived, and automatic mail is never sent twice")
        case Act.RETRY if state in _ENDED_BADLY:
            # What it was tried so far counts on; it gets as much time again.
            again_ms = row["expires_ms"] + (row["expires_ms"] - row["made_ms"])
            return {"state": "queued", "due_ms": asked.at_ms, "ended_ms": None, "expires_ms": again_ms}
        case _:
            raise MaildError(f"it is {state}: there is nothing to {asked.act}")
