"""Why is this here? How a message came into the inboxes of its reader: address, team, rules, and what each saw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from maild.archive.provenance import Provenance, provenance
from maild.errors import NotFoundError
from maild.mail.ids import parse_id
from maild.mail.screening import SPAM, VIRUS
from maild.mail.screening import told as finding_told
from maild.policy.roles import Permission
from maild.rules.conceal import Told
from maild.rules.recorded import NO, NOT_IN_FORCE, Attempt
from maild.web.language import catalogue
from maild.web.notices import LIMITS
from maild.web.recording import remember_message
from maild.web.shell import shell_of, team_name
from maild.web.times import day, size
from maild.web.visit import Visit
from maild.web.why_words import Words

_MOST_ROUTES = 20
_MOST_ATTEMPTS = 1_000  # on one page; beyond, rules that did not match are counted, not listed
_BODY_LIMITS = frozenset({"depth", "parts"})
_HEADER_LIMITS = frozenset({"fields", "header", "addresses", "parameters"})


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_SENTENCES = {
    "resend": _("The very same message had come before; it is kept, and was not routed again."),
    "import": _("It was imported from an older archive. Such letters lie with the closed ones, whatever a rule says."),
    "out": _("It was sent from here."),
    "not-kept": _("How it was routed is not kept, or can no longer be read. The letter itself is whole."),
    "moved": _("None of its addresses leads to an inbox of yours now: it was put here afterwards."),
    "body": _("Its text and attachments could not be read ({0}): a rule that asks for them cannot tell."),
    "header": _("Not all of it could be read ({0}): a rule that asks for what is missing cannot tell."),
    "envelope": _(
        "It could not be read ({0}): only its envelope was known, which is who sent it, to whom, and how large it is."
    ),
    "spam": _("Whatever the rules say below, it was filed as spam: {0}."),
    "virus": _("Whatever the rules say below, it was put in spam and is held, because a virus was found: {0}."),
    "unexamined": _("It was accepted without having been examined by: {0}."),
    "filing": _("Something went wrong when it was filed; it was filed again by its envelope alone."),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One recipient as the page shows it; `left_out` counts rules that did not match and are not listed."""

    told: Told
    attempts: tuple[Attempt, ...]
    left_out: int


async def why(visit: Visit) -> Response:
    """Show why a message is where it is."""
    number = parse_id(visit.request.path_params["id"])
    if number is None:
        raise NotFoundError("not an id")
    rules = visit.services.rulebook.current
    found = await visit.read(provenance, visible=visit.visible, rules=rules, message_id=number)
    remember_message(visit, found.message)
    routes = found.routes or ()
    name = partial(team_name, visit)
    return visit.page(
        "why.html",
        shell=await shell_of(visit),
        message=found.message,
        provenance=found,
        sentences=_sentences(found, visit.language),
        routes=_shown(routes[:_MOST_ROUTES]),
        more=len(routes[_MOST_ROUTES:]),
        words=Words(visit.language, name, partial(size, language=visit.language)),
        team_name=name,
        day=partial(day, language=visit.language),
        may_test=bool(routes) and visit.may(Permission.RULES),
    )


def _sentences(found: Provenance, language: str) -> list[str]:
    """Return what is to be said of the message as a whole, a sentence each."""
    say = catalogue(language).gettext
    message = found.message
    codes = [("import", "")] if found.origin == "import" else []
    codes += [("out", "")] if message.direction == "out" else []
    if message.duplicate_of is not None:
        codes = [("resend", "")]
    elif found.routes is None:
        codes += [("not-kept", "")]
    elif not found.routes and not found.put_into:
        codes += [("moved", "")]
    if message.duplicate_of is None and message.source_only is not None:
        codes += [(_depth(message.source_only), message.source_only)]
    if (message.problem or "").endswith(" in filing"):
        codes += [("filing", "")]
    said = found.screening
    if said.filed in {SPAM, VIRUS}:
        codes += [(said.filed, ", ".join(map(finding_told, said.against)))]
    if said.unasked:
        codes += [("unexamined", ", ".join(dict.fromkeys(each.by for each in said.unasked)))]
    return [
        say(_SENTENCES[code]).replace("{0}", say(LIMITS[value]) if value in LIMITS else value) for code, value in codes
    ]


def _depth(limit: str) -> str:
    """Say how far the message could be read that broke a limit."""
    if limit in _BODY_LIMITS:
        return "body"
    return "header" if limit in _HEADER_LIMITS else "envelope"


def _shown(routes: tuple[Told, ...]) -> list[Shown]:
    room = _MOST_ATTEMPTS
    shown: list[Shown] = []
    for told in routes:
        attempts = told.route.attempts
        kept = attempts
        if len(attempts) > room:
            kept = tuple(a for a in attempts if a.outcome not in {NO, NOT_IN_FORCE})[:_MOST_ATTEMPTS]
        room = max(room - len(kept), 0)
        shown.append(Shown(told=told, attempts=kept, left_out=len(attempts) - len(kept)))
    return shown
