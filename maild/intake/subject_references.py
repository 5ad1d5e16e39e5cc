"""Which letters of ours bear the reference of their conversation in the subject: as their team wants it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

from maild.archive.database import Database
from maild.archive.references import references_of
from maild.errors import MaildError
from maild.mail.ids import REFERENCE_BITS, format_reference
from maild.mail.inbox import team_of
from maild.rules.model import Ruleset

# A copy for a member, and what maild tells a colleague, are no part of the exchange with somebody outside.
_KINDS = frozenset({"answer", "new", "forward", "automatic"})


class OtherReferenceError(MaildError):
    """A letter bears another reference than its conversation has by now; nothing was stored."""

    def __init__(self, reference: str) -> None:
        super().__init__("its conversation has another reference")
        self.reference = reference


def bits_for(content: bytes) -> int:
    """Return the bits of the reference of a conversation that a letter opens.

    The same for the same octets: what a mail program hands in again, because it heard no 250, leaves as it left then,
    and so is known as the same letter.
    """
    return int.from_bytes(hashlib.sha256(content).digest()[: REFERENCE_BITS // 8], "big")


class SubjectReferences:
    """Knows what stands at the end of subjects."""

    def __init__(self, *, database: Database, rules: Callable[[], Ruleset]) -> None:
        self._database = database
        self._rules = rules

    async def of(self, kind: str, inbox: str, conversation_id: int | None, content: bytes) -> tuple[str, ...]:
        """Return the reference that a letter is to bear, then those that it shall not bear any more; (): none of them.

        Args:
            kind: of a submission.
            inbox: in whose name it leaves.
            conversation_id: None where it opens one.
            content: the letter.
        """
        team = self._rules().teams.get(team_of(inbox))
        if team is None or not team.reference_in_subject or kind not in _KINDS:
            return ()
        if conversation_id is None:
            return (format_reference(bits_for(content)),)
        return await asyncio.to_thread(self._known, conversation_id)

    def _known(self, conversation_id: int) -> tuple[str, ...]:
        with self._database.read() as connection:
            return references_of(connection, conversation_id)
