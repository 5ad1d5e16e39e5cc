"""What the buttons of a letter's form do.

Each keeps what was typed before it does anything else, so that nothing is lost whatever follows.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from maild.archive import queries
from maild.archive.audit import Record
from maild.archive.drafts import OPEN, RELEASE, Draft, Removal, Save, draft, remove, save_drafts
from maild.errors import ForbiddenError, MaildError, NotFoundError, TemporaryError
from maild.intake.submission import Sent
from maild.mail.acts import Act
from maild.mail.answering import Proposal
from maild.mail.ids import format_id, parse_id
from maild.policy.roles import Permission
from maild.rules.authorship import Sender, preset, senders
from maild.web.asked import conversation_asked
from maild.web.attached import as_they_may, files_of, keep, talks_of
from maild.web.desk import (
    Desk,
    answering_as,
    conversation_of,
    desk_of,
    draft_asked,
    editor,
    fresh_draft,
    inboxes_of,
    kind_of,
    may_send,
)
from maild.web.draft_form import check, typed_fields
from maild.web.inserting import Occasion, Piece, inserted, piece, signed_as
from maild.web.language import catalogue
from maild.web.originals import answered, came_to, original, proposal
from maild.web.own_addresses import writable
from maild.web.presence import Present
from maild.web.recording import remember_conversation
from maild.web.sending import Ready, TooLarge, send
from maild.web.shell import Place, place_at
from maild.web.visit import Visit

_NOTHING = Proposal()
_INSERTING = frozenset({"template", "piece"})  # by a page of its own, or at the place where the script puts it
_SIGNING = _INSERTING | {"send", "save", "release", "preview"}
_SAID = {"release": "released", "signature": "signature"}


async def save_reply(visit: Visit) -> Response:
    """Keep what was typed in the form for an answer, and do what its button says."""
    answers_id = parse_id(visit.form.get("answers", ""))
    talk = await _where_it_lies(visit, await conversation_asked(visit), answers_id)
    inboxes = inboxes_of(visit, talk)
    if visit.form.get("team", "") not in {"", *inboxes}:
        raise NotFoundError("no such entry")
    kind = "forward" if visit.form.get("kind") == "forward" else "answer"
    message = answered(talk, answers_id)
    choices = await answering_as(visit, talk)
    letter = await original(visit, message)
    chosen = preset(visit.services.rulebook.current, choices, came_to(letter))
    fresh = fresh_draft(
        visit, {"from": str(chosen.address) if chosen else ""}, chosen, kind=kind, conversation_id=talk.id,
        answers_id=message.id,
        # What the author had before the eyes says their form: what has come since is not in it.
        seen_id=parse_id(visit.form.get("seen", "")) or message.id,
    )  # fmt: skip
    return await _keep_and_act(visit, fresh)


async def _where_it_lies(visit: Visit, talk: queries.Conversation, answers_id: int | None) -> queries.Conversation:
    """Return the conversation of the letter that is answered: it may have been split off since the form was opened."""
    if answers_id is None or any(letter.id == answers_id for letter in talk.messages):
        return talk
    letter = await visit.read(queries.message, visible=visit.visible, message_id=answers_id)
    talk = await visit.read(queries.conversation, visible=visit.visible, reference=letter.reference)
    remember_conversation(visit, talk)
    return talk


async def save_new(visit: Visit) -> Response:
    """Keep what was typed in the form for a new letter, and do what its button says."""
    choices = senders(visit.services.rulebook.current, writable(visit))
    chosen = next((c for c in choices if str(c.address) == visit.form.get("from")), choices[0] if choices else None)
    if chosen is None:
        raise ForbiddenError("readers write nothing")
    return await _keep_and_act(visit, fresh_draft(visit, {"from": str(chosen.address)}, chosen, kind="new"))


async def save_draft(visit: Visit) -> Response:
    """Keep what was typed in a draft, and do what its button says."""
    return await _keep_and_act(visit, await draft_asked(visit))


async def _keep_and_act(visit: Visit, about: Draft) -> Response:
    about = await _named(visit, about)
    if about.state not in OPEN:
        return visit.go(_after(about))
    fields, do = typed_fields(visit.form, about.fields), visit.form.get("do", "save")
    chosen, new = await _chosen(visit, about, fields["from"]), None
    if chosen is not None and do in _SIGNING:
        desk = await desk_of(visit, about)
        signed = {**fields, "text": signed_as(fields["text"], desk.signatures, chosen)}
        # What was changed for the author is seen by the author before it leaves.
        do, fields = ("signature" if do == "send" and signed != fields else do), signed
        if do in _INSERTING:
            new = await _template(visit, desk, chosen)
        if do == "template" and new is not None:
            fields = _inserted(desk, chosen, fields, new)
    inbox = chosen.inbox if chosen is not None else about.team
    if chosen is None and inbox not in writable(visit):
        raise ForbiddenError("readers write nothing")
    # Only who presses the button below an answer of a colleague has taken note of it; a draft is kept by itself.
    seen = (parse_id(visit.form.get("seen", "")) or 0) if do == "send" else 0
    by = await editor(visit)
    save = Save(
        id=about.id, by=by, team=inbox, kind=about.kind, conversation_id=about.conversation_id,
        answers_id=about.answers_id, seen_id=max(about.seen_id or 0, seen) or None, fields=fields,
        at_ms=visit.services.now_ms(), why=RELEASE if do == "release" else None, note=_taken_over(visit),
    )  # fmt: skip
    needs, of, released = ((Permission.DRAFT, inbox),), talks_of(about), _released(visit, save)
    state = await visit.write(save_drafts, save, *released, needs=needs, of=of, narrowed=as_they_may)
    if state not in OPEN:
        return visit.go(f"/drafts/{format_id(about.id)}")
    whole = await keep(visit, about, inbox, by, visit.files)
    _tell(visit, inbox, about)
    if do == "piece":
        return JSONResponse({"subject": new.subject, "text": new.text} if new is not None else {})
    return await _act(visit, about, inbox, do, whole=whole)


async def _template(visit: Visit, desk: Desk, chosen: Sender) -> Piece | None:
    here = Occasion(sender=chosen, reference=desk.talk.reference if desk.talk else "", letter=desk.letter)
    return await piece(visit, visit.form.get("template", ""), here)


def _inserted(desk: Desk, chosen: Sender, fields: dict[str, str], new: Piece) -> dict[str, str]:
    return inserted(fields, new, signature=desk.signatures.get(str(chosen.address), ""), quoted=desk.quoted)


def _taken_over(visit: Visit) -> str:
    """Return what somebody is told of whose draft the visitor goes on with, while they are away."""
    _ = catalogue(visit.services.rulebook.current.organisation.language).gettext
    return _("The draft that {name} began, and could not finish, is taken over.")


def _released(visit: Visit, save: Save) -> tuple[Record, ...]:
    """Return the record of a draft that is given to a colleague to be sent; keeping one is no act to record."""
    if save.why != RELEASE:
        return ()
    return (
        visit.acted(
            Act.RELEASED, team=save.team, conversation_id=save.conversation_id, about=format_id(save.id), what="draft"
        ),
    )


async def _chosen(visit: Visit, about: Draft, address: str) -> Sender | None:
    """Return the address that was chosen, else the one before, of those that the visitor may write from."""
    if about.conversation_id is not None:
        choices = await answering_as(visit, await visit.read(conversation_of, visit, about))
    else:
        choices = senders(visit.services.rulebook.current, writable(visit))
    wanted = (address, about.fields.get("from"))
    return next((c for name in wanted for c in choices if str(c.address) == name), None)


async def _named(visit: Visit, about: Draft) -> Draft:
    """Return the draft that the form names, where it was kept before; else the new one under the name of the form."""
    if "draft" not in visit.request.path_params:
        number = parse_id(visit.form.get("draft", ""))
        if number is None:
            raise HTTPException(400)
        try:
            return await visit.read(draft, visible=visit.visible, by=await editor(visit), draft_id=number)
        except NotFoundError:
            return replace(about, id=number)
    return about


def _tell(visit: Visit, inbox: str, about: Draft) -> None:
    """Have the pages of colleagues show that something is being written; not at every letter that is typed."""
    if about.conversation_id is not None:
        here = visit.services.presence
        if visit.form.get("do") != "autosave":
            here.stop(about.conversation_id, visit.person.user_id)
        else:
            who = Present(
                user_id=visit.person.user_id, name=visit.person.name or visit.person.login, teams=frozenset({inbox})
            )
            if here.write(about.conversation_id, who, visit.now_ms):
                visit.services.feed.publish(frozenset({inbox}))
    if about.changed_ms >= visit.now_ms and about.conversation_id is not None:
        visit.services.feed.publish(frozenset({inbox}))


async def _act(visit: Visit, about: Draft, inbox: str, do: str, *, whole: bool) -> Response:
    draft_id, here = about.id, _page_of(visit, about.id)
    by, at_ms = await editor(visit), visit.services.now_ms()
    needs, of = ((Permission.DRAFT, inbox),), talks_of(about)
    if do == "autosave":
        return Response(status_code=204)
    if not whole:
        return visit.go(f"{here}said=too-large")
    if do == "send":
        return await _send(visit, draft_id)
    if do == "discard":
        found = await visit.read(draft, visible=visit.visible, by=by, draft_id=draft_id)
        gone = Removal(draft_id=draft_id, by=by, at_ms=at_ms)
        await visit.write(remove, gone, needs=needs, of=of, narrowed=as_they_may)
        return visit.go(await _home(visit, found))
    if do.startswith("remove-") and do[7:].isascii() and do[7:].isdigit():
        gone = Removal(draft_id=draft_id, by=by, at_ms=at_ms, position=int(do[7:10]))
        await visit.write(remove, gone, needs=needs, of=of, narrowed=as_they_may)
    if do == "preview":
        return visit.go(f"{here}preview=1#preview")
    return visit.go(f"{here}said={_SAID.get(do, 'saved')}")


async def _send(visit: Visit, draft_id: int) -> Response:
    here = _page_of(visit, draft_id)
    found = await visit.read(draft, visible=visit.visible, by=await editor(visit), draft_id=draft_id)
    desk = await desk_of(visit, found)
    rules = visit.services.rulebook.current
    checked = check(found, rules=rules, sender=desk.sender, beside=desk.beside, language=visit.language)
    if checked.problems or desk.sender is None:
        return visit.go(f"{here}check=1")
    if not may_send(visit, desk):
        return visit.go(f"{here}said=not-yours")
    said = proposal(visit, desk.letter, kind_of(found)) if desk.letter else _NOTHING
    try:
        ready = Ready(
            draft=found, checked=checked, sender=desk.sender, said=said, original=desk.beside.original,
            talk=desk.talk, files=await files_of(visit, found),
        )  # fmt: skip
        done = await send(visit, ready)
    except TemporaryError:
        return visit.go(f"{here}said=not-stored")
    except NotFoundError:
        return visit.go(f"{here}said=file-gone")
    except MaildError:
        return visit.go(f"{here}said=not-sent")
    if isinstance(done, TooLarge):
        return visit.go(f"{here}said=too-large")
    if not isinstance(done, Sent):
        visit.services.feed.publish(frozenset({desk.sender.inbox}))
        return visit.go(f"{here}check=1")
    message = await visit.read(queries.message, visible=visit.visible, message_id=done.message_id)
    # Beside it stays the list that the author came from: the next letter is there, and not where this one went.
    place = place_at(visit, visit.form.get("place", "")) or Place(team=desk.sender.inbox)
    return visit.go(f"{place.conversation_url(message.reference)}#m-{format_id(done.message_id)}")


def _page_of(visit: Visit, draft_id: int) -> str:
    """Return the address of a draft, to which what it is to say can be added."""
    place = place_at(visit, visit.form.get("place", ""))
    return f"/drafts/{format_id(draft_id)}?" + (f"{urlencode({'place': place.url})}&" if place is not None else "")


async def _home(visit: Visit, found: Draft) -> str:
    if found.conversation_id is None:
        return "/"
    talk = await visit.read(conversation_of, visit, found)
    return f"/c/{talk.reference}"


def _after(found: Draft) -> str:
    return f"/m/{format_id(found.message_id)}" if found.message_id is not None else "/"
