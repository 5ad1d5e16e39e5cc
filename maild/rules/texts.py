"""Reading `lists` and `templates`: the texts that rules and replies refer to."""

from __future__ import annotations

import re
from collections.abc import Callable

from maild.errors import said
from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, Findings, UnusableError, nearest, quoted, reason_of
from maild.rules.model import Template, TextList
from maild.rules.yaml_nodes import Mapping, Node, Scalar, Sequence

MAX_LIST_CHARACTERS = 20_000_000
MAX_LIST_LINES = 500_000
# Of all list files together: else a short text that names one file often would fill the memory.
MAX_ALL_CHARACTERS = 60_000_000
MAX_ALL_LINES = 1_500_000
ReadList = Callable[[str], str]

_PLACEHOLDER = re.compile(r"\{\{|\{([^{}\n]*)\}|\{")
PLACEHOLDERS = (
    "organisation.name",
    "team.name",
    "team.office",
    "team.hours",
    "team.usual_answer",
    "address.title",
    "address.mail",
    "conversation.reference",
    "conversation.subject",
    "sender.name",
    "sender.mail",
    "user.name",
)


def read_lists(fields: Fields, pairs: Pairs, read_list: ReadList | None) -> dict[str, TextList]:
    """Read `lists`, and their files through `read_list`."""
    files = _Files(read_list)
    return {key.text: _list(fields, key, node, files) for key, node in pairs.values()}


def _list(fields: Fields, key: Scalar, node: Node, files: _Files) -> TextList:
    fields.name(key, "list")
    if isinstance(node, Sequence):
        entries = fields.scalars(node, "a text")
        return TextList(id=key.text, entries=tuple(scalar.text for scalar in entries))
    if not isinstance(node, Mapping):
        fields.wrong(node, "a list, or {file: NAME}")
        return TextList(id=key.text, entries=())
    where = said("list %(name)s", name=quoted(key.text))
    found = fields.known(node, where, keys=("file",), required=("file",))
    scalar = fields.scalar(found["file"][1], "the name of a file") if "file" in found else None
    if scalar is None:
        return TextList(id=key.text, entries=())
    try:
        return TextList(id=key.text, entries=files.entries(scalar.text), file=scalar.text)
    except UnusableError as error:
        text = said("%(file)s %(reason)s", file=quoted(scalar.text), reason=error.reason)
        fields.findings.error(scalar, Code.LIST_FILE, text)
        return TextList(id=key.text, entries=(), file=scalar.text)


class _Files:
    """The list files of one rules file, each read once."""

    def __init__(self, read_list: ReadList | None) -> None:
        self._read_list = read_list
        self._known: dict[str, tuple[str, ...]] = {}
        self._characters = self._lines = 0

    def entries(self, name: str) -> tuple[str, ...]:
        """Return what a file lists. Raises UnusableError."""
        if name not in self._known:
            found = (line.partition("#")[0].strip() for line in self._read(name))
            self._known[name] = tuple(entry for entry in found if entry)
        return self._known[name]

    def _read(self, name: str) -> list[str]:
        if self._read_list is None:
            raise UnusableError(said("cannot be read here"))
        if self._characters > MAX_ALL_CHARACTERS or self._lines > MAX_ALL_LINES:
            raise UnusableError(said("is too much: all list files together have more than maild reads"))
        try:
            text = self._read_list(name)
        except (OSError, ValueError) as error:
            raise UnusableError(said("cannot be read: %(reason)s", reason=reason_of(error))) from None
        if len(text) > MAX_LIST_CHARACTERS:
            raise UnusableError(said("has more than %(most)s characters", most=MAX_LIST_CHARACTERS))
        lines = text.splitlines()
        if len(lines) > MAX_LIST_LINES:
            raise UnusableError(said("has more than %(most)s lines", most=MAX_LIST_LINES))
        self._characters += len(text)
        self._lines += len(lines)
        return lines


def read_templates(fields: Fields, pairs: Pairs) -> dict[str, Template]:
    """Read `templates`."""
    return {key.text: _template(fields, key, node) for key, node in pairs.values()}


def _template(fields: Fields, key: Scalar, node: Node) -> Template:
    fields.name(key, "template")
    where = said("template %(name)s", name=quoted(key.text))
    found = fields.known(node, where, keys=("subject", "text"), required=("text",))
    texts = {name: fields.scalar(pair[1], "a text") for name, pair in found.items()}
    for scalar in texts.values():
        if scalar is not None:
            _check_placeholders(fields.findings, scalar)
    subject, text = texts.get("subject"), texts.get("text")
    return Template(id=key.text, subject=subject.text if subject else "", text=text.text if text else "")


def _check_placeholders(findings: Findings, scalar: Scalar) -> None:
    for found in _PLACEHOLDER.finditer(scalar.text):
        name = found[1]
        if name in PLACEHOLDERS or found[0] == "{{":
            continue
        place = findings.within(scalar, found[0], scalar.text[: found.start()])
        if name is None:
            text = said("a '{' that ends nowhere; write '{{' for a brace")
        else:
            hint = nearest(name, PLACEHOLDERS)
            text = said("there is no placeholder %(name)s%(hint)s", name=quoted(found[0]), hint=hint)
        findings.error(place, Code.BAD_PLACEHOLDER, text)
