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
    return {key.text: _list(fields, key, node, read_list) for key, node in pairs.values()}


def _list(fields: Fields, key: Scalar, node: Node, read_list: ReadList | None) -> TextList:
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
    return TextList(id=key.text, entries=_file_entries(fields, scalar, read_list), file=scalar.text)


def _file_entries(fields: Fields, name: Scalar, read_list: ReadList | None) -> tuple[str, ...]:
    if read_list is None:
        fields.findings.error(name, Code.LIST_FILE, f"{quoted(name.text)}: list files cannot be read here")
        return ()
    try:
        text = read_list(name.text)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        fields.findings.error(name, Code.LIST_FILE, f"{quoted(name.text)} cannot be read: {reason}")
        return ()
    if len(text) > MAX_LIST_CHARACTERS:
        text = f"{quoted(name.text)} has more than {MAX_LIST_CHARACTERS:,} characters"
        fields.findings.error(name, Code.LIST_FILE, text)
        return ()
    if text.count("\n") > MAX_LIST_LINES:
        text = f"{quoted(name.text)} has more than {MAX_LIST_LINES:,} lines"
        fields.findings.error(name, Code.LIST_FILE, text)
        return ()
    return tuple(entry for line in text.splitlines() if (entry := line.partition("#")[0].strip()))


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
