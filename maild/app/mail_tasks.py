"""The tasks by which maild writes mail by itself, built of their parts: answers, copies, reports and digests."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

from maild.archive.database import Database
from maild.config import Settings
from maild.confinement import Pool
from maild.delivery.copying import Copying
from maild.intake.answers import Answers
from maild.intake.author_reports import AuthorReports
from maild.intake.digests import Digests
from maild.intake.member_answers import MemberAnswers
from maild.intake.submit import Submitter
from maild.mail.answer_reading import Answer
from maild.mail.facts import Facts
from maild.rules.rulebook import Rulebook

_CHANCE_BITS = 21
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTasks:
    """All of them; `on_filed` are those that have to look when mail was filed."""

    on_filed: tuple[Answers | Copying | MemberAnswers, ...]
    by_name: dict[str, Answers | Copying | MemberAnswers | AuthorReports | Digests]


def make_mail_tasks(
    settings: Settings,
    *,
    database: Database,
    rulebook: Rulebook,
    pool: Pool,
    submitter: Submitter,
    key: bytes,
    now_ms: Callable[[], int],
    on_made: Callable[[], None],
) -> MailTasks:
    """Return the tasks. `on_made` hears of what is to be delivered; `key` is that of the reply addresses."""
    hostname = settings.server.hostname or socket.getfqdn()

    async def read_letter(octets: bytes) -> Facts:
        facts: Facts = await pool.run("maild.mail.reading:facts_of", octets)
        return facts

    async def read_answer(octets: bytes, instead: str) -> Answer:
        answer: Answer = await pool.run("maild.mail.answer_reading:read_answer", octets, instead)
        return answer

    answers = Answers(
        database=database, rules=lambda: rulebook.current, submitter=submitter, read=read_letter, now_ms=now_ms
    )  # fmt: skip
    copies = Copying(
        database=database, rules=lambda: rulebook.current, lifetime_ms=settings.outbound.expire_days * _DAY_MS,
        now_ms=now_ms, on_made=on_made,
    )  # fmt: skip
    member_answers = MemberAnswers(
        database=database, rules=lambda: rulebook.current, submitter=submitter, read_letter=read_letter,
        read_answer=read_answer, key=key, max_message_bytes=settings.smtp.max_message_bytes, now_ms=now_ms,
    )  # fmt: skip
    reports = AuthorReports(
        database=database, rules=lambda: rulebook.current, submitter=submitter, hostname=hostname,
        base_url=settings.base_url, now_ms=now_ms,
    )  # fmt: skip
    digests = Digests(
        database=database, rules=lambda: rulebook.current, base_url=settings.base_url, hostname=hostname,
        now_ms=now_ms, chance=lambda: secrets.randbits(_CHANCE_BITS), on_sent=on_made,
    )  # fmt: skip
    return MailTasks(
        on_filed=(answers, copies, member_answers),
        by_name={
            "answers": answers, "copies": copies, "member answers": member_answers, "author reports": reports,
            "digests": digests,
        },
    )  # fmt: skip
