"""A test of a message: an entry for `tests` that has its outcome, and of its people as little as that allows.

Each part of the mail begins with next to nothing: placeholders for people, no text. While the written test, read and
run as the loader would, does not have the outcome of the message, more of it is kept, the least personal first; what
then turns out not to be needed goes again. What stays is said, and for the sake of which rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from maild.mail.address import Address, fold
from maild.mail.authentication import NONE
from maild.mail.facts import Automatic, Mailbox
from maild.mail.inbox import is_confidential, team_of
from maild.mail.language import words_that_tell
from maild.rules.engine import merge, route_all
from maild.rules.fields import Fields
from maild.rules.findings import Findings
from maild.rules.model import Comparison, Expectation, Letter, Priority, Ruleset, RuleTest, State
from maild.rules.names import Names
from maild.rules.operators import Test
from maild.rules.redaction import body_of, lines_looked_at, looked_at, masked
from maild.rules.route import Merged
from maild.rules.rule_tests import TestReader, differences
from maild.rules.single_conditions import key_of, singles
from maild.rules.yaml_nodes import parse
from maild.rules.yaml_text import quoted

_PLACEHOLDERS = "example.org"
_NULL = "<>"
_MOST_RULES = 3  # that one comment names
Value = Any  # what a test says: texts, numbers, lists and mappings of these; None: nothing
# From the least personal to the most: the order in which more is kept. Each step says one part more of the mail.
_ORDER = (
    "received", "size", "attachment", "header", "subject", "text", "to", "from", "sender",
    "subject", "header", "text", "attachment", "from", "sender", "text",
)  # fmt: skip


class Kept(NamedTuple):
    """Something of the message that stayed in the test. `rules`: those that look at it."""

    part: str  # a key of the test's mail
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A test as it can be put under `tests`.

    `entry` is empty when no test can have the outcome of the message: rules look at what a test cannot say. `kept` is
    what it still has of the message's people and words.
    """

    entry: str
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """One key of the test's mail, and what it may say, from nearly nothing to all of it."""

    levels: tuple[Value, ...]


def write_test(ruleset: Ruleset, letter: Letter, recipients: Sequence[Address]) -> Written:
    """Return a test of a message under these rules."""
    merged = merge(route_all(ruleset, letter, recipients))
    parts = _parts(ruleset, letter, recipients)
    name = _name(ruleset, letter, recipients)
    expect = _expectation(merged)

    def holds(levels: dict[str, int]) -> bool:
        test = _read(ruleset, _entry(name, _mail(parts, levels), merged, {}))
        return test is not None and not differences(ruleset, replace(test, expect=expect))

    levels = None if merged.problem else _least(parts, holds)
    if levels is None:
        return Written(entry="", kept=())
    kept = tuple(Kept(part, _looking(ruleset, part, merged)) for part in parts if levels[part])
    comments = {part: f"kept, because {_rules(rules)} it" for part, rules in kept if rules}
    return Written(entry=_entry(name, _mail(parts, levels), merged, comments), kept=kept)


def _rules(rules: tuple[str, ...]) -> str:
    if len(rules) == 1:
        return f"rule {rules[0]} looks at"
    return f"rules {', '.join([*rules[:_MOST_RULES], *(['…'] if len(rules) > _MOST_RULES else [])])} look at"


def _least(parts: dict[str, _Part], holds: Callable[[dict[str, int]], bool]) -> dict[str, int] | None:
    """Return how much of each part has to be said; None when all of it is not enough."""
    levels = dict.fromkeys(parts, 0)
    for part in ("", *_ORDER, *(part for part in _ORDER for _ in range(4))):
        if part and levels[part] + 1 < len(parts[part].levels):
            levels[part] += 1
        elif part:
            continue
        if holds(levels):
            break
    else:
        return None
    for part in dict.fromkeys(reversed(_ORDER)):
        for level in range(levels[part]):
            if holds(levels | {part: level}):
                levels[part] = level
                break
    return levels


# --- the parts ----------------------------------------------------------------------------------------------


def _parts(ruleset: Ruleset, letter: Letter, recipients: Sequence[Address]) -> dict[str, _Part]:
    """Return what can be said of each part, in the order in which a test has them."""
    facts = letter.facts
    author = facts.senders[0] if facts.senders else None
    people = _People(ruleset)
    names = _names(facts.senders)
    sources = _tests_by_source(ruleset)
    zone = ruleset.organisation.timezone
    subject, text = facts.subject, facts.text
    verdicts = letter.verdicts._asdict().items()
    flags = {
        "list": facts.list_id is not None or facts.automatic is Automatic.LIST,
        "auto_submitted": facts.auto_submitted and facts.automatic is not Automatic.REPORT,
        "bounce": facts.automatic is Automatic.REPORT,
        "account_mail": facts.account_mail,
        "reply": bool(letter.reply) and "reply" in ruleset.asked,
    }
    tell = " ".join([looked_at(text, sources["text"]), *words_that_tell(text)]).strip()
    return {
        "from": _Part(_levels(people.levels(author.mail) if author is not None and author.mail else (None,))),
        "sender": _Part(_sender(people, letter.reverse_path, author)),
        "to": _Part(_levels((
            [f"{a.local.partition('+')[0]}@{a.domain}" for a in recipients], [_text(a) for a in recipients],
        ))),
        "subject": _Part(_levels((
            _short(subject, sources["subject"]), masked(subject, names), masked(subject, ()),
        ))),
        "text": _Part(_levels((
            _short(text, sources["text"]), tell, masked(lines_looked_at(text, sources["text"]), names),
            masked(body_of(text), names), masked(body_of(text), ()),
        ))),
        "header": _Part(_levels(_headers(letter, sources, names))),
        "attachment": _Part(_levels(_attachments(letter))),
        "size": _Part((None, facts.size_bytes)),
        **{name: _Part((True,) if value else (None,)) for name, value in flags.items()},
        **{name: _Part((word,) if word != NONE and name in ruleset.asked else (None,)) for name, word in verdicts},
        "received": _Part((None, f"{letter.received_at.astimezone(zone):%Y-%m-%d %H:%M}")),
    }  # fmt: skip


def _levels(values: Iterable[Value]) -> tuple[Value, ...]:
    """Leave out what says no more than what came before."""
    found: list[Value] = []
    for value in values:
        if (value or None) not in found:
            found.append(value or None)
    return tuple(found)


def _short(text: str, tests: Iterable[Test]) -> Value:
    return looked_at(text, tests) or ("…" if text else None)


class _People:
    """Placeholders: one for each person, always the same."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self._letters: dict[str, str] = {}

    def levels(self, mail: str) -> tuple[Value, ...]:
        """Return what may be said of an address: a stranger, a stranger of its domain, itself."""
        local, _, domain = mail.rpartition("@")
        known = self._ruleset.find(Address(local=local, domain=fold(domain)))
        if known is not None:
            return (mail,)  # an office of ours, and no person
        letter = self._letters.setdefault(fold(mail), chr(ord("a") + min(len(self._letters), 25)))
        strange = f"{letter}@{domain}"
        return (strange, mail) if self._ruleset.serves(fold(domain)) else (f"{letter}@{_PLACEHOLDERS}", strange, mail)


def _sender(people: _People, path: Address | None, author: Mailbox | None) -> tuple[Value, ...]:
    if path is None:
        return (_NULL,)
    if author is not None and fold(author.mail) == fold(_text(path)):
        return (None, *people.levels(_text(path))[1:])  # a test's sender is its author unless it says another
    return people.levels(_text(path))


def _text(address: Address) -> str:
    return f"{address.local}@{address.domain}"


def _names(senders: Iterable[Mailbox]) -> list[str]:
    """Return words that name a sender: of the name, and of the address before the @."""
    words: list[str] = []
    for mailbox in senders:
        local = mailbox.mail.rpartition("@")[0]
        for character in "._-+\"'()[]":
            local = local.replace(character, " ")
        words += [word.strip(",.\"'()[]") for word in (*mailbox.name.split(), *local.split())]
    return sorted({word for word in words if len(word) > 2 and not word.isdigit()}, key=len, reverse=True)


def _headers(letter: Letter, sources: dict[str, tuple[Test, ...]], names: list[str]) -> Iterator[Value]:
    """Yield nothing, then of the fields that rules ask for what they found there, then these fields."""
    wanted = {source.removeprefix("header:") for source in sources if source.startswith("header:")}
    fields = {f.key: f.value for f in reversed(letter.facts.fields) if f.key in wanted}
    yield None
    yield {name: looked_at(value, sources[f"header:{name}"]) or "…" for name, value in fields.items()}
    yield {name: masked(value, names) for name, value in fields.items()}
    yield {name: masked(value, ()) for name, value in fields.items()}


def _attachments(letter: Letter) -> Iterator[Value]:
    found = letter.facts.attachments
    yield None
    endings = [f".{a.name.rpartition('.')[2]}" if "." in a.name else "" for a in found]
    for names in ([f"{n}{ending}" for n, ending in enumerate(endings, start=1)], [a.name for a in found]):
        pairs = zip(names, found, strict=True)
        yield [{"name": name, "type": a.media_type, "size": a.size_bytes} for name, a in pairs]


# --- what the rules look at -----------------------------------------------------------------------------------


def _tests_by_source(ruleset: Ruleset) -> dict[str, tuple[Test, ...]]:
    """Return what is asked of each reading of a mail: `subject`, `header:x-prio`."""
    found: dict[str, list[Test]] = {"subject": [], "text": []}
    for rule in ruleset.rules:
        for each in singles(rule.when, rule.unless):
            if isinstance(each, Comparison):
                found.setdefault(each.source.partition("|")[0], []).append(each.test)
    return {source: tuple(tests) for source, tests in found.items()}


# The conditions that look at a part, where they are not called as it is.
_KEYS = {
    "from": ("from", "sender"), "to": ("to", "detail"), "text": ("text", "language"), "received": ("office_hours",),
}  # fmt: skip


def _looking(ruleset: Ruleset, part: str, merged: Merged) -> tuple[str, ...]:
    """Return the rules that look at a part: those that matched, when there are any of them."""
    keys = _KEYS.get(part, (part,))
    found = [
        rule.id
        for rule in ruleset.rules
        if any(key_of(each) in keys for each in singles(rule.when, rule.unless))
        or (part == "received" and rule.active is not None)
    ]
    return tuple(rule for rule in found if rule in merged.rules) or tuple(found)


# --- the text -------------------------------------------------------------------------------------------------


def _name(ruleset: Ruleset, letter: Letter, recipients: Sequence[Address]) -> str:
    found = ruleset.find(recipients[0])
    to = found.name if found is not None else "fallback"
    day = letter.received_at.astimezone(ruleset.organisation.timezone).date()
    return f"Brief an {to} vom {day}" if ruleset.organisation.language == "de" else f"Letter to {to} of {day}"


def _mail(parts: dict[str, _Part], levels: dict[str, int]) -> dict[str, Value]:
    said = {name: part.levels[levels[name]] for name, part in parts.items()}
    return {name: value for name, value in said.items() if value is not None}


def _expectation(merged: Merged) -> Expectation:
    """Return the outcome as a test can say it."""
    places = merged.placements
    return Expectation(
        teams=frozenset(team_of(place.inbox) for place in places),
        tags=frozenset(tag for place in places for tag in place.tags),
        rules=frozenset(merged.rules),
        priority=max(place.priority for place in places),
        state=State.CLOSED if all(place.state is State.CLOSED for place in places) else State.OPEN,
        confidential=any(is_confidential(place.inbox) for place in places),
    )


def _entry(name: str, mail: dict[str, Value], merged: Merged, comments: dict[str, str]) -> str:
    expect = _expectation(merged)
    said: dict[str, Value] = {
        "teams": sorted(expect.teams or ()), "tags": sorted(expect.tags or ()), "rules": sorted(expect.rules or ()),
    }  # fmt: skip
    if expect.priority not in (None, Priority.NORMAL):
        said["priority"] = expect.priority.name.lower()
    if expect.state is State.CLOSED:
        said["state"] = "closed"
    if expect.confidential:
        said["confidential"] = True
    lines = [f"- name: {quoted(name)}", "  mail:"]
    for key, value in mail.items():
        comment = f"  # {comments[key]}" if key in comments else ""
        lines.append(f"    {key}: {_form(value)}{comment}")
    lines += ["  expect:", *(f"    {key}: {_form(value)}" for key, value in said.items())]
    return "\n".join(lines) + "\n"


def _form(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case list():
            return f"[{', '.join(_form(item) for item in value)}]"
        case dict():
            return f"{{{', '.join(f'{quoted(key)}: {_form(item)}' for key, item in value.items())}}}"
        case _:
            return quoted(value)


def _read(ruleset: Ruleset, entry: str) -> RuleTest | None:
    """Read an entry as the loader does."""
    findings = Findings("")
    node = parse(entry, findings)
    names = Names(findings)
    names.domains = ruleset.domains
    names.define("team", None)
    names.define("rule", None)
    reader = TestReader(Fields(findings), names, ruleset.organisation.timezone, None)
    found = () if node is None else reader.read(node)
    return found[0] if found and not findings.refused else None
