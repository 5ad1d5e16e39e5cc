"""Where the rules stand in the text of a rules file: which lines are whose, down to the keys of a rule.

The loader knows where a value begins; whoever replaces lines must know as well where it ends, and what of a line is a
comment. Lines are counted from 0 here; they end where YAML 1.1 ends them, as libyaml counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from maild.rules.findings import Findings
from maild.rules.yaml_nodes import Mapping, Node, Scalar, Sequence, parse

_LINE = re.compile(r"[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n\x85\u2028\u2029]|\Z)")
_BOM = "\ufeff"
_BEGINS = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_ENDS = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


class LayoutError(Exception):
    """The text cannot be edited rule by rule. `code` is one word: unread | one-line."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True, kw_only=True)
class Part:
    """One key of a rule with its value: lines `first` to `last`, and the column of the key."""

    key: str
    first: int
    last: int
    column: int


@dataclass(slots=True, kw_only=True)
class Block:
    """One rule: lines `first` (with its dash, in column `dash`) to `last`. With `flow` it has no parts."""

    first: int
    last: int
    dash: int
    flow: bool = False
    parts: list[Part] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Layout:
    """A text in lines, each with its end, and what of them is rules.

    `blocks` and `nodes` go together. `key` is where `rules:` ends (line, column), None when it is missing; `nothing` is
    what stands there in place of a list: `[]` or a null, by line and columns.
    """

    lines: list[str]
    blocks: list[Block]
    nodes: list[Node]
    tokens: list[Any]
    key: tuple[int, int] | None = None
    nothing: tuple[int, int, int] | None = None

    def find(self, rule: str) -> int | None:
        """Return the place of a rule among the others."""
        return next((at for at, node in enumerate(self.nodes) if id_of(node) == rule), None)

    def attached(self, block: Block) -> int:
        """Return the first line of the comment that stands right above a rule, or the rule's own first line."""
        first = block.first
        floor = -1 if self.key is None else self.key[0]
        while first - 1 > floor and self.lines[first - 1].strip().startswith("#"):
            first -= 1
        return first

    def comments(self, first: int, last: int) -> list[str]:
        """Return the comments in these lines, with their sign."""
        covered = _covered(self.tokens, first, last)
        found = (_comment(self.lines[line], covered.get(line, [])) for line in range(first, last + 1))
        return [comment for comment in found if comment]


def id_of(node: Node) -> str | None:
    """Return the id of a rule as it is written."""
    pair = node.pairs.get("id") if isinstance(node, Mapping) else None
    return pair[1].text if pair is not None and isinstance(pair[1], Scalar) else None


def lines_of(text: str) -> list[str]:
    """Split a text as YAML does; the lines keep their ends."""
    return [line for line in _LINE.findall(text) if line]


def layout_of(text: str) -> Layout:
    """Find the rules in a text; raises LayoutError when it cannot be read, or has the rules in one line."""
    root = parse(text, Findings(""))
    if not isinstance(root, Mapping):
        raise LayoutError("unread")
    try:
        tokens = list(yaml.scan(text.removeprefix(_BOM), Loader=yaml.CSafeLoader))
    except yaml.YAMLError:
        raise LayoutError("unread") from None
    if not any(isinstance(token, yaml.BlockMappingStartToken) for token in tokens[:4]):
        raise LayoutError("one-line")
    walk = _Walk()
    for token in tokens:
        walk.take(token)
    pair = root.pairs.get("rules")
    nodes = pair[1].items if pair is not None and isinstance(pair[1], Sequence) else []
    if len(nodes) != len(walk.blocks):
        raise LayoutError("one-line" if not walk.blocks else "unread")
    if pair is not None and not (isinstance(pair[1], Sequence) or (isinstance(pair[1], Scalar) and pair[1].null)):
        raise LayoutError("unread")
    return Layout(
        lines=lines_of(text), blocks=walk.blocks, nodes=list(nodes), tokens=tokens, key=walk.key, nothing=walk.nothing
    )


class _Walk:
    """Goes through the tokens once."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.key: tuple[int, int] | None = None
        self.nothing: tuple[int, int, int] | None = None
        self._depth = 0
        self._list_depth = 0  # at which the dashes of the rules stand; 0: not among them
        self._in_rules = False
        self._before: Any = None

    def take(self, token: Any) -> None:
        if isinstance(token, _ENDS):
            self._depth -= 1
        if (isinstance(token, yaml.KeyToken) and self._depth == 1) or not self._depth:
            self._in_rules = False
        if self._in_rules:
            self._inside(token)
        elif isinstance(token, yaml.ScalarToken) and self._depth == 1 and isinstance(self._before, yaml.KeyToken):
            self._in_rules = token.value == "rules"
        if isinstance(token, _BEGINS):
            self._depth += 1
        self._before = token

    def _inside(self, token: Any) -> None:
        if isinstance(token, yaml.ValueToken) and self._depth == 1 and self.key is None:
            self.key = (token.end_mark.line, token.end_mark.column)
        elif isinstance(token, yaml.BlockEntryToken) and self._depth == (self._list_depth or self._depth):
            self._list_depth = self._depth
            mark = token.start_mark
            self.blocks.append(Block(first=mark.line, last=mark.line, dash=mark.column))
        elif self.blocks:
            self._extend(token)
        elif isinstance(token, yaml.FlowSequenceEndToken | yaml.ScalarToken) and self._depth == 1:
            self._note_nothing(token)

    def _note_nothing(self, token: Any) -> None:
        begin = self._before if isinstance(token, yaml.FlowSequenceEndToken) else token
        if isinstance(begin, yaml.FlowSequenceStartToken | yaml.ScalarToken) and (
            begin.start_mark.line == token.end_mark.line
        ):
            self.nothing = (token.end_mark.line, begin.start_mark.column, token.end_mark.column)

    def _extend(self, token: Any) -> None:
        block, start = self.blocks[-1], token.start_mark
        if isinstance(token, yaml.KeyToken) and self._depth == self._list_depth + 1 and not block.flow:
            block.parts.append(Part(key="", first=start.line, last=start.line, column=start.column))
        elif isinstance(token, yaml.FlowMappingStartToken) and isinstance(self._before, yaml.BlockEntryToken):
            block.flow = True  # what is inside the braces are no lines of their own
        if isinstance(token, yaml.ScalarToken) and isinstance(self._before, yaml.KeyToken) and block.parts:
            part = block.parts[-1]
            if self._depth == self._list_depth + 1 and not part.key:
                part.key = token.value
        last = _last_line(token)
        if last is not None:
            block.last = max(block.last, last)
            if block.parts:
                block.parts[-1].last = max(block.parts[-1].last, last)


def _last_line(token: Any) -> int | None:
    """Return the last line that a token is on; None for one without extent."""
    start, end = token.start_mark, token.end_mark
    if (start.line, start.column) == (end.line, end.column):
        return None
    # A literal text ends at the beginning of the line after it.
    return int(end.line) if end.column else max(int(end.line) - 1, int(start.line))


def _covered(tokens: list[Any], first: int, last: int) -> dict[int, list[tuple[int, int]]]:
    """Return what columns of each line are YAML, not comment."""
    found: dict[int, list[tuple[int, int]]] = {}
    for token in tokens:
        start, end = token.start_mark, token.end_mark
        for line in range(max(start.line, first), min(end.line, last) + 1):
            begin = start.column if line == start.line else 0
            until = end.column if line == end.line else 1 << 30
            found.setdefault(line, []).append((begin, until))
    return found


def _comment(line: str, covered: list[tuple[int, int]]) -> str:
    pieces, until = iter(sorted(covered)), 0
    piece = next(pieces, None)
    for at in _signs(line):
        while piece is not None and piece[0] <= at:
            until, piece = max(until, piece[1]), next(pieces, None)
        if at >= until:
            return line[at:].strip()
    return ""


def _signs(line: str) -> Iterator[int]:
    return (m.start() for m in re.finditer(r"(?:^|(?<=[ \t]))#", line))
