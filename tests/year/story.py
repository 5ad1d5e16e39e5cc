"""The year: who works there, what comes, and what happens to the people meanwhile.

Six people, a centre and two regions. Somebody falls ill, then who stands in for them; a colleague is lent for the
dunning run, one is newly elected, one retires; holidays; and at the end of the year nobody is at the centre at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from tests.year.clock import ZONE
from tests.year.letters import Post
from tests.year.oracle import Store
from tests.year.person import Did, Ledger, Person
from tests.year.seated import Screens, Seated
from tests.year.town import Town

CENTRE, NORTH, SOUTH = "zentrale", "zentrale.nord", "zentrale.sued"
NAMES = {
    "anna": "Anna Albers", "bernd": "Bernd Brandt", "clara": "Clara Conrad", "dirk": "Dirk Dahl", "eva": "Eva Ernst",
    "falk": "Falk Fuchs",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything."""

    ordinary: int  # letters in an ordinary month, for each of the three addresses
    dunning: int  # letters because of the dunning run
    returned: int  # and what comes back of it
    answered: int  # of the dunning letters, those that are answered one by one


WHOLE = Scale(ordinary=6, dunning=3_000, returned=400, answered=90)
SLICE = Scale(ordinary=1, dunning=36, returned=8, answered=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found on one day: how many entries are open, and how they are seen."""

    day: date
    title: str
    present: tuple[str, ...]
    ways: dict[str, int]
    unseen: tuple[str, ...]  # by the oracle
    unlisted: tuple[str, ...] | None  # open, and on nobody's pages as theirs or as the team's; None: not looked


@dataclass
class Year:
    """Everything that goes on."""

    town: Town
    scale: Scale
    ledger: Ledger = field(default_factory=Ledger)
    post: Post = field(default_factory=Post)
    people: dict[str, Person] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    told: list[tuple[date, str]] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)
    say: Callable[[str], None] = print
    screens: Screens | None = None  # None: everything by forms, without a browser
    sitting: dict[str, Seated] = field(default_factory=dict)

    def at(self, month: int, day: int, hour: int = 9, minute: int = 0, year: int = 2027) -> datetime:
        """Make it that time."""
        self.town.clock.move_to(datetime(year, month, day, hour, minute, tzinfo=ZONE))
        return self.town.clock.now

    def tell(self, text: str) -> None:
        """Write a line of the chronicle."""
        today = self.town.clock.now.date()
        self.told.append((today, text))
        self.say(f"{today} {text}")

    def person(self, login: str) -> Person:
        if login not in self.people:
            self.people[login] = Person(self.town, self.ledger, login, NAMES.get(login, login))
        return self.people[login]

    def seated(self, login: str) -> Person:
        """Return a person before a real browser, where there is one."""
        if self.screens is None:
            return self.person(login)
        if login not in self.sitting:
            self.sitting[login] = Seated(self.town, self.ledger, login, NAMES.get(login, login), self.screens)
        return self.sitting[login]

    def operator(self, act: str, about: str = "", reference: str = "") -> None:
        """Write down what the command line was asked to do."""
        day = self.town.clock.now.date()
        self.ledger.done.append(Did(day=day, login="operator", act=act, about=about, reference=reference))

    def comes(self, kind: str, letters: list[tuple[str, str, bytes]]) -> None:
        """Let letters come, and count them."""
        self.town.send(letters)
        self.received[kind] = self.received.get(kind, 0) + len(letters)

    def ordinary(self) -> None:
        """Let come what comes in any month."""
        now = self.town.clock.now
        every = [(n, to) for n in range(self.scale.ordinary) for to in ("mitglieder", "nord", "sued")]
        self.comes("letters", [self.post.letter(now + timedelta(minutes=n), to) for n, to in every])

    def store(self) -> Store:
        return Store.read(self.town.database, self.town.clock.now_ms)

    def look(self, title: str, *, lists: bool = True) -> None:
        """Hold this moment to the promise: nothing that is open waits unseen."""
        found = self.store()
        opened = [each for each in found.entries() if each.state == "open"]
        ways: dict[str, int] = {}
        for each in opened:
            ways[each.way] = ways.get(each.way, 0) + 1
        present = tuple(sorted({login for each in opened for login in each.people}))
        unseen = tuple(f"{each.team} {each.reference}" for each in opened if not each.people)
        unlisted = self._unlisted(found) if lists else None
        look = Look(
            day=self.town.clock.now.date(), title=title, present=present, ways=ways, unseen=unseen, unlisted=unlisted
        )
        self.looks.append(look)
        self.say(f"{look.day} {title}: {len(opened)} open, {ways}, unseen {unseen}, on no list {unlisted}")

    def _unlisted(self, found: Store) -> tuple[str, ...]:
        """Return what is open and stands on nobody's page, as theirs or as the team's; the pages are really opened."""
        opened = [each for each in found.entries() if each.state == "open"]
        shown: dict[tuple[str, str], set[str]] = {}
        unlisted = []
        for each in opened:
            listed = False
            for login in each.people:
                if (key := (login, each.team)) not in shown:
                    lists = ("mine", "unassigned") if found.present_in(login, each.team) else ()
                    shown[key] = {r.reference for state in lists for r in self.person(login).listing(each.team, state)}
                listed = listed or each.reference in shown[key]
            if not listed:
                unlisted.append(f"{each.team} {each.reference} ({each.way}: {', '.join(each.people)})")
        return tuple(unlisted)


def run(directory: Path, scale: Scale, say: Callable[[str], None] = print, screens: Screens | None = None) -> Year:
    """Let the year go by; the daemon is ended at its end, and the store is left as it is."""
    from tests.year import chapters

    town = Town(directory, datetime(2027, 1, 4, 7, 30, tzinfo=ZONE))
    try:
        town.start()
        year = Year(town=town, scale=scale, say=say, screens=screens)
        for chapter in chapters.ALL:
            chapter(year)
        for person in (*year.people.values(), *year.sitting.values()):
            person.client.close()
        town.stop()
    finally:
        town.close()
    return year
