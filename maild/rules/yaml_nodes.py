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

from maild.errors import Said, said
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
_QUOTES = ("'", '"')
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    text: str
    plain: bool  # written without quotes
    line: int
    column: int
    begin: int = 0  # of what was written, quotes and all: characters of the source
    end: int = 0

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
    """Pairs in the order written; keys are distinct. `partial`: some could not be read, and were reported."""

    line: int
    column: int
    partial: bool = False
    pairs: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping
_NO_KEY = Scalar(text="", plain=False, line=0, column=0)  # stands for a key that is no text


class _StopError(Exception):
    """The text cannot be read any further; the finding is already noted."""


def parse(text: str, findings: Findings) -> Node | None:
    """Read one YAML document; None when nothing can be made of it. Whatever is wrong is in `findings`."""
    start = Spot(1, 1)
    if len(text) > MAX_CHARACTERS:
        findings.error(start, Code.TOO_LARGE, said("the file has more than %(most)s characters", most=MAX_CHARACTERS))
        return None
    findings.source = text.removeprefix("\ufeff")
    builder = _Builder(findings)
    try:
        return builder.build(_events(findings.source))
    except _StopError:
        return None
    except yaml.MarkedYAMLError as error:
        findings.error(*_misread(error, builder.long_quote))
    except (yaml.YAMLError, UnicodeError) as error:
        found = said("not YAML text: %(reason)s", reason=said(_reason(error)))
        findings.error(_unprintable(text), Code.SYNTAX, found)
    return None


def _spot(mark: Any) -> Spot:
    return Spot(1, 1) if mark is None else Spot(mark.line + 1, mark.column + 1)


def _misread(error: yaml.MarkedYAMLError, long_quote: tuple[Spot, int] | None) -> tuple[Spot, Code, Said]:
    """Return where the mistake is likely to be: the reader gives up where a quote or a bracket is missed, lines below.

    Args:
        error: the reader's.
        long_quote: where the last quoted text of several lines begins, and the line in which it ends.
    """
    text = _told(error)
    begin, end = _spot(error.context_mark), _spot(error.problem_mark or error.context_mark)
    if long_quote is not None and long_quote[1] == end.line:
        text = said("a quote that begins here ends only in line %(line)s, or never", line=str(end.line))
        return long_quote[0], Code.SYNTAX, text
    opened = error.context in ("while parsing a flow sequence", "while parsing a flow mapping")
    if error.context == "while scanning a quoted scalar" or (opened and begin.line != end.line):
        return begin, Code.SYNTAX, text
    return end, Code.SYNTAX, text


def _told(error: yaml.MarkedYAMLError) -> Said:
    parts = [said(part) for part in (error.context, error.problem) if part]
    return said("%(doing)s, %(problem)s", doing=parts[0], problem=parts[1]) if len(parts) == 2 else parts[0]


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
        self.long_quote: tuple[Spot, int] | None = None  # the last one, and the line of its end

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
                    self._stop(spot, Code.SYNTAX, said("a rules file is one YAML document; '---' begins another"))
        return self._root

    def _stop(self, spot: Spot, code: Code, text: Said) -> None:
        self._findings.error(spot, code, text)
        raise _StopError

    def _take(self, event: yaml.NodeEvent, spot: Spot) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            text = said("more than %(most)s values in one file; move lists into files", most=MAX_NODES)
            self._stop(spot, Code.TOO_LARGE, text)
        if event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            text = said("%(anchor)s: anchors and aliases are not used here", anchor=f"{sign}{event.anchor}")
            self._findings.error(spot, Code.ALIAS, text)
        if isinstance(event, yaml.AliasEvent):
            self._findings.spoil(spot)
            self._place(Scalar(text="", plain=True, line=spot.line, column=spot.column))
            return
        tag = event.tag if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) else None
        if tag is not None:
            text = said("%(tag)s: tags are not used here; write the plain value", tag=quoted(tag))
            self._findings.error(spot, Code.TAG, text)
        self._place(self._node(event, spot))

    def _node(self, event: yaml.NodeEvent, spot: Spot) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            start: Any = event.start_mark
            end: Any = event.end_mark
            if event.style in _QUOTES and start.line != end.line:
                self.long_quote = spot, end.line + 1
            plain = not event.style
            return Scalar(
                text=event.value, plain=plain, line=spot.line, column=spot.column, begin=start.index, end=end.index
            )
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
                text = said("nested deeper than %(most)s levels", most=MAX_DEPTH)
                self._stop(Spot(node.line, node.column), Code.TOO_DEEP, text)
            self._open.append(node)
            self._keys.append(None)

    def _key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            if node.surprising:
                text = said("the key %(key)s is no text in YAML 1.1; quote it", key=quoted(node.text))
                self._findings.warning(node, Code.YAML_1_1, text)
            return node
        self._findings.error(node, Code.WRONG_KIND, said("a key is a word, not a list or a mapping"))
        return _NO_KEY

    def _pair(self, parent: Mapping, key: Scalar, node: Node) -> None:
        if key is _NO_KEY or (key.text == "<<" and self._findings.spoilt(node)):
            parent.partial = True
            return
        first = parent.pairs.get(key.text)
        if first is None:
            parent.pairs[key.text] = (key, node)
            return
        text = said("the key %(key)s stands already in line %(line)s", key=quoted(key.text), line=str(first[0].line))
        self._findings.error(key, Code.DUPLICATE_KEY, text)
