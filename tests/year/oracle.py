"""Reads the store at a moment and says who could see what, without maild's code.

What this file believes about rights, absences and deputies is written here a second time, from docs/people.md, so that
an error in maild's own reckoning cannot hide a letter from it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.year.person import Did

RANK = {"reader": 0, "drafter": 1, "responder": 2, "coordinator": 3, "manager": 4}
READ, RESPOND = 0, 2
# The rules of the town: each team with the one above it, and with the one that covers it.
PARENTS = {"zentrale": None, "zentrale.nord": "zentrale", "zentrale.sued": "zentrale"}
DEPUTIES = {"zentrale": "zentrale.nord", "zentrale.nord": None, "zentrale.sued": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A conversation in an inbox, and who sees to it: `way` is how, `people` are present and may."""

    conversation_id: int
    reference: str
    team: str
    state: str
    way: str  # with its assignee | with a deputy | with the team | covered by another team
    people: tuple[str, ...]  # logins: who may answer; of what is closed, who may read


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What has become of a conversation: answered, closed by somebody, or still seen by somebody."""

    reference: str
    how: str  # answered | closed by a person | open | waiting | filed away | unseen
    people: tuple[str, ...]


@dataclass
class Store:
    """The database as it is now, for a moment of the moved clock."""

    now_ms: int
    users: dict[int, str] = field(default_factory=dict)
    grants: dict[int, list[tuple[str, str]]] = field(default_factory=dict)  # those that hold
    away: dict[int, int | None] = field(default_factory=dict)  # with the deputy
    rows: list[tuple[int, str, str, str, int | None]] = field(default_factory=list)
    letters: dict[int, list[tuple[str, int, str]]] = field(default_factory=dict)  # direction, automatic, author
    closed_by: dict[int, str] = field(default_factory=dict)
    references: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, database: Path, now_ms: int) -> Store:
        found = cls(now_ms)
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)
        try:
            found._people(connection)
            found._mail(connection)
        finally:
            connection.close()
        return found

    def _people(self, connection: sqlite3.Connection) -> None:
        now = self.now_ms
        for number, login, disabled in connection.execute("SELECT id, login, disabled_ms FROM users"):
            if disabled is None or disabled > now:
                self.users[number] = login
        held = (
            "SELECT user_id, role, team FROM grants "
            "WHERE from_ms <= ? AND ? < coalesce(until_ms, ?) AND ? < coalesce(revoked_ms, ?)"
        )
        for number, role, team in connection.execute(held, (now, now, now + 1, now, now + 1)):
            if team in PARENTS and role in RANK:
                self.grants.setdefault(number, []).append((role, team))
        away = (
            "SELECT user_id, deputy_id FROM absences WHERE from_ms <= ? AND ? < coalesce(until_ms, ?) "
            "AND ended_ms IS NULL ORDER BY id"
        )
        self.away = dict(connection.execute(away, (now, now, now + 1)))

    def _mail(self, connection: sqlite3.Connection) -> None:
        for number, reference in connection.execute("SELECT id, reference FROM conversations"):
            self.references[reference] = number
        self.rows = connection.execute(
            "SELECT e.conversation_id, c.reference, e.team, e.state, e.assignee FROM entries e "
            "JOIN conversations c ON c.id = e.conversation_id ORDER BY e.conversation_id, e.team"
        ).fetchall()
        letters = connection.execute(
            "SELECT s.conversation_id, m.direction, s.automatic, coalesce(o.author, '') FROM summaries s "
            "JOIN messages m ON m.id = s.message_id LEFT JOIN outgoing o ON o.message_id = m.id ORDER BY m.sequence"
        )
        for number, direction, automatic, author in letters:
            self.letters.setdefault(number, []).append((direction, automatic, author))
        acts = "SELECT conversation_id, actor, details FROM audit WHERE act = 'state' AND actor <> '' ORDER BY sequence"
        for number, actor, details in connection.execute(acts):
            if json.loads(details)["to"] in {"closed", "spam"}:
                self.closed_by[number] = actor

    # --- rights -----------------------------------------------------------------------------------------------

    def _may(self, user: int, rank: int, team: str) -> bool:
        above, here = {team}, PARENTS[team]
        while here is not None:
            above.add(here)
            here = PARENTS[here]
        return any(RANK[role] >= rank and where in above for role, where in self.grants.get(user, []))

    def _present(self, rank: int, team: str) -> tuple[str, ...]:
        return tuple(
            sorted(
                login
                for number, login in self.users.items()
                if number not in self.away and self._may(number, rank, team)
            )
        )

    def present_in(self, login: str, team: str) -> bool:
        """Tell whether somebody is there who may answer in a team, or in one that covers it."""
        return login in self._of_the_team(RESPOND, team)[1]

    def _of_the_team(self, rank: int, team: str) -> tuple[str, tuple[str, ...]]:
        """Return who of a team is there; of one that nobody can answer in, who covers it."""
        if self._present(RESPOND, team):
            return "with the team", self._present(rank, team)
        passed, here = {team}, DEPUTIES[team]
        while here is not None and here not in passed:
            passed.add(here)
            if found := self._present(rank, here):
                return "covered by another team", found
            here = DEPUTIES[here]
        return "nobody", self._present(rank, team)

    def _deputy(self, user: int, team: str) -> int | None:
        passed, here = {user}, self.away.get(user)
        while here is not None and here not in passed:
            passed.add(here)
            if here in self.users and not self._may(here, RESPOND, team):
                return None
            if here in self.users and here not in self.away:
                return here
            here = self.away.get(here)
        return None

    def held_by(self, login: str) -> list[str]:
        """Return the references of what is in somebody's hands."""
        return [row[1] for row in self.rows if row[3] in {"open", "waiting"} and self.users.get(row[4] or 0) == login]

    # --- who sees what ----------------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """Return every entry with who sees to it."""
        return [self._entry(*row) for row in self.rows]

    def _entry(self, number: int, reference: str, team: str, state: str, assignee: int | None) -> Entry:
        way, people = self._of_the_team(RESPOND if state in {"open", "waiting"} else READ, team)
        if state in {"open", "waiting"} and assignee in self.users and self._may(assignee, RESPOND, team):
            if assignee not in self.away:
                way, people = "with its assignee", (self.users[assignee],)
            elif (deputy := self._deputy(assignee, team)) is not None:
                way, people = "with a deputy", (self.users[deputy],)
        return Entry(conversation_id=number, reference=reference, team=team, state=state, way=way, people=people)

    def fates(self) -> list[Fate]:
        """Return what has become of every conversation that has letters."""
        entries: dict[int, list[Entry]] = {}
        for each in self.entries():
            entries.setdefault(each.conversation_id, []).append(each)
        return [self._fate(number, here) for number, here in entries.items() if number in self.letters]

    def _fate(self, number: int, here: list[Entry]) -> Fate:
        readers = tuple(sorted({login for each in here for login in each.people}))
        for state in ("open", "waiting"):
            seen = tuple(sorted({login for each in here if each.state == state for login in each.people}))
            if seen and not (state == "waiting" and self._is_answered(number)):
                return Fate(reference=here[0].reference, how=state, people=seen)
        if not readers or any(not each.people and each.state in {"open", "waiting"} for each in here):
            how = "unseen"
        elif self._is_answered(number):
            how = "answered"
        else:
            how = "closed by a person" if number in self.closed_by else "filed away"
        return Fate(reference=here[0].reference, how=how, people=readers)

    def _is_answered(self, number: int) -> bool:
        """Tell whether a person of ours has written after the last person who wrote to us."""
        last = [(direction, author) for direction, automatic, author in self.letters[number] if not automatic or author]
        return bool(last) and last[-1][0] == "out" and last[-1][1] != ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The script's own ledger beside the audit log."""

    found: int
    missing: tuple[Did, ...]  # done, and not in the log
    surplus: tuple[str, ...]  # in the log, and done by nobody of the script


BESIDE = frozenset({"read", "searched"})  # what people look at is recorded once a day; the ledger keeps acts


def compare(ledger: Iterable[Did], log: Iterable[str], references: dict[str, int]) -> Compared:
    """Hold the audit log, as `maild audit export` writes it, to what was done."""
    left: Counter[tuple[str, str, int | None]] = Counter()
    for line in map(json.loads, log):
        if "sequence" in line and line["actor"] and line["act"] not in BESIDE:
            key = line["about"] if line["conversation_id"] is None else ""
            left[line["actor"], f"{line['act']} {key}".strip(), line["conversation_id"]] += 1
    found, missing = 0, []
    for each in ledger:
        number = references[each.reference] if each.reference else None
        wanted = (each.login, f"{each.act} {each.about}".strip(), number)
        if left[wanted]:
            left[wanted] -= 1
            found += 1
        else:
            missing.append(each)
    surplus = tuple(
        f"{actor} {act} {number or ''}".strip() for (actor, act, number), n in left.items() for _ in range(n)
    )
    return Compared(found=found, missing=tuple(missing), surplus=surplus)
