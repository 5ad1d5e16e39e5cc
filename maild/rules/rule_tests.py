"""The `tests` beside the rules: read like everything else, run at every load; a failing one refuses the file.

A test mail is made of what the test says of it. Without `received` it comes at noon on 1 January 2026, so that a file
that loads today loads tomorrow: a rule bounded in time needs a test that says when. Times are those of the
organisation's time zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from maild.mail.address import Address
from maild.mail.facts import Attachment, Automatic, Facts, Mailbox
from maild.mail.header import Field
from maild.rules.conditions import NULL_PATH
from maild.rules.engine import Route, merge, route_all
from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, Findings, quoted
from maild.rules.model import Expectation, Letter, Priority, Ruleset, RuleTest, State
from maild.rules.names import Names
from maild.rules.yaml_nodes import Node, Sequence

_RECEIVED = date(2026, 1, 1)
_NOON = time(12)
_SOMEONE = Address(local="someone", domain="elsewhere.invalid")  # who writes when the test does not say
_MAIL = (
    "to",
    "from",
    "sender",
    "subject",
    "text",
    "header",
    "attachment",
    "size",
    "list",
    "auto_submitted",
    "bounce",
    "received",
)
_EXPECT = ("teams", "tags", "rules", "priority", "state")
_NO_TEST = {"file": "a mail from a file"}


def read_tests(fields: Fields, names: Names, node: Node, zone: ZoneInfo) -> tuple[RuleTest, ...]:
    """Read `tests`; `zone` is the organisation's."""
    found = (_test(fields, names, item, zone) for item in fields.items(node, "a list of tests"))
    return tuple(test for test in found if test is not None)


def _test(fields: Fields, names: Names, node: Node, zone: ZoneInfo) -> RuleTest | None:
    pairs = fields.known(node, "a test", keys=("name", "mail", "expect"), required=("name", "mail", "expect"))
    name = fields.text(pairs["name"][1], "the test's name") if "name" in pairs else None
    letter = _letter(fields, pairs["mail"][1], zone) if "mail" in pairs else None
    recipients = _recipients(fields, pairs["mail"][1]) if "mail" in pairs else ()
    expect = _expectation(fields, names, pairs["expect"][1]) if "expect" in pairs else None
    if name is None or letter is None or expect is None or not recipients:
        return None
    return RuleTest(name=name, line=node.line, column=node.column, letter=letter, recipients=recipients, expect=expect)


def _recipients(fields: Fields, node: Node) -> tuple[Address, ...]:
    pair = fields.mapping(node, "a mapping").get("to")
    found = (fields.address(scalar) for scalar in (fields.scalars(pair[1], "an address") if pair else ()))
    return tuple(address for address in found if address is not None)


class _Mail:
    """The keys of a test's mail, each with a default."""

    def __init__(self, fields: Fields, pairs: Pairs) -> None:
        self._fields = fields
        self._pairs = pairs

    def text(self, key: str) -> str:
        return (self._fields.text(self._pairs[key][1], "a text") or "") if key in self._pairs else ""

    def flag(self, key: str) -> bool:
        return key in self._pairs and bool(self._fields.flag(self._pairs[key][1]))

    def mailbox(self, key: str) -> Address | None:
        found = self._fields.scalar(self._pairs[key][1], "an address") if key in self._pairs else None
        return None if found is None or found.text == NULL_PATH else self._fields.address(found)

    def header(self) -> tuple[Field, ...]:
        node = self._pairs["header"][1] if "header" in self._pairs else None
        pairs = self._fields.mapping(node, "header fields such as {X-Priority: high}") if node is not None else {}
        found = ((name, self._fields.text(value, "a text")) for name, (_, value) in pairs.items())
        return tuple(Field(name.lower(), value) for name, value in found if value is not None)

    def attachments(self) -> tuple[Attachment, ...]:
        if "attachment" not in self._pairs:
            return ()
        node = self._pairs["attachment"][1]
        each = node.items if isinstance(node, Sequence) else (node,)
        return tuple(self._attachment(item, str(part)) for part, item in enumerate(each, start=2))

    def _attachment(self, node: Node, part: str) -> Attachment:
        pairs = self._fields.known(node, "attachment", keys=("name", "type", "size"))
        inner = _Mail(self._fields, pairs)
        media_type = inner.text("type") or "application/octet-stream"
        return Attachment(part=part, name=inner.text("name"), media_type=media_type, size_bytes=inner.size("size"))

    def size(self, key: str) -> int:
        return (self._fields.size(self._pairs[key][1]) or 0) if key in self._pairs else 0

    def received(self, zone: ZoneInfo) -> datetime:
        found = self._fields.moment(self._pairs["received"][1]) if "received" in self._pairs else None
        day, at = found or (_RECEIVED, None)
        return datetime.combine(day, at or _NOON, zone)


def _letter(fields: Fields, node: Node, zone: ZoneInfo) -> Letter | None:
    pairs = fields.known(node, "the test's mail", keys=_MAIL, required=("to",), not_yet=_NO_TEST)
    mail = _Mail(fields, pairs)
    author = mail.mailbox("from")
    header = mail.header()
    names = {field.key for field in header}
    is_list = mail.flag("list") or "list-id" in names
    bounce = mail.flag("bounce")
    facts = Facts(
        subject=mail.text("subject"),
        senders=() if author is None else (Mailbox(name="", mail=f"{author.local}@{author.domain}"),),
        automatic=Automatic.REPORT if bounce else Automatic.LIST if is_list else Automatic.PERSON,
        auto_submitted=mail.flag("auto_submitted") or bounce,
        list_id="test" if is_list else None,
        attachments=mail.attachments(),
        text=mail.text("text"),
        fields=header,
        size_bytes=mail.size("size"),
    )
    reverse_path = mail.mailbox("sender") if "sender" in pairs else author or _SOMEONE
    return Letter(facts=facts, reverse_path=reverse_path, received_at=mail.received(zone))


def _expectation(fields: Fields, names: Names, node: Node) -> Expectation:
    pairs = fields.known(node, "'expect'", keys=_EXPECT)

    def words(key: str) -> frozenset[str] | None:
        if key not in pairs:
            return None
        scalars = [] if _is_empty_list(pairs[key][1]) else fields.scalars(pairs[key][1], f"names of {key}")
        if key in ("teams", "rules"):
            scalars = [scalar for scalar in scalars if names.refer(key.removesuffix("s"), scalar)]
        return frozenset(scalar.text for scalar in scalars)

    priority = fields.word(pairs["priority"][1], "priority", _PRIORITIES) if "priority" in pairs else None
    state = fields.word(pairs["state"][1], "state", tuple(State)) if "state" in pairs else None
    return Expectation(
        teams=words("teams"),
        tags=words("tags"),
        rules=words("rules"),
        priority=Priority[priority.upper()] if priority else None,
        state=State(state) if state else None,
    )


_PRIORITIES = tuple(priority.name.lower() for priority in Priority)


def _is_empty_list(node: Node) -> bool:
    return isinstance(node, Sequence) and not node.items


def run_tests(findings: Findings, ruleset: Ruleset) -> None:
    """Run every test of a file; report those that fail, with what was expected and what happened."""
    for test in ruleset.tests:
        for difference in differences(ruleset, test):
            findings.error(test, Code.FAILED_TEST, f"test {quoted(test.name)}: {difference}")


def differences(ruleset: Ruleset, test: RuleTest) -> tuple[str, ...]:
    """Return what of a test is not as it expects; nothing when it holds."""
    return tuple(_differences(ruleset, test))


def _differences(ruleset: Ruleset, test: RuleTest) -> Iterator[str]:
    for recipient in test.recipients:
        if not ruleset.accepts(recipient):
            yield f"{quoted(f'{recipient.local}@{recipient.domain}')} would be refused: it is no address of ours"
            return
    routes = route_all(ruleset, test.letter, test.recipients)
    merged = merge(routes)
    if merged.problem:
        yield f"routing failed: {merged.problem}"
    placements, expect = merged.placements, test.expect
    happened = {
        "teams": (expect.teams, frozenset(place.team for place in placements)),
        "tags": (expect.tags, frozenset(tag for place in placements for tag in place.tags)),
        "rules": (expect.rules, frozenset(merged.rules)),
    }
    for what, (wanted, found) in happened.items():
        if wanted is not None and wanted != found:
            yield f"expected {what} {_words(wanted)}, but found {_words(found)}{_why(routes, wanted, what)}"
    priority = max(place.priority for place in placements)
    if expect.priority not in (None, priority):
        yield f"expected priority {expect.priority.name.lower()}, but found {priority.name.lower()}"
    state = State.CLOSED if all(place.state is State.CLOSED for place in placements) else State.OPEN
    if expect.state not in (None, state):
        yield f"expected state {expect.state}, but found {state}"


def _words(words: Iterable[str]) -> str:
    return f"[{', '.join(sorted(words))}]"


def _why(routes: tuple[Route, ...], wanted: frozenset[str], what: str) -> str:
    """Explain an expected rule that was not in force: without a date the author would search for long."""
    if what != "rules":
        return ""
    idle = sorted({t.rule for route in routes for t in route.trace if t.outcome is None and t.rule in wanted})
    return f"; {', '.join(idle)} is bounded in time: say 'received: DATE' in the mail" if idle else ""
