"""A route as it is kept beside a message: read back, for whoever explains it on a terminal or on a page.

`maild.rules.trace_form` writes the form. It is stored for ever: whatever an older or a newer maild wrote is
read as far as it goes, and what cannot be read at all is None, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maild.mail.inbox import confidential

YES, NO, UNKNOWN, NOT_IN_FORCE = "yes", "no", "cannot tell", "not in force"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison: what the rule asked, the value it saw, and `yes`, `no` or `cannot tell`."""

    label: str
    value: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One rule as it was tried. `observed`: it only noted in `did` what it would have done."""

    rule: str
    line: int
    outcome: str
    conditions: tuple[Condition, ...] = ()
    did: tuple[str, ...] = ()
    observed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Where one recipient's copy of a message went, and why.

    `address` is the name of the function address reached; None when the fallback claimed an unknown one. `unread` are
    teams that nobody could read then, for whose sake the last of `teams` has the message too. `account`: it looked as
    if it handed over an account, and of these teams only the leads got it; None: it did not.
    """

    recipient: str
    address: str | None
    teams: tuple[str, ...]
    tags: tuple[str, ...] = ()
    priority: str = "normal"
    state: str = "open"
    confidential: bool = False
    problem: str | None = None
    attempts: tuple[Attempt, ...] = ()
    unread: tuple[str, ...] = ()
    account: tuple[str, ...] | None = None

    def inbox_of(self, team: str) -> str:
        """Return in which of its inboxes a team got the message."""
        return confidential(team) if self.confidential or team in (self.account or ()) else team


def read_recorded(form: object) -> Recorded | None:
    """Read one stored route; None when it is none."""
    if not isinstance(form, Mapping) or not isinstance(form.get("recipient"), str):
        return None
    address, problem = form.get("address"), form.get("problem")
    attempts = [_attempt(item) for item in each_rule(form)]
    return Recorded(
        recipient=form["recipient"],
        address=None if address is None else str(address),
        teams=_texts(form.get("teams")),
        tags=_texts(form.get("tags")),
        priority=str(form.get("priority", "normal")),
        state=str(form.get("state", "open")),
        confidential=form.get("confidential") is True,
        problem=None if problem is None else str(problem),
        attempts=tuple(attempt for attempt in attempts if attempt is not None),
        unread=_texts(form.get("unread")),
        account=_texts(form["account"]) if "account" in form else None,
    )


def each_rule(route: Mapping[str, Any]) -> list[Any]:
    """Return the trace of a stored route with an item for each rule, those that were passed over together, too."""
    found: list[Any] = []
    saw = route.get("saw")
    for item in _items(route.get("trace")):
        if isinstance(item, Mapping) and "passed" in item:
            found += [_passed(each, saw) for each in _items(item["passed"]) if _names_a_rule(each)]
        else:
            found.append(item)
    return found


def _passed(named: list[Any], saw: object) -> dict[str, Any]:
    rule, line, label, source = named
    value = saw.get(source, "") if isinstance(saw, Mapping) else ""
    return {"rule": rule, "line": line, "outcome": NO, "conditions": [[label, value, NO]]}


def _names_a_rule(named: object) -> bool:
    return isinstance(named, list | tuple) and len(named) == 4


def _attempt(form: Any) -> Attempt | None:
    if not isinstance(form, Mapping) or "rule" not in form:
        return None
    line = form.get("line")
    return Attempt(
        rule=str(form["rule"]),
        line=line if isinstance(line, int) else 0,
        outcome=str(form.get("outcome", UNKNOWN)),
        conditions=tuple(
            Condition(label=str(item[0]), value=str(item[1]), outcome=str(item[2]))
            for item in _items(form.get("conditions"))
            if isinstance(item, list | tuple) and len(item) == 3
        ),
        did=_texts(form.get("would")) or _texts(form.get("did")),
        observed="would" in form or form.get("observed") is True,
    )


def _items(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in _items(value))
