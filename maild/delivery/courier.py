"""Courier: takes one message to one next hop, for one or several recipients. The seam between queue and network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from maild.delivery.deliveries import Delivery
from maild.delivery.outcome import Outcome
from maild.delivery.wire import Shape


class Attempt(Protocol):
    """What a courier has to say of a try while it is under way."""

    async def begin(self, deliveries: Sequence[Delivery], host: str, tls: str) -> bool:
        """Record, before the content is sent, that these are tried at a host; False: they are no longer ours."""
        ...

    def on(self, used: Used) -> None:
        """Tell on what it was sent, so that it can hear what becomes of it."""
        ...


class Used(Protocol):
    """A connection on which a load was sent."""

    def free(self) -> None:
        """What became of the load is about to be recorded: before any attempt that begins from now on."""
        ...

    def recorded(self) -> None:
        """What became of the load is recorded, for good."""
        ...

    def cut(self) -> None:
        """It is not, and will not be."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A message with those of its recipients that have the same next hop.

    `pieces` yields the octets, what maild puts above them included, and may be asked again. `shape` is that of
    the octets as `Lines` makes them. `utf8`: it came, or was written, as internationalised mail (RFC 6531).
    `reverse_path` is where reports come back to.
    """

    deliveries: tuple[Delivery, ...]
    reverse_path: str | None
    shape: Shape
    pieces: Callable[[], AsyncIterator[bytes]]
    utf8: bool = False

    @property
    def next_hop(self) -> str:
        return self.deliveries[0].next_hop

    def all(self, outcome: Outcome) -> dict[int, Outcome]:
        """Return the same outcome for every recipient."""
        return {delivery.id: outcome for delivery in self.deliveries}


class Courier(Protocol):
    """Whoever takes a load. It ends with an outcome for every delivery, and raises nothing on purpose."""

    async def deliver(self, load: Load, attempt: Attempt) -> dict[int, Outcome]: ...

    def close(self) -> None:
        """Let go of what is kept between loads."""
        ...
