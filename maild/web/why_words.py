"""The words of the rules language as people say them: conditions, answers and actions of a recorded route.

A trace is English and made for every language; what is not known here is shown as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from maild.rules.conditions import shorten
from maild.rules.engine import LEFT_OUT
from maild.web.language import catalogue


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_ANSWERS = {
    "yes": _("yes"),
    "no": _("no"),
    "cannot tell": _("cannot tell"),
    "not in force": _("not in force on that day"),
}
_PREFIXES = {"unless": _("except when"), "any:": _("one of:"), "all:": _("all of:"), "none:": _("none of:")}
KEYS = {
    "to": _("Recipient"),
    "detail": _("Detail of the address (after the +)"),
    "from": _("Sender"),
    "sender": _("Envelope sender"),
    "subject": _("Subject"),
    "text": _("Text"),
    "header": _("Header field"),
    "attachment": _("Attachment"),
    "size": _("Size"),
    "spf": "SPF",
    "dkim": "DKIM",
    "dmarc": "DMARC",
    "language": _("Language"),
}
FLAGS = {
    "auto_submitted": _("Sent automatically"),
    "bounce": _("Delivery report"),
    "account_mail": _("Looks as if it handed over an account"),
    "list": _("From a mailing list"),
    "reply": _("Belongs to a conversation"),
    "office_hours": _("Within office hours"),
}
_OPERATORS = {
    "is": _("is"),
    "contains": _("contains"),
    "starts": _("starts with"),
    "ends": _("ends with"),
    "matches": _("fits the pattern"),
    "regex": _("fits the expression"),
}
_ACTIONS = {
    "deliver": _("Delivered to"),
    "copy": _("Copy to"),
    "tag": _("Tag"),
    "priority": _("Priority"),
    "file": _("Filed as"),
    "confidential": _("Confidential: read only by the team's management and by those named for it"),
    "hold": _("Held"),
    "forward": _("To be sent on to"),
    "reply": _("Automatic answer"),
    "assign": _("Assigned to"),
    "reject": _("Refused with the words"),
}
_NO_ANSWER = _("(not to automatic mail)")
_VALUES = {
    "priority": {"low": _("low"), "normal": _("normal"), "high": _("high")},
    "file": {"open": _("open"), "closed": _("closed")},
}
_PREFIX = re.compile(r"(unless|any:|all:|none:) ")
_FLAG = re.compile(rf"({'|'.join(FLAGS)}) is (true|false)")
_COMPARED = re.compile(rf"({'|'.join(KEYS)})( \S+)? ({'|'.join(_OPERATORS)}) (.*)", re.DOTALL)
_OR = _("or")
_PARTS_OF = {"name": _("name"), "type": _("type")}
_PARTS = re.compile(rf" (?=(?:name|type) (?:{'|'.join(_OPERATORS)}) |(?:larger|smaller) than \d)")
_PART = re.compile(rf"(name|type) ({'|'.join(_OPERATORS)}) (.*)", re.DOTALL)
_LIST = re.compile(r"\{list: (.+)\}")
_BOUND = re.compile(r"(larger|smaller) than (\d+)")


class Words:
    """The words of one language; `team_name` says how people call a team."""

    def __init__(self, language: str, team_name: Callable[[str], str], size: Callable[[int], str]) -> None:
        self._say = catalogue(language).gettext
        self._team_name = team_name
        self._size = size

    def answer(self, outcome: str) -> str:
        """Say `yes`, `no`, `cannot tell` or `not in force`."""
        return self._known(_ANSWERS, outcome)

    def condition(self, label: str) -> str:
        """Say what a condition asks."""
        said: list[str] = []
        rest = shorten(label)
        while (prefix := _PREFIX.match(rest)) is not None:
            said.append(self._say(_PREFIXES[prefix[1]]))
            rest = rest[prefix.end() :]
        return " ".join([*said, self._asked(rest)])

    def value(self, label: str, value: str) -> str:
        """Say what the condition saw."""
        key = _PREFIX.sub("", label).partition(" ")[0]
        if key in FLAGS and value in {"true", "false"}:
            return self._truth(value)
        if key == "size" and value.isascii() and value.isdigit() and len(value) < 16:
            return self._size(int(value))
        return shorten(value)

    def action(self, did: str) -> str:
        """Say what a rule did."""
        verb, _space, rest = did.partition(" ")
        if verb not in _ACTIONS:
            return shorten(did)
        if verb in {"deliver", "copy"}:
            rest = ", ".join(self._team_name(team) for team in rest.split(", "))
        if verb == "reply" and rest.endswith(LEFT_OUT):
            rest = f"{rest.removesuffix(LEFT_OUT)} {self._say(_NO_ANSWER)}"
        if not rest:
            return self._say(_ACTIONS[verb])
        return f"{self._say(_ACTIONS[verb])}: {self._known(_VALUES.get(verb, {}), shorten(rest))}"

    def unread(self, teams: tuple[str, ...], inbox: str) -> str:
        """Say why the letter came into the inbox that stands in for teams without readers; "" is not to be named."""
        here = self._team_name(inbox)
        if "" in teams:
            return self._say(
                _("Nobody could read the inbox that it was for: so it is in the inbox %(inbox)s, too.")
            ) % {"inbox": here}
        names = ", ".join(map(self._team_name, teams))
        return self._say(_("Nobody could read the inbox %(team)s: so it is in the inbox %(inbox)s, too.")) % {
            "team": names,
            "inbox": here,
        }

    def priority(self, priority: str) -> str:
        """Say a priority."""
        return self._known(_VALUES["priority"], priority)

    def _asked(self, text: str) -> str:
        flag = _FLAG.fullmatch(text)
        if flag is not None:
            return f"{self._say(FLAGS[flag[1]])}: {self._truth(flag[2])}"
        compared = _COMPARED.fullmatch(text)
        if compared is not None and compared[1] != "attachment":
            key, argument, operator, operand = compared.groups(default="")
            return f"{self._say(KEYS[key])}{argument} {self._held_against(operator, operand)}"
        key, _space, rest = text.partition(" ")
        parts = [self._of_attachment(part) for part in _PARTS.split(rest)]
        return f"{self._known(KEYS, key)} {_BOUND.sub(self._bound, ', '.join(parts))}"

    def _held_against(self, operator: str, operand: str) -> str:
        """Say an operator with its values: `contains frist | mahnung`, `is {list: NAME}`."""
        if (listed := _LIST.fullmatch(operand)) is not None:
            words = _("is in the list “%(list)s”") if operator == "is" else _("something of the list “%(list)s”")
            named = self._say(words) % {"list": listed[1]}
            return named if operator == "is" else f"{self._say(_OPERATORS[operator])} {named}"
        if operator != "regex":  # there it may be a part of the expression
            operand = operand.replace(" | ", f" {self._say(_OR)} ")
        return f"{self._say(_OPERATORS[operator])} {operand}"

    def _of_attachment(self, text: str) -> str:
        found = _PART.fullmatch(text)
        return text if found is None else f"{self._say(_PARTS_OF[found[1]])} {self._held_against(found[2], found[3])}"

    def _bound(self, found: re.Match[str]) -> str:
        words = _("larger than %(size)s") if found[1] == "larger" else _("smaller than %(size)s")
        return self._say(words) % {"size": self._size(int(found[2][:15]))}

    def _truth(self, value: str) -> str:
        return self._say(_ANSWERS["yes" if value == "true" else "no"])

    def _known(self, words: Mapping[str, str], text: str) -> str:
        return self._say(words[text]) if text in words else shorten(text)
