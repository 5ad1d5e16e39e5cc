from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from maild.cli.demo_mail import build
from maild.cli.demo_mail.build import samples
from maild.cli.demo_site import DOMAIN, PEOPLE, example_rules
from maild.mail.reading import facts_of
from maild.rules.loader import load
from tests.cli.daemons import ROOT, until
from tests.cli.shell import Maild

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def test_sample_mails_are_read_as_they_were_meant() -> None:
    letters = yaml.safe_load(Path(build.__file__).with_name("letters.yaml").read_text(encoding="utf-8"))
    made = list(samples(DOMAIN, NOW))
    assert len(made) == len(letters) > 55
    for letter, sample in zip(letters, made, strict=True):
        facts = facts_of(sample.octets)
        assert facts.subject == letter["subject"]
        assert facts.source_only is None
        assert [a.name for a in facts.attachments][-len(letter.get("attach", ())) :][:9] == letter.get(
            "attach", []
        ) or ("attach" not in letter)
        assert bool(facts.references) == ("after" in letter)


def test_every_sample_mail_has_a_recipient_that_the_example_rules_accept() -> None:
    rules, found = load(example_rules(), "rules.example.yaml")
    assert rules is not None, found
    from maild.mail.address import parse_address

    for sample in samples(DOMAIN, NOW):
        ours = [sample.sender or ""] if sample.outgoing else sample.recipients
        assert all(rules.accepts(parse_address(address)) for address in ours), ours
    assert {team for person in PEOPLE for team, _ in person.grants if team} <= set(rules.teams)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A running demo: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("look")
    printed = folder / "printed.txt"
    with printed.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "maild", "demo", "--dir", "demo"],
            stdout=out, stderr=subprocess.STDOUT, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        try:
            until(lambda: "Ctrl-C" in printed.read_text(encoding="utf-8") or process.poll() is not None, "ready")
            yield folder / "demo", printed.read_text(encoding="utf-8")
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def test_a_demo_prints_where_to_look_and_a_command_that_sends_a_mail(
    demo: tuple[Path, str], maild: Maild, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, printed = demo
    assert re.search(r"Look: +http://127\.0\.0\.1:\d+/", printed)
    assert len(re.findall(r"login \w+ +password [a-z-]{20,}", printed)) == 3
    monkeypatch.setenv("MAILD_CONFIG", str(folder / "maild.toml"))
    command = next(line.strip() for line in printed.splitlines() if "smtplib" in line)
    subprocess.run(shlex.split(command.replace("python3", sys.executable, 1)), check=True, timeout=60)
    until(lambda: maild("search", "Mein erster Brief", "--json").code == 0, "found")
    (hit,) = maild("search", "subject:'Mein erster Brief'", "--json").objects
    until(lambda: maild("show", hit["id"], "--json").objects[0]["teams"] == ["poststelle"], "routed")


def test_a_demo_has_its_mail_in_the_inboxes_and_an_answer_in_its_conversation(
    demo: tuple[Path, str], maild: Maild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILD_CONFIG", str(demo[0] / "maild.toml"))
    until(lambda: maild("status", "--json").objects[0]["waiting"] == 0, "routed")
    assert maild("status", "--json").objects[0]["messages"] >= 59
    found = maild("search", "from:petra.mertens OR is:out", "--json").objects
    assert {hit["direction"] for hit in found} == {"in", "out"}
    assert len({hit["conversation"] for hit in found}) == 1
    assert maild("verify", "--full").code == 0
    assert maild("check").code == 0
    for path in demo[0].rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_folder_that_holds_something_else_is_left_alone(maild: Maild, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("", encoding="utf-8")
    result = maild("demo", "--dir", "mine")
    assert result.code == 1
    assert "mine is not empty" in result.err
