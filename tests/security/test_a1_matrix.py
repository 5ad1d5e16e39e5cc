"""A1, A2: every route with every role, inside and outside its dates, above, beside and below its team.

What is expected comes from `policy`: an object of a team that is not read is not there, an act without its permission
is forbidden, and no octet of any answer holds a word of what its reader may not see.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update
from starlette.requests import Request
from starlette.testclient import TestClient

from maild.archive.absences import By, Ending, Marking, end, mark
from maild.archive.accounts import NewGrant, NewUser, add_grants, add_users
from maild.archive.copies import Choice, choose
from maild.archive.digests import Asking, news
from maild.archive.folders import Keeping, keep_folders
from maild.archive.notes import NewNote, add_notes
from maild.archive.schema import entries, tags
from maild.archive.schema_absences import absences
from maild.archive.sessions import Lifetime, NewSession, digest_of, new_token, open_sessions
from maild.errors import MaildError
from maild.mail.ids import format_id
from maild.mail.inbox import is_confidential
from maild.policy.grants import Grant, Principal, assigned_with, may, teams_with, visible
from maild.policy.roles import LENT, TEAM_ROLES, Permission, Role
from maild.web.events import _events
from maild.web.feed import Feed
from maild.web.gate import Access, Page
from maild.web.pages import Pages
from maild.web.routes import pages_of
from maild.web.standing_in import session_of
from maild.web.visit import Visit, cookie_name, form_token
from tests.security.crawling import ATTACHED, FORMS, Objects, objects_of, pages
from tests.security.permissions import page as permissions_page
from tests.web.office import NOW_MS, RULES, Office, letter, rules

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parent.parent.parent
PARENTS = {"amt": None, "kita": "amt", "kita.nord": "kita", "bauamt": None, "poststelle": None}
PLACES = ("kita", "kita.nord", "amt", "bauamt", "kita:confidential")
DATES = {"before": (NOW_MS + 1, None), "inside": (0, None), "after": (0, NOW_MS)}
# What an act asks for besides reading, where that is not RESPOND.
DRAFTS = {"/c/{reference}/reply", "/c/{reference}/note"}
# Handing over what was not handed to the team before (that a responder may give back); merging; splitting.
ASSIGNS = {"/c/{reference}/hand", "/c/{reference}/join", "/c/{reference}/merge", "/c/{reference}/split"}
# Of a team that stands behind the question mark, and with five colleagues alone: tests/web/test_figures.py.
ELSEWHERE = {"/logout", "/statistics.csv"}
_ASKED = {
    Access.RULES: (Permission.RULES,),
    Access.REPORTS: (Permission.RULES, Permission.OPERATE),
    Access.PEOPLE: (Permission.PEOPLE,),
    Access.AUDIT: (Permission.AUDIT,),
    Access.QUEUE: (Permission.OPERATE,),
}
# Helpers: of all in kita and below everything is theirs, or nothing.
_LENT = frozenset({"kita", "kita.nord"})
HELPERS = [(role, "inside", _LENT) for role in sorted(LENT)]
HELPERS += [(Role.RESPONDER, "after", _LENT), (Role.RESPONDER, "inside", frozenset())]
_KNOWLEDGE = ("/handbook", "/templates")  # helpers read it and write none
OF_A_TEAM = {
    *("/inbox/{team}", "/inbox/{team}/selection", "/handbook/{team}", "/handbook/{team}/{page}", "/templates/{team}")
}
_numbers = count(1000)


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Somebody with one role in kita, or without a team, at some time; or with none.

    Who `helps` has it for what is assigned to them alone: everything is, in the places that `has` names.
    """

    principal: Principal
    session: str
    helps: bool = False
    has: frozenset[str] = frozenset()
    tried: tuple[str, ...] = PLACES

    def may(self, permission: Permission) -> bool:
        return may(self.principal, permission, now_ms=NOW_MS)

    def lent(self, permission: Permission) -> frozenset[str]:
        return assigned_with(self.principal.grants, permission, PARENTS, NOW_MS)

    def teams(self, permission: Permission) -> frozenset[str]:
        if self.helps:
            return self.lent(permission) & self.has
        return teams_with(self.principal.grants, permission, PARENTS, NOW_MS)


def _visitor(
    office: Office,
    login: str,
    role: Role | None,
    dates: tuple[int, int | None],
    *,
    helps: bool = False,
    has: frozenset[str] = frozenset(),
) -> Visitor:
    new = NewUser(login=login, name="", mail=f"{login}@elsewhere.example", password=None, created_ms=0)
    user_id = office.database.writer.submit(add_users, new).result()
    grants: tuple[Grant, ...] = ()
    if role is not None:
        team, (from_ms, until_ms) = "kita" if role in TEAM_ROLES else None, dates
        given = NewGrant(
            login=login, role=role, team=team, from_ms=from_ms, until_ms=until_ms, granted_by="test",
            only_assigned=helps,
        )  # fmt: skip
        office.database.writer.submit(add_grants, given).result()
        grants = (Grant(role=role, team=team, from_ms=from_ms, until_ms=until_ms, only_assigned=helps),)
    token = new_token()
    session = NewSession(digest=digest_of(token), user_id=user_id, client="x", at_ms=NOW_MS, lifetime=Lifetime())
    office.database.writer.submit(open_sessions, session).result()
    who = Principal(user_id=user_id, login=login, name="", grants=grants)
    return Visitor(principal=who, session=token, helps=helps, has=has, tried=_tried(role, dates, helps=helps))


def _tried(role: Role | None, dates: tuple[int, int | None], *, helps: bool) -> tuple[str, ...]:
    """Return the places to try: a role outside of its dates where it would hold inside them, and one beside."""
    if role is None or helps or dates == DATES["inside"]:
        return PLACES
    held = [Grant(role=role, team="kita", from_ms=0)] if role in TEAM_ROLES else []
    opened = teams_with(held, Permission.READ, PARENTS, NOW_MS)
    return tuple(place for place in PLACES if place in opened or place == "bauamt")


def _assign_all(office: Office, visitor: Visitor) -> None:
    with office.database.writing.begin() as connection:
        theirs = entries.c.team.in_(sorted(visitor.has))
        connection.execute(update(entries).where(theirs).values(assignee=visitor.principal.user_id))


def _canary(place: str) -> str:
    return f"kanarie{PLACES.index(place)}x"


def _furnish(office: Office) -> dict[str, Objects]:
    teams = "  amt: {name: Amt}\n  kita.nord: {name: Nord, parent: kita}\n  kita:\n    parent: amt\n"
    nord = "addresses:\n  nord: {team: kita.nord, title: Nord}\n"
    office.book.current = rules(RULES.replace("  kita:\n", teams).replace("addresses:\n", nord))
    found = {}
    for place in PLACES:
        word = _canary(place)
        content = ATTACHED.format(
            name=word, mail=f"{word}@b.example", to="info@musterstadt.example", subject=f"{word} dringend",
            key=f"{word}@b.example", text=word, file=f"{word}.txt", inside=word,
        )  # fmt: skip
        number = office.mail(content, "info@musterstadt.example", sender=f"{word}@b.example", team=place)
        found[place] = objects_of(office, place, number, author=f"author-of-{word}")
        with office.database.read() as connection:
            talk = connection.exec_driver_sql(
                f"SELECT conversation_id FROM filings WHERE message_id = {number}"
            ).scalar()
        note = NewNote(conversation_id=int(talk or 0), team=place, author=word, at_ms=NOW_MS, text=word)
        office.database.writer.submit(add_notes, note).result()
        office.draft(word, number, place, word, subject=word)
        # What forms complete while one types, and what stands beside every page.
        with office.database.writing.begin() as connection:
            connection.execute(insert(tags).values(conversation_id=talk, team=place, tag=word))
        folder = Keeping(user_id=0, login=word, team=place, name=word, query=word, at_ms=NOW_MS)
        office.database.writer.submit(keep_folders, folder).result()
    return found


def _expected(page: Page, visitor: Visitor, objects: Objects | None) -> str:
    """Return what policy says of one cell: open, forbidden or missing."""
    if page.access is Access.OPERATE:
        return "open" if visitor.may(Permission.OPERATE) else "missing"
    if page.access in _ASKED:
        manages = page.access is Access.PEOPLE and bool(visitor.teams(Permission.MANAGE))
        return "open" if manages or any(map(visitor.may, _ASKED[page.access])) else "forbidden"
    if objects is None:
        return "open"
    if visitor.helps and page.path in OF_A_TEAM:
        return _expected_of_a_team(page, visitor, objects)
    if objects.team not in visitor.teams(Permission.READ) or page.path.startswith("/drafts/"):
        return "missing"  # a draft that somebody else is writing, too
    if page.path == "/m/{id}/test":
        return "open" if visitor.may(Permission.RULES) else "missing"
    asked = Permission.DRAFT if page.path in DRAFTS else Permission.RESPOND
    asked = Permission.ASSIGN if page.path in ASSIGNS else asked
    acts = page.access is Access.RESPOND or page.path in DRAFTS or page.path in ASSIGNS
    return "open" if not acts or objects.team in visitor.teams(asked) else "forbidden"


def _expected_of_a_team(page: Page, visitor: Visitor, objects: Objects) -> str:
    """Return it of a page with no letter in it, or a list of what is theirs: who helps has it, empty or not."""
    if objects.team not in visitor.lent(Permission.READ):
        return "missing"
    writes = page.access is Access.RESPOND
    may = objects.team in visitor.lent(Permission.RESPOND) and not page.path.startswith(_KNOWLEDGE)
    return "open" if may or not writes else "forbidden"


def _is(status: int, location: str, expected: str) -> bool:
    match expected:
        case "missing":
            return status == 404
        case "forbidden":
            return status == 403
        case _:
            return status in {200, 204, 303} and not location.startswith("/login")


# Acts on people, the rules and the log that were let in, and then found nothing to act on; letters need an address.
_LET_IN = {400, 403, 404, 409, 413}


def _cell(client: TestClient, visitor: Visitor, page: Page, objects: Objects | None) -> str:
    """Ask once; return what is wrong with the answer."""
    path = (objects or Objects(team="", reference="", id="")).path(page)
    if "GET" in page.methods:
        answer = client.get(path, params={"q": "kanarie*"} if page.path == "/search" else None)
    else:
        form = {**FORMS[page.path], "token": form_token(visitor.session), "team": objects.team if objects else ""}
        answer = client.post(path, data={**form, "draft": format_id(next(_numbers))})
    expected, status = _expected(page, visitor, objects), answer.status_code
    fits = _is(status, answer.headers.get("location", ""), expected)
    if expected == "open" and page.path in ASSIGNS:
        fits = fits or status in _LET_IN - {403}  # the form names a letter or a conversation that is not there
    if expected == "open" and objects is None and (page.access in _ASKED or page.access is Access.SIGNED_IN):
        fits = fits or status in _LET_IN
    text = answer.text.lower() + repr(answer.headers).lower()
    seen = visitor.teams(Permission.READ)
    told = [place for place in PLACES if place not in seen and _canary(place) in text]
    wrong = "" if fits else f"{status} where it should be {expected}"
    return wrong or (f"a word of {told}" if told else "")


def test_the_matrix_of_permissions(office: Office) -> None:
    objects = _furnish(office)
    table = [page for page in pages(office) if page.access is not Access.PUBLIC and page.path not in ELSEWHERE]
    with_object = [page for page in table if page.access in {Access.READ, Access.RESPOND} and "{" in page.path]
    others = [page for page in table if page not in with_object]
    visitors = _visitors(office)
    found, cells = [], 0
    with office.client() as client:
        for visitor in visitors:
            client.cookies.clear()
            client.cookies.set("__Host-maild-session", visitor.session)
            acted = True
            for page, place in [*product(with_object, visitor.tried), *((p, None) for p in others)]:
                if visitor.has and acted:  # an act before may have given it away
                    _assign_all(office, visitor)
                acted = "POST" in page.methods
                wrong = _cell(client, visitor, page, objects[place] if place else None)
                cells += 1
                if wrong:
                    found.append(f"{visitor.principal.login}: {sorted(page.methods)} {page.path} of {place}: {wrong}")
            for place in PLACES:  # a table to take away; of fewer than five colleagues there is none
                table_of = client.get("/statistics.csv", params={"team": place})
                cells += 1
                if table_of.status_code not in (
                    {403, 200}
                    if place in PARENTS.keys() & visitor.teams(Permission.READ) and not visitor.helps
                    else {404}
                ):
                    found.append(f"{visitor.principal.login}: statistics of {place}: {table_of.status_code}")
    assert found == []
    assert cells > 5_000


def _visitors(office: Office) -> list[Visitor]:
    people = [(role, name) for role in Role for name in DATES]
    visitors = [_visitor(office, f"{role}-{name}", role, DATES[name]) for role, name in people]
    visitors.append(_visitor(office, "nobody", None, DATES["inside"]))
    return visitors + [
        _visitor(office, f"{role}-{name}-{'with' if has else 'without'}", role, DATES[name], helps=True, has=has)
        for role, name, has in HELPERS
    ]


async def _told(office: Office, visitor: Visitor, change: Callable[[], None]) -> frozenset[str]:
    """Open the stream of changes, let something happen, and return the teams that it names."""
    services = replace(office.services, feed=Feed())
    name = cookie_name(services, "session")
    cookie = (b"cookie", f"{name}={visitor.session}".encode())
    scope = {"type": "http", "path": "/events", "query_string": b"", "headers": [cookie]}
    with office.database.read() as connection:
        session = session_of(connection, services, visitor.session, NOW_MS)
    visit = Visit(
        request=Request(scope), services=services, pages=Pages(), session=session, token=visitor.session, form={},
        language="de", now_ms=NOW_MS,
    )  # fmt: skip
    stream = _events(visit)
    assert (await anext(stream)).startswith("retry")
    change()
    services.feed.publish(frozenset(PLACES))
    rest = asyncio.create_task(_all(stream))
    await asyncio.sleep(0)  # it looks
    services.feed.close()  # and not once more
    told: set[str] = set()
    for line in (await rest).splitlines():
        if line.startswith("data: "):
            told |= set(json.loads(line.removeprefix("data: "))["teams"])
    return frozenset(told)


async def _all(stream: AsyncIterator[str]) -> str:
    return "".join([event async for event in stream])


async def test_the_stream_of_changes_names_the_teams_that_its_reader_reads_and_no_others(office: Office) -> None:
    found = _furnish(office)
    senders = count()

    def mail() -> None:
        """A letter comes to every place, into a conversation of its own."""
        for place in PLACES:
            sender = f"{next(senders)}@c.example"
            office.mail(letter("Neu", sender=sender), "info@musterstadt.example", sender=sender, team=place)

    def note() -> None:
        """Somebody writes at a conversation of every place."""
        for place in PLACES:
            with office.database.writing.begin() as connection:
                talk = connection.scalar(select(func.min(entries.c.conversation_id)).where(entries.c.team == place))
                add_notes(connection, [NewNote(conversation_id=talk or 0, team=place, author="x", at_ms=1, text="x")])

    assert set(found) == set(PLACES)
    for visitor in _visitors(office):
        seen = visitor.teams(Permission.READ) & set(PLACES)
        if visitor.has:
            _assign_all(office, visitor)
        # Who helps is told of what is theirs: a letter that came to somebody else's conversation is not.
        assert await _told(office, visitor, mail) == (frozenset() if visitor.helps else seen), visitor.principal.login
        if visitor.helps:
            assert await _told(office, visitor, note) == seen, visitor.principal.login


def test_what_is_told_by_mail_is_of_inboxes_that_its_reader_reads_and_of_no_others(office: Office) -> None:
    """To each, by all that makes news: letters that came, what is assigned to them, notes that mention them."""
    _furnish(office)
    told_somebody = 0
    for visitor in _visitors(office):
        who, seen = visitor.principal, visitor.teams(Permission.READ) & set(PLACES)
        with office.database.writing.begin() as connection:
            for place in PLACES:
                talk = connection.scalar(select(func.min(entries.c.conversation_id)).where(entries.c.team == place))
                note = NewNote(
                    conversation_id=talk or 0, team=place, author="x", at_ms=NOW_MS, text="x",
                    mentioned=frozenset({who.user_id}),
                )  # fmt: skip
                add_notes(connection, [note])
        if visitor.has:
            _assign_all(office, visitor)
        may_see = visible(who.grants, PARENTS, NOW_MS, who.user_id)
        asking = Asking(
            user_id=who.user_id, login=who.login, visible=may_see, since_ms=NOW_MS - 86_400_000, until_ms=NOW_MS
        )  # fmt: skip
        with office.database.read() as connection:
            found = news(connection, asking)
        told = {item.team for item in found.items}
        assert told == {place for place in seen if not is_confidential(place)}, who.login
        assert found.confidential == sum(map(is_confidential, seen)), who.login
        told_somebody += bool(told)
    assert told_somebody > 5


def test_what_the_command_line_does_for_a_person_asks_for_that_persons_rights(office: Office) -> None:
    """`user copies` has mail sent to them, `absent --deputy` has them stand in: neither without the role for it."""
    _furnish(office)
    operator = By(login="operator", user_id=None, parents=PARENTS, at_ms=NOW_MS)
    readers = {}
    for place in PLACES:
        login = f"reads-{PLACES.index(place)}"
        office.user(login, (Role.READER, place))
        readers[login] = teams_with([Grant(role=Role.READER, team=place, from_ms=0)], Permission.READ, PARENTS, NOW_MS)
    for visitor in _visitors(office):
        login, whole = visitor.principal.login, frozenset() if visitor.helps else visitor.teams(Permission.READ)
        answering = frozenset() if visitor.helps else visitor.teams(Permission.RESPOND)
        for team in PARENTS:
            choice = Choice(
                login=login, team=team, on=True, by="operator", at_ms=NOW_MS, domains=frozenset(),
                allowed=frozenset(PARENTS), parents=PARENTS,
            )  # fmt: skip
            assert _done(office, choose, choice) is (team in whole), f"copies of {team} for {login}"
        for absent, reads in readers.items():
            marking = Marking(by=operator, login=absent, from_ms=NOW_MS, deputy=login)
            stands_in = not reads.isdisjoint(answering)
            assert _done(office, mark, marking) is stands_in, f"{login} stands in for {absent}"
            if stands_in:
                with office.database.read() as connection:
                    newest = connection.scalar(select(func.max(absences.c.id)))
                office.database.writer.submit(end, Ending(by=operator, id=newest or 0)).result()


def _done(office: Office, unit: Callable[[Connection, list[Any]], Any], argument: object) -> bool:
    try:
        return bool(office.database.writer.submit(unit, argument).result())
    except MaildError:
        return False


def test_the_page_about_permissions_is_the_one_that_the_code_makes(office: Office) -> None:
    assert (ROOT / "docs" / "permissions.md").read_text() == permissions_page(pages_of(office.services))
