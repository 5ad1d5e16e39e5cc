"""What can be done with a letter that somebody has sent: take it back for some seconds, try again, give it up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.responses import Response

from maild.archive import queries
from maild.archive.audit import Record
from maild.archive.outgoing import Written, written_of
from maild.archive.register import returns_of
from maild.archive.standing import Need
from maild.delivery.deliveries import ENDED_BADLY
from maild.delivery.queue.acts import Act, Change
from maild.delivery.queue.carrying import change_and_settle
from maild.delivery.queue.listing import deliveries_in, deliveries_of, failed_letters
from maild.errors import ForbiddenError, MaildError, NotFoundError, TemporaryError
from maild.intake.taking_back import TakeBack, TakenBack, take_back
from maild.mail import acts
from maild.mail.ids import format_id, parse_id
from maild.policy.roles import Permission
from maild.web.delivery_words import Fate, fate, waits
from maild.web.visit import Visit

_ALARMS = 5


async def fates(visit: Visit, messages: Iterable[queries.Message]) -> dict[int, Fate]:
    """Return what is to be said at each letter of its deliveries, and of what came back; nothing: no key."""
    ids = [message.id for message in messages if message.direction == "out"]
    if not ids:
        return {}
    found = await visit.read(deliveries_of, visible=visit.visible, message_ids=ids)
    came = await visit.read(returns_of, visible=visit.visible, message_ids=ids)
    return {
        n: fate(found.get(n, ()), came.get(n, ()), now_ms=visit.now_ms, zone=visit.zone, language=visit.language)
        for n in found.keys() | came.keys()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What did not arrive and nobody has settled: of how many letters, and the newest few, each with a recipient."""

    count: int
    newest: tuple[tuple[queries.Message, str], ...]


async def failures(visit: Visit) -> Failures:
    """Return what did not arrive of the letters of the visitor's teams."""
    count = await visit.read(failed_letters, visible=visit.visible)
    return Failures(count=count, newest=await _newest_failures(visit) if count else ())


async def _newest_failures(visit: Visit) -> tuple[tuple[queries.Message, str], ...]:
    found = await visit.read(deliveries_in, visible=visit.visible, limit=50, states=ENDED_BADLY, newest_first=True)
    latest = {each.message_id: each.recipient for each in found}
    shown = []
    for number in sorted(latest, reverse=True)[:_ALARMS]:
        try:
            message = await visit.read(queries.message, visible=visit.visible, message_id=number)
        except NotFoundError:
            continue
        shown.append((message, latest[number]))
    return tuple(shown)


async def undo(visit: Visit) -> Response:
    """Take a letter back."""
    message, written = await _ours(visit)
    if written is None:
        return visit.go(_at(message))
    asked = TakeBack(
        written=written, conversation_id=message.conversation_id, by=visit.person.login, at_ms=visit.services.now_ms()
    )
    try:
        done: TakenBack = await visit.write(
            take_back, asked, _done(visit, message, written, "take-back"), needs=_needs(written),
            of=(message.conversation_id,),
        )  # fmt: skip
    except (TemporaryError, ForbiddenError):
        raise
    except MaildError:
        return visit.go(_at(message, "too-late"))
    visit.services.feed.publish(frozenset({written.team}))
    if done.draft_id is None:
        return visit.go(_at(message, "too-late" if done.left else ""))
    return visit.go(f"/drafts/{format_id(done.draft_id)}?said=taken-back")


async def settle(visit: Visit) -> Response:
    """Try the deliveries that failed again, let those go that wait for it, or give them up."""
    message, written = await _ours(visit)
    act = {"retry": Act.RETRY, "drop": Act.DROP, "release": Act.RELEASE}.get(visit.form.get("do", ""))
    if written is None or act is None:
        return visit.go(_at(message))
    found = await visit.read(deliveries_of, visible=visit.visible, message_ids=[message.id])
    said = ""
    for each in found.get(message.id, ()):
        if waits(each) if act is Act.RELEASE else each.state in ENDED_BADLY or (waits(each) and act is Act.DROP):
            asked = Change(delivery_id=each.id, act=act, by=visit.person.login, at_ms=visit.services.now_ms())
            try:
                await visit.write(
                    change_and_settle, asked, _done(visit, message, written, str(act)), needs=_needs(written),
                    of=(message.conversation_id,),
                )  # fmt: skip
            except (TemporaryError, ForbiddenError):
                raise
            except MaildError:
                said = "too-late"
    visit.services.feed.publish(frozenset({written.team}))
    return visit.go(_at(message, said))


async def _ours(visit: Visit) -> tuple[queries.Message, Written | None]:
    """Return a message, and whose it is; None for one that nobody here wrote. Raises ForbiddenError."""
    number = parse_id(visit.request.path_params["id"])
    if number is None:
        raise NotFoundError("not an id")
    message = await visit.read(queries.message, visible=visit.visible, message_id=number)
    written = (await visit.read(written_of, visible=visit.visible, message_ids=[number])).get(number)
    teams, helps = (written.team,) if written else message.teams, visit.helps(Permission.RESPOND)
    if not any(visit.may(Permission.RESPOND, team) or team in helps for team in teams):
        raise ForbiddenError("readers change nothing")
    return message, written


def _done(visit: Visit, message: queries.Message, written: Written, what: str) -> Record:
    return visit.acted(
        acts.Act.DELIVERY,
        team=written.team,
        conversation_id=message.conversation_id,
        about=format_id(message.id),
        what=what,
    )


def _needs(written: Written) -> tuple[Need, ...]:
    return ((Permission.RESPOND, written.team),)


def _at(message: queries.Message, said: str = "") -> str:
    return f"/c/{message.reference}" + (f"?said={said}" if said else "") + f"#m-{format_id(message.id)}"
