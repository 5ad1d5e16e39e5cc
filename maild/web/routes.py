"""The one table of routes. A route that does not say what it asks of its visitor cannot be written down here."""

from __future__ import annotations

from maild.archive.lists import PAGE_SIZE
from maild.web import (
    after_sending,
    conversations,
    directory,
    draft_acts,
    finding,
    folders,
    handing,
    handling,
    holding,
    inboxes,
    machine,
    messages,
    noting,
    reports,
    returned,
    rules_making_tests,
    rules_observed,
    rules_reading,
    selection,
    signing,
    undoing,
    why,
    writing,
)
from maild.web.events import Streams
from maild.web.gate import Access, Endpoint, Page
from maild.web.rules_editor import Editor
from maild.web.rules_review import Workshop
from maild.web.services import Services
from maild.web.signing import Desk

_GET = frozenset({"GET"})
_POST = frozenset({"POST"})
_MAX_RULES_BYTES = 8_000_000  # of a form that carries the rules file, in which an umlaut takes six octets


def pages_of(services: Services) -> tuple[Page, ...]:
    """Return every route of the site."""
    desk = Desk(services)
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
        Page(path="/reports", endpoint=reports.page, access=Access.REPORTS),
        Page(path="/returned", endpoint=returned.page, access=Access.READ),
        Page(path="/returned.csv", endpoint=returned.table, access=Access.READ),
        Page(path="/search", endpoint=finding.find, access=Access.READ),
        Page(path="/search/folders", endpoint=folders.change, access=Access.SIGNED_IN, methods=_POST),
        Page(path="/events", endpoint=streams.events, access=Access.READ),
        Page(path="/sessions", endpoint=signing.sessions, access=Access.SIGNED_IN),
        Page(path="/sessions", endpoint=signing.end, access=Access.SIGNED_IN, methods=_POST),
        Page(path="/sessions/mail-programs", endpoint=signing.revoke, access=Access.SIGNED_IN, methods=_POST),
        Page(path="/login", endpoint=desk.show, access=Access.PUBLIC),
        Page(path="/login", endpoint=desk.sign_in, access=Access.PUBLIC, methods=_POST),
        Page(path="/logout", endpoint=signing.ask_sign_out, access=Access.SIGNED_IN),
        Page(path="/logout", endpoint=signing.sign_out, access=Access.SIGNED_IN, methods=_POST),
        Page(path="/language", endpoint=signing.choose_language, access=Access.PUBLIC, methods=_POST),
        Page(path="/directory", endpoint=directory.page, access=Access.PUBLIC),
        Page(path="/directory.json", endpoint=directory.as_json, access=Access.PUBLIC),
        Page(path="/healthz", endpoint=machine.alive, access=Access.PUBLIC),
        Page(path="/readyz", endpoint=machine.ready, access=Access.PUBLIC),
        Page(path="/metrics", endpoint=machine.metrics, access=Access.OPERATE),
        Page(path="/static/{name}", endpoint=machine.static, access=Access.PUBLIC),
    )


def _handling_pages() -> tuple[Page, ...]:
    """Return what is done to entries of inboxes."""
    respond = Access.RESPOND
    return (
        Page(path="/c/{reference}/state", endpoint=handling.set_state, access=respond, methods=_POST),
        Page(path="/c/{reference}/assignee", endpoint=handling.set_assignee, access=respond, methods=_POST),
        Page(path="/c/{reference}/marks", endpoint=handling.set_marks, access=respond, methods=_POST),
        Page(path="/c/{reference}/hand", endpoint=handing.hand_form, access=Access.READ),
        Page(path="/c/{reference}/hand", endpoint=handing.hand_over, access=respond, methods=_POST),
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


def _rules_pages(services: Services) -> tuple[Page, ...]:
    workshop = Workshop(services)
    editor = Editor(workshop)

    def page(path: str, endpoint: Endpoint, methods: frozenset[str] = _POST) -> Page:
        return Page(path=path, endpoint=endpoint, access=Access.RULES, methods=methods, max_body_bytes=_MAX_RULES_BYTES)

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
        page("/rules/save", workshop.save),
        page("/rules/observed", rules_observed.page, _GET),
        page("/rules/history", rules_reading.versions, _GET),
        page("/rules/history/{number}", rules_reading.version, _GET),
        page("/rules/history/{number}/back", workshop.roll_back),
        page("/rules/proposals/{number}", workshop.proposal, _GET),
        page("/rules/proposals/{number}", workshop.decide),
    )
