"""The audit log, for auditors: who did what. No word of a letter, and of what was read only what two agree to."""

from __future__ import annotations

from datetime import date
from typing import Any

from starlette.responses import Response

from maild.archive.accounts import fold_login
from maild.archive.audit import note_acts
from maild.archive.audit_requests import (
    DAYS,
    SHOWN,
    Answer,
    NewRequest,
    Waiting,
    ask,
    decide,
    requests_of,
    sight_of,
    waiting_for,
)
from maild.archive.audit_search import Question, conversation_named, find_records
from maild.archive.standing import by_whom_then
from maild.errors import NotFoundError
from maild.mail.acts import Act
from maild.mail.ids import parse_reference
from maild.mail.local_time import day_end_ms, day_start_ms
from maild.policy.roles import Permission
from maild.web.audit_words import ACTS, FAULTS, told
from maild.web.forms import own_path
from maild.web.people import asker, teams_of
from maild.web.shell import shell_of, team_name
from maild.web.visit import Visit

PAGE_SIZE = 50
_FIELDS = ("person", "act", "team", "conversation", "first", "last", "before")
_MAX_PURPOSE = 500


async def log(visit: Visit) -> Response:
    """Show the newest records, or what is searched for. That it was looked at is recorded first."""
    return await _show(visit)


async def request(visit: Visit) -> Response:
    """Ask to see what a person has read, or who has read a conversation."""
    typed = {name: visit.form.get(name, "").strip()[:100] for name in ("person", "conversation", "days")}
    purpose = " ".join(visit.form.get("purpose", "").split())[:_MAX_PURPOSE]
    typed["purpose"] = purpose
    conversation_id = await _conversation(visit, typed["conversation"])
    login = fold_login(typed["person"]) if not typed["conversation"] else ""
    days = next((days for days in DAYS if str(days) == typed["days"]), DAYS[0])
    if not purpose:
        return await _show(visit, typed=typed, fault="purpose")
    if (conversation_id is None) is not bool(login):
        return await _show(visit, typed=typed, fault="whom")
    new = NewRequest(
        asked_by=visit.person.login,
        purpose=purpose,
        login=login,
        conversation_id=conversation_id,
        days=days,
        asked_ms=visit.services.now_ms(),
    )
    done = visit.acted(
        Act.AUDITED, about=login, conversation_id=conversation_id, what="asked to see readings", purpose=purpose
    )
    try:
        await visit.write(ask, new, done, needs=((Permission.AUDIT, None),))
    except NotFoundError:
        return await _show(visit, typed=typed, fault="whom")
    return visit.go("/audit?said=asked")


async def decision(visit: Visit) -> Response:
    """Agree to what an auditor asks for, or decline: another auditor, or a manager whom it concerns."""
    number = visit.number("request")
    if number is None:
        raise NotFoundError("there is no such request")
    answer = Answer(by=asker(visit), request_id=number, agreed=visit.form.get("agreed") == "yes")
    await visit.write(decide, answer, narrowed=by_whom_then)
    return visit.go(own_path(visit.form.get("next", "/")))


async def waiting(visit: Visit) -> Waiting:
    """Return what waits for a decision of the visitor's."""
    return await visit.read(waiting_for, visit.person, teams_of(visit), visit.now_ms)


async def _show(visit: Visit, *, typed: dict[str, str] | None = None, fault: str = "") -> Response:
    query = visit.request.query_params
    asked = {name: query.get(name, "").strip()[:100] for name in _FIELDS}
    question, wrong = await _question(visit, asked)
    done = visit.acted(Act.AUDITED, about=" ".join(f"{name}={value}" for name, value in asked.items() if value))
    await visit.write(note_acts, done)
    me = visit.person.login
    sight = await visit.read(sight_of, me, visit.now_ms)
    found = [] if question is None else await visit.read(find_records, question, sight, PAGE_SIZE + 1)
    rules = visit.services.rulebook.current
    return visit.page(
        "audit.html",
        status=400 if fault or wrong else 200,
        shell=await shell_of(visit),
        asked=asked,
        records=[(each, _place(visit, each.team), told(each, visit)) for each in found[:PAGE_SIZE]],
        older=found[PAGE_SIZE - 1].sequence if len(found) > PAGE_SIZE else None,
        wrong=wrong,
        acts=ACTS,
        teams=[(team, team_name(visit, team)) for team in rules.teams],
        requests=await visit.read(requests_of, me),
        shown=SHOWN,
        waiting=await waiting(visit),
        days=DAYS,
        typed=typed or {},
        fault=FAULTS.get(fault, ""),
        said=query.get("said", ""),
    )


def _place(visit: Visit, team: str) -> str:
    return team_name(visit, team) if team else ""


async def _question(visit: Visit, asked: dict[str, str]) -> tuple[Question | None, bool]:
    """Return what is searched for, and whether it cannot be read; None finds nothing."""
    values: dict[str, Any] = {"act": asked["act"], "team": asked["team"]}
    values["actor"] = asked["person"] if asked["person"] == "" else fold_login(asked["person"])
    try:
        if asked["first"]:
            values["from_ms"] = day_start_ms(date.fromisoformat(asked["first"]), visit.zone)
        if asked["last"]:
            values["until_ms"] = day_end_ms(date.fromisoformat(asked["last"]), visit.zone)
        values["before"] = int(asked["before"]) if asked["before"] else None
    except (ValueError, OverflowError):
        return None, True
    if asked["conversation"]:
        values["conversation_id"] = await _conversation(visit, asked["conversation"])
        if values["conversation_id"] is None:
            return None, False
    if values["before"] is not None and not 0 < values["before"] < 1 << 63:
        return None, True
    return Question(**values), False


async def _conversation(visit: Visit, text: str) -> int | None:
    reference = parse_reference(text) if text else None
    return None if reference is None else await visit.read(conversation_named, reference)
