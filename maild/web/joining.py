"""Merging and splitting conversations by hand: a page for both, and the two acts. Undone like any other act."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive import queries
from maild.archive.acquaintance import others_from
from maild.archive.merging import Merged, Merging, merge
from maild.archive.named import named_in
from maild.archive.splitting import Split, Splitting, split
from maild.archive.standing import Reach
from maild.archive.undoing import joined_here
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.ids import REFERENCE_BITS, parse_id, parse_reference
from maild.policy.roles import Permission
from maild.web.asked import conversation_asked, entry_asked
from maild.web.handling import back_to
from maild.web.shell import place_from, shell_of
from maild.web.visit import Visit

MOST_LETTERS = 500  # that the page lists, the newest
_TICK = "letter-"


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_WRONG = {
    "missing": _("There is no conversation of that reference here. Nothing was changed."),
    "same": _("That is this conversation. Nothing was changed."),
    "rights": _("It concerns an inbox in which you do not coordinate. Nothing was changed."),
    "confidential": _("A confidential conversation is never merged with one that is not. Nothing was changed."),
    "none": _("Tick the letters that are to become a conversation of their own. Nothing was changed."),
    "all": _("Leave at least one letter where it is. Nothing was changed."),
}
_STATUS = {"missing": 404, "rights": 403}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What the page shows of an attempt: what was typed, ticked, and what is wrong with which of the two acts."""

    wrong: str = ""
    act: str = ""
    typed: str = ""
    ticked: frozenset[int] = frozenset()


async def form(visit: Visit) -> Response:
    """Ask with which conversation, or which letters."""
    talk = await conversation_asked(visit)
    team = visit.request.query_params.get("team", "")
    entry = next((e for e in talk.entries if team in {"", e.team}), None)
    if entry is None:
        raise NotFoundError("no such entry")
    if not visit.may(Permission.ASSIGN, entry.team):
        raise ForbiddenError("merging and splitting is for coordinators")
    return await _show(visit, talk, entry, _Form())


async def _show(visit: Visit, talk: queries.Conversation, entry: queries.Entry, said: _Form) -> Response:
    query = visit.request.query_params if visit.request.method == "GET" else visit.form
    others = await visit.read(
        others_from, visible=visit.visible, team=entry.team, besides=talk.id,
        from_mails={letter.from_mail for letter in talk.messages if letter.direction == "in"},
    )  # fmt: skip
    named = await visit.read(named_in, visible=visit.visible, talk=talk)
    offered = {other.reference for other in (*talk.related, *named)}
    return visit.page(
        "joining.html",
        status=200 if not said.wrong else _STATUS.get(said.wrong, 400),
        shell=await shell_of(visit),
        conversation=talk,
        named=named,
        same_sender=[other for other in others if other.reference not in offered],
        letters=talk.messages[-MOST_LETTERS:],
        entry=entry,
        place=place_from({"state": query.get("place", "open")}, entry.team),
        joined=await visit.read(joined_here, by=visit.person.login, conversation_id=talk.id, now_ms=visit.now_ms),
        wrong=_WRONG.get(said.wrong, ""),
        act=said.act,
        typed=said.typed,
        ticked=said.ticked,
    )


async def merge_with(visit: Visit) -> Response:
    """Merge the conversation with another one, named by a reference."""
    talk, entry = await entry_asked(visit, Permission.ASSIGN)
    typed = visit.form.get("with", "").strip()[:40]
    reference = parse_reference(typed)
    try:
        if reference is None:
            raise NotFoundError("not a reference")
        other = await visit.read(queries.conversation, visible=visit.visible, reference=reference)
    except NotFoundError:
        return await _show(visit, talk, entry, _Form(wrong="missing", act="merge", typed=typed))
    asked = Merging(
        one_id=talk.id, other_id=other.id, by=visit.person.login, at_ms=visit.services.now_ms(),
        visible=visit.visible, assigns=_assigns(visit),
    )  # fmt: skip
    done: Merged = await visit.write(merge, asked, needs=((Permission.ASSIGN, entry.team),), narrowed=_narrowed)
    if done.refused:
        return await _show(visit, talk, entry, _Form(wrong=done.refused, act="merge", typed=typed))
    visit.services.feed.publish(done.teams)
    survivor = talk.reference if done.into_id == talk.id else other.reference
    return visit.go(back_to(visit, entry.team, survivor, undo_id=done.undo_id))


async def split_off(visit: Visit) -> Response:
    """Make the ticked letters a conversation of their own, and lead there."""
    talk, entry = await entry_asked(visit, Permission.ASSIGN)
    names = [name.removeprefix(_TICK) for name in visit.form if name.startswith(_TICK)]
    ticked = frozenset(number for number in map(parse_id, names) if number is not None)
    if len(ticked) != len(names):
        raise HTTPException(400)
    if not ticked:
        return await _show(visit, talk, entry, _Form(wrong="none", act="split"))
    asked = Splitting(
        conversation_id=talk.id, letters=ticked, by=visit.person.login, at_ms=visit.services.now_ms(),
        visible=visit.visible, assigns=_assigns(visit), reference_bits=secrets.randbits(REFERENCE_BITS),
    )  # fmt: skip
    done: Split = await visit.write(split, asked, needs=((Permission.ASSIGN, entry.team),), narrowed=_narrowed)
    if done.refused == "missing":  # never here, or moved on meanwhile
        raise NotFoundError("no such letter in it")
    if done.refused:
        return await _show(visit, talk, entry, _Form(wrong=done.refused, act="split", ticked=ticked))
    visit.services.feed.publish(done.teams)
    path = back_to(visit, entry.team, done.reference, undo_id=done.undo_id)
    return visit.go(f"{path}&from={talk.reference}")


def _narrowed(asked: Any, reach: Reach) -> Any:
    return replace(asked, visible=reach.visible, assigns=reach.teams(Permission.ASSIGN) & reach.visible.teams)


def _assigns(visit: Visit) -> frozenset[str]:
    return frozenset(team for team in visit.visible.teams if visit.may(Permission.ASSIGN, team))
