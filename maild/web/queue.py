"""The queue, for who keeps the machine: what is on its way out, what holds it up, and what can be done about it.

Security: from the envelope alone. Who reads no letters learns here where they go, as on the command line, and no word
of them. What rules ask for is listed; that a team's held mail is let go is the team's decision, at the letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import urlencode

from starlette.responses import Response

from maild.archive.duties import RecordedDuty, waiting_duties, waiting_duty_counts
from maild.archive.outgoing import written_of
from maild.delivery.deliveries import ENDED_BADLY, OPEN
from maild.delivery.queue.acts import Act, Change, possible
from maild.delivery.queue.carrying import change_and_settle
from maild.delivery.queue.listing import RecordedDelivery, attempts_of, deliveries_in, deliveries_of, delivery
from maild.delivery.queue.listing import delivery_counts as counts_of
from maild.errors import ForbiddenError, MaildError, NotFoundError, TemporaryError
from maild.mail import acts
from maild.policy.roles import Permission
from maild.policy.visible import OPERATOR
from maild.web import times
from maild.web.delivery_words import waits
from maild.web.duty_words import lines
from maild.web.forms import whole_number
from maild.web.language import catalogue
from maild.web.queue_words import ACTS, DONE, LISTS, QUICKER, RESULTS, STATES, TOO_LATE
from maild.web.shell import shell_of, team_name
from maild.web.visit import Visit

PAGE_SIZE = 50
_DUTIES = "duties"
_IN: Mapping[str, tuple[str, ...]] = {"open": OPEN, **{state: (state,) for state in (*OPEN, *ENDED_BADLY)}}
_MAX_TO = 320


async def overview(visit: Visit) -> Response:
    """List deliveries in a state, or what rules ask for and is not done."""
    query = visit.request.query_params
    state, to = query.get("state", "open"), query.get("to", "").strip()[:_MAX_TO]
    after = _number(query.get("after", "0"))
    if state not in LISTS:
        raise NotFoundError("there is no such list")
    counts = await visit.read(counts_of, visible=OPERATOR)
    counts |= await visit.read(counts_of, visible=OPERATOR, states=ENDED_BADLY)
    waiting = await visit.read(waiting_duty_counts, visible=OPERATOR)
    counts |= {_DUTIES: sum(waiting.values()), "open": sum(counts.get(each, 0) for each in OPEN)}
    found, duties = [], []
    if state == _DUTIES:
        duties = await visit.read(waiting_duties, visible=OPERATOR, limit=PAGE_SIZE + 1, after=after)
    else:
        # What waits, in the order in which it came; of what ended badly the newest first.
        newest_first = state in ENDED_BADLY
        found = await visit.read(
            deliveries_in, visible=OPERATOR, limit=PAGE_SIZE + 1, after=after, states=_IN[state], to=to,
            newest_first=newest_first,
        )  # fmt: skip
    shown = (found or duties)[:PAGE_SIZE]
    more = {"state": state, "to": to, "after": str(shown[-1].id)} if len(found or duties) > PAGE_SIZE else {}
    return visit.page(
        "queue.html",
        shell=await shell_of(visit),
        state=state,
        to=to,
        lists=[(name, words, counts.get(name, 0)) for name, words in LISTS.items()],
        words=STATES,
        said_of=partial(_said, visit),
        ahead=partial(times.ahead, now_ms=visit.now_ms, language=visit.language),
        found=found[:PAGE_SIZE],
        duties=[(each, team_name(visit, each.team), _told(visit, each)) for each in duties[:PAGE_SIZE]],
        more=urlencode(more),
    )


async def one(visit: Visit) -> Response:
    """Show a delivery with its tries."""
    found = await _asked(visit)
    return await _show(visit, found, asks=visit.request.query_params.get("ask", ""))


async def act(visit: Visit) -> Response:
    """Hold a delivery, let it go, try it again, give it up; the last one is asked about first."""
    found = await _asked(visit)
    here = f"/queue/{found.id}"
    try:
        asked = Act(visit.form.get("do", ""))
    except ValueError:
        return visit.go(here)
    if asked is Act.DROP and visit.form.get("sure") != "yes":
        return visit.go(f"{here}?ask={asked}")
    written = await visit.read(written_of, visible=OPERATOR, message_ids=[found.message_id])
    team = written[found.message_id].team if found.message_id in written else ""
    done = visit.acted(acts.Act.DELIVERY, team=team, about=f"D{found.id}", what=str(asked))
    change = Change(delivery_id=found.id, act=asked, by=visit.person.login, at_ms=visit.services.now_ms())
    try:
        await visit.write(change_and_settle, change, done, needs=((Permission.OPERATE, None),))
    except (NotFoundError, ForbiddenError, TemporaryError):
        raise
    except MaildError:
        return visit.go(f"{here}?said={TOO_LATE}")
    visit.services.wake()
    if team:
        visit.services.feed.publish(frozenset({team}))
    return visit.go(f"{here}?said={asked}")


async def _show(visit: Visit, found: RecordedDelivery, *, asks: str) -> Response:
    open_to = possible(found.state, may_have_arrived=found.once and found.doubtful)
    others = await visit.read(deliveries_of, visible=OPERATOR, message_ids=[found.message_id])
    return visit.page(
        "queue_delivery.html",
        shell=await shell_of(visit),
        each=found,
        tries=await visit.read(attempts_of, visible=OPERATOR, delivery_id=found.id),
        others=[other for other in others.get(found.message_id, ()) if other.id != found.id][:PAGE_SIZE],
        words=STATES,
        said_of=partial(_said, visit),
        ahead=partial(times.ahead, now_ms=visit.now_ms, language=visit.language),
        results=RESULTS,
        open_to=[(str(each), ACTS[each]) for each in open_to],
        asks=asks == Act.DROP and Act.DROP in open_to,
        said=DONE.get(visit.request.query_params.get("said", ""), ""),
        too_late=visit.request.query_params.get("said") == TOO_LATE,
    )


def _said(visit: Visit, found: RecordedDelivery) -> str:
    """Return what the other server said last, or why a person has to decide."""
    return catalogue(visit.language).gettext(QUICKER) if waits(found) else found.outcome


def _told(visit: Visit, duty: RecordedDuty) -> str:
    """Return what is still to be done, in a line; what has no words of its own, as the command line names it."""
    said = lines([duty], visit.language, frozenset())
    return said[0].text if said else f"{duty.kind} {duty.target}".rstrip()


async def _asked(visit: Visit) -> RecordedDelivery:
    number = _number(visit.request.path_params["number"])
    return await visit.read(delivery, visible=OPERATOR, delivery_id=number)


def _number(text: str) -> int:
    """Return a number of the queue. Raises NotFoundError for what is none."""
    number = whole_number(text.removeprefix("D"))
    if number is None:
        raise NotFoundError("not a number of the queue")
    return number
