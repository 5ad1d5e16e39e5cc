"""R1: a rules file made to harm its host, or to mean something else than it says.

Expected: refused with a diagnostic that has its line, quickly, without constructing anything, and the rules that
served before go on serving.
"""

from __future__ import annotations

import resource
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from maild.mail.facts import Facts
from maild.rules.loader import load, load_tested
from maild.rules.rulebook import Rulebook, read_rules
from tests.rules.samples import completed

MARK = "maild-was-here"
PYTHON = f'["touch {MARK}"]'
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
LONG = 2_000_000

# Name, text (as a section of an otherwise good file), and the codes of which at least one must be found.
HOSTILE: dict[str, tuple[str, set[str]]] = {
    "python object apply": (f"rules: !!python/object/apply:os.system {PYTHON}\n", {"tag"}),
    "python object new": (f"rules: !!python/object/new:os.system {PYTHON}\n", {"tag"}),
    "python name": ("fallback: !!python/name:os.system\n", {"tag"}),
    "python module": ("fallback: !!python/module:os\n", {"tag"}),
    "python in a key": ("rules: [{!!python/name:os.system : x}]\n", {"tag"}),
    "python by its long tag": (f"rules: !<tag:yaml.org,2002:python/object/apply:os.system> {PYTHON}\n", {"tag"}),
    "tag of a private kind": ("fallback: !secret poststelle\n", {"tag"}),
    "tag of the core schema": ("fallback: !!binary cG9zdHN0ZWxsZQ==\n", {"tag"}),
    "tag on a mapping": ("organisation: !!map {name: X}\n", {"tag"}),
    "tag on a list": ("domains: !!seq [a.example]\n", {"tag"}),
    "non-specific tag": ("fallback: ! poststelle\n", {"tag"}),
    "alias bomb": (BOMB, {"alias"}),
    "anchor alone": ("fallback: &x poststelle\n", {"alias"}),
    "alias of itself": ("teams: &t {poststelle: *t}\n", {"alias"}),
    "undefined alias": ("fallback: *x\n", {"alias", "syntax"}),
    "merge key": ("teams: {poststelle: {<<: {name: X}}}\n", {"unknown-key"}),
    "merge key with alias": ("x: &x {name: X}\nteams: {poststelle: {<<: *x}}\n", {"alias"}),
    "duplicate section": ("rules: []\nrules: []\n", {"duplicate-key"}),
    "duplicate key by quotes": ("teams: {poststelle: {name: A, 'name': B}}\n", {"duplicate-key"}),
    "duplicate fallback": ("fallback: poststelle\nfallback: admin\n", {"duplicate-key"}),
    "norway as a team": ("fallback: no\n", {"unknown-team"}),
    "no for a truth value": ("addresses: {a: {team: poststelle, listed: no}}\n", {"wrong-kind"}),
    "on for a truth value": ("rules: [{id: r, stop: on, then: {tag: x}}]\n", {"wrong-kind"}),
    "number for a truth value": ("rules: [{id: r, stop: 1, then: {tag: x}}]\n", {"wrong-kind"}),
    "null for a mapping": ("teams: ~\n", {"wrong-kind"}),
    "null for a key": ("teams: {~: {name: X}, poststelle: {name: P}}\n", {"bad-name"}),
    "list for a key": ("teams: {[a]: {name: X}, poststelle: {name: P}}\n", {"wrong-kind"}),
    "mapping for a key": ("teams:\n  ? {a: b}\n  : {name: X}\n", {"wrong-kind"}),
    "deep lists": ("rules: " + "[" * 100_000 + "\n", {"too-deep"}),
    "deep mappings": ("rules: " + "{a: " * 100_000 + "\n", {"too-deep"}),
    "deep blocks": ("rules:\n" + "".join(" " * i + "-\n" for i in range(1, 2_000)), {"too-deep", "syntax"}),
    "deep keys": ("? " * 50_000 + "\n", {"too-deep", "syntax"}),
    "ten megabytes of text": ("templates: {x: {text: '" + "a" * 10_000_000 + "'}}\n", {"too-large"}),
    "ten megabytes of comment": ("#" + "a" * 10_000_000 + "\n", {"too-large"}),
    "a million values": ("rules: [" + "a," * 1_000_000 + "]\n", {"too-large"}),
    "a million keys": ("lists: {" + "k%s: [a]," * 250_000 + "}\n", {"too-large"}),
    "one line of spaces": ("rules:" + " " * LONG + "!!x []\n", {"tag"}),
    "one endless word": ("fallback: " + "p" * LONG + "\n", {"unknown-team"}),
    "one endless key": ("p" * LONG + ": x\n", {"syntax", "unknown-key"}),
    "one endless tag": ("fallback: !" + "p" * LONG + " x\n", {"tag", "syntax"}),
    "NUL": ("fallback: post\0stelle\n", {"syntax"}),
    "NUL in quotes": ('fallback: "post\\0stelle"\n', {"unknown-team"}),
    "escape sequence": ("fallback: \x1b]0;x\x07\n", {"syntax"}),
    "escape in quotes": ('fallback: "\\e]0;x\\a"\n', {"unknown-team"}),
    "lone surrogate": ("fallback: \udcff\n", {"unreadable-file"}),
    "line separators": ("fallback: post\u2028stelle\n", {"unknown-team", "syntax"}),
    "right-to-left override": ("fallback: \u202epoststelle\n", {"unknown-team"}),
    "two documents": ("---\nversion: 1\n", {"syntax"}),
    "another YAML": ("%YAML 2.0\n---\nversion: 1\n", {"syntax"}),
    "a tab for a space": ("teams:\n\tposstelle: {name: X}\n", {"syntax"}),
    "a time zone outside": ("organisation: {name: X, timezone: ../../../../etc/passwd}\n", {"unknown-value"}),
    "a list of the machine": ("lists: {x: {file: /etc/passwd}}\n", {"list-file"}),
    "a list with NUL": ('lists: {x: {file: "a\\0b"}}\n', {"list-file"}),
}


def whole(name: str) -> str:
    text = HOSTILE[name][0]
    if name == "a million keys":  # numbered when they are wanted: each process of a run makes the table
        text %= tuple(range(250_000))
    return text + completed("") if text.startswith("%") else completed(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yaml").write_bytes(whole(name).encode("utf-8", "surrogatepass"))
    started = time.process_time()
    loaded = read_rules(tmp_path / "rules.yaml")
    spent_s = time.process_time() - started
    assert loaded.ruleset is None
    assert {d.code for d in loaded.diagnostics if d.severity == "error"} & HOSTILE[name][1]
    assert all(str(d).isprintable() and len(str(d)) < 1_000 for d in loaded.diagnostics)
    assert not (tmp_path / MARK).exists()
    assert spent_s < 5


def test_a_text_that_is_no_unicode_is_refused_too() -> None:
    assert [d.code for d in load(whole("lone surrogate"), "rules.yaml")[1]] == ["syntax"]


def test_there_are_at_least_forty_of_them() -> None:
    assert len(HOSTILE) >= 40


def test_nothing_of_a_hostile_file_reaches_the_rules_that_serve(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(completed(""), encoding="utf-8")
    book = Rulebook(path, tmp_path)
    before = book.load_at_start()
    for name in ("python object apply", "alias bomb", "deep lists", "NUL", "duplicate fallback", "norway as a team"):
        path.write_bytes(whole(name).encode("utf-8", "surrogatepass"))
        assert not book.reload(), name
        assert book.current is before
        assert book.refused


def test_an_alias_bomb_is_refused_without_being_unfolded() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    load(whole("alias bomb"), "rules.yaml")
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 20_000


LISTED = "lists: {x: {file: x.txt}}\nrules: [{id: r, when: {from: {list: x}}, then: {tag: x}}]\n"


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda file: file.truncate(100_000_000), "more than 20,000,000 octets"),
        (lambda file: file.write(b"a\n" * 600_000), "more than 500,000 lines"),
        (lambda file: file.write(b"\xff" * 100), "not UTF-8"),
    ],
    ids=["100 MB", "too many lines", "no text"],
)
def test_a_list_file_without_end_is_refused_in_bounded_memory(
    write: Callable[[BinaryIO], object], said: str, tmp_path: Path
) -> None:
    with (tmp_path / "x.txt").open("wb") as file:
        write(file)
    (tmp_path / "rules.yaml").write_text(completed(LISTED), encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loaded = read_rules(tmp_path / "rules.yaml")
    assert loaded.ruleset is None
    assert [d.code for d in loaded.diagnostics] == ["list-file"]
    assert said in loaded.diagnostics[0].text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


def test_no_tag_of_python_is_ever_imported() -> None:
    assert "antigravity" not in sys.modules
    load(completed("fallback: !!python/module:antigravity\n"), "rules.yaml")
    assert "antigravity" not in sys.modules


def test_a_text_that_looks_like_a_number_or_a_truth_value_stays_the_text() -> None:
    text = "teams: {poststelle: {name: 'no', office: '0123'}}\nrules: [{id: '1e3', then: {tag: ['on', '1_000']}}]\n"
    ruleset, found = load(completed(text), "rules.yaml")
    assert found == ()
    assert ruleset is not None
    assert (ruleset.teams["poststelle"].name, ruleset.teams["poststelle"].office) == ("no", "0123")
    assert ruleset.rules[0].id == "1e3"


SIXTY_LISTS = "lists:\n" + "".join(f"  l{n}: {{file: lists/{n}.txt}}\n" for n in range(60))


def test_list_files_that_are_small_each_do_not_fill_the_memory_together() -> None:
    text = "x\n" * 400_000
    read: list[str] = []

    def read_list(name: str) -> str:
        read.append(name)
        return text

    ruleset, found = load(completed(SIXTY_LISTS), "r", read_list)
    assert ruleset is None
    assert any("all list files together" in told.text for told in found)
    assert len(read) == 4


def test_a_file_that_is_named_by_many_lists_and_many_tests_is_read_once() -> None:
    lists = "lists:\n" + "".join(f"  l{n}: {{file: a.txt}}\n" for n in range(50))
    each = "  - {{name: t{}, mail: {{to: info@musterstadt.example, file: {}a.eml}}, expect: {{rules: []}}}}\n"
    tests = "tests:\n" + "".join(each.format(n, "./" * (n % 3)) for n in range(50))
    read: list[str] = []

    def read_list(name: str) -> str:
        read.append(name)
        return "x\n"

    def read_sample(name: str) -> Facts:
        read.append(name)
        return Facts(subject="x")

    load_tested(completed(lists + tests), "r", read_list, read_sample)
    assert read == ["a.txt", "a.eml"]


def test_a_mistake_does_not_make_a_copy_of_a_list_for_each_rule_that_names_it() -> None:
    entries = "".join(f"a{n}@b.example\n" for n in range(2_000))
    one = "  - {{id: r{}, when: {{from: {{list: l}}}}, then: {{tag: x}}}}\n"
    text = "nobody: x\nlists: {l: {file: a.txt}}\nrules:\n" + "".join(map(one.format, range(200)))
    tracemalloc.start()
    try:
        ruleset, _ = load(completed(text), "r", lambda _: entries)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ruleset is None
    assert peak < 12_000_000  # of copies it would be several times that
