from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from maild.cli.main import VERBS, program
from tests.cli.shell import Maild

ROOT = Path(__file__).parent.parent.parent


def all_commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in VERBS:
        command = program.get_command(click.Context(program), name)
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.commands]
        else:
            found.append((name,))
    return found


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_every_verb_says_what_it_does_and_shows_an_example(maild: Maild, words: tuple[str, ...]) -> None:
    shown = maild(*words, "--help")
    assert shown.code == 0
    assert f"maild {' '.join(words)}" in shown.out.split("For example:")[1]
    assert "--config FILE" in shown.out


def test_the_list_of_verbs_imports_none_of_them() -> None:
    code = (
        "import sys\n"
        "from maild.cli.main import main\n"
        "main(['--help'])\n"
        "sys.exit(any(m in sys.modules for m in ('sqlalchemy', 'yaml', 'asyncio', 'maild.cli.check')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"  {name} " in done.stdout for name in VERBS)


def test_check_needs_neither_the_web_nor_where_there_is_no_archive_a_database(site: Path) -> None:
    shutil.rmtree(site / "var")
    code = (
        "import sys\n"
        "from maild.cli.main import main\n"
        "assert main(['check']) == 0\n"
        "print([m for m in ('sqlalchemy', 'starlette', 'asyncio', 'pydantic', 'cryptography') if m in sys.modules])\n"
    )
    environ = os.environ | {"MAILD_CONFIG": str(site / "maild.toml"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environ)
    assert done.stdout.strip() == "[]"


def test_a_misspelt_verb_names_the_nearest_one(maild: Maild) -> None:
    result = maild("serch", "x")
    assert result.code == 2
    assert "there is no verb 'serch'; did you mean 'search'?" in result.err


def test_wrong_usage_is_2_and_refused_configuration_78(maild: Maild, tmp_path: Path) -> None:
    assert maild("search").code == 2
    (tmp_path / "maild.toml").write_text("[smtp]\nlisen = 1\n", encoding="utf-8")
    refused = maild("user", "list", "--config", "maild.toml")
    assert refused.code == 78
    assert refused.out == ""
    assert refused.err == (
        "maild.toml:2:1: error[unknown-key]: 'lisen' is not a setting of [smtp]; did you mean 'listen'?\n"
    )


def test_the_settings_can_be_named_before_and_after_the_verb(
    maild: Maild, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILD_CONFIG", "")
    assert maild("check").code == 1
    assert maild("--config", site / "maild.toml", "check").code == 0
    monkeypatch.setenv("MAILD_CONFIG", "")
    assert maild("check", "--config", site / "maild.toml").code == 0


def test_no_crash_leaves_mail_in_a_core_file(maild: Maild) -> None:
    maild("--help")
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def test_a_reader_that_has_enough_is_no_error(site: Path) -> None:
    environ = os.environ | {"MAILD_CONFIG": str(site / "maild.toml")}
    command = f"{sys.executable} -m maild user list --json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, env=environ, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_is_told(maild: Maild) -> None:
    assert re.fullmatch(r"maild \d+\.\d+\.\d+\n", maild("--version").out)


def test_what_cannot_be_printed_is_an_error(site: Path) -> None:
    environ = os.environ | {"MAILD_CONFIG": str(site / "maild.toml")}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "maild", "user", "list"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            env=environ,
            cwd=ROOT,
        )
    assert (done.returncode, done.stderr) == (75, b"maild: the disk is full; make room, then try again\n")
