"""Reading `rules`: conditions, actions, modes and time bounds."""

from __future__ import annotations

from maild.errors import said
from maild.mail.address import fold
from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, quoted
from maild.rules.model import Action, Active, Copy, Deliver, File, Priority, Rule, SetPriority, State, Tag
from maild.rules.names import Names
from maild.rules.next_places import read_elsewhere
from maild.rules.refusals import AT_THE_END
from maild.rules.reject_reader import check_alone, check_conditions, read_reject
from maild.rules.requested import Answer, Assign, Confide, Forward, Hold, Reject
from maild.rules.when import ConditionReader
from maild.rules.yaml_nodes import Mapping, Node, Scalar

ACTIONS = ("deliver", "file", "copy", "tag", "priority", "confidential", "hold", "forward", "reply", "assign", "reject")
KEYS = ("id", "note", "when", "unless", "then", "mode", "active", "continue", "stop")
MODES = ("observe", "enforce")
_MAX_TAG = 64
_MAX_REASON = 200
_MAX_LOGIN = 64


class RuleReader:
    """Reads the rules of one file, and remembers where each stands."""

    def __init__(self, fields: Fields, names: Names) -> None:
        self._fields = fields
        self._names = names
        self.conditions = ConditionReader(fields, names)
        self.places: dict[str, Scalar] = {}
        self.late: set[str] = set()  # ids of rules with conditions that are not known at the door

    def read(self, node: Node) -> tuple[Rule, ...]:
        found = [self._rule(item) for item in self._fields.items(node, "a list of rules")]
        self._names.defined["rule"] = dict(self.places)
        return tuple(rule for rule in found if rule is not None)

    def _rule(self, node: Node) -> Rule | None:
        written = _written_id(node)
        where = said("rule %(name)s", name=quoted(written)) if written else said("a rule")
        pairs = self._fields.known(node, where, keys=KEYS, required=("id", "then"))
        rule_id = self._id(pairs)
        flags = {key: self._flag(pairs, key) for key in ("continue", "stop")}
        if flags["continue"] and flags["stop"]:
            text = said("%(where)s says both 'continue' and 'stop'", where=where)
            self._fields.findings.error(pairs["stop"][0], Code.UNKNOWN_VALUE, text)
        self.conditions.keys.clear()
        when = self.conditions.read(pairs["when"][1], "'when'") if "when" in pairs else None
        unless = self.conditions.read_unless(pairs["unless"][1]) if "unless" in pairs else None
        then = self._actions(pairs["then"][1]) if "then" in pairs else ()
        mode = self._fields.word(pairs["mode"][1], "mode", MODES) if "mode" in pairs else None
        note = self._fields.text(pairs["note"][1], "a note") if "note" in pairs else None
        active = self._active(pairs["active"][1]) if "active" in pairs else None
        if any(isinstance(action, Reject) for action in then):
            check_alone(self._fields.findings, pairs, pairs["then"][1])
            check_conditions(self._fields.findings, self.conditions.keys)
        if rule_id is None:
            return None
        if any(place.text not in AT_THE_END for place in self.conditions.keys):
            self.late.add(rule_id)
        decides = any(isinstance(action, Deliver | File | Hold | Reject) for action in then)
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
        text = said("rule %(rule)s stands already in line %(line)s", rule=quoted(scalar.text), line=str(first.line))
        self._fields.findings.error(scalar, Code.DUPLICATE_RULE, text)
        return None

    def _flag(self, pairs: Pairs, key: str) -> bool:
        return key in pairs and bool(self._fields.flag(pairs[key][1]))

    def _active(self, node: Node) -> Active:
        pairs = self._fields.known(node, "active", keys=("from", "until"))
        first = self._fields.day(pairs["from"][1]) if "from" in pairs else None
        last = self._fields.day(pairs["until"][1]) if "until" in pairs else None
        if first is not None and last is not None and last < first:
            text = said("%(last)s is before %(first)s", last=str(last), first=str(first))
            self._fields.findings.error(pairs["until"][1], Code.BAD_DATE, text)
        if isinstance(node, Mapping) and not node.pairs:
            self._fields.findings.error(node, Code.EMPTY, said("'active' names neither 'from' nor 'until'"))
        return Active(first=first, last=last)

    def _actions(self, node: Node) -> tuple[Action, ...]:
        pairs = self._fields.known(node, "'then'", keys=ACTIONS)
        if isinstance(node, Mapping) and not node.pairs:
            self._fields.findings.error(node, Code.EMPTY, said("'then' does nothing"))
        if "hold" in pairs and "file" in pairs:
            text = said("'hold' and 'file: closed' in one rule: what is held lies open")
            self._fields.findings.error(pairs["hold"][0], Code.UNKNOWN_VALUE, text)
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
        if key == "reject":
            return read_reject(self._fields, node)
        if key == "file":
            return File(state=State.CLOSED) if self._fields.word(node, "file", ("closed",)) else None
        if key == "confidential":
            return Confide() if self._fields.flag(node) else None
        if key in ("hold", "forward", "reply", "assign"):
            return self._duty(key, node)
        word = self._fields.word(node, "priority", tuple(p.name.lower() for p in Priority))
        return SetPriority(priority=Priority[word.upper()]) if word else None

    def _duty(self, key: str, node: Node) -> Action | None:
        if key == "forward":
            addresses = read_elsewhere(self._fields, self._names, node)
            return Forward(addresses=addresses) if addresses else None
        if key == "hold":
            return self._hold(node)
        if key == "assign":
            return self._assign(node)
        template = self._fields.scalar(node, "the name of a template")
        known = template is not None and self._names.refer("template", template)
        return Answer(template=template.text) if template is not None and known else None

    def _hold(self, node: Node) -> Hold | None:
        if isinstance(node, Scalar) and node.plain and node.text.lower() in ("true", "false"):
            if self._fields.flag(node):
                return Hold()
            text = said("'hold' is true, or a reason; leave it out otherwise")
            self._fields.findings.error(node, Code.UNKNOWN_VALUE, text)
            return None
        scalar = self._fields.scalar(node, "true, or a reason for colleagues")
        reason = " ".join(scalar.text.split()) if scalar is not None else None
        if scalar is None or reason is None:
            return None
        if reason and len(reason) <= _MAX_REASON and reason.isprintable():
            return Hold(reason=reason)
        text = said(
            "%(text)s is no reason: one line, at most %(most)s characters", text=quoted(scalar.text), most=_MAX_REASON
        )
        self._fields.findings.error(scalar, Code.BAD_NAME, text)
        return None

    def _assign(self, node: Node) -> Assign | None:
        scalar = self._fields.scalar(node, "a login")
        if scalar is None:
            return None
        login = scalar.text
        if 0 < len(login) <= _MAX_LOGIN and login.isprintable() and not any(c.isspace() for c in login):
            return Assign(login=fold(login))
        text = said(
            "%(text)s is no login: one word of at most %(most)s characters", text=quoted(login), most=_MAX_LOGIN
        )
        self._fields.findings.error(scalar, Code.BAD_NAME, text)
        return None

    def _teams(self, node: Node) -> tuple[str, ...]:
        found = self._fields.scalars(node, "the name of a team")
        return tuple(dict.fromkeys(scalar.text for scalar in found if self._names.refer("team", scalar)))

    def _tags(self, node: Node) -> tuple[str, ...]:
        found: list[str] = []
        for scalar in self._fields.scalars(node, "a tag"):
            tag = scalar.text.strip()
            if not tag or len(tag) > _MAX_TAG or not tag.isprintable() or "," in tag:
                text = said(
                    "%(text)s is no tag: one line without a comma, at most %(most)s characters",
                    text=quoted(scalar.text),
                    most=_MAX_TAG,
                )
                self._fields.findings.error(scalar, Code.BAD_NAME, text)
            else:
                found.append(tag)
        return tuple(dict.fromkeys(found))


def _written_id(node: Node) -> str:
    pair = node.pairs.get("id") if isinstance(node, Mapping) else None
    return pair[1].text if pair is not None and isinstance(pair[1], Scalar) else ""
