from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from maild.errors import ConfigurationError
from maild.mail.address import parse_address
from maild.rules.model import Ruleset
from maild.rules.rulebook import LAST_GOOD, Rulebook, read_kept, read_rules
from maild.rules.samples import MAX_BYTES
from tests.rules.samples import TODAY, completed

GOOD = completed("teams: {poststelle: {name: Eins}}\n")
BETTER = completed("teams: {poststelle: {name: Zwei}}\n")
BAD = completed("fallback: postelle\n")
LISTED = completed("lists: {x: {file: x.txt}}\nrules: [{id: r, when: {from: {list: x}}, then: {tag: x}}]\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "var").mkdir()
    written = tmp_path / "etc" / "rules.yaml"
    written.write_text(GOOD, encoding="utf-8")
    return written


def rulebook(path: Path) -> Rulebook:
    return Rulebook(path, path.parents[1] / "var")


def name(book: Rulebook) -> str:
    return book.current.teams["poststelle"].name


def test_a_good_file_serves_from_the_start(path: Path) -> None:
    book = rulebook(path)
    assert book.load_at_start() is book.current
    assert name(book) == "Eins"
    assert (book.refused, book.warnings, book.source, book.unkept) == ((), (), GOOD, None)


def test_before_the_start_there_are_no_rules(path: Path) -> None:
    with pytest.raises(ConfigurationError):
        _ = rulebook(path).current


def test_a_bad_file_at_the_first_start_is_refused_with_every_diagnostic(path: Path) -> None:
    path.write_text(BAD + "unknown_recipient: x\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        rulebook(path).load_at_start()
    assert [d.code for d in refused.value.diagnostics] == ["unknown-team", "unknown-value"]
    assert refused.value.diagnostics[0].path == str(path)


def test_a_new_file_serves_after_a_reload(path: Path) -> None:
    book = rulebook(path)
    book.load_at_start()
    path.write_text(BETTER, encoding="utf-8")
    assert book.reload()
    assert name(book) == "Zwei"
    assert book.source == BETTER


def test_a_bad_file_changes_nothing_and_is_told(path: Path) -> None:
    book = rulebook(path)
    before = book.load_at_start()
    path.write_text(BAD, encoding="utf-8")
    assert not book.reload()
    assert book.current is before
    assert [d.code for d in book.refused] == ["unknown-team"]
    path.write_text(BETTER, encoding="utf-8")
    assert book.reload()
    assert book.refused == ()


def test_the_last_good_file_serves_after_a_restart(path: Path) -> None:
    rulebook(path).load_at_start()
    path.write_text(BAD, encoding="utf-8")
    book = rulebook(path)
    book.load_at_start()
    assert name(book) == "Eins"
    assert book.source == GOOD
    assert [d.code for d in book.refused] == ["unknown-team"]


def test_the_last_good_file_serves_after_a_restart_when_the_newest_is_gone(path: Path) -> None:
    version = rulebook(path).load_at_start().version
    path.unlink()
    book = rulebook(path)
    assert book.load_at_start().version == version
    assert [d.code for d in book.refused] == ["unreadable-file"]


def test_the_last_good_copy_holds_the_list_files_too(path: Path) -> None:
    path.write_text(LISTED, encoding="utf-8")
    (path.parent / "x.txt").write_text("a@b.example\n", encoding="utf-8")
    version = rulebook(path).load_at_start().version
    (path.parent / "x.txt").unlink()
    book = rulebook(path)
    assert book.load_at_start().version == version
    assert book.current.lists["x"].entries == ("a@b.example",)
    assert [d.code for d in book.refused] == ["list-file"]


def test_a_changed_list_file_is_taken_up_by_a_reload(path: Path) -> None:
    path.write_text(LISTED, encoding="utf-8")
    (path.parent / "x.txt").write_text("a@b.example\n", encoding="utf-8")
    book = rulebook(path)
    before = book.load_at_start().version
    (path.parent / "x.txt").write_text("c@d.example\n", encoding="utf-8")
    assert book.reload()
    assert book.current.version != before
    assert book.current.lists["x"].entries == ("c@d.example",)


def test_a_refused_file_does_not_replace_the_last_good_copy(path: Path) -> None:
    book = rulebook(path)
    book.load_at_start()
    kept = path.parents[1] / "var" / LAST_GOOD
    before = kept.read_bytes()
    path.write_text(BAD, encoding="utf-8")
    book.reload()
    assert kept.read_bytes() == before


def test_the_last_good_copy_is_for_maild_alone(path: Path) -> None:
    rulebook(path).load_at_start()
    var = path.parents[1] / "var"
    assert [(p.name, p.stat().st_mode & 0o777) for p in var.iterdir()] == [(LAST_GOOD, 0o600)]


@pytest.mark.parametrize(
    "kept", ["", "{", "[]", '{"source": 1, "lists": {}}', '{"source": "x"}', json.dumps({"source": BAD, "lists": {}})]
)
def test_a_damaged_last_good_copy_is_no_copy(path: Path, kept: str) -> None:
    (path.parents[1] / "var" / LAST_GOOD).write_text(kept, encoding="utf-8")
    path.write_text(BAD, encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        rulebook(path).load_at_start()
    assert [d.code for d in refused.value.diagnostics] == ["unknown-team"]


def test_good_rules_serve_even_when_their_copy_cannot_be_kept(path: Path) -> None:
    book = Rulebook(path, path.parents[1] / "missing")
    book.load_at_start()
    assert name(book) == "Eins"
    assert book.unkept is not None
    assert "No such file" in book.unkept


def test_a_reload_keeps_the_rules_that_could_not_be_kept(path: Path) -> None:
    book = Rulebook(path, path.parents[1] / "later")
    book.load_at_start()
    (path.parents[1] / "later").mkdir()
    book.reload()
    assert book.unkept is None
    kept = read_kept(path.parents[1] / "later", str(path))
    assert kept is not None
    assert kept.ruleset == book.current


def test_a_planted_link_is_not_written_through(path: Path) -> None:
    var = path.parents[1] / "var"
    victim = path.parents[1] / "victim"
    victim.write_text("mine", encoding="utf-8")
    (var / (LAST_GOOD + ".new")).symlink_to(victim)
    book = rulebook(path)
    book.load_at_start()
    assert victim.read_text(encoding="utf-8") == "mine"
    assert book.unkept is not None


def test_listeners_hear_of_changes_and_of_nothing_else(path: Path) -> None:
    book = rulebook(path)
    heard: list[Ruleset] = []
    book.on_change(heard.append)
    book.load_at_start()
    book.reload()
    path.write_text(BAD, encoding="utf-8")
    book.reload()
    path.write_text(BETTER, encoding="utf-8")
    book.reload()
    assert [rules.teams["poststelle"].name for rules in heard] == ["Eins", "Zwei"]


def test_warnings_are_those_of_the_file_that_serves(path: Path) -> None:
    path.write_text(GOOD + "lists: {x: [a]}\n", encoding="utf-8")
    book = rulebook(path)
    book.load_at_start()
    assert [d.code for d in book.warnings] == ["unused-list"]


def test_a_file_that_is_not_there_is_refused_with_its_reason(tmp_path: Path) -> None:
    loaded = read_rules(tmp_path / "rules.yaml", shown="rules.yaml")
    assert loaded.ruleset is None
    assert [str(d) for d in loaded.diagnostics] == [
        "rules.yaml:1:1: error[unreadable-file]: the rules cannot be read: No such file or directory"
    ]


def test_a_file_that_is_not_utf_8_names_the_line(path: Path) -> None:
    path.write_bytes(GOOD.encode() + b"# M\xfcller\n")
    loaded = read_rules(path)
    assert "line 6 is not UTF-8" in loaded.diagnostics[0].text


def test_a_folder_or_a_pipe_is_no_rules_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path, tmp_path / "pipe"):
        assert "not a regular file" in read_rules(odd).diagnostics[0].text


def test_an_expired_rule_is_warned_of_when_the_day_is_told(path: Path) -> None:
    path.write_text(GOOD + "rules: [{id: a, active: {until: 2026-05-31}, then: {tag: a}}]\n", encoding="utf-8")
    assert [d.code for d in read_rules(path, today=TODAY).diagnostics] == ["expired"]
    assert read_rules(path).diagnostics == ()


@pytest.mark.parametrize("file", ["/etc/passwd", "../secret.txt", "lists/../../secret.txt", "link.txt", "pipe", "dir"])
def test_a_list_file_lies_beside_the_rules_and_is_a_file(path: Path, file: str) -> None:
    secret = path.parents[1] / "secret.txt"
    secret.write_text("geheim@b.example\n", encoding="utf-8")
    (path.parent / "link.txt").symlink_to(secret)
    (path.parent / "dir").mkdir()
    os.mkfifo(path.parent / "pipe")
    path.write_text(LISTED.replace("x.txt", file), encoding="utf-8")
    loaded = read_rules(path)
    assert [d.code for d in loaded.diagnostics] == ["list-file"]
    assert "geheim" not in str(loaded.diagnostics)
    assert "geheim" not in str(loaded.lists)


def test_a_list_file_may_be_a_link_within_the_folder(path: Path) -> None:
    (path.parent / "real.txt").write_text("a@b.example\n", encoding="utf-8")
    (path.parent / "x.txt").symlink_to("real.txt")
    path.write_text(LISTED, encoding="utf-8")
    assert read_rules(path).diagnostics == ()


SAMPLED = (
    GOOD + "tests: [{name: T, mail: {to: abuse@musterstadt.example, file: x.eml}, expect: {teams: [poststelle]}}]\n"
)


def test_a_letter_in_a_file_is_read_in_a_process_of_its_own(path: Path) -> None:
    (path.parent / "x.eml").write_bytes(b"From: a@b.example\nSubject: Hallo\n\nText\n")
    path.write_text(SAMPLED, encoding="utf-8")
    loaded = read_rules(path)
    assert loaded.diagnostics == ()
    assert loaded.ruleset is not None
    letter = loaded.ruleset.tests[0].letter
    assert (letter.facts.subject, letter.reverse_path, len(loaded.results)) == (
        "Hallo",
        parse_address("a@b.example"),
        1,
    )
    assert path.parent / "x.eml" in loaded.stamps


@pytest.mark.parametrize("file", ["/etc/passwd", "../secret.eml", "link.eml", "pipe", "missing.eml", "huge.eml"])
def test_a_letter_lies_beside_the_rules_and_is_a_file_of_moderate_size(path: Path, file: str) -> None:
    (path.parents[1] / "secret.eml").write_bytes(b"Subject: geheim\n\n")
    (path.parent / "link.eml").symlink_to(path.parents[1] / "secret.eml")
    os.mkfifo(path.parent / "pipe")
    with (path.parent / "huge.eml").open("wb") as huge:
        huge.truncate(MAX_BYTES + 1)
    path.write_text(SAMPLED.replace("x.eml", file), encoding="utf-8")
    assert [d.code for d in read_rules(path).diagnostics] == ["sample-file"]


def test_what_the_letter_in_a_file_says_is_not_said_beside_it(path: Path) -> None:
    (path.parent / "x.eml").write_bytes(b"Subject: Hallo\n\n")
    path.write_text(SAMPLED.replace("file:", "subject: Servus, file:"), encoding="utf-8")
    assert ["'subject' stands beside" in d.text for d in read_rules(path).diagnostics] == [True]


def test_the_last_good_copy_serves_without_the_letters_of_its_tests(path: Path) -> None:
    (path.parent / "x.eml").write_bytes(b"Subject: Hallo\n\n")
    path.write_text(SAMPLED, encoding="utf-8")
    version = rulebook(path).load_at_start().version
    (path.parent / "x.eml").unlink()
    assert rulebook(path).load_at_start().version == version
