"""Courier: takes one message to one next hop, for one or several recipients. The seam between queue and network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from maild.delivery.deliveries import Delivery
from maild.delivery.outcome import Outcome
from maild.delivery.wire import Shape

# Records, before the content is sent, that these deliveries are tried at a host; False: they are no longer ours.
Begin = Callable[[Sequence[Delivery], str, str], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A message with those of its recipients that have the same next hop.

    `pieces` yields the octets, what maild puts above them included, and may be asked again. `shape` is that of
    the octets as `Lines` makes them. `utf8`: it came, or was written, as internationalised mail (RFC 6531).
    """

    deliveries: tuple[Delivery, ...]
    shape: Shape
    pieces: Callable[[], AsyncIterator[bytes]]
    utf8: bool = False

    @property
    def reverse_path(self) -> str | None:
        return self.deliveries[0].reverse_path

    @property
    def next_hop(self) -> str:
        return self.deliveries[0].next_hop

    def all(self, outcome: Outcome) -> dict[int, Outcome]:
        """Return the same outcome for every recipient."""
        return {delivery.id: outcome for delivery in self.deliveries}


class Courier(Protocol):
    """Whoever takes a load. It ends with an outcome for every delivery, and raises nothing on purpose."""

    async def deliver(self, load: Load, begin: Begin) -> dict[int, Outcome]: ...
