"""Editing the rules: as text, or one common rule by a form. Nothing is saved here; the review page comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from maild.errors import NotFoundError
from maild.rules.editing import (
    EditError,
    add_rule,
    change_rule,
    delete_rule,
    lines_of_rule,
    move_rule,
    observe_rule,
    rules_in,
)
from maild.rules.rule_form import FLAGS, PRIORITIES, Operand, RuleForm
from maild.web.forms import whole_number
from maild.web.rules_draft import Draft, check, draft_of
from maild.web.rules_review import Workshop
from maild.web.rules_words import FAULTS
from maild.web.shell import shell_of
from maild.web.visit import Visit

TEAM_FIELDS = 3  # teams that a form has room for
_MAX_LINE = 2_000
_OPERANDS = ("to", "from", "subject", "text")
_TRUTH = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a new rule may stand: before this one."""

    at: int
    before: str


class Editor:
    """The pages on which rules are edited."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    async def text(self, visit: Visit) -> Response:
        """Show the text to be edited, with what is found in it."""
        draft = await draft_of(visit)
        line = whole_number(visit.request.query_params.get("line", "")) or 0
        return visit.page(
            "rules_edit.html",
            shell=await shell_of(visit),
            draft=draft,
            checked=await check(visit, draft.text) if visit.form else None,
            line=line,
            file=visit.services.rulebook.path.name,
        )

    async def look(self, visit: Visit) -> Response:
        """Return what is found in a text, to be put below it while somebody types."""
        return visit.page("rules_found.html", checked=await check(visit, visit.form.get("text", "")))

    async def new(self, visit: Visit) -> Response:
        """Show the form for a new rule, or make one of it."""
        draft = await draft_of(visit)
        if not visit.form:
            return await self._show(visit, draft, RuleForm(id=""), is_new=True)
        form = form_from(visit.form)
        return await self._apply(visit, draft, form, is_new=True)

    async def rule(self, visit: Visit) -> Response:
        """Show a rule in its form, or change it by it."""
        draft = await draft_of(visit)
        name = visit.request.path_params["rule"]
        if visit.form.get("do") == "apply":
            return await self._apply(visit, draft, form_from(visit.form, name), is_new=False)
        return await self._show_rule(visit, draft, name)

    async def act(self, visit: Visit) -> Response:
        """Move, delete or switch a rule, and go on to the review."""
        draft = await draft_of(visit)
        name, what = visit.form.get("rule", ""), visit.form.get("act", "")
        acts = {
            "up": lambda: move_rule(draft.text, name, up=True),
            "down": lambda: move_rule(draft.text, name, up=False),
            "delete": lambda: delete_rule(draft.text, name),
            "observe": lambda: observe_rule(draft.text, name, observe=True),
            "enforce": lambda: observe_rule(draft.text, name, observe=False),
        }
        if what not in acts:
            raise NotFoundError("no such act")
        try:
            text = await run_in_threadpool(acts[what])
        except EditError as error:
            if error.code == "unknown-rule":
                raise NotFoundError("no such rule") from None
            return await self._show_rule(visit, draft, name, fault=error.code)
        return await self._workshop.show(visit, draft.over(text), rule="" if what == "delete" else name)

    async def _apply(self, visit: Visit, draft: Draft, form: RuleForm, *, is_new: bool) -> Response:
        faults = form.faults()
        if faults:
            return await self._show(visit, draft, form, is_new=is_new, faults=faults)
        place = visit.number("at")
        try:
            if is_new:
                text = await run_in_threadpool(add_rule, draft.text, form, place)
            else:
                text = await run_in_threadpool(change_rule, draft.text, form)
        except EditError as error:
            return await self._show(visit, draft, form, is_new=is_new, faults=(error.code,))
        return await self._workshop.show(visit, draft.over(text), rule=form.id)

    async def _show_rule(self, visit: Visit, draft: Draft, name: str, *, fault: str = "") -> Response:
        try:
            found = await run_in_threadpool(rules_in, draft.text)
        except EditError as error:
            return await self._show(visit, draft, RuleForm(id=name), faults=(error.code,), sayable=False)
        line, form = next(((line, form) for rule, line, form in found if rule == name), (0, None))
        if not line:
            raise NotFoundError("no such rule")
        faults = (fault,) if fault else ()
        if form is None or max(len(form.deliver), len(form.copy)) > TEAM_FIELDS:
            own = lines_of_rule(draft.text, name)
            return await self._show(
                visit, draft, RuleForm(id=name), faults=faults, line=line, sayable=False, own_lines=own
            )
        return await self._show(visit, draft, form, faults=faults, line=line)

    async def _show(
        self,
        visit: Visit,
        draft: Draft,
        form: RuleForm,
        *,
        is_new: bool = False,
        faults: tuple[str, ...] = (),
        line: int = 0,
        sayable: bool = True,
        own_lines: str = "",
    ) -> Response:
        rules = visit.services.rulebook.current
        return visit.page(
            "rules_form.html",
            shell=await shell_of(visit),
            draft=draft,
            form=form,
            is_new=is_new,
            faults=[FAULTS[fault] for fault in faults],
            line=line,
            sayable=sayable,
            own_lines=own_lines,
            operands={"to": form.to, "from": form.sender, "subject": form.subject, "text": form.text},
            flags={flag: getattr(form, flag) for flag in FLAGS},
            team_fields_most=TEAM_FIELDS,
            rules=rules,
            priorities=PRIORITIES,
            places=await run_in_threadpool(_places, draft.text) if is_new else [],
        )


def _places(text: str) -> list[_Place]:
    try:
        return [_Place(at=at, before=rule) for at, (rule, _, _) in enumerate(rules_in(text))]
    except EditError:
        return []


def form_from(fields: Mapping[str, str], rule: str | None = None) -> RuleForm:
    """Read the form of a rule; with `rule`, of one that has its id already."""
    operands = {key: _operand(fields, key) for key in _OPERANDS}
    flags = {flag: _TRUTH.get(fields.get(f"f_{flag}", "")) for flag in FLAGS}
    priority = fields.get("f_priority", "")
    return RuleForm(
        id=fields.get("f_id", "").strip()[:200] if rule is None else rule,
        note=fields.get("f_note", "").replace("\r\n", "\n").strip()[:_MAX_LINE],
        to=operands["to"],
        sender=operands["from"],
        subject=operands["subject"],
        text=operands["text"],
        list=flags["list"],
        auto_submitted=flags["auto_submitted"],
        bounce=flags["bounce"],
        deliver=_teams(fields, "deliver"),
        copy=_teams(fields, "copy"),
        tag=_distinct(fields.get("f_tag", "").split(",")),
        priority=priority if priority in PRIORITIES else "",
        closed=fields.get("f_closed") == "yes",
        observe=fields.get("f_observe") == "yes",
    )


def _operand(fields: Mapping[str, str], key: str) -> Operand:
    values = _distinct(fields.get(f"f_{key}", "").splitlines())
    return Operand(values=values, list=fields.get(f"f_{key}_list", "").strip()[:200])


def _teams(fields: Mapping[str, str], key: str) -> tuple[str, ...]:
    return _distinct([fields.get(f"f_{key}{number}", "") for number in range(1, TEAM_FIELDS + 1)])


def _distinct(texts: list[str]) -> tuple[str, ...]:
    plain = ("".join(c for c in text if c.isprintable()).strip()[:_MAX_LINE] for text in texts)
    return tuple(dict.fromkeys(text for text in plain if text))
