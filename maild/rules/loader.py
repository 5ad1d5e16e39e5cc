"""From the text of rules.yaml to a `Ruleset`, or to everything that is wrong with it.

`load` reads nothing but what it is given, and raises nothing: all errors and warnings come back at once, by line.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from maild.errors import Diagnostic, said
from maild.rules.addresses import read_addresses
from maild.rules.checks import DEPUTIES, PARENTS, report_cycles, report_hours, report_rules, report_unused
from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, Findings, Spot, likeliest
from maild.rules.model import Ruleset, Team, UnknownRecipient
from maild.rules.names import Names
from maild.rules.organisation import DEFAULT_ZONE, read_domains, read_organisation, read_teams
from maild.rules.refusals import refusing
from maild.rules.reject_reader import report_behind
from maild.rules.reserved import report_reserved
from maild.rules.rule_reader import RuleReader
from maild.rules.rule_tests import ReadSample, TestReader, TestResult, run_tests
from maild.rules.single_conditions import asked_by
from maild.rules.texts import ReadList, read_lists, read_templates
from maild.rules.yaml_nodes import Mapping, Node, Scalar, parse

REQUIRED = ("version", "organisation", "domains", "teams", "fallback")
KEYS = (*REQUIRED, "unknown_recipient", "addresses", "lists", "templates", "rules", "tests")
_NAMED = {"teams": "team", "lists": "list", "templates": "template", "addresses": "address"}  # what their keys name


def load(
    text: str,
    path: str,
    read_list: ReadList | None = None,
    *,
    today: date | None = None,
    tested: bool = True,
    served: bool = False,
) -> tuple[Ruleset | None, tuple[Diagnostic, ...]]:
    """Read a rules file.

    Args:
        text: the file's text.
        path: how diagnostics name it.
        read_list: returns the text of a list file by the name that stands in `lists`; raises OSError or ValueError.
        today: with it, rules whose time is over are warned of.
        tested: without, the tests are not run: for a look at rules that may not serve.
        served: it has served: what an older maild has let pass is no error.

    Returns:
        The rules, or None when there is any error; and all findings, by place.
    """
    found = load_tested(text, path, read_list, today=today, tested=tested, served=served)
    return found.ruleset, found.diagnostics


class Tested(NamedTuple):
    """What became of a file: `results` are those of its tests, if it could be read that far."""

    ruleset: Ruleset | None
    diagnostics: tuple[Diagnostic, ...]
    results: tuple[TestResult, ...] = ()


def load_tested(
    text: str,
    path: str,
    read_list: ReadList | None = None,
    read_sample: ReadSample | None = None,
    *,
    today: date | None = None,
    tested: bool = True,
    served: bool = False,
) -> Tested:
    """Read a rules file as `load` does, also the letters in files that its tests name.

    Args:
        text: as in `load`; so are `path`, `read_list` and `today`.
        path: how diagnostics name it.
        read_list: of the list files.
        read_sample: reads the letter of that name; raises OSError or ValueError. None: such tests are left out.
        today: the day.
        tested: as in `load`.
        served: as in `load`.
    """
    findings = Findings(path)
    root = parse(text, findings)
    if root is None:
        if not findings.refused:
            findings.error(Spot(1, 1), Code.EMPTY, said("the file is empty"))
        return Tested(None, findings.sorted())
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    reading = _Reading(findings, _hashed(read_list, digest), read_sample, today, tested=tested, served=served)
    ruleset = reading.ruleset(root, digest)
    return Tested(None if findings.refused else ruleset, findings.sorted(), reading.results)


def _hashed(read_list: ReadList | None, digest: hashlib._Hash) -> ReadList | None:
    """Let the content of each list file count for the version."""
    if read_list is None:
        return None

    def read(name: str) -> str:
        text = read_list(name)
        digest.update(f"\0{name}\0{len(text)}\0{text}".encode("utf-8", "surrogatepass"))
        return text

    return read


class _Reading:
    """One pass over a file, in an order in which every name is known before it is referred to."""

    def __init__(
        self,
        findings: Findings,
        read_list: ReadList | None,
        read_sample: ReadSample | None,
        today: date | None,
        *,
        tested: bool,
        served: bool,
    ) -> None:
        self.results: tuple[TestResult, ...] = ()
        self._tested = tested
        self._served = served
        self._read_sample = read_sample
        self._findings = findings
        self._fields = Fields(findings)
        self._names = Names(findings)
        self._read_list = read_list
        self._today = today

    def ruleset(self, root: Node, digest: hashlib._Hash) -> Ruleset | None:
        fields, names = self._fields, self._names
        top = fields.known(root, said("the rules file"), keys=KEYS, required=REQUIRED)
        if not isinstance(root, Mapping):
            return None
        self._version(top)
        sections = self._sections_of_names(root, top)
        names.domains = read_domains(fields, names, top["domains"][1] if "domains" in top else None)
        organisation = read_organisation(fields, top["organisation"][1]) if "organisation" in top else None
        teams = read_teams(fields, names, sections["teams"])
        fallback = self._fallback(top)
        names.lists = read_lists(fields, sections["lists"], self._read_list)
        templates = read_templates(fields, sections["templates"])
        unknown = self._unknown_recipient(top)
        addresses = read_addresses(fields, names, sections["addresses"], fallback or "")
        self._report_circles(teams)
        reader = RuleReader(fields, names)
        rules = reader.read(top["rules"][1]) if "rules" in top else ()
        if self._tested and not self._served:
            masters = frozenset({fallback or ""} | {team.id for team in teams.values() if team.domain_control})
            report_reserved(self._findings, names, addresses, rules, places=reader.places, may=masters)
        zone = organisation.timezone if organisation is not None else ZoneInfo(DEFAULT_ZONE)
        tests = TestReader(fields, names, zone, self._read_sample).read(top["tests"][1]) if "tests" in top else ()
        if self._findings.refused or organisation is None or fallback is None:
            return None
        found = Ruleset(
            version=digest.hexdigest(),
            organisation=organisation,
            domains=names.domains,
            teams=teams,
            fallback=fallback,
            unknown_recipient=unknown,
            addresses=addresses,
            lists=names.lists,
            templates=templates,
            rules=rules,
            tests=tests,
            asked=asked_by(rules),
            refusing=refusing(rules),
        )
        self._examine(found, reader)
        return found

    def _sections_of_names(self, root: Mapping, top: Pairs) -> dict[str, Pairs]:
        """Return the sections whose keys are names that others refer to, and make those names known."""
        sections = {key: self._section(top, key) for key in _NAMED}
        for key, what in _NAMED.items():
            read = isinstance(top[key][1], Mapping) if key in top else not self._missed(root, key)
            self._names.define(what, sections[key] if read else None)
        return sections

    def _report_circles(self, teams: dict[str, Team]) -> None:
        for relation, link in (("parent", PARENTS), ("deputy", DEPUTIES)):
            after = {team.id: name for team in teams.values() if (name := getattr(team, relation)) is not None}
            report_cycles(self._findings, after, self._names.defined["team"], link)

    def _examine(self, found: Ruleset, reader: RuleReader) -> None:
        """Run the tests, and look for what is wrong between the parts of rules that could be read."""
        if self._tested:
            self.results = run_tests(self._findings, found)
        report_unused(self._findings, self._names.defined, self._names.used)
        report_hours(self._findings, reader.conditions.office_hours, found.teams.values())
        report_behind(self._findings, found.rules, reader.late, reader.places)
        report_rules(self._findings, found.rules, reader.places, self._today)

    def _missed(self, root: Mapping, key: str) -> bool:
        """Tell whether a section is missing by mistake: it must be there, or stands there misspelt."""
        return key in REQUIRED or any(likeliest(other, KEYS) == key for other in root.pairs)

    def _section(self, top: Pairs, key: str) -> Pairs:
        return (
            self._fields.mapping(top[key][1], said("a mapping for %(where)s", where=f"'{key}'")) if key in top else {}
        )

    def _version(self, top: Pairs) -> None:
        node = top["version"][1] if "version" in top else None
        if node is not None and not (isinstance(node, Scalar) and node.plain and node.text == "1"):
            text = said("this program reads 'version: 1' of the rules language")
            self._findings.error(node, Code.UNKNOWN_VALUE, text)

    def _fallback(self, top: Pairs) -> str | None:
        found = self._fields.scalar(top["fallback"][1], "the name of a team") if "fallback" in top else None
        return found.text if found is not None and self._names.refer("team", found) else None

    def _unknown_recipient(self, top: Pairs) -> UnknownRecipient:
        words = tuple(str(word) for word in UnknownRecipient)
        node = top["unknown_recipient"][1] if "unknown_recipient" in top else None
        found = self._fields.word(node, "unknown_recipient", words) if node is not None else None
        return UnknownRecipient(found or UnknownRecipient.REJECT)
