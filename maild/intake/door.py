"""The door: does a rule refuse this mail before it is ours?

At RCPT the envelope decides. At the end of the content the header is read in a worker process, and the mail is refused
when every recipient is: a single 5xx speaks for all of them. Refused for some only, it is accepted for all, and the
router holds it for the others: a bounce would go to whom the sender pretends to be (RFC 5321 §6.1, backscatter).

Promises: without a rule that refuses nothing is done. Whatever goes wrong, or takes longer than the deadline, is a
doubt, and what is in doubt is accepted; the router asks the rules again, with the whole letter.
"""

from __future__ import annotations

import asyncio
import pickle
from datetime import UTC, datetime

import structlog

from maild.archive.compression import DamagedError
from maild.confinement import ConfinementError, Pool
from maild.intake.admit import refusal
from maild.intake.inspection import Inspection
from maild.intake.judging import Transaction
from maild.intake.spool import Spool
from maild.mail.address import Address
from maild.mail.authentication import RESULTS, UNREAD, TrustedRelays, Verdicts
from maild.mail.envelope import Envelope
from maild.mail.facts import Facts
from maild.mail.reply import Reply
from maild.rules.in_worker import RulesWanted
from maild.rules.model import Letter, Outcome, Ruleset
from maild.rules.refusals import Judgement, judge_by_envelope
from maild.rules.single_conditions import asked_by

DEADLINE_S = 2.0
_JUDGE = "maild.intake.judging:judge"
_NOT_KNOWN = Facts(source_only="header")
_log = structlog.get_logger()


class Door:
    """Asks the rules that refuse."""

    def __init__(self, pool: Pool, relays: TrustedRelays, *, deadline_s: float = DEADLINE_S) -> None:
        """Wire the door; the end of a mail's content waits for it no longer than `deadline_s`."""
        self._pool = pool
        self._relays = relays
        self._deadline_s = deadline_s
        self._pickled: tuple[str, bytes] = ("", b"")
        self._asked: tuple[str, bool] = ("", False)  # whether the rules of a version ask who sent a mail

    def at_rcpt(self, ruleset: Ruleset, address: Address, reverse_path: Address | None, now: datetime) -> Reply | None:
        """Return the refusal of one recipient, when the envelope alone is enough for it."""
        if not ruleset.refusing:
            return None
        letter = Letter(facts=_NOT_KNOWN, reverse_path=reverse_path, received_at=now)
        (judged,) = judge_by_envelope(ruleset, letter, [address])
        return _refused([judged], "rcpt")

    async def at_end(
        self,
        ruleset: Ruleset,
        envelope: Envelope,
        spool: Spool,
        received_ms: int,
        inspection: Inspection | None = None,
    ) -> Reply | None:
        """Return the refusal of a whole message. `inspection` is asked who sent it, where a rule wants to know."""
        if not ruleset.refusing:
            return None
        moment = datetime.fromtimestamp(received_ms / 1000, UTC)
        letter = Letter(facts=_NOT_KNOWN, reverse_path=envelope.reverse_path, received_at=moment)
        judged = judge_by_envelope(ruleset, letter, [recipient.address for recipient in envelope.recipients])
        if any(each.outcome is Outcome.NO for each in judged):
            return None  # someone will have it in any case
        if any(each.outcome is Outcome.UNKNOWN for each in judged):
            verdicts = await self._verdicts(ruleset, inspection)
            judged = await self._judge(ruleset, envelope, spool, received_ms, verdicts)
        return _refused(judged, "data")

    async def _verdicts(self, ruleset: Ruleset, inspection: Inspection | None) -> Verdicts | None:
        """Return what can be known of the sender, when a rule that may refuse asks for it; None: what a relay says."""
        if inspection is None:
            return None
        if self._asked[0] != ruleset.version:
            self._asked = (ruleset.version, not asked_by(ruleset.refusing).isdisjoint(RESULTS))
        return (await inspection.find_out()).verdicts if self._asked[1] else UNREAD

    async def _judge(
        self, ruleset: Ruleset, envelope: Envelope, spool: Spool, received_ms: int, verdicts: Verdicts | None
    ) -> list[Judgement]:
        try:
            header = _header_of(spool.beginning(), whole=spool.size)
            if header is None:
                return _in_doubt("the header is too large")
            transaction = self._transaction(envelope, spool.size, received_ms)._replace(verdicts=verdicts)
            async with asyncio.timeout(self._deadline_s):
                return await self._ask(ruleset, transaction, header)
        except TimeoutError:
            return _in_doubt("no answer in time")
        except ConfinementError as error:
            return _in_doubt(error.kind)  # Security: what else it says comes from where the mail was read
        except (DamagedError, OSError) as error:
            return _in_doubt(type(error).__name__)

    def _transaction(self, envelope: Envelope, size: int, received_ms: int) -> Transaction:
        return Transaction(
            received_ms=received_ms,
            reverse_path=None if envelope.reverse_path is None else str(envelope.reverse_path),
            recipients=tuple(str(recipient.address) for recipient in envelope.recipients),
            size=size,
            believed=self._relays.believed(envelope.peer.ip),
        )

    async def _ask(self, ruleset: Ruleset, transaction: Transaction, header: bytes) -> list[Judgement]:
        pickled: bytes | None = None
        while True:
            answer = await self._pool.run(
                _JUDGE, ruleset.version, pickled, transaction, header, wall_s=self._deadline_s
            )
            if not isinstance(answer, RulesWanted):
                judged: list[Judgement] = answer
                return judged
            if self._pickled[0] != ruleset.version:
                self._pickled = (ruleset.version, pickle.dumps(ruleset, protocol=5))
            pickled = self._pickled[1]


def _refused(judged: list[Judgement], stage: str) -> Reply | None:
    if not judged or any(each.outcome is not Outcome.YES for each in judged):
        return None
    _log.info("rules.rejected", rule=judged[0].rule, stage=stage, recipients=len(judged))
    return refusal(judged[0])


def _in_doubt(reason: str) -> list[Judgement]:
    _log.warning("rules.undecided", reason=reason)
    return []


def _header_of(beginning: bytes, *, whole: int) -> bytes | None:
    """Return the header of a message by what it begins with; None when the header goes on beyond that."""
    ends = [at for blank in (b"\n\r\n", b"\n\n") if (at := beginning.find(blank)) >= 0]
    if ends:
        return beginning[: min(ends) + 3]
    return beginning if len(beginning) == whole else None
