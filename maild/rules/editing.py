"""Changing one rule in the text of a rules file, and nothing beside it.

Pure: a text goes in, a text comes out, in which only lines of that rule are different. Comments, blank lines, the ends
of lines and everything else stay byte for byte. A comment inside a part that is written anew moves above it.

Promise: what comes out was read again, and differs from what went in by what was asked for and nothing else; where that
cannot be had, EditError says why, and the text is to be edited by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from maild.rules.difference import LineMatcher
from maild.rules.findings import Findings
from maild.rules.layout import Block, Layout, LayoutError, Part, id_of, layout_of
from maild.rules.rule_form import RuleForm, form_of, same_part, written
from maild.rules.yaml_nodes import Mapping, Node, Scalar, Sequence, parse

_ENDS = re.compile(r"\r\n|\n|\r")
_ORDER = ("id", "note", "mode", "when", "unless", "then")


class EditError(Exception):
    """The edit cannot be made.

    `code` is one word: unread | one-line | unknown-rule | known-rule | not-by-form | would-touch-more.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def rules_in(text: str) -> list[tuple[str, int, RuleForm | None]]:
    """Return each rule's id, line (from 1), and itself as a form, None where the form cannot say it."""
    layout = _layout(text)
    pairs = zip(layout.nodes, layout.blocks, strict=True)
    return [(id_of(node) or "", block.first + 1, form_of(node)) for node, block in pairs]


def lines_of_rule(text: str, rule: str) -> str:
    """Return the lines of a rule as they stand."""
    layout = _layout(text)
    block = layout.blocks[_place(layout, rule)]
    return "".join(layout.lines[block.first : block.last + 1])


def add_rule(text: str, form: RuleForm, at: int | None = None) -> str:
    """Return the text with a new rule: before the one that stands at `at` (from 0), or else at the end."""
    layout = _layout(text)
    if layout.find(form.id) is not None:
        raise EditError("known-rule")
    at = len(layout.blocks) if at is None else max(0, min(at, len(layout.blocks)))
    lines, end = _ended(layout)
    if layout.blocks:
        _insert(layout, lines, _block_lines(form, layout.blocks[0].dash, end), at, end)
    else:
        _begin(layout, lines, _block_lines(form, 2, end), end)
    return _checked(text, _joined(lines, layout), lambda items: [*items[:at], None, *items[at:]], form)


def change_rule(text: str, form: RuleForm) -> str:
    """Return the text with a rule as `form` says it; its id stays, and so does what the form does not speak of."""
    layout = _layout(text)
    at = _place(layout, form.id)
    before = form_of(layout.nodes[at])
    if before is None:
        raise EditError("not-by-form")
    block = layout.blocks[at]
    parts = written(form)
    by_key = {part.key: part for part in block.parts}
    wanted: dict[str, list[str] | None] = {
        key: parts.get(key)
        for key in ("note", "mode", "when", "then")
        if not same_part(key, before, form) and (key in by_key or key in parts)
    }
    return _rewritten(text, layout, at, wanted, form)


def observe_rule(text: str, rule: str, *, observe: bool) -> str:
    """Return the text with a rule that only observes, or that acts."""
    layout = _layout(text)
    at = _place(layout, rule)
    has_mode = any(part.key == "mode" for part in layout.blocks[at].parts)
    form = form_of(layout.nodes[at])
    lines = ["mode: observe"] if observe else None
    wanted = {"mode": lines} if has_mode or observe else {}
    return _rewritten(text, layout, at, wanted, None if form is None else replace(form, observe=observe))


def delete_rule(text: str, rule: str) -> str:
    """Return the text without a rule. Comments above it stay: they may be the heading of more than it."""
    layout = _layout(text)
    at = _place(layout, rule)
    block = layout.blocks[at]
    lines, _ = _ended(layout)
    del lines[block.first : block.last + 1]
    if len(layout.blocks) == 1 and layout.key is not None:
        line, column = layout.key
        lines[line] = f"{lines[line][:column]} []{lines[line][column:]}"
    return _checked(text, _joined(lines, layout), lambda items: items[:at] + items[at + 1 :], None)


def move_rule(text: str, rule: str, *, up: bool) -> str:
    """Return the text with a rule one place further up or down; at the end of the way nothing changes."""
    layout = _layout(text)
    at = _place(layout, rule)
    first = at - 1 if up else at
    if first < 0 or first + 1 >= len(layout.blocks):
        return text
    above, below = layout.blocks[first], layout.blocks[first + 1]
    lines, _ = _ended(layout)
    a, b, c, d = layout.attached(above), above.last + 1, layout.attached(below), below.last + 1
    lines[a:d] = [*lines[c:d], *lines[b:c], *lines[a:b]]

    def swapped(items: list[Any]) -> list[Any]:
        return [*items[:first], items[first + 1], items[first], *items[first + 2 :]]

    return _checked(text, _joined(lines, layout), swapped, None)


def with_line_ends(base: str, submitted: str) -> str:
    """Return what came out of a browser's text field with the line ends of the text that went into it.

    Interop: a browser sends every line end as CRLF (HTML Standard §4.10.22.4). Lines that were not changed get back
    exactly what they had; new ones get what most have.
    """
    old, new = _cut(base), _cut(submitted)
    usual = _usual_end([end for _, end in old])
    if [line for line, _ in old] == [line for line, _ in new] and bool(old and old[-1][1]) == bool(new and new[-1][1]):
        return base
    if len({end for _, end in old if end}) < 2:
        return "".join(line + (usual if end else "") for line, end in new)
    result: list[str] = []
    matcher = LineMatcher([line for line, _ in old], [line for line, _ in new])
    for kind, i, _, j, k in matcher.get_opcodes():
        for offset, (line, end) in enumerate(new[j:k]):
            kept = old[i + offset][1] if kind == "equal" else usual
            result.append(line + ((kept or usual) if end else ""))
    return "".join(result)


def _cut(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    for end in _ENDS.finditer(text):
        found.append((text[at : end.start()], end[0]))
        at = end.end()
    return [*found, (text[at:], "")] if at < len(text) else found


def _usual_end(ends: list[str]) -> str:
    found = [end for end in ends if end]
    return max(("\n", "\r\n", "\r"), key=found.count)


def _layout(text: str) -> Layout:
    try:
        return layout_of(text)
    except LayoutError as error:
        raise EditError(error.code) from None


def _place(layout: Layout, rule: str) -> int:
    at = layout.find(rule)
    if at is None:
        raise EditError("unknown-rule")
    return at


def _ended(layout: Layout) -> tuple[list[str], str]:
    """Return the lines, the last one with an end too, and the end that new lines get."""
    end = _usual_end([line[len(line.rstrip("\r\n")) :] for line in layout.lines])
    lines = list(layout.lines)
    if lines and lines[-1] == lines[-1].rstrip("\r\n"):
        lines[-1] += end
    return lines, end


def _joined(lines: list[str], layout: Layout) -> str:
    """Join lines; a text that ended without a line end does so again."""
    text = "".join(lines)
    if layout.lines and layout.lines[-1] == layout.lines[-1].rstrip("\r\n"):
        return text.removesuffix("\n").removesuffix("\r")
    return text


def _block_lines(form: RuleForm, dash: int, end: str) -> list[str]:
    found = [line for part in written(form).values() for line in part]
    return [f"{' ' * dash}{'- ' if not n else '  '}{line}{end}" for n, line in enumerate(found)]


def _insert(layout: Layout, lines: list[str], fresh: list[str], at: int, end: str) -> None:
    blocks = layout.blocks
    apart = len(blocks) > 1 and not layout.lines[layout.attached(blocks[1]) - 1].strip()
    if at == len(blocks):
        place, fresh = blocks[-1].last + 1, [*([end] if apart else []), *fresh]
    else:
        place, fresh = layout.attached(blocks[at]), [*fresh, *([end] if apart else [])]
    lines[place:place] = fresh


def _begin(layout: Layout, lines: list[str], fresh: list[str], end: str) -> None:
    """Write the first rule of all."""
    if layout.key is None:
        lines += [end, f"rules:{end}", *fresh]
        return
    line, _ = layout.key
    if layout.nothing is not None:
        line, begin, until = layout.nothing
        text = lines[line]
        kept = text[until:]
        lines[line] = text[:begin].rstrip(" ") + (kept if kept.strip() else kept[len(kept.rstrip("\r\n")) :])
    lines[line + 1 : line + 1] = fresh


def _rewritten(text: str, layout: Layout, at: int, wanted: dict[str, list[str] | None], form: RuleForm | None) -> str:
    """Write some keys of a rule anew (None: leave out), and check."""
    block = layout.blocks[at]
    lines, end = _ended(layout)
    if not wanted:
        return text
    first_key = block.parts[0].key if block.parts else None
    if first_key is None or wanted.get(first_key, []) is None:
        if form is None or form.kept:
            raise EditError("not-by-form")
        fresh = [*_lifted(layout, block.first, block.last, block.dash, end), *_block_lines(form, block.dash, end)]
        lines[block.first : block.last + 1] = fresh
    else:
        _splice(layout, block, lines, wanted, end)
    others = layout.nodes[at]
    return _checked(text, _joined(lines, layout), lambda items: [*items[:at], None, *items[at + 1 :]], form, others)


def _splice(layout: Layout, block: Block, lines: list[str], wanted: dict[str, list[str] | None], end: str) -> None:
    column = block.parts[0].column
    by_key = {part.key: part for part in block.parts}
    edits: list[tuple[int, int, list[str]]] = []
    for key, fresh in wanted.items():
        part = by_key.get(key)
        indented = [f"{' ' * column}{line}{end}" for line in fresh or []]
        if part is None:
            after = _before_which(block.parts, key).last + 1
            edits.append((after, after, indented))
            continue
        last = _without_blank_end(layout, part)
        above = _lifted(layout, part.first, last, column, end)
        if part is block.parts[0] and indented:
            prefix = layout.lines[part.first][: part.column]
            indented[0] = prefix + indented[0][column:]
            above = [" " * block.dash + comment.lstrip() for comment in above]
        edits.append((part.first, last + 1, above + indented))
    for first, until, fresh in sorted(edits, key=lambda edit: (edit[0], edit[1]), reverse=True):
        lines[first:until] = fresh


def _before_which(parts: list[Part], key: str) -> Part:
    """Return the part after which a new key is put, in the order in which rules are usually written."""
    earlier = _ORDER[: _ORDER.index(key)]
    return next((part for part in reversed(parts) if part.key in earlier), parts[0])


def _without_blank_end(layout: Layout, part: Part) -> int:
    last = part.last
    while last > part.first and not layout.lines[last].strip():
        last -= 1
    return last


def _lifted(layout: Layout, first: int, last: int, column: int, end: str) -> list[str]:
    return [f"{' ' * column}{comment}{end}" for comment in layout.comments(first, last)]


def _checked(
    old: str,
    new: str,
    expected: Callable[[list[Any]], list[Any]],
    form: RuleForm | None,
    changed: Node | None = None,
) -> str:
    """Return `new` when it says what was asked for and nothing else.

    Invariant: everything but the one rule reads as it did; where `expected` has None, `form` stands, with the keys of
    `changed` that no form speaks of as they were.
    """
    before, after = parse(old, Findings("")), parse(new, Findings(""))
    if not isinstance(before, Mapping) or not isinstance(after, Mapping) or _beside(before) != _beside(after):
        raise EditError("would-touch-more")
    wanted = expected([_value(node) for node in _rules(before)])
    found = _rules(after)
    if len(found) != len(wanted):
        raise EditError("would-touch-more")
    for value, node in zip(wanted, found, strict=True):
        if value is not None and value != _value(node):
            raise EditError("would-touch-more")
        if value is None and not _as_asked(node, form, changed):
            raise EditError("would-touch-more")
    return new


def _as_asked(node: Node, form: RuleForm | None, changed: Node | None) -> bool:
    if form is None:  # `mode` alone was written, in a rule that the form cannot say
        return changed is not None and _beside(node, "mode") == _beside(changed, "mode")
    found = form_of(node)
    if found is None or replace(found, kept=(), note="") != replace(form, kept=(), note=""):
        return False
    kept = isinstance(node, Mapping) and all(
        isinstance(changed, Mapping) and _value(node.pairs[key][1]) == _value(changed.pairs[key][1])
        for key in found.kept
    )
    return kept and found.note.split() == form.note.split()


def _rules(root: Mapping) -> list[Node]:
    pair = root.pairs.get("rules")
    return pair[1].items if pair is not None and isinstance(pair[1], Sequence) else []


def _beside(node: Node, without: str = "rules") -> Any:
    if not isinstance(node, Mapping):
        return _value(node)
    return {key: _value(value) for key, (_, value) in node.pairs.items() if key != without}


def _value(node: Node) -> Any:
    if isinstance(node, Scalar):
        return node.text, node.plain
    if isinstance(node, Sequence):
        return [_value(item) for item in node.items]
    return {key: _value(value) for key, (_, value) in node.pairs.items()}
