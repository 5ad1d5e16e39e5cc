"""A resolver of what is remembered: whoever asks it never waits.

Most mail comes from domains that have written before, and all that is asked about it is known. To find that out by
plain calls, without a task and a deadline for each question, takes half the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from maild.dns.answer import Answer, Kind, Resolver
from maild.dns.resolver import DnsResolver

_T = TypeVar("_T")


class NotRememberedError(Exception):
    """The DNS itself would have to be asked. It leaves whatever asks; it is no answer."""


class Recall:
    """A `Resolver` over what another one has learnt.

    Invariant: its `ask` ends without ever giving up its turn, so that whoever asks needs no deadline.
    """

    def __init__(self, resolver: Resolver) -> None:
        """Take whoever is asked otherwise; one that remembers nothing is never asked here."""
        self._remembered = resolver.remembered if isinstance(resolver, DnsResolver) else _nothing

    async def ask(self, name: str, kind: Kind) -> Answer:
        """Return what is remembered; see `Resolver`. Raises NotRememberedError when that is nothing."""
        answer = self._remembered(name, kind)
        if answer is None:
            raise NotRememberedError
        return answer


def _nothing(_name: str, _kind: Kind) -> None:
    return None


async def gathered(resolver: Resolver, questions: Sequence[Callable[[], Coroutine[Any, Any, _T]]]) -> list[_T]:
    """Return what several coroutines over `resolver` come to: begun at once, unless none of them could ever wait."""
    if len(questions) <= 1 or isinstance(resolver, Recall):
        return [await question() for question in questions]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(question()) for question in questions]
    return [task.result() for task in tasks]
