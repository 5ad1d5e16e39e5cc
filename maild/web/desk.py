"""What lies on the desk of who writes: the draft, the letter that it answers, in whose name one may write."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import Response

from maild.archive import queries
from maild.archive.between_teams import lent
from maild.archive.drafts import COLLISION, Draft, Editor, being_written, draft
from maild.archive.outgoing import Written, answers_since, written_to
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.answering import Kind
from maild.mail.ids import format_id, message_id_at, parse_id
from maild.mail.inbox import team_of
from maild.mail.markup import letter_body, lines_of
from maild.policy.roles import Permission
from maild.rules.authorship import Sender, senders
from maild.web.asked import may_in
from maild.web.attached import room_bytes
from maild.web.draft_form import AFTER, Beside, check, ticked, unfilled
from maild.web.inserting import offered, signatures_for
from maild.web.originals import Newcomer, Original, answered, newcomers, original, proposal, takeable
from maild.web.own_addresses import writable
from maild.web.presence import Here
from maild.web.recording import remember_conversation
from maild.web.senders import says_where_answers_go
from maild.web.shell import place_at, shell_of, team_name
from maild.web.standing_in import cover_in
from maild.web.team_texts import text_pages
from maild.web.visit import Visit

_CHANCE_BITS = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What lies on the desk of who writes: the draft, the conversation and the letter that it answers.

    `others` are answers of colleagues that the author had not seen.
    """

    draft: Draft
    talk: queries.Conversation | None
    letter: Original | None
    choices: tuple[Sender, ...]
    strangers: tuple[Newcomer, ...] = ()
    others: tuple[Written, ...] = ()
    quoted: str = ""  # with which an answer, or a letter sent on, begins
    signatures: Mapping[str, str] = field(default_factory=dict)  # of the visitor, by address

    @property
    def sender(self) -> Sender | None:
        """The chosen address."""
        return next((c for c in self.choices if str(c.address) == self.draft.fields.get("from")), None)

    @property
    def beside(self) -> Beside:
        """What stands in the letter besides its author's own words."""
        return Beside(
            signature=self.signatures.get(self.draft.fields.get("from", ""), ""),
            # Security: a name in the line above the quotation is a stranger's word as well.
            original=f"{self.quoted}\n{self.letter.facts.text}" if self.letter else "",
            strangers=self.strangers,
        )


async def editor(visit: Visit) -> Editor:
    """Return who the visitor is to drafts."""
    releasing = frozenset(team for team in visit.visible.teams if visit.may(Permission.RESPOND, team))
    cover = await visit.read(cover_in, visit.services, releasing, visit.now_ms)
    acts_for = {
        team: frozenset((*cover.whom(team, visit.person.user_id), *cover.whom(team, None))) - {visit.person.user_id}
        for team in releasing
    }
    return Editor(login=visit.person.login, releasing=releasing, acts_for=acts_for)


def inboxes_of(visit: Visit, talk: queries.Conversation) -> frozenset[str]:
    """Return the inboxes of a conversation in which the visitor may write."""
    found = frozenset(entry.team for entry in talk.entries if visit.may_with(Permission.DRAFT, entry))
    if not found:
        raise ForbiddenError("readers write nothing")
    return found


def may_send(visit: Visit, desk: Desk) -> bool:
    """Tell whether the visitor may send the letter, and not only write it."""
    if desk.sender is None:
        return False
    if desk.talk is None:
        return visit.may(Permission.RESPOND, desk.sender.inbox)
    return may_in(visit, Permission.RESPOND, desk.talk, desk.sender.inbox)


async def answering_as(visit: Visit, talk: queries.Conversation) -> tuple[Sender, ...]:
    """Return the addresses under which the visitor may answer in a conversation.

    One that was handed over goes on under the address that the citizen wrote to.
    """
    inboxes = inboxes_of(visit, talk)
    known = await visit.read(lent, conversation_id=talk.id, inboxes=inboxes)
    return senders(visit.services.rulebook.current, inboxes, answering=True, lent=known)


async def draft_asked(visit: Visit) -> Draft:
    """Return the draft that the address names, to who may open it. Raises NotFoundError."""
    number = parse_id(visit.request.path_params["draft"])
    if number is None:
        raise NotFoundError("not an id")
    return await visit.read(draft, visible=visit.visible, by=await editor(visit), draft_id=number)


async def desk_of(visit: Visit, found: Draft, *, talk: queries.Conversation | None = None) -> Desk:
    """Read all that belongs to a draft. Raises ForbiddenError where the visitor may write no more."""
    if found.conversation_id is None:
        listed = senders(visit.services.rulebook.current, writable(visit))
        known = await signatures_for(visit, listed)
        return Desk(draft=found, talk=None, letter=None, choices=listed, signatures=known)
    if talk is None:
        talk = await visit.read(conversation_of, visit, found)
        remember_conversation(visit, talk)
    choices = await answering_as(visit, talk)
    letter = await original(visit, answered(talk, found.answers_id))
    wrote = await visit.read(written_to, visible=visit.visible, conversation_id=talk.id)
    said = await visit.read(says_where_answers_go, letter.message) if letter.facts.reply_to else None
    to_all = proposal(visit, letter, Kind.ANSWER_ALL)
    strangers = () if found.kind == "forward" else newcomers(letter, to_all, wrote, unproven=said is False)
    others = await visit.read(
        answers_since, visible=visit.visible, conversation_id=talk.id, since_id=found.seen_id or 0
    )
    return Desk(
        draft=found, talk=talk, letter=letter, choices=choices, strangers=strangers, others=others,
        quoted=proposal(visit, letter, kind_of(found)).quoted, signatures=await signatures_for(visit, choices),
    )  # fmt: skip


def conversation_of(connection: Connection, visit: Visit, found: Draft) -> queries.Conversation:
    """Return the conversation that a draft is part of, whatever it was merged into. Raises NotFoundError."""
    message = queries.message(connection, visible=visit.visible, message_id=found.answers_id or 0)
    return queries.conversation(connection, visible=visit.visible, reference=message.reference)


def there_now(visit: Visit, talk: queries.Conversation) -> Here:
    """Return who of the colleagues is at a conversation right now."""
    teams = frozenset(entry.team for entry in talk.entries)
    found = visit.services.presence.here([talk.id], teams, visit.person.user_id, visit.now_ms)
    return found.get(talk.id, Here())


def kind_of(draft: Draft) -> Kind:
    """Return what kind of letter a draft is; a reply to one is told from one to all by its recipients alone."""
    return Kind.FORWARD if draft.kind == "forward" else Kind.ANSWER_ALL


async def desk_page(visit: Visit, desk: Desk, *, fresh: bool) -> Response:
    """Show the form; `fresh`: nothing of it is kept yet."""
    found, query, rules = desk.draft, visit.request.query_params, visit.services.rulebook.current
    checked = check(found, rules=rules, sender=desk.sender, beside=desk.beside, language=visit.language)
    asked = not fresh and "check" in query
    reference = desk.talk.reference if desk.talk else ""
    action = f"/drafts/{format_id(found.id)}"
    if fresh:
        action = f"/c/{reference}/reply" if reference else "/write"
    return visit.page(
        "writing.html",
        shell=await shell_of(visit),
        place=place_at(visit, query.get("place", "")),
        draft=found,
        draft_id=format_id(found.id),
        action=action,
        fresh=fresh,
        reference=reference,
        bears_reference=_bears_reference(visit, desk),
        there=there_now(visit, desk.talk) if desk.talk else None,
        newest=format_id(desk.talk.messages[-1].id) if desk.talk else "",
        letter=desk.letter.message if desk.letter else None,
        choices=[(str(c.address), c.name, desk.signatures.get(str(c.address), "")) for c in desk.choices],
        may_send=may_send(visit, desk),
        may_choose=bool(desk.choices),
        own=found.author == visit.person.login,
        covered=await _covered(visit, found),
        strangers=desk.strangers,
        confirmed=ticked(found.fields, "confirmed"),
        left_out=await _left_out(visit, desk),
        takeable=await takeable(visit, desk.talk, found.answers_id) if desk.talk else (),
        taken=ticked(found.fields, "take"),
        templates=await offered(visit, desk.choices),
        texts_of=text_pages(visit, desk.choices),
        unfilled=unfilled(found, desk.beside) if asked or ticked(found.fields, "confirmed") else (),
        preview=_preview(desk) if not fresh and "preview" in query else None,
        after=AFTER,
        problems=checked.problems if asked else (),
        troubled={p.field for p in checked.problems} if asked else set(),
        said=query.get("said", "") if not fresh else "",
        others=[(format_id(w.message_id), w) for w in desk.others],
        seen=format_id(desk.others[-1].message_id if desk.others else found.seen_id or 0),
        is_collision=found.why == COLLISION,
        room=room_bytes(visit),
        team=team_name(visit, found.team) if found.team else "",
    )


def _bears_reference(visit: Visit, desk: Desk) -> bool:
    """Tell whether the subject ends with the conversation's reference when the letter leaves."""
    team = None if desk.sender is None else visit.services.rulebook.current.teams.get(team_of(desk.sender.inbox))
    return team is not None and team.reference_in_subject


async def _covered(visit: Visit, found: Draft) -> str:
    """Return the name of who wrote a draft and is away, where the visitor acts for them; "" for any other."""
    if found.author == visit.person.login:
        return ""
    written = await visit.read(
        being_written, visible=visit.visible, by=await editor(visit), conversation_id=found.conversation_id
    )
    return next((each.author_name for each in written if each.id == found.id and each.covered), "")


def _preview(desk: Desk) -> tuple[str, Markup | None]:
    """Return a letter as it would leave: its plain text, and the text with formatting where there is some."""
    text = desk.draft.fields.get("text", "")
    if not desk.draft.fields.get("markup"):
        return text, None
    return text, Markup(letter_body(text, literal=lines_of(desk.beside.original)))  # noqa: S704 - escaped there


async def _left_out(visit: Visit, desk: Desk) -> list[str]:
    """Return whom we wrote to last time and do not write to now."""
    if desk.talk is None or desk.draft.kind == "forward":
        return []
    before = await visit.read(written_to, visible=visit.visible, conversation_id=desk.talk.id)
    going = {name: desk.draft.fields.get(name, "") for name in ("to", "cc", "bcc")}
    words = " ".join(going.values()).lower()
    return sorted(key for key in before or () if key not in words)


def fresh_draft(
    visit: Visit,
    fields: dict[str, str],
    chosen: Sender | None,
    *,
    kind: str,
    conversation_id: int | None = None,
    answers_id: int | None = None,
    seen_id: int | None = None,
) -> Draft:
    """Return a draft that nobody has kept yet, under a name that nobody has."""
    return Draft(
        id=message_id_at(visit.now_ms, secrets.randbits(_CHANCE_BITS)),
        author=visit.person.login,
        team=chosen.inbox if chosen else "",
        kind=kind,
        conversation_id=conversation_id,
        answers_id=answers_id,
        seen_id=seen_id,
        fields=fields,
        state="writing",
        why="",
        changed_ms=visit.now_ms,
        message_id=None,
    )
