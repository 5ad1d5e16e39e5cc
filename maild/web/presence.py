"""Who has a conversation before their eyes right now, and who is writing in it.

It is kept in memory alone, told to colleagues who see the conversation in the same inbox, and forgotten at once:
nothing of it is a record of anybody's work. Changed in one event loop, and read from threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

WRITING_MS = 20_000  # after what was typed last


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Somebody who is there. `teams`: the inboxes in which they see the conversation."""

    user_id: int
    name: str
    teams: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Who of one's colleagues is at a conversation, by name."""

    reading: tuple[str, ...] = ()
    writing: tuple[str, ...] = ()


class Presence:
    """The people at the conversations."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._reading: dict[int, dict[object, Present]] = {}
        self._writing: dict[int, dict[int, tuple[Present, int]]] = {}

    @contextmanager
    def read(self, conversation_id: int, who: Present) -> Iterator[None]:
        """Be there as long as the page is open."""
        place = object()  # two windows of one person are two
        self._reading[conversation_id] = {**self._reading.get(conversation_id, {}), place: who}
        try:
            yield
        finally:
            left = {each: there for each, there in self._reading[conversation_id].items() if each is not place}
            if left:
                self._reading[conversation_id] = left
            else:
                del self._reading[conversation_id]

    def write(self, conversation_id: int, who: Present, now_ms: int) -> bool:
        """Note that somebody types; True when that is news."""
        there = {n: each for n, each in self._writing.get(conversation_id, {}).items() if each[1] > now_ms}
        self._writing = {n: each for n, each in self._writing.items() if any(at > now_ms for _, at in each.values())}
        self._writing[conversation_id] = {**there, who.user_id: (who, now_ms + WRITING_MS)}
        return who.user_id not in there

    def stop(self, conversation_id: int, user_id: int) -> None:
        """Note that somebody has done with writing."""
        there = self._writing.get(conversation_id, {})
        self._writing[conversation_id] = {n: each for n, each in there.items() if n != user_id}

    def here(
        self, conversation_ids: Iterable[int], teams: frozenset[str], user_id: int, now_ms: int
    ) -> dict[int, Here]:
        """Return who is at conversations, besides oneself; nobody at one: no key."""
        found = {}
        for number in conversation_ids:
            typing = [who for who, until in self._writing.get(number, {}).values() if until > now_ms]
            writers = _names(typing, teams, user_id)
            readers = _names(self._reading.get(number, {}).values(), teams, user_id)
            if writers or readers:
                found[number] = Here(reading=tuple(n for n in readers if n not in writers), writing=writers)
        return found


def _names(people: Iterable[Present], teams: frozenset[str], user_id: int) -> tuple[str, ...]:
    return tuple(sorted({who.name for who in people if who.user_id != user_id and who.teams & teams}))
