"""What stands around the mail on every page: the teams with their counts, and the list one came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import parse_qsl, quote, unquote, urlencode

from sqlalchemy import Connection

from maild.archive.counts import TeamCount, own_unread, team_counts
from maild.archive.folders import Folder, folders_of
from maild.archive.lists import FILTERS, InboxPage, inbox
from maild.archive.readers import Orphan, find_orphans
from maild.errors import NotFoundError
from maild.mail.ids import format_id, parse_id
from maild.mail.inbox import confidential, is_confidential, team_of
from maild.policy.deputies import NO_COVER, Cover
from maild.policy.roles import Permission
from maild.policy.visible import Visible
from maild.rules.model import Team
from maild.web.events import note_page
from maild.web.language import catalogue
from maild.web.overdue import WORKING_DAYS, overdue_ms, working_days
from maild.web.presence import Here
from maild.web.senders import forged_among
from maild.web.standing_in import cover_in
from maild.web.visit import Visit

_ALARMED = (Permission.PEOPLE, Permission.RULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamLink:
    """A team in the list of inboxes. `depth` is how far below another visible team it is."""

    id: str
    name: str
    depth: int
    count: TeamCount

    @property
    def confidential(self) -> bool:
        """Tell whether nothing of it is to be shown beside the page."""
        return is_confidential(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in which list the reader is: all of it is in the address."""

    team: str
    state: str = "open"
    before: int | None = None

    @property
    def url(self) -> str:
        """The address of the list at this place."""
        query = {} if self.state == "open" else {"state": self.state}
        if self.before is not None:
            query["before"] = format_id(self.before)
        return f"/inbox/{quote(self.team)}" + (f"?{urlencode(query)}" if query else "")

    def conversation_url(self, reference: str) -> str:
        """The address of a conversation with this list beside it."""
        return f"/c/{reference}?{_beside(self)}"

    def at(self, *, state: str | None = None, before: int | None = None) -> Place:
        """Return another place in the same team's lists."""
        return Place(team=self.team, state=state or self.state, before=before)


@lru_cache(maxsize=64)  # asked for each row of a list
def _beside(place: Place) -> str:
    query = {"team": place.team, "state": place.state}
    if place.before is not None:
        query["before"] = format_id(place.before)
    return urlencode(query)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list at a place, ready to be shown."""

    place: Place
    team_name: str
    page: InboxPage
    filters: tuple[tuple[str, int | None], ...]  # state, and how many where that is known
    forged: frozenset[int] = frozenset()  # ids of the newest letters that seem so
    own_only: bool = False  # who helps sees what is theirs
    overdue_days: int = WORKING_DAYS  # of the team: after these, what is not answered is overdue
    here: Mapping[int, Here] = field(default_factory=dict)  # colleagues who are at conversations right now


def place_from(query: Mapping[str, str], team: str) -> Place:
    """Read a place from an address; raises NotFoundError for one that never was."""
    state = query.get("state", "open")
    before = query.get("before")
    key = None if before is None else parse_id(before)
    if state not in FILTERS or (before is not None and key is None):
        raise NotFoundError("there is no such list")
    return Place(team=team, state=state, before=key)


def place_at(visit: Visit, path: str) -> Place | None:
    """Return the list that an address of ours names; None where it names none of which the visitor sees anything."""
    before, _, query = path.partition("?")
    team = unquote(before.removeprefix("/inbox/"))
    if not before.startswith("/inbox/") or team not in visit.visible.inboxes:
        return None
    try:
        return place_from(dict(parse_qsl(query)), team)
    except NotFoundError:
        return None


def team_name(visit: Visit, name: str) -> str:
    """Return the name that people know an inbox by."""
    found = visit.services.rulebook.current.teams.get(team_of(name))
    called = found.name if found is not None else team_of(name)
    if not is_confidential(name):
        return called
    _ = catalogue(visit.language).gettext
    word = _("confidential")
    return f"{called} · {word}"


def team_links(visit: Visit, visible: Visible, counts: Mapping[str, TeamCount]) -> tuple[TeamLink, ...]:
    """Return the visible inboxes in the order of the rules, children below their parents.

    Confidential ones stand below their team, where there is anything in them or the rules use them.
    """
    rules = visit.services.rulebook.current
    listed = [(t.id, depth) for t, depth in _in_order([t for t in rules.teams.values() if t.id in visible.inboxes])]
    listed += [(team, 0) for team in sorted(visible.inboxes - set(rules.teams)) if not is_confidential(team)]
    inner = {i for i in visible.inboxes if is_confidential(i) and (i in counts or rules.has_confidential)}
    for place, (team, depth) in reversed(list(enumerate(listed, start=1))):
        if confidential(team) in inner:
            listed.insert(place, (confidential(team), depth + 1))
    # Of a team that the reader does not read otherwise.
    listed += [(alone, 0) for alone in sorted(inner - {name for name, _ in listed})]
    return tuple(
        TeamLink(id=name, name=team_name(visit, name), depth=depth, count=counts.get(name, TeamCount()))
        for name, depth in listed
    )


def _in_order(teams: list[Team]) -> list[tuple[Team, int]]:
    shown = {t.id for t in teams}
    children: dict[str | None, list[Team]] = {}
    for t in teams:
        children.setdefault(t.parent if t.parent in shown else None, []).append(t)
    ordered: list[tuple[Team, int]] = []
    waiting = [(t, 0) for t in reversed(children.get(None, []))]
    while waiting:
        t, depth = waiting.pop()
        ordered.append((t, depth))
        waiting += [(child, depth + 1) for child in reversed(children.get(t.id, []))]
    return ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """The teams, and the list at a place when the page has one.

    `orphans` are teams that nobody can read, for those who may do something about it.
    """

    teams: tuple[TeamLink, ...]
    listing: Listing | None
    orphans: tuple[Orphan, ...] = ()
    folders: tuple[Folder, ...] = ()
    cover: Cover = NO_COVER  # who acts for whom in the visible inboxes
    unread: int = 0  # conversations of the reader's own with something they have not read


def shell(connection: Connection, visit: Visit, place: Place | None = None) -> Shell:
    """Ask the archive for what stands around a page. Raises NotFoundError for a list that may not be seen."""
    visible, user_id = visit.visible, visit.person.user_id
    page, cover = None, cover_in(connection, visit.services, visible.inboxes, visit.now_ms)
    late_ms = overdue_ms(visit.services.rulebook.current, place.team if place is not None else None, visit.now_ms)
    if place is not None:
        page = inbox(
            connection, visible=visible, team=place.team, state=place.state, user_id=user_id, before=place.before,
            overdue_ms=late_ms, cover=cover,
        )  # fmt: skip
    counts = team_counts(connection, visible=visible, user_id=user_id, overdue_ms=late_ms, cover=cover)
    teams = team_links(visit, visible, counts)
    folders = folders_of(connection, visible=visible, user_id=user_id)
    unread = own_unread(connection, visible=visible, user_id=user_id)
    if place is None or page is None:
        return Shell(teams=teams, listing=None, folders=folders, cover=cover, unread=unread)
    listing = _listing(visit, place, page, counts.get(place.team, TeamCount()))
    here = visit.services.presence.here(
        (row.conversation_id for row in page.rows), frozenset({place.team}), user_id, visit.now_ms
    )
    listing = replace(listing, forged=_forged(connection, visit, page), here=here)
    return Shell(teams=teams, listing=listing, folders=folders, cover=cover, unread=unread)


def _forged(connection: Connection, visit: Visit, page: InboxPage) -> frozenset[int]:
    came = [(row.newest_id, row.from_mail) for row in page.rows if not row.outgoing]
    return forged_among(connection, came, visit.services.rulebook.current.domains)


def _listing(visit: Visit, place: Place, page: InboxPage, count: TeamCount) -> Listing:
    names = ("open", "waiting", "mine", "unassigned", "unanswered", "overdue", "unseen")
    known = {name: getattr(count, name) for name in names}
    return Listing(
        place=place,
        team_name=team_name(visit, place.team),
        page=page,
        filters=tuple((state, known.get(state)) for state in FILTERS),
        own_only=place.team in visit.visible.assigned,
        overdue_days=working_days(visit.services.rulebook.current, place.team),
    )


def _noted(connection: Connection, visit: Visit, place: Place | None) -> Shell:
    note_page(connection, visit)
    return shell(connection, visit, place)


async def shell_of(visit: Visit, place: Place | None = None) -> Shell:
    """Return what stands around the visitor's page."""
    rules = visit.services.rulebook.current
    around = await visit.read(_noted, visit, place)
    if not any(map(visit.may, _ALARMED)):
        return around
    return replace(around, orphans=await visit.read(find_orphans, rules, visit.now_ms))
