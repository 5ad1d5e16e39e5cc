"""Reading conditions: what stands under `when` and `unless`."""

from __future__ import annotations

from maild.errors import Said, said
from maild.mail.authentication import RESULTS
from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, quoted
from maild.rules.model import AllOf, AnyOf, Comparison, Condition, HasAttachment, NoneOf, SizeBetween
from maild.rules.names import Names
from maild.rules.operands import OperandReader
from maild.rules.operators import OneOf, Regex, Test
from maild.rules.yaml_nodes import Mapping, Node, Scalar, Sequence

BARE = {
    "to": "is",
    "detail": "is",
    "from": "is",
    "sender": "is",
    "subject": "contains",
    "text": "contains",
    "language": "is",
    "spf": "is",
    "dkim": "is",
    "dmarc": "is",
}
_ADDRESSES = ("to", "from", "sender")
FLAGS = ("list", "auto_submitted", "bounce", "account_mail", "reply", "office_hours")
_VERDICTS = ("language", "office_hours", "reply", *RESULTS)
GROUPS = ("all", "any", "none")
KEYS = (*BARE, "header", "attachment", "size", *FLAGS, *GROUPS)
_Bounds = tuple[int | None, int | None]


class ConditionReader:
    """Reads the conditions of one file."""

    def __init__(self, fields: Fields, names: Names) -> None:
        self._fields = fields
        self._operands = OperandReader(fields, names)
        self.office_hours: list[Node] = []  # where they are asked for
        self.keys: list[Scalar] = []  # of all conditions that were read, groups left out

    def read(self, node: Node, where: str, prefix: str = "") -> Condition | None:
        """Read a mapping of conditions that must all hold; None when nothing usable stands there.

        Args:
            node: what stands there.
            where: what it describes, for diagnostics.
            prefix: put before the labels that traces show.
        """
        return _joined(self._parts(node, where, prefix))

    def read_unless(self, node: Node) -> Condition | None:
        """Read `unless`: when any of its conditions holds, the rule does not."""
        parts = self._parts(node, "'unless'", "unless ")
        return parts[0] if len(parts) == 1 else AnyOf(parts=parts) if parts else None

    def _parts(self, node: Node, where: str, prefix: str) -> tuple[Condition, ...]:
        pairs = self._fields.known(node, where, keys=KEYS)
        text = said("%(where)s names no condition; without it a rule takes every mail", where=where)
        self._refuse_empty(node, text)
        found = (self._condition(key, place, value, prefix) for key, (place, value) in pairs.items())
        return tuple(part for part in found if part is not None)

    def _refuse_empty(self, node: Node, text: Said) -> None:
        if (isinstance(node, Mapping) and not node.pairs) or (isinstance(node, Sequence) and not node.items):
            self._fields.findings.error(node, Code.EMPTY, text)

    def _condition(self, key: str, place: Scalar, node: Node, prefix: str) -> Condition | None:
        if key in GROUPS:
            return self._group(key, place, node, prefix)
        self.keys.append(place)
        if key in FLAGS:
            return self._flag(key, node, prefix)
        if key == "header":
            return self._header(node, prefix)
        if key == "size":
            return self._size(node, prefix)
        if key == "attachment":
            return self._attachment(node, prefix)
        return self._text(key, node, prefix, shown=key)

    def _group(self, key: str, place: Scalar, node: Node, prefix: str) -> Condition | None:
        """Read `all`, `any` or `none`: a list of mappings, or one mapping each of whose keys is a part."""
        if key == "none" and prefix.endswith("any: "):
            text = said("'none' inside 'any' is easily misread; put it beside the 'any', or use 'unless'")
            self._fields.findings.warning(place, Code.NEGATION_IN_ANY, text)
        inner = f"{prefix}{key}: "
        if isinstance(node, Mapping):
            parts = self._parts(node, f"'{key}'", inner)
        else:
            self._refuse_empty(node, said("'%(key)s' names no condition", key=key))
            items = self._fields.items(node, said("a list of conditions for '%(key)s'", key=key))
            found = (self.read(item, f"'{key}'", inner) for item in items)
            parts = tuple(part for part in found if part is not None)
        if not parts:
            return None
        if key == "all":
            return _joined(parts)
        return AnyOf(parts=parts) if key == "any" else NoneOf(parts=parts)

    def _flag(self, key: str, node: Node, prefix: str) -> Condition | None:
        wanted = self._fields.flag(node)
        if wanted is None:
            return None
        word = "true" if wanted else "false"
        label = f"{prefix}{key} is {word}"
        if key == "office_hours":
            self.office_hours.append(node)
        form = "verdict" if key in _VERDICTS else "folded"
        return Comparison(source=f"{key}|{form}", test=OneOf(values=frozenset((word,))), label=label)

    def _header(self, node: Node, prefix: str) -> Condition | None:
        self._refuse_empty(node, said("'header' names no field"))
        parts: list[Condition] = []
        for place, value in self._fields.mapping(node, "header fields such as {X-Priority: high}").values():
            name = place.text
            if not name or not name.isascii() or not name.isprintable() or ":" in name or " " in name:
                text = said("%(name)s is no name of a header field", name=quoted(name))
                self._fields.findings.error(place, Code.BAD_NAME, text)
                continue
            part = self._text(f"header:{name.lower()}", value, prefix, shown=f"header {name}")
            if part is not None:
                parts.append(part)
        return _joined(tuple(parts))

    def _size(self, node: Node, prefix: str) -> Condition | None:
        pairs = self._fields.known(node, "size", keys=("larger_than", "smaller_than"))
        self._refuse_empty(node, said("'size' names no bound"))
        bounds = self._bounds(node, pairs)
        if bounds == (None, None):
            return None
        label = f"{prefix}size{_bounds_label(bounds)}"
        return SizeBetween(larger_than=bounds[0], smaller_than=bounds[1], label=label)

    def _bounds(self, node: Node, pairs: Pairs) -> _Bounds:
        larger = self._fields.size(pairs["larger_than"][1]) if "larger_than" in pairs else None
        smaller = self._fields.size(pairs["smaller_than"][1]) if "smaller_than" in pairs else None
        if larger is not None and smaller is not None and larger + 1 >= smaller:
            text = said("nothing is larger than the one bound and smaller than the other")
            self._fields.findings.error(node, Code.BAD_SIZE, text)
        return larger, smaller

    def _attachment(self, node: Node, prefix: str) -> Condition | None:
        keys = ("name", "type", "larger_than", "smaller_than")
        pairs = self._fields.known(node, "attachment", keys=keys)
        self._refuse_empty(node, said("'attachment' says nothing of it; {name: '*'} means any"))
        tests: dict[str, list[tuple[Test, str]]] = {"name": [], "type": []}
        for key, found in tests.items():
            if key in pairs:
                found.extend(self._operands.tests(f"attachment {key}", "matches", pairs[key][1]))
        bounds = self._bounds(node, pairs)
        if not any(tests.values()) and bounds == (None, None):
            return None
        words = (f" {key} {label}" for key, found in tests.items() for _, label in found)
        return HasAttachment(
            name=tuple(test for test, _ in tests["name"]),
            media_type=tuple(test for test, _ in tests["type"]),
            larger_than=bounds[0],
            smaller_than=bounds[1],
            label=f"{prefix}attachment{''.join(words)}{_bounds_label(bounds)}",
        )

    def _text(self, key: str, node: Node, prefix: str, *, shown: str) -> Condition | None:
        tests = self._operands.tests(key, BARE.get(key, "contains"), node)
        return _joined(
            tuple(
                Comparison(source=f"{key}|{_form(key, test)}", test=test, label=f"{prefix}{shown} {label}")
                for test, label in tests
            )
        )


def _joined(parts: tuple[Condition, ...]) -> Condition | None:
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else AllOf(parts=parts)


def _form(key: str, test: Test) -> str:
    if key in _VERDICTS:
        return "verdict"
    if isinstance(test, Regex):
        return "plain"
    return "names" if isinstance(test, OneOf) and key in _ADDRESSES else "folded"


def _bounds_label(bounds: _Bounds) -> str:
    larger, smaller = bounds
    more = "" if larger is None else f" larger than {larger}"
    return more + ("" if smaller is None else f" smaller than {smaller}")
