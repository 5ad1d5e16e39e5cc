"""What follows when mail was handed in, filed or released: open pages show it, and whoever has to act looks at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from maild.archive.filing import Filed

Publish = Callable[[frozenset[str]], None]  # takes the teams


class Wakes(Protocol):
    """Work that is looked for when somebody says so."""

    def wake(self) -> None: ...


def when_sent(publish: Publish, worker: Wakes) -> Callable[[frozenset[str]], None]:
    """Return what is called with the teams of mail that was handed in: it is to be sent."""

    def act(teams: frozenset[str]) -> None:
        publish(teams)
        worker.wake()

    return act


def when_released(tasks: Iterable[Wakes]) -> Callable[[], None]:
    """Return what is called when something was released or asked for: whoever carries it out looks at once."""
    asked = tuple(tasks)

    def act() -> None:
        for task in asked:
            task.wake()

    return act


def when_filed(publish: Publish, wake: Callable[[], None]) -> Callable[[Filed], None]:
    """Return what is called with mail that was filed: most of it asks for nothing, and nobody need look."""

    def act(filed: Filed) -> None:
        publish(frozenset(filed.teams))
        if filed.asks:
            wake()

    return act
