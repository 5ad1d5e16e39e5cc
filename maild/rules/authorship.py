"""In whose name one may write: the function addresses of the teams, and how they are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from maild.mail.address import Address
from maild.mail.inbox import is_confidential, team_of
from maild.rules.model import FunctionAddress, Ruleset

_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A function address that one may write from. `inbox` is where what is written is kept."""

    address: Address
    name: str
    inbox: str
    function: FunctionAddress


def senders(
    rules: Ruleset, inboxes: Iterable[str], *, answering: bool = False, lent: Mapping[str, str] = _NONE
) -> tuple[Sender, ...]:
    """Return the addresses of the teams of these inboxes, in the order of the rules.

    Where a team has two of them, what is written is kept in its own inbox; in `answering` in the confidential one.
    `lent`: teams that have handed the conversation over, under whose addresses it goes on, each with the inbox where
    it lies now.
    """
    of_team: dict[str, str] = {}
    # Security: an answer quotes what lies in the confidential inbox, whatever else of the exchange lies in the other.
    for inbox in sorted(inboxes, key=is_confidential, reverse=answering):
        of_team.setdefault(team_of(inbox), inbox)
    of_team = {**lent, **of_team}
    return tuple(
        Sender(
            address=address,
            name=f"{function.title or rules.teams[function.team].name}, {rules.organisation.name}",
            inbox=of_team[function.team],
            function=function,
        )
        for function in rules.addresses
        if function.team in of_team and function.retired is None
        for address in _addresses(rules, function)
    )


def _addresses(rules: Ruleset, function: FunctionAddress) -> Iterator[Address]:
    for domain in sorted(rules.domains) if function.domain is None else (function.domain,):
        yield Address(local=function.local, domain=domain)


def preset(rules: Ruleset, choices: Iterable[Sender], came_to: Iterable[Address]) -> Sender | None:
    """Return the address that a letter came to, among the choices; else the first of them."""
    listed = tuple(choices)
    for address in came_to:
        function = rules.find(address)
        same = [c for c in listed if c.function is function]
        if same:
            return next((c for c in same if c.address.domain == address.domain), same[0])
    return listed[0] if listed else None
