"""A visit: one request, who makes it, what they may see, and how to answer in their language."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from maild.archive.audit import Audited, Record, carry_out
from maild.archive.queries import Entry
from maild.archive.sessions import Session
from maild.archive.standing import Allowed, Need, Reach, Standing, Talks, while_allowed
from maild.mail.acts import Act
from maild.policy.grants import Principal, assigned_with, may, may_with, teams_with, visible
from maild.policy.roles import Permission
from maild.policy.visible import NOTHING, Visible
from maild.web.forms import whole_number
from maild.web.pages import Pages, Surroundings
from maild.web.services import Services
from maild.web.times import moment

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What an endpoint gets. `token` is the secret of the session or of the anonymous visit; forms prove it."""

    request: Request
    services: Services
    pages: Pages
    session: Session | None
    token: str
    form: Mapping[str, str]
    language: str
    now_ms: int
    files: tuple[UploadFile, ...] = ()
    # What was worked out of the grants, which are those of `now_ms`, with the teams that it was worked out for.
    _held: dict[Any, tuple[Mapping[str, str | None], Any]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def _once(self, key: Hashable, work_out: Callable[[Mapping[str, str | None]], T]) -> T:
        """Return what is asked many times for one page; worked out anew where other rules serve meanwhile."""
        parents, known = self.parents, self._held.get(key)
        if known is None or known[0] is not parents:
            known = self._held[key] = (parents, work_out(parents))
        found: T = known[1]
        return found

    @property
    def principal(self) -> Principal | None:
        """Who is signed in."""
        return self.session.principal if self.session is not None else None

    @property
    def person(self) -> Principal:
        """Who is signed in, on pages that nobody else reaches."""
        if self.session is None:
            raise AssertionError("the route table lets only signed-in people come here")
        return self.session.principal

    @property
    def parents(self) -> Mapping[str, str | None]:
        """The teams of the rules that serve now, with their parents."""
        return self.services.rulebook.current.parents

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the organisation."""
        return self.services.rulebook.current.organisation.timezone

    @property
    def today(self) -> date:
        """The day that it is there."""
        return moment(self.now_ms, self.zone).date()

    @property
    def visible(self) -> Visible:
        """What may be seen, at this moment."""
        if self.session is None:
            return NOTHING
        who, now_ms = self.session.principal, self.now_ms
        return self._once("visible", lambda parents: visible(who.grants, parents, now_ms, who.user_id))

    def number(self, name: str) -> int | None:
        """Return a number of the form; None where there is none."""
        return whole_number(self.form.get(name, ""))

    def may(self, permission: Permission, team: str | None = None) -> bool:
        """Tell whether the visitor may do something."""
        who, now_ms = self.principal, self.now_ms
        if who is None:
            return False
        return self._once(
            (permission, team), lambda parents: may(who, permission, team=team, teams=parents, now_ms=now_ms)
        )

    def may_with(self, permission: Permission, entry: Entry) -> bool:
        """Tell whether the visitor may do something with an entry: where only what is theirs is open to them, too."""
        who, now_ms = self.principal, self.now_ms
        return who is not None and may_with(
            who, permission, entry.team, entry.assignee, teams=self.parents, now_ms=now_ms
        )  # fmt: skip

    def helps(self, permission: Permission) -> frozenset[str]:
        """Return the inboxes of which the visitor sees assigned entries alone, and may do something with these."""
        return assigned_with(self.person.grants, permission, self.parents, self.now_ms) & self.visible.assigned

    @property
    def manages(self) -> bool:
        """Tell whether there is a team whose manager the visitor is."""
        who = self.principal
        return who is not None and bool(teams_with(who.grants, Permission.MANAGE, self.parents, self.now_ms))

    async def read(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the archive, off the event loop."""

        def ask() -> T:
            with self.services.database.read() as connection:
                return question(connection, *args, **kwargs)

        return await run_in_threadpool(ask)

    async def write(
        self,
        unit: Callable[[Connection, list[Any]], Any],
        argument: Any,
        *acts: Record,
        needs: tuple[Need, ...] = (),
        of: Talks | None = None,
        narrowed: Callable[[Any, Reach], Any] | None = None,
    ) -> Any:
        """Have the writer carry out a unit of work, which is these acts; returns after its commit.

        The visitor must hold what it `needs` at that moment, who helps for these conversations `of` theirs; `narrowed`
        fits the argument to what they then may: all as `Allowed` says.
        """
        writer = self.services.database.writer
        if acts:
            unit, argument = carry_out, Audited(unit=unit, argument=argument, records=acts)
            narrowed = None if narrowed is None else partial(_narrowed_within, narrowed)
        if not needs and narrowed is None:
            return await writer.run(unit, argument)
        allowed = Allowed(unit=unit, argument=argument, by=self.standing, needs=needs, of=of, narrowed=narrowed)
        return await writer.run(while_allowed, allowed)

    @property
    def standing(self) -> Standing:
        """By whose right the visitor acts, for what asks once more."""
        services = self.services
        return Standing(user_id=self.person.user_id, rules=services.rulebook.current, now_ms=services.now_ms)

    def acted(
        self, act: Act, *, team: str = "", conversation_id: int | None = None, about: str = "", **details: Any
    ) -> Record:
        """Return the audit log's record of an act of the visitor's, at this moment."""
        who = self.principal
        return Record(
            at_ms=self.services.now_ms(),
            actor=who.login if who is not None else "",
            act=act,
            team=team,
            conversation_id=conversation_id,
            about=about,
            details=details,
        )

    @property
    def is_own_navigation(self) -> bool:
        """Tell whether the reader came here of their own accord: not sent by another site, no prefetch, no script."""
        headers = self.request.headers
        if headers.get("sec-fetch-mode", "navigate") != "navigate":
            return False  # an open page that asks anew for its list shows nobody a letter
        return headers.get("sec-fetch-site", "none") in {"none", "same-origin"} and "prefetch" not in headers.get(
            "sec-purpose", ""
        )

    @property
    def is_live(self) -> bool:
        """Tell whether an open page asks anew for what of it may have changed: letters are not among that."""
        return self.request.headers.get("x-maild-live") == "1"

    def page(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """Answer with a page."""
        return HTMLResponse(self.pages.render(template, self.surroundings(), **context), status_code=status)

    def surroundings(self) -> Surroundings:
        """Return what every page knows."""
        organisation = self.services.rulebook.current.organisation
        return Surroundings(
            language=self.language,
            nonce=self.request.scope.get("maild.nonce", ""),
            form_token=form_token(self.token),
            organisation=organisation.name,
            zone=organisation.timezone,
            now_ms=self.now_ms,
            path=self.request.url.path,
            query=self.request.url.query,
            person=self.principal,
            may_rules=self.may(Permission.RULES),
            may_people=self.may(Permission.PEOPLE) or self.manages,
            may_audit=self.may(Permission.AUDIT),
            may_operate=self.may(Permission.OPERATE),
            may_reports=self.may(Permission.RULES) or self.may(Permission.OPERATE),
        )

    def go(self, path: str) -> RedirectResponse:
        """Send the reader to another page of ours, by GET."""
        return RedirectResponse(path, status_code=303)


def _narrowed_within(narrowed: Callable[[Any, Reach], Any], audited: Audited, reach: Reach) -> Audited:
    return replace(audited, argument=narrowed(audited.argument, reach))


def cookie_name(services: Services, name: str) -> str:
    """Return the name of a cookie; over HTTPS with the prefix that no other host or path can write to."""
    return f"__Host-maild-{name}" if services.settings.secure else f"maild-{name}"


def form_token(token: str) -> str:
    """Return what a form must carry: provable by who has the cookie, and of no use to find the cookie out."""
    return hmac.new(token.encode("utf-8", "surrogatepass"), b"form", hashlib.sha256).hexdigest()


def new_token() -> str:
    """Draw the secret of an anonymous visit."""
    return secrets.token_urlsafe(24)


def remember(response: Response, name: str, value: str, *, secure: bool, max_age_s: int | None = None) -> None:
    """Set a cookie of ours."""
    response.set_cookie(name, value, max_age=max_age_s, path="/", secure=secure, httponly=True, samesite="lax")
