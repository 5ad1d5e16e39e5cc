"""The `tests` beside the rules: read like everything else, run at every load; a failing one refuses the file.

A test mail is made of what the test says of it. Without `received` it comes at noon on 1 January 2026, so that a file
that loads today loads tomorrow: a rule bounded in time needs a test that says when. Times are those of the
organisation's time zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time
from pathlib import PurePosixPath
from typing import NamedTuple
from zoneinfo import ZoneInfo

from maild.errors import Said, said
from maild.mail.address import Address, as_address
from maild.mail.authentication import NONE, RESULTS, Verdicts
from maild.mail.facts import Attachment, Automatic, Facts, Mailbox
from maild.mail.header import Field
from maild.mail.inbox import is_confidential, team_of
from maild.rules.conditions import NULL_PATH
from maild.rules.engine import merge, route_all
from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, Findings, quoted, reason_of
from maild.rules.model import Expectation, Letter, Priority, Ruleset, RuleTest, State
from maild.rules.names import Names
from maild.rules.refusals import Judgement, turned_away
from maild.rules.route import Route
from maild.rules.yaml_nodes import Node, Sequence

_RECEIVED = date(2026, 1, 1)
_NOON = time(12)
_SOMEONE = Address(local="someone", domain="elsewhere.invalid")  # who writes when the test does not say
MAIL_KEYS = (
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
    "account_mail",
    "reply",
    *RESULTS,
    "received",
    "file",
)
EXPECT_KEYS = ("teams", "tags", "rules", "priority", "state", "confidential", "rejected")
_SAID_BY_FILE = ("from", "subject", "text", "header", "attachment", "size", "list", "auto_submitted", "bounce",
                 "account_mail")  # fmt: skip
ReadSample = Callable[[str], Facts]


class TestReader:
    """Reads the tests of one file."""

    def __init__(self, fields: Fields, names: Names, zone: ZoneInfo, read_sample: ReadSample | None) -> None:
        """`zone` is the organisation's; `read_sample` reads a letter by its file's name, None: there is no reader."""
        self._fields = fields
        self._names = names
        self._zone = zone
        self._read_sample = read_sample
        self._samples: dict[PurePosixPath, Facts | Said] = {}

    def read(self, node: Node) -> tuple[RuleTest, ...]:
        """Read `tests`."""
        found = [self._test(item) for item in self._fields.items(node, "a list of tests")]
        return tuple(test for test in found if test is not None)

    def _test(self, node: Node) -> RuleTest | None:
        fields, keys = self._fields, ("name", "mail", "expect")
        pairs = fields.known(node, said("a test"), keys=keys, required=keys)
        name = fields.text(pairs["name"][1], "the test's name") if "name" in pairs else None
        letter = self._letter(pairs["mail"][1]) if "mail" in pairs else None
        recipients = _recipients(fields, pairs["mail"][1]) if "mail" in pairs else ()
        expect = _expectation(fields, self._names, pairs["expect"][1]) if "expect" in pairs else None
        if name is None or letter is None or expect is None or not recipients:
            return None
        return RuleTest(
            name=name, line=node.line, column=node.column, letter=letter, recipients=recipients, expect=expect
        )

    def _letter(self, node: Node) -> Letter | None:
        pairs = self._fields.known(node, said("the test's mail"), keys=MAIL_KEYS, required=("to",))
        mail = _Mail(self._fields, pairs)
        if "file" in pairs:
            facts = self._sample(pairs)
            author = None if facts is None else _first_sender(facts)
        else:
            author = mail.mailbox("from")
            facts = _facts(mail, author)
        reverse_path = mail.mailbox("sender") if "sender" in pairs else author or _SOMEONE
        received_at = mail.received(self._zone)
        if facts is None:
            return None
        return Letter(
            facts=facts,
            reverse_path=reverse_path,
            received_at=received_at,
            verdicts=mail.verdicts(),
            reply=mail.flag("reply"),
        )

    def _sample(self, pairs: Pairs) -> Facts | None:
        """Read the letter itself from its file; what it says is not said beside it."""
        for key in _SAID_BY_FILE:
            if key in pairs:
                text = said("'%(key)s' stands beside 'file': the letter in the file says it", key=key)
                self._fields.findings.error(pairs[key][0], Code.UNKNOWN_KEY, text)
        name = self._fields.scalar(pairs["file"][1], "the name of a file such as samples/x.eml")
        if name is None or self._read_sample is None:
            return None
        path = PurePosixPath(name.text)
        if path not in self._samples:  # read once: thousands of tests may name the same letter
            self._samples[path] = _read_or_why(self._read_sample, name.text)
        found = self._samples[path]
        if isinstance(found, Facts):
            return found
        reason = said("cannot be read: %(reason)s", reason=found)
        text = said("%(file)s %(reason)s", file=quoted(name.text), reason=reason)
        self._fields.findings.error(name, Code.SAMPLE_FILE, text)
        return None


def _read_or_why(read_sample: ReadSample, name: str) -> Facts | Said:
    try:
        return read_sample(name)
    except (OSError, ValueError) as error:
        return reason_of(error)


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

    def verdicts(self) -> Verdicts:
        def word(method: str) -> str:
            node = self._pairs[method][1] if method in self._pairs else None
            return NONE if node is None else self._fields.word(node, method, RESULTS[method]) or NONE

        return Verdicts(*map(word, Verdicts._fields))

    def size(self, key: str) -> int:
        return (self._fields.size(self._pairs[key][1]) or 0) if key in self._pairs else 0

    def received(self, zone: ZoneInfo) -> datetime:
        found = self._fields.moment(self._pairs["received"][1]) if "received" in self._pairs else None
        day, at = found or (_RECEIVED, None)
        return datetime.combine(day, at or _NOON, zone)


def _facts(mail: _Mail, author: Address | None) -> Facts:
    header = mail.header()
    is_list = mail.flag("list") or "list-id" in {field.key for field in header}
    bounce = mail.flag("bounce")
    return Facts(
        subject=mail.text("subject"),
        senders=() if author is None else (Mailbox(name="", mail=f"{author.local}@{author.domain}"),),
        automatic=Automatic.REPORT if bounce else Automatic.LIST if is_list else Automatic.PERSON,
        auto_submitted=mail.flag("auto_submitted") or bounce,
        account_mail=mail.flag("account_mail"),
        list_id="test" if is_list else None,
        attachments=mail.attachments(),
        text=mail.text("text"),
        fields=header,
        size_bytes=mail.size("size"),
    )


def _first_sender(facts: Facts) -> Address | None:
    return as_address(facts.senders[0].mail) if facts.senders else None


def _expectation(fields: Fields, names: Names, node: Node) -> Expectation:
    pairs = fields.known(node, "'expect'", keys=EXPECT_KEYS)

    def words(key: str) -> frozenset[str] | None:
        if key not in pairs:
            return None
        scalars = (
            [] if _is_empty_list(pairs[key][1]) else fields.scalars(pairs[key][1], said("names, of %(key)s", key=key))
        )
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
        confidential=fields.flag(pairs["confidential"][1]) if "confidential" in pairs else None,
        rejected="rejected" in pairs and bool(fields.flag(pairs["rejected"][1])),
    )


_PRIORITIES = tuple(priority.name.lower() for priority in Priority)


def _is_empty_list(node: Node) -> bool:
    return isinstance(node, Sequence) and not node.items


class Difference(NamedTuple):
    """One thing that came out otherwise. `text` says it whole, for people."""

    what: str
    expected: tuple[str, ...]
    found: tuple[str, ...]
    text: Said


class TestResult(NamedTuple):
    """How one test came out: as expected when there is no difference."""

    name: str
    line: int
    differences: tuple[Difference, ...]


def run_tests(findings: Findings, ruleset: Ruleset) -> tuple[TestResult, ...]:
    """Run every test of a file; report those that fail, with what was expected and what happened."""
    results = tuple(TestResult(test.name, test.line, differences(ruleset, test)) for test in ruleset.tests)
    for test, result in zip(ruleset.tests, results, strict=True):
        if result.differences:
            all_of_them = tuple(each.text for each in result.differences)
            text = said("test %(name)s: %(differences)s", name=quoted(test.name), differences=all_of_them)
            findings.error(test, Code.FAILED_TEST, text)
    return results


def differences(ruleset: Ruleset, test: RuleTest) -> tuple[Difference, ...]:
    """Return what of a test is not as it expects; nothing when it holds."""
    return tuple(_differences(ruleset, test))


def _differences(ruleset: Ruleset, test: RuleTest) -> Iterator[Difference]:
    for recipient in test.recipients:
        if not ruleset.accepts(recipient):
            text = said("%(address)s would be refused: it is no address of ours", address=_quoted_address(recipient))
            yield Difference("accepted", ("true",), ("false",), text)
            return
    routes = route_all(ruleset, test.letter, test.recipients)
    refused = turned_away(ruleset, test.letter, test.recipients)
    merged = merge(routes)
    if test.expect.rejected:
        yield from _accepted(test, refused)
        return
    if merged.problem:
        yield Difference("problem", (), (merged.problem,), _failed(routes, merged.problem))
    placements, expect = merged.placements, test.expect
    happened = {
        "teams": (expect.teams, frozenset(team_of(place.inbox) for place in placements)),
        "tags": (expect.tags, frozenset(tag for place in placements for tag in place.tags)),
        "rules": (expect.rules, frozenset(merged.rules)),
    }
    for what, (wanted, found) in happened.items():
        if wanted is not None and wanted != found:
            text = _expected(what, _words(wanted), _words(found), _why(routes, wanted, what))
            yield Difference(what, tuple(sorted(wanted)), tuple(sorted(found)), text)
    priority = max(place.priority for place in placements)
    if expect.priority not in (None, priority):
        yield _otherwise("priority", expect.priority.name.lower(), priority.name.lower())
    state = State.CLOSED if all(place.state is State.CLOSED for place in placements) else State.OPEN
    if expect.state not in (None, state):
        yield _otherwise("state", str(expect.state), str(state))
    hidden = any(is_confidential(place.inbox) for place in placements)
    if expect.confidential not in (None, hidden):
        yield _otherwise("confidential", str(expect.confidential).lower(), str(hidden).lower())


def _failed(routes: tuple[Route, ...], problem: str) -> Said:
    refusing = dict.fromkeys(route.rules[-1] for route in routes if route.rejected is not None)
    if refusing:
        return said("it is rejected by rule %(rule)s", rule=", ".join(map(quoted, refusing)))
    return said("routing failed: %(problem)s", problem=problem)


def _otherwise(what: str, wanted: str, found: str) -> Difference:
    return Difference(what, (wanted,), (found,), _expected(what, wanted, found))


def _expected(what: str, wanted: str, found: str, why: Said | None = None) -> Said:
    return said(
        "expected %(what)s %(wanted)s, but found %(found)s%(why)s",
        what=what,
        wanted=wanted,
        found=found,
        why=why or said(""),
    )


def _quoted_address(address: Address) -> str:
    return quoted(f"{address.local}@{address.domain}")


def _accepted(test: RuleTest, refused: list[Judgement | None]) -> Iterator[Difference]:
    for recipient, judged in zip(test.recipients, refused, strict=True):
        if judged is None:
            text = said(
                "expected to be rejected, but %(address)s would be accepted", address=_quoted_address(recipient)
            )
            yield Difference("rejected", ("true",), ("false",), text)
    rules = frozenset(judged.rule for judged in refused if judged is not None)
    if test.expect.rules is not None and test.expect.rules != rules:
        text = _expected("rules", _words(test.expect.rules), _words(rules))
        yield Difference("rules", tuple(sorted(test.expect.rules)), tuple(sorted(rules)), text)


def _words(words: Iterable[str]) -> str:
    return f"[{', '.join(sorted(words))}]"


def _why(routes: tuple[Route, ...], wanted: frozenset[str], what: str) -> Said:
    """Explain an expected rule that was not in force: without a date the author would search for long."""
    if what != "rules":
        return said("")
    idle = sorted({t.rule for route in routes for t in route.trace if t.outcome is None and t.rule in wanted})
    if not idle:
        return said("")
    return said("; %(rules)s is bounded in time: say 'received: DATE' in the mail", rules=", ".join(idle))
