"""The stream of changes to open pages (server-sent events).

An event names teams and carries no mail: the page asks anew for what it shows. What the reader may see is found
out again for each event, so that a right that ended ends here as well.
Source: the HTML Standard §9.2 (text/event-stream)
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from maild.archive import queries
from maild.archive.lists import changes
from maild.errors import NotFoundError
from maild.mail.ids import parse_reference
from maild.policy.grants import visible
from maild.policy.visible import Visible
from maild.web.feed import Subscription
from maild.web.forms import whole_number
from maild.web.made_pages import Known, known_now
from maild.web.presence import Present
from maild.web.problems import problem
from maild.web.standing_in import session_of
from maild.web.visit import Visit, cookie_name

LOOK_S = 1.0  # how often the archive is asked for what another process filed
_BEAT = 15  # looks between two signs of life
_ASKS = 5  # looks between two questions whether the session holds, when nothing is to be told; _BEAT is a multiple
_FURTHEST = 1_000  # mails back to which a page is told which teams got them
_MAX_STREAMS = 500
_MAX_OF_ONE = 12


class Streams:
    """The open streams, counted."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: dict[int, int] = {}

    def is_full(self, user_id: int) -> bool:
        """Tell whether one more would be too many: of this person, or in all."""
        return sum(self._open.values()) >= _MAX_STREAMS or self._open.get(user_id, 0) >= _MAX_OF_ONE

    async def events(self, visit: Visit) -> Response:
        """Open a stream."""
        user_id = visit.person.user_id
        if self.is_full(user_id):
            return problem(visit.request, visit.services, 429, retry_after_s=30)
        return StreamingResponse(
            self._counted(visit, user_id),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    async def _counted(self, visit: Visit, user_id: int) -> AsyncIterator[str]:
        self._open[user_id] = self._open.get(user_id, 0) + 1
        try:
            with contextlib.ExitStack() as there:
                await _be_there(visit, there)
                async for event in _events(visit):
                    yield event
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]


async def _be_there(visit: Visit, there: contextlib.ExitStack) -> None:
    """Tell colleagues that the visitor reads the conversation that the address names, as long as the stream is open."""
    reference = parse_reference(visit.request.query_params.get("c", ""))
    if reference is None:
        return
    try:
        talk = await visit.read(queries.conversation, visible=visit.visible, reference=reference)
    except NotFoundError:
        return
    teams, feed = frozenset(entry.team for entry in talk.entries), visit.services.feed
    there.callback(feed.publish, teams, presence_of=visit.person.user_id)  # at last, when the visitor has gone
    who = Present(user_id=visit.person.user_id, name=visit.person.name or visit.person.login, teams=teams)
    there.enter_context(visit.services.presence.read(talk.id, who))
    feed.publish(teams, presence_of=visit.person.user_id)


def note_page(connection: Connection, visit: Visit) -> None:
    """Keep what is known to the page that is made for a visitor, before anything else of it is read."""
    if visit.session is not None and not visit.is_live:
        known = known_now(connection, visit.visible, visit.services.feed.position)
        visit.services.made.keep(visit.session.digest, visit.now_ms, known)


async def _events(visit: Visit) -> AsyncIterator[str]:
    feed = visit.services.feed
    may_see = visit.visible
    looks = 0
    with feed.subscribe() as subscription:
        known = await _begin(visit, subscription)
        yield "retry: 3000\n: listening\n\n"
        while not feed.closed:
            teams = await subscription.wait(LOOK_S)
            looks += 1
            if not teams and looks % _ASKS and await visit.read(_is_as, may_see, known):
                continue
            # Security: what the reader may see is found out before anything is told, and every few seconds.
            now_sees = await run_in_threadpool(_still_visible, visit)
            if now_sees is None:
                yield "event: end\ndata: {}\n\n"
                return
            may_see = now_sees
            before, known = known, await visit.read(known_now, may_see, feed.position)
            changed = (teams & may_see.teams) | await visit.read(_changed, may_see, before, known)
            if changed:
                yield f"event: inbox\ndata: {json.dumps({'teams': sorted(changed)})}\n\n"
            elif looks % _BEAT == 0:
                yield ": still here\n\n"


async def _begin(visit: Visit, subscription: Subscription) -> Known:
    """Return what the page knows that opens a stream, and put into its place what has changed since it was made.

    Where that is not known any more, all of it may have: the page asks once, and finds out.
    """
    feed, may_see = visit.services.feed, visit.visible
    now = await visit.read(known_now, may_see, feed.position)
    made_ms = whole_number(visit.request.query_params.get("made", ""))
    if made_ms is None or visit.session is None:  # no page of ours: it is told what comes from now on
        return now
    shown = visit.services.made.of(visit.session.digest, made_ms)
    missed = None if shown is None else feed.since(shown.position, visit.person.user_id)
    if shown is None or missed is None or now.revision - shown.revision > _FURTHEST:
        subscription.put(may_see.teams)
        return replace(now, own=dict.fromkeys(may_see.assigned, ()))
    subscription.put(missed)
    return shown


def _is_as(connection: Connection, may_see: Visible, known: Known) -> bool:
    return known_now(connection, may_see, known.position) == known


def _changed(connection: Connection, may_see: Visible, before: Known, now: Known) -> frozenset[str]:
    """Return the teams whose inboxes changed, of what is found in the archive alone."""
    # Mail that was filed anew: which inboxes it left is not told; each page asks for its own.
    found = may_see.teams if now.step != before.step else frozenset()
    if now.revision > before.revision:
        found |= changes(connection, visible=may_see, after=before.revision)
    # Security: of an inbox in which only what is assigned to them is seen, nobody is told when others work.
    marks = before.own.keys() | now.own.keys()
    return found | {team for team in marks if before.own.get(team) != now.own.get(team)}


def _still_visible(visit: Visit) -> Visible | None:
    services = visit.services
    token = visit.request.cookies.get(cookie_name(services, "session"), "")
    now_ms = services.now_ms()
    with services.database.read() as connection:
        session = session_of(connection, services, token, now_ms)
    who = None if session is None else session.principal
    return None if who is None else visible(who.grants, visit.parents, now_ms, who.user_id)
