"""The one door for everything that goes out.

It has a message read as any other is, puts the reference into its subject where the team wants it, and carries out the
transaction of `maild.intake.submission`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from maild.archive.as_read import Filing
from maild.archive.commit import Acceptance, Addressee
from maild.archive.content import Held, held
from maild.archive.documents import IndexDocument
from maild.archive.standing import Allowed, while_allowed
from maild.archive.writer import Writer
from maild.errors import MaildError, TemporaryError
from maild.intake.subject_references import OtherReferenceError, SubjectReferences, bits_for
from maild.intake.submission import (
    Collision,
    Leaving,
    ReversePathOf,
    Sent,
    Submission,
    leave,
    plain_reverse_path,
)
from maild.mail.address import Address
from maild.mail.ids import format_id, message_id_at
from maild.mail.subject import marked_subject

LIFETIME_MS = 5 * 24 * 3600 * 1000
_TRIES = 3
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a reader has to know of a message besides its octets."""

    message_id: int
    at_ms: int
    reverse_path: str | None
    recipients: tuple[str, ...]
    team: str
    size: int


class Reader(Protocol):
    """Reads a message of ours, in a worker process, as any other is read."""

    async def __call__(self, order: Order, octets: bytes, /) -> tuple[Filing, IndexDocument]: ...


class Submitter:
    """Takes what is to leave."""

    def __init__(
        self,
        *,
        writer: Writer,
        read: Reader,
        index: Callable[[list[IndexDocument]], None],
        on_sent: Callable[[frozenset[str]], None],
        is_ours: Callable[[Address], bool],
        hostname: str,
        now_ms: Callable[[], int],
        chance: Callable[[], int],
        lifetime_ms: int = LIFETIME_MS,
        reverse_path_of: ReversePathOf = plain_reverse_path,
        references: SubjectReferences | None = None,
    ) -> None:
        """Wire the door.

        Args:
            writer: commits.
            read: reads messages, in a worker process.
            index: hears of what was filed.
            on_sent: hears of the teams.
            is_ours: tells addresses that end here: nothing goes out to them.
            hostname: this machine's, for the envelope.
            now_ms: the wall clock.
            chance: gives random bits for ids.
            lifetime_ms: how long deliveries are tried.
            reverse_path_of: the reverse-path of each delivery.
            references: knows what stands at the end of subjects; None: nothing ever does.
        """
        self._writer = writer
        self._read = read
        self._index = index
        self._on_sent = on_sent
        self._is_ours = is_ours
        self._envelope = json.dumps({"by": hostname})
        self._now_ms = now_ms
        self._chance = chance
        self._lifetime_ms = lifetime_ms
        self._reverse_path_of = reverse_path_of
        self._references = references

    async def submit(self, asked: Submission) -> Sent | Collision:
        """Have a message leave; returns after the commit.

        Raises:
            MaildError: a recipient is an address of ours, or there is none; the draft was given up; the right ended.
            TemporaryError: it could not be stored; nothing was.
        """
        if not asked.recipients or any(map(self._is_ours, asked.recipients)):
            raise MaildError("what leaves goes to somebody outside")
        at_ms, references = self._now_ms(), await self._references_for(asked)
        for _ in range(_TRIES):
            try:
                return await self._submit(asked, at_ms, references)
            except OtherReferenceError as other:
                references = (other.reference, *references)
        raise TemporaryError("its conversation is being merged")

    async def _references_for(self, asked: Submission) -> tuple[str, ...]:
        if self._references is None:
            return ()
        return await self._references.of(asked.kind, asked.team, asked.conversation_id, asked.content)

    async def _submit(self, asked: Submission, at_ms: int, references: tuple[str, ...]) -> Sent | Collision:
        octets = marked_subject(asked.content, references) if references else asked.content
        content = await asyncio.to_thread(held, octets)
        acceptance = self._acceptance(asked, content, at_ms)
        order = Order(
            message_id=acceptance.message_id,
            at_ms=at_ms,
            reverse_path=acceptance.reverse_path,
            recipients=tuple(map(str, asked.recipients)),
            team=asked.team,
            size=len(octets),
        )
        filing, document = await self._read(order, octets)
        if references and asked.conversation_id is None:
            filing = filing._replace(reference_bits=bits_for(asked.content))
        leaving = Leaving(
            submission=replace(asked, content=b""),
            acceptance=acceptance,
            filing=filing,
            lifetime_ms=self._lifetime_ms,
            reverse_path_of=self._reverse_path_of,
            reference=references[0] if references else "",
        )
        done = await self._commit(asked, leaving)
        if isinstance(done, Sent) and done.filed is not None:
            self._index([document._replace(message_id=done.message_id, revision=done.filed.revision)])
            self._on_sent(frozenset(done.filed.teams))
            _log.info(
                "message.submitted",
                id=format_id(done.message_id),
                kind=asked.kind,
                team=asked.team,
                size=len(octets),
                recipients=len(asked.recipients),
            )
        return done

    async def _commit(self, asked: Submission, leaving: Leaving) -> Sent | Collision:
        done: Sent | Collision
        if asked.by is None:
            done = await self._writer.run(leave, leaving)
        else:
            allowed = Allowed(unit=leave, argument=leaving, by=asked.by, needs=asked.needs, of=asked.of)
            done = await self._writer.run(while_allowed, allowed)
        return done

    def _acceptance(self, asked: Submission, content: Held, at_ms: int) -> Acceptance:
        return Acceptance(
            message_id=message_id_at(at_ms, self._chance()),
            direction="out",
            origin="submission",
            content=content,
            received_ms=at_ms,
            reverse_path=None if asked.reverse_path is None else str(asked.reverse_path),
            envelope=self._envelope,
            # With a team of their own: no rule is asked about what we write.
            addressees=tuple(Addressee(address=str(a), address_key=a.key, team=asked.team) for a in asked.recipients),
        )
