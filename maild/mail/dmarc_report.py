"""Read an aggregate report of DMARC: who sent in a domain's name, as one receiver saw it.

Promises: `parse` raises nothing but ReportError, for any octets; a document type, entities and anything from elsewhere
are refused; time and memory are linear, and the elements are counted.

Source: RFC 9990 (and its schema), RFC 7489 appendix C for reports of the older form.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from xml.parsers import expat

from maild.mail import report_values as values
from maild.mail.report_values import ReportError

_MOST_ELEMENTS = 600_000
_MOST_RECORDS = 20_000
_MOST_AT_ONCE = 2_000  # elements of one record, or of all that stands around the records
_DEEPEST = 12
_LONGEST_TEXT = 2_000
_MOST_RESULTS = 10  # of one record; a message has few signatures
_MOST_MESSAGES = 10**10  # of one source: sums over many reports stay within 64 bits
_DISPOSITIONS = frozenset({"none", "pass", "quarantine", "reject"})
_RESULTS = frozenset({"none", "pass", "fail", "softfail", "policy", "neutral", "temperror", "permerror"})
_REASONS = frozenset(
    {"forwarded", "sampled_out", "trusted_forwarder", "mailing_list", "local_policy", "policy_test_mode", "other"}
)
_POLICY = ("domain", "p", "sp", "np", "adkim", "aspf", "fo", "pct", "testing", "discovery_method")
# The ones that are read; the text of all others is passed over.
_EVALUATED = frozenset({"pass", "fail"})


class Authenticated(NamedTuple):
    """A domain that was looked at: `method` is dkim or spf; `selector` of DKIM."""

    method: str
    domain: str
    result: str
    selector: str = ""


class DmarcSource(NamedTuple):
    """What came from one machine and fared alike. `dkim` and `spf` are `pass` only where aligned."""

    ip: str
    messages: int
    disposition: str  # none | pass | quarantine | reject
    dkim: str
    spf: str
    header_from: str
    authenticated: tuple[Authenticated, ...] = ()
    reasons: tuple[str, ...] = ()


class DmarcReport(NamedTuple):
    """One report. `policy` is what the receiver found in the DNS, as (tag, value). `skipped`: records of no use."""

    organisation: str
    report: str
    domain: str
    begin_ms: int
    end_ms: int
    policy: tuple[tuple[str, str], ...]
    sources: tuple[DmarcSource, ...]
    skipped: int = 0


def parse(octets: bytes) -> DmarcReport:
    """Read one report.

    Raises:
        ReportError: these octets are none, or beyond a limit.
    """
    collector = _Collector()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.CharacterDataHandler = collector.text
    # Security: without a document type there are no entities, neither of its own nor from elsewhere.
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        # All at once: some versions of the parser are quadratic in a long token that comes in pieces.
        parser.Parse(octets, True)
    except (expat.ExpatError, LookupError, UnicodeError, ValueError) as error:
        raise ReportError(error.reason if isinstance(error, ReportError) else "xml") from None
    return collector.report()


def _refuse(*_: object) -> int:
    raise ReportError("doctype")


class _Node:
    """An element: its text, and the elements in it."""

    __slots__ = ("children", "name", "said")

    def __init__(self, name: str) -> None:
        self.name = name
        self.said = ""
        self.children: list[_Node] = []

    def all(self, *names: str) -> Iterator[_Node]:
        return (child for child in self.children if child.name in names)

    def first(self, *names: str) -> _Node:
        return next(self.all(*names), _NOTHING)

    def at(self, *names: str) -> str:
        """Return the text of the first child of one of these names."""
        return self.first(*names).said


_NOTHING = _Node("")


class _Collector:
    """Takes what the parser meets. Of the records only what is kept stays in memory."""

    def __init__(self) -> None:
        self._open: list[_Node] = []
        self._elements = self._at_once = 0
        self._records = 0
        self._skipped = 0
        self._root = _Node("")
        self._sources: dict[DmarcSource, int] = {}

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._elements += 1
        self._at_once += 1
        if self._elements > _MOST_ELEMENTS or self._at_once > _MOST_AT_ONCE:
            raise ReportError("records")
        if len(self._open) >= _DEEPEST:
            raise ReportError("depth")
        # Interop: with the namespace, without it, or with a prefix for it; some write names in capitals.
        node = _Node(name.rpartition(":")[2].lower()[:60])
        if self._open:
            self._open[-1].children.append(node)
        elif node.name != "feedback":
            raise ReportError("kind")
        else:
            self._root = node
        self._open.append(node)

    def text(self, said: str) -> None:
        node = self._open[-1]
        if not node.children and len(node.said) < _LONGEST_TEXT:
            node.said += said[:_LONGEST_TEXT]

    def end(self, _name: str) -> None:
        node = self._open.pop()
        if node.name == "record" and len(self._open) == 1:
            self._open[-1].children.pop()
            self._at_once = 0
            self._record(node)

    def _record(self, node: _Node) -> None:
        self._records += 1
        if self._records > _MOST_RECORDS:
            raise ReportError("records")
        source = _source(node)
        if source is None:
            self._skipped += 1
            return
        key = source._replace(messages=0)
        self._sources[key] = min(self._sources.get(key, 0) + source.messages, _MOST_MESSAGES)

    def report(self) -> DmarcReport:
        metadata, policy = self._root.first("report_metadata"), self._root.first("policy_published")
        span = metadata.first("date_range")
        begin_ms, end_ms = values.period(values.epoch_ms(span.at("begin")), values.epoch_ms(span.at("end")))
        domain = values.domain(policy.at("domain"))
        if not domain:
            raise ReportError("domain")
        mail = values.words(metadata.at("email"))
        return DmarcReport(
            organisation=values.words(metadata.at("org_name")) or mail.rpartition("@")[2] or "?",
            report=values.words(metadata.at("report_id")) or f"{begin_ms}-{end_ms}",
            domain=domain,
            begin_ms=begin_ms,
            end_ms=end_ms,
            policy=tuple((tag, said) for tag in _POLICY if (said := values.words(policy.at(tag))[:60])),
            sources=tuple(source._replace(messages=number) for source, number in self._sources.items()),
            skipped=self._skipped,
        )


def _source(record: _Node) -> DmarcSource | None:
    """Return what a record says; None where machine or number cannot be read."""
    row = record.first("row")
    evaluated = row.first("policy_evaluated")
    ip, messages = values.address(row.at("source_ip")), values.count(row.at("count"))
    if not ip or messages is None:
        return None
    reasons = [values.word(each.at("type"), _REASONS, "other") for each in evaluated.all("reason")]
    # Interop: reports from before RFC 7489 have `identities`.
    identifiers = record.first("identifiers", "identities")
    return DmarcSource(
        ip=ip,
        messages=min(messages, _MOST_MESSAGES),
        disposition=values.word(evaluated.at("disposition"), _DISPOSITIONS, "none"),
        dkim=values.word(evaluated.at("dkim"), _EVALUATED, "fail"),
        spf=values.word(evaluated.at("spf"), _EVALUATED, "fail"),
        header_from=values.domain(identifiers.at("header_from")),
        authenticated=tuple(_authenticated(record.first("auth_results"))),
        reasons=tuple(dict.fromkeys(reasons))[:_MOST_RESULTS],
    )


def _authenticated(results: _Node) -> Iterator[Authenticated]:
    for each in [*results.all("dkim"), *results.all("spf")][:_MOST_RESULTS]:
        domain = values.domain(each.at("domain"))
        if domain:
            result = values.word(each.at("result"), _RESULTS, "none")
            selector = values.domain(each.at("selector")) if each.name == "dkim" else ""
            yield Authenticated(method=each.name, domain=domain, result=result, selector=selector)
