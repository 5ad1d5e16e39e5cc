from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from maild.archive.hits import count
from maild.cli.store import carry_out
from maild.config import load_settings
from maild.mail.ids import message_id_at
from tests.cli.shell import Maild

RULES = """rules:
  - {id: oft, note: Wozu, when: {subject: a}, then: {tag: a}}
  - {id: frueher, when: {subject: b}, then: {tag: b}}
  - {id: nie, when: {subject: c}, then: {tag: c}}
  - {id: probe, mode: observe, when: {subject: d}, then: {tag: d}}
"""
DAY_MS = 86_400_000


def _count(connection: Connection, arguments: list[tuple[int, tuple[str, ...]]]) -> list[None]:
    count(connection, arguments)
    return [None] * len(arguments)


def _wait_out_midnight() -> None:
    """Wait, in the last minute of a day, for the next one: what is thirty days old is so until then."""
    left_s = 86_400 - time.time() % 86_400
    if left_s < 60:
        threading.Event().wait(left_s + 1)


def test_rules_are_listed_in_order_with_their_hits_and_those_that_never_matched(maild: Maild, site: Path) -> None:
    empty = maild("rules", "list")
    assert (empty.code, empty.out) == (0, "")
    assert "has no rules" in empty.err
    path = site / "rules.yaml"
    path.write_text(path.read_text(encoding="utf-8") + RULES, encoding="utf-8")
    _wait_out_midnight()
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    settings = load_settings(site / "maild.toml", {})
    for age, rule in ((0, "oft"), (29, "oft"), (30, "oft"), (31, "frueher")):
        matched: tuple[str, ...] = (rule,)
        carry_out(settings, _count, (message_id_at(now_ms - age * DAY_MS, 1), matched))
    listed = maild("rules", "list")
    assert listed.code == 0
    today = datetime.now(UTC).date().isoformat()
    rows = [line.split() for line in listed.out.splitlines()]
    first = path.read_text(encoding="utf-8").splitlines().index("rules:") + 2
    assert rows[0] == ["RULE", "LINE", "MODE", "HITS", "30D", "LAST"]
    assert rows[1] == ["oft", str(first), "enforce", "2", today]
    assert rows[2][:4] == ["frueher", str(first + 1), "enforce", "0"]
    assert rows[2][4] < today
    assert rows[3] == ["nie", str(first + 2), "enforce", "0", "never"]
    assert rows[4] == ["probe", str(first + 3), "observe", "-", "-"]
    objects = maild("rules", "list", "--json").objects
    assert objects[0] == {"id": "oft", "line": first, "mode": "enforce", "hits": 2, "last": today, "note": "Wozu"}
    assert [found["last"] is None for found in objects] == [False, False, True, True]
