"""The examination of a sender: everything the DNS must be asked for one message, at once and within one limit.

What is remembered of the DNS is used at once; only the rest is asked, side by side.

Promises: never raises for what the DNS or the message says; what is not known at the end of the limit is `temperror`,
and a temperror refuses nobody.
"""

from __future__ import annotations

import asyncio
import time
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
from maild.authentication.familiar import Familiar, is_lasting
from maild.authentication.reading import Read
from maild.authentication.spf import check_host
from maild.dns.answer import Resolver
from maild.dns.cache import NEVER_S
from maild.dns.recall import Noted, NotRememberedError
from maild.dns.resolver import DnsResolver
from maild.mail.authentication import NONE, TEMPERROR
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf
from maild.mail.networks import Network, is_address, is_in, is_private

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
        self._familiar = Familiar(resolver.clock if isinstance(resolver, DnsResolver) else time.monotonic)

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
        return Limit(self._terms.limit_s, self._resolver)

    async def policy(self, author: Author, limit: Limit) -> Discovered:
        """Return what the domain of an author asks for, before anything is proven."""
        return await limit.within(Question(lambda resolver: policy_of(resolver, author), partial(_late_policy, author)))

    def recognise(self, dialogue: Dialogue, read: Read, now_ms: int) -> Evidence | None:
        """Return at once all there is to know, where an earlier letter has told it; None: it is to be examined."""
        return self._familiar.recognise(dialogue, read, now_ms)

    async def examine(
        self, dialogue: Dialogue, read: Read, now_ms: int, limit: Limit, policy: Discovered | None = None
    ) -> Evidence:
        """Find out all there is to know; `policy` is what was said before, of a letter that was not recognised."""
        if policy is None and (known := self.recognise(dialogue, read, now_ms)) is not None:
            return known
        author, claims = read
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        signed, sealed = bool(claims.signatures), claims.chain.result != NONE
        spf_of = partial(_spf, dialogue=dialogue, now=now)
        asked: list[Question[Any]] = [Question(spf_of, partial(_unknown_spf, dialogue, _LATE))]
        if signed:
            verify = partial(dkim.verify, signatures=claims.signatures, now_s=now_ms // 1000)
            asked.append(Question(verify, partial(_late_dkim, claims)))
        if sealed:
            validate = partial(arc.validate, chain=claims.chain, trusted=self._terms.sealers)
            asked.append(Question(validate, lambda: _LATE_ARC))
        if policy is None:
            asked.append(Question(partial(policy_of, author=author), partial(_late_policy, author)))
        answers = iter(await limit.together(asked))
        spf: Spf = next(answers)
        signatures: tuple[Dkim, ...] = next(answers) if signed else ()
        chain: Arc = next(answers) if sealed else Arc()
        policy = policy or next(answers)
        dmarc_of = partial(check, author=author, spf=spf, dkim=signatures, known=policy)
        late = partial(Dmarc, TEMPERROR, author.domain, reason=_LATE)
        dmarc = await limit.within(Question(dmarc_of, late))
        found = Evidence(checked_ms=now_ms, spf=spf, dkim=signatures, arc=chain, dmarc=dmarc)
        disposed = self.dispose(found)
        if disposed.fate is Fate.ACCEPT and not disposed.override:
            await self._keep(dialogue, read, found, limit)
            return found
        mark = "" if disposed.fate is Fate.ACCEPT else self._terms.mark()
        return found._replace(override=disposed.override, mark=mark)

    async def _keep(self, dialogue: Dialogue, read: Read, found: Evidence, limit: Limit) -> None:
        """Keep what is found for the next letter, if all of it was remembered: then this does not wait either."""
        if limit.holds_until_s > NEVER_S and is_lasting(read, found):
            keys = await dkim.keys_of(limit.recall, read.claims.signatures)
            self._familiar.keep(dialogue, read, keys, found, limit.holds_until_s)


async def _spf(resolver: Resolver, *, dialogue: Dialogue, now: datetime) -> Spf:
    """Ask whether the peer may send for the domain; of one inside nobody outside could know."""
    if is_private(dialogue.ip):
        return _unknown_spf(dialogue, "the peer has a private address: it is not the machine that the sender used")
    return await check_host(resolver, dialogue.ip, dialogue.reverse_path, dialogue.helo, now=now)


class Question(NamedTuple, Generic[_T]):
    """What a resolver is asked, and what counts when there is no answer in time or the question failed."""

    asking: Callable[[Resolver], Coroutine[Any, Any, _T]]
    late: Callable[[], _T]


class _Unknown:
    """In place of an answer that the DNS has to be asked for."""


class Limit:
    """A time by which several questions are to be answered."""

    def __init__(self, limit_s: float, resolver: Resolver) -> None:
        self._ends = asyncio.get_running_loop().time() + limit_s
        self._resolver = resolver
        self.recall = Noted(resolver)

    @property
    def holds_until_s(self) -> float:
        """Until when, by the resolver's clock, the answers hold; minus infinity when one of them was asked for."""
        return self.recall.until_s

    async def within(self, question: Question[_T]) -> _T:
        """Return the answer to one question."""
        answer = await self._remembered(question)
        return await self._asked(question) if isinstance(answer, _Unknown) else answer

    async def together(self, questions: Sequence[Question[Any]]) -> list[Any]:
        """Return the answers to several questions, asked at once."""
        answers = [await self._remembered(question) for question in questions]
        missing = [place for place, answer in enumerate(answers) if isinstance(answer, _Unknown)]
        begun = {place: asyncio.create_task(self._asked(questions[place])) for place in missing}
        try:
            for place, task in begun.items():
                answers[place] = await task
        except asyncio.CancelledError:
            for task in begun.values():
                task.cancel()
            raise
        return answers

    async def _remembered(self, question: Question[_T]) -> _T | _Unknown:
        """Answer without waiting, if that can be done: tasks and deadlines are dearer than all the rest."""
        try:
            return await question.asking(self.recall)
        except NotRememberedError:
            return _UNKNOWN
        except Exception as error:  # noqa: BLE001 - a fault of ours: nobody is refused for it, no letter waits for it
            return _failed(question, error)

    async def _asked(self, question: Question[_T]) -> _T:
        try:
            async with asyncio.timeout_at(self._ends):
                return await question.asking(self._resolver)
        except TimeoutError:
            return question.late()
        except Exception as error:  # noqa: BLE001 - a fault of ours: nobody is refused for it, no letter waits for it
            return _failed(question, error)


_UNKNOWN = _Unknown()


def _failed(question: Question[_T], error: Exception) -> _T:
    _log.error("sender.check_failed", error=type(error).__name__)
    return question.late()


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
