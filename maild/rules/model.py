"""The values that a loaded rules file consists of.

Nothing here reads a file or a clock. A `Ruleset` can be pickled: it is sent to worker processes whole. References
between its parts (teams, lists, templates, addresses) were checked by the loader, so that nobody checks them twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from zoneinfo import ZoneInfo

from maild.mail.address import IMPLICIT, Address, fold
from maild.mail.authentication import UNKNOWN, Verdicts
from maild.mail.facts import Facts
from maild.rules.calendar import Holidays
from maild.rules.operators import Test
from maild.rules.requested import AccountMail, Confide, NextPlace, Reject, Request


class Outcome(IntEnum):
    """What a condition says of a mail; ordered so that `and` is min, `or` is max and `not` is 2 - x."""

    NO = 0
    UNKNOWN = 1  # cannot tell: neither matches nor rejects
    YES = 2

    @property
    def inverse(self) -> Outcome:
        return Outcome(2 - self)


class Priority(IntEnum):
    LOW = 0
    NORMAL = 1
    HIGH = 2


class State(StrEnum):
    """Where a mail comes to lie in an inbox."""

    OPEN = "open"
    CLOSED = "closed"


class UnknownRecipient(StrEnum):
    REJECT = "reject"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    name: str
    language: str  # of generated mail and pages: de or en
    timezone: ZoneInfo
    holidays: Holidays = field(default_factory=Holidays)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHours:
    """One span of a week's office hours. `weekday` 0 is Monday; minutes count from midnight, until is excluded."""

    weekday: int
    from_minute: int
    until_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    id: str
    name: str
    office: str = ""
    parent: str | None = None
    deputy: str | None = None
    hours: tuple[OpenHours, ...] = ()
    line: int = 1
    column: int = 1
    also_deliver: tuple[NextPlace, ...] = ()
    copies: bool = False  # its members may have copies of its letters sent to their own mailboxes
    figures: str = ""  # the agreement by which figures are shown, also when few people write in the team
    closed: bool = False  # to administrators: its managers alone give roles in it
    answer_within: int | None = None  # days on which it works, before what is not answered is overdue
    reference_in_subject: bool = False  # letters in its name end their subject with the conversation's reference
    account_mail: AccountMail = AccountMail.LEADS
    domain_control: bool = False  # it may have the addresses by which others ask whose a domain is


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """An address that is given out no more, and still receives for its successor's team."""

    since: date | None
    successor: str | None  # FunctionAddress.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    local: str  # folded
    domain: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionAddress:
    """An address of an office.

    `local` is folded. `domain` None holds in every domain. `team` is where its mail goes: after retirement, the
    team of the successor.
    """

    local: str
    domain: str | None
    team: str
    title: str = ""
    aliases: tuple[Alias, ...] = ()
    listed: bool = True
    retired: Retired | None = None
    acknowledge: str | None = None
    account_mail: AccountMail | None = None  # None: as its teams have it

    @property
    def name(self) -> str:
        """The key under `addresses`, as rules refer to it."""
        return self.local if self.domain is None else f"{self.local}@{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextList:
    id: str
    entries: tuple[str, ...]
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    id: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A leaf: one reading of the mail against one operator.

    `source` names the reading (see `maild.rules.conditions`); `label` is what a trace shows.
    """

    source: str
    test: Test
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeBetween:
    """Octets of the message, bounds excluded."""

    larger_than: int | None
    smaller_than: int | None
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HasAttachment:
    """Any one attachment for which everything named holds; size in decoded octets."""

    name: tuple[Test, ...]
    media_type: tuple[Test, ...]
    larger_than: int | None
    smaller_than: int | None
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoneOf:
    parts: tuple[Condition, ...]


Condition = Comparison | SizeBetween | HasAttachment | AllOf | AnyOf | NoneOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    teams: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    teams: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPriority:
    priority: Priority


Action = Deliver | File | Copy | Tag | SetPriority | Confide | Reject | Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """Days on which a rule holds, both included, in the organisation's time zone."""

    first: date | None
    last: date | None

    def covers(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `ends`: when it matches, no later rule is tried (a decision about the place, or `stop`)."""

    id: str
    line: int
    note: str = ""
    when: Condition | None = None
    unless: Condition | None = None
    then: tuple[Action, ...]
    ends: bool
    observe: bool = False
    active: Active | None = None

    @property
    def rejection(self) -> str | None:
        """The text of a refusal: then it is all that the rule does."""
        first = self.then[0] if self.then else None
        return first.text if isinstance(first, Reject) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What the rules may look at: the message as read, its envelope and when it came (aware).

    `verdicts` are about the sender. `reply`: whether it belongs to a conversation we have; None: not known.
    """

    facts: Facts
    reverse_path: Address | None
    received_at: datetime
    verdicts: Verdicts = UNKNOWN
    reply: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a test expects; None leaves it open. Order does not count."""

    teams: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    rules: frozenset[str] | None = None
    priority: Priority | None = None
    state: State | None = None
    confidential: bool | None = None
    rejected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest:
    name: str
    line: int
    column: int
    letter: Letter
    recipients: tuple[Address, ...]
    expect: Expectation


@dataclass(frozen=True, slots=True)
class _Index:
    """Lookups that are made for every RCPT and every page."""

    exact: dict[tuple[str, str], FunctionAddress]
    general: dict[str, FunctionAddress]
    implicit: dict[str, FunctionAddress]
    parents: dict[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """A whole rules file that may serve. `version` is the hex SHA-256 of its text and of its list files.

    `asked` are the keys of all conditions: what no rule asks for need not be found out. `refusing` are the rules down
    to the last that refuses mail at the door.
    """

    version: str
    organisation: Organisation
    domains: frozenset[str]
    teams: Mapping[str, Team]
    fallback: str
    unknown_recipient: UnknownRecipient
    addresses: tuple[FunctionAddress, ...] = ()
    lists: Mapping[str, TextList] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    tests: tuple[RuleTest, ...] = ()
    asked: frozenset[str] = frozenset()
    refusing: tuple[Rule, ...] = ()
    _index: _Index = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the lookups."""
        object.__setattr__(self, "_index", _index(self))

    def serves(self, domain: str) -> bool:
        """Tell whether mail for this (lower-case) domain is ours."""
        return domain in self.domains

    def find(self, address: Address) -> FunctionAddress | None:
        """Return the address of ours that receives for `address`, or None when nobody claims it.

        `name+detail` reaches `name`; an entry with the domain goes before one for every domain. The domain-less
        `<postmaster>` of RFC 5321 §4.1.1.3 arrives here with an empty domain.
        """
        local = fold(address.local).partition("+")[0]
        domain = address.domain
        if domain not in self.domains and (domain or local != "postmaster"):
            return None
        index = self._index
        return index.exact.get((local, domain)) or index.general.get(local) or index.implicit.get(local)

    def names(self, address: Address) -> tuple[str, ...]:
        """Return every name under which a rule's `to` may speak of this recipient, folded.

        The address in full, `@domain`, the key of the entry it reaches, and the alias by which it does.
        """
        local = fold(address.local).partition("+")[0]
        full = (f"{local}@{address.domain}", f"@{address.domain}")
        found = self.find(address)
        if found is None:
            return full
        specific = (local, address.domain) in self._index.exact
        return (*full, found.name) if specific else (*full, found.name, local)

    def accepts(self, address: Address) -> bool:
        """Tell whether mail to `address` ends in a team: it is ours, and known or claimed by the fallback."""
        if self.find(address) is not None:
            return True
        return self.unknown_recipient is UnknownRecipient.FALLBACK and self.serves(address.domain)

    @property
    def has_confidential(self) -> bool:
        """Tell whether any rule makes mail confidential."""
        return any(isinstance(action, Confide) for rule in self.rules for action in rule.then)

    @property
    def parents(self) -> Mapping[str, str | None]:
        """Which team stands above each, by their ids; None: none does."""
        return self._index.parents

    @property
    def closed(self) -> frozenset[str]:
        """The teams in which administrators give no roles."""
        return frozenset(team.id for team in self.teams.values() if team.closed)

    def ancestors(self, team_id: str) -> tuple[str, ...]:
        """Return the teams above a team, without itself, nearest first."""
        found: list[str] = []
        above = self.parents.get(team_id)
        while above is not None:  # it ends: the loader refuses circles
            found.append(above)
            above = self.parents.get(above)
        return tuple(found)


def _index(ruleset: Ruleset) -> _Index:
    index = _Index({}, {}, {}, {team.id: team.parent for team in ruleset.teams.values()})
    for local in IMPLICIT:
        index.implicit[local] = FunctionAddress(local=local, domain=None, team=ruleset.fallback, listed=False)
    for address in ruleset.addresses:
        for name in (Alias(local=address.local, domain=address.domain), *address.aliases):
            if name.domain is None:
                index.general[name.local] = address
            else:
                index.exact[name.local, name.domain] = address
    return index
