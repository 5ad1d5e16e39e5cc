"""What a team's letters are made of: its signature, which managers set, and templates by those who answer.

They are kept here and not in `rules.yaml`: a telephone number changes without a change of where mail goes, and whoever
leads a team need not be one who edits the rules. The templates of the house, which mail is answered with by itself,
stand there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.team_texts import SIGNATURE, Save, TeamText, save_texts, texts_of
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.inbox import team_of
from maild.policy.roles import Permission
from maild.rules.authorship import Sender, senders
from maild.rules.filling import fill_lines, placeholders_in, values_of
from maild.rules.texts import PLACEHOLDERS
from maild.web.forms import whole_number
from maild.web.shell import shell_of, team_name
from maild.web.visit import Visit

MAX_NAME = 80
MAX_SUBJECT = 300
MAX_TEXT = 20_000
MAX_SIGNATURE = 1_500
_ELSEWHERE = ("conversation.", "sender.", "team.usual_answer")  # what a signature cannot say
_OF_TEAMS = tuple(name for name in PLACEHOLDERS if not name.startswith(_ELSEWHERE))


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_MEANINGS = {
    "organisation.name": _("name of the house"),
    "team.name": _("name of the team"),
    "team.office": _("its office"),
    "team.hours": _("its hours"),
    "address.title": _("title of the address that the letter is sent from"),
    "address.mail": _("that address"),
    "conversation.reference": _("reference of the conversation"),
    "conversation.subject": _("subject of the letter that is answered"),
    "sender.name": _("name of who wrote that letter"),
    "sender.mail": _("their address"),
    "user.name": _("name of who writes; without one its line is left out of a signature"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What stands in a form: what somebody typed, or the text as it is."""

    name: str = SIGNATURE
    base: int = 0
    subject: str = ""
    text: str = ""
    formatted: bool = False
    is_signature: bool = False


def url_of(team: str) -> str:
    """Return the address of a team's page."""
    return f"/templates/{quote(team, safe='')}"


def text_pages(visit: Visit, choices: Iterable[Sender]) -> list[tuple[str, str]]:
    """Return the pages of the teams in whose name one writes, as far as one reads them: address and name."""
    teams = dict.fromkeys(each.function.team for each in choices if each.function.team in visit.visible.teams)
    return [(url_of(team), team_name(visit, team)) for team in teams]


async def page(visit: Visit) -> Response:
    """Show a team's signature and templates, each with its form to whom it is given."""
    return await _page(visit, _team_asked(visit))


async def save(visit: Visit) -> Response:
    """Save the signature or a template, or remove a template."""
    team, typed = _team_asked(visit), _typed(visit)
    needed = Permission.MANAGE if typed.is_signature else Permission.RESPOND
    if not visit.may(needed, team):
        raise ForbiddenError("not theirs to change")
    removing = visit.form.get("do") == "remove" and not typed.is_signature
    unknown = [p for p in placeholders_in(typed.text) if typed.is_signature and p not in _OF_TEAMS]
    if unknown:
        return await _page(visit, team, typed=typed, said="unknown", unknown=unknown)
    if not typed.is_signature and not (typed.name and (typed.text or removing)):
        return await _page(visit, team, typed=typed, said="empty")
    written = Save(
        team=team, name=typed.name, base=typed.base, subject="" if removing else typed.subject,
        text="" if removing else typed.text, formatted=typed.formatted, author=visit.person.login,
        at_ms=visit.services.now_ms(),
    )  # fmt: skip
    if not await visit.write(save_texts, written, needs=((needed, team),)):
        return await _page(visit, team, typed=typed, said="collision")
    return visit.go(f"{url_of(team)}?said={'removed' if removing else 'saved'}")


async def _page(
    visit: Visit, team: str, *, typed: Typed | None = None, said: str = "", unknown: Iterable[str] = ()
) -> Response:
    found = await visit.read(texts_of, visible=visit.visible, teams=[team])
    signature = next((each for each in found if each.name == SIGNATURE), None)
    rules = visit.services.rulebook.current
    return visit.page(
        "team_texts.html",
        status=409 if said == "collision" else 422 if said else 200,
        shell=await shell_of(visit),
        team=team,
        name=team_name(visit, team),
        here_url=url_of(team),
        signature=_as_typed(signature) if signature else Typed(is_signature=True),
        example=_example(visit, team, signature.text if signature else ""),
        templates=[_as_typed(each) for each in found if each.name != SIGNATURE],
        by={each.name: each for each in found},
        house=[rules.templates[name] for name in sorted(rules.templates)],
        typed=typed,
        said=said or visit.request.query_params.get("said", ""),
        unknown=list(unknown),
        may_sign=visit.may(Permission.MANAGE, team),
        may_write=visit.may(Permission.RESPOND, team),
        meanings=[(f"{{{name}}}", meaning, name in _OF_TEAMS) for name, meaning in _MEANINGS.items()],
        sizes={"name": MAX_NAME, "subject": MAX_SUBJECT, "text": MAX_TEXT, "signature": MAX_SIGNATURE},
    )


def _example(visit: Visit, team: str, text: str) -> str:
    """Return the signature as it stands below a letter of the visitor."""
    rules = visit.services.rulebook.current
    first = next(iter(senders(rules, [team])), None)
    if first is None or not text:
        return ""
    return fill_lines(text, values_of(rules, first.function, first.address, {"user.name": visit.person.name}))


def _as_typed(found: TeamText) -> Typed:
    return Typed(
        name=found.name, base=found.version, subject=found.subject, text=found.text, formatted=found.formatted,
        is_signature=found.name == SIGNATURE,
    )  # fmt: skip


def _team_asked(visit: Visit) -> str:
    """Return the team whose inbox is named: the confidential one has no texts of its own."""
    name = str(visit.request.path_params["team"])
    if not {name, team_of(name)} <= visit.visible.inboxes:
        raise NotFoundError("there is no such team")
    return team_of(name)


def _typed(visit: Visit) -> Typed:
    form, base = visit.form, whole_number(visit.form.get("base", "0"))
    if base is None:
        raise HTTPException(400)
    is_signature = form.get("kind") == "signature"
    text = form.get("text", "").replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(c if c in "\n\t" or c.isprintable() else " " for c in text)
    return Typed(
        name=SIGNATURE if is_signature else _line(form.get("name", ""))[:MAX_NAME].strip(),
        base=base,
        subject="" if is_signature else _line(form.get("subject", ""))[:MAX_SUBJECT],
        text=text.strip("\n ")[: MAX_SIGNATURE if is_signature else MAX_TEXT],
        formatted=is_signature and bool(form.get("formatted")),
        is_signature=is_signature,
    )


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
