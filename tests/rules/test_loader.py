from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from maild.errors import Diagnostic
from maild.rules.findings import MAX_FINDINGS
from maild.rules.loader import load
from tests.rules.samples import MINIMAL, TODAY, WHOLE, codes, completed, read_list, rules_of

EXAMPLE = Path(__file__).parents[2] / "rules.example.yaml"
RULE = "rules:\n  - id: r\n    {}\n    then: {{tag: t}}\n"


def found_in(text: str) -> tuple[Diagnostic, ...]:
    return load(text, "rules.yaml", read_list, today=TODAY)[1]


def test_the_example_loads_without_a_finding_and_its_tests_pass() -> None:
    ruleset, found = load(EXAMPLE.read_text(encoding="utf-8"), "rules.example.yaml")
    assert found == ()
    assert ruleset is not None
    assert len(ruleset.teams) >= 4
    assert len(ruleset.addresses) >= 8
    assert len(ruleset.rules) >= 4
    assert len(ruleset.tests) >= 4
    assert any(address.retired for address in ruleset.addresses)
    assert any(team.parent for team in ruleset.teams.values())


TEN_MISTAKES = """\
version: 2
organisation: {name: Stadt Musterstadt, language: fr}
domains: [musterstadt.example]
teams:
  poststelle: {name: Poststelle, ofice: Amt 10}
  kita: {name: Kita, parent: jugend}
fallback: postelle
unknown_recipient: bounce
addresses:
  info: {team: poststelle, listed: no}
  kita: {team: kita, aliases: [INFO]}
rules:
  - id: eilt
    when: {subject: {regex: '(eilt'}}
    then: {priority: urgent}
"""


def test_ten_mistakes_give_ten_diagnostics_each_at_its_place() -> None:
    assert [(d.line, d.column, d.code) for d in found_in(TEN_MISTAKES)] == [
        (1, 10, "unknown-value"),
        (2, 51, "unknown-value"),
        (5, 34, "unknown-key"),
        (6, 30, "unknown-team"),
        (7, 11, "unknown-team"),
        (8, 20, "unknown-value"),
        (10, 36, "wrong-kind"),
        (11, 32, "address-conflict"),
        (14, 29, "bad-regex"),
        (15, 22, "unknown-value"),
    ]


def test_a_diagnostic_reads_as_an_editor_expects_it() -> None:
    assert [str(d) for d in found_in(TEN_MISTAKES)][4] == (
        "rules.yaml:7:11: error[unknown-team]: team 'postelle' is not defined; did you mean 'poststelle'?"
    )


# A fragment, then the line and column in the completed file, the code, and a part of the text.
BROKEN = [
    ("fallback: kitta\nteams: {kita: {name: K}}\n", "4:11", "unknown-team", "did you mean 'kita'?"),
    ("fallback:\n", "6:10", "wrong-kind", "found nothing"),
    ("fallback: [poststelle]\n", "6:11", "wrong-kind", "found a list"),
    ("organisation: {}\n", "6:15", "missing-key", "organisation has no 'name'"),
    ("organisation: {nmae: X}\n", "6:16", "unknown-key", "did you mean 'name'?"),
    ("organisation: {name: X, timezone: Europe/Berln}\n", "6:35", "unknown-value", "no time zone"),
    ("organisation: {name: X, timezone: ../../etc/passwd}\n", "6:35", "unknown-value", "no time zone"),
    ("organisation: {name: X, timezone: Europe}\n", "6:35", "unknown-value", "no time zone"),
    ("organization: {name: X}\n", "7:1", "unknown-key", "did you mean 'organisation'?"),
    ("domains: []\n", "6:10", "empty", "an empty list"),
    ("domains: [a b]\n", "6:11", "bad-domain", "'a b'"),
    ("domains: {a: b}\n", "6:10", "wrong-kind", "found a mapping"),
    ("teams: [poststelle]\n", "5:8", "wrong-kind", "a mapping for 'teams'"),
    ("teams: {poststelle: Poststelle}\n", "5:21", "wrong-kind", "a mapping for team 'poststelle'"),
    ("teams: {poststelle: {office: X}}\n", "5:21", "missing-key", "team 'poststelle' has no 'name'"),
    ("teams: {poststelle: {name: X, also_deliver: []}}\n", "5:45", "empty", "names no place"),
    ("teams: {poststelle: {name: X, also_deliver: /var/mail}}\n", "5:45", "wrong-kind", "a list such as"),
    ("teams: {poststelle: {name: X, also_deliver: [{}]}}\n", "5:46", "unknown-value", "one of maildir, lmtp"),
    (
        "teams: {poststelle: {name: X, also_deliver: [{maildir: /a, lmtp: /b}]}}\n",
        "5:46",
        "unknown-value",
        "one of maildir, lmtp, imap or forward",
    ),
    ("teams: {poststelle: {name: X, also_deliver: [{mailbox: /a}]}}\n", "5:47", "unknown-key", "'mailbox'"),
    ("teams: {poststelle: {name: X, also_deliver: [{maildir: mail}]}}\n", "5:56", "bad-place", "absolute path"),
    ("teams: {poststelle: {name: X, also_deliver: [{maildir: /a/../b}]}}\n", "5:56", "bad-place", "absolute path"),
    (
        "teams: {poststelle: {name: X, also_deliver: [{imap: {host: 'a b', user: u, folder: f}}]}}\n",
        "5:60",
        "bad-place",
        "host",
    ),
    ("teams: {poststelle: {name: X, also_deliver: [{imap: {host: a, user: u}}]}}\n", "5:53", "missing-key", "folder"),
    ("teams: {poststelle: {name: X, also_deliver: [{lmtp: localhost}]}}\n", "5:53", "bad-place", "host:port"),
    ("teams: {poststelle: {name: X, also_deliver: [{lmtp: 'a:70000'}]}}\n", "5:53", "bad-place", "host:port"),
    (
        "teams: {poststelle: {name: X, also_deliver: [{forward: x@MUSTERSTADT.example}]}}\n",
        "5:56",
        "forward-loop",
        "one of ours",
    ),
    ("teams: {poststelle: {name: X, parent: poststelle}}\n", "5:9", "cycle", "'poststelle' is the parent of"),
    ("teams: {poststelle: {name: X, hours: {mon: 16:00-08:00}}}\n", "5:44", "bad-hours", "no span"),
    ("teams: {poststelle: {name: X, hours: {mon: 08:00-25:00}}}\n", "5:44", "bad-hours", "no span"),
    ("teams: {poststelle: {name: X, hours: {mon: 08:00-24:30}}}\n", "5:44", "bad-hours", "no span"),
    ("teams: {poststelle: {name: X, hours: {fri-mon: 08:00-12:00}}}\n", "5:39", "bad-hours", "no days"),
    ("addresses: {info: {}}\n", "7:13", "missing-key", "address 'info' has no 'team'"),
    ("addresses: {in fo: {team: poststelle}}\n", "7:13", "bad-address", "no address"),
    ("addresses: {info+x: {team: poststelle}}\n", "7:13", "bad-address", "begins a detail"),
    ("addresses: {info@x.example: {team: poststelle}}\n", "7:13", "unknown-domain", "not one of 'domains'"),
    ("addresses: {a: {team: poststelle, aliases: [a]}}\n", "7:45", "address-conflict", "belongs to address 'a'"),
    ("addresses: {a: {team: poststelle, retired: {successor: b}}}\n", "7:56", "unknown-address", "'b'"),
    ("addresses: {a: {team: poststelle, retired: {successor: a}}}\n", "7:13", "cycle", "successor"),
    ("addresses: {a: {team: poststelle, retired: {since: 2026-02-30}}}\n", "7:52", "bad-date", "2026-02-30"),
    ("addresses: {a: {team: poststelle, acknowledge: x}}\n", "7:48", "unknown-template", "'x'"),
    ("lists: {x: eilt}\n", "7:12", "wrong-kind", "a list, or {file: NAME}"),
    ("lists: {x: {file: /etc/shadow}}\n", "7:19", "list-file", "cannot be read"),
    ("lists: {x: {files: a}}\n", "7:13", "unknown-key", "did you mean 'file'?"),
    ("templates: {x: {text: 'Guten {tag'}}\n", "7:30", "bad-placeholder", "ends nowhere"),
    ("templates: {x: {text: '{user.names}'}}\n", "7:24", "bad-placeholder", "did you mean 'user.name'?"),
    ("rules: {id: x}\n", "7:8", "wrong-kind", "a list of rules"),
    ("rules: [x]\n", "7:9", "wrong-kind", "'x'"),
    ("rules: [{then: {tag: x}}]\n", "7:9", "missing-key", "a rule has no 'id'"),
    ("rules: [{id: r, then: {}}]\n", "7:23", "empty", "does nothing"),
    ("rules: [{id: r, then: {delete: true}}]\n", "7:24", "unknown-key", "'delete'"),
    ("rules: [{id: r, then: {discard: true}}]\n", "7:24", "unknown-key", "'discard'"),
    ("rules: [{id: r, then: {file: spam}}]\n", "7:30", "unknown-value", "file is closed"),
    ("rules: [{id: r, then: {tag: 'a,b'}}]\n", "7:29", "bad-name", "no tag"),
    ("rules: [{id: r, then: {deliver: []}}]\n", "7:33", "empty", "an empty list"),
    ("rules: [{id: R 1, then: {tag: x}}]\n", "7:14", "bad-name", "rule 'R 1'"),
    ("rules: [{id: r, mode: observ, then: {tag: x}}]\n", "7:23", "unknown-value", "did you mean 'observe'?"),
    ("rules: [{id: r, active: {}, then: {tag: x}}]\n", "7:25", "empty", "'active'"),
    (
        "rules: [{id: r, active: {from: 2026-02-01, until: 2026-01-01}, then: {tag: x}}]\n",
        "7:51",
        "bad-date",
        "2026-01-01 is before 2026-02-01",
    ),
    ("rules: [{id: r, continue: true, stop: true, then: {tag: x}}]\n", "7:33", "unknown-value", "both"),
    (RULE.format("when: {to: infos}"), "9:16", "unknown-address", "'infos'"),
    (RULE.format("when: {to: '@x.example'}"), "9:16", "unknown-domain", "'x.example'"),
    (RULE.format("when: {from: {list: x}}"), "9:25", "unknown-list", "'x'"),
    (RULE.format("when: {from: {}}"), "9:18", "empty", "compared with nothing"),
    (RULE.format("when: {subject: {startswith: x}}"), "9:22", "unknown-key", "did you mean 'starts'?"),
    (RULE.format("when: {subject: []}"), "9:21", "empty", "an empty list"),
    (RULE.format("when: {subject: {regex: '(?=a)'}}"), "9:29", "bad-regex", "RE2"),
    (RULE.format("when: {header: {'X A': b}}"), "9:21", "bad-name", "no name of a header field"),
    (RULE.format("when: {header: {}}"), "9:20", "empty", "names no field"),
    (RULE.format("when: {any: []}"), "9:17", "empty", "'any' names no condition"),
    (RULE.format("when: {any: x}"), "9:17", "wrong-kind", "a list of conditions for 'any'"),
    (RULE.format("when: {size: {larger_than: viel}}"), "9:32", "bad-size", "'viel'"),
    (RULE.format("when: {size: {larger_than: 5, smaller_than: 5}}"), "9:18", "bad-size", "nothing is larger"),
    (RULE.format("when: {size: {}}"), "9:18", "empty", "no bound"),
    (RULE.format("when: {attachment: {}}"), "9:24", "empty", "attachment"),
    (RULE.format("when: {list: yes}"), "9:18", "wrong-kind", "did you mean 'true'?"),
    (RULE.format("when: {list: 'true'}"), "9:18", "wrong-kind", "true or false"),
    ("organisation: {name: X, holidays: DE-XY}\n", "6:35", "unknown-value", "neither a date nor a state"),
    ("organisation: {name: X, holidays: [DE-NRW]}\n", "6:36", "unknown-value", "did you mean 'DE-NW'?"),
    ("organisation: {name: X, holidays: Bayren}\n", "6:35", "unknown-value", "did you mean 'DE-BY'?"),
    ("organisation: {name: X, holidays: bayern}\n", "6:35", "unknown-value", "did you mean 'DE-BY'?"),
    ("organisation: {name: X, holidays: [DE-BY, DE-NW]}\n", "6:43", "unknown-value", "those of one state"),
    ("organisation: {name: X, holidays: [24.12.]}\n", "6:36", "bad-date", "no date"),
    ("organisation: {name: X, holidays: [02-30]}\n", "6:36", "bad-date", "no day of a year"),
    ("organisation: {name: X, holidays: [2026-02-29]}\n", "6:36", "bad-date", "no date"),
    ("organisation: {name: X, holidays: []}\n", "6:35", "empty", "an empty list"),
    ("organisation: {name: X, holidays: {a: b}}\n", "6:35", "wrong-kind", "found a mapping"),
    (RULE.format("when: {office_hours: no}"), "9:26", "wrong-kind", "did you mean 'false'?"),
    (RULE.format("when: {office_hour: true}"), "9:12", "unknown-key", "did you mean 'office_hours'?"),
    (RULE.format("when: {language: german}"), "9:22", "unknown-value", "did you mean 'de'?"),
    (RULE.format("when: {language: dee}"), "9:22", "unknown-value", "did you mean 'de'?"),
    (RULE.format("when: {language: [de, xx]}"), "9:27", "unknown-value", "known are ar, bg"),
    (RULE.format("when: {language: {contains: d}}"), "9:23", "unknown-key", "'contains'"),
    (RULE.format("when: {langauge: de}"), "9:12", "unknown-key", "did you mean 'language'?"),
    ("tests: [{name: x, mail: {to: a@b.example, received: 9 Uhr}, expect: {}}]\n", "7:53", "bad-date", "09:30"),
    (
        "tests: [{name: x, mail: {to: a@b.example, received: 2026-06-01 25:00}, expect: {}}]\n",
        "7:53",
        "bad-date",
        "nor one with its time",
    ),
    (
        "tests: [{name: x, mail: {to: a@b.example, attachment: [{nmae: x}]}, expect: {}}]\n",
        "7:57",
        "unknown-key",
        "did you mean 'name'?",
    ),
    (RULE.format("when: {dmarc: softfail}"), "9:19", "unknown-value", "no result of dmarc"),
    (RULE.format("when: {spf: {is: soft-fail}}"), "9:22", "unknown-value", "did you mean 'softfail'?"),
    (RULE.format("when: {spf: {contains: p}}"), "9:18", "unknown-key", "'contains'"),
    (RULE.format("when: {reply: yes}"), "9:19", "wrong-kind", "did you mean 'true'?"),
    ("tests: [{name: x, mail: {to: a@b.example, dkim: ok}, expect: {}}]\n", "7:49", "unknown-value", "dkim is"),
    ("tests: [{name: x}]\n", "7:9", "missing-key", "'expect'"),
    ("tests: [{name: x, mail: {to: a}, expect: {}}]\n", "7:30", "bad-address", "'a'"),
    ("tests: [{name: x, mail: {to: a@b.example}, expect: {}}]\n", "7:9", "failed-test", "no address of ours"),
]
BROKEN.extend(
    (RULE.format(f"when: {{{_key}: x}}"), f"9:{14 + len(_key)}", "unknown-value", f"no result of {_key}: none, pass, ")
    for _key in ("spf", "dkim", "dmarc")
)
_THEN = "rules: [{{id: r, then: {{{0}}}}}]\n"
BROKEN += [
    (_THEN.format("hold: false"), "7:30", "unknown-value", "leave it out"),
    (_THEN.format("hold: ''"), "7:30", "bad-name", "no reason"),
    (_THEN.format(f"hold: {'x' * 201}"), "7:30", "bad-name", "at most 200"),
    (_THEN.format("hold: [a]"), "7:30", "wrong-kind", "found a list"),
    (_THEN.format("file: closed, hold: true"), "7:38", "unknown-value", "lies open"),
    (_THEN.format("forward: kreis"), "7:33", "bad-address", "'kreis'"),
    (_THEN.format("forward: []"), "7:33", "empty", "an empty list"),
    (_THEN.format("forward: [a@b.example, info+x@musterstadt.example]"), "7:47", "forward-loop", "one of ours"),
    (_THEN.format("reply: eingang"), "7:31", "unknown-template", "'eingang'"),
    (_THEN.format("reply: [a]"), "7:31", "wrong-kind", "found a list"),
    (_THEN.format("assign: Petra Muster"), "7:32", "bad-name", "one word"),
    (_THEN.format(f"assign: {'x' * 65}"), "7:32", "bad-name", "at most 64"),
]


@pytest.mark.parametrize(("fragment", "place", "code", "text"), BROKEN)
def test_a_mistake_is_named_where_it_stands(fragment: str, place: str, code: str, text: str) -> None:
    errors = [d for d in found_in(completed(fragment)) if d.severity == "error"]
    assert errors, "loaded"
    assert f"{errors[0].line}:{errors[0].column}" == place
    assert errors[0].code == code
    assert text in errors[0].text
    assert load(completed(fragment), "rules.yaml", read_list)[0] is None


@pytest.mark.parametrize("key", sorted(MINIMAL))
def test_what_is_mandatory_is_missed(key: str) -> None:
    text = "".join(part for name, part in MINIMAL.items() if name != key)
    assert f"the rules file has no '{key}'" in {d.text for d in found_in(text)}


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "null\n", "~", "[]", "x", "- a\n- b\n"])
def test_a_file_that_is_no_map_is_refused(text: str) -> None:
    ruleset, found = load(text, "rules.yaml")
    assert ruleset is None
    assert len(found) == 1


WARNINGS = [
    ("teams: {poststelle: {name: 'no'}}\n", []),
    ("teams: {poststelle: {name: no}}\n", ["yaml-1.1"]),
    ("teams: {poststelle: {name: 0123}}\n", ["yaml-1.1"]),
    ("teams: {poststelle: {name: 1e3}}\n", ["yaml-1.1"]),
    ("teams: {poststelle: {name: '1e3', office: 12:30}}\n", ["yaml-1.1"]),
    ("teams: {poststelle: {name: 112}}\n", []),
    ("teams: {poststelle: {name: P}, no: {name: N}}\naddresses: {n: {team: 'no'}}\n", ["yaml-1.1"]),
    ("teams: {poststelle: {name: P}, b: {name: B}}\n", ["unused-team"]),
    (RULE.format("when: {office_hours: true}"), ["no-hours"]),
    (RULE.format("unless: {any: [{office_hours: false}, {language: en}]}"), ["no-hours"]),
    ("teams: {poststelle: {name: P, hours: {mon: 08:00-12:00}}}\n" + RULE.format("when: {office_hours: true}"), []),
    ("organisation: {name: X, holidays: [12-24, 2026-05-15, DE-BY]}\n", []),
    ("teams: {poststelle: {name: P, parent: b}, b: {name: B}}\n", []),
    (
        "rules: [{id: a, when: {list: true}, then: {tag: a}}, {id: b, when: {list: true}, then: {tag: b}}]\n",
        ["same-conditions"],
    ),
    ("rules: [{id: a, when: {list: true}, then: {tag: a}}, {id: b, when: {list: false}, then: {tag: b}}]\n", []),
    ("rules: [{id: a, then: {file: closed}}, {id: b, when: {list: true}, then: {tag: b}}]\n", ["shadowed"]),
    ("rules: [{id: a, then: {file: closed}, continue: true}, {id: b, when: {list: true}, then: {tag: b}}]\n", []),
    ("rules: [{id: a, then: {file: closed}, mode: observe}, {id: b, when: {list: true}, then: {tag: b}}]\n", []),
    (
        "rules: [{id: a, active: {until: 2027-01-01}, then: {file: closed}}, {id: b, then: {tag: b}}]\n",
        ["same-conditions"],
    ),
    (
        (
            "rules:\n  - {id: a, when: {from: [a@x.example, b@x.example]}, then: {file: closed}}\n"
            "  - {id: b, when: {from: a@x.example, subject: x}, then: {tag: b}}\n"
        ),
        ["shadowed"],
    ),
    (
        (
            "rules:\n  - {id: a, when: {from: [a@x.example, b@x.example]}, then: {file: closed}}\n"
            "  - {id: b, when: {from: [a@x.example, c@x.example]}, then: {tag: b}}\n"
        ),
        [],
    ),
    (
        (
            "rules:\n  - {id: a, when: {subject: x}, unless: {list: true}, then: {file: closed}}\n"
            "  - {id: b, when: {subject: x, text: y}, then: {tag: b}}\n"
        ),
        [],
    ),
]


@pytest.mark.parametrize(("fragment", "expected"), WARNINGS)
def test_what_is_suspicious_is_warned_of_and_loads(fragment: str, expected: list[str]) -> None:
    ruleset, found = load(completed(fragment), "rules.yaml", read_list, today=TODAY)
    assert [d.code for d in found] == expected
    assert {d.severity for d in found} <= {"warning"}
    assert ruleset is not None


def test_an_expired_rule_is_warned_of_only_when_the_day_is_known() -> None:
    text = completed("rules: [{id: a, active: {until: 2026-05-31}, then: {tag: a}}]\n")
    assert [d.code for d in load(text, "rules.yaml", today=TODAY)[1]] == ["expired"]
    assert load(text, "rules.yaml")[1] == ()


def test_errors_hide_warnings_about_unused_parts() -> None:
    assert codes("teams: {poststelle: {name: P}, kita: {name: K}}\naddresses: {k: {team: kitta}}\n") == ["unknown-team"]


def test_a_list_file_that_vanished_refuses_and_the_rest_is_checked_all_the_same() -> None:
    fragment = "lists: {x: {file: lists/weg.txt}}\nrules: [{id: r, when: {from: {list: x}}, then: {tagg: x}}]\n"
    assert codes(fragment) == ["list-file", "unknown-key"]


def test_an_entry_of_a_list_that_is_no_address_is_named_where_the_rule_uses_the_list() -> None:
    found = found_in(completed("lists: {x: [b.example]}\nrules: [{id: r, when: {from: {list: x}}, then: {tag: x}}]\n"))
    assert [(d.line, d.code) for d in found] == [(8, "bad-address")]
    assert "write '@b.example'" in found[0].text


def test_list_files_cannot_be_read_where_nobody_reads_them() -> None:
    assert [d.code for d in load(completed("lists: {x: {file: a}}\n"), "rules.yaml")[1]] == ["list-file"]


def test_comments_and_empty_lines_of_a_list_file_are_no_entries() -> None:
    fragment = "lists: {x: {file: lists/sperrliste.txt}}\nrules: [{id: r, when: {from: {list: x}}, then: {tag: x}}]\n"
    assert rules_of(fragment).lists["x"].entries == ("@sperre.example", "max@x.example")


def test_the_version_follows_the_text_and_the_list_files() -> None:
    fragment = completed("lists: {x: {file: a}}\nrules: [{id: r, when: {from: {list: x}}, then: {tag: x}}]\n")

    def version(text: str, entry: str) -> str:
        ruleset, _ = load(text, "rules.yaml", lambda _: entry)
        assert ruleset is not None
        return ruleset.version

    first = version(fragment, "a@x.example")
    assert len(first) == 64
    assert version(fragment, "a@x.example") == first
    assert version(fragment, "b@x.example") != first
    assert version(fragment + "# more\n", "a@x.example") != first


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert load("\ufeff" + completed(""), "rules.yaml")[1] == ()


def test_hours_are_read_as_minutes_of_weekdays() -> None:
    fragment = "teams: {poststelle: {name: P, hours: {mon-tue: [08:00-12:00, 13:30-16:00], sat: 9:00-24:00}}}\n"
    hours = rules_of(fragment).teams["poststelle"].hours
    assert [(h.weekday, h.from_minute, h.until_minute) for h in hours] == [
        (0, 480, 720),
        (1, 480, 720),
        (0, 810, 960),
        (1, 810, 960),
        (5, 540, 1440),
    ]


FAILING = [
    ("{teams: [kita]}", "expected teams [kita], but found [poststelle]"),
    ("{tags: [a, b]}", "expected tags [a, b], but found [a]"),
    ("{rules: []}", "expected rules [], but found [a]"),
    ("{priority: high}", "expected priority high, but found normal"),
    ("{state: closed}", "expected state closed, but found open"),
    ("{rules: [a, z]}", "z is bounded in time: say 'received: DATE' in the mail"),
]
TESTED = WHOLE + (
    "rules:\n  - {id: a, when: {subject: x}, then: {tag: a}}\n"
    "  - {id: z, active: {from: 2026-12-01, until: 2026-12-31}, then: {tag: z}}\n"
)


@pytest.mark.parametrize(("expect", "text"), FAILING)
def test_a_failing_test_says_what_was_expected_and_what_happened(expect: str, text: str) -> None:
    fragment = TESTED + f"tests:\n  - name: T\n    mail: {{to: info@a.example, subject: x}}\n    expect: {expect}\n"
    found = found_in(completed(fragment))
    assert [d.code for d in found] == ["failed-test"]
    assert found[0].text.startswith("test 'T': ")
    assert text in found[0].text


def test_a_test_that_says_when_its_mail_came_reaches_a_rule_bounded_in_time() -> None:
    mail = "{to: info@a.example, subject: x, received: 2026-12-24}"
    assert rules_of(TESTED + f"tests: [{{name: T, mail: {mail}, expect: {{rules: [a, z]}}}}]\n")


def test_every_key_of_a_test_mail_reaches_the_conditions() -> None:
    mails = {
        "from: '@x.example'": "from: a@x.example",
        "sender: <>": "sender: <>",
        "sender: a@y.example": "from: b@x.example, sender: a@y.example",
        "subject: s": "subject: s",
        "text: t": "text: t",
        "header: {X-A: a}": "header: {X-A: a}",
        "attachment: {name: a.pdf, type: a/b, larger_than: 1MB}": "attachment: {name: a.pdf, type: a/b, size: 2MB}",
        "size: {larger_than: 1kB}": "size: 2kB",
        "list: true": "list: true",
        "header: {List-Id: l}, list: true": "header: {List-Id: l}",
        "auto_submitted: true": "auto_submitted: true",
        "bounce: true": "bounce: true",
        "to: info": "to: [kita@a.example, info@a.example]",
    }
    for when, mail in mails.items():
        to = "" if mail.startswith("to:") else "to: info@a.example, "
        for wanted, said in (("t", f"{to}{mail}"), ("", "to: kita@a.example, subject: nothing")):
            test = f"tests: [{{name: T, mail: {{{said}}}, expect: {{tags: [{wanted}]}}}}]\n"
            text = completed(WHOLE + f"rules: [{{id: r, when: {{{when}}}, then: {{tag: t}}}}]\n" + test)
            assert not [str(d) for d in found_in(text) if d.severity == "error"], (when, said)


def test_a_test_mail_has_several_attachments_when_it_lists_them() -> None:
    fragment = (
        "rules: [{id: r, when: {attachment: {name: b.zip, larger_than: 1MB}}, then: {tag: t}}]\n"
        "tests: [{name: T, mail: {to: info@a.example, attachment: [{name: a.pdf}, {name: b.zip, size: 2MB}]},"
        " expect: {tags: [t]}}]\n"
    )
    assert rules_of(WHOLE + fragment).tests[0].letter.facts.attachments[1].part == "3"


@pytest.mark.parametrize(
    ("zone", "said", "utc"),
    [
        ("Europe/Berlin", "2026-06-01 09:30", "2026-06-01T07:30+00:00"),
        ("Europe/Berlin", "2026-12-01T09:30", "2026-12-01T08:30+00:00"),
        ("Europe/Berlin", "2026-06-01", "2026-06-01T10:00+00:00"),
        ("Pacific/Auckland", "2026-06-01", "2026-06-01T00:00+00:00"),
    ],
)
def test_a_test_mail_comes_in_the_time_zone_of_the_organisation(zone: str, said: str, utc: str) -> None:
    fragment = (
        f"organisation: {{name: X, timezone: {zone}}}\n"
        f"tests: [{{name: T, mail: {{to: info@a.example, received: {said}}}, expect: {{}}}}]\n"
    )
    assert rules_of(WHOLE + fragment).tests[0].letter.received_at == datetime.fromisoformat(utc)


def test_findings_of_a_file_of_mistakes_are_bounded() -> None:
    teams = "teams:\n" + "".join(f"  t{i}: {{name: T, x: 1}}\n" for i in range(MAX_FINDINGS + 500))
    ruleset, found = load(completed("fallback: t0\n" + teams), "rules.yaml")
    assert ruleset is None
    assert len(found) == MAX_FINDINGS


def test_an_error_is_told_even_after_too_many_warnings() -> None:
    teams = "teams:\n  poststelle: {name: P}\n" + "".join(f"  t{i}: {{name: no}}\n" for i in range(MAX_FINDINGS + 5))
    ruleset, found = load(completed(teams + "unknown_recipient: x\n"), "rules.yaml")
    assert ruleset is None
    assert [d.code for d in found if d.severity == "error"] == ["unknown-value"]
