"""What a worker has claimed: some of it under way, the rest waiting its turn, in a lane for each hop.

A few loads more than can be sent at once are claimed ahead, so that a claim is shared by many. Lanes take turns: a
hop with ten thousand messages never keeps another waiting.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from itertools import islice

from maild.delivery.deliveries import Delivery
from maild.delivery.queue.claiming import Hop

Loaded = tuple[Delivery, ...]
AHEAD = 10  # loads in hand for each place


class Lanes:
    """At most `places` under way, `per_hop` of one hop; in hand are at most AHEAD times as many."""

    def __init__(self, places: int, per_hop: int) -> None:
        self._places = places
        self._per_hop = per_hop
        self._waiting: OrderedDict[Hop, deque[Loaded]] = OrderedDict()
        self._under_way: Counter[Hop] = Counter()

    @property
    def room(self) -> int:
        """How many loads more may be claimed."""
        return self._places * AHEAD - sum(self.in_hand.values())

    @property
    def is_empty_enough(self) -> bool:
        """Whether there is room for so many that it is worth a claim."""
        return self.room * 2 > self._places * AHEAD

    @property
    def per_hop(self) -> int:
        """How many loads of one hop may be in hand."""
        return self._per_hop * AHEAD

    @property
    def in_hand(self) -> Counter[Hop]:
        """Loads by hop."""
        return self._under_way + Counter({hop: len(lane) for hop, lane in self._waiting.items()})

    def is_low(self, hop: Hop) -> bool:
        """Tell whether a hop has so little left that it is time to claim more."""
        return len(self._waiting.get(hop, ())) <= self.per_hop // 4

    def waiting(self) -> Iterator[Loaded]:
        """Yield what is not under way."""
        for lane in self._waiting.values():
            yield from lane

    def upcoming(self) -> Iterator[Loaded]:
        """Yield some of what will soon have its turn."""
        for lane in islice(self._waiting.values(), self._places):
            yield from islice(lane, self._per_hop)

    def put(self, hop: Hop, load: Loaded) -> None:
        """Have a load wait for its turn."""
        self._waiting.setdefault(hop, deque()).append(load)

    def take(self) -> tuple[Hop, Loaded] | None:
        """Return the next load that may go, and count it as under way; None: there is none, or no place."""
        if self._under_way.total() >= self._places:
            return None
        free = (hop for hop in self._waiting if self._under_way[hop] < self._per_hop)
        if (hop := next(free, None)) is None:
            return None
        lane = self._waiting[hop]
        load = lane.popleft()
        self._under_way[hop] += 1
        if lane:
            self._waiting.move_to_end(hop)
        else:
            del self._waiting[hop]
        return hop, load

    def ended(self, hop: Hop) -> None:
        """Give a place back."""
        self._under_way[hop] -= 1
        if not self._under_way[hop]:
            del self._under_way[hop]

    def clear(self) -> list[Loaded]:
        """Forget what waits, and return it."""
        left = list(self.waiting())
        self._waiting.clear()
        return left
