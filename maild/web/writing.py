"""The forms for writing a letter: an answer, a letter sent on, a new one, and what was begun before."""

from __future__ import annotations

from starlette.responses import Response

from maild.archive.drafts import being_written
from maild.archive.references import references_of
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.answering import Kind
from maild.mail.ids import format_id, parse_id
from maild.mail.inbox import team_of
from maild.mail.signing_off import beginning
from maild.rules.authorship import Sender, preset, senders
from maild.web.addressing import typed
from maild.web.asked import conversation_asked
from maild.web.desk import answering_as, desk_of, desk_page, draft_asked, editor, fresh_draft
from maild.web.inserting import begins_formatted, signatures_for
from maild.web.originals import answered, came_to, original, proposal
from maild.web.own_addresses import writable
from maild.web.shell import shell_of
from maild.web.visit import Visit


async def reply_form(visit: Visit) -> Response:
    """Show the form for an answer, or for sending a letter on; nothing is kept yet."""
    talk = await conversation_asked(visit)
    query = visit.request.query_params
    message = answered(talk, parse_id(query.get("to", "")))
    choices = await answering_as(visit, talk)
    letter = await original(visit, message)
    kind = _kind(query.get("kind", ""))
    chosen = preset(visit.services.rulebook.current, choices, came_to(letter))
    said = proposal(visit, letter, kind, await visit.read(references_of, talk.id))
    fields = {
        "from": str(chosen.address) if chosen else "",
        "to": typed(said.to),
        "cc": typed(said.cc),
        "subject": said.subject,
        "text": beginning(await _signature(visit, chosen), said.quoted),
        "markup": "1" if await begins_formatted(visit, chosen) else "",
        "after": "waiting",
        "take": "\n".join(f"{message.id}:{f.part}" for f in letter.facts.attachments) if kind is Kind.FORWARD else "",
    }
    fresh = fresh_draft(
        visit, fields, chosen, kind="forward" if kind is Kind.FORWARD else "answer", conversation_id=talk.id,
        answers_id=message.id, seen_id=talk.messages[-1].id,
    )  # fmt: skip
    return await desk_page(visit, await desk_of(visit, fresh, talk=talk), fresh=True)


async def write_form(visit: Visit) -> Response:
    """Show the form for a new letter; nothing is kept yet."""
    inboxes = writable(visit)
    if not inboxes:
        raise ForbiddenError("readers write nothing")
    team = visit.request.query_params.get("team")
    choices = senders(visit.services.rulebook.current, inboxes)
    chosen = next((c for c in choices if team_of(c.inbox) == team_of(team or "")), choices[0] if choices else None)
    fields = {
        "from": str(chosen.address) if chosen else "",
        "text": beginning(await _signature(visit, chosen)),
        "markup": "1" if await begins_formatted(visit, chosen) else "",
        "after": "waiting",
    }
    fresh = fresh_draft(visit, fields, chosen, kind="new")
    return await desk_page(visit, await desk_of(visit, fresh), fresh=True)


async def draft_form(visit: Visit) -> Response:
    """Show a draft, to go on with it."""
    found = await draft_asked(visit)
    if found.state == "discarded":
        raise NotFoundError("it was given up")
    if found.state == "sent":
        return visit.go(f"/m/{format_id(found.message_id or 0)}")
    desk = await desk_of(visit, found)
    return await desk_page(visit, desk, fresh=False)


async def drafts_page(visit: Visit) -> Response:
    """List what the visitor has begun, and what waits for a release by them."""
    found = await visit.read(being_written, visible=visit.visible, by=await editor(visit))
    return visit.page("drafts.html", shell=await shell_of(visit), drafts=found, own=visit.person.login)


async def _signature(visit: Visit, chosen: Sender | None) -> str:
    return "" if chosen is None else (await signatures_for(visit, [chosen]))[str(chosen.address)]


def _kind(text: str) -> Kind:
    try:
        return Kind(text or "answer")
    except ValueError:
        raise NotFoundError("no such kind of letter") from None
