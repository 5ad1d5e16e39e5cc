"""The gate before every endpoint: who comes, may they, and did they mean it.

Each route says what it asks for; nothing reaches an endpoint otherwise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from maild.archive.sessions import Seen, Session, touch_sessions
from maild.policy.credentials import second_factor_asked
from maild.policy.roles import Permission
from maild.web.confirming import Confirming
from maild.web.edge import is_loopback
from maild.web.forms import MAX_FIELDS, read_form, require_own_form
from maild.web.language import LANGUAGES
from maild.web.pages import Pages
from maild.web.problems import language_of
from maild.web.services import Services
from maild.web.standing_in import session_of
from maild.web.uploads import Upload, is_multipart, read_upload
from maild.web.visit import Visit, cookie_name, form_token, new_token, remember

_TOUCH_MS = 60_000
_VISIT_S = 3_600
EMBEDDED = "maild.embedded"  # in a request's scope: the page is a part of another site's, and has no cookie of ours


class Access(Enum):
    """What a route asks of who comes."""

    PUBLIC = "public"  # nothing
    SIGNED_IN = "signed-in"  # an account; what it concerns is its own
    READ = "read"  # mail: each object is looked up within the teams that the person may read
    RESPOND = "respond"  # acts on entries: READ, and the permission in the entry's team
    RULES = "rules"  # reads and changes the rules: the permission
    REPORTS = "reports"  # sums about our domains: for who keeps the machine or the rules
    PEOPLE = "people"  # accounts and roles: the permission, or MANAGE in any team; each act asks again
    AUDIT = "audit"  # the audit log: the permission
    QUEUE = "queue"  # the deliveries of everybody, from the envelope: the permission to operate, and a name for the log
    OPERATE = "operate"  # the machine itself, or the permission


# What opens a page that is about no team and closed to others: one of these is enough.
_ASKED: Mapping[Access, tuple[Permission, ...]] = {
    Access.RULES: (Permission.RULES,),
    Access.REPORTS: (Permission.RULES, Permission.OPERATE),
    Access.PEOPLE: (Permission.PEOPLE, Permission.MANAGE),
    Access.AUDIT: (Permission.AUDIT,),
    Access.QUEUE: (Permission.OPERATE,),
}
Endpoint = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One route of the site: the table of them is that of `maild.web.routes.pages_of`."""

    path: str
    endpoint: Endpoint
    access: Access
    methods: frozenset[str] = field(default_factory=lambda: frozenset({"GET"}))
    max_body_bytes: int | None = None  # of a form; else what the settings say
    max_fields: int = MAX_FIELDS  # of a form
    files: bool = False  # a form may bring files, as large as a message may be
    fresh: bool = False  # dangerous in the wrong hands: who sits there is asked again, once in ten minutes
    before_second: bool = False  # open to who must set up a second factor, and has not

    def __post_init__(self) -> None:
        """Refuse what cannot be kept on the page that asks who sits there."""
        if self.fresh and self.files:
            raise ValueError(f"{self.path}: files cannot wait until it is known who sits there")


class Gate:
    """Stands before one route."""

    def __init__(self, page: Page, services: Services, pages: Pages, confirming: Confirming) -> None:
        """Guard `page`."""
        self._confirming = confirming
        self._page = page
        self._services = services
        self._pages = pages
        self.route_path = page.path  # for the log: the pattern, never the address itself

    async def __call__(self, request: Request) -> Response:
        """Let the request in, or answer it."""
        session = await self._session(request)
        turned_away = self._turn_away(request, session)
        if turned_away is not None:
            return turned_away
        token, is_new = self._token(request, session)
        # Security: before the form is read, which may be a large one here.
        self._require(request, session, token)
        if request.method not in {"GET", "HEAD"}:
            form, files = await self._form(request)
            try:
                require_own_form(request, form, form_token(token), self._services.settings)
                # Security: a form may take half an hour to come. A right or session that ended meanwhile carries none.
                session = await self._session(request) if session is not None else None
                turned_away = self._turn_away(request, session)
                if turned_away is not None:
                    return turned_away
                self._require(request, session, token)
                return await self._answer(
                    replace(self._visit(request, session, token, form), files=files), is_new=is_new
                )
            finally:
                for file in files:
                    await file.close()
        return await self._answer(self._visit(request, session, token, {}), is_new=is_new)

    def _require(self, request: Request, session: Session | None, token: str) -> None:
        asked = _ASKED.get(self._page.access, ())
        if asked and not _opens(self._visit(request, session, token, {}), asked):
            raise HTTPException(403)

    async def _answer(self, visit: Visit, *, is_new: bool) -> Response:
        if self._page.access is Access.OPERATE and not self._may_operate(visit):
            raise HTTPException(404)
        if self._page.fresh:
            known = await self._confirming.before(visit)
            if isinstance(known, Response):
                return known
            visit = known
        response = await self._page.endpoint(visit)
        if (
            is_new
            and EMBEDDED not in visit.request.scope
            and self._page.access is Access.PUBLIC
            and response.headers.get("content-type", "").startswith("text/html")
        ):
            remember(
                response,
                cookie_name(self._services, "visit"),
                visit.token,
                secure=self._services.settings.secure,
                max_age_s=_VISIT_S,
            )
        return response

    async def _form(self, request: Request) -> Upload:
        settings = self._services.settings
        if self._page.files and is_multipart(request):
            return await read_upload(request, settings.max_message_bytes, settings.body_timeout_s)
        most = settings.max_message_bytes if self._page.files else self._page.max_body_bytes
        form = await read_form(request, settings, most, self._page.max_fields)
        if self._page.access is not Access.RULES:  # where what is amiss in a text is told
            # Security: no browser sends a NUL, and PostgreSQL takes it in no text: a blank stands in its place.
            form = {name: value.replace("\0", " ") for name, value in form.items()}
        return form, ()

    async def _session(self, request: Request) -> Session | None:
        token = request.cookies.get(cookie_name(self._services, "session"), "")
        if not token:
            return None
        found = await run_in_threadpool(self._find, token)
        now_ms = self._services.now_ms()
        # A stream that stays open all day is no sign that someone is there.
        if found is not None and now_ms - found.seen_ms > _TOUCH_MS and request.url.path != "/events":
            await self._services.database.writer.run(touch_sessions, Seen(digest=found.digest, at_ms=now_ms))
        return found

    def _find(self, token: str) -> Session | None:
        services = self._services
        with services.database.read() as connection:
            return session_of(connection, services, token, services.now_ms())

    def _turn_away(self, request: Request, session: Session | None) -> Response | None:
        if self._page.access in {Access.PUBLIC, Access.OPERATE}:
            return None
        if session is not None:
            return RedirectResponse("/sessions/second-factor", status_code=303) if self._lacks_second(session) else None
        if request.method not in {"GET", "HEAD"} or self._page.path == "/":
            return RedirectResponse("/login", status_code=303)
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(here, safe='/')}", status_code=303)

    def _lacks_second(self, session: Session) -> bool:
        if self._page.before_second or session.way != "password":
            return False
        asked = self._services.settings.second_factor
        return second_factor_asked(asked, session.principal.grants, self._services.now_ms())

    def _token(self, request: Request, session: Session | None) -> tuple[str, bool]:
        name = "session" if session is not None else "visit"
        token = request.cookies.get(cookie_name(self._services, name), "")
        return (token, False) if token else (new_token(), True)

    def _visit(self, request: Request, session: Session | None, token: str, form: Mapping[str, str]) -> Visit:
        chosen = session.principal.language if session is not None else None
        return Visit(
            request=request,
            services=self._services,
            pages=self._pages,
            session=session,
            token=token,
            form=form,
            language=chosen if chosen in LANGUAGES else language_of(request, self._services),
            now_ms=self._services.now_ms(),
        )

    def _may_operate(self, visit: Visit) -> bool:
        return is_loopback(visit.request) or visit.may(Permission.OPERATE)


def _opens(visit: Visit, asked: tuple[Permission, ...]) -> bool:
    return any(visit.manages if one is Permission.MANAGE else visit.may(one) for one in asked)
