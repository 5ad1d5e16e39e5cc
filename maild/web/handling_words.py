"""What a colleague did to an entry, in a line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from maild.archive.handling import Told
from maild.web.language import catalogue
from maild.web.times import day, moment


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_STATES = {
    "open": _("{name} has opened it"),
    "waiting": _("{name} has set it to wait for an answer"),
    "closed": _("{name} has closed it"),
    "spam": _("{name} has called it spam"),
}
_UNTIL = _("{name} has set it to wait until {day}")
_RETURNED = _("It waited until {day}, and is open again")
_TAKEN = _("{name} has taken it")
_GIVEN = _("{name} has assigned it to {to}")
_GIVEN_BACK = _("{name} has taken the assignee away")
_PRIORITIES = (_("{name} has set the priority to low"), _("{name} has set the priority to normal"),
               _("{name} has set the priority to high"))  # fmt: skip
_ADDED, _REMOVED = _("{name} has added the tag {tags}"), _("{name} has removed the tag {tags}")
_OTHERS = {
    "undone": _("{name} has undone what they had done"),
    "handed-over": _("{name} has handed it over"),
    "handed-back": _("{name} has handed it back"),
    "merged": _("{name} has merged it with another conversation"),
    "split": _("{name} has split it"),
}
_OTHER = _("{name} has changed it")


def line(told: Told, language: str, zone: tzinfo) -> str:
    """Say it."""
    words, values = _said(told)
    if (until := told.details.get("until_ms")) is not None:
        values = {**values, "day": day(moment(int(until), zone).date(), language)}
    text = catalogue(language).gettext(words)
    for name, value in {**values, "name": told.actor}.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def _said(told: Told) -> tuple[str, Mapping[str, Any]]:
    details = told.details
    match told.act:
        case "state" if not told.actor:
            return _RETURNED, {}
        case "state":
            return (_UNTIL if details.get("until_ms") is not None else _STATES.get(details["to"], _OTHER)), {}
        case "assigned" if not details["to"]:
            return _GIVEN_BACK, {}
        case "assigned":
            return (_TAKEN if details["to"] == told.login else _GIVEN), {"to": details["to"]}
        case "priority":
            return _PRIORITIES[details["to"]], {}
        case "tagged":
            added = details["added"]
            return (_ADDED if added else _REMOVED), {"tags": ", ".join(added or details["removed"])}
        case act:
            return _OTHERS.get(act, _OTHER), {}
