"""Compares what leaves with two ledgers: of what was handed in, and of what the next hop took. Without maild's code."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.receiver import Taken


@dataclass
class Leaving:
    """What the comparison found. `said_twice`: second copies of which maild says that there may be one."""

    answers: int = 0
    automatic: int = 0
    given_up: int = 0  # automatic ones of which nobody knows whether they arrived
    lost: list[str] = field(default_factory=list)
    unheard: list[str] = field(default_factory=list)  # called delivered, and the next hop has nothing
    twice: list[str] = field(default_factory=list)  # though the first had been heard, or without a word
    automatic_twice: list[str] = field(default_factory=list)
    said_twice: int = 0
    archived_twice: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        faults = (self.lost, self.unheard, self.twice, self.automatic_twice, self.archived_twice, self.unsettled)
        return not any(faults)


def judge_outbox(database: Path, answers: Mapping[str, str], taken: Sequence[Taken]) -> Leaving:
    """Compare; `answers` maps the Message-ID of each acknowledged answer to its recipient."""
    found = Leaving(answers=len(answers))
    copies: dict[tuple[str, bool], list[Taken]] = defaultdict(list)
    for each in taken:
        copies[each.recipient, each.automatic].append(each)
    rows = _deliveries(database)
    for kind, recipient, state, doubtful in rows:
        automatic = kind == "automatic"
        had = copies[recipient, automatic]
        if automatic:
            found.automatic += 1
            found.given_up += state == "failed" and bool(doubtful)
        elif state != "delivered":
            found.unsettled.append(f"{recipient} {state}")
        if state == "delivered" and not had:
            found.unheard.append(recipient)
        if len(had) > 1:
            _judge_copies(found, recipient, had, automatic=automatic, doubtful=bool(doubtful))
    found.lost = [key for key, recipient in answers.items() if key not in {t.key for t in copies[recipient, False]}]
    made = Counter((kind, recipient) for kind, recipient, _, _ in rows)
    found.archived_twice = [recipient for (_, recipient), count in made.items() if count > 1]
    return found


def _judge_copies(found: Leaving, recipient: str, had: list[Taken], *, automatic: bool, doubtful: bool) -> None:
    if automatic:
        found.automatic_twice.append(recipient)
    elif not doubtful or any(each.went_on for each in had[:-1]):
        found.twice.append(f"{recipient} {'said' if doubtful else 'not said'}")
    else:
        found.said_twice += len(had) - 1


def _deliveries(database: Path) -> list[tuple[str, str, str, int]]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(
            "SELECT o.kind, d.recipient, d.state, d.doubtful FROM deliveries d "
            "JOIN outgoing o ON o.message_id = d.message_id"
        ).fetchall()
    finally:
        connection.close()
