"""The one table of routes. A route that does not say what it asks of its visitor cannot be written down here."""

from __future__ import annotations

from functools import partial

from maild.archive.lists import PAGE_SIZE
from maild.web import (
    absences,
    after_sending,
    auditing,
    between_teams,
    conversations,
    copies,
    digests,
    directory,
    draft_acts,
    figures,
    finding,
    folders,
    handbook,
    handling,
    holding,
    inboxes,
    inviting,
    joining,
    leaving,
    machine,
    messages,
    noting,
    offering,
    own_sign_in,
    people,
    people_acts,
    queue,
    reports,
    returned,
    returning,
    rules_making_tests,
    rules_observed,
    rules_reading,
    selection,
    signing,
    team_texts,
    undoing,
    welcome,
    why,
    writing,
)
from maild.web.confirming import Confirming
from maild.web.events import Streams
from maild.web.gate import Access, Endpoint, Page
from maild.web.house_sign_in import RETURN, House
from maild.web.inviting import Welcome
from maild.web.own_passkeys import OwnPasskeys
from maild.web.proofs import Proofs
from maild.web.rules_editor import Editor
from maild.web.rules_review import Workshop
from maild.web.second_factor import SecondFactor
from maild.web.services import Services
from maild.web.signing import Desk

_MANY_TEAMS = 2_000  # fields of a form with one for each of a person's teams
_GET = frozenset({"GET"})
_POST = frozenset({"POST"})
_MAX_RULES_BYTES = 8_000_000  # of a form that carries the rules file, in which an umlaut takes six octets
_MAX_PAGE_BYTES = 300_000  # of a form with a page of the handbook: six octets for an umlaut, twelve for an emoji


def pages_of(services: Services, proofs: Proofs | None = None) -> tuple[Page, ...]:
    """Return every route of the site; `proofs` are those that its gates use, too."""
    streams = Streams()
    return (
        Page(path="/", endpoint=inboxes.home, access=Access.SIGNED_IN),
        Page(path="/inbox/{team}", endpoint=inboxes.inbox, access=Access.READ),
        Page(path="/c/{reference}", endpoint=conversations.conversation, access=Access.READ),
        *_handling_pages(),
        *_writing_pages(),
        Page(path="/m/{id}", endpoint=messages.message, access=Access.READ),
        Page(path="/m/{id}/letter", endpoint=messages.letter, access=Access.READ),
        Page(path="/m/{id}/raw", endpoint=messages.raw, access=Access.READ),
        Page(path="/m/{id}/source", endpoint=messages.source, access=Access.READ),
        Page(path="/m/{id}/release", endpoint=holding.let_go, access=Access.RESPOND, methods=_POST),
        Page(path="/m/{id}/why", endpoint=why.why, access=Access.READ),
        Page(path="/m/{id}/test", endpoint=rules_making_tests.page, access=Access.READ),
        Page(path="/m/{id}/part/{part}", endpoint=messages.part, access=Access.READ),
        *_rules_pages(services),
        *_people_pages(),
        *_absence_pages(),
        Page(path="/offer", endpoint=offering.offer, access=Access.READ),
        Page(path="/offer", endpoint=offering.take, access=Access.SIGNED_IN, methods=_POST),
        Page(path="/reports", endpoint=reports.page, access=Access.REPORTS),
        Page(path="/queue", endpoint=queue.overview, access=Access.QUEUE),
        Page(path="/queue/{number}", endpoint=queue.one, access=Access.QUEUE),
        Page(path="/queue/{number}", endpoint=queue.act, access=Access.QUEUE, methods=_POST),
        Page(path="/returned", endpoint=returned.page, access=Access.READ),
        Page(path="/returned.csv", endpoint=returned.table, access=Access.READ),
        *_handbook_pages(),
        Page(path="/statistics", endpoint=figures.page, access=Access.READ),
        Page(path="/statistics.csv", endpoint=figures.table, access=Access.READ),
        Page(path="/search", endpoint=finding.find, access=Access.READ),
        Page(path="/search/folders", endpoint=folders.change, access=Access.SIGNED_IN, methods=_POST),
        Page(path="/events", endpoint=streams.events, access=Access.READ),
        *_sign_in_pages(services, proofs or Proofs(services)),
        Page(path="/language", endpoint=signing.choose_language, access=Access.PUBLIC, methods=_POST),
        Page(path="/directory", endpoint=directory.page, access=Access.PUBLIC),
        Page(path="/directory.json", endpoint=directory.as_json, access=Access.PUBLIC),
        Page(path="/healthz", endpoint=machine.alive, access=Access.PUBLIC),
        Page(path="/readyz", endpoint=machine.ready, access=Access.PUBLIC),
        Page(path="/metrics", endpoint=machine.metrics, access=Access.OPERATE),
        Page(path="/static/{name}", endpoint=machine.static, access=Access.PUBLIC),
    )


def _handbook_pages() -> tuple[Page, ...]:
    read, respond = Access.READ, Access.RESPOND
    return (
        Page(path="/handbook", endpoint=handbook.overview, access=read),
        Page(path="/handbook/{team}", endpoint=handbook.team, access=read),
        Page(
            path="/handbook/{team}",
            endpoint=handbook.add,
            access=respond,
            methods=_POST,
            max_body_bytes=_MAX_PAGE_BYTES,
        ),
        Page(path="/handbook/{team}/{page}", endpoint=handbook.page, access=read),
        Page(
            path="/handbook/{team}/{page}",
            endpoint=handbook.save,
            access=respond,
            methods=_POST,
            max_body_bytes=_MAX_PAGE_BYTES,
        ),
        Page(path="/templates/{team}", endpoint=team_texts.page, access=read),
        Page(
            path="/templates/{team}",
            endpoint=team_texts.save,
            access=respond,
            methods=_POST,
            max_body_bytes=_MAX_PAGE_BYTES,
        ),
        Page(path="/c/{reference}/model", endpoint=handbook.mark, access=respond, methods=_POST),
        Page(path="/welcome", endpoint=welcome.page, access=Access.SIGNED_IN),
        Page(path="/welcome", endpoint=welcome.dismiss, access=Access.SIGNED_IN, methods=_POST),
    )


def _sign_in_pages(services: Services, proofs: Proofs) -> tuple[Page, ...]:
    desk = Desk(services, proofs)
    confirming, second, welcome = Confirming(proofs), SecondFactor(proofs), Welcome(desk, proofs)
    changing = partial(own_sign_in.change_password, proofs)
    house, passkeys = House(services, desk), OwnPasskeys(proofs.passkeys)
    public, own = Access.PUBLIC, Access.SIGNED_IN
    return (
        Page(path="/login", endpoint=desk.show, access=public),
        Page(path="/login", endpoint=desk.sign_in, access=public, methods=_POST),
        Page(path="/login/second", endpoint=desk.second, access=public, methods=_POST),
        Page(path="/login/passkey", endpoint=desk.by_passkey, access=public, methods=_POST),
        Page(path="/login/provider", endpoint=house.begin, access=public),
        Page(path=RETURN, endpoint=house.back, access=public),
        Page(path="/welcome/{token}", endpoint=welcome.show, access=public),
        Page(path="/welcome/{token}", endpoint=welcome.take, access=public, methods=_POST),
        Page(path="/invitations", endpoint=inviting.overview, access=own),
        Page(path="/invitations", endpoint=inviting.make, access=own, methods=_POST, fresh=True),
        Page(path="/invitations/agreements", endpoint=inviting.agreement, access=own, methods=_POST, fresh=True),
        Page(path="/sessions", endpoint=own_sign_in.overview, access=own, before_second=True),
        Page(path="/sessions", endpoint=own_sign_in.end, access=own, methods=_POST, before_second=True),
        Page(path="/sessions/mail-programs", endpoint=own_sign_in.revoke, access=own, methods=_POST),
        Page(path="/sessions/copies", endpoint=copies.switch, access=own, methods=_POST),
        Page(path="/sessions/digest", endpoint=digests.save, access=own, methods=_POST, max_fields=_MANY_TEAMS),
        Page(path="/sessions/password", endpoint=changing, access=own, methods=_POST, fresh=True),
        Page(path="/sessions/second-factor", endpoint=second.show, access=own, fresh=True, before_second=True),
        Page(
            path="/sessions/second-factor",
            endpoint=second.change,
            access=own,
            methods=_POST,
            fresh=True,
            before_second=True,
        ),
        Page(path="/sessions/passkeys", endpoint=passkeys.show, access=own, fresh=True, before_second=True),
        Page(
            path="/sessions/passkeys",
            endpoint=passkeys.change,
            access=own,
            methods=_POST,
            fresh=True,
            before_second=True,
        ),
        Page(path="/sessions/notices", endpoint=own_sign_in.put_notices_away, access=own, methods=_POST),
        Page(path="/confirm", endpoint=confirming.show, access=own, before_second=True),
        Page(path="/confirm", endpoint=confirming.confirm, access=own, methods=_POST, before_second=True),
        Page(path="/logout", endpoint=signing.ask_sign_out, access=own, before_second=True),
        Page(path="/logout", endpoint=signing.sign_out, access=own, methods=_POST, before_second=True),
    )


def _handling_pages() -> tuple[Page, ...]:
    """Return what is done to entries of inboxes."""
    respond = Access.RESPOND
    return (
        Page(path="/c/{reference}/state", endpoint=handling.set_state, access=respond, methods=_POST),
        Page(path="/c/{reference}/assignee", endpoint=handling.set_assignee, access=respond, methods=_POST),
        Page(path="/c/{reference}/marks", endpoint=handling.set_marks, access=respond, methods=_POST),
        Page(path="/c/{reference}/hand", endpoint=between_teams.hand_form, access=Access.READ),
        Page(path="/c/{reference}/hand", endpoint=between_teams.hand_over, access=respond, methods=_POST),
        Page(path="/c/{reference}/join", endpoint=joining.form, access=Access.READ),
        Page(path="/c/{reference}/merge", endpoint=joining.merge_with, access=respond, methods=_POST),
        Page(
            path="/c/{reference}/split",
            endpoint=joining.split_off,
            access=respond,
            methods=_POST,
            max_fields=joining.MOST_LETTERS + 10,
        ),
        Page(
            path="/inbox/{team}/selection",
            endpoint=selection.act_on_selection,
            access=respond,
            methods=_POST,
            max_fields=2 * PAGE_SIZE,
        ),
        Page(path="/undo", endpoint=undoing.undo_act, access=Access.SIGNED_IN, methods=_POST),
    )


def _writing_pages() -> tuple[Page, ...]:
    read, respond = Access.READ, Access.RESPOND
    return (
        Page(path="/c/{reference}/reply", endpoint=writing.reply_form, access=read),
        Page(path="/c/{reference}/reply", endpoint=draft_acts.save_reply, access=respond, methods=_POST, files=True),
        Page(path="/c/{reference}/note", endpoint=noting.add_note, access=respond, methods=_POST),
        Page(path="/write", endpoint=writing.write_form, access=Access.SIGNED_IN),
        Page(path="/write", endpoint=draft_acts.save_new, access=Access.SIGNED_IN, methods=_POST, files=True),
        Page(path="/drafts", endpoint=writing.drafts_page, access=Access.SIGNED_IN),
        Page(path="/drafts/{draft}", endpoint=writing.draft_form, access=read),
        Page(path="/drafts/{draft}", endpoint=draft_acts.save_draft, access=respond, methods=_POST, files=True),
        Page(path="/m/{id}/take-back", endpoint=after_sending.undo, access=respond, methods=_POST),
        Page(path="/m/{id}/deliveries", endpoint=after_sending.settle, access=respond, methods=_POST),
    )


def _people_pages() -> tuple[Page, ...]:
    return (
        Page(path="/people", endpoint=people.overview, access=Access.PEOPLE),
        Page(path="/person/{number}", endpoint=people.one, access=Access.PEOPLE),
        Page(path="/person/{number}/handover", endpoint=leaving.form, access=Access.PEOPLE),
        Page(
            path="/person/{number}/handover",
            endpoint=leaving.hand_over,
            access=Access.PEOPLE,
            methods=_POST,
            fresh=True,
            max_fields=2_000,
        ),
        Page(path="/handovers", endpoint=leaving.seen, access=Access.SIGNED_IN, methods=_POST),
        Page(path="/people/grants", endpoint=people_acts.grant, access=Access.PEOPLE, methods=_POST, fresh=True),
        Page(path="/people/revocations", endpoint=people_acts.revoke, access=Access.PEOPLE, methods=_POST, fresh=True),
        Page(path="/people/accounts", endpoint=people_acts.account, access=Access.PEOPLE, methods=_POST, fresh=True),
        Page(path="/people/state", endpoint=people_acts.set_open, access=Access.PEOPLE, methods=_POST, fresh=True),
        Page(path="/audit", endpoint=auditing.log, access=Access.AUDIT),
        Page(path="/audit/requests", endpoint=auditing.request, access=Access.AUDIT, methods=_POST, fresh=True),
        Page(path="/audit/decisions", endpoint=auditing.decision, access=Access.SIGNED_IN, methods=_POST, fresh=True),
        Page(path="/people/notices", endpoint=people_acts.seen, access=Access.PEOPLE, methods=_POST),
    )


def _absence_pages() -> tuple[Page, ...]:
    own = Access.SIGNED_IN
    return (
        Page(path="/absences", endpoint=absences.overview, access=own),
        Page(path="/absences", endpoint=absences.mark_absent, access=own, methods=_POST),
        Page(path="/absences/end", endpoint=absences.end_absence, access=own, methods=_POST),
        Page(path="/absences/return", endpoint=returning.page, access=own),
        Page(path="/absences/return", endpoint=returning.choose, access=own, methods=_POST, max_fields=1_100),
    )


def _rules_pages(services: Services) -> tuple[Page, ...]:
    workshop = Workshop(services)
    editor = Editor(workshop)

    def page(path: str, endpoint: Endpoint, methods: frozenset[str] = _POST, *, fresh: bool = False) -> Page:
        return Page(
            path=path,
            endpoint=endpoint,
            access=Access.RULES,
            methods=methods,
            max_body_bytes=_MAX_RULES_BYTES,
            fresh=fresh,
        )

    return (
        page("/rules", rules_reading.overview, _GET),
        page("/rules/edit", editor.text, _GET),
        page("/rules/edit", editor.text),
        page("/rules/check", editor.look),
        page("/rules/new", editor.new, _GET),
        page("/rules/new", editor.new),
        page("/rules/rule/{rule}", editor.rule, _GET),
        page("/rules/rule/{rule}", editor.rule),
        page("/rules/act", editor.act),
        page("/rules/review", workshop.review),
        page("/rules/save", workshop.save, fresh=True),
        page("/rules/observed", rules_observed.page, _GET),
        page("/rules/history", rules_reading.versions, _GET),
        page("/rules/history/{number}", rules_reading.version, _GET),
        page("/rules/history/{number}/back", workshop.roll_back, fresh=True),
        page("/rules/proposals/{number}", workshop.proposal, _GET),
        page("/rules/proposals/{number}", workshop.decide, fresh=True),
    )
