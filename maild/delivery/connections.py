"""Connections that have taken a message and are free for another (RFC 5321 §3.3 permits several in a session).

Only a connection on which all went well is kept, for a moment and for so many messages; else it is said goodbye to.

Invariant: neither DATA nor QUIT is said on a connection before it is recorded what became of the messages that it has
taken. So whoever hears one of them after a 250 never gets that message again. The next MAIL need not wait: the attempt
that begins behind it is recorded after all that was asked to be recorded before.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from maild.delivery.transaction import Session

_MOST_MESSAGES = 100
_LONGEST_S = 60.0
_IDLE_S = 2.0


class Connections:
    """Free connections by what they lead to. `clock` never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._free: dict[Hashable, list[tuple[Session, asyncio.TimerHandle]]] = defaultdict(list)

    def take(self, place: Hashable) -> Session | None:
        """Return a free connection to a place: that which was used last."""
        free = self._free.get(place, [])
        while free:
            session, timer = free.pop()
            timer.cancel()
            if session.dialogue.is_quiet:
                return session
            session.dialogue.abort()  # it was closed, or something was said on it that nobody asked for
        self._free.pop(place, None)
        return None

    def use(self, place: Hashable | None, session: Session) -> Use:
        """Return what hears of the message that was just sent; `place` None: no other is sent on it."""
        session.unrecorded += 1
        return Use(connections=self, place=place, session=session)

    def free(self, place: Hashable | None, session: Session) -> None:
        """Take a connection back."""
        worn = session.messages >= _MOST_MESSAGES or self._clock() - session.since_s >= _LONGEST_S
        if place is None or worn or not session.clean:
            _leave(session)
            return
        timer = asyncio.get_running_loop().call_later(_IDLE_S, self._idle, place, session)
        self._free[place].append((session, timer))

    def _idle(self, place: Hashable, session: Session) -> None:
        free = [each for each in self._free.pop(place, []) if each[0] is not session]
        if free:
            self._free[place] = free
        _leave(session)

    def close(self) -> None:
        """Say goodbye to all."""
        for free in self._free.values():
            for session, timer in free:
                timer.cancel()
                _leave(session)
        self._free.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """See `Used`."""

    connections: Connections
    place: Hashable | None
    session: Session

    def free(self) -> None:
        self.connections.free(self.place, self.session)

    def recorded(self) -> None:
        self.session.unrecorded -= 1
        if self.session.ending:
            _leave(self.session)

    def cut(self) -> None:
        self.session.dialogue.abort()


def _leave(session: Session) -> None:
    session.ending = True
    if not session.unrecorded:
        session.dialogue.leave()
