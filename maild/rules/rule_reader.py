"""Reading `rules`: conditions, actions, modes and time bounds."""

from __future__ import annotations

from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, quoted
from maild.rules.model import Action, Active, Copy, Deliver, File, Priority, Rule, SetPriority, State, Tag
from maild.rules.names import Names
from maild.rules.when import ConditionReader
from maild.rules.yaml_nodes import Mapping, Node, Scalar

ACTIONS = ("deliver", "file", "copy", "tag", "priority")
NOT_YET = {
    "reject": "a refusal at the door",
    "hold": "holding mail back",
    "forward": "sending on",
    "reply": "an automatic answer",
    "assign": "assignment",
    "confidential": "confidential mail",
}
KEYS = ("id", "note", "when", "unless", "then", "mode", "active", "continue", "stop")
_MAX_TAG = 64
MODES = ("observe", "enforce")


class RuleReader:
    """Reads the rules of one file, and remembers where each stands."""

    def __init__(self, fields: Fields, names: Names) -> None:
        self._fields = fields
        self._names = names
        self.conditions = ConditionReader(fields, names)
        self.places: dict[str, Scalar] = {}

    def read(self, node: Node) -> tuple[Rule, ...]:
        found = [self._rule(item) for item in self._fields.items(node, "a list of rules")]
        self._names.defined["rule"] = dict(self.places)
        return tuple(rule for rule in found if rule is not None)

    def _rule(self, node: Node) -> Rule | None:
        where = f"rule {quoted(_written_id(node))}" if _written_id(node) else "a rule"
        pairs = self._fields.known(node, where, keys=KEYS, required=("id", "then"))
        rule_id = self._id(pairs)
        flags = {key: self._flag(pairs, key) for key in ("continue", "stop")}
        if flags["continue"] and flags["stop"]:
            text = f"{where} says both 'continue' and 'stop'"
            self._fields.findings.error(pairs["stop"][0], Code.UNKNOWN_VALUE, text)
        when = self.conditions.read(pairs["when"][1], "'when'") if "when" in pairs else None
        unless = self.conditions.read_unless(pairs["unless"][1]) if "unless" in pairs else None
        then = self._actions(pairs["then"][1]) if "then" in pairs else ()
        mode = self._fields.word(pairs["mode"][1], "mode", MODES) if "mode" in pairs else None
        note = self._fields.text(pairs["note"][1], "a note") if "note" in pairs else None
        active = self._active(pairs["active"][1]) if "active" in pairs else None
        if rule_id is None:
            return None
        decides = any(isinstance(action, Deliver | File) for action in then)
        return Rule(
            id=rule_id,
            line=node.line,
            note=note or "",
            when=when,
            unless=unless,
            then=then,
            ends=flags["stop"] or (decides and not flags["continue"]),
            observe=mode == "observe",
            active=active,
        )

    def _id(self, pairs: Pairs) -> str | None:
        scalar = self._fields.scalar(pairs["id"][1], "the rule's id") if "id" in pairs else None
        if scalar is None or self._fields.name(scalar, "rule") is None:
            return None
        first = self.places.setdefault(scalar.text, scalar)
        if first is scalar:
            return scalar.text
        text = f"rule {quoted(scalar.text)} stands already in line {first.line}"
        self._fields.findings.error(scalar, Code.DUPLICATE_RULE, text)
        return None

    def _flag(self, pairs: Pairs, key: str) -> bool:
        return key in pairs and bool(self._fields.flag(pairs[key][1]))

    def _active(self, node: Node) -> Active:
        pairs = self._fields.known(node, "active", keys=("from", "until"))
        first = self._fields.day(pairs["from"][1]) if "from" in pairs else None
        last = self._fields.day(pairs["until"][1]) if "until" in pairs else None
        if first is not None and last is not None and last < first:
            self._fields.findings.error(pairs["until"][1], Code.BAD_DATE, f"{last} is before {first}")
        if isinstance(node, Mapping) and not node.pairs:
            self._fields.findings.error(node, Code.EMPTY, "'active' names neither 'from' nor 'until'")
        return Active(first=first, last=last)

    def _actions(self, node: Node) -> tuple[Action, ...]:
        pairs = self._fields.known(node, "'then'", keys=ACTIONS, not_yet=NOT_YET)
        if isinstance(node, Mapping) and not node.pairs:
            self._fields.findings.error(node, Code.EMPTY, "'then' does nothing")
        found = [self._action(key, pairs[key][1]) for key in ACTIONS if key in pairs]
        return tuple(action for action in found if action is not None)

    def _action(self, key: str, node: Node) -> Action | None:
        if key == "deliver":
            teams = self._teams(node)
            return Deliver(teams=teams) if teams else None
        if key == "copy":
            teams = self._teams(node)
            return Copy(teams=teams) if teams else None
        if key == "tag":
            tags = self._tags(node)
            return Tag(tags=tags) if tags else None
        if key == "file":
            return File(state=State.CLOSED) if self._fields.word(node, "file", ("closed",)) else None
        word = self._fields.word(node, "priority", tuple(p.name.lower() for p in Priority))
        return SetPriority(priority=Priority[word.upper()]) if word else None

    def _teams(self, node: Node) -> tuple[str, ...]:
        found = self._fields.scalars(node, "the name of a team")
        return tuple(dict.fromkeys(scalar.text for scalar in found if self._names.refer("team", scalar)))

    def _tags(self, node: Node) -> tuple[str, ...]:
        found: list[str] = []
        for scalar in self._fields.scalars(node, "a tag"):
            tag = scalar.text.strip()
            if not tag or len(tag) > _MAX_TAG or not tag.isprintable() or "," in tag:
                text = f"{quoted(scalar.text)} is no tag: one line without a comma, at most {_MAX_TAG} characters"
                self._fields.findings.error(scalar, Code.BAD_NAME, text)
            else:
                found.append(tag)
        return tuple(dict.fromkeys(found))


def _written_id(node: Node) -> str:
    pair = node.pairs.get("id") if isinstance(node, Mapping) else None
    return pair[1].text if pair is not None and isinstance(pair[1], Scalar) else ""
