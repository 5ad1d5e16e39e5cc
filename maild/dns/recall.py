"""A resolver of what is remembered: whoever asks it never waits.

Most mail comes from domains that have written before, and all that is asked about it is known. To find that out by
plain calls, without a task and a deadline for each question, takes half the time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from maild.dns.answer import Answer, Kind, Resolver
from maild.dns.cache import NEVER_S
from maild.dns.resolver import DnsResolver

_MACRO = b"%{"
_T = TypeVar("_T")


class NotRememberedError(Exception):
    """The DNS itself would have to be asked. It leaves whatever asks; it is no answer."""


class Recall:
    """A `Resolver` over what another one has learnt.

    Invariant: its `ask` ends without ever giving up its turn, so that whoever asks needs no deadline.
    """

    def __init__(self, resolver: Resolver) -> None:
        """Take whoever is asked otherwise; one that remembers nothing is never asked here."""
        known = resolver if isinstance(resolver, DnsResolver) else None
        self._remembered = known.remembered if known else _nothing
        self._holds_until_s = known.holds_until_s if known else _never

    async def ask(self, name: str, kind: Kind) -> Answer:
        """Return what is remembered; see `Resolver`. Raises NotRememberedError when that is nothing."""
        answer = self._remembered(name, kind)
        if answer is None:
            raise NotRememberedError
        return answer


class Noted(Recall):
    """A `Recall` that notes how long holds what depends on nothing but its answers.

    `until_s` is of the resolver's clock; minus infinity after an answer that was a failure, or may lead to other
    questions for the next letter: a record with macros of SPF (RFC 7208 §7), which ask by the sender's own words.
    """

    def __init__(self, resolver: Resolver) -> None:
        super().__init__(resolver)
        self.until_s = math.inf

    async def ask(self, name: str, kind: Kind) -> Answer:
        """Return what is remembered, and note how long it is."""
        known_until_s, self.until_s = self.until_s, NEVER_S
        answer = await super().ask(name, kind)
        if kind is not Kind.TXT or not any(_MACRO in text for text in answer.texts):
            self.until_s = min(known_until_s, self._holds_until_s(name, kind))
        return answer


def _never(_name: str, _kind: Kind) -> float:
    return NEVER_S


def _nothing(_name: str, _kind: Kind) -> None:
    return None


async def gathered(resolver: Resolver, questions: Sequence[Callable[[], Coroutine[Any, Any, _T]]]) -> list[_T]:
    """Return what several coroutines over `resolver` come to: begun at once, unless none of them could ever wait."""
    if len(questions) <= 1 or isinstance(resolver, Recall):
        return [await question() for question in questions]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(question()) for question in questions]
    return [task.result() for task in tasks]
