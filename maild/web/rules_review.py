"""The one page between a change of the rules and its effect: what is found, tested, different, rehearsed; then saved.

Promise: nothing is overwritten that the author has not seen. The version that a change was made from travels with it;
where another one serves by then, or the file on the disk says something else that would load, the author sees that
first. What never served and would not load is put aside.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog
from babel.numbers import format_decimal
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.audit import Record
from maild.archive.proposals import (
    Decision,
    NewProposal,
    Proposal,
    Verdict,
    decide,
    proposal,
    propose,
    reopen,
    settle,
    unsettled,
)
from maild.archive.standing import Need, require_standing
from maild.archive.versions import Version, octets_ever_served, recorded, sign, source_of
from maild.errors import MaildError, NotFoundError, TemporaryError
from maild.mail.acts import Act
from maild.policy.roles import Permission
from maild.rules import rules_file
from maild.rules.text_merge import merged
from maild.web.language import catalogue
from maild.web.rules_draft import Draft, check, draft_of, fresh_draft, is_stale
from maild.web.rules_reading import shown_difference, version_number
from maild.web.rules_rehearsal import DAYS, Stage, rehearse_or_say
from maild.web.rules_words import FAULTS, RuleWords
from maild.web.services import Services
from maild.web.shell import shell_of
from maild.web.visit import Visit

_MAX_REASON = 500
_NEEDS: tuple[Need, ...] = ((Permission.RULES, None),)
_log = structlog.get_logger()


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_BACK_TO = _("Back to version %(number)s")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signature:
    author: str
    reason: str
    approved_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What is said to a proposal, and whose that is."""

    verdict: Verdict
    author: str

    def record(self, visit: Visit, what: str) -> Record:
        return visit.acted(Act.RULES, about=f"proposal {self.verdict.proposal_id}", what=what, author=self.author)


class Workshop:
    """Where drafts are reviewed and put in force. One for a site: rehearsals take place one after another."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stage = Stage(services)
        self._deciding = asyncio.Lock()

    async def review(self, visit: Visit) -> Response:
        """Review what the editor sent."""
        return await self.show(visit, await draft_of(visit), rule=visit.form.get("rule", ""))

    async def roll_back(self, visit: Visit) -> Response:
        """Review the way back to an older version."""
        number = version_number(visit)
        await visit.read(recorded, number)
        draft = fresh_draft(visit, await visit.read(source_of, number))
        reason = catalogue(visit.language).gettext(_BACK_TO) % {"number": number}
        return await self.show(visit, draft, reason=f"{reason}: ")

    async def show(
        self,
        visit: Visit,
        draft: Draft,
        *,
        rule: str = "",
        reason: str | None = None,
        fault: str = "",
        asked: Proposal | None = None,
        status: int = 200,
    ) -> Response:
        """Show the review of a draft, or first what has changed meanwhile."""
        if is_stale(visit, draft) and asked is None:
            return await self._conflict(visit, draft)
        rulebook = self._services.rulebook
        checked = await check(visit, draft.text)
        days = _days(visit)
        stale = is_stale(visit, draft)
        rehearsed, no_rehearsal = await rehearse_or_say(
            self._stage, visit, None if stale else checked.rehearsable, days
        )
        words = RuleWords(visit)
        return visit.page(
            "rules_review.html",
            status=status,
            shell=await shell_of(visit),
            draft=draft,
            checked=checked,
            lines=await run_in_threadpool(shown_difference, draft.base_text, draft.text),
            rehearsed=rehearsed,
            no_rehearsal=no_rehearsal,
            days=days,
            all_days=DAYS,
            rule=rule,
            reason=visit.form.get("reason", "")[:_MAX_REASON] if reason is None else reason,
            fault=FAULTS.get(fault, ""),
            writable=await run_in_threadpool(rules_file.may_be_written, rulebook.path),
            put_aside=await self._would_put_aside(visit),
            path=str(rulebook.path),
            file=rulebook.path.name,
            two=self._services.settings.approval == "two",
            team=words.team,
            words=words.why,
            asked=asked,
            own=asked is not None and asked.author == visit.person.login,
            stale=stale,
            number=partial(format_decimal, locale=visit.language),
        )

    async def save(self, visit: Visit) -> Response:
        """Put a draft in force, or propose it where two must agree."""
        draft = await draft_of(visit)
        reason = _reason(visit)
        again = partial(self.show, visit, draft, rule=visit.form.get("rule", ""))
        if is_stale(visit, draft):
            return await self._conflict(visit, draft)
        if draft.text == draft.base_text:
            return await again(status=400)
        if not reason:
            return await again(fault="reason", status=400)
        if self._services.settings.approval == "two":
            return await self._propose(visit, draft, reason)
        outcome = await self._place(visit, draft, _Signature(author=visit.person.login, reason=reason))
        if outcome == "stale":
            return await self._conflict(visit, draft)
        if isinstance(outcome, str):
            return await again(fault=outcome, status=409 if outcome == "busy" else 400)
        return visit.go(f"/rules?saved={outcome}")

    async def proposal(self, visit: Visit) -> Response:
        """Show what somebody proposes."""
        asked = await self._waiting(visit)
        return await self.show(visit, await _draft_in(visit, asked), asked=asked)

    async def decide(self, visit: Visit) -> Response:
        """Approve, decline or withdraw what somebody proposes."""
        async with self._deciding:  # an author who withdraws while another approves waits, and finds it decided
            return await self._decide(visit)

    async def _waiting(self, visit: Visit) -> Proposal:
        """Return the proposal that is asked for; one that was approved, and never took effect, counts as waiting."""
        asked = await visit.read(proposal, version_number(visit))
        cut_off = await visit.read(unsettled)
        if asked.decision is not None and (cut_off is None or cut_off.version or cut_off.proposal.id != asked.id):
            raise NotFoundError("it is decided")
        return replace(asked, decision=None)

    async def _settle(self, visit: Visit) -> None:
        if await visit.read(unsettled) is None:
            return
        try:
            with rules_file.alone(self._services.rulebook.path):  # not while another process is amid it
                await self._services.database.writer.run(settle, visit.now_ms)
        except (TemporaryError, OSError):
            return

    async def _decide(self, visit: Visit) -> Response:
        await self._settle(visit)
        asked = await self._waiting(visit)
        decision = {d.value: d for d in Decision}.get(visit.form.get("decision", ""))
        me = visit.person.login
        # Security: nobody approves their own; the unit of work asks again.
        if decision is None or (me == asked.author) is not (decision is Decision.WITHDRAWN):
            raise HTTPException(403)
        draft = await _draft_in(visit, asked)
        answer = _reason(visit)
        if decision is Decision.REJECTED and not answer:
            return await self.show(visit, draft, asked=asked, fault="reason", status=400)
        verdict = Verdict(proposal_id=asked.id, decision=decision, by=me, at_ms=visit.now_ms, answer=answer)
        said = _Decided(verdict=verdict, author=asked.author)
        if decision is not Decision.APPROVED or draft.text == self._services.rulebook.source:
            await visit.write(decide, verdict, said.record(visit, str(decision)), needs=_NEEDS)
            return visit.go("/rules")
        if is_stale(visit, draft):
            return await self.show(visit, draft, asked=asked, fault="stale", status=409)
        signature = _Signature(author=asked.author, reason=asked.reason, approved_by=me)
        outcome: int | str | None = None
        try:
            outcome = await self._place(visit, draft, signature, said)
        finally:
            if outcome is None:  # whatever broke: nothing stays approved and without effect
                await self._settle(visit)
        if isinstance(outcome, str):
            return await self.show(visit, draft, asked=asked, fault=outcome, status=409)
        return visit.go("/rules")

    async def _propose(self, visit: Visit, draft: Draft, reason: str) -> Response:
        checked = await check(visit, draft.text)
        if checked.ruleset is None:
            return await self.show(visit, draft, fault="refused", status=400)
        new = NewProposal(
            base_digest=draft.base, source=draft.text, author=visit.person.login, reason=reason, made_ms=visit.now_ms
        )
        number = await visit.write(propose, new, needs=_NEEDS)
        return visit.go(f"/rules?proposed={number}")

    async def _place(
        self, visit: Visit, draft: Draft, signature: _Signature, approved: _Decided | None = None
    ) -> int | str:
        """Write the file, take it up, sign it; return the version's number (0: unsigned), or in a word why not.

        What is proposed is decided on first: whoever decides otherwise at this moment, here or in another process,
        finds it decided, or has this one find it.
        """
        rulebook = self._services.rulebook
        checked = await check(visit, draft.text)
        if checked.ruleset is None:
            return "refused"
        began_ms = self._services.now_ms()
        try:
            with rules_file.alone(rulebook.path) as target:
                if not await self._replace(visit, draft, target, approved):
                    return "stale"
        except TemporaryError:
            return "busy"
        except OSError:
            await self._take_back(visit, approved)
            return "unwritable"
        if rulebook.current.version != checked.ruleset.version:
            await self._take_back(visit, approved)
            return "not-taken"
        version = Version(
            digest=rulebook.current.version,
            source=draft.text,
            loaded_ms=began_ms,
            author=signature.author,
            reason=signature.reason,
            approved_by=signature.approved_by,
        )
        return await self._sign(visit, version)

    async def _replace(self, visit: Visit, draft: Draft, target: Path, approved: _Decided | None) -> bool:
        """Replace the file and have it taken up; False, and nothing is changed, where something newer is there."""
        there = await run_in_threadpool(rules_file.present, target)
        if await self._is_newer(visit, there, draft.text):
            await self._services.reload_rules()
            return False
        if is_stale(visit, draft):
            return False
        # Security: the file is in no transaction; who lost the right while it was checked changes nothing.
        await visit.read(require_standing, visit.standing, _NEEDS)
        unknown = there is not None and not await visit.read(octets_ever_served, there)
        if approved is not None:
            record = approved.record(visit, str(Decision.APPROVED))
            await visit.write(decide, approved.verdict, record, needs=_NEEDS)
        await run_in_threadpool(rules_file.replace, target, there, draft.text, unknown=unknown)
        await self._services.reload_rules()
        return True

    async def _take_back(self, visit: Visit, approved: _Decided | None) -> None:
        if approved is not None:
            await visit.write(
                reopen, approved.verdict, approved.record(visit, "could not be put in force, waits again")
            )

    async def _sign(self, visit: Visit, version: Version) -> int:
        try:
            done = visit.acted(
                Act.RULES, about=version.digest, what="put in force", approved_by=version.approved_by or ""
            )
            number: int = await visit.write(sign, version, done)
        except MaildError:
            # The rules matter more than their history: what was wanted is in place, and serves.
            _log.error("rules.unsigned", version=version.digest[:12], user=visit.person.user_id)
            return 0
        _log.info("rules.saved", version=version.digest[:12], number=number, user=visit.person.user_id)
        return number

    async def _is_newer(self, visit: Visit, there: bytes | None, mine: str) -> bool:
        """Tell whether the file holds something that would serve, and that the author has not seen."""
        if there is None or there in (self._services.rulebook.source.encode(), mine.encode()):
            return False
        try:
            return (await check(visit, there.decode("utf-8"), by_hand=True)).ruleset is not None
        except UnicodeDecodeError:
            return False

    async def _would_put_aside(self, visit: Visit) -> bool:
        try:
            there = await run_in_threadpool(rules_file.present, self._services.rulebook.path.resolve())
        except OSError:
            return False
        return there is not None and not await visit.read(octets_ever_served, there)

    async def _conflict(self, visit: Visit, draft: Draft) -> Response:
        serving = self._services.rulebook.source
        joined = await run_in_threadpool(merged, draft.base_text, draft.text, serving)
        return visit.page(
            "rules_conflict.html",
            status=409,
            shell=await shell_of(visit),
            draft=fresh_draft(visit, draft.text if joined is None else joined),
            mine=fresh_draft(visit, draft.text),
            joined=joined is not None,
            theirs=await run_in_threadpool(shown_difference, draft.base_text, serving),
            yours=await run_in_threadpool(shown_difference, draft.base_text, draft.text),
        )


def _days(visit: Visit) -> int:
    """Return of how many days the mail is to be rehearsed."""
    said = visit.form.get("days", visit.request.query_params.get("days"))
    return next((days for days in DAYS if str(days) == said), DAYS[0])


async def _draft_in(visit: Visit, asked: Proposal) -> Draft:
    base = await draft_of(replace(visit, form={"base": asked.base_digest}))
    return base.over(asked.source)


def _reason(visit: Visit) -> str:
    text = "".join(c if c.isprintable() else " " for c in visit.form.get("reason", ""))
    return " ".join(text.split())[:_MAX_REASON]
