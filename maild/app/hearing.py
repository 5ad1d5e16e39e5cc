"""Who hears of what: live pages of whatever changes, and those who carry out what is asked for only of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from maild.archive.filing import Filed

Publish = Callable[[frozenset[str]], None]  # takes the teams


class Task(Protocol):
    """Work that is looked for when somebody says so."""

    def wake(self) -> None: ...


def hearing_of_sent(publish: Publish, worker: Task) -> Callable[[frozenset[str]], None]:
    """Return what is told of mail that was handed in: it is to be sent."""

    def tell(teams: frozenset[str]) -> None:
        publish(teams)
        worker.wake()

    return tell


def hearing_of_filed(publish: Publish, tasks: Sequence[Task]) -> Callable[[Filed], None]:
    """Return what is told of mail that was filed: most of it asks for nothing, and nobody need look."""

    def tell(filed: Filed) -> None:
        publish(frozenset(filed.teams))
        if filed.asks:
            for task in tasks:
                task.wake()

    return tell


def waking(tasks: Sequence[Task]) -> Callable[[], None]:
    """Return what is told that something held was let go: whoever carries it out looks at once."""

    def tell() -> None:
        for task in tasks:
            task.wake()

    return tell
