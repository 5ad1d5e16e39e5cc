"""Error pages: what happened, what was kept, what to do, and an id under which the log knows more.

Security: the page of 404 is the same for what is not there and what may not be seen; it says nothing that depends
on the request, but for the id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from maild.web.language import negotiate
from maild.web.pages import Pages, Surroundings
from maild.web.services import Services

LANGUAGE_COOKIE = "maild-language"


def _(text: str) -> str:
    """Mark words for translation; the template translates them."""
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    title: str
    happened: str
    do: str


_NOT_FOUND = _Words(
    title=_("Not found"),
    happened=_("There is nothing at this address, or it is not yours to see."),
    do=_("Check the address, or go back to the inbox."),
)
_WORDS = {
    400: _Words(
        title=_("Not understood"),
        happened=_("The browser sent something that maild cannot read."),
        do=_("Go back and try once more."),
    ),
    403: _Words(
        title=_("Not allowed"),
        happened=_("This act is not among your permissions, or the page was too old. Nothing was changed."),
        do=_("Reload the page and try again; if it stays so, ask whoever manages the team."),
    ),
    404: _NOT_FOUND,
    405: _Words(
        title=_("Not possible here"),
        happened=_("This address does not do what was asked of it. Nothing was changed."),
        do=_("Go back and use the buttons of the page."),
    ),
    413: _Words(
        title=_("Too much at once"),
        happened=_("What was sent is larger than any form of maild. Nothing was changed."),
        do=_("Shorten it and send it again."),
    ),
    414: _Words(
        title=_("Address too long"),
        happened=_("The address is longer than any of maild. Nothing was changed."),
        do=_("Shorten the search, or go back to the inbox."),
    ),
    429: _Words(
        title=_("Too many tries"),
        happened=_("Too many tries came from your network. Your account is not locked."),
        do=_("Wait a little, then try again."),
    ),
    431: _Words(
        title=_("Too many cookies"),
        happened=_("The browser sent more header lines than maild reads."),
        do=_("Delete the cookies of this site and sign in again."),
    ),
    500: _Words(
        title=_("Something failed"),
        happened=_("maild made a mistake. All mail is kept; your last change may not have been made."),
        do=_("Try again. If it fails again, give the id below to whoever runs maild."),
    ),
    503: _Words(
        title=_("Not now"),
        happened=_("The archive cannot be reached at the moment. All mail is kept; your last change was not made."),
        do=_("Try again in a minute. If it fails again, give the id below to whoever runs maild."),
    ),
}
_PAGES = Pages()


def problem(request: Request, services: Services, status: int, *, retry_after_s: float = 0.0) -> Response:
    """Return the answer to a request that cannot be served."""
    words = _WORDS.get(status, _WORDS[400] if status < 500 else _WORDS[500])
    headers = {"retry-after": str(int(retry_after_s) + 1)} if retry_after_s else {}
    request_id = request.scope.get("maild.request_id", "")
    wants = request.headers.get("accept", "")
    if "application/json" in wants and "text/html" not in wants:
        text = json.dumps({"status": status, "error": words.title, "id": request_id})
        return Response(text, status, headers, "application/json")
    if request.url.path.startswith(("/static/", "/healthz", "/readyz", "/metrics")):
        return PlainTextResponse(f"{status} {words.title}\n", status, headers)
    page = _PAGES.render(
        "problem.html", _surroundings(request, services), status=status, words=words, request_id=request_id
    )
    return HTMLResponse(page, status, headers)


def language_of(request: Request, services: Services) -> str:
    """Return the language that the browser, or its reader by a choice made before, asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return negotiate(chosen or request.headers.get("accept-language", ""), services.settings.language)


def _surroundings(request: Request, services: Services) -> Surroundings:
    organisation = services.rulebook.current.organisation
    return Surroundings(
        language=language_of(request, services),
        nonce=request.scope.get("maild.nonce", ""),
        form_token="",
        organisation=organisation.name,
        zone=organisation.timezone,
        now_ms=services.now_ms(),
        path="/",
        query="",
        person=None,
    )
