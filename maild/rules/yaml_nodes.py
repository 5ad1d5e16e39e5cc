"""From YAML text to a tree of nodes that know their place, and to nothing else.

The parser is libyaml's; the tree is built here from its events, without recursion, so that depth and size are
bounded before they cost anything. There are no aliases (a bomb, or a riddle for the reader), no tags (YAML's way
to construct objects), no merge keys and no duplicate keys. Scalars stay text: which kind of value is meant is said by
the place where they stand, so `no`, `1e3` and `0123` mean what they look like.

Source: YAML 1.2.2 §7 and §10.3 (core schema).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from maild.rules.findings import Code, Findings, Spot, quoted

MAX_CHARACTERS = 5_000_000
MAX_NODES = 200_000
MAX_DEPTH = 20

# Plain scalars that YAML 1.1 tools (many editors, most other programs) take for a truth value or a number.
_SURPRISE = re.compile(
    r"(?i:yes|no|on|off)"  # truth values in 1.1
    r"|[-+]?0[0-7]+"  # octal in 1.1
    r"|[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?"  # base 60 in 1.1
    r"|[-+]?[0-9]+[eE][0-9]+"  # a number in 1.2, text in 1.1
    r"|[-+]?[0-9]+(?:_[0-9]+)+"  # a number in 1.1, text in 1.2
)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    text: str
    plain: bool  # written without quotes
    line: int
    column: int

    @property
    def null(self) -> bool:
        return self.plain and self.text in _NULL

    @property
    def surprising(self) -> bool:
        return self.plain and _SURPRISE.fullmatch(self.text) is not None


@dataclass(slots=True, kw_only=True)
class Sequence:
    line: int
    column: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Mapping:
    """Pairs in the order written; keys are distinct."""

    line: int
    column: int
    pairs: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


class _StopError(Exception):
    """The text cannot be read any further; the finding is already noted."""


def parse(text: str, findings: Findings) -> Node | None:
    """Read one YAML document; None when nothing can be made of it. Whatever is wrong is in `findings`."""
    start = Spot(1, 1)
    if len(text) > MAX_CHARACTERS:
        findings.error(start, Code.TOO_LARGE, f"the file has more than {MAX_CHARACTERS:,} characters")
        return None
    try:
        return _Builder(findings).build(_events(text.removeprefix("\ufeff")))
    except _StopError:
        return None
    except yaml.MarkedYAMLError as error:
        findings.error(
            _spot(error.problem_mark or error.context_mark),
            Code.SYNTAX,
            ", ".join(filter(None, (error.context, error.problem))),
        )
    except (yaml.YAMLError, UnicodeError) as error:
        findings.error(_unprintable(text), Code.SYNTAX, f"not YAML text: {_reason(error)}")
    return None


def _spot(mark: Any) -> Spot:
    return Spot(1, 1) if mark is None else Spot(mark.line + 1, mark.column + 1)


def _events(text: str) -> Iterator[yaml.Event]:
    return yaml.parse(text, Loader=yaml.CSafeLoader)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "a character that cannot be encoded"
    return str(getattr(error, "reason", error))


def _unprintable(text: str) -> Spot:
    found = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    before = text[: found.start()] if found else ""
    return Spot(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class _Builder:
    """Builds the tree with a stack of its own."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._open: list[Sequence | Mapping] = []
        self._keys: list[Scalar | None] = []  # of each open mapping: the key that waits for its value
        self._root: Node | None = None
        self._count = 0

    def build(self, events: Iterator[yaml.Event]) -> Node | None:
        documents = 0
        for event in events:
            spot = _spot(event.start_mark)
            if isinstance(event, yaml.NodeEvent):
                self._take(event, spot)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._open.pop()
                self._keys.pop()
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(spot, Code.SYNTAX, "a rules file is one YAML document; '---' begins another")
        return self._root

    def _stop(self, spot: Spot, code: Code, text: str) -> None:
        self._findings.error(spot, code, text)
        raise _StopError

    def _take(self, event: yaml.NodeEvent, spot: Spot) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            self._stop(spot, Code.TOO_LARGE, f"more than {MAX_NODES:,} values in one file; move lists into files")
        if event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            self._findings.error(spot, Code.ALIAS, f"{sign}{event.anchor}: anchors and aliases are not used here")
        if isinstance(event, yaml.AliasEvent):
            self._place(Scalar(text="", plain=True, line=spot.line, column=spot.column))
            return
        tag = event.tag if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) else None
        if tag is not None:
            self._findings.error(spot, Code.TAG, f"{quoted(tag)}: tags are not used here; write the plain value")
        self._place(self._node(event, spot))

    def _node(self, event: yaml.NodeEvent, spot: Spot) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(text=event.value, plain=not event.style, line=spot.line, column=spot.column)
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(line=spot.line, column=spot.column)
        return Mapping(line=spot.line, column=spot.column)

    def _place(self, node: Node) -> None:
        if not self._open:
            self._root = node
        elif isinstance(parent := self._open[-1], Sequence):
            parent.items.append(node)
        elif (key := self._keys[-1]) is None:
            self._keys[-1] = self._key(node)
        else:
            self._keys[-1] = None
            self._pair(parent, key, node)
        if not isinstance(node, Scalar):
            if len(self._open) >= MAX_DEPTH:
                self._stop(Spot(node.line, node.column), Code.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
            self._open.append(node)
            self._keys.append(None)

    def _key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            if node.surprising:
                self._findings.warning(
                    node, Code.YAML_1_1, f"the key {quoted(node.text)} is no text in YAML 1.1; quote it"
                )
            return node
        self._findings.error(node, Code.WRONG_KIND, "a key is a word, not a list or a mapping")
        return Scalar(text=f"\0{self._count}", plain=False, line=node.line, column=node.column)

    def _pair(self, parent: Mapping, key: Scalar, node: Node) -> None:
        first = parent.pairs.get(key.text)
        if first is None:
            parent.pairs[key.text] = (key, node)
            return
        self._findings.error(
            key, Code.DUPLICATE_KEY, f"the key {quoted(key.text)} stands already in line {first[0].line}"
        )
