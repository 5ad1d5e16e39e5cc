"""Where one recipient's copy of a letter goes, and where the letter lies in the end: what the engine answers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from maild.mail.address import Address
from maild.mail.inbox import confidential
from maild.rules.duties import Duty
from maild.rules.model import Priority, State
from maild.rules.plan import Passed, Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where one recipient's copy of a letter goes, and why.

    `address` is the name of the function address reached, None when the fallback claimed an unknown one. `teams` is
    never empty; the place comes first, then copies. `actions` are those of the rules that matched, and what the address
    and its teams ask for. `problem` says in a word or two why the rules were given up. `steps` are the rules in order,
    those that were passed over together. `unread` are those of the teams that nobody could read, for whose sake the
    last of `teams` was added: it is not the rules that say so, but whoever routes (see `also_to`). `rejected`: what the
    sender would have been told in time; the team of the address holds the letter. `account`: of those of the teams only
    the leads see it, because it looks as if it handed over an account; None: it does not look so.
    """

    recipient: Address
    address: str | None
    teams: tuple[str, ...]
    tags: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    state: State = State.OPEN
    confidential: bool = False
    rules: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    problem: str | None = None
    steps: tuple[Tried | Passed, ...] = ()
    unread: tuple[str, ...] = ()
    duties: tuple[Duty, ...] = ()
    rejected: str | None = None
    account: tuple[str, ...] | None = None

    @property
    def trace(self) -> tuple[Tried, ...]:
        """Every rule as it was tried."""
        each = (step.plan.tried(*step[1:]) if isinstance(step, Passed) else (step,) for step in self.steps)
        return tuple(chain.from_iterable(each))

    @property
    def inboxes(self) -> tuple[str, ...]:
        """The inboxes of `teams` that the letter goes to."""
        if self.account and not self.confidential:
            return tuple(confidential(team) if team in self.account else team for team in self.teams)
        return tuple(map(confidential, self.teams)) if self.confidential else self.teams


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What one inbox of a team receives of a letter, however many of its addresses it came by."""

    inbox: str
    state: State
    priority: Priority
    tags: tuple[str, ...]  # sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The outcome for a letter as a whole; the same for any order of its recipients."""

    placements: tuple[Placement, ...]  # by inbox
    rules: tuple[str, ...]  # sorted
    problem: str | None
    duties: tuple[Duty, ...]  # sorted, without doubles
