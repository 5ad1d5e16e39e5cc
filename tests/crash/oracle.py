"""Reads a store without maild's code and compares it with a ledger of what was acknowledged.

Only the standard library and a zstd decoder: what this file believes about the store is written here a second time,
so that an error in maild's own reading cannot hide a loss.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from backports import zstd


@dataclass
class Verdict:
    """What the comparison found. `ghosts` are stored and were never acknowledged: allowed up to those in flight."""

    acknowledged: int = 0
    stored: int = 0
    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    unfiled: list[str] = field(default_factory=list)
    duplicates_marked: int = 0
    duplicates_unmarked: int = 0
    ghosts: int = 0
    integrity: str = ""

    @property
    def clean(self) -> bool:
        return not (self.lost or self.corrupt or self.unfiled or self.duplicates_unmarked) and self.integrity == "ok"


def judge(database: Path, ledger: dict[str, int]) -> Verdict:
    """Compare; `ledger` maps the hex SHA-256 of each acknowledged mail to how often it was acknowledged."""
    verdict = Verdict(acknowledged=sum(ledger.values()))
    connection = sqlite3.connect(database)
    (verdict.integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
    stored: Counter[str] = Counter()
    routed: Counter[tuple[str, str]] = Counter()
    for message_id, digest in connection.execute("SELECT id, digest FROM messages ORDER BY sequence").fetchall():
        name = digest.hex()
        stored[name] += 1
        rows = connection.execute("SELECT octets FROM content WHERE digest = ? ORDER BY chunk", (digest,)).fetchall()
        octets = b"".join(zstd.decompress(row[0]) for row in rows)
        if not rows or hashlib.sha256(octets).hexdigest() != name:
            verdict.corrupt.append(name)
        _judge_recipients(connection, message_id, name, routed, verdict)
    verdict.stored = sum(stored.values())
    verdict.lost = [name for name, count in ledger.items() if stored[name] < count]
    verdict.ghosts = sum(max(0, count - ledger.get(name, 0)) for name, count in stored.items())
    verdict.duplicates_unmarked = sum(count - 1 for count in routed.values() if count > 1)
    sequences = [row[0] for row in connection.execute("SELECT sequence FROM messages ORDER BY sequence")]
    if sequences != list(range(1, len(sequences) + 1)):
        verdict.corrupt.append("the sequence has gaps")
    connection.close()
    return verdict


def _judge_recipients(
    connection: sqlite3.Connection, message_id: int, name: str, routed: Counter[tuple[str, str]], verdict: Verdict
) -> None:
    rows = connection.execute(
        "SELECT address_key, state FROM recipients WHERE message_id = ?", (message_id,)
    ).fetchall()
    if not rows:
        verdict.unfiled.append(name)
    for address, state in rows:
        if state == "duplicate":
            verdict.duplicates_marked += 1
            continue
        routed[name, address] += 1
        found = connection.execute(
            "SELECT count(*) FROM filings f JOIN entries e "
            "ON e.conversation_id = f.conversation_id AND e.team = f.team WHERE f.message_id = ?",
            (message_id,),
        ).fetchone()
        if state != "filed" or not found[0]:
            verdict.unfiled.append(name)
