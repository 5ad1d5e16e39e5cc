"""Reading `lists` and `templates`: the texts that rules and replies refer to."""

from __future__ import annotations

import re
from collections.abc import Callable

from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, Findings, nearest, quoted
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
    found = fields.known(node, f"list {quoted(key.text)}", keys=("file",), required=("file",))
    scalar = fields.scalar(found["file"][1], "the name of a file") if "file" in found else None
    if scalar is None:
        return TextList(id=key.text, entries=())
    try:
        return TextList(id=key.text, entries=files.entries(scalar.text), file=scalar.text)
    except ValueError as error:
        fields.findings.error(scalar, Code.LIST_FILE, f"{quoted(scalar.text)} {error}")
        return TextList(id=key.text, entries=(), file=scalar.text)


class _Files:
    """The list files of one rules file, each read once."""

    def __init__(self, read_list: ReadList | None) -> None:
        self._read_list = read_list
        self._known: dict[str, tuple[str, ...]] = {}
        self._characters = self._lines = 0

    def entries(self, name: str) -> tuple[str, ...]:
        """Return what a file lists. Raises ValueError, which goes on from the file's name."""
        if name not in self._known:
            found = (line.partition("#")[0].strip() for line in self._read(name))
            self._known[name] = tuple(entry for entry in found if entry)
        return self._known[name]

    def _read(self, name: str) -> list[str]:
        if self._read_list is None:
            raise ValueError("cannot be read here")
        if self._characters > MAX_ALL_CHARACTERS or self._lines > MAX_ALL_LINES:
            raise ValueError("is too much: all list files together have more than maild reads")
        try:
            text = self._read_list(name)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise ValueError(f"cannot be read: {reason}") from None
        if len(text) > MAX_LIST_CHARACTERS:
            raise ValueError(f"has more than {MAX_LIST_CHARACTERS:,} characters")
        lines = text.splitlines()
        if len(lines) > MAX_LIST_LINES:
            raise ValueError(f"has more than {MAX_LIST_LINES:,} lines")
        self._characters += len(text)
        self._lines += len(lines)
        return lines


def read_templates(fields: Fields, pairs: Pairs) -> dict[str, Template]:
    """Read `templates`."""
    return {key.text: _template(fields, key, node) for key, node in pairs.values()}


def _template(fields: Fields, key: Scalar, node: Node) -> Template:
    fields.name(key, "template")
    found = fields.known(node, f"template {quoted(key.text)}", keys=("subject", "text"), required=("text",))
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
            text = "a '{' that ends nowhere; write '{{' for a brace"
        else:
            text = f"there is no placeholder {quoted(found[0])}{nearest(name, PLACEHOLDERS)}"
        findings.error(place, Code.BAD_PLACEHOLDER, text)
