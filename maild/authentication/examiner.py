"""The examination of a sender: everything the DNS must be asked for one message, at once and within one limit.

Promises: never raises for what the DNS or the message says; what is not known at the end of the limit is `temperror`,
and a temperror refuses nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import structlog

from maild.authentication import arc, dkim
from maild.authentication.author import Author
from maild.authentication.claims import Claims
from maild.authentication.disposition import Disposition, Fate, Setting, dispose
from maild.authentication.dmarc import Discovered, check, policy_of
from maild.authentication.reading import Read
from maild.authentication.spf import check_host
from maild.dns.answer import Resolver
from maild.mail.authentication import NONE, TEMPERROR
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf
from maild.mail.networks import PRIVATE, Network, is_address, is_in

_LATE = "no answer within the limit"
_LATE_ARC = Arc(TEMPERROR, reason=_LATE)
_T = TypeVar("_T")
_log = structlog.get_logger()


class Dialogue(NamedTuple):
    """What the SMTP dialogue says of a sender; `reverse_path` None is the null reverse-path."""

    ip: str
    helo: str
    reverse_path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Whose mail is not examined, whose seals are believed, what follows from it, and how long all may take."""

    exempt: tuple[Network, ...] = ()
    sealers: frozenset[str] = frozenset()
    setting: Setting = Setting.REFUSE
    mark: Callable[[], str] = lambda: "suspicious"  # of letters that fail and are accepted all the same
    limit_s: float = 10.0


class Examiner:
    """Asks the DNS about senders."""

    def __init__(self, resolver: Resolver, terms: Terms) -> None:
        self._resolver = resolver
        self._terms = terms

    def concerns(self, ip: str | None) -> bool:
        """Tell whether mail from this peer is examined: not from machines of one's own."""
        return is_address(ip) and not is_in(ip, self._terms.exempt)

    @property
    def refuses(self) -> bool:
        """Whether a domain that asks for it has its letters refused."""
        return self._terms.setting is Setting.REFUSE

    def dispose(self, evidence: Evidence) -> Disposition:
        """Return what becomes of a letter."""
        return dispose(self._terms.setting, evidence)

    def limit(self) -> Limit:
        """Return the limit for one message, which begins now."""
        return Limit(self._terms.limit_s)

    async def policy(self, author: Author, limit: Limit) -> Discovered:
        """Return what the domain of an author asks for, before anything is proven."""
        return await limit.within(Question(partial(policy_of, self._resolver, author), _late_policy(author)))

    async def examine(
        self, dialogue: Dialogue, read: Read, now_ms: int, limit: Limit, policy: Discovered | None = None
    ) -> Evidence:
        """Find out all there is to know; `policy` is what was said before."""
        author, claims = read
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        resolver = self._resolver
        signed, sealed = bool(claims.signatures), claims.chain.result != NONE
        spf_of = partial(self._spf, dialogue, now)
        asked: list[Question[Any]] = [Question(spf_of, _unknown_spf(dialogue, _LATE))]
        if signed:
            verify = partial(dkim.verify, resolver, claims.signatures, now_ms // 1000)
            asked.append(Question(verify, _late_dkim(claims)))
        if sealed:
            asked.append(Question(partial(arc.validate, resolver, claims.chain, self._terms.sealers), _LATE_ARC))
        if policy is None:
            asked.append(Question(partial(policy_of, resolver, author), _late_policy(author)))
        answers = iter(await limit.together(asked))
        spf: Spf = next(answers)
        signatures: tuple[Dkim, ...] = next(answers) if signed else ()
        chain: Arc = next(answers) if sealed else Arc()
        policy = policy or next(answers)
        dmarc_of = partial(check, resolver, author, spf, signatures, known=policy)
        late = Dmarc(TEMPERROR, author.domain, reason=_LATE)
        found = Evidence(
            checked_ms=now_ms,
            spf=spf,
            dkim=signatures,
            arc=chain,
            dmarc=await limit.within(Question(dmarc_of, late)),
        )
        disposed = self.dispose(found)
        mark = "" if disposed.fate is Fate.ACCEPT else self._terms.mark()
        return found._replace(override=disposed.override, mark=mark)

    async def _spf(self, dialogue: Dialogue, now: datetime) -> Spf:
        """Ask whether the peer may send for the domain; of one inside nobody outside could know."""
        if is_in(dialogue.ip, PRIVATE):
            return _unknown_spf(dialogue, "the peer has a private address: it is not the machine that the sender used")
        return await check_host(self._resolver, dialogue.ip, dialogue.reverse_path, dialogue.helo, now=now)


class Question(NamedTuple, Generic[_T]):
    """What is asked, and what counts when there is no answer in time or the question failed."""

    asking: Callable[[], Coroutine[Any, Any, _T]]
    late: _T


class Limit:
    """A time by which several questions are to be answered."""

    def __init__(self, limit_s: float) -> None:
        self._ends = asyncio.get_running_loop().time() + limit_s

    async def within(self, question: Question[_T]) -> _T:
        """Return the answer to one question."""
        try:
            async with asyncio.timeout_at(self._ends):
                return await question.asking()
        except TimeoutError:
            return question.late
        except Exception as error:  # noqa: BLE001 - a fault of ours: nobody is refused for it, no letter waits for it
            _log.error("sender.check_failed", error=type(error).__name__)
            return question.late

    async def together(self, questions: Sequence[Question[Any]]) -> list[Any]:
        """Return the answers to several questions, asked at once."""
        first, *others = questions
        # The first needs no task of its own: where all is remembered, tasks are the dearest part.
        begun = [asyncio.create_task(self.within(question)) for question in others]
        try:
            return [await self.within(first), *[await task for task in begun]]
        except asyncio.CancelledError:
            for task in begun:
                task.cancel()
            raise


def _unknown_spf(dialogue: Dialogue, reason: str) -> Spf:
    identity = "helo" if dialogue.reverse_path is None else "mailfrom"
    domain = dialogue.helo if dialogue.reverse_path is None else dialogue.reverse_path.rpartition("@")[2]
    return Spf(TEMPERROR, domain.lower(), identity, reason=reason)


def _late_dkim(claims: Claims) -> tuple[Dkim, ...]:
    return tuple(
        Dkim(
            result=claim.result or TEMPERROR,
            domain=claim.domain,
            selector=claim.selector,
            algorithm=claim.algorithm,
            reason=claim.reason or _LATE,
        )
        for claim in claims.signatures
    )


def _late_policy(author: Author) -> Discovered:
    return Discovered(author.domain, failure="timeout")
