"""The feed of changes: wakes the open pages when something was filed or changed.

It carries names of teams and no mail. Each page asks for itself, with the rights of that moment, whether a change
is any of its business.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

_REMEMBERED = 1_000  # changes, for pages that were made just before them


class Subscription:
    """One open page's place in the feed. Teams gather in it until the page looks: it cannot grow beyond them."""

    def __init__(self) -> None:
        """Begin with nothing new."""
        self._news = asyncio.Event()
        self._teams: set[str] = set()

    def put(self, teams: frozenset[str]) -> None:
        """Note a change; with no teams it only wakes the page."""
        self._teams |= teams
        self._news.set()

    async def wait(self, timeout_s: float) -> frozenset[str]:
        """Return the teams changed since the last call; none when nothing came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return frozenset()
        self._news.clear()
        teams, self._teams = frozenset(self._teams), set()
        return teams


class Feed:
    """Tells subscriptions of changes. Used from one event loop; `position` may be asked from any thread."""

    def __init__(self) -> None:
        """Begin without subscribers."""
        self._subscriptions: set[Subscription] = set()
        self._told: deque[tuple[frozenset[str], int | None]] = deque(maxlen=_REMEMBERED)
        self.position = 0  # how many changes there were
        self.closed = False

    @property
    def count(self) -> int:
        """How many pages are open."""
        return len(self._subscriptions)

    def publish(self, teams: frozenset[str] = frozenset(), *, presence_of: int | None = None) -> None:
        """Tell every page that entries of `teams` changed, or only that mail was filed.

        `presence_of`: nothing but that somebody came to a conversation of theirs, or left it.
        """
        self._told.append((teams, presence_of))
        self.position += 1
        for subscription in self._subscriptions:
            subscription.put(teams)

    def since(self, position: int, user_id: int) -> frozenset[str] | None:
        """Return the teams that changed since a position, but for one's own coming and going; None: not known any more.

        Who goes from page to page would be told at each that they left the one before.
        """
        count = self.position - position
        if not 0 <= count <= len(self._told):
            return None
        newest = islice(reversed(self._told), count)
        return frozenset(team for teams, presence_of in newest if presence_of != user_id for team in teams)

    def close(self) -> None:
        """End every stream: the server stops."""
        self.closed = True
        self.publish()

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Lend a place in the feed."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
