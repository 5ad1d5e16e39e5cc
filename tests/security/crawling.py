"""The route table as a list of requests: what A1, A2, W4 and W5 are generated from.

A route with a parameter that is not known here makes these tests fail: say what belongs into it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from maild.archive.handbook import Save, save_pages
from maild.web.gate import Access, Page
from maild.web.routes import pages_of
from tests.web.office import PASSWORD, Office, letter, shown_id

ATTACHED = (
    "From: {name} <{mail}>\nTo: {to}\nSubject: {subject}\nMessage-ID: <{key}>\nMIME-Version: 1.0\n"
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n<p>{text}</p>\n"
    '--b\nContent-Type: text/plain; name="{file}"\nContent-Disposition: attachment; filename="{file}"\n\n'
    "{inside}\n--b--\n"
)


@dataclass(frozen=True)
class Objects:
    """What stands in the places of a path."""

    team: str
    reference: str
    id: str
    part: str = "2"
    name: str = "maild.css"
    rule: str = "eilt"
    number: str = "1"
    draft: str = "0000000000001"
    page: str = "seite"
    token: str = "no-such-token"

    def path(self, page: Page) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: str(getattr(self, found[1])), page.path)


NOWHERE = Objects(team="nirgends", reference="0000-0001", id="0000000000001", part="9", name="nothing.css",
                  page="keine")  # fmt: skip
FORMS = {
    "/c/{reference}/state": {"state": "closed"},
    "/c/{reference}/assignee": {"assignee": ""},
    "/c/{reference}/marks": {"tag": "eilt"},
    "/c/{reference}/hand": {"do": "fetch"},
    "/c/{reference}/merge": {"with": "0000-0001"},
    "/c/{reference}/split": {"letter-0000000000001": "1"},
    "/inbox/{team}/selection": {"do": "closed"},
    "/search/folders": {"q": "x", "name": "x"},
    "/offer": {},
    "/undo": {"undo": "1", "next": "/"},
    "/c/{reference}/reply": {"draft": "0000000000009", "do": "save", "text": "x"},
    "/c/{reference}/note": {"note": "x"},
    "/c/{reference}/model": {"why": "x"},
    "/handbook/{team}": {"title": "x", "text": "x"},
    "/handbook/{team}/{page}": {"title": "x", "text": "x", "base": "1"},
    "/templates/{team}": {"name": "x", "do": "remove"},
    "/welcome": {},
    "/write": {"draft": "0000000000008", "do": "save", "text": "x"},
    "/drafts/{draft}": {"do": "save", "text": "x"},
    "/m/{id}/take-back": {},
    "/m/{id}/deliveries": {"do": "drop"},
    "/m/{id}/release": {"next": "/"},
    "/sessions": {"handle": "0" * 16},
    "/sessions/mail-programs": {"password": "1"},
    "/sessions/copies": {"on": "0"},
    "/sessions/digest": {"mode": "off", "hour": "8"},
    "/sessions/password": {"new": PASSWORD, "again": PASSWORD},
    "/sessions/second-factor": {"do": "remove"},
    "/sessions/passkeys": {"remove": "1"},
    "/sessions/notices": {"up_to": "1"},
    "/confirm": {"confirm-password": PASSWORD},
    "/invitations": {"login": "leser"},
    "/invitations/agreements": {"number": "999999", "made": "1", "do": "agree"},
    "/welcome/{token}": {"new": PASSWORD, "again": PASSWORD},
    "/login/passkey": {"passkey": "{}", "passkey-ticket": "x"},
    "/login/second": {"ticket": "x", "code": "123456"},
    "/login": {"login": "x", "password": "y"},
    "/logout": {},
    "/language": {"language": "en"},
    "/rules/edit": {"text": "version: 1"},
    "/rules/check": {"text": "version: 1"},
    "/rules/new": {"f_id": "neu", "f_tag": "x"},
    "/rules/rule/{rule}": {"do": "apply", "f_tag": "x"},
    "/rules/act": {"rule": "eilt", "act": "delete"},
    "/rules/review": {"text": "version: 1"},
    "/rules/save": {"text": "version: 1", "reason": "x"},
    "/rules/history/{number}/back": {},
    "/rules/proposals/{number}": {"decision": "approved"},
    "/people/grants": {"login": "x", "role": "reader"},
    "/people/revocations": {"number": "999999", "role": "reader"},
    "/people/accounts": {"login": "zwei worte"},
    "/people/state": {"number": "999999", "do": "close"},
    "/people/notices": {"up_to": "1"},
    "/queue/{number}": {"do": "hold"},
    "/absences": {"login": "x"},
    "/person/{number}/handover": {"last": "x"},
    "/handovers": {"letter": "999999"},
    "/absences/end": {"absence": "999999"},
    "/absences/return": {"absence": "999999"},
    "/audit/requests": {"person": "petra", "purpose": "x"},
    "/audit/decisions": {"request": "999999"},
}


def pages(office: Office, *, endless: bool = False) -> list[Page]:
    """Return the routes; without the stream, which has no end."""
    return [page for page in pages_of(office.services) if endless or page.path != "/events"]


def guarded(page: Page) -> bool:
    return page.access in {Access.READ, Access.RESPOND}


def objects_of(office: Office, team: str, message_id: int, *, author: str = "") -> Objects:
    """Return the objects that belong to a letter, with a draft that somebody writes to answer it."""
    draft_id = office.draft(author, message_id, team, "secret draft") if author else 1
    write_page(office, team)
    return Objects(team=team, reference=office.reference(message_id), id=shown_id(message_id), draft=shown_id(draft_id))


def write_page(office: Office, team: str, text: str = "Text") -> None:
    """Have a team write the page that `Objects` names, where it is not there."""
    save = Save(team=team, page="seite", base=0, title=text, address="", text=text, author="jemand", at_ms=1)
    office.database.writer.submit(save_pages, save).result()


def without_chance(text: str) -> str:
    """Leave out what differs between any two answers: the nonce, the id of the request."""
    text = re.sub(r'nonce="[^"]*"', "nonce", text)
    return re.sub(r"<code>[0-9a-f]{12}</code>", "id", text)


def small_office(office: Office) -> tuple[Objects, Objects]:
    """Give two teams a letter each; returns their objects."""
    kita = office.mail(letter())
    bau = office.mail(letter("Bauantrag"), "bauamt@musterstadt.example")
    return objects_of(office, "kita", kita, author="petra"), objects_of(office, "bauamt", bau, author="bert")
