"""The common rule as a form has it: read from a rule's YAML, and written as YAML again.

Pure. What a form cannot say (`header`, `any`, a regular expression, an action that came later) makes a rule one that is
edited as text; `unless`, `active`, `continue` and `stop` are left as they stand, whatever becomes of the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from maild.rules.yaml_nodes import Mapping, Node, Scalar, Sequence
from maild.rules.yaml_text import scalar

KEPT = ("unless", "active", "continue", "stop")
FLAGS = ("list", "auto_submitted", "bounce")
TEXTS = {"to": "is", "from": "is", "subject": "contains", "text": "contains"}
PRIORITIES = ("low", "normal", "high")
_ACTIONS = frozenset({"deliver", "copy", "tag", "priority", "file"})
_TRUTH = {"true": True, "false": False}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """What a condition compares with: one of these values, or of the entries of a named list."""

    values: tuple[str, ...] = ()
    list: str = ""

    @property
    def said(self) -> bool:
        """Tell whether there is anything to compare with."""
        return bool(self.values or self.list)


NOTHING = Operand()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleForm:
    """A rule as the form shows it. `kept` names the keys that it leaves alone."""

    id: str
    note: str = ""
    to: Operand = NOTHING
    sender: Operand = NOTHING  # the field From
    subject: Operand = NOTHING
    text: Operand = NOTHING
    list: bool | None = None
    auto_submitted: bool | None = None
    bounce: bool | None = None
    deliver: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    priority: str = ""
    closed: bool = False
    observe: bool = False
    kept: tuple[str, ...] = ()

    def faults(self) -> tuple[str, ...]:
        """Return what is wrong with it before any file is asked, a word each: id | no-action | both."""
        operands = (self.to, self.sender, self.subject, self.text)
        found = [] if _NAME.fullmatch(self.id) else ["id"]
        if not (self.deliver or self.copy or self.tag or self.priority or self.closed):
            found.append("no-action")
        if any(operand.values and operand.list for operand in operands):
            found.append("both")
        return tuple(found)


class _InexpressibleError(Exception):
    """The form has no place for this."""


def form_of(node: Node) -> RuleForm | None:
    """Read a rule; None when the form cannot say it."""
    try:
        return _form_of(node)
    except _InexpressibleError:
        return None


def _form_of(node: Node) -> RuleForm:
    rule = _pairs(node, {"id", "note", "when", "then", "mode", *KEPT})
    when = _pairs(rule["when"], {*TEXTS, *FLAGS}) if "when" in rule else {}
    then = _pairs(rule["then"], _ACTIONS) if "then" in rule else {}
    mode = _word(rule["mode"], ("observe", "enforce")) if "mode" in rule else "enforce"
    texts = {key: _operand(when[key], bare) for key, bare in TEXTS.items() if key in when}
    flags = {key: _flag(when[key]) for key in FLAGS if key in when}
    return RuleForm(
        id=_text(rule["id"]) if "id" in rule else "",
        note=_text(rule["note"]) if "note" in rule else "",
        to=texts.get("to", NOTHING),
        sender=texts.get("from", NOTHING),
        subject=texts.get("subject", NOTHING),
        text=texts.get("text", NOTHING),
        list=flags.get("list"),
        auto_submitted=flags.get("auto_submitted"),
        bounce=flags.get("bounce"),
        deliver=_values(then["deliver"]) if "deliver" in then else (),
        copy=_values(then["copy"]) if "copy" in then else (),
        tag=_values(then["tag"]) if "tag" in then else (),
        priority=_word(then["priority"], PRIORITIES) if "priority" in then else "",
        closed="file" in then and _word(then["file"], ("closed",)) == "closed",
        observe=mode == "observe",
        kept=tuple(key for key in KEPT if key in rule),
    )


def _pairs(node: Node, keys: Iterable[str]) -> dict[str, Node]:
    if not isinstance(node, Mapping) or not node.pairs.keys() <= set(keys):
        raise _InexpressibleError
    return {key: value for key, (_, value) in node.pairs.items()}


def _text(node: Node) -> str:
    if not isinstance(node, Scalar) or node.null:
        raise _InexpressibleError
    return node.text


def _word(node: Node, words: Iterable[str]) -> str:
    text = _text(node)
    if text not in words:
        raise _InexpressibleError
    return text


def _flag(node: Node) -> bool:
    text = _text(node).lower()
    if text not in _TRUTH:
        raise _InexpressibleError
    return _TRUTH[text]


def _values(node: Node) -> tuple[str, ...]:
    found = tuple(_text(item) for item in node.items) if isinstance(node, Sequence) else (_text(node),)
    # What a line of a form cannot hold would come back as something else.
    if not found or any(v != v.strip() or not v or not v.isprintable() for v in found):
        raise _InexpressibleError
    return found


def _operand(node: Node, bare: str) -> Operand:
    if isinstance(node, Mapping) and set(node.pairs) == {bare}:
        node = node.pairs[bare][1]
    if isinstance(node, Mapping):
        return Operand(list=_text(_pairs(node, ("list",)).get("list") or node))
    return Operand(values=_values(node))


def written(form: RuleForm) -> dict[str, list[str]]:
    """Return the lines of each key that the form says, without indentation; `kept` ones are not among them."""
    parts = {"id": [f"id: {scalar(form.id)}"]}
    if form.note:
        parts["note"] = [f"note: {scalar(form.note)}"]
    if form.observe:
        parts["mode"] = ["mode: observe"]
    when = list(_when(form))
    if when:
        parts["when"] = ["when:", *(f"  {line}" for line in when)]
    parts["then"] = ["then:", *(f"  {line}" for line in _then(form))]
    return parts


def same_part(key: str, old: RuleForm, new: RuleForm) -> bool:
    """Tell whether a key would be written to the same effect, so that its lines can stay."""
    if key == "id":
        return old.id == new.id
    if key == "note":
        return old.note.split() == new.note.split()
    if key == "mode":
        return old.observe == new.observe
    said: Callable[[RuleForm], Iterable[str]] = _when if key == "when" else _then
    return list(said(old)) == list(said(new))


def _when(form: RuleForm) -> Iterable[str]:
    for key, operand in (("to", form.to), ("from", form.sender), ("subject", form.subject), ("text", form.text)):
        if operand.list:
            yield f"{key}: {{list: {scalar(operand.list)}}}"
        elif operand.values:
            yield f"{key}: {_one_or_more(operand.values)}"
    for key in FLAGS:
        value = getattr(form, key)
        if value is not None:
            yield f"{key}: {'true' if value else 'false'}"


def _then(form: RuleForm) -> Iterable[str]:
    for key, values in (("deliver", form.deliver), ("copy", form.copy), ("tag", form.tag)):
        if values:
            yield f"{key}: {_one_or_more(values)}"
    if form.priority:
        yield f"priority: {form.priority}"
    if form.closed:
        yield "file: closed"


def _one_or_more(values: tuple[str, ...]) -> str:
    return scalar(values[0]) if len(values) == 1 else f"[{', '.join(scalar(value) for value in values)}]"
