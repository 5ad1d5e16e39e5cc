"""An act of somebody on one entry, as a page carries it out."""

from __future__ import annotations

from typing import Any

from maild.archive.database import Database
from maild.archive.handling import Handling, Work, handle


def act_on(database: Database, conversation_id: int, team: str, *, at_ms: int = 1, **what: Any) -> bool:
    """Have Petra do `what` a `Handling` says; tell whether the entry is there."""
    handling = Handling(conversation_id=conversation_id, team=team, **what)
    return bool(database.writer.submit(handle, Work(by="petra", at_ms=at_ms, handlings=(handling,))).result().done)
